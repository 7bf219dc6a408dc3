# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is to resume or to undo, and how.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._core.clock import Clock, parse_time
from .._core.errors import BadInput, Conflict, NotFound
from .._core.operation import Engine
from .._core.plan import Json
from .._core.ports import FINISHED, OPEN, TO_DO, UNDOING, UNDONE, Operation
from .client import Cluster
from .state import target_label

LISTED, RESUMED = "listed", "resumed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the door ``operation`` was asked for. ``target``: ``namespace/app``, empty for all; ``id`` may be empty."""

    state: str
    target: str = ""
    id: str = ""


def operate(
    cluster: Cluster, engine: Engine, asked: Asked, *, state_namespace: str, clock: Clock, check_mode: bool
) -> dict[str, Json]:
    """What the door returns.

    Raises NotFound for an id that is not there, BadInput where it is not clear which one is meant, Conflict where a
    later operation has to be undone first.
    """
    known = _known(engine, asked)
    changed = False
    if asked.state == LISTED:
        found = known
    else:
        chosen = _resumable(known, asked) if asked.state == RESUMED else _undoable(engine, known, asked)
        changed = chosen.unfinished if asked.state == RESUMED else chosen.state != UNDONE
        if changed and not check_mode:
            outcome = (engine.resume if asked.state == RESUMED else engine.undo)(chosen.id)
            changed, chosen = outcome.changed, outcome.operation or chosen
        found = [chosen]
    running = _running(cluster, state_namespace, clock, {op.plan.target for op in found if op.unfinished})
    return {
        "changed": changed,
        "operations": [row(op, running=running.get(op.plan.target, "")) for op in found],
        "plan": steps_of(found[0]) if asked.state != LISTED else [],
        "operation": found[0].id if asked.state != LISTED else "",
    }


def _known(engine: Engine, asked: Asked) -> list[Operation]:
    if not asked.id:
        return engine.journal.list(asked.target or None)
    operation = engine.journal.get(asked.id)
    if operation is None or (asked.target and operation.plan.target != asked.target):
        raise NotFound(
            f"no operation {asked.id}",
            where=asked.target,
            why="the journal does not hold it",
            next="list what there is with state=listed",
        )
    return [operation]


def _resumable(known: Sequence[Operation], asked: Asked) -> Operation:
    if asked.id:
        return known[0]
    unfinished = [op for op in known if op.unfinished]
    if len(unfinished) != 1:
        there = ", ".join(op.id for op in unfinished) or "none"
        raise BadInput("which operation is to be resumed?", why=f"unfinished: {there}", next="name one with id")
    return unfinished[0]


def _undoable(engine: Engine, known: Sequence[Operation], asked: Asked) -> Operation:
    if not asked.id:
        there = ", ".join(op.id for op in known if op.state != UNDONE) or "none"
        raise BadInput("which operation is to be undone?", why=f"there are: {there}", next="name one with id")
    later = undo_first(known[0], engine.journal.list(known[0].plan.target))
    if later:
        raise Conflict(
            f"{later.id} has to be undone before {asked.id}",
            why="it started later and touched the same objects",
            next=f"knowngood.kube.operation id={later.id} state=undone",
        )
    return known[0]


def undo_first(operation: Operation, others: Iterable[Operation]) -> Operation | None:
    """The newest later operation of the same kind that touched the same objects and still stands. Pure."""
    mine = touched(operation)
    later = [
        op
        for op in others
        if op.id != operation.id
        and op.plan.kind == operation.plan.kind
        and op.state != UNDONE
        and (op.started, op.id) > (operation.started, operation.id)
        and mine & touched(op)
    ]
    return max(later, key=lambda op: (op.started, op.id), default=None)


def touched(operation: Operation) -> frozenset[str]:
    """Objects that its steps name; patterns (pods of our own) left out."""
    return frozenset(name for step in operation.plan.steps for name in step.touches if not name.endswith("*"))


def _running(cluster: Cluster, namespace: str, clock: Clock, targets: Iterable[str]) -> dict[str, str]:
    """Who holds the lease of each target right now."""
    found = {}
    for target in targets:
        lease = cluster.find("Lease", f"knowngood-{target_label(target)}", namespace)
        spec = (lease or {}).get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder and spec.get("renewTime"):
            age = (clock.now() - parse_time(str(spec["renewTime"]))).total_seconds()
            if age <= float(spec.get("leaseDurationSeconds", 15)):
                found[target] = str(holder)
    return found


def row(operation: Operation, *, running: str = "") -> dict[str, Json]:
    """One operation as the door returns it. ``running``: who holds the lease of its target now."""
    return {
        "id": operation.id,
        "kind": operation.plan.kind,
        "target": operation.plan.target,
        "key": operation.plan.key,
        "state": operation.state,
        "started": operation.started,
        "ended": operation.ended,
        "step": operation.position,
        "steps": steps_of(operation),
        "holder": operation.holder,
        "running": bool(running) and running == operation.holder,
        "undo_until": str(operation.facts.get("undo_until", "")),
        "plan_hash": operation.plan.hash,
        "next": how_to_go_on(operation, running=running),
    }


def steps_of(operation: Operation) -> list[dict[str, Json]]:
    """Its steps with what the journal has of each."""
    return [
        {"name": step.name, "touches": list(step.touches), "state": operation.entry(step.name).state}
        for step in operation.plan.steps
    ]


def how_to_go_on(operation: Operation, *, running: str = "") -> str:
    """What a person does next with it. Pure."""
    door = f"knowngood.kube.operation id={operation.id}"
    if operation.unfinished and running:
        return f"{running} is working on {operation.plan.target}: wait for it to end"
    if operation.state == OPEN:
        return f"run the same task again or {door} state=resumed to go on; {door} state=undone to go back"
    if operation.state == UNDOING:
        return f"{door} state=resumed goes on going back"
    if operation.state == FINISHED and any(operation.entry(s.name).state != TO_DO for s in operation.plan.steps):
        return f"{door} state=undone to go back"
    return "nothing is left to do"
