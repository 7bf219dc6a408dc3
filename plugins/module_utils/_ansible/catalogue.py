# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The doors of the catalogue: reading it, marking points in it, deciding from it.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._catalogue import marking, values
from .._catalogue.images import image_map
from .._catalogue.incident import Incident
from .._catalogue.known_good import decide
from .._catalogue.policy import Policy
from .._catalogue.presence import Presences
from .._catalogue.scans import index
from .._catalogue.verdict import Judge
from .._core.application import ApplicationSpec
from .._core.clock import Clock, SystemClock
from .._core.expressions import Expression
from .._core.plan import Json, Plan, digest
from .._core.statements import RecoveryPoint, Statement, fold
from .application import spec_of
from .commits import read_sources
from .finding_store import read_findings, read_scans
from .frame import Frame

if TYPE_CHECKING:
    from .._core.operation import Seen


# -- recovery_point_info ------------------------------------------------------------------------------------------


def info(frame: Frame) -> dict[str, Json]:
    """``recovery_point_info``: the points of an application with their statements, oldest first."""
    from .._cluster.ledger import LedgerStore

    spec = spec_of(frame.params)
    since = _since(frame.params["since"], SystemClock())
    query = Expression.of(frame.params["query"], "query", "query") if frame.params["query"] else None
    chain = LedgerStore(frame.connect(), frame.state_namespace).read(spec.target)
    rows = [point.row() for point in fold(chain) if since is None or point.latest is None or point.latest >= since]
    found: dict[str, Json] = {"recovery_points": rows, "ledger": _ledger(chain)}
    if query is not None:
        found["result"] = query.search(json.loads(json.dumps(rows)))
    return found


def _ledger(chain: Sequence[Statement]) -> dict[str, Json]:
    return {
        "statements": len(chain),
        "head": chain[-1].hash if chain else "",
        "signed": sum(statement.signature != "unsigned" for statement in chain),
    }


def _since(text: str | None, clock: Clock) -> dt.datetime | None:
    """A time, or a span of time before now."""
    if not text:
        return None
    if any(mark in text for mark in (":", "-")):
        return values.moment(text, "since")
    return clock.now() - values.span(text, "since")


# -- recovery_point_mark ------------------------------------------------------------------------------------------


def mark(frame: Frame) -> dict[str, Json]:
    """``recovery_point_mark``: holds, releases or judges points. One that is marked so already gets no statement."""
    from .._cluster.ledger import LedgerStore, actions, append_step
    from .._cluster.state import engine

    spec, wanted = spec_of(frame.params), marking.Marking.from_options(frame.params)
    cluster, clock, namespace = frame.connect(), SystemClock(), frame.state_namespace
    store = LedgerStore(cluster, namespace, clock=clock)
    known = actions(cluster, state_namespace=namespace, clock=clock, reporter=frame.reporter)
    machine = engine(cluster, namespace, known, reporter=frame.reporter, stopping=frame.stopping, clock=clock)
    seen = machine.settled("mark", spec.target, wanted.key, planning=frame.check_mode)
    points = store.points(spec.target)
    drafts = marking.drafts(points, wanted)
    steps = (append_step(f"state {wanted.state}", spec.target, drafts),) if drafts else ()
    plan = Plan("mark", spec.target, wanted.key, steps)
    plan = _begun(seen, plan, frame.check_mode)
    if frame.check_mode:
        return {**_marked(plan, points, drafts, "", []), "changed": not plan.empty}
    outcome = machine.run(plan, seen=seen)
    made = {draft.key for draft in drafts} if outcome.changed else set()
    stated = [s.to_dict() for s in store.read(spec.target) if s.key in made] if made else []
    return {**_marked(plan, points, drafts, outcome.operation_id, stated), "changed": outcome.changed}


def _begun(seen: Seen, plan: Plan, check_mode: bool) -> Plan:
    """The plan of the same request that was begun and not ended; else the new one."""
    nothing_to_write = check_mode or plan.empty
    there = seen.unfinished(plan.kind, plan.key, planning=nothing_to_write)
    return there.plan if there else plan


def _marked(
    plan: Plan, points: Sequence[RecoveryPoint], drafts: list[Any], operation: str, stated: list[dict[str, Json]]
) -> dict[str, Json]:
    ids = [draft.point for draft in drafts]
    return {
        "plan": plan.shown(),
        "plan_hash": plan.hash,
        "operation": operation,
        "statements": stated or [{"kind": d.kind, "point": d.point, "body": dict(d.body)} for d in drafts],
        "diff": {"before": marking.before(points, ids), "after": marking.after(points, drafts)},
    }


# -- known_good ---------------------------------------------------------------------------------------------------


def known_good(frame: Frame) -> dict[str, Json]:
    """``known_good``: the point to go back to, with the reasons for and against each."""
    from .._cluster.ledger import LedgerStore

    given = frame.params
    spec, policy, incident = spec_of(given), Policy.from_dict(given["policy"]), Incident.from_dict(given["incident"])
    sources, graph = read_sources(spec.sources, frame.run)
    scans = read_scans(given["scans"])
    presences = Presences(
        index(scans, read_findings(given["findings"]), graph), graph, by_version=policy.comparable == "version"
    )
    clock = SystemClock()
    statements = LedgerStore(frame.connect(), frame.state_namespace).read(spec.target)
    images = image_map(sources, spec.external_images, fold(statements), graph)
    judge = Judge(presences, images, policy, incident, clock.now())
    rules = digest({"policy": given["policy"] or {}, "scans": sorted(scan.sha256 for scan in scans)})
    decision = decide(statements, judge, narrower=_writers(spec), rules=rules)
    for text in decision.caveats:
        frame.warn(text)
    return decision.to_dict()


def _writers(spec: ApplicationSpec) -> dict[str, tuple[str, ...]]:
    return {str(claim): values.texts(refs, f"app.writers.{claim}") for claim, refs in spec.writers.items()}
