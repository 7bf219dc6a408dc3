# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rotation from the request to the report: observe, plan, run, and back again on a failed gate.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

from .._cluster.client import Cluster
from .._core.clock import Clock, rfc3339
from .._core.errors import Conflict, Interrupted, KnownGoodError, Unreachable
from .._core.operation import Engine, Seen
from .._core.plan import Json, Plan, digest
from .._core.ports import DONE, TO_DO, Operation
from . import many
from .consumers import look
from .emergency import denied_keys
from .inventory import UNKNOWN, drift, served_by
from .observe import Observer
from .plan import KIND, Observed, Request, Target, plan, step_name
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
class Part:
    """One operation's worth of a request: its targets, and what came of them."""

    targets: tuple[Target, ...]
    seen: tuple[Observed, ...] = ()
    plan: Plan | None = None
    operation: Operation | None = None
    changed: bool = False
    notes: tuple[dict[str, Json], ...] = ()


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
    parts: list[Part] = []
    failures: list[tuple[tuple[Target, ...], KnownGoodError]] = []
    waves = split(groups, request.waves)
    for number, wave in enumerate(waves, 1):
        if len(waves) > 1:
            engine.reporter.say(f"wave {number} of {len(waves)}: {', '.join(t.ref for group in wave for t in group)}")
        for group, came in _wave(cluster, request, engine, wave, clock, on_failure, check_mode, denied):
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


def _wave(
    cluster: Cluster,
    request: Request,
    engine: Engine,
    wave: Sequence[tuple[Target, ...]],
    clock: Clock,
    on_failure: str,
    check_mode: bool,
    denied: frozenset[str],
) -> list[Came]:
    """What came of the targets of a wave: those that nobody uses are one operation, the others one each."""
    came = _crowd(cluster, request, engine, wave, clock, on_failure, check_mode, denied)
    known = {target.ref for group, _came in came for target in group}
    left = [group for group in wave if not known.issuperset(target.ref for target in group)]
    if left:
        found = _side_by_side(cluster, request, engine, left, clock, on_failure, check_mode, denied)
        came += zip(left, found, strict=True)
    return came


def _crowd(
    cluster: Cluster,
    request: Request,
    engine: Engine,
    wave: Sequence[tuple[Target, ...]],
    clock: Clock,
    on_failure: str,
    check_mode: bool,
    denied: frozenset[str],
) -> list[Came]:
    """Those that need nothing but a write: nobody uses them, or they are not due. The others are left out."""
    if not many.wanted(request):
        return []
    targets = {target.ref: target for group in wave for target in group}
    came, taken = _unfinished(request, engine, targets, on_failure, clock, check_mode)
    left = [target for ref, target in targets.items() if ref not in taken]
    if len(left) < many.LEAST:
        return came
    target = many.lease(left)
    marked = engine.mark(target)
    observer = Observer(shelf(cluster, [(one.namespace, one.secret) for one in left]), request, clock.now(), denied)
    together, others = many.sorted_out(left, observer.look, incident=bool(request.incident))
    came += [((seen.target,), Part((seen.target,), (seen,), plan(request, (seen,)))) for seen in others]
    for batch in many.batches(request, together):
        group = tuple(seen.target for seen in batch)
        made = many.plan_many(request, batch, target)
        part = Part(group, tuple(batch), made, changed=True)
        try:
            came.append((group, part if check_mode else _begin(engine, request, part, made, on_failure, clock, marked)))
        except KnownGoodError as error:
            came.append((group, error))
            break
        marked = engine.mark(target)
    return came


def _unfinished(
    request: Request,
    engine: Engine,
    targets: Mapping[str, Target],
    on_failure: str,
    clock: Clock,
    check_mode: bool,
) -> tuple[list[Came], set[str]]:
    """Operations on many of these targets that have not ended: they go on, where this asks for all that they are about.

    Also the names of targets that an unfinished operation of their own is about.
    """
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
                came.append((mine, _go_on(engine, mine, operation, on_failure, clock, check_mode)))
        except KnownGoodError as error:
            taken |= {target.ref for target in mine}
            came.append((mine, error))
    return came, taken


def _side_by_side(
    cluster: Cluster,
    request: Request,
    engine: Engine,
    wave: Sequence[tuple[Target, ...]],
    clock: Clock,
    on_failure: str,
    check_mode: bool,
    denied: frozenset[str],
) -> list[Part | KnownGoodError]:
    """What came of each group of a wave, in its order."""

    def one(group: tuple[Target, ...]) -> Part | KnownGoodError:
        try:
            return _one(cluster, request, engine, group, clock, on_failure, check_mode, denied)
        except KnownGoodError as error:
            return error

    if len(wave) == 1:
        return [one(wave[0])]
    beside = lanes(wave, _users(cluster, wave))
    with ThreadPoolExecutor(max_workers=min(request.at_once, len(beside))) as pool:
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
        rows = [row for part in parts for row in _targets(part)]
        rows += [{"target": t.ref, "state": "failed", "reason": str(e)} for group, e in failures for t in group]
        known = {row["target"] for row in rows}
        why = "not begun: too many failed before"
        rows += [{"target": t.ref, "state": "skipped", "reason": why} for t in request.targets if t.ref not in known]
        error.details = {**error.details, "targets": rows}
    return error


