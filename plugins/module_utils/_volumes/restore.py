# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring an application: from the wish to the report.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from .._cluster.reconcilers import find
from .._core.application import ApplicationSpec
from .._core.clock import parse_time, rfc3339
from .._core.errors import BadInput, Conflict, Denied, KnownGoodError, NotFound, NotProven, Rejected, TimedOut
from .._core.operation import Seen as Marked
from .._core.plan import Json, Plan
from .._core.ports import Operation
from .._core.statements import RecoveryPoint
from . import restore_plan
from .house import House, need_snapshots, run, shown
from .restore_look import look
from .restore_plan import MANIFEST, VERIFY_LIVE, VERIFY_STAGED
from .restore_room import check_room
from .restore_seen import Planned, Seen
from .restore_wish import UNDO, RestoreWish, find_point

_BEFORE_THE_STOP = ("volumes.stage", "volumes.write_files", "volumes.manifest", "volumes.verify_staged")
_VERDICTS = (BadInput, NotProven, Rejected, TimedOut)


def restore(house: House, spec: ApplicationSpec, wish: RestoreWish) -> dict[str, Json]:
    """Brings the data of a recovery point back.

    Returns what every changing door returns, and ``recovery_point``, ``volumes`` (``claim``, ``from``, ``to``,
    ``kept``, ``kept_until``), ``downtime_s`` (None when nothing had to be stopped), ``verified``, ``verification``
    (rows), ``manifests``, ``undo_until``, ``notes`` and ``diff``. Raises BadInput before anything is changed for what
    can be known to fail; a failure after that leaves the application as it was, or says how to go on.
    """
    marked, where = house.engine.mark(spec.target), f"ledger of {spec.target}"
    point = find_point(house.store.points(spec.target), wish.point, where)
    wish = replace(wish, point=point.id)
    if wish.incident:
        ended = marked.ended(restore_plan.KIND, wish.key)
        if ended is not None:
            return _ended(house, spec, point, ended)
    if not house.check_mode and house.engine.finish_undo(marked, restore_plan.KIND, wish.key):
        return restore(house, spec, wish)
    unfinished = marked.unfinished(restore_plan.KIND, wish.key, planning=house.check_mode)
    if unfinished is not None:
        notes = (f"going on with the unfinished {unfinished.id}",)
        return _run(house, wish, point, Planned(unfinished.plan, notes=notes), unfinished, marked)
    need_snapshots(house.cluster)
    seen = _with_reconcilers(house, look(house, spec, point, wish), point, wish)
    planned = restore_plan.plan(seen, point, wish)
    there = house.elsewhere.cluster if house.elsewhere and seen.there.where else house.cluster
    room = check_room(there, planned.plan, planning=house.check_mode)
    return _run(house, wish, point, replace(planned, notes=(*planned.notes, *room)), None, marked)


def _with_reconcilers(house: House, seen: Seen, point: RecoveryPoint, wish: RestoreWish) -> Seen:
    """Who would start the application again is asked for where it is going to be stopped."""
    if wish.beside or (not wish.incident and restore_plan.already(seen, point, wish)):
        return seen
    return replace(seen, reconcilers=find(house.cluster, seen.app, wish.pause))


def _run(
    house: House,
    wish: RestoreWish,
    point: RecoveryPoint,
    planned: Planned,
    unfinished: Operation | None,
    marked: Marked,
) -> dict[str, Json]:
    plan = planned.plan
    rows = list(planned.left_out)
    if house.check_mode or plan.empty:
        changed = not plan.empty
        told = shown(plan, changed=changed, operation=unfinished)
        return {**told, **_report(plan, unfinished, point, rows, planned.notes)}
    until = rfc3339((house.clock.now() + dt.timedelta(seconds=wish.keep_s)).replace(microsecond=0))
    facts: dict[str, Json] = {"undo_until": until, "left_out": rows}
    outcome = run(house, plan, facts, lambda step, error: _puts_back(plan, wish, step, error), marked)
    told = shown(plan, changed=outcome.changed, operation=outcome.operation)
    return {**told, **_report(plan, outcome.operation, point, rows, planned.notes)}


