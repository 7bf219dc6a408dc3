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
from functools import partial
from typing import Any

from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._cluster.streams import ExecResult, run_in_pod
from .._cluster.waits import wait_until
from .._core.errors import KnownGoodError, NotProven
from .._core.operation import Context, NothingToUndo
from .._core.plan import Json, Step
from .._core.redact import fingerprint
from .binding import POD, PVC
from .claim_facts import from_claim, from_snapshot, manifest
from .helper_pods import bare, from_workload
from .http_probe import get_page
from .names import OPERATION, short, suffixed, tail
from .objects import Object, create, delete
from .pod_waits import not_running, wait_running
from .probes import LIVE, STAGED, Probe
from .stage import staged
from .tools import Tools, in_parallel

_PAUSE_S = 0.5
_AT_ONCE = 4
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
            groups = in_parallel(lambda group: self._group(step, context, group), _by_pod(probes), _AT_ONCE)
        finally:
            self._clear(step, context)
        return {"rows": [row for rows in groups for row in rows]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        self._clear(step, context)
        return None

    def _group(self, step: Step, context: Context, probes: Sequence[Probe]) -> list[dict[str, Json]]:
        """Probes that share a pod, and so the copies: in order, as one may build on the one before."""
        tools, namespace, first = self._tools.at(step.params), step.params["namespace"], probes[0]
        mark = f"verify-{short(*_pod_key(first))[:4]}"
        copies = _copies(tools, step, context, mark)
        labels = owned_by(context.operation_id, role="verify")
        name = f"kg-{mark}-{tail(context.operation_id)}"
        if first.workload:
            kind, workload = first.workload.split("/")
            found = self._tools.cluster.get(kind, workload, step.params["workloads_in"])
            found.setdefault("kind", kind)
            pod = from_workload(namespace, name, labels, found, first, copies)
        else:
            pod = bare(namespace, name, labels, first, copies)
        made = create(tools, pod)
        timeout = step.params["timeout_s"]
        wait_running(tools, made, list(copies.values()), timeout, "on the copies of the staged volumes")
        container = str(pod["spec"]["containers"][0]["name"])
        return [run_probe(tools, namespace, name, container, probe, STAGED) for probe in probes]

    def _clear(self, step: Step, context: Context) -> None:
        """Removes pods and copies, also those that a killed run left."""
        tools, namespace = self._tools.at(step.params), step.params["namespace"]
        selector = f"{OPERATION}={context.operation_id},{_ROLE}=verify"
        for kind, grace in ((POD, 1), (PVC, None)):
            found = tools.cluster.list(kind, namespace, selector=selector)
            in_parallel(partial(_remove, tools, kind, grace), found)


def _remove(tools: Tools, kind: str, grace_s: int | None, obj: Object) -> None:
    meta = obj["metadata"]
    delete(tools, kind, meta["name"], meta["namespace"], meta["uid"], grace_s=grace_s)


def _copies(tools: Tools, step: Step, context: Context, mark: str) -> dict[str, str]:
    """A throwaway claim for each restored one."""
    namespace, clone = step.params["namespace"], step.params["from"] == VOLUME

    def copy(made: Mapping[str, Json]) -> str:
        spec = tools.cluster.get(PVC, made["claim"], namespace)["spec"]
        again = {
            "labels": owned_by(context.operation_id, role="verify"),
            "annotations": {},
            "access_modes": spec["accessModes"],
            "request": spec["resources"]["requests"]["storage"],
            "storage_class": spec.get("storageClassName"),
            "mode": spec.get("volumeMode") or "Filesystem",
        }
        source = from_claim(made["claim"]) if clone else from_snapshot(made["snapshot"])
        name = suffixed(made["claim"], mark)
        create(tools, manifest(namespace, name, again, source=source))
        return name

    rows = staged(context, step.params["stage"])
    return dict(zip(rows, in_parallel(copy, rows.values()), strict=True))


class VerifyLive(NothingToUndo):
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

    def _pod(self, namespace: str, probe: Probe) -> tuple[str, str]:
        """A running pod of the workload and the container to ask. Waits for one as long as the probe may take."""
        kind, name = probe.workload.split("/")
        workload = self._tools.cluster.get(kind, name, namespace)
        selector = _selector(workload)
        found: list[Object] = []

        def check(pods: Mapping[str, Object]) -> str:
            found[:] = sorted(
                (p for p in pods.values() if not not_running(p)), key=lambda p: str(p["metadata"]["name"])
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
            answer = _ask(tools, namespace, pod, container, probe, left)
            problem = probe.expect.problem(answer.rc, answer.stdout)
        except KnownGoodError as error:
            problem = str(error)
            not_running(tools.cluster.find(POD, pod, namespace))  # one that ended for good is not waited for
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
        **({"path": "port_forward"} if probe.http else {}),
        "rc": answer.rc,
        "stdout": fingerprint(answer.stdout),
        "stdout_chars": len(answer.stdout),
        "tries": tries,
        "ms": round((tools.clock.monotonic() - began) * 1000),
    }


def _ask(tools: Tools, namespace: str, pod: str, container: str, probe: Probe, timeout_s: float) -> ExecResult:
    """The answer to a command, or to an HTTP request: its status stands where a command has its exit code."""
    if probe.http is None:
        return run_in_pod(tools.cluster, namespace, pod, probe.command, container=container, timeout_s=timeout_s)
    return get_page(tools.cluster, namespace, pod, probe.http, timeout_s)


def _by_pod(probes: Sequence[Probe]) -> list[list[Probe]]:
    groups: dict[str, list[Probe]] = {}
    for probe in probes:
        groups.setdefault(short(*_pod_key(probe)), []).append(probe)
    return list(groups.values())


def _pod_key(probe: Probe) -> tuple[Json, ...]:
    """What makes the pod a probe runs in."""
    env = [dict(item) for item in probe.env]
    return (probe.workload, probe.container, probe.claim, probe.image, probe.mount_path, list(probe.start), env)


def _selector(workload: Mapping[str, Any]) -> str:
    """The labels of its pods, as a selector."""
    labels = (workload["spec"].get("selector") or {}).get("matchLabels") or {}
    if not labels:
        labels = workload["spec"]["template"]["metadata"].get("labels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
