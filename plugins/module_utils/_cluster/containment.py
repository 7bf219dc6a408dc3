# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quarantine from request to answer: observe, plan, apply, prove.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._core.application import Application, Workload
from .._core.errors import BadInput
from .._core.operation import Engine
from .._core.plan import Json, Plan
from .._core.ports import Operation
from .client import Cluster
from .graph import resolve
from .quarantine import (
    AFTER,
    BEFORE,
    ISOLATED,
    KIND,
    REOPENED,
    VERDICT,
    Request,
    Seen,
    Verdict,
    isolation_plan,
    judge,
    policy_name,
    release_plan,
    tried,
)
from .quarantine_actions import template_of
from .reach import OPEN


def contain(cluster: Cluster, engine: Engine, request: Request, *, check_mode: bool) -> dict[str, Json]:
    """What the door ``quarantine`` returns. Raises BadInput for workloads that are not there or cannot be isolated.

    An incident isolates once: asked again, also after its release, nothing is written and what is seen is said.
    """
    marked = engine.mark(request.spec.target)
    app = resolve(cluster, request.spec)
    seen = _observe(cluster, request, app)
    key = request.key(one.workload for one in seen)
    if not check_mode and engine.finish_undo(marked, KIND, key):
        return contain(cluster, engine, request, check_mode=check_mode)
    ended = marked.ended(KIND, key) if request.incident else None
    if ended is not None and request.state == ISOLATED:
        return _known_already(request, seen, ended)
    if ended is not None and not any(one.to_release(request) for one in seen):
        # Let go before; who else holds it is no error then.
        return {**_head(False, ended.plan, ended), **_proof(request, ended, seen), **_tail(request, seen)}
    there = marked.unfinished(KIND, key, planning=check_mode)
    plan = there.plan if there else _plan(request, app, seen)
    if check_mode:
        shown = {"proof": [], "enforced": False, "released": False, "why": "check mode: nothing was tried"}
        return {**_head(not plan.empty, plan, there), **shown, **_tail(request, seen)}
    outcome = engine.run(plan, seen=marked)
    operation = outcome.operation or _last(engine, request, key, seen)
    now = _observe(cluster, request, resolve(cluster, request.spec)) if outcome.changed else seen
    return {**_head(outcome.changed, plan, operation), **_proof(request, operation, now), **_tail(request, now)}


def _observe(cluster: Cluster, request: Request, app: Application) -> list[Seen]:
    chosen = [app.workload(ref) for ref in sorted(set(request.workloads))]
    if not chosen and request.state == ISOLATED:
        there = ", ".join(w.ref for w in app.workloads) or "none"
        raise BadInput("workloads names none", where=request.spec.target, why=f"the application has: {there}")
    return [_see(cluster, workload) for workload in chosen or app.workloads]


def _see(cluster: Cluster, workload: Workload) -> Seen:
    kind = cluster.kind_of(workload.api_version, workload.kind)
    if kind is None:
        raise BadInput(f"{workload.ref} cannot be read", why=f"the server has no kind {workload.kind}")
    obj = cluster.get(kind, workload.name, workload.namespace)
    name = policy_name(workload.kind, workload.name)
    return Seen(workload, obj, cluster.find("NetworkPolicy", name, workload.namespace))


def _plan(request: Request, app: Application, seen: Sequence[Seen]) -> Plan:
    image, pull_secrets = _probe_image(request, app, seen)
    make = isolation_plan if request.state == ISOLATED else release_plan
    return make(request, seen, image, pull_secrets)


def _probe_image(request: Request, app: Application, seen: Sequence[Seen]) -> tuple[str, list[str]]:
    """The image to probe with: the one given, else one that the nodes have: of a workload that is not suspected."""
    pull_secrets = [ref["name"] for ref in (template_of(seen[0].obj).get("spec") or {}).get("imagePullSecrets") or []]
    if request.image:
        return request.image, pull_secrets
    suspected = {one.workload.ref for one in seen}
    candidates = sorted(app.workloads, key=lambda workload: (workload.ref in suspected, workload.ref))
    images = [c.image for workload in candidates for c in workload.containers if not c.init]
    if not images:
        raise BadInput("no image to probe with", where=request.spec.target, next="name one with probe_image")
    return images[0], pull_secrets


def _known_already(request: Request, seen: Sequence[Seen], ended: Operation) -> dict[str, Json]:
    """The finished operation of this incident, and what the cluster shows now."""
    holding = [one for one in seen if one.isolated(request.method)]
    proof = _proof(request, ended, seen)
    if proof["enforced"] and len(holding) < len(seen):
        proof["released"] = True
        free = ", ".join(one.workload.ref for one in seen if one not in holding)
        proof |= {"enforced": False, "why": f"isolated by {ended.id} and released since: {free}"}
    return {**_head(False, ended.plan, ended), **proof, **_tail(request, seen)}


def _last(engine: Engine, request: Request, key: str, seen: Sequence[Seen]) -> Operation | None:
    """The operation that left things as they are: the one that holds, or the one that released."""
    if request.state != ISOLATED:
        return engine.ended(KIND, request.spec.target, key)
    holders = [one.held_by for one in seen if one.held_by]
    return engine.journal.get(holders[0]) if holders else None


def _proof(request: Request, operation: Operation | None, now: Sequence[Seen]) -> dict[str, Json]:
    if request.state != ISOLATED:
        return _reopened(operation, now)
    results: dict[str, Any] = operation.results if operation else {}
    verdict: Verdict = judge(request.method, results.get(BEFORE, {}), results.get(AFTER, {}))
    removed = bool(results.get(VERDICT, {}).get("removed"))
    why = verdict.why + ("; the policy was taken away again" if removed else "")
    return {"proof": list(verdict.proof), "enforced": verdict.enforced, "released": False, "why": why}


def _reopened(operation: Operation | None, now: Sequence[Seen]) -> dict[str, Json]:
    result = operation.results.get(REOPENED, {}) if operation else {}
    rows = tried({}, result)
    closed = [row["path"] for row in rows if row["after"] != OPEN]
    why = f"not open again: {', '.join(map(str, closed))}" if closed else f"{len(rows)} paths are open again"
    why = why if rows else "nothing was tried"
    still = [f"{one.workload.ref} is still held by {one.holds[0].shown}" for one in now if one.holds]
    return {"proof": rows, "enforced": False, "released": not still, "why": "; ".join([*still, why])}


def _head(changed: bool, plan: Plan, operation: Operation | None) -> dict[str, Json]:
    return {
        "changed": changed,
        "plan": plan.shown(),
        "plan_hash": plan.hash,
        "operation": operation.id if operation else "",
    }


def _tail(request: Request, seen: Sequence[Seen]) -> dict[str, Json]:
    notes = [
        f"{one.workload.ref} is managed by {one.workload.managed_by}, which may undo this"
        for one in seen
        if one.workload.managed_by and request.state == ISOLATED
    ]
    notes += [
        f"{one.workload.ref} is held by {' and '.join(hold.shown for hold in one.holds)}: it stays so until all let go"
        for one in seen
        if len({hold.incident for hold in one.holds}) > 1
    ]
    return {
        "state": request.state,
        "method": request.method,
        "workloads": [one.workload.ref for one in seen],
        "holdings": [one.row() for one in seen],
        "notes": notes,
    }
