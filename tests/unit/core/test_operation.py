# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine: nothing is lost, whatever line it dies after."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    Interrupted,
    NotFound,
    NotProven,
    TakenOver,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import (
    Context,
    Engine,
    UndoneLast,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Json, Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import (
    ABANDONED,
    FINISHED,
    OPEN,
    UNDOING,
    UNDONE,
    Operation,
)

from .memory import Died, House, Switch, switch_plan

BEFORE = {"pods": "up", "volume": "old", "image": "b3"}
SWAP = switch_plan(
    ("pods", "up", "down"),
    ("volume", "old", "new"),
    ("image", "b3", "c4"),
    ("pods", "down", "up"),
    until={"pods down": "pods up"},
)
AFTER = {"pods": "up", "volume": "new", "image": "c4"}


def fresh() -> House:
    return House(dict(BEFORE))


def total_writes() -> int:
    house = fresh()
    house.engine().run(SWAP)
    return house.fuse.writes


def test_a_plan_is_applied_in_order_and_its_results_are_journalled() -> None:
    house = fresh()
    outcome = house.engine().run(SWAP, facts={"undo_until": "tomorrow"})
    assert outcome.changed
    assert house.world == AFTER
    assert house.switch.history == ["pods=down", "volume=new", "image=c4", "pods=up"]
    kept = house.journal.get(outcome.operation_id)
    assert kept is not None
    assert kept.state == FINISHED
    assert kept.facts == {"undo_until": "tomorrow"}
    assert outcome.result("image c4") == {"set": "c4"}


def test_a_run_may_end_well_before_a_step_that_another_one_goes_on_with() -> None:
    house = fresh()
    half = house.engine().run(SWAP, before="image c4")
    assert half.changed
    assert half.operation is not None
    assert (half.operation.state, half.operation.position) == (OPEN, "image c4")
    assert house.world == {"pods": "down", "volume": "new", "image": "b3"}
    assert not house.engine().run(SWAP, before="image c4").changed
    whole = house.engine("two").run(SWAP, before="volume new")  # begun already: it is in nobody's way
    assert whole.operation_id == half.operation_id
    assert house.world == AFTER


def test_a_plan_with_nothing_left_takes_no_lease_and_writes_nothing() -> None:
    house = fresh()
    plan = replace(SWAP, steps=tuple(replace(step, done=True) for step in SWAP.steps))
    assert not house.engine().run(plan).changed
    assert house.fuse.writes == 0
    assert house.leases.taken == 0


@pytest.mark.parametrize("before", [False, True], ids=["after the write", "before the write"])
@pytest.mark.parametrize("write", range(total_writes()))
def test_killed_at_any_write_the_same_task_again_finishes(write: int, before: bool) -> None:
    house = fresh()
    house.fuse.left, house.fuse.before = write, before
    with pytest.raises(Died):
        house.engine("first").run(SWAP)
    house.fuse.left = 10**9
    second = house.engine("second")
    if second.ended(SWAP.kind, SWAP.target, SWAP.key) is None:  # what every door asks first
        second.run(SWAP)
    assert house.world == AFTER
    assert [op.state for op in house.journal.list()] == [FINISHED]
    assert house.switch.history.count("volume=new") == 1


@pytest.mark.parametrize("write", range(total_writes()))
def test_killed_at_any_write_undo_puts_everything_back(write: int) -> None:
    house = fresh()
    house.fuse.left = write
    with pytest.raises(Died):
        house.engine("first").run(SWAP)
    house.fuse.left = 10**9
    for operation in house.journal.list():
        house.engine("second").undo(operation.id)
        assert house.journal.kept[operation.id].state == UNDONE
    assert house.world == BEFORE


@given(st.integers(0, total_writes()), st.lists(st.integers(0, 12), max_size=4))
@settings(max_examples=150)
def test_an_undo_that_is_killed_again_and_again_still_ends(first: int, deaths: list[int]) -> None:
    house = fresh()
    house.fuse.left = first
    with contextlib.suppress(Died):
        house.engine("0").run(SWAP)
    for number, left in enumerate(deaths, 1):
        house.fuse.left = left
        try:
            for operation in house.journal.list():
                house.engine(str(number)).undo(operation.id)
        except Died:
            continue
    house.fuse.left = 10**9
    for operation in house.journal.list():
        house.engine("last").undo(operation.id)
    assert house.world == BEFORE


def test_a_step_that_was_done_before_us_is_not_ours_to_undo() -> None:
    house = House({"pods": "down", "volume": "old", "image": "b3"})
    plan = switch_plan(("pods", "up", "down"), ("volume", "old", "new"))
    outcome = house.engine().run(plan)
    house.engine().undo(outcome.operation_id)
    assert house.world["pods"] == "down"
    assert house.world["volume"] == "old"


def test_when_a_run_is_taken_up_an_earlier_step_is_looked_at_again() -> None:
    """Somebody scaled the pods up while nobody was looking: they are stopped again before the volume is touched."""
    house = fresh()
    house.switch.broken = {"volume new"}
    with pytest.raises(NotProven):
        house.engine().run(SWAP)
    house.world["pods"] = "up"
    house.switch.broken = set()
    house.switch.history.clear()
    house.engine().run(SWAP)
    assert house.switch.history == ["pods=down", "volume=new", "image=c4", "pods=up"]


def test_a_step_is_told_whether_an_earlier_run_began_it(monkeypatch: pytest.MonkeyPatch) -> None:
    house, told = fresh(), []
    house.switch.broken.add("volume new")
    apply = house.switch.apply

    def noting(step: Step, context: Context) -> dict[str, Json]:
        told.append((step.name, context.again))
        return apply(step, context)

    monkeypatch.setattr(house.switch, "apply", noting)
    with pytest.raises(NotProven):
        house.engine().run(SWAP)
    house.switch.broken.clear()
    house.engine().run(SWAP)

    assert told == [
        ("pods down", False),
        ("volume new", False),
        ("volume new", True),
        ("image c4", False),
        ("pods up", False),
    ]


def test_a_step_whose_end_has_begun_is_not_asked_for_again() -> None:
    """Died while starting: taking it up must not stop the pods once more."""
    house = fresh()
    house.switch.broken = {"pods up"}
    with pytest.raises(NotProven):
        house.engine().run(SWAP)
    house.world["pods"] = "half"
    house.switch.broken = set()
    house.switch.history.clear()
    house.engine().run(SWAP)
    assert house.switch.history == ["pods=up"]


def test_a_failure_says_what_was_changed_and_how_to_go_on() -> None:
    house = fresh()
    house.switch.broken = {"image c4"}
    with pytest.raises(NotProven) as caught:
        house.engine().run(SWAP)
    error = caught.value
    operation = house.journal.list()[0]
    assert error.changed
    assert error.details == {"operation": operation.id, "step": "image c4"}
    assert f"id={operation.id}" in error.next
    assert operation.position == "image c4"


def test_asked_to_stop_it_stops_between_two_steps() -> None:
    house = fresh()
    house.stop = True
    with pytest.raises(Interrupted, match="stopped before step 'pods down'"):
        house.engine().run(SWAP)
    assert house.world == BEFORE
    house.stop = False
    house.engine().run(SWAP)
    assert house.world == AFTER


def test_an_unfinished_operation_blocks_another_one_on_the_same_target() -> None:
    house = fresh()
    house.switch.broken = {"image c4"}
    with pytest.raises(NotProven):
        house.engine().run(SWAP)
    other = switch_plan(("volume", "new", "newest"), key="other")
    with pytest.raises(Conflict, match="is unfinished"):
        house.engine().run(other)
    assert house.world["volume"] == "new"
    assert house.engine().unfinished("test", "ns/app", "other", planning=True) is None


def test_a_writer_that_slept_through_its_lease_is_stopped_by_the_journal() -> None:
    house = fresh()
    house.switch.broken = {"image c4"}
    with pytest.raises(NotProven):
        house.engine("first").run(SWAP)
    asleep = house.journal.list()[0]
    house.switch.broken = set()
    house.engine("second").run(SWAP)
    with pytest.raises(Conflict, match="taken over"):
        house.journal.save(asleep)


def test_a_lost_lease_ends_the_run_before_the_next_step() -> None:
    house = fresh()
    house.leases.lost = True
    with pytest.raises(Conflict, match="lease was lost"):
        house.engine().run(SWAP)
    assert house.world == BEFORE


def test_a_second_writer_is_refused_while_the_first_holds_the_lease() -> None:
    house = fresh()
    engine = house.engine()
    house.leases.held_by = "somebody"
    with pytest.raises(Conflict, match="being worked on"):
        engine.run(SWAP)
    assert house.fuse.writes == 0


def test_resume_goes_on_in_the_direction_it_was_going() -> None:
    house = fresh()
    house.engine().run(SWAP)
    operation = house.journal.list()[0]
    house.fuse.left = 3
    with pytest.raises(Died):
        house.engine().undo(operation.id)
    house.fuse.left = 10**9
    house.engine("third").resume(operation.id)
    assert house.world == BEFORE


def test_resume_of_a_finished_operation_changes_nothing() -> None:
    house = fresh()
    operation_id = house.engine().run(SWAP).operation_id
    writes = house.fuse.writes
    assert not house.engine().resume(operation_id).changed
    assert house.fuse.writes == writes


def test_undoing_twice_changes_nothing_the_second_time() -> None:
    house = fresh()
    operation_id = house.engine().run(SWAP).operation_id
    assert house.engine().undo(operation_id).changed
    assert not house.engine().undo(operation_id).changed


def test_the_same_plan_after_an_undo_is_a_new_operation() -> None:
    house = fresh()
    first = house.engine().run(SWAP).operation_id
    house.engine().undo(first)
    second = house.engine().run(SWAP).operation_id
    assert second != first
    assert house.world == AFTER


def test_ended_finds_the_finished_operation_by_its_key() -> None:
    house = fresh()
    engine = house.engine()
    assert engine.ended("test", "ns/app", "k") is None
    operation_id = engine.run(SWAP).operation_id
    found = engine.ended("test", "ns/app", "k")
    assert found is not None
    assert found.id == operation_id
    engine.undo(operation_id)
    assert engine.ended("test", "ns/app", "k") is None


def test_an_unknown_operation_is_named_and_the_list_offered() -> None:
    with pytest.raises(NotFound, match="state=listed"):
        fresh().engine().undo("nothing")


def test_a_plan_with_an_unknown_action_is_refused_before_anything_is_written() -> None:
    house = fresh()
    with pytest.raises(BadInput, match="does not know"):
        house.engine().run(Plan("test", "ns/app", "k", (Step("x", "magic"),)))
    assert house.fuse.writes == 0


def test_an_open_operation_knows_where_it_stands() -> None:
    house = fresh()
    house.switch.broken = {"volume new"}
    with pytest.raises(NotProven):
        house.engine().run(SWAP)
    operation = house.engine().unfinished("test", "ns/app", "k")
    assert operation is not None
    assert (operation.state, operation.position) == (OPEN, "volume new")


def test_an_id_fits_into_a_label_whatever_the_application_is_called() -> None:
    house = fresh()
    operation_id = house.engine().run(replace(SWAP, kind="quarantine", target="ns/" + "a-" * 31)).operation_id
    assert len(operation_id) <= 63
    assert operation_id.startswith("quarantine-a-a")


def test_with_older_journals_cleared_away_a_new_operation_still_gets_an_id_of_its_own() -> None:
    house = fresh()
    ids = []
    for _number in range(3):
        ids.append(house.engine().run(SWAP).operation_id)
        house.engine().undo(ids[-1])
    for cleared in ids[:-1]:
        del house.journal.kept[cleared]
    assert house.engine().run(SWAP).operation_id not in ids


def test_where_clocks_differ_the_ids_differ_all_the_same() -> None:
    house = fresh()
    ahead = house.engine().run(switch_plan(("volume", "old", "old2"), key="ahead")).operation_id
    house.journal.kept[ahead] = replace(house.journal.kept[ahead], started="2099-01-01T00:00:00Z")
    ids = []
    for _number in range(3):
        ids.append(house.engine().run(SWAP).operation_id)
        house.engine().undo(ids[-1])
    assert len(set(ids)) == 3


def test_what_was_there_before_us_and_went_away_is_ours_once_we_have_brought_it_back() -> None:
    house = House({"pods": "down", "volume": "old", "image": "b3"})
    house.switch.broken = {"volume new"}
    plan = switch_plan(("pods", "up", "down"), ("volume", "old", "new"))
    with pytest.raises(NotProven):
        house.engine().run(plan)
    house.world["pods"] = "up"  # somebody starts what had been at rest
    with pytest.raises(NotProven):
        house.engine().run(plan)
    assert house.world["pods"] == "down"
    house.engine().undo(house.journal.list()[0].id)
    assert house.world["pods"] == "up"


@pytest.mark.parametrize("way", ["undo", "resume"])
def test_an_operation_that_began_while_we_waited_for_the_lease_is_not_run_over(way: str) -> None:
    house = fresh()
    mine = house.engine().run(SWAP).operation_id
    house.fuse.left = 3
    with pytest.raises(Died):
        house.engine().undo(mine)  # unfinished, so that resume has something to do
    house.fuse.left = 10**9
    other = replace(house.journal.kept[mine], id="other", state=OPEN)
    house.journal.kept["other"] = other
    with pytest.raises(Conflict, match="other .* is unfinished"):
        getattr(house.engine(), way)(mine)


def stuck() -> tuple[House, str]:
    """An operation that fails forwards at its third step, and backwards at its second."""
    house = fresh()
    house.switch.broken = {"image c4"}
    with pytest.raises(NotProven):
        house.engine().run(SWAP)
    return house, house.journal.list()[0].id


class TestThePlanIsOlderThanTheLease:
    OTHER = switch_plan(("volume", "old", "newest"), key="other")

    def test_what_was_changed_since_it_was_made_is_named_and_nothing_is_changed(self) -> None:
        house = fresh()
        seen = house.engine("loser").mark(SWAP.target)
        winner = house.engine("winner").run(self.OTHER).operation_id
        writes, world = house.fuse.writes, dict(house.world)
        with pytest.raises(Conflict, match=f"was changed by {winner} since this plan was made") as caught:
            house.engine("loser").run(SWAP, seen=seen)
        assert (caught.value.next, caught.value.changed) == ("run the same task again", False)
        assert (house.fuse.writes, house.world) == (writes, world)

    def test_an_undo_in_between_counts(self) -> None:
        house = fresh()
        other = house.engine().run(self.OTHER).operation_id
        seen = house.engine().mark(SWAP.target)
        house.engine().undo(other)
        with pytest.raises(Conflict, match=f"was changed by {other}"):
            house.engine().run(SWAP, seen=seen)

    def test_the_same_task_that_was_faster_counts(self) -> None:
        house = fresh()
        seen = house.engine().mark(SWAP.target)
        house.engine("winner").run(SWAP)
        with pytest.raises(Conflict, match="since this plan was made"):
            house.engine("loser").run(SWAP, seen=seen)

    def test_what_was_there_before_and_other_targets_do_not_count(self) -> None:
        house = fresh()
        house.engine().run(self.OTHER)
        seen = house.engine().mark(SWAP.target)
        house.engine().run(replace(self.OTHER, target="ns/another"))
        plan = switch_plan(("volume", "newest", "new"))
        assert house.engine().run(plan, seen=seen).changed

    def test_journals_cleared_in_between_do_not_count(self) -> None:
        house = fresh()
        cleared = house.engine().run(self.OTHER).operation_id
        seen = house.engine().mark(SWAP.target)
        del house.journal.kept[cleared]
        assert house.engine().run(switch_plan(("volume", "newest", "new")), seen=seen).changed

    def test_the_same_task_that_died_meanwhile_is_gone_on_with(self) -> None:
        house = fresh()
        seen = house.engine().mark(SWAP.target)
        house.fuse.left = 3
        with pytest.raises(Died):
            house.engine("first").run(SWAP)
        house.fuse.left = 10**9
        assert house.engine("second").run(SWAP, seen=seen).changed
        assert house.world == AFTER

    def test_one_look_answers_what_is_there(self) -> None:
        house, operation_id = stuck()
        seen = house.engine().mark(SWAP.target)
        found = seen.unfinished("test", "k")
        assert (found and found.id, seen.ended("test", "k")) == (operation_id, None)
        with pytest.raises(Conflict, match="is unfinished"):
            seen.unfinished("test", "other")
        assert seen.unfinished("test", "other", planning=True) is None


def asked_again(house: House, holder: str = "again") -> Operation | None:
    """The same task once more, as the doors do it that are done once for all; the operation it ended."""
    engine = house.engine(holder)
    seen = engine.settled(SWAP.kind, SWAP.target, SWAP.key)
    ended = seen.ended(SWAP.kind, SWAP.key)
    if ended is not None:
        return ended
    there = seen.unfinished(SWAP.kind, SWAP.key)
    return engine.run(there.plan if there else SWAP, seen=seen).operation


def half_undone(writes: int) -> tuple[House, str]:
    """The task failed, took itself back, and died after so many writes of that."""
    house, operation_id = stuck()
    house.fuse.left = writes
    with contextlib.suppress(Died):
        house.engine("first").undo(operation_id)
    house.fuse.left, house.switch.broken = 10**9, set()
    return house, operation_id


class TestTheSameTaskAfterAnInterruptedUndo:
    @pytest.mark.parametrize("writes", range(12))
    def test_ends_the_undo_and_begins_anew(self, writes: int) -> None:
        house, operation_id = half_undone(writes)
        assert house.journal.kept[operation_id].state in (UNDOING, UNDONE)
        house.switch.history.clear()
        ended = asked_again(house)
        assert house.world == AFTER
        assert ended is not None
        assert (ended.id != operation_id, ended.state) == (True, FINISHED)
        assert house.journal.kept[operation_id].state == UNDONE
        # Everything is back before anything is begun: the new run does all that the task does.
        assert house.switch.history[-4:] == ["pods=down", "volume=new", "image=c4", "pods=up"]

    @given(st.integers(0, 11), st.lists(st.integers(0, 14), max_size=5))
    @settings(max_examples=150)
    def test_comes_to_its_end_however_often_it_dies(self, first: int, deaths: list[int]) -> None:
        house, _operation_id = half_undone(first)
        for number, left in enumerate(deaths):
            house.fuse.left = left
            with contextlib.suppress(Died):
                asked_again(house, str(number))
        house.fuse.left = 10**9
        asked_again(house)
        assert house.world == AFTER
        states = [op.state for op in house.journal.list()]
        assert states.count(FINISHED) == 1
        assert set(states) <= {FINISHED, UNDONE}

    def test_says_what_is_wrong_where_the_undo_fails_again_and_begins_nothing(self) -> None:
        house, operation_id = half_undone(3)
        house.switch.stuck = {"volume new"}
        with pytest.raises(NotProven, match="volume new") as caught:
            asked_again(house)
        assert caught.value.details["operation"] == operation_id
        assert "run the same task again" in caught.value.next
        assert [op.id for op in house.journal.list()] == [operation_id]

    def test_in_a_check_run_nothing_is_touched(self) -> None:
        house, _operation_id = half_undone(3)
        writes, taken = house.fuse.writes, house.leases.taken
        seen = house.engine().settled(SWAP.kind, SWAP.target, SWAP.key, planning=True)
        assert seen.unfinished(SWAP.kind, SWAP.key, planning=True) is None
        assert (house.fuse.writes, house.leases.taken) == (writes, taken)

    def test_another_task_leaves_it_alone_and_is_told(self) -> None:
        house, operation_id = half_undone(3)
        world = dict(house.world)
        with pytest.raises(Conflict, match=f"{operation_id}.*is unfinished"):
            house.engine().unfinished(SWAP.kind, SWAP.target, "other")
        assert house.world == world


class TestAbandoned:
    def test_the_application_is_free_again_and_what_is_left_is_told(self) -> None:
        house, operation_id = stuck()
        world = dict(house.world)
        outcome = house.engine("two").abandon(operation_id, "the volume is gone", by="alice")
        assert outcome.changed
        assert house.world == world
        kept = house.journal.kept[operation_id]
        assert (kept.state, kept.unfinished, bool(kept.ended)) == (ABANDONED, False, True)
        told = kept.facts["abandoned"]
        assert (told["by"], told["reason"], told["was"]) == ("alice", "the volume is gone", OPEN)
        assert [(step.name, step.touches, kept.entry(step.name).state) for step in kept.left] == [
            ("pods down", ("Key pods",), "done"),
            ("volume new", ("Key volume",), "done"),
            ("image c4", ("Key image",), "started"),
        ]
        other = switch_plan(("pods", "down", "up"), key="other")
        assert house.engine().run(other).changed

    def test_the_second_time_nothing_is_changed(self) -> None:
        house, operation_id = stuck()
        house.engine().abandon(operation_id, "gone")
        writes = house.fuse.writes
        again = house.engine().abandon(operation_id, "another reason")
        assert (again.changed, house.fuse.writes) == (False, writes)
        assert again.operation is not None
        assert again.operation.facts["abandoned"]["reason"] == "gone"

    def test_what_was_undone_or_there_before_is_not_left(self) -> None:
        house = House({"pods": "down", "volume": "old", "image": "b3"})
        plan = switch_plan(("pods", "up", "down"), ("volume", "old", "new"), ("image", "b3", "c4"))
        operation_id = house.engine().run(plan).operation_id
        house.fuse.left = 4  # into the second undo
        with pytest.raises(Died):
            house.engine().undo(operation_id)
        house.fuse.left = 10**9
        outcome = house.engine().abandon(operation_id, "gone")
        assert outcome.operation is not None
        assert [step.name for step in outcome.operation.left] == ["volume new"]

    def test_only_what_is_unfinished(self) -> None:
        house = fresh()
        finished = house.engine().run(SWAP).operation_id
        with pytest.raises(BadInput, match="nothing to abandon"):
            house.engine().abandon(finished, "why not")
        house.engine().undo(finished)
        with pytest.raises(BadInput, match="nothing to abandon"):
            house.engine().abandon(finished, "why not")

    def test_not_without_a_reason(self) -> None:
        house, operation_id = stuck()
        with pytest.raises(BadInput, match="reason"):
            house.engine().abandon(operation_id, "  ")

    def test_it_is_neither_ended_nor_gone_on_with(self) -> None:
        house, operation_id = stuck()
        house.engine().abandon(operation_id, "gone")
        engine = house.engine()
        assert engine.ended("test", "ns/app", "k") is None
        assert engine.unfinished("test", "ns/app", "k") is None
        for way in (engine.resume, engine.undo):
            with pytest.raises(Conflict, match="was abandoned"):
                way(operation_id)

    def test_the_same_task_again_is_a_new_operation(self) -> None:
        house, operation_id = stuck()
        house.engine().abandon(operation_id, "gone")
        house.switch.broken = set()
        assert house.engine().run(SWAP).operation_id != operation_id
        assert house.world == AFTER

    def test_a_run_that_is_still_at_it_is_not_taken_the_work_away(self) -> None:
        house, operation_id = stuck()
        engine = house.engine()
        house.leases.held_by = "somebody"
        with pytest.raises(Conflict, match="being worked on"):
            engine.abandon(operation_id, "gone")
        assert house.journal.kept[operation_id].state == OPEN

    def test_another_unfinished_one_is_not_in_its_way(self) -> None:
        """Of two that stand in each other's way one has to be given up first."""
        house, operation_id = stuck()
        house.journal.kept["other"] = replace(house.journal.kept[operation_id], id="other")
        assert house.engine().abandon(operation_id, "gone").changed

    def test_it_is_named_where_it_is_the_way_out(self) -> None:
        house, _operation_id = stuck()
        with pytest.raises(Conflict, match="state=abandoned"):
            house.engine().run(switch_plan(("volume", "new", "newest"), key="other"))


class TestAnUndoThatCannotSucceed:
    def test_is_refused_before_it_changes_anything(self) -> None:
        house = fresh()
        operation_id = house.engine().run(SWAP).operation_id
        house.switch.lost = {"volume new": "the old volume is gone", "image c4": "no such image"}
        writes, world = house.fuse.writes, dict(house.world)
        with pytest.raises(Conflict, match="cannot be put back") as caught:
            house.engine().undo(operation_id)
        assert "volume new: the old volume is gone" in caught.value.why
        assert "image c4: no such image" in caught.value.why
        assert not caught.value.changed
        assert (house.fuse.writes, house.world) == (writes, world)
        assert house.journal.kept[operation_id].state == FINISHED

    def test_is_seen_without_trying(self) -> None:
        house = fresh()
        operation_id = house.engine().run(SWAP).operation_id
        house.switch.lost = {"volume new": "the old volume is gone"}
        with pytest.raises(Conflict, match="cannot be put back"):
            house.engine().check_undo(house.journal.kept[operation_id])
        assert house.leases.taken == 1

    def test_an_unfinished_one_may_go_on_or_be_abandoned(self) -> None:
        house, operation_id = stuck()
        house.switch.lost = {"volume new": "the old volume is gone"}
        with pytest.raises(Conflict, match="state=resumed.*state=abandoned"):
            house.engine().undo(operation_id)
        assert house.journal.kept[operation_id].state == OPEN

    def test_steps_that_are_not_ours_to_undo_are_not_asked(self) -> None:
        house = House({"pods": "down", "volume": "old", "image": "b3"})
        plan = switch_plan(("pods", "up", "down"), ("volume", "old", "new"))
        operation_id = house.engine().run(plan).operation_id
        house.switch.lost = {"pods down": "not to be asked"}
        assert house.engine().undo(operation_id).changed


class Told(UndoneLast, Switch):
    """States what the others did."""


class TestWhatStatesThatOthersWereUndone:
    def recorded(self) -> tuple[House, Engine, str]:
        house = fresh()
        told = Told(house.world, house.fuse, house.switch.history)
        engine = replace(house.engine(), actions={"switch": house.switch, "tell": told})
        record = Step("record", "tell", (), {"key": "told", "from": "undone", "to": "done"})
        operation_id = engine.run(replace(SWAP, steps=(*SWAP.steps, record))).operation_id
        house.switch.history.clear()
        return house, engine, operation_id

    def test_comes_after_them(self) -> None:
        house, engine, operation_id = self.recorded()
        engine.undo(operation_id)
        assert house.switch.history == ["pods=down", "image=b3", "volume=old", "pods=up", "told=undone"]

    @pytest.mark.parametrize("writes", range(1, 14))
    def test_and_only_after_them_when_the_undo_is_killed_and_gone_on_with(self, writes: int) -> None:
        house, engine, operation_id = self.recorded()
        house.fuse.left = writes
        with contextlib.suppress(Died):
            engine.undo(operation_id)
        assert house.world["told"] == "done" or {**house.world, "told": ""} == {**BEFORE, "told": ""}
        house.fuse.left, house.leases.held_by = 10**9, ""
        engine.resume(operation_id)
        assert house.world == {**BEFORE, "told": "undone"}
        assert house.switch.history.count("told=undone") == 1

    def test_while_they_are_undone_it_stands_at_them(self) -> None:
        house, engine, operation_id = self.recorded()
        house.fuse.left = 2
        with pytest.raises(Died):
            engine.undo(operation_id)
        assert house.journal.kept[operation_id].position == "pods up"


class TestTheUndoOfARunThatFailed:
    """It slept in a step, failed when it woke, and puts back what it did: if it is still the one to do so."""

    def test_is_made_while_the_operation_is_its_own(self) -> None:
        house, operation_id = stuck()
        assert house.engine().undo(operation_id, own=True).changed
        assert house.world == BEFORE

    @pytest.mark.parametrize("state", [OPEN, FINISHED, UNDONE, ABANDONED])
    def test_is_not_made_where_another_run_went_on(self, state: str) -> None:
        house, operation_id = stuck()
        kept = house.journal.kept[operation_id]
        house.journal.kept[operation_id] = replace(kept, state=state, holder="second")
        writes, world = house.fuse.writes, dict(house.world)
        with pytest.raises(TakenOver, match=f"taken over.*it is {state}, last gone on with by second"):
            house.engine().undo(operation_id, own=True)
        assert (house.fuse.writes, house.world) == (writes, world)

    def test_is_not_made_where_the_other_run_has_ended_it(self) -> None:
        house, operation_id = stuck()
        house.switch.broken = set()
        house.engine("second").resume(operation_id)
        with pytest.raises(TakenOver):
            house.engine().undo(operation_id, own=True)
        assert house.world == AFTER
        assert house.engine().undo(operation_id).changed
