# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many Secrets that nobody uses in one operation: few writes of the journal, and the engine can be killed as ever."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import _each, _once
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, Denied, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED, UNDONE
from ansible_collections.knowngood.kube.plugins.module_utils._tls import crates, generation, many
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.secrets import read_secret, staged_name
from tests.unit.core.memory import Died, Fuse

from . import pki
from .world import CA, Desk, World, world

COUNT = many.LEAST + 1
NAMES = [f"spare-{number}" for number in range(COUNT)]
TARGETS = tuple(Target("shop", name) for name in NAMES)
ASKED: dict[str, Any] = {"incident": "", "force": True, "waves": ("100%",)}


def crowd() -> World:
    """A namespace with a server in it, and Secrets beside its own that nobody uses."""
    made = world()
    for name in NAMES:
        pair = pki.leaf(CA, (f"DNS:{name}.shop.svc",))
        made.objects["Secret", "shop", name] = pki.secret(
            name, pair.pem, pki.key_pem(pair.key), more={"ca.crt": CA.pem}
        )
    return made


def data_of(made: World) -> dict[str, Any]:
    return {name: copy.deepcopy(made.objects["Secret", "shop", name]["data"]) for name in NAMES}


def copies_of(made: World) -> list[str]:
    return sorted(
        name for kind, _ns, name in made.objects if kind == "Secret" and name not in (*NAMES, "web-tls", "ca")
    )


def only(kept: dict[str, Any]) -> Any:
    """What is kept, which must be one."""
    assert len(kept) == 1
    return next(iter(kept.values()))


def leaf_in(secret: dict[str, Any]) -> Certificate:
    return read_secret(secret).certificate


@pytest.fixture(scope="module")
def stock() -> World:
    return crowd()


