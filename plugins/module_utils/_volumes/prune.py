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
from .._core.plan import Json, Step
from .._core.statements import RecoveryPoint
from .house import House, need_snapshots, run, shown
from .prune_plan import KEY, KIND, fitting, plan
from .usage import Seen, Usage, usage


def observe(house: House, spec: ApplicationSpec, points: Sequence[RecoveryPoint]) -> Usage:
    """Who needs the points right now, and which of them have lost their snapshots."""
    seen = Seen.of(house.cluster, house.engine.journal, spec.namespace)
    return usage(seen, spec.namespace, points, house.clock.now())


def prune(house: House, spec: ApplicationSpec, drop: Mapping[str, str], more: Sequence[Step] = ()) -> dict[str, Json]:
    """Gives these points up and does what ``more`` says.

    Returns what every changing door returns, ``recovery_points``: those given up, ``ran``: the names of the steps that
    are done, ``left``: why a point, or what a step of ``more`` was for, was left alone by step, and ``notes``. An
    unfinished run is gone on with as it was planned: then the steps of ``more`` are for the next one.
    """
    points = house.store.points(spec.target)
    fits = fitting(spec, points, drop)
    fresh = plan(spec, points, fits, more)
    idle = house.check_mode or fresh.empty
    unfinished = house.engine.unfinished(KIND, spec.target, KEY, planning=idle)
    wanted = unfinished.plan if unfinished else fresh
    notes = [f"going on with the unfinished {unfinished.id}"] if unfinished else []
    if len(fits) < len(drop):
        notes.append(f"{len(drop) - len(fits)} more are given up by the next run: one journal has no room for all")
    if {step.name for step in more} - {step.name for step in wanted.steps}:
        notes.append("what was left behind is removed by the next run")
    ids = [step.params["point"] for step in wanted.steps if step.action == "volumes.free"]
    if house.check_mode or wanted.empty:
        rows = [point.row() for point in points if point.id in ids]
        told = shown(wanted, changed=not wanted.empty, operation=unfinished)
        return {**told, "recovery_points": rows, "ran": frozenset(), "left": {}, "notes": notes}
    need_snapshots(house.cluster)
    outcome = run(house, wanted, {}, lambda step, error: False)
    results = outcome.operation.results if outcome.operation else {}
    left = {step: str(result["kept"]) for step, result in results.items() if result.get("kept")}
    rows = [point.row() for point in house.store.points(spec.target) if point.id in ids and point.pruned]
    told = shown(wanted, changed=outcome.changed, operation=outcome.operation)
    ran = frozenset(step.name for step in wanted.steps)
    return {**told, "recovery_points": rows, "ran": ran, "left": left, "notes": notes}