def _puts_back(plan: Plan, wish: RestoreWish, step: str, error: KnownGoodError) -> bool:
    """Before the application is stopped a failure always clears what was staged; after it, as the user wishes.

    A lost connection, a lost race or a person's stop are no verdict on the data: those are gone on with.
    """
    action = next((s.action for s in plan.steps if s.name == step), "")
    if action in _BEFORE_THE_STOP:
        return isinstance(error, (*_VERDICTS, Denied, NotFound))
    if action == "workloads.freeze":
        return isinstance(error, (*_VERDICTS, Conflict, Denied))
    if not isinstance(error, _VERDICTS):
        return False
    return wish.on_failure == UNDO and action not in ("volumes.tidy", "volumes.record_restore")


def _report(
    plan: Plan,
    operation: Operation | None,
    point: RecoveryPoint,
    left_out: Sequence[Mapping[str, Json]],
    notes: Sequence[str],
) -> dict[str, Json]:
    results = operation.results if operation else {}
    rows = [row for name in (VERIFY_STAGED, VERIFY_LIVE) for row in results.get(name, {}).get("rows") or []]
    skipped = list(left_out) or list((operation.facts.get("left_out") if operation else None) or [])
    volumes = _volumes(plan, operation)
    return {
        "recovery_point": point.id,
        "volumes": volumes,
        "downtime_s": _downtime(plan, operation),
        "verified": bool(rows) and not skipped,
        "verification": [*rows, *skipped],
        "manifests": results.get(MANIFEST, {}).get("manifests") or {},
        "undo_until": str(operation.facts.get("undo_until") or "") if operation else "",
        "notes": list(notes),
        "diff": _diff(plan, volumes, point),
    }


def _volumes(plan: Plan, operation: Operation | None) -> list[dict[str, Json]]:
    rows: list[dict[str, Json]] = []
    results = operation.results if operation else {}
    for step in plan.steps:
        made: Mapping[str, Mapping[str, Json]] = results.get(step.name, {}).get("volumes") or {}
        if step.action == "volumes.swap":
            for item in step.params["claims"]:
                old, row = item["old"]["name"] if item["old"] else "", made.get(item["claim"], {})
                kept = {"kept": old if row else "", "kept_until": row.get("kept_until", "")}
                rows.append({"claim": item["claim"], "from": old, "to": row.get("to", ""), **kept})
        elif step.action == "volumes.stage" and step.params["final"]:
            for item in step.params["claims"]:
                to = made.get(item["claim"], {}).get("volume", "")
                new = {"claim": item["name"], "from": "", "to": to, "kept": "", "kept_until": ""}
                rows.append({**new, "of": item["claim"]})
    return rows


def _downtime(plan: Plan, operation: Operation | None) -> float | None:
    """Seconds from the moment the first workload was told to stop to the moment the last one was ready again.

    Both are read from the journal, so that a run that was killed in between counts what it really took.
    """
    stops = [n for n, step in enumerate(plan.steps) if step.action in ("workloads.stop", "workloads.pause")]
    starts = [step.name for step in plan.steps if step.action in ("workloads.start", "workloads.resume")]
    if operation is None or not stops or not starts:
        return None
    begun = operation.entry(plan.steps[stops[0] - 1].name).at
    ended = operation.entry(starts[-1])
    if not begun or ended.state != "done":
        return None
    return round((parse_time(ended.at) - parse_time(begun)).total_seconds(), 3)


def _diff(plan: Plan, volumes: Sequence[Mapping[str, Json]], point: RecoveryPoint) -> dict[str, str]:
    before, after = [], []
    for row in volumes:
        before.append(f"claim {row['claim']}: {row['from'] or 'does not exist'}")
        after.append(f"claim {row['claim']}: {row['to'] or 'a new volume'} (from {point.id})")
    for step in plan.steps:
        if step.action == "workloads.images":
            name = f"{step.params['kind']}/{step.params['name']}"
            before += [f"{name} {c}: {image}" for c, image in step.params["before"].items()]
            after += [f"{name} {c}: {image}" for c, image in step.params["images"].items()]
    return {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}


def _ended(house: House, spec: ApplicationSpec, point: RecoveryPoint, operation: Operation) -> dict[str, Json]:
    """The incident's restore was made: nothing is changed, and what is there now is said."""
    report = _report(operation.plan, operation, point, (), ())
    notes = [f"the restore for this incident is {operation.id}, ended {operation.ended}"]
    for row in report["volumes"]:
        claim = house.cluster.find("PersistentVolumeClaim", row["claim"], spec.namespace)
        now = claim["spec"].get("volumeName") if claim else None
        if now != row["to"]:
            notes.append(f"claim {row['claim']} is not on {row['to']} any more but on {now or 'nothing'}")
    return {**shown(operation.plan, changed=False, operation=operation), **report, "notes": notes}
