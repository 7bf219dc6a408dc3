# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine: the one way anything in the cluster is changed.

For each step the intent is written to the journal before it and the result after it. Whether a step is done is asked
of the cluster, not of the journal, so a run that died after any line can be taken up by the next one: by the same task
again, by ``operation state=resumed``, or backwards by ``operation state=undone``.

Two writers are kept apart by the lease and, when that fails (a writer that slept through its lease), by the journal's
compare-and-swap and the preconditions on each write. What is left open is the one write that a sleeping writer had
already sent: it carries uid and resourceVersion, so it can only hit the object that it had read.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from .clock import Clock, rfc3339
from .errors import BadInput, Conflict, Interrupted, KnownGoodError, NotFound, TakenOver
from .plan import Json, Plan, Step, digest
from .ports import (
    ABANDONED,
    ALREADY,
    DONE,
    FINISHED,
    OPEN,
    STARTED,
    TO_DO,
    UNDOING,
    UNDONE,
    Entry,
    Held,
    Journal,
    Leases,
    Operation,
)
from .progress import Reporter


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may know of the run around it: the operation's id and the results of the steps before it.

    ``again``: an earlier run began this very step and did not come to its end.
    """

    operation_id: str
    results: Mapping[str, Mapping[str, Json]]
    again: bool = False


class Action(Protocol):
    """The code behind ``Step.action``. Each method may be called again after a crash at any line of it."""

    def done(self, step: Step, context: Context) -> bool:
        """Does the cluster show the step's outcome? Reads only.

        Asked before a step is begun and again, when a run is taken up, of steps that the journal has as done (unless
        the step named by ``until`` has begun). A step that was begun and not ended is applied again without asking.
        """

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        """Does the step; returns what later steps, the undo and the report need (JSON, no secrets, small)."""

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Puts back what the step changed, as far as it was changed. ``None``: this step has nothing to put back."""


class NothingToUndo:
    """For actions that leave nothing to put back: they only look, or what they do is taken back by another step."""

    __slots__ = ()

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del step, context
        return None


class LooksAgain:
    """For actions that each run does anew: nothing shows once and for all that they are done, or that others did it."""

    __slots__ = ()

    def done(self, step: Step, context: Context) -> bool:
        del step, context
        return False


class AskedOfJournal:
    """For actions whose outcome is what was seen: evidence of its moment, which only the journal holds."""

    __slots__ = ()

    def done(self, step: Step, context: Context) -> bool:
        return bool(context.results.get(step.name))


class UndoneLast:
    """For actions that state what the other steps did: that it is taken back is stated once it is true."""

    __slots__ = ()


