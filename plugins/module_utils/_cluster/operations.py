# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What there is to resume, to undo, to give up or to clear away, and how.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .._core.clock import Clock, parse_time
from .._core.errors import BadInput, Conflict, Denied, NotFound
from .._core.operation import Engine, Outcome, check_abandon
from .._core.plan import Json, Step
from .._core.ports import ABANDONED, FINISHED, OPEN, UNDOING, UNDONE, Operation
from .clearing import clearable, find_needed, old, still_frozen
from .client import Cluster
from .kinds import named
from .state import journal_name, target_label
from .undo_order import undo_first

LISTED, RESUMED, CLEARED = "listed", "resumed", "cleared"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the door ``operation`` was asked for.

    ``target``: ``namespace/app``, empty for all; ``id`` may be empty; ``reason`` is why one is abandoned;
    ``older_than_s`` is how long ago those ended whose journals are cleared away.
    """

    state: str
    target: str = ""
    id: str = ""
    reason: str = ""
    older_than_s: float = 0.0


def operate(
    cluster: Cluster, engine: Engine, asked: Asked, *, state_namespace: str, clock: Clock, check_mode: bool
) -> dict[str, Json]:
    """What the door returns.

    Raises NotFound for an id that is not there, BadInput where it is not clear which one is meant, Conflict where a
    later operation has to be undone first.
    """
    found = _known(engine, asked)
    if asked.state == CLEARED:
        return _clear(cluster, engine, found, asked, state_namespace, clock, check_mode)
    told: dict[str, Json] = {"changed": False, "plan": [], "operation": "", "diff": {"before": {}, "after": {}}}
    if asked.state != LISTED:
        before = _chosen(engine, found, asked)
        outcome = _predicted(engine, before, asked) if check_mode else _done(cluster, engine, before, asked)
        after = outcome.operation or before
        found = [before if check_mode else after]
        diff = {"before": {before.id: before.state}, "after": {after.id: after.state}}
        told = {
            "changed": outcome.changed,
            "plan": steps_of(found[0], found[0].plan.steps),
            "operation": before.id,
            "diff": diff,
        }
    running = _running(cluster, state_namespace, clock, {op.plan.target for op in found if op.unfinished})
    return {**told, "operations": [row(op, running=running.get(op.plan.target, "")) for op in found]}


def _clear(
    cluster: Cluster,
    engine: Engine,
    known: Sequence[Operation],
    asked: Asked,
    state_namespace: str,
    clock: Clock,
    check_mode: bool,
) -> dict[str, Json]:
    """Takes the journals away that nobody needs. One that is written to meanwhile stays."""
    found = old(known, clock.now(), asked.older_than_s)
    if found:
        needed = find_needed(cluster, state_namespace, {op.plan.target for op in known})
        frozen = still_frozen(cluster, found)
        found = clearable(known, found, replace(needed, operations=needed.operations | frozen))
    gone = [op for op in found if check_mode or engine.journal.remove(op)]
    state = "todo" if check_mode else "done"
    return {
        "changed": bool(gone),
        "plan": [
            {
                "name": f"clear {op.id}",
                "touches": [named("ConfigMap", journal_name(op), state_namespace)],
                "state": state,
            }
            for op in gone
        ],
        "operation": "",
        "operations": [row(op) for op in gone],
        "diff": {"before": {op.id: op.state for op in gone}, "after": {}},
    }


def _chosen(engine: Engine, known: Sequence[Operation], asked: Asked) -> Operation:
    if asked.state == RESUMED:
        return _resumable(known, asked)
    return _undoable(engine, known, asked) if asked.state == UNDONE else _named(known, asked)


def _predicted(engine: Engine, operation: Operation, asked: Asked) -> Outcome:
    """What a run would come to; raises what can be known to go wrong."""
    state = asked.state
    if state == UNDONE:
        engine.check_undo(operation)
    elif state == ABANDONED and operation.state != ABANDONED:
        check_abandon(operation, asked.reason)
    elif state == RESUMED:
        engine.check_resume(operation)
        state = {OPEN: FINISHED, UNDOING: UNDONE}.get(operation.state, operation.state)
    return Outcome(state != operation.state, operation.plan, replace(operation, state=state))


def _done(cluster: Cluster, engine: Engine, operation: Operation, asked: Asked) -> Outcome:
    if asked.state == ABANDONED:
        return engine.abandon(operation.id, asked.reason, _user(cluster) if operation.unfinished else "")
    return (engine.resume if asked.state == RESUMED else engine.undo)(operation.id)


def _user(cluster: Cluster) -> str:
    """What the cluster calls us; empty where it does not say."""
    try:
        return cluster.whoami()
    except (Denied, NotFound):
        return ""


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


def _named(known: Sequence[Operation], asked: Asked) -> Operation:
    if asked.id:
        return known[0]
    there = ", ".join(op.id for op in known if op.state not in (UNDONE, ABANDONED)) or "none"
    raise BadInput(f"which operation is to be {asked.state}?", why=f"there are: {there}", next="name one with id")


def _undoable(engine: Engine, known: Sequence[Operation], asked: Asked) -> Operation:
    operation = _named(known, asked)
    later = undo_first(operation, engine.journal.list(operation.plan.target))
    if later:
        raise Conflict(
            f"{later.id} has to be undone before {asked.id}",
            why="it started later and touched the same objects",
            next=f"knowngood.kube.operation id={later.id} state=undone",
        )
    return operation


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
        "steps": steps_of(operation, operation.plan.steps),
        "left": steps_of(operation, operation.left),
        "abandoned": dict(operation.facts.get("abandoned") or {}),
        "holder": operation.holder,
        "running": bool(running) and running == operation.holder,
        "undo_until": str(operation.facts.get("undo_until", "")),
        "kept_volumes": [kept for result in operation.results.values() for kept in result.get("kept_volumes") or []],
        "plan_hash": operation.plan.hash,
        "next": how_to_go_on(operation, running=running),
    }


def steps_of(operation: Operation, steps: Sequence[Step]) -> list[dict[str, Json]]:
    """Steps with what the journal has of each."""
    return [
        {"name": step.name, "touches": list(step.touches), "state": operation.entry(step.name).state} for step in steps
    ]


def how_to_go_on(operation: Operation, *, running: str = "") -> str:
    """What a person does next with it. Pure."""
    door = f"knowngood.kube.operation id={operation.id}"
    if operation.unfinished and running:
        return f"{running} is working on {operation.plan.target}: wait for it to end"
    give_up = f"{door} state=abandoned where that cannot succeed"
    if operation.state == OPEN:
        return f"run the same task again or {door} state=resumed to go on; {door} state=undone to go back; {give_up}"
    if operation.state == UNDOING:
        return f"{door} state=resumed goes on going back, the same task again does so and begins anew; {give_up}"
    if operation.state == FINISHED and operation.left:
        return f"{door} state=undone to go back"
    if operation.state == ABANDONED and operation.left:
        return "look at what the steps in left touch, and put it right by hand"
    return "nothing is left to do"
