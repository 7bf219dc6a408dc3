# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that fails puts back what it did, unless another one has gone on with it meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import KnownGoodError, NotProven, TakenOver
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Json, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import FINISHED, UNDONE
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House, run
from tests.unit.core import memory

PLAN = memory.switch_plan(("pods", "up", "down"), ("volume", "old", "new"), ("pods", "down", "up"))
BEFORE = {"pods": "up", "volume": "old"}


def always(step: str, error: KnownGoodError) -> bool:
    del step, error
    return True


def failed(world: memory.House) -> KnownGoodError:
    """What a run of the plan comes to, every failure of which is to be put back."""
    with pytest.raises(KnownGoodError) as caught:
        run(cast(House, SimpleNamespace(engine=world.engine())), PLAN, {}, always)
    return caught.value


class Sleeper(memory.Switch):
    """Sleeps in a step so long that another run ends the operation."""

    def __init__(self, world: memory.House, wakes_up_to: KnownGoodError | None) -> None:
        super().__init__(world.world, world.fuse)
        self.house, self.wakes_up_to = world, wakes_up_to

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        if step.name == "volume new":
            world = self.house
            awake, world.switch = world.switch, memory.Switch(world.world, world.fuse)
            world.engine("second").resume(context.operation_id)
            world.switch = awake
            if self.wakes_up_to:
                raise self.wakes_up_to
        return super().apply(step, context)


def slept(wakes_up_to: KnownGoodError | None) -> tuple[memory.House, KnownGoodError]:
    world = memory.House(dict(BEFORE))
    world.switch = Sleeper(world, wakes_up_to)
    return world, failed(world)


def state_of(world: memory.House) -> Any:
    return world.journal.list()[0].state


def test_what_failed_is_put_back() -> None:
    world = memory.House(dict(BEFORE))
    world.switch.broken = {"volume new"}
    error = failed(world)
    assert error.details["undone"] is True
    assert (world.world, state_of(world)) == (BEFORE, UNDONE)


def test_what_another_run_has_ended_stays() -> None:
    world, error = slept(NotProven("the claim is not bound"))
    assert (world.world, state_of(world)) == ({"pods": "up", "volume": "new"}, FINISHED)
    assert "not put back: another run has taken over operation" in error.why
    assert "it is finished, last gone on with by second" in error.why
    assert "state=listed" in error.next
    assert "undone" not in error.details


def test_a_journal_that_another_run_has_written_is_no_failure_to_put_back() -> None:
    world, error = slept(None)
    assert isinstance(error, TakenOver)
    assert (world.world, state_of(world)) == ({"pods": "up", "volume": "new"}, FINISHED)
    assert "undone" not in error.details
