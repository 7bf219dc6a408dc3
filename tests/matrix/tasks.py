# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a row is made of: a place that is worked on, a task there, and a scenario that says what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import Operation
from tests.cluster.handle import Cluster
from tests.matrix.doors import Doors, Ran

RESUME, UNDO = "resume", "undo"
WAYS = (RESUME, UNDO)
NOTHING, WENT_ON, PUT_BACK, THERE = "nothing was begun", "went on", "put back", "it was done already"


@dataclass(slots=True)
class Task:
    """A door with its options, and what was there before. ``words``: the data that must not be lost meanwhile."""

    door: str
    options: dict[str, Any]
    words: tuple[str, ...]
    before: dict[str, Any]
    operations: frozenset[str]
    facts: dict[str, Any] = field(default_factory=dict)


class Watch(Protocol):
    """What looks on while a row runs: what it saw broken, and how often it looked."""

    broken: list[str]
    looked: int


class Place(Protocol):
    """An application in namespaces of its own, and the processes that work on it."""

    doors: Doors

    def begun(self, task: Task) -> Operation | None:
        """The operation that the task has made, when it came to that."""

    def operation(self, state: str, identity: str) -> Ran:
        """The door of operations: ``resumed`` or ``undone``."""

    def guard(self, task: Task) -> AbstractContextManager[Watch]:
        """Looks on from before the trouble until the row is over."""

    def clear(self) -> None:
        """After a row: what would pile up goes."""

    def remove(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Scenario:
    """``made``: the place; rows of one kind share one. ``prepare`` a task there; ``resumed`` and ``undone`` go on after
    the trouble: the outcome, and what is wrong.

    ``writes`` is about how many the task has: what a sample is drawn from. The whole matrix counts them.
    """

    name: str
    made: Callable[[Cluster, Doors], Any]
    writes: int
    prepare: Callable[[Any, str], Task]
    resumed: Callable[[Any, Task], tuple[str, list[str]]]
    undone: Callable[[Any, Task], tuple[str, list[str]]]


def again(place: Place, task: Task) -> Ran:
    return place.doors.run(task.door, task.options)


def put_back(place: Place, task: Task) -> tuple[str, list[str]]:
    """Undoes what the task began."""
    begun = place.begun(task)
    if begun is None:
        return NOTHING, []
    ran = place.operation("undone", begun.id)
    return PUT_BACK, [] if ran.ok else [f"undo: {ran.problem()}"]
