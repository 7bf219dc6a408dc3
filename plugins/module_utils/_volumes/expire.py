# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Freeing the volumes that restores (and their undos) kept, once their time has passed.

The volumes of one operation go together: without one of them it cannot be undone, so the others keep nothing.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._cluster.kinds import named
from .._core.application import ApplicationSpec
from .._core.clock import parse_time
from .._core.plan import Json, Plan, Step
from .._core.ports import ABANDONED, Operation
from .expire_steps import LOOK
from .house import House, run, shown
from .names import CLAIM, KEEP_UNTIL, KEPT, OPERATION
from .objects import Object, annotation
from .usage import Whose, points_of

KIND = "expire"
KEY = "kept"
PV = "PersistentVolume"
DUE, KEPT_STILL, BUSY, UNCLEAR = "due", "kept", "busy", "unclear"


@dataclass(frozen=True, slots=True)
class KeptVolume:
    """A volume that is kept. ``until`` is None where it does not say so in a way that can be read."""

    name: str
    uid: str
    claim: str
    operation: str
    until_text: str
    until: dt.datetime | None
    phase: str

    @classmethod
    def of(cls, volume: Object) -> KeptVolume:
        text = annotation(volume, KEEP_UNTIL)
        return cls(
            name=volume["metadata"]["name"],
            uid=volume["metadata"]["uid"],
            claim=annotation(volume, CLAIM),
            operation=annotation(volume, OPERATION),
            until_text=text,
            until=_moment(text),
            phase=str((volume.get("status") or {}).get("phase") or ""),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A kept volume and what is to become of it: ``due``, ``kept``, ``busy`` or ``unclear``, and why."""

    volume: KeptVolume
    state: str
    reason: str

    def row(self) -> dict[str, Json]:
        volume = self.volume
        return {
            "volume": volume.name,
            "claim": volume.claim,
            "operation": volume.operation,
            "kept_until": volume.until_text,
            "state": self.state,
            "reason": self.reason,
        }


def judge(volumes: Iterable[KeptVolume], operations: Sequence[Operation], now: dt.datetime) -> tuple[Judged, ...]:
    """Pure. Sorted by claim and time."""
    there = sorted(volumes, key=lambda volume: (volume.claim, volume.until_text, volume.name))
    last: dict[str, dt.datetime] = {}
    for volume in there:
        if volume.until is not None:
            last[volume.operation] = max(volume.until, last.get(volume.operation, volume.until))
    unfinished = {op.id: op for op in operations if op.unfinished and op.plan.kind != KIND}
    abandoned = {op.id for op in operations if op.state == ABANDONED}
    return tuple(
        _abandoned(volume)
        if volume.operation in abandoned
        else _judged(volume, last.get(volume.operation), unfinished, now)
        for volume in there
    )


def _abandoned(volume: KeptVolume) -> Judged:
    """It may hold the only good copy: nobody knows how far the operation came."""
    return Judged(volume, UNCLEAR, f"{volume.operation} {LOOK}")


def _judged(volume: KeptVolume, last: dt.datetime | None, unfinished: dict[str, Operation], now: dt.datetime) -> Judged:
    if volume.until is None or last is None:
        said = f"{KEEP_UNTIL} is {volume.until_text!r}"
        return Judged(volume, UNCLEAR, f"{said}, which is no time: set it, or delete the volume yourself")
    if volume.phase not in ("Released", "Available", "Failed"):
        return Judged(volume, BUSY, f"it is {volume.phase or 'in an unknown phase'}: a claim may have it")
    users = [op.id for op in unfinished.values() if op.id == volume.operation or _names(op, volume.name)]
    if users:
        return Judged(volume, BUSY, f"{', '.join(users)} is unfinished")
    if last > now:
        others = "" if last == volume.until else ", the last of its operation"
        return Judged(volume, KEPT_STILL, f"its time has not passed{others}")
    return Judged(volume, DUE, "its time has passed")


def _names(operation: Operation, volume: str) -> bool:
    return any(named(PV, volume) in step.touches for step in operation.plan.steps)


def plan(spec: ApplicationSpec, judged: Sequence[Judged], points: dict[str, str]) -> Plan:
    """``points``: the recovery point by operation, where it is known. Pure."""
    steps = []
    for item in judged:
        if item.state != DUE:
            continue
        volume = item.volume
        params: dict[str, Json] = {
            "target": spec.target,
            "point": points.get(volume.operation, ""),
            "volume": volume.name,
            "uid": volume.uid,
            "claim": volume.claim,
            "operation": volume.operation,
            "kept_until": volume.until_text,
        }
        steps.append(Step(f"expire {volume.name}", "volumes.expire", (named(PV, volume.name),), params))
    return Plan(KIND, spec.target, KEY, tuple(steps))


def expire(house: House, spec: ApplicationSpec) -> dict[str, Json]:
    """Frees the kept volumes of an application whose time has passed.

    Returns what every changing door returns, and ``kept_volumes``: a row for each that is or was there (``state``:
    ``expired``, ``due`` in check mode, ``kept``, ``busy`` or ``unclear``) and ``notes``.
    """
    operations = house.engine.journal.list()
    judged = judge(_of_application(house, spec, operations), operations, house.clock.now())
    fresh = plan(spec, judged, _points(house, spec, operations) if any(j.state == DUE for j in judged) else {})
    idle = house.check_mode or fresh.empty
    unfinished = house.engine.unfinished(KIND, spec.target, KEY, planning=idle)
    wanted = unfinished.plan if unfinished else fresh
    notes = [f"going on with the unfinished {unfinished.id}"] if unfinished else []
    if house.check_mode or wanted.empty:
        told = shown(wanted, changed=not wanted.empty, operation=unfinished)
        return {**told, "kept_volumes": [item.row() for item in judged], "notes": notes}
    outcome = run(house, wanted, {}, lambda step, error: False)
    results = outcome.operation.results if outcome.operation else {}
    rows = [_after(row, results) for row in _rows(judged, wanted)]
    told = shown(wanted, changed=outcome.changed, operation=outcome.operation)
    return {**told, "kept_volumes": rows, "notes": notes}


def _rows(judged: Sequence[Judged], wanted: Plan) -> list[dict[str, Json]]:
    """A row each; also of those that an earlier run of the same plan has freed already."""
    rows = [item.row() for item in judged]
    there = {row["volume"] for row in rows}
    for step in wanted.steps:
        if step.params["volume"] not in there:
            keys = ("volume", "claim", "operation", "kept_until")
            rows.append({**{key: step.params[key] for key in keys}, "state": DUE, "reason": "its time has passed"})
    return rows


def _after(row: dict[str, Json], results: dict[str, dict[str, Json]]) -> dict[str, Json]:
    result = results.get(f"expire {row['volume']}")
    if result is None:
        return row
    if result.get("kept"):
        return {**row, "state": BUSY, "reason": result["kept"]}
    return {**row, "state": "expired", "reason": "its time had passed"}


def _of_application(house: House, spec: ApplicationSpec, operations: Sequence[Operation]) -> list[KeptVolume]:
    """The kept volumes that operations on it kept; of operations that nobody knows any more, by their names."""
    volumes = [KeptVolume.of(volume) for volume in house.cluster.list(PV, selector=KEPT)]
    whose = Whose(spec, operations)
    return [volume for volume in volumes if whose(volume.operation, volume.claim.partition("/")[0])]


def _points(house: House, spec: ApplicationSpec, operations: Iterable[Operation]) -> dict[str, str]:
    """The recovery point that each restore brought back, from the journals and the ledger."""
    found = {
        str(statement.body.get("operation")): statement.point
        for statement in house.store.read(spec.target)
        if statement.kind == "restored"
    }
    for operation in operations:
        for point in sorted(points_of(operation)):
            found.setdefault(operation.id, point)
    return found


def _moment(text: str) -> dt.datetime | None:
    try:
        return parse_time(text)
    except ValueError:
        return None
