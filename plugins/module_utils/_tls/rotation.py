# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation from the request to the report: observe, plan, run, and back again on a failed gate.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

from .._cluster.client import Cluster
from .._core.clock import Clock, rfc3339
from .._core.errors import Conflict, Interrupted, KnownGoodError, Unreachable
from .._core.operation import Engine, Seen
from .._core.plan import Json, Plan
from .._core.ports import DONE, TO_DO, Operation
from . import many
from .consumers import look
from .emergency import denied_keys
from .inventory import UNKNOWN, drift, served_by
from .observe import Observer
from .plan import KIND, Request, Target, plan
from .rotation_report import Part, generations_of, report, targets_of
from .shelf import shelf
from .source import CERT_MANAGER
from .waves import lanes, split

UNDO, HOLD = "undo", "hold"
_WRITES = ("tls.commit", "tls.renew", f"{many.PREFIX}commit")
_ENDS_ALL = (Interrupted, Unreachable)
"""After these no further wave is begun, however many failures are allowed."""
_NOT_OURS_TO_UNDO = (Conflict, Interrupted, Unreachable)
"""After these the cluster is not ours to write to (or not reachable): the operation waits for a person."""


@dataclass(frozen=True, slots=True)
class _Task:
    """What was asked for, and with what it is done. ``denied``: keys that must not come back."""

    cluster: Cluster
    request: Request
    engine: Engine
    clock: Clock
    on_failure: str
    check_mode: bool
    denied: frozenset[str]

    def observer(self, cluster: Cluster) -> Observer:
        return Observer(cluster, self.request, self.clock.now(), self.denied)


def rotate(
    cluster: Cluster, request: Request, engine: Engine, *, clock: Clock, on_failure: str, check_mode: bool
) -> dict[str, Json]:
    """Rotates what is due and reports. With an application all targets are one operation, else each is its own.

    Operations run in waves, those of a wave side by side unless they share a workload; each wave is over before the
    next is begun, which it is not when more of them failed than is allowed. Raises KnownGoodError of the first that
    failed; ``changed`` of the error is true when any target was rotated, and its ``details`` say what became of the
    others.
    """
    groups = [request.targets] if request.app else [(target,) for target in request.targets]
    denied = denied_keys(cluster, request.state_namespace)
    task = _Task(cluster, request, engine, clock, on_failure, check_mode, denied)
    parts: list[Part] = []
    failures: list[tuple[tuple[Target, ...], KnownGoodError]] = []
    waves = split(groups, request.waves)
    for number, wave in enumerate(waves, 1):
        if len(waves) > 1:
            engine.reporter.say(f"wave {number} of {len(waves)}: {', '.join(t.ref for group in wave for t in group)}")
        for group, came in _wave(task, wave):
            if isinstance(came, Part):
                parts.append(came)
            else:
                failures.append((group, came))
        if len(failures) > request.failures_allowed or any(isinstance(error, _ENDS_ALL) for _group, error in failures):
            break
    if failures:
        raise _failed(request, parts, failures)
    return report(parts)


Came: TypeAlias = "tuple[tuple[Target, ...], Part | KnownGoodError]"


def _wave(task: _Task, wave: Sequence[tuple[Target, ...]]) -> list[Came]:
    """What came of the targets of a wave: those that nobody uses are one operation, the others one each."""
    came = _crowd(task, wave)
    known = {target.ref for group, _came in came for target in group}
    left = [group for group in wave if not known.issuperset(target.ref for target in group)]
    if left:
        found = _side_by_side(task, left)
        came += zip(left, found, strict=True)
    return came


def _crowd(task: _Task, wave: Sequence[tuple[Target, ...]]) -> list[Came]:
    """Those that need nothing but a write: nobody uses them, or they are not due. The others are left out."""
    request, engine = task.request, task.engine
    if not many.wanted(request):
        return []
    targets = {target.ref: target for group in wave for target in group}
    came, taken = _unfinished(task, targets)
    left = [target for ref, target in targets.items() if ref not in taken]
    if len(left) < many.LEAST:
        return came
    target = many.lease(left)
    marked = engine.mark(target)
    observer = task.observer(shelf(task.cluster, [(one.namespace, one.secret) for one in left]))
    together, others = many.sorted_out(left, observer.look, incident=bool(request.incident))
    came += [((seen.target,), Part((seen.target,), (seen,), plan(request, (seen,)))) for seen in others]
    for batch in many.batches(request, together):
        group = tuple(seen.target for seen in batch)
        made = many.plan_many(request, batch, target)
        part = Part(group, tuple(batch), made, changed=True)
        try:
            came.append((group, part if task.check_mode else _begin(task, part, made, marked)))
        except KnownGoodError as error:
            came.append((group, error))
            break
        marked = engine.mark(target)
    return came


