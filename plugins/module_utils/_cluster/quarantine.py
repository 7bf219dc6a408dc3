# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quarantine of workloads, as data: what is asked, what is seen, the plan, and what the proof comes to. Pure.

A quarantined workload carries annotations that say who holds it and what it goes back to (``quarantine_holds``);
whoever releases it needs nothing else. Several incidents may hold one workload: it is open when the last lets go.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .._core.application import ApplicationSpec, Workload
from .._core.errors import BadInput, Conflict
from .._core.plan import Json, Plan, Step, digest
from .client import Object, owned_by
from .kinds import named
from .quarantine_holds import NETWORK_POLICY, SCALE_DOWN, Hold, holds
from .reach import OPEN
from .scale import READY_TIMEOUT_S, SETTLE_S, refuse_unstoppable
from .stopping import is_stopped

ISOLATED, RELEASED = "isolated", "released"
KIND = "quarantine"
BEFORE, AFTER, VERDICT = "try the paths before", "try the paths after", "keep only what holds"
REOPENED = "try the paths again"
_BEFORE_S = 5
"""How long a path that is not open is tried before: a Service may lag a moment behind the pods that serve it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the door was asked for. ``paths`` empty: those that are found; ``image`` empty: one of the application's.

    ``connect_s`` is what one connection gets, ``settle_s`` how long a policy may take to act.
    """

    spec: ApplicationSpec
    state: str
    method: str = NETWORK_POLICY
    workloads: tuple[str, ...] = ()
    incident: str = ""
    image: str = ""
    paths: tuple[Mapping[str, Json], ...] = ()
    keep_unenforced: bool = False
    wait_timeout_s: int = READY_TIMEOUT_S
    connect_s: int = 2
    settle_s: int = 5

    def key(self, workloads: Iterable[Workload]) -> str:
        """What makes asking again the same operation."""
        method = f"/{self.method}" if self.state == ISOLATED else ""
        return f"{self.incident}/{self.state}{method}/{','.join(sorted(w.ref for w in workloads))}"

    def releases(self, hold: Hold) -> bool:
        """Is this one of the holders that a release for this incident lets go?"""
        return not self.incident or hold.incident in ("", self.incident)


@dataclass(frozen=True, slots=True)
class Seen:
    """A workload as it is now: its object, and our policy on it (None where there is none)."""

    workload: Workload
    obj: Object
    policy: Object | None = None

    @property
    def held_by(self) -> str:
        return self.workload.quarantine

    @property
    def holds(self) -> tuple[Hold, ...]:
        return holds(self.obj)

    @property
    def incident(self) -> str:
        return ", ".join(dict.fromkeys(hold.incident for hold in self.holds if hold.incident))

    @property
    def stopped(self) -> bool:
        return self.obj["kind"] != "Pod" and is_stopped(self.obj)

    def isolated(self, method: str = "") -> bool:
        """Does it carry our marks, and what they stand for (by that method, where one is named)?"""
        by_policy, by_scale = self.policy is not None, self.stopped
        stands = {NETWORK_POLICY: by_policy, SCALE_DOWN: by_scale, "": by_policy or by_scale}[method]
        return bool(self.held_by) and stands

    def isolated_for(self, incident: str, method: str) -> bool:
        """Isolated by that method, and held for that incident (for any, where none is named)?"""
        return self.isolated(method) and holds_for(self.holds, incident, method)

    def to_release(self, request: Request) -> bool:
        """Does a holder let go with this release, or is a policy of ours left without one?"""
        return any(map(request.releases, self.holds)) if self.holds else self.policy is not None

    def row(self) -> dict[str, Json]:
        """As the door returns it."""
        return {
            "workload": self.workload.ref,
            "isolated": self.isolated(),
            "held_by": self.held_by,
            "incident": self.incident,
            "holders": [asdict(hold) for hold in self.holds],
            "policy": self.policy["metadata"]["name"] if self.policy else "",
            "replicas": self.workload.replicas,
            "resting_replicas": self.workload.resting_replicas,
        }


