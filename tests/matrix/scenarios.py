# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is killed: a capture, a restore, an undo, a giving up of points; and what must be true after each way on.

A scenario prepares a task (:class:`Task`), the matrix runs it and kills it, and the scenario says what is wrong after
the same task was run again or the operation was undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED, Operation
from tests.cluster.handle import Cluster
from tests.matrix import invariants
from tests.matrix.doors import Doors, Ran
from tests.matrix.invariants import Guard
from tests.matrix.tasks import NOTHING, THERE, WENT_ON, Scenario, Task, again, put_back
from tests.matrix.tiny import HOOKS, Tiny

GOOD = "good"


@dataclass(slots=True)
class Bench:
    """The application a lane works on, its processes, and the point it restores to."""

    tiny: Tiny
    doors: Doors
    good: str = ""

    def done(self, door: str, **options: Any) -> Ran:
        """A door that must succeed."""
        ran = self.doors.run(door, self.tiny.options(**options))
        assert ran.ok, f"{door}: {ran.problem()}"
        return ran

    def task(self, door: str, words: tuple[str, ...], *, facts: dict[str, Any] | None = None, **options: Any) -> Task:
        known = frozenset(op.id for op in self.tiny.journal.list(self.tiny.target))
        return Task(door, self.tiny.options(**options), words, self.tiny.objects(), known, facts or {})

    def begun(self, task: Task) -> Operation | None:
        """The operation that the task has made, when it came to that."""
        new = [op for op in self.tiny.journal.list(self.tiny.target) if op.id not in task.operations]
        return new[0] if new else None

    def operation(self, state: str, identity: str) -> Ran:
        given = {key: task for key, task in self.tiny.options().items() if key != "app"}
        return self.doors.run("operation", {**given, "state": state, "id": identity})

    def guard(self, task: Task) -> Guard:
        return Guard(self.tiny, task.words)

    def clear(self) -> None:
        self.tiny.clear()

    def remove(self) -> None:
        self.tiny.remove()


def one_claim(cluster: Cluster, doors: Doors) -> Bench:
    return Bench(Tiny.deployed(cluster, 1), doors)


def three_claims(cluster: Cluster, doors: Doors) -> Bench:
    return Bench(Tiny.deployed(cluster, 3), doors)


# -- capture


def _capture(bench: Bench, mark: str) -> Task:
    bench.tiny.write(mark)
    facts = {"points": len(bench.tiny.ledger.points(bench.tiny.target))}
    return bench.task("recovery_point", (mark,), facts=facts, hooks=HOOKS)


def _captured(bench: Bench, task: Task) -> tuple[str, list[str]]:
    begun = bench.begun(task)
    ran = again(bench, task)
    if not ran.ok:
        return WENT_ON, [ran.problem()]
    points = bench.tiny.ledger.points(bench.tiny.target)
    new = points[task.facts["points"] :]
    ended = begun is not None and begun.state == FINISHED
    wrong = [] if len(new) == (2 if ended else 1) else [f"{len(new)} new points"]
    newest = {v["claim"]: bench.tiny.snapshot_word(v["snapshot_handle"]) for v in points[-1].volumes}
    wanted = dict.fromkeys(bench.tiny.claims, task.words[0])
    wrong += [] if newest == wanted else [f"the point holds {newest}, not {wanted}"]
    return (NOTHING if begun is None else THERE if ended else WENT_ON), wrong + _quiet(bench, task)


def _capture_undone(bench: Bench, task: Task) -> tuple[str, list[str]]:
    outcome, wrong = put_back(bench, task)
    new = bench.tiny.ledger.points(bench.tiny.target)[task.facts["points"] :]
    if len(new) > 1:
        wrong.append(f"{len(new)} new points")
    return (f"{outcome}, the point was stated and stays" if new else outcome), wrong + _quiet(bench, task)


def _quiet(bench: Bench, task: Task) -> list[str]:
    """The live data was not touched, and everything is at rest."""
    return [*invariants.data_is(bench.tiny, task.words[0]), *settled(bench, task)]


def settled(bench: Bench, task: Task, limit_s: float = 8) -> list[str]:
    """What is still wrong once the controllers had time to clear up."""
    wrong: list[str] = []

    def right() -> bool:
        wrong[:] = invariants.at_rest(bench.tiny, task.before)
        return not wrong

    try:
        bench.tiny.until("rest", right, limit_s)
    except AssertionError:
        return wrong
    return []


# -- restore


def _with_good(bench: Bench) -> None:
    """Sees to the point that is restored; the rows of giving up may have taken it."""
    there = {point.id for point in bench.tiny.ledger.points(bench.tiny.target) if not point.pruned}
    if bench.good not in there:
        bench.tiny.write(GOOD)
        bench.good = str(bench.done("recovery_point").result["recovery_points"][0]["id"])


def _volumes(bench: Bench) -> dict[str, tuple[str, str]]:
    """Name and reclaim policy of the live volumes, by claim."""
    found = {name: bench.tiny.volume(name) for name in bench.tiny.claims}
    return {n: (v["metadata"]["name"], v["spec"]["persistentVolumeReclaimPolicy"]) for n, v in found.items()}


def prepare_restore(bench: Bench, mark: str) -> Task:
    _with_good(bench)
    bench.tiny.write(mark)
    facts = {"volumes": _volumes(bench)}
    return bench.task("restore", (mark,), facts=facts, recovery_point=bench.good, incident=mark)