@pytest.fixture
def desk(stock: World, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return fresh(stock, monkeypatch)


def fresh(stock: World, patch: pytest.MonkeyPatch) -> Desk:
    made = copy.deepcopy(stock)
    made.fuse = Fuse()
    return Desk(made, patch)


class TestOneOperation:
    def test_who_serves_one_of_them_without_a_pod_is_named(self, desk: Desk) -> None:
        tls = [{"secretName": NAMES[0], "hosts": ["web"]}]
        meta = {"name": "front", "namespace": "shop", "uid": "i"}
        desk.world.objects["Ingress", "shop", "front"] = {"kind": "Ingress", "metadata": meta, "spec": {"tls": tls}}
        found = desk.rotate(*TARGETS, **ASKED)
        assert len(found["operations"]) == 1
        assert found["unproven"][0] == f"shop/{NAMES[0]}: through Ingress/front"
        assert set(found["unproven"][1:]) == {
            f"shop/{name}: nobody uses the Secret; no Service leads to the pods" for name in NAMES[1:]
        }

    def test_all_get_a_new_pair_with_two_writes_each_and_a_few_more(self, desk: Desk) -> None:
        before = data_of(desk.world)
        found = desk.rotate(*TARGETS, **ASKED)
        after = data_of(desk.world)
        assert [row["state"] for row in found["targets"]] == ["changed"] * COUNT
        assert all(after[name]["tls.crt"] != before[name]["tls.crt"] for name in NAMES)
        assert all(after[name]["tls.key"] != before[name]["tls.key"] for name in NAMES)
        assert len(found["operations"]) == 1
        assert copies_of(desk.world) == sorted(row["archive"] for row in found["generations"])
        assert desk.world.fuse.writes <= 2 * COUNT + 14

    def test_what_is_reported_is_what_is_stored(self, desk: Desk) -> None:
        before = desk.rotate(*TARGETS, check_mode=True, **ASKED)
        found = desk.rotate(*TARGETS, **ASKED)
        assert before["plan_hash"] == found["plan_hash"]
        for row in found["generations"]:
            stored = desk.world.objects["Secret", "shop", row["secret"]]
            leaf = leaf_in(stored)
            assert leaf.fingerprint == row["new"]
            assert (leaf.spki, leaf.serial, leaf.key) == (row["spki"], row["serial"], row["key"])
        assert {row["ok"] for row in found["proof"]} == {None}
        assert len(found["unproven"]) == COUNT

    def test_check_mode_writes_nothing(self, desk: Desk) -> None:
        found = desk.rotate(*TARGETS, check_mode=True, **ASKED)
        assert (found["changed"], desk.world.fuse.writes) == (True, 0)
        assert [row["state"] for row in found["targets"]] == ["due"] * COUNT

    def test_what_is_not_due_costs_a_list_and_no_write(self, desk: Desk) -> None:
        found = desk.rotate(*TARGETS, incident="", waves=("100%",), expiring_within_s=60.0)
        assert (found["changed"], desk.world.fuse.writes) == (False, 0)
        assert {row["reason"] for row in found["targets"]} == {"not due"}

    def test_an_incident_is_answered_once(self, desk: Desk) -> None:
        assert desk.rotate(*TARGETS, incident="INC-7", waves=("100%",))["changed"] is True
        writes = desk.world.fuse.writes
        assert desk.rotate(*TARGETS, incident="INC-7", waves=("100%",))["changed"] is False
        assert desk.world.fuse.writes == writes

    def test_the_one_that_is_used_has_an_operation_of_its_own(self, desk: Desk) -> None:
        found = desk.rotate(Target("shop", "web-tls"), *TARGETS, **ASKED)
        assert len(found["operations"]) == 2
        assert {row["state"] for row in found["targets"]} == {"changed"}
        assert [row["target"] for row in found["proof"] if row["ok"]][0] == "shop/web-tls"

    def test_without_the_right_to_list_each_is_read(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(*_given: Any, **_more: Any) -> Any:
            raise Denied("not allowed")

        monkeypatch.setattr(World, "each", denied)
        assert desk.rotate(*TARGETS, **ASKED)["changed"] is True


@pytest.fixture(params=[crates._ROOM, 5000], ids=["one-crate", "several-crates"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much of what is staged goes into one Secret."""
    monkeypatch.setattr(crates, "_ROOM", request.param)
    return int(request.param)


@pytest.mark.usefixtures("room")
class TestKilled:
    """After every write: the same task again ends it, and undo brings everything back."""

    def writes(self, stock: World, patch: pytest.MonkeyPatch) -> int:
        desk = fresh(stock, patch)
        desk.rotate(*TARGETS, **ASKED)
        return desk.world.fuse.writes

    @pytest.mark.parametrize(("before", "stride"), [(True, 3), (False, 1)])
    def test_resumed(self, stock: World, monkeypatch: pytest.MonkeyPatch, before: bool, stride: int) -> None:
        # Not after the last write: what has ended is not gone on with.
        for left in range(0, self.writes(stock, monkeypatch) - 1, stride):
            desk = self.killed(stock, monkeypatch, left, before)
            found = desk.rotate(*TARGETS, holder="two", **ASKED)
            assert len(desk.journal.kept) == 1, left
            operation = only(desk.journal.kept)
            assert operation.state == FINISHED, left
            made = {row["secret"]: row for row in found["generations"]}
            assert sorted(made) == sorted(NAMES), left
            for name, row in made.items():
                assert leaf_in(desk.world.objects["Secret", "shop", name]).fingerprint == row["new"], left
                archived = desk.world.objects["Secret", "shop", row["archive"]]
                assert leaf_in(archived).fingerprint == row["old"], left
            assert copies_of(desk.world) == sorted(row["archive"] for row in made.values()), left

    def test_undone(self, stock: World, monkeypatch: pytest.MonkeyPatch) -> None:
        was = data_of(stock)
        for left in range(1, self.writes(stock, monkeypatch), 2):
            desk = self.killed(stock, monkeypatch, left, False)
            operation = only(desk.journal.kept)
            undone = desk.engine("two").undo(operation.id)
            assert undone.operation is not None
            assert undone.operation.state == UNDONE, left
            assert data_of(desk.world) == was, left
            assert copies_of(desk.world) == [], left

    def test_killed_on_the_way_back_as_well(self, stock: World, monkeypatch: pytest.MonkeyPatch) -> None:
        was, total = data_of(stock), self.writes(stock, monkeypatch)
        for left in range(0, total, 5):
            desk = fresh(stock, monkeypatch)
            desk.rotate(*TARGETS, **ASKED)
            operation = only(desk.journal.kept)
            desk.world.fuse.left = left
            try:
                desk.engine("two").undo(operation.id)
            except Died:
                desk.world.fuse.left = 10**9
                desk.engine("three").undo(operation.id)
            assert data_of(desk.world) == was, left
            assert copies_of(desk.world) == [], left

    def test_the_same_task_finishes_an_interrupted_way_back_first(self, desk: Desk) -> None:
        desk.rotate(*TARGETS, **ASKED)
        operation = only(desk.journal.kept)
        desk.world.fuse.left = 12
        with pytest.raises(Died):
            desk.engine("two").undo(operation.id)
        desk.world.fuse.left = 10**9
        assert desk.rotate(*TARGETS, holder="three", **ASKED)["changed"] is True
        assert sorted(op.state for op in desk.journal.kept.values()) == [FINISHED, UNDONE]

    @staticmethod
    def killed(stock: World, patch: pytest.MonkeyPatch, left: int, before: bool) -> Desk:
        desk = fresh(stock, patch)
        desk.world.fuse.left, desk.world.fuse.before = left, before
        with pytest.raises(Died):
            desk.rotate(*TARGETS, **ASKED)
        desk.world.fuse.left = 10**9
        return desk


class TestHeld:
    def test_a_third_certificate_in_one_of_them_holds_all_and_nothing_is_forced(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = pki.leaf(CA, (f"DNS:{NAMES[3]}.shop.svc",))
        foreign = pki.secret(NAMES[3], other.pem, pki.key_pem(other.key), more={"ca.crt": CA.pem})["data"]
        check = generation.Check.apply

        def changed(self: Any, step: Any, context: Any) -> Any:
            secret = desk.world.objects["Secret", "shop", NAMES[3]]
            secret["data"], secret["metadata"]["resourceVersion"] = foreign, "9999"
            return check(self, step, context)

        monkeypatch.setattr(generation.Check, "apply", changed)
        with pytest.raises(Conflict, match="somebody else changed"):
            desk.rotate(*TARGETS, **ASKED)
        assert desk.world.objects["Secret", "shop", NAMES[3]]["data"] == foreign
        operation = only(desk.journal.kept)
        assert operation.unfinished

    def test_one_that_is_not_fit_takes_all_of_them_back(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        was = data_of(desk.world)
        monkeypatch.setattr(generation, "judged", lambda *_given: ("it is not fit",))
        with pytest.raises(NotProven, match="not fit"):
            desk.rotate(*TARGETS, **ASKED)
        assert (data_of(desk.world), copies_of(desk.world)) == (was, [])

    def test_asking_for_some_of_an_unfinished_batch_is_refused(self, stock: World, monkeypatch: Any) -> None:
        desk = TestKilled.killed(stock, monkeypatch, 20, False)
        with pytest.raises(Conflict, match="unfinished"):
            desk.rotate(*TARGETS[:3], **ASKED)

    def test_a_target_with_an_operation_of_its_own_goes_on_with_that(self, stock: World, monkeypatch: Any) -> None:
        desk = fresh(stock, monkeypatch)
        desk.world.fuse.left = 6
        with pytest.raises(Died):
            desk.rotate(TARGETS[0], **ASKED)
        desk.world.fuse.left = 10**9
        found = desk.rotate(*TARGETS, **ASKED)
        assert {row["state"] for row in found["targets"]} == {"changed"}
        assert all(not operation.unfinished for operation in desk.journal.kept.values())


class TestCrates:
    """What is staged for many lies in few Secrets, which are read as if each were there by itself."""

    def test_they_are_as_large_as_may_be_and_gone_at_the_end(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(crates, "_ROOM", 5000)
        seen: list[dict[str, Any]] = []
        check = generation.Check.apply

        def look(self: Any, step: Any, context: Any) -> Any:
            seen[:] = [one for key, one in desk.world.objects.items() if key[2].startswith("knowngood-staged-")]
            return check(self, step, context)

        monkeypatch.setattr(generation.Check, "apply", look)
        found = desk.rotate(*TARGETS, **ASKED)

        assert 1 < len(seen) < COUNT
        assert sorted(name for crate in seen for name in crate["data"]) == sorted(
            staged_name(name, found["operation"]) for name in NAMES
        )
        assert all(crate["immutable"] and len(canonical(crate["data"])) < 8000 for crate in seen)
        assert not [name for name in copies_of(desk.world) if name.startswith("knowngood-staged-")]

    def test_a_secret_of_somebody_else_with_the_name_of_one_is_left_alone(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(crates, "crate_name", lambda _operation, number: f"taken-{number}")
        theirs = pki.secret("taken-0", CA.pem, None)
        desk.world.objects["Secret", "shop", "taken-0"] = theirs
        was = data_of(desk.world)
        with pytest.raises(Conflict, match="not ours"):
            desk.rotate(*TARGETS, **ASKED)
        assert desk.world.objects["Secret", "shop", "taken-0"] == theirs
        assert data_of(desk.world) == was

    def test_a_crate_whose_answer_was_lost_is_taken_as_it_is(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        create, lost = World.create, list[str]()

        def twice(self: World, obj: dict[str, Any]) -> dict[str, Any]:
            made = create(self, obj)
            if obj["metadata"]["name"].startswith("knowngood-staged-"):
                lost.append(obj["metadata"]["name"])
                raise Conflict("it is there already")
            return made

        monkeypatch.setattr(World, "create", twice)
        assert desk.rotate(*TARGETS, **ASKED)["changed"] is True
        assert len(lost) == 1


values = st.one_of(st.integers(), st.text(max_size=4), st.booleans(), st.none(), st.lists(st.integers(), max_size=2))


class TestRows:
    @given(st.lists(st.fixed_dictionaries({"a": values, "b": values, "c": st.just("same")}), min_size=1, max_size=6))
    def test_packed_and_unpacked_is_the_same(self, rows: list[dict[str, Any]]) -> None:
        assert many.unpacked(many.packed(rows)) == rows
        assert many.packed(rows)["shared"]["c"] == "same"

    @given(st.lists(st.sampled_from([{"x": 1}, {"x": 2}, {"x": [1, {"y": ""}]}, {}]), max_size=8))
    def test_a_journal_says_equal_parameters_once(self, params: list[dict[str, Any]]) -> None:
        plan = {"kind": "k", "steps": [{"name": f"s{at}", "params": one} for at, one in enumerate(params)]}
        short = _once(plan)
        assert _each(short) == plan
        told = [canonical(step["params"]) for step in short["steps"] if "$as" not in step["params"]]
        assert len(told) == len(set(told))
