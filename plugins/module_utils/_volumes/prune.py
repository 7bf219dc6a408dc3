# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving up recovery points: a plan that marks each in the ledger first and frees its snapshots then.

Which points are given up is decided elsewhere (retention is a pure function of the catalogue). Here a point that is
held is refused whatever was decided.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._cluster.ledger import append_step
from .._core.application import ApplicationSpec
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step
from .._core.statements import PRUNED, Draft, RecoveryPoint
from .house import House, need_snapshots, run, shown

KIND = "prune"
KEY = "retention"


def plan(spec: ApplicationSpec, points: Sequence[RecoveryPoint], drop: Mapping[str, str]) -> Plan:
    """``drop``: the reason by point id. Raises BadInput for a point that is unknown, held or given up already.

    Pure. A point's statement ``pruned`` comes before its data goes: a run that dies between the two leaves a point that
    nobody restores from, never one that looks whole and is not.
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
        mark = Draft(PRUNED, name, {"reason": reason}, f"{PRUNED}:{name}")
        steps.append(append_step(f"mark {name}", spec.target, [mark]))
        steps.append(_free_step(spec, point))
    return Plan(KIND, spec.target, KEY, tuple(steps))


def _free_step(spec: ApplicationSpec, point: RecoveryPoint) -> Step:
    keys = ("claim", "driver", "mode", "snapshot", "snapshot_class", "snapshot_handle", "content", "deletion_secret")
    volumes: list[Json] = [{key: volume[key] for key in keys if key in volume} for volume in point.volumes]
    touches = tuple(f"VolumeSnapshotContent {volume['content']}" for volume in point.volumes)
    params: dict[str, Json] = {"namespace": spec.namespace, "point": point.id, "volumes": volumes}
    return Step(f"free {point.id}", "volumes.free", touches, params)


def prune(house: House, spec: ApplicationSpec, drop: Mapping[str, str]) -> dict[str, Json]:
    """Gives these points up. Returns what every changing door returns and ``recovery_points``: those given up."""
    unfinished = house.engine.unfinished(KIND, spec.target, KEY)
    points = house.store.points(spec.target)
    wanted = unfinished.plan if unfinished else plan(spec, points, drop)
    ids = [step.params["point"] for step in wanted.steps if step.action == "volumes.free"]
    if house.check_mode or wanted.empty:
        rows = [point.row() for point in points if point.id in ids]
        told = shown(wanted, changed=not wanted.empty, operation=unfinished)
        return {**told, "recovery_points": rows}
    need_snapshots(house.cluster)
    outcome = run(house, wanted, {}, lambda step, error: False)
    rows = [point.row() for point in house.store.points(spec.target) if point.id in ids]
    told = shown(wanted, changed=outcome.changed, operation=outcome.operation)
    return {**told, "recovery_points": rows}
