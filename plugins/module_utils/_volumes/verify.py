# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running probes: on throwaway copies of the staged volumes before anything is stopped, and on the live application.

What a probe or a container wrote is not repeated, as it may hold Secret data. A probe's output leaves by its
fingerprint and length.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._cluster.streams import ExecResult, run_in_pod
from .._cluster.waits import wait_until
from .._core.errors import KnownGoodError, NotProven
from .._core.operation import Context
from .._core.plan import Json, Step
from .._core.redact import fingerprint
from .binding import POD, PVC
from .claim_facts import from_claim, from_snapshot, manifest
from .events import last_warning
from .helper_pods import bare, from_workload
from .names import OPERATION, short, suffixed, tail
from .objects import Object, create, delete
from .probes import LIVE, STAGED, Probe
from .stage import staged
from .tools import Tools

_PAUSE_S = 0.5
_ROLE = "knowngood.io/role"
VOLUME, SNAPSHOT = "volume", "snapshot"


class VerifyStaged:
    """``volumes.verify_staged``: probes on copies of the staged volumes, which are removed again whatever comes of it.

    Params: ``namespace``, ``probes``, ``stage`` (step), ``from`` (``volume``: the copy is a clone of the
    staged volume; ``snapshot``: a second volume from the same snapshot, for drivers that cannot clone), ``timeout_s``.
    Result: ``rows``, one a probe.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        return bool(context.results.get(step.name, {}).get("rows"))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        probes = [Probe.from_dict(item) for item in step.params["probes"]]
        self._clear(step, context)
        try:
            rows = [row for group in _by_pod(probes) for row in self._group(step, context, group)]
        finally:
            self._clear(step, context)
        return {"rows": rows}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        self._clear(step, context)
        return None

    def _group(self, step: Step, context: Context, probes: Sequence[Probe]) -> list[dict[str, Json]]:
        """Probes that share a pod, and so the copies: in order, as one may build on the one before."""
        namespace, timeout = step.params["namespace"], step.params["timeout_s"]
        mark = f"verify-{short(*_pod_key(probes[0]))[:4]}"
        copies = self._copies(step, context, mark)
        labels = owned_by(context.operation_id, role="verify")
        name = f"kg-{mark}-{tail(context.operation_id)}"
        first = probes[0]
        if first.workload:
            kind, workload = first.workload.split("/")
            found = self._tools.cluster.get(kind, workload, step.params["workloads_in"])
            found.setdefault("kind", kind)
            pod = from_workload(namespace, name, labels, found, first, copies)
        else:
            pod = bare(namespace, name, labels, first, copies)
        made = create(self._tools, pod)
        self._wait_running(made, copies, timeout)
        container = str(pod["spec"]["containers"][0]["name"])
        return [run_probe(self._tools, namespace, name, container, probe, STAGED) for probe in probes]

    def _copies(self, step: Step, context: Context, mark: str) -> dict[str, str]:
        """A throwaway claim for each restored one."""
        namespace, copies = step.params["namespace"], {}
        for claim, made in staged(context, step.params["stage"]).items():
            source_claim = self._tools.cluster.get(PVC, made["claim"], namespace)
            again = {
                "labels": owned_by(context.operation_id, role="verify"),
                "annotations": {},
                "access_modes": source_claim["spec"]["accessModes"],
                "request": source_claim["spec"]["resources"]["requests"]["storage"],
                "storage_class": source_claim["spec"].get("storageClassName"),
                "mode": source_claim["spec"].get("volumeMode") or "Filesystem",
            }
            clone = step.params["from"] == VOLUME
            source = from_claim(made["claim"]) if clone else from_snapshot(made["snapshot"])
            name = suffixed(made["claim"], mark)
            create(self._tools, manifest(namespace, name, again, source=source))
            copies[claim] = name
        return copies

    def _wait_running(self, pod: Object, copies: Mapping[str, str], timeout_s: float) -> None:
        meta = pod["metadata"]
        try:
            wait_until(
                self._tools.cluster,
                POD,
                meta["namespace"],
                lambda pods: _not_running(pods.get(meta["name"])),
                what=f"{named(POD, meta['name'], meta['namespace'])} to run on the copies of the staged volumes",
                timeout_s=timeout_s,
                clock=self._tools.clock,
                field=f"metadata.name={meta['name']}",
            )
        except KnownGoodError as error:
            error.why += self._trouble(meta["namespace"], meta["name"], copies)
            raise

    def _trouble(self, namespace: str, pod: str, copies: Mapping[str, str]) -> str:
        tools = self._tools
        found = [tools.cluster.find(POD, pod, namespace)]
        found += [tools.cluster.find(PVC, name, namespace) for name in copies.values()]
        said = [last_warning(tools, obj) for obj in found if obj is not None]
        texts = [text for text in said if text]
        if any("clon" in text.lower() for text in texts):
            texts.append("where the driver cannot clone volumes, set verify_from: snapshot")
        return "".join(f"; {text}" for text in texts if text)

    def _clear(self, step: Step, context: Context) -> None:
        """Removes pods and copies, also those that a killed run left."""
        namespace = step.params["namespace"]
        selector = f"{OPERATION}={context.operation_id},{_ROLE}=verify"
        for kind, grace in ((POD, 1), (PVC, None)):
            for obj in self._tools.cluster.list(kind, namespace, selector=selector):
                meta = obj["metadata"]
                delete(self._tools, kind, meta["name"], namespace, meta["uid"], grace_s=grace)


class VerifyLive:
    """``volumes.verify_live``: probes in the application's own pods. Params: ``namespace``, ``probes``."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        return bool(context.results.get(step.name, {}).get("rows"))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        namespace = step.params["namespace"]
        rows = []
        for item in step.params["probes"]:
            probe = Probe.from_dict(item)
            pod, container = self._pod(namespace, probe)
            rows.append(run_probe(self._tools, namespace, pod, container, probe, LIVE))
        return {"rows": rows}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del step, context
        return None

    def _pod(self, namespace: str, probe: Probe) -> tuple[str, str]:
        """A running pod of the workload and the container to ask. Waits for one as long as the probe may take."""
        kind, name = probe.workload.split("/")
        workload = self._tools.cluster.get(kind, name, namespace)
        selector = _selector(workload)
        found: list[Object] = []

        def check(pods: Mapping[str, Object]) -> str:
            found[:] = sorted(
                (p for p in pods.values() if not _not_running(p)), key=lambda p: str(p["metadata"]["name"])
            )
            return "" if found else "none of its pods runs"

        wait_until(
            self._tools.cluster,
            POD,
            namespace,
            check,
            what=f"a pod of {probe.workload} to run",
            timeout_s=probe.timeout_s,
            clock=self._tools.clock,
            selector=selector,
        )
        pod = found[0]
        return str(pod["metadata"]["name"]), probe.container or str(pod["spec"]["containers"][0]["name"])


