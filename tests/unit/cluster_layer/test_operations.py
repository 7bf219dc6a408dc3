# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The door ``operation`` without a cluster: what it chooses, what it predicts, and what it says of it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.operations import Asked, operate
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, Denied, NotProven

from ..core.memory import House, switch_plan

PLAN = switch_plan(("pods", "up", "down"), ("volume", "old", "new"))


class Nobody:
    """A cluster without leases."""

    def __init__(self, user: str = "alice") -> None:
        self.user = user

    def find(self, kind: str, name: str, namespace: str) -> None:
        return None

    def whoami(self) -> str:
        if not self.user:
            raise Denied("not allowed")
        return self.user


@pytest.fixture
def house() -> House:
    return House({"pods": "up", "volume": "old"})


def stand_still(house: House) -> str:
    """An operation that stands at its second step."""
    house.switch.broken = {"volume new"}
    with pytest.raises(NotProven):
        house.engine().run(PLAN)
    house.switch.broken = set()
    return house.journal.list()[0].id


def door(house: House, state: str, name: str = "", *, check: bool = False, user: str = "alice", **more: Any) -> Any:
    cluster = cast(Cluster, Nobody(user))
    asked = Asked(state, id=name, **more)
    return operate(cluster, house.engine(), asked, state_namespace="kg", clock=house.clock, check_mode=check)


@pytest.mark.parametrize(
    ("state", "after"), [("resumed", "finished"), ("undone", "undone"), ("abandoned", "abandoned")]
)
def test_check_mode_predicts_what_the_run_does_and_writes_nothing(house: House, state: str, after: str) -> None:
    name = stand_still(house)
    writes = house.fuse.writes
    shown = door(house, state, name, check=True, reason="gone")
    assert (shown["changed"], shown["operations"][0]["state"], house.fuse.writes) == (True, "open", writes)
    done = door(house, state, name, reason="gone")
    assert (done["changed"], done["operations"][0]["state"]) == (True, after)
    assert done["diff"] == shown["diff"] == {"before": {name: "open"}, "after": {name: after}}


@pytest.mark.parametrize("state", ["undone", "abandoned"])
def test_the_second_time_nothing_is_changed(house: House, state: str) -> None:
    name = stand_still(house)
    first = door(house, state, name, reason="gone")
    for check in (True, False):
        again = door(house, state, name, reason="another", check=check)
        assert (again["changed"], again["operations"][0]["abandoned"]) == (False, first["operations"][0]["abandoned"])


def test_who_gave_it_up_and_what_it_left(house: House) -> None:
    (row,) = door(house, "abandoned", stand_still(house), reason="gone")["operations"]
    assert row["abandoned"] == {"by": "alice", "reason": "gone", "was": "open"}
    assert [(step["name"], step["state"]) for step in row["left"]] == [("pods down", "done"), ("volume new", "started")]
    assert "by hand" in row["next"]
    assert door(house, "listed")["operations"] == [row]


def test_a_cluster_that_does_not_say_who_we_are(house: House) -> None:
    (row,) = door(house, "abandoned", stand_still(house), reason="gone", user="")["operations"]
    assert row["abandoned"]["by"] == "one", "the run that did it"


@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_undone_is_refused_in_check_mode_too(house: House, check: bool) -> None:
    name = house.engine().run(PLAN).operation_id
    house.switch.lost = {"volume new": "the old volume is gone"}
    with pytest.raises(Conflict, match="the old volume is gone"):
        door(house, "undone", name, check=check)


@pytest.mark.parametrize("check", [True, False])
def test_what_has_ended_is_not_abandoned(house: House, check: bool) -> None:
    name = house.engine().run(PLAN).operation_id
    with pytest.raises(BadInput, match="nothing to abandon"):
        door(house, "abandoned", name, reason="gone", check=check)


def test_which_one_has_to_be_said(house: House) -> None:
    name = stand_still(house)
    for state in ("undone", "abandoned"):
        with pytest.raises(BadInput, match=f"which operation is to be {state}.*{name}"):
            door(house, state, reason="gone")