def _unfinished(task: _Task, targets: Mapping[str, Target]) -> tuple[list[Came], set[str]]:
    """Operations on many of these targets that have not ended: they go on, where this asks for all that they are about.

    Also the names of targets that an unfinished operation of their own is about.
    """
    request, engine, check_mode = task.request, task.engine, task.check_mode
    came: list[Came] = []
    taken: set[str] = set()
    for operation in engine.journal.list(unfinished=True):
        if not many.is_many(operation):
            taken |= {ref for ref, target in targets.items() if request.lease((target,)) == operation.plan.target}
            continue
        refs = many.refs(operation)
        mine = tuple(targets[ref] for ref in sorted(refs & set(targets)))
        try:
            half = Seen(operation.plan.target, (operation,))
            if not check_mode and engine.finish_undo(half, KIND, many.key(request, mine)):
                continue  # all of it is put back: these are looked at anew
            taken |= {target.ref for target in mine}
            if mine:
                many.must_be_asked_for(operation, request, mine, planning=check_mode)
                came.append((mine, _go_on(task, mine, operation)))
        except KnownGoodError as error:
            taken |= {target.ref for target in mine}
            came.append((mine, error))
    return came, taken


def _side_by_side(task: _Task, wave: Sequence[tuple[Target, ...]]) -> list[Part | KnownGoodError]:
    """What came of each group of a wave, in its order."""

    def one(group: tuple[Target, ...]) -> Part | KnownGoodError:
        try:
            return _one(task, group)
        except KnownGoodError as error:
            return error

    if len(wave) == 1:
        return [one(wave[0])]
    beside = lanes(wave, _users(task.cluster, wave))
    with ThreadPoolExecutor(max_workers=min(task.request.at_once, len(beside))) as pool:
        came = pool.map(lambda lane: [(group, one(group)) for group in lane], beside)
        by_group = dict(row for rows in came for row in rows)
    return [by_group[group] for group in wave]


def _users(cluster: Cluster, wave: Sequence[tuple[Target, ...]]) -> list[frozenset[str]]:
    """The workloads of each group. Where they cannot be read, all groups are taken to share one."""
    try:
        seen = {name: look(cluster, name) for name in {target.namespace for group in wave for target in group}}
    except KnownGoodError:  # each target says so itself
        return [frozenset({"?"}) for _group in wave]
    return [
        frozenset(
            f"{target.namespace}/{ref}"
            for target in group
            for ref in (target.workloads or [c.ref for c in seen[target.namespace].consumers(target.secret)])
        )
        for group in wave
    ]


def _failed(
    request: Request, parts: Sequence[Part], failures: Sequence[tuple[tuple[Target, ...], KnownGoodError]]
) -> KnownGoodError:
    """The first failure, with what became of every target: rotated, failed, or not begun."""
    error = failures[0][1]
    error.changed = error.changed or any(part.changed for part in parts) or any(e.changed for _g, e in failures)
    done = [part.operation.id for part in parts if part.changed and part.operation]
    if done:
        error.details = {**error.details, "operations": done}
    if len(request.targets) > 1:
        rows = [row for part in parts for row in targets_of(part)]
        rows += [{"target": t.ref, "state": "failed", "reason": str(e)} for group, e in failures for t in group]
        known = {row["target"] for row in rows}
        why = "not begun: too many failed before"
        rows += [{"target": t.ref, "state": "skipped", "reason": why} for t in request.targets if t.ref not in known]
        error.details = {**error.details, "targets": rows}
    return error


def _one(task: _Task, targets: tuple[Target, ...]) -> Part:
    request, engine = task.request, task.engine
    lease, key = request.lease(targets), request.plan_key(targets)
    observer = task.observer(task.cluster)
    marked = engine.settled(KIND, lease, key, planning=task.check_mode)
    ended = marked.ended(KIND, key) if request.incident else None
    if ended is not None:  # once for an incident: what has become of it since is said, not changed
        nothing = Plan(KIND, lease, key)
        return Part(targets, plan=nothing, operation=ended, notes=_looked_again(task.cluster, observer, targets, ended))
    there = marked.unfinished(KIND, key, planning=task.check_mode)
    if there is not None:
        return _go_on(task, targets, there)
    seen = tuple(observer.look(target) for target in targets)
    made = plan(request, seen)
    part = Part(targets, seen, made, changed=not made.empty)
    if made.empty and request.incident:
        return replace(part, notes=_looked_again(task.cluster, observer, targets, None))
    if made.empty or task.check_mode:
        return part
    return _begin(task, part, made, marked)