def run_probe(tools: Tools, namespace: str, pod: str, container: str, probe: Probe, side: str) -> dict[str, Json]:
    """Runs a probe until it is good. Returns its row; raises NotProven when its time is over."""
    began = tools.clock.monotonic()
    deadline, tries, problem, answer = began + probe.timeout_s, 0, "", ExecResult(-1, "", "")
    while True:
        tries += 1
        left = max(1.0, deadline - tools.clock.monotonic())
        try:
            answer = run_in_pod(tools.cluster, namespace, pod, probe.command, container=container, timeout_s=left)
            problem = probe.expect.problem(answer.rc, answer.stdout)
        except KnownGoodError as error:
            problem = str(error)
            _not_running(tools.cluster.find(POD, pod, namespace))  # one that ended for good is not waited for
        if not problem:
            break
        if tools.clock.monotonic() + _PAUSE_S >= deadline:
            # What it printed is not repeated: it may hold Secret data.
            raise NotProven(
                f"the probe {probe.name} failed on the {side} data",
                where=f"{named(POD, pod, namespace)} container {container}",
                why=f"{problem}; tried {tries} times in {probe.timeout_s:g} s",
                next="look at the recovery point and the probe; another point may be the one to go back to",
            )
        tools.clock.sleep(_PAUSE_S)
    return {
        "probe": probe.name,
        "on": side,
        "state": "passed",
        "rc": answer.rc,
        "stdout": fingerprint(answer.stdout),
        "stdout_chars": len(answer.stdout),
        "tries": tries,
        "ms": round((tools.clock.monotonic() - began) * 1000),
    }


def _by_pod(probes: Sequence[Probe]) -> list[list[Probe]]:
    groups: dict[str, list[Probe]] = {}
    for probe in probes:
        groups.setdefault(short(*_pod_key(probe)), []).append(probe)
    return list(groups.values())


def _pod_key(probe: Probe) -> tuple[Json, ...]:
    """What makes the pod a probe runs in."""
    env = [dict(item) for item in probe.env]
    return (probe.workload, probe.container, probe.claim, probe.image, probe.mount_path, list(probe.start), env)


def _not_running(pod: Object | None) -> str:
    """Empty when its containers run. Raises NotProven when they have ended and will not come back."""
    if pod is None:
        return "it is not there"
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "it is being deleted"
    if status.get("phase") in ("Succeeded", "Failed") and pod["spec"].get("restartPolicy") == "Never":
        name = pod["metadata"]["name"]
        raise NotProven(
            "the restored data cannot be used: the container on it ended",
            where=named(POD, name),
            why=_ended(status),
            next="restore it beside with target=claim, and see what the application writes when it starts on it",
        )
    statuses = status.get("containerStatuses") or []
    if status.get("phase") == "Running" and statuses and all("running" in (s.get("state") or {}) for s in statuses):
        return ""
    waiting = [(s.get("state") or {}).get("waiting") or {} for s in statuses]
    reasons = ", ".join(f"{w.get('reason')} {w.get('message', '')}".strip() for w in waiting if w.get("reason"))
    return f"it is {status.get('phase', 'unknown')}" + (f" ({reasons})" if reasons else "")


def _ended(status: Mapping[str, Any]) -> str:
    found = [(s.get("state") or {}).get("terminated") or {} for s in status.get("containerStatuses") or []]
    return ", ".join(f"exit code {t.get('exitCode')} ({t.get('reason')})" for t in found) or str(status.get("reason"))


def _selector(workload: Mapping[str, Any]) -> str:
    """The labels of its pods, as a selector."""
    labels = (workload["spec"].get("selector") or {}).get("matchLabels") or {}
    if not labels:
        labels = workload["spec"]["template"]["metadata"].get("labels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
