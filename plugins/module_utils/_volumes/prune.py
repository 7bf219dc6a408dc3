# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving up recovery points: a plan that marks each in the ledger first and frees its snapshots then.

Which points are given up is decided elsewhere (retention is a pure function of the catalogue). Here a point that is
held is refused whatever was decided, and one that came to be held or in use since is left alone when its turn comes.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._core.application import ApplicationSpec
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step
from .._core.statements import RecoveryPoint
from .house import House, need_snapshots, run, shown
from .usage import Seen, Usage, usage

KIND = "prune"
KEY = "retention"
_KEPT_KEYS = (
    "claim",
    "driver",
    "mode",
    "snapshot",
    "snapshot_class",
    "snapshot_handle",
    "content",
    "deletion_secret",
    "group",
    "group_content",
    "group_handle",
)


def plan(
    spec: ApplicationSpec,
    points: Sequence[RecoveryPoint],
    drop: Mapping[str, str],
    more: Sequence[Step] = (),
) -> Plan:
    """``drop``: the reason by point id; ``more``: steps that follow. Raises BadInput for a point that is unknown, held
    or given up already.

    Pure. A point is marked before its data goes: a run that dies between the two leaves a point that nobody restores
    from, never one that looks whole and is not. That its data is gone is stated last.
    """
    by_id = {point.id: point for point in points}
    steps: list[Step] = []
    for name, reason in drop.items():
        point = by_id.get(name)
        if point is None or point.pruned:
            why = "it was given up already" if point else f"the ledger of {spec.target} does not have it"
            raise BadInput(f"the recovery point {name} cannot be given up", why=why)
        if point.held:
            holds = ", ".join(hold.incident or hold.reason for hold in point.holds)
            raise BadInput(
                f"the recovery point {name} is held", why=f"by: {holds}", next="release it first, when it may go"
            )
        steps += [_mark_step(spec, point, reason), free_step(spec, point)]
    return Plan(KIND, spec.target, KEY, (*steps, *more))


def _mark_step(spec: ApplicationSpec, point: RecoveryPoint, reason: str) -> Step:
    params = {"target": spec.target, "namespace": spec.namespace, "point": point.id, "reason": reason}
    return Step(f"mark {point.id}", "volumes.mark_pruned", (f"ledger {spec.target}",), params)


def free_step(spec: ApplicationSpec, point: RecoveryPoint) -> Step:
    """Frees the snapshots of a point that is marked, and states it."""
    volumes: list[Json] = [{key: volume[key] for key in _KEPT_KEYS if key in volume} for volume in point.volumes]
    touches = tuple(f"VolumeSnapshotContent {volume['content']}" for volume in point.volumes)
    params: dict[str, Json] = {
        "target": spec.target,
        "namespace": spec.namespace,
        "point": point.id,
        "volumes": volumes,
        "mark": f"mark {point.id}",
    }
    return Step(f"free {point.id}", "volumes.free", touches, params)


def observe(house: House, spec: ApplicationSpec, points: Sequence[RecoveryPoint]) -> Usage:
    """Who needs the points right now, and which of them have lost their snapshots."""
    seen = Seen.of(house.cluster, house.engine.journal, spec.namespace)
    return usage(seen, spec.namespace, points, house.clock.now())


def prune(house: House, spec: ApplicationSpec, drop: Mapping[str, str], more: Sequence[Step] = ()) -> dict[str, Json]:
    """Gives these points up and does what ``more`` says.

    Returns what every changing door returns, ``recovery_points``: those given up, ``left``: why a point, or what a
    step of ``more`` was for, was left alone by step, and ``notes``.
    """
    points = house.store.points(spec.target)
    fresh = plan(spec, points, drop, more)
    idle = house.check_mode or fresh.empty
    unfinished = house.engine.unfinished(KIND, spec.target, KEY, planning=idle)
    wanted = unfinished.plan if unfinished else fresh
    notes = [f"going on with the unfinished {unfinished.id}"] if unfinished else []
    ids = [step.params["point"] for step in wanted.steps if step.action == "volumes.free"]
    if house.check_mode or wanted.empty:
        rows = [point.row() for point in points if point.id in ids]
        told = shown(wanted, changed=not wanted.empty, operation=unfinished)
        return {**told, "recovery_points": rows, "left": {}, "notes": notes}
    need_snapshots(house.cluster)
    outcome = run(house, wanted, {}, lambda step, error: False)
    results = outcome.operation.results if outcome.operation else {}
    left = {step: str(result["kept"]) for step, result in results.items() if result.get("kept")}
    rows = [point.row() for point in house.store.points(spec.target) if point.id in ids and point.pruned]
    told = shown(wanted, changed=outcome.changed, operation=outcome.operation)
    return {**told, "recovery_points": rows, "left": left, "notes": notes}