def _one(
    cluster: Cluster,
    request: Request,
    engine: Engine,
    targets: tuple[Target, ...],
    clock: Clock,
    on_failure: str,
    check_mode: bool,
    denied: frozenset[str],
) -> Part:
    lease, key = request.lease(targets), request.plan_key(targets)
    observer = Observer(cluster, request, clock.now(), denied)
    marked = engine.settled(KIND, lease, key, planning=check_mode)
    ended = marked.ended(KIND, key) if request.incident else None
    if ended is not None:  # once for an incident: what has become of it since is said, not changed
        nothing = Plan(KIND, lease, key)
        return Part(targets, plan=nothing, operation=ended, notes=_looked_again(cluster, observer, targets, ended))
    there = marked.unfinished(KIND, key, planning=check_mode)
    if there is not None:
        return _go_on(engine, targets, there, on_failure, clock, check_mode)
    seen = tuple(observer.look(target) for target in targets)
    made = plan(request, seen)
    part = Part(targets, seen, made, changed=not made.empty)
    if made.empty and request.incident:
        return replace(part, notes=_looked_again(cluster, observer, targets, None))
    if made.empty or check_mode:
        return part
    return _begin(engine, request, part, made, on_failure, clock, marked)


def _begin(
    engine: Engine, request: Request, part: Part, made: Plan, on_failure: str, clock: Clock, marked: Seen
) -> Part:
    """Runs what was planned."""
    until = clock.now() + dt.timedelta(seconds=request.keep_previous_s)
    kept = request.keep_previous_s and not request.emergency and request.source.kind != CERT_MANAGER
    facts = {"undo_until": rfc3339(until.replace(microsecond=0))} if kept else {}
    return _run(engine, part, made, facts, on_failure, clock, marked)


def _go_on(
    engine: Engine,
    targets: tuple[Target, ...],
    operation: Operation,
    on_failure: str,
    clock: Clock,
    check_mode: bool,
) -> Part:
    """An unfinished operation: the same task again means going on with it."""
    if not check_mode:
        return _run(engine, Part(targets), operation.plan, operation.facts, on_failure, clock)
    steps = tuple(replace(s, done=operation.entry(s.name).state == DONE) for s in operation.plan.steps)
    return Part(targets, plan=replace(operation.plan, steps=steps), operation=operation, changed=True)


def _run(
    engine: Engine,
    part: Part,
    made: Plan,
    facts: Mapping[str, Json],
    on_failure: str,
    clock: Clock,
    marked: Seen | None = None,
) -> Part:
    try:
        outcome = engine.run(made, facts, seen=marked)
    except KnownGoodError as error:
        operation_id = str(error.details.get("operation", ""))
        waiting = bool(error.details.get("waiting"))  # for somebody to act: nothing is lost by going on later
        if on_failure == UNDO and operation_id and not waiting and not isinstance(error, _NOT_OURS_TO_UNDO):
            _back(engine, operation_id, error, clock)
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
    made = {row["target"]: row["new"] for row in _generations(ended)}
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


# -- the report: pure --------------------------------------------------------------------------------------------


def report(parts: Sequence[Part]) -> dict[str, Json]:
    """What the door returns. ``operation`` is that of the last part that has one."""
    plans = [part.plan for part in parts if part.plan]
    operations = [part.operation for part in parts if part.operation]
    ran = [(part, _results(part)) for part in parts]
    proof = [row for part, results in ran for row in _proof(part, results)]
    generations = [row for part in parts for row in _generations(part.operation)]
    changes = _differences(parts, [row for part in parts if part.changed for row in _generations(part.operation)])
    return {
        "changed": any(part.changed for part in parts),
        "plan": [row for made in plans for row in made.shown()],
        "plan_hash": plans[0].hash if len(plans) == 1 else digest([made.hash for made in plans]),
        "operation": operations[-1].id if operations else "",
        "operations": [operation.id for operation in operations],
        "targets": [row for part in parts for row in _targets(part)],
        "generations": generations,
        "proof": proof,
        "unproven": sorted(
            set(unproven_in(proof)) | {str(what) for _part, results in ran for what in _copies(results, "unsearched")}
        ),
        "trial": [dict(row) for _part, results in ran for row in _trial(results)],
        "soak": [dict(result) for _part, results in ran for result in _soaked(results)],
        "restarted": sorted({ref for _part, results in ran for ref in _restarted(results)}),
        "reloaded": sorted({pod for _part, results in ran for pod in _reloaded(results)}),
        "copies": [row for _part, results in ran for row in _copies(results, "copies")],
        "denied": sorted({str(r["spki"]) for _part, results in ran for r in results.values() if r.get("denied")}),
        "failed_handshakes": sum(int(r.get("failed", 0)) for _part, results in ran for r in results.values()),
        "undo_until": max((str(op.facts.get("undo_until", "")) for op in operations), default=""),
        "seen": [note for part in parts for note in part.notes],
        "diff": {
            "before": {row["target"]: {"fingerprint": row["old"]} for row in changes},
            "after": {row["target"]: {"fingerprint": row["new"]} for row in changes},
        },
    }


