# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Capturing an application: from the wish to the recovery point.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from .._cluster.graph import resolve
from .._core.application import Application, ApplicationSpec
from .._core.errors import BadInput, Denied, KnownGoodError, NotFound, NotProven, Rejected, TimedOut
from .._core.plan import Json
from .._core.statements import RecoveryPoint
from . import capture_plan, snapshots
from .capture_plan import CaptureWish
from .capture_steps import RECORD
from .classes import SnapshotClass
from .house import House, need_snapshots, run, shown


def capture(house: House, spec: ApplicationSpec, wish: CaptureWish, not_older_than_s: float | None) -> dict[str, Json]:
    """Makes a recovery point, or returns the one that is asked for and there already.

    Returns ``changed``, ``plan``, ``plan_hash``, ``operation``, ``recovery_points`` (rows) and ``notes``. Raises
    BadInput naming every claim that cannot be captured before anything is changed.
    """
    points = house.store.points(spec.target)
    there = _of_incident(points, wish)
    if there is not None:
        return _unchanged(there, [f"incident {wish.incident} has this point already"])
    need_snapshots(house.cluster)
    unfinished = house.engine.unfinished(capture_plan.KIND, spec.target, wish.key, planning=house.check_mode)
    if unfinished is not None:
        plan, notes = unfinished.plan, [f"going on with the unfinished {unfinished.id}"]
    else:
        app = resolve(house.cluster, spec)
        if not_older_than_s is not None:
            young = _young_enough(house, points, app, not_older_than_s)
            if young is not None:
                return _unchanged(young, [f"not older than {not_older_than_s:g} s"])
        classes = [SnapshotClass.of(item) for item in house.cluster.list("VolumeSnapshotClass")]
        plan, notes = capture_plan.plan(app, classes, wish), list(app.notes)
    if house.check_mode:
        return {**shown(plan, changed=True, operation=unfinished), "recovery_points": [], "notes": notes}
    outcome = run(house, plan, {}, _puts_back)
    made = str(outcome.result(RECORD).get("point", ""))
    rows = [point.row() for point in house.store.points(spec.target) if point.id == made]
    told = shown(plan, changed=outcome.changed, operation=outcome.operation)
    return {**told, "recovery_points": rows, "notes": notes}


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


def _young_enough(
    house: House, points: Sequence[RecoveryPoint], app: Application, limit_s: float
) -> RecoveryPoint | None:
    """The newest point that holds all claims as they are now, is young enough and still in the cluster."""
    claims = {(volume.claim, volume.claim_uid) for volume in app.volumes}
    for point in reversed(points):
        if point.forensic or point.pruned or point.earliest is None:
            continue
        if {(v["claim"], v["claim_uid"]) for v in point.volumes} != claims:
            continue
        age = house.clock.now() - point.earliest
        if dt.timedelta(0) <= age <= dt.timedelta(seconds=limit_s) and _there(house, point.volumes):
            return point
    return None


def _there(house: House, volumes: Sequence[Mapping[str, Json]]) -> bool:
    return all(house.cluster.find(snapshots.CONTENT, volume["content"]) is not None for volume in volumes)


def _unchanged(point: RecoveryPoint, notes: list[str]) -> dict[str, Json]:
    operation = str(point.captured.get("operation") or "")
    nothing: dict[str, Json] = {"changed": False, "plan": [], "plan_hash": "", "operation": operation}
    return {**nothing, "recovery_points": [point.row()], "notes": notes}