@runtime_checkable
class Keeper(Protocol):
    """An action whose undo needs something that was kept."""

    def undoable(self, step: Step, context: Context) -> str | None:
        """Why the step cannot be put back any more; ``None``: nothing is known against it. Reads only.

        Asked of all steps before the first of them is undone, so that an undo that is bound to fail changes nothing.
        """


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. ``operation`` is None when there was nothing to do."""

    changed: bool
    plan: Plan
    operation: Operation | None = None

    @property
    def operation_id(self) -> str:
        return self.operation.id if self.operation else ""

    def result(self, step: str) -> dict[str, Json]:
        return self.operation.entry(step).result if self.operation else {}


@dataclass(frozen=True, slots=True)
class Seen:
    """The operations on a target as they were at one moment, newest first.

    Taken before the application is looked at and given to :meth:`Engine.run` with the plan, it tells a plan that is
    still true from one that somebody was faster than.
    """

    target: str
    operations: tuple[Operation, ...]

    def unfinished(self, kind: str, key: str, *, planning: bool = False) -> Operation | None:
        """The unfinished operation of this kind and key: the one that asking again means.

        Raises ``Conflict`` when another operation on the target is unfinished: it has to be resumed, undone or
        abandoned first. It is not in the way of ``planning``, a check run that shows what would be done after it.
        """
        open_ones = [op for op in self.operations if op.unfinished]
        for op in open_ones:
            if op.is_of(kind, key) and op.state == OPEN:
                return op
        if open_ones and not planning:
            raise _in_the_way(open_ones[0])
        return None

    def ended(self, kind: str, key: str) -> Operation | None:
        """The newest finished (and not undone) operation of this kind and key."""
        for op in self.operations:
            if op.is_of(kind, key) and op.state == FINISHED:
                return op
        return None

    def since(self, earlier: Seen) -> Operation | None:
        """The newest operation that was begun, ended or undone after the earlier look."""
        known = {(op.id, op.state) for op in earlier.operations}
        return next((op for op in self.operations if (op.id, op.state) not in known), None)


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs plans. ``stopping`` is asked between two steps: true ends the run in good order."""

    journal: Journal
    leases: Leases
    clock: Clock
    reporter: Reporter
    actions: Mapping[str, Action]
    holder: str
    stopping: Callable[[], bool] = lambda: False

    # -- finding what is there ----------------------------------------------------------------------------------

    def mark(self, target: str) -> Seen:
        """What there is now; taken before the application is observed, it is what ``run`` compares with."""
        return Seen(target, tuple(self.journal.list(target)))

    def settled(self, kind: str, target: str, key: str, *, planning: bool = False) -> Seen:
        """As ``mark``, after :meth:`finish_undo` unless it is for ``planning``: where doors begin."""
        seen = self.mark(target)
        return self.mark(target) if not planning and self.finish_undo(seen, kind, key) else seen

    def finish_undo(self, seen: Seen, kind: str, key: str) -> bool:
        """Goes on with the undo of this kind and key that was interrupted; tells whether there was one.

        What asking again means then is the task anew, as after an undo that came to its end: the application has to be
        looked at after it. Raises what the undo raises.
        """
        half = next((op for op in seen.operations if op.state == UNDOING and op.is_of(kind, key)), None)
        if half is None:
            return False
        self.reporter.say(f"the undo of {half.id} was interrupted: it is finished first")
        self.resume(half.id)
        return True

    def unfinished(self, kind: str, target: str, key: str, *, planning: bool = False) -> Operation | None:
        """As :meth:`Seen.unfinished`, of this moment and :meth:`settled`."""
        return self.settled(kind, target, key, planning=planning).unfinished(kind, key, planning=planning)

    def ended(self, kind: str, target: str, key: str) -> Operation | None:
        """As :meth:`Seen.ended`, of this moment."""
        return self.mark(target).ended(kind, key)

    # -- forwards -----------------------------------------------------------------------------------------------

    def run(
        self, plan: Plan, facts: Mapping[str, Json] | None = None, *, seen: Seen | None = None, before: str = ""
    ) -> Outcome:
        """Applies a plan. An empty one takes no lease and writes nothing. ``facts`` are kept with the operation.

        ``seen`` was taken before the plan was made: Conflict is raised, and nothing changed, where another operation
        on the target was begun, ended or undone since. ``before`` names a step that this run leaves for another one:
        where it is not begun yet, the run ends well before it and the operation stays open.
        """
        if plan.empty:
            return Outcome(False, plan)
        self._check_actions(plan)
        with self.leases.hold(plan.target, self.holder) as held:
            now = self.mark(plan.target)
            there = now.unfinished(plan.kind, plan.key)
            if there is None:
                faster = now.since(seen) if seen else None
                if faster:
                    raise _outrun(faster)
                there = self.journal.create(self._fresh(plan, now, dict(facts or {})))
            return self._forward(there, held, before)

    def resume(self, operation_id: str) -> Outcome:
        """Goes on with an unfinished operation in the direction it was going."""
        operation = self._known(operation_id)
        self.check_resume(operation)
        if not operation.unfinished:
            return Outcome(False, operation.plan, operation)
        self._check_actions(operation.plan)
        with self.leases.hold(operation.plan.target, self.holder) as held:
            self._nobody_else(operation)
            operation = self._known(operation_id)
            self.check_resume(operation)
            return self._backward(operation, held) if operation.state == UNDOING else self._forward(operation, held)

    @staticmethod
    def check_resume(operation: Operation) -> None:
        """Raises Conflict where the operation was abandoned."""
        if operation.state == ABANDONED:
            told = operation.facts.get("abandoned") or {}
            raise Conflict(
                f"operation {operation.id} was abandoned",
                why=f"by {told.get('by')}, {operation.ended}: {told.get('reason')}",
                next=f"knowngood.kube.operation id={operation.id} lists what it left; start anew",
            )

    def undo(self, operation_id: str, *, own: bool = False) -> Outcome:
        """Puts back what the operation changed, last step first (but see UndoneLast). Raises as :meth:`check_undo`.

        ``own``: only while it is this run's. A run that slept may find that another one has gone on with it, and has
        ended it well: then TakenOver is raised, and nothing changed.
        """
        operation = self._known(operation_id)
        if operation.state == UNDONE and not own:
            return Outcome(False, operation.plan, operation)
        self._check_actions(operation.plan)
        with self.leases.hold(operation.plan.target, self.holder) as held:
            self._nobody_else(operation)
            operation = self._known(operation_id)
            if own:
                self._still_ours(operation)
            self.check_undo(operation)
            return self._backward(operation, held)

    def _still_ours(self, operation: Operation) -> None:
        if operation.unfinished and operation.holder == self.holder:
            return
        raise TakenOver(
            f"another run has taken over operation {operation.id}",
            where=operation.plan.target,
            why=f"it is {operation.state}, last gone on with by {operation.holder}",
            next=f"look what became of it: knowngood.kube.operation id={operation.id} state=listed",
            details={"operation": operation.id},
        )

    def check_undo(self, operation: Operation) -> None:
        """Raises Conflict where the operation was abandoned, or its undo is not begun and is bound to fail."""
        self.check_resume(operation)
        if operation.state not in (OPEN, FINISHED):
            return
        context = Context(operation.id, operation.results)
        reasons = []
        for step in operation.left:
            action: object = self.actions.get(step.action)
            why = action.undoable(step, context) if isinstance(action, Keeper) else None
            if why:
                reasons.append(f"{step.name}: {why}")
        if reasons:
            door = f"knowngood.kube.operation id={operation.id}"
            raise Conflict(
                f"operation {operation.id} cannot be put back",
                where=operation.plan.target,
                why="; ".join(reasons),
                next=f"{door} state=resumed to go on, or state=abandoned to give it up" if operation.unfinished else "",
                details={"operation": operation.id},
            )

    # -- neither way ----------------------------------------------------------------------------------------------

    def abandon(self, operation_id: str, reason: str, by: str = "") -> Outcome:
        """Gives up an unfinished operation: its journal is closed and nothing else in the cluster is changed.

        What it leaves behind is ``left`` of the outcome's operation; who, when and why are kept with it. Raises
        BadInput without a reason and for an operation that has ended.
        """
        operation = self._known(operation_id)
        if operation.state == ABANDONED:
            return Outcome(False, operation.plan, operation)
        check_abandon(operation, reason)
        with self.leases.hold(operation.plan.target, self.holder):
            operation = self._known(operation_id)
            check_abandon(operation, reason)
            told = {"by": by or self.holder, "reason": reason.strip(), "was": operation.state}
            now = rfc3339(self.clock.now())
            ended = replace(operation, state=ABANDONED, ended=now, facts={**operation.facts, "abandoned": told})
            return Outcome(True, operation.plan, self.journal.save(ended))

    # -- inside -------------------------------------------------------------------------------------------------

    def _known(self, operation_id: str) -> Operation:
        operation = self.journal.get(operation_id)
        if operation is None:
            raise NotFound(
                f"no operation {operation_id}",
                why="the journal does not hold it",
                next="list what there is with knowngood.kube.operation state=listed",
            )
        return operation

    def _nobody_else(self, operation: Operation) -> None:
        """Asked with the lease in hand: another one may have begun, and died, while this one waited for it."""
        for other in self.journal.list(operation.plan.target):
            if other.unfinished and other.id != operation.id:
                raise _in_the_way(other)

    def _check_actions(self, plan: Plan) -> None:
        unknown = sorted({step.action for step in plan.steps} - set(self.actions))
        if unknown:
            raise BadInput(
                "the operation has steps that this version does not know",
                why=", ".join(unknown),
                next="run it with the version of knowngood.kube that started it",
            )

    def _fresh(self, plan: Plan, seen: Seen, facts: dict[str, Json]) -> Operation:
        """A new journal record.

        Its id follows from the plan and the operation before it: two writers who start the same collide, and no id is
        used again once its journal is cleared away, as the newest one always stays.
        """
        name = plan.target.rpartition("/")[2][:40].rstrip("-.")  # the id is a label value, too: 63 characters
        taken = {op.id for op in seen.operations}
        made = seen.operations[0].id if seen.operations else ""
        while made in taken or not made:  # more than once only where clocks differ, so that the newest is not the last
            made = f"{plan.kind}-{name}-{digest([plan.kind, plan.target, plan.key, made])[:10]}"
        return Operation(made, plan, OPEN, rfc3339(self.clock.now()), holder=self.holder, facts=facts)

    def _forward(self, operation: Operation, held: Held, before: str = "") -> Outcome:
        changed = False
        resumed = bool(operation.entries)
        total = len(operation.plan.steps)
        if operation.holder != self.holder:
            operation = self.journal.save(replace(operation, holder=self.holder))
        for number, step in enumerate(operation.plan.steps, 1):
            entry = operation.entry(step.name)
            if entry.state == DONE and step.until and operation.entry(step.until).state != TO_DO:
                continue
            if step.name == before and entry.state == TO_DO:
                return Outcome(changed, operation.plan, operation)
            held.check()
            self._stop_if_asked(operation, step, changed)
            action = self.actions[step.action]
            context = Context(operation.id, operation.results, again=entry.state == STARTED)
            try:
                if entry.state != STARTED and action.done(step, context):
                    if entry.state == TO_DO:
                        operation = self._record(operation, step, DONE, {ALREADY: True})
                    continue
                self.reporter.say(f"{operation.plan.kind} {number}/{total}: {step.name}")
                begun = {key: value for key, value in entry.result.items() if key != ALREADY}  # from now on it is ours
                operation = self._record(operation, step, STARTED, begun)
                changed = True
                operation = self._record(operation, step, DONE, action.apply(step, context))
            except KnownGoodError as error:
                raise _with_way_on(error, operation, step, changed) from error
        ended = replace(operation, state=FINISHED, ended=rfc3339(self.clock.now()))
        return Outcome(changed or resumed, operation.plan, self.journal.save(ended))

    def _backward(self, operation: Operation, held: Held) -> Outcome:
        if operation.state == UNDONE:
            return Outcome(False, operation.plan, operation)
        if operation.state != UNDOING:
            operation = self.journal.save(replace(operation, state=UNDOING, holder=self.holder))
        for step in self._way_back(operation):
            entry = operation.entry(step.name)
            held.check()
            self._stop_if_asked(operation, step, True)
            self.reporter.say(f"undo {operation.plan.kind}: {step.name}")
            try:
                operation = self._record(operation, step, UNDOING, entry.result)
                undone = self.actions[step.action].undo(step, Context(operation.id, operation.results))
                operation = self._record(operation, step, UNDONE, {**entry.result, **(undone or {})})
            except KnownGoodError as error:
                raise _with_way_on(error, operation, step, True) from error
        ended = replace(operation, state=UNDONE, ended=rfc3339(self.clock.now()))
        return Outcome(True, operation.plan, self.journal.save(ended))

    def _way_back(self, operation: Operation) -> list[Step]:
        actions: Mapping[str, object] = self.actions
        left = list(reversed(operation.left))
        return sorted(left, key=lambda step: isinstance(actions[step.action], UndoneLast))

    def _record(self, operation: Operation, step: Step, state: str, result: dict[str, Json]) -> Operation:
        entry = Entry(state, rfc3339(self.clock.now()), result)
        return self.journal.save(operation.with_entry(step.name, entry))

    def _stop_if_asked(self, operation: Operation, step: Step, changed: bool) -> None:
        if self.stopping():
            raise Interrupted(
                f"stopped before step '{step.name}' of {operation.id}",
                why="this run was asked to stop",
                next=_way_on(operation),
                changed=changed,
                details={"operation": operation.id},
            )