def holds_for(found: Iterable[Hold], incident: str, method: str) -> bool:
    """Does one of them hold for this incident (any, where none is named) by this method?"""
    return any(incident in ("", hold.incident) and hold.method in ("", method) for hold in found)


# -- plans -------------------------------------------------------------------------------------------------------


def isolation_plan(request: Request, seen: Sequence[Seen], image: str, pull_secrets: Sequence[str] = ()) -> Plan:
    """Probe, isolate each, probe again; a policy that does not hold is taken away again, unless it is to be kept."""
    for one in seen:
        if request.method == SCALE_DOWN:
            refuse_unstoppable(one.workload)
        elif not one.workload.selector:
            why = "nothing tells its pods from others: they have no labels"
            raise BadInput(f"{one.workload.ref} cannot be singled out by a NetworkPolicy", why=why)
    isolate = [_isolate(request, one) for one in seen]
    settled = all(step.done for step in isolate)
    probe = _probe_params(request, seen, image, pull_secrets)
    steps = [
        _probe(BEFORE, request, {**probe, "settle_s": _BEFORE_S, "expect": OPEN}, until=isolate[0].name, done=settled),
        *isolate,
        _probe(AFTER, request, {**probe, "settle_s": request.settle_s, "expect": "closed"}, done=settled),
    ]
    if request.method == NETWORK_POLICY:
        policies = [dict(step.params) for step in isolate]
        params = {"policies": policies, "keep": request.keep_unenforced}
        steps.append(
            Step(VERDICT, "quarantine.verdict", tuple(_policy_touched(p) for p in policies), params, "", settled)
        )
    return Plan(KIND, request.spec.target, request.key(s.workload for s in seen), tuple(steps))


def release_plan(request: Request, seen: Sequence[Seen], image: str, pull_secrets: Sequence[str] = ()) -> Plan:
    """Let each go, put back those that nobody else holds, then try the paths to these.

    Raises Conflict where only other incidents hold one.
    """
    held = [one for one in seen if one.holds or one.policy]
    for one in held:
        if one.holds and not any(map(request.releases, one.holds)):
            raise Conflict(
                f"{one.workload.ref} is held by {' and '.join(hold.shown for hold in one.holds)}",
                where=request.spec.target,
                why=f"asked to release it for incident {request.incident}",
                next="release it for the incident that holds it, or leave incident out",
            )
    steps = [_release(request, one) for one in held]
    opened = [one for one in held if all(map(request.releases, one.holds))]
    if opened:
        probe = _probe_params(request, opened, image, pull_secrets)
        steps.append(_probe(REOPENED, request, {**probe, "settle_s": request.settle_s, "expect": OPEN}))
    return Plan(KIND, request.spec.target, request.key(s.workload for s in seen), tuple(steps))


def _isolate(request: Request, one: Seen) -> Step:
    workload = one.workload
    params: dict[str, Json] = {
        **_identity(workload),
        "resting_replicas": workload.resting_replicas,
        "incident": request.incident,
        "method": request.method,
        "timeout_s": request.wait_timeout_s,
        "settle_s": SETTLE_S if workload.managed_by else 0,
    }
    touches: tuple[str, ...] = (named(workload.kind, workload.name, workload.namespace),)
    if request.method == NETWORK_POLICY:
        params |= {"policy": policy_name(workload.kind, workload.name), "selector": dict(workload.selector)}
        touches = (*touches, _policy_touched(params))
    done = one.isolated_for(request.incident, request.method)
    return Step(f"isolate {workload.ref}", f"quarantine.{request.method}", touches, params, "", done)


def _release(request: Request, one: Seen) -> Step:
    workload = one.workload
    params = {
        **_identity(workload),
        "replicas": workload.resting_replicas,
        "leaving": [asdict(hold) for hold in one.holds if request.releases(hold)],
        "policy": one.policy["metadata"]["name"] if one.policy else "",
        "selector": dict(workload.selector),
        "was_stopped": one.stopped,
        "timeout_s": request.wait_timeout_s,
    }
    touches = [named(workload.kind, workload.name, workload.namespace)]
    touches += [_policy_touched(params)] if one.policy else []
    return Step(f"release {workload.ref}", "quarantine.release", tuple(touches), params)