def _begin(task: _Task, part: Part, made: Plan, marked: Seen) -> Part:
    """Runs what was planned."""
    request, until = task.request, task.clock.now() + dt.timedelta(seconds=task.request.keep_previous_s)
    kept = request.keep_previous_s and not request.emergency and request.source.kind != CERT_MANAGER
    facts = {"undo_until": rfc3339(until.replace(microsecond=0))} if kept else {}
    return _run(task, part, made, facts, marked)


def _go_on(task: _Task, targets: tuple[Target, ...], operation: Operation) -> Part:
    """An unfinished operation: the same task again means going on with it."""
    if not task.check_mode:
        return _run(task, Part(targets), operation.plan, operation.facts)
    steps = tuple(replace(s, done=operation.entry(s.name).state == DONE) for s in operation.plan.steps)
    return Part(targets, plan=replace(operation.plan, steps=steps), operation=operation, changed=True)


def _run(task: _Task, part: Part, made: Plan, facts: Mapping[str, Json], marked: Seen | None = None) -> Part:
    try:
        outcome = task.engine.run(made, facts, seen=marked)
    except KnownGoodError as error:
        operation_id = str(error.details.get("operation", ""))
        waiting = bool(error.details.get("waiting"))  # for somebody to act: nothing is lost by going on later
        if task.on_failure == UNDO and operation_id and not waiting and not isinstance(error, _NOT_OURS_TO_UNDO):
            _back(task.engine, operation_id, error, task.clock)
        raise
    return replace(part, plan=made, operation=outcome.operation, changed=outcome.changed)


def _back(engine: Engine, operation_id: str, error: KnownGoodError, clock: Clock) -> None:
    """Takes the operation back after a failed gate and says so in the error. The old one must still be worth it."""
    operation = engine.journal.get(operation_id)
    if operation is None:
        return
    written = [s for s in operation.plan.steps if s.action in _WRITES and _begun(operation, s.name)]
    if any(s.action == "tls.renew" for s in written):
        error.why += "; what cert-manager keeps is not put back"
        return
    if any(s.params.get("emergency") for s in written):
        error.why += "; the old key is given up, so it is not put back"
        return
    if written and _too_late(operation, clock):
        error.why += "; the old certificate has expired, so it is not put back"
        return
    engine.reporter.say(f"not proven: {operation_id} is taken back")
    try:
        engine.undo(operation_id, own=True)
    except KnownGoodError as second:
        error.why += f"; the way back failed as well: {second}"
        error.changed = True
        return
    error.changed = bool(written)
    error.details = {**error.details, "undone": True}
    error.next = (
        "the old certificate is in service again" if written else "nothing was put into service"
    ) + "; cure the cause, then run the same task again"


def _begun(operation: Operation, step: str) -> bool:
    return operation.entry(step).state != TO_DO


def _too_late(operation: Operation, clock: Clock) -> bool:
    ends = [str(s.params["old_not_after"]) for s in operation.plan.steps if s.action == "tls.commit"]
    ends += [end for s in operation.plan.steps if s.action == f"{many.PREFIX}commit" for end in many.ends(s)]
    return any(end <= rfc3339(clock.now().replace(microsecond=0)) for end in ends)


def _looked_again(
    cluster: Cluster, observer: Observer, targets: Sequence[Target], ended: Operation | None
) -> tuple[dict[str, Json], ...]:
    """What is stored and served of targets that an incident already rotated: the facts, not the memory of them."""
    made = {row["target"]: row["new"] for row in generations_of(ended)}
    return tuple(_look_again(cluster, observer, target, str(made.get(target.ref, ""))) for target in targets)


def _look_again(cluster: Cluster, observer: Observer, target: Target, made: str) -> dict[str, Json]:
    try:
        secret = observer.secret(target)
        view = observer.namespace(target.namespace)
    except KnownGoodError as error:
        return {
            "target": target.ref,
            "stored": "",
            "in_place": False,
            "served": [],
            "drift": UNKNOWN,
            "why": str(error),
        }
    stored = secret.certificate.fingerprint
    served = served_by(cluster, view, secret, view.consumers(target.secret))
    in_place = stored == made if made else None
    why = "" if in_place is not False else "somebody has put another certificate into the Secret since"
    state = drift(stored, served)
    return {"target": target.ref, "stored": stored, "in_place": in_place, "served": served, "drift": state, "why": why}
