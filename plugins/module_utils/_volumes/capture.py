# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Capturing an application: from the wish to the recovery point.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._cluster.graph import resolve
from .._cluster.kinds import named
from .._core.application import Application, ApplicationSpec
from .._core.errors import BadInput, Denied, KnownGoodError, NotFound, NotProven, Rejected, TimedOut
from .._core.plan import Json, Plan
from .._core.statements import RecoveryPoint
from . import capture_plan, snapshots
from .capture_plan import CaptureWish, Sorted
from .capture_steps import RECORD, RETAIN
from .classes import SnapshotClass
from .grouping import group_for
from .house import House, need_snapshots, run, shown
from .young import at_a_glance, fresh, kept


def capture(house: House, spec: ApplicationSpec, wish: CaptureWish, not_older_than_s: float | None) -> dict[str, Json]:
    """Makes a recovery point, or returns the one that is asked for and there already.

    Returns ``changed``, ``plan``, ``plan_hash``, ``operation``, ``recovery_points`` (rows) and ``notes``. Raises
    BadInput naming every claim that cannot be captured before anything is changed.
    """
    if not_older_than_s is not None and not wish.incident:
        young = at_a_glance(house, spec, not_older_than_s)
        if young is not None:
            return _unchanged(young, [_young(not_older_than_s)])
    points = house.store.points(spec.target)
    there = _of_incident(points, wish)
    if there is not None:
        return _unchanged(there, [f"incident {wish.incident} has this point already"])
    need_snapshots(house.cluster)
    seen = house.engine.settled(capture_plan.KIND, spec.target, wish.key, planning=house.check_mode)
    unfinished = seen.unfinished(capture_plan.KIND, wish.key, planning=house.check_mode)
    if unfinished is not None:
        plan, notes = unfinished.plan, [f"going on with the unfinished {unfinished.id}"]
    else:
        app = resolve(house.cluster, spec)
        classes = [SnapshotClass.of(item) for item in house.cluster.list("VolumeSnapshotClass")]
        if not_older_than_s is not None:
            found = _young_enough(house, points, app, capture_plan.sort_out(app, classes, wish), not_older_than_s)
            if found is not None:
                return _unchanged(found, [_young(not_older_than_s)])
        plan, notes = _planned(house, app, classes, wish)
    if house.check_mode:
        return {**shown(plan, changed=True, operation=unfinished), "recovery_points": [], "notes": notes}
    outcome = run(house, plan, {}, _puts_back, seen)
    made = str(outcome.result(RECORD).get("point", ""))
    rows = [point.row() for point in house.store.points(spec.target) if point.id == made]
    lost = [f"{named(snapshots.CONTENT, name)} is gone" for name in outcome.result(RETAIN).get("missing") or ()]
    told = shown(plan, changed=outcome.changed, operation=outcome.operation)
    return {**told, "recovery_points": rows, "notes": [*notes, *lost]}


def _puts_back(step: str, error: KnownGoodError) -> bool:
    """A capture that cannot be made leaves nothing behind: it would only stand in the way of the next one.

    A lost connection or a lost race (another run has taken over) is no reason: that is gone on with.
    """
    return step != RECORD and isinstance(error, (BadInput, Denied, NotFound, NotProven, Rejected, TimedOut))


def _of_incident(points: Sequence[RecoveryPoint], wish: CaptureWish) -> RecoveryPoint | None:
    if not wish.incident:
        return None
    found = [p for p in points if p.captured.get("incident") == wish.incident and p.purpose == wish.purpose]
    return next((point for point in reversed(found) if not point.pruned), None)


def _planned(
    house: House, app: Application, classes: Sequence[SnapshotClass], wish: CaptureWish
) -> tuple[Plan, list[str]]:
    drivers = capture_plan.sort_out(app, classes, wish).drivers
    grouping = group_for(house.cluster, drivers, wish.group, wish.atomic_drivers)
    plan = capture_plan.plan(app, classes, wish, grouping.params)
    return plan, [*app.notes, *([grouping.note] if grouping.note else [])]


def _young_enough(
    house: House, points: Sequence[RecoveryPoint], app: Application, found: Sorted, limit_s: float
) -> RecoveryPoint | None:
    """The newest point that holds all claims that can be captured now, is young enough and still in the cluster.

    What it left out has to be just what would be left out now.
    """
    uids = {volume.claim: volume.claim_uid for volume in app.volumes if volume.claim not in found.left_out}
    for point in reversed(points):
        if point.forensic or point.pruned or not fresh(point, house.clock.now(), limit_s):
            continue
        held = {volume["claim"]: volume["claim_uid"] for volume in point.volumes}
        if held != uids or set(point.left_out) != set(found.left_out):
            continue
        if kept(point.volumes, snapshots.contents(house.cluster, [v["content"] for v in point.volumes]).values()):
            return point
    return None


def _young(limit_s: float) -> str:
    return f"not older than {limit_s:g} s"


def _unchanged(point: RecoveryPoint, notes: list[str]) -> dict[str, Json]:
    operation = str(point.captured.get("operation") or "")
    nothing: dict[str, Json] = {"changed": False, "plan": [], "plan_hash": "", "operation": operation}
    return {**nothing, "recovery_points": [point.row()], "notes": notes}