def _restored(bench: Bench, task: Task) -> tuple[str, list[str]]:
    begun = bench.begun(task)
    ran = again(bench, task)
    if not ran.ok:
        return WENT_ON, [ran.problem()]
    wrong = [*invariants.data_is(bench.tiny, GOOD), *settled(bench, task), *invariants.pods_saw(bench.tiny, GOOD)]
    ended = begun is not None and begun.state == FINISHED
    if ended and ran.result["changed"]:
        wrong.append("asked again for the same incident, it changed something")
    return (NOTHING if begun is None else THERE if ended else WENT_ON), wrong


def _restore_undone(bench: Bench, task: Task) -> tuple[str, list[str]]:
    outcome, wrong = put_back(bench, task)
    return outcome, wrong + _as_before(bench, task)


def _as_before(bench: Bench, task: Task) -> list[str]:
    """The same volumes with the same data and policies, under the same workloads."""
    wrong = [*invariants.data_is(bench.tiny, task.words[0]), *settled(bench, task)]
    now = _volumes(bench)
    return wrong + [
        f"claim {name} is on {now[name]}, was on {was}"
        for name, was in task.facts["volumes"].items()
        if now[name] != was
    ]


# -- undo


def _undo(bench: Bench, mark: str) -> Task:
    made = prepare_restore(bench, mark)
    ran = again(bench, made)
    assert ran.ok, ran.problem()
    later = f"{mark}-later"
    bench.tiny.write(later)
    identity = str(ran.result["operation"])
    task = bench.task("operation", (mark, later), state="undone", id=identity)
    task.options.pop("app")
    task.before = made.before
    task.facts = {"volumes": made.facts["volumes"], "operation": identity}
    return task


def _undo_resumed(bench: Bench, task: Task) -> tuple[str, list[str]]:
    return _undo_ended(bench, task, "resumed")


def _undo_again(bench: Bench, task: Task) -> tuple[str, list[str]]:
    return _undo_ended(bench, task, "undone")


def _undo_ended(bench: Bench, task: Task, state: str) -> tuple[str, list[str]]:
    identity = task.facts["operation"]
    found = bench.tiny.journal.get(identity)
    assert found is not None
    ran = bench.operation(state, identity)
    if not ran.ok:
        return WENT_ON, [ran.problem()]
    if found.state == FINISHED and state == "resumed":
        # The kill came before the undo was begun: nothing was unfinished, so it stands as it was restored.
        outcome, wrong = NOTHING, [*invariants.data_is(bench.tiny, task.words[1]), *settled(bench, task)]
        ran = bench.operation("undone", identity)
        return outcome, wrong + ([] if ran.ok else [ran.problem()]) + _as_before(bench, task)
    return (WENT_ON if found.unfinished else THERE), _as_before(bench, task)


# -- giving up


def prepare_prune(bench: Bench, mark: str) -> Task:
    ids = []
    for word in (f"{mark}-old", f"{mark}-new"):
        bench.tiny.write(word)
        ids.append(bench.done("recovery_point").result["recovery_points"][0]["id"])
    return bench.task(
        "recovery_point", (f"{mark}-new",), facts={"ids": ids}, state="absent", retention={"keep_last": 1}
    )


def _pruned(bench: Bench, task: Task) -> tuple[str, list[str]]:
    begun = bench.begun(task)
    ran = again(bench, task)
    if not ran.ok:
        return WENT_ON, [ran.problem()]
    left = [point.id for point in bench.tiny.ledger.points(bench.tiny.target) if not point.pruned]
    wrong = [] if left == task.facts["ids"][1:] else [f"the points left are {left}"]
    ended = begun is not None and begun.state == FINISHED
    return (NOTHING if begun is None else THERE if ended else WENT_ON), wrong + _quiet(bench, task)


def _prune_undone(bench: Bench, task: Task) -> tuple[str, list[str]]:
    """The ledger forgets nothing: what was marked stays given up. Its data is then found as an orphan, and removed."""
    begun = bench.begun(task)
    if begun is None:
        return NOTHING, _quiet(bench, task)
    outcome, wrong = put_back(bench, task)
    points = {point.id: point for point in bench.tiny.ledger.points(bench.tiny.target)}
    if points[task.facts["ids"][1]].pruned:
        wrong.append("the newest point was given up")
    marked = {v["snapshot_handle"] for point in points.values() if point.pruned for v in point.volumes}
    left = bench.tiny.stored_snapshots(marked)
    ran = bench.doors.run("recovery_point", bench.tiny.options(state="absent", orphans="remove"))
    found = {row["kind"] for row in ran.result.get("orphans") or []}
    if not ran.ok or found != ({"pruned_not_freed"} if left else set()):
        wrong.append(
            f"{len(left)} snapshots of marked points are left, the orphans found are {found}: {ran.printed[:300]}"
        )
    return outcome + (", its data was found as an orphan" if left else ""), wrong + _quiet(bench, task)


SCENARIOS = (
    Scenario("capture, three claims", three_claims, 18, _capture, _captured, _capture_undone),
    Scenario("restore, one claim", one_claim, 36, prepare_restore, _restored, _restore_undone),
    Scenario("restore, three claims", three_claims, 72, prepare_restore, _restored, _restore_undone),
    Scenario("undo, one claim", one_claim, 34, _undo, _undo_resumed, _undo_again),
    Scenario("undo, three claims", three_claims, 60, _undo, _undo_resumed, _undo_again),
    Scenario("prune", one_claim, 12, prepare_prune, _pruned, _prune_undone),
)