def _results(part: Part) -> Mapping[str, Mapping[str, Json]]:
    return part.operation.results if part.operation else {}


def _generations(operation: Operation | None) -> Iterable[dict[str, Json]]:
    if operation is None:
        return
    if many.is_many(operation):
        yield from many.generations(operation)
        return
    results = operation.results
    for step in operation.plan.steps:
        if step.action not in ("tls.stage", "tls.renew") or "fingerprint" not in results.get(step.name, {}):
            continue
        new, params = results[step.name], step.params
        ref = f"{params['namespace']}/{params['secret']}"
        yield {
            "secret": params["secret"],
            "namespace": params["namespace"],
            "target": ref,
            "old": params["old"],
            "old_not_after": params["old_not_after"],
            "new": new["fingerprint"],
            "spki": new["spki"],
            "serial": new["serial"],
            "key": new["key"],
            "not_before": new["not_before"],
            "not_after": new["not_after"],
            "archive": results.get(step_name("commit", ref), {}).get("archive", ""),
        }


def _proof(part: Part, results: Mapping[str, Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Rows of this run. Where nothing was run, what was seen just now stands in ``seen``."""
    if not part.changed:
        return []
    if part.operation and many.is_many(part.operation):
        return list(many.proof(part.operation))
    return [dict(row) for name, result in results.items() if name.startswith("prove ") for row in result["proof"]]


def _trial(results: Mapping[str, Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    """What was proven on pods of our own, by the steps around the write."""
    words = tuple(f"{word} " for word in ("canary", "green", "switch", "switch_back"))
    return [row for name, result in results.items() if name.startswith(words) for row in result.get("proof", ())]


def _soaked(results: Mapping[str, Mapping[str, Json]]) -> list[Mapping[str, Json]]:
    return [result for name, result in results.items() if name.startswith("soak ") and result]


def _restarted(results: Mapping[str, Mapping[str, Json]]) -> list[str]:
    return [str(ref) for name, result in results.items() if name.startswith("restart ") for ref in result["restarted"]]


def _reloaded(results: Mapping[str, Mapping[str, Json]]) -> list[str]:
    return [str(pod) for name, result in results.items() if name.startswith("reload ") for pod in result["reloaded"]]


def _copies(results: Mapping[str, Mapping[str, Json]], word: str) -> list[Json]:
    return [row for name, result in results.items() if name.startswith("leaks ") for row in result.get(word, ())]


def unproven_in(proof: Iterable[Mapping[str, Json]]) -> list[str]:
    """Who could not be asked."""
    return sorted({_who(row) for row in proof if row["ok"] is None})


def _who(row: Mapping[str, Json]) -> str:
    return f"{row['target']}: " + (f"pod {row['pod']}" if row["pod"] else f"through Service {row['service'] or '?'}")


def _targets(part: Part) -> list[dict[str, Json]]:
    """One row a target: ``changed``, ``due`` (check mode) or ``ok`` with the reason."""
    seen = {observed.target.ref: observed for observed in part.seen}
    return [_target(part, target, seen.get(target.ref)) for target in part.targets]


def _target(part: Part, target: Target, observed: Observed | None) -> dict[str, Json]:
    state = "changed" if part.operation else "due"
    if not part.changed:
        reason = "not due" if part.operation is None else f"already rotated by {part.operation.id}"
        return {"target": target.ref, "state": "ok", "reason": reason}
    if observed is None:
        return {"target": target.ref, "state": state, "reason": "an unfinished operation goes on"}
    if not observed.due:
        return {"target": target.ref, "state": "ok", "reason": "not due"}
    return {"target": target.ref, "state": state, "reason": observed.due}


def _differences(parts: Sequence[Part], generations: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """Old and new by target; in check mode the new one is not known, as no key is made."""
    if generations:
        return [dict(row) for row in generations]
    return [
        {"target": observed.target.ref, "old": observed.certificate.fingerprint, "new": "a new key and certificate"}
        for part in parts
        for observed in part.seen
        if observed.due
    ]