def _probe_params(request: Request, seen: Sequence[Seen], image: str, pull_secrets: Sequence[str]) -> dict[str, Json]:
    return {
        "namespace": request.spec.namespace,
        "image": image,
        "pull_secrets": list(pull_secrets),
        "paths": [dict(path) for path in request.paths],
        "workloads": [_identity(one.workload) for one in seen],
        "timeout_s": request.connect_s,
    }


def _probe(name: str, request: Request, params: dict[str, Json], *, until: str = "", done: bool = False) -> Step:
    touches = (named("Pod", "knowngood-probe-*", request.spec.namespace),)
    return Step(name, "quarantine.probe", touches, params, until, done)


def _identity(workload: Workload) -> dict[str, Json]:
    return {"kind": workload.kind, "name": workload.name, "namespace": workload.namespace, "uid": workload.uid}


def _policy_touched(params: Mapping[str, Any]) -> str:
    return named("NetworkPolicy", params["policy"], params["namespace"])


# -- objects -----------------------------------------------------------------------------------------------------


def policy_name(kind: str, name: str) -> str:
    """One policy a workload; its name follows from the workload's."""
    return f"knowngood-quarantine-{name[:32].rstrip('-.')}-{digest([kind, name])[:8]}"


def policy_manifest(params: Mapping[str, Any], operation_id: str) -> Object:
    """Nothing in, nothing out, for the pods of one workload."""
    meta = {"name": params["policy"], "namespace": params["namespace"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {**meta, "labels": owned_by(operation_id, purpose="quarantine")},
        "spec": {"podSelector": {"matchLabels": dict(params["selector"])}, "policyTypes": ["Ingress", "Egress"]},
    }


# -- proof -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """``enforced`` only where it was shown; ``shown_open`` where the contrary was; neither: not known."""

    enforced: bool
    why: str
    shown_open: bool = False
    proof: tuple[Mapping[str, Json], ...] = field(default_factory=tuple)


def judge(method: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Verdict:
    """From the results of the two probes (empty: not run)."""
    left = int(after.get("pods", 0))
    stopped = method == SCALE_DOWN and bool(after) and not left
    proof = tuple({**row, "enforced": _enforced(row, stopped)} for row in tried(before, after))
    if not after:
        return Verdict(False, "nothing was tried", proof=proof)
    open_after = sorted({str(row["path"]) for row in proof if row["after"] == OPEN})
    if open_after:
        return Verdict(False, f"still open: {', '.join(open_after)}", True, proof)
    if stopped:
        closed = f", and {len(proof)} paths are closed" if proof else "; no path to it was found to try"
        return Verdict(True, f"no pod is left{closed}", False, proof)
    if method == SCALE_DOWN:
        return Verdict(False, f"{left} pods are left", False, proof)
    shown = sum(row["before"] == OPEN for row in proof)
    if not shown:
        return Verdict(False, "not known: no path was open before, so closing shows nothing", False, proof)
    return Verdict(True, f"{shown} of {len(proof)} paths were open before, none is now", False, proof)


def _enforced(row: Mapping[str, Any], stopped: bool) -> bool | None:
    """Of one path: False where it is open, True where it was seen to close or nothing is left behind it."""
    if row["after"] == OPEN:
        return False
    return True if row["after"] and (stopped or row["before"] == OPEN) else None


def tried(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Json]]:
    """A row a path, with its state before and after (None: not tried)."""
    rows: dict[str, dict[str, Json]] = {}
    for when, result in (("before", before), ("after", after)):
        for path in result.get("paths") or []:
            row = rows.setdefault(digest([path["host"], path["port"], path["from"]]), _row(path))
            row[when] = path["state"]
    return list(rows.values())


def _row(path: Mapping[str, Any]) -> dict[str, Json]:
    return {
        "path": f"{path['host']}:{path['port']}",
        "workload": path["workload"],
        "via": path["via"],
        "from": path["from"],
        "direction": "ingress",
        "evidence": "in_cluster",
        "before": None,
        "after": None,
    }
