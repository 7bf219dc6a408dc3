# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of giving recovery points up. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._core.application import ApplicationSpec
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step, canonical
from .._core.statements import RecoveryPoint

KIND = "prune"
KEY = "retention"
# A journal holds 512 KiB: the plan, and about as much again of results.
_ROOM = 160 * 1024
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


def fitting(spec: ApplicationSpec, points: Sequence[RecoveryPoint], drop: Mapping[str, str]) -> dict[str, str]:
    """As many of the points to drop, in their order, as one journal has room for; at least one."""
    by_id = {point.id: point for point in points}
    found: dict[str, str] = {}
    room = _ROOM
    for name, reason in drop.items():
        room -= len(canonical(free_step(spec, by_id[name]).to_dict())) if name in by_id else 0
        if found and room < 0:
            break
        found[name] = reason
    return found


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