def check_abandon(operation: Operation, reason: str) -> None:
    """Raises BadInput without a reason and for an operation that has ended."""
    if not operation.unfinished:
        raise BadInput(f"there is nothing to abandon: operation {operation.id} is {operation.state}")
    if not reason.strip():
        raise BadInput(f"operation {operation.id} is not abandoned without a reason", next="say why with reason")


_WAYS = "with state=resumed or state=undone (state=abandoned where neither can succeed)"


def _way_on(operation: Operation) -> str:
    return f"run the same task again to go on, or knowngood.kube.operation id={operation.id} {_WAYS}"


def _with_way_on(error: KnownGoodError, operation: Operation, step: Step, changed: bool) -> KnownGoodError:
    """The same error, with what was already changed and how to go on."""
    error.changed = error.changed or changed
    error.details = {**error.details, "operation": operation.id, "step": step.name}
    hint = _way_on(operation)
    if hint not in error.next:
        error.next = f"{error.next}; then {hint}" if error.next else hint
    return error


def _outrun(operation: Operation) -> Conflict:
    return Conflict(
        f"the application was changed by {operation.id} since this plan was made",
        where=operation.plan.target,
        why=f"it is {operation.state}, started {operation.started} by {operation.holder}",
        next="run the same task again",
        details={"changed_by": operation.id},
    )


def _in_the_way(operation: Operation) -> Conflict:
    return Conflict(
        f"operation {operation.id} on {operation.plan.target} is unfinished",
        why=f"it stands at step '{operation.position}', started {operation.started} by {operation.holder}",
        next=f"knowngood.kube.operation id={operation.id} {_WAYS}",
        details={"operation": operation.id},
    )
