# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In-memory ports for the engine, with a process that can die at any of their writes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotProven, TakenOver
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context, Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Json, Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import Operation
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter


class Died(BaseException):
    """kill -9: nothing catches it."""


@dataclass
class Fuse:
    """Burns down one unit a write; the write at zero happens, and then the process is gone (or before it)."""

    left: int = 10**9
    before: bool = False
    writes: int = 0

    def write(self) -> None:
        self.writes += 1
        self.left -= 1
        if self.left < 0:
            raise Died


class FakeClock:
    def __init__(self) -> None:
        self.time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        self.time += dt.timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


@dataclass
class MemoryJournal:
    fuse: Fuse
    kept: dict[str, Operation] = field(default_factory=dict)
    version: int = 0

    def create(self, operation: Operation) -> Operation:
        if operation.id in self.kept:
            raise Conflict("exists")
        return self._put(operation)

    def save(self, operation: Operation) -> Operation:
        if self.kept[operation.id].version != operation.version:
            raise TakenOver("another run has taken over")
        return self._put(operation)

    def get(self, operation_id: str) -> Operation | None:
        return self.kept.get(operation_id)

    def list(self, target: str | None = None) -> list[Operation]:
        found = [op for op in self.kept.values() if target in (None, op.plan.target)]
        return sorted(found, key=lambda op: op.started, reverse=True)

    def remove(self, operation: Operation) -> bool:
        same = self.kept.get(operation.id) == operation
        if same:
            del self.kept[operation.id]
        return same

    def _put(self, operation: Operation) -> Operation:
        if self.fuse.before:
            self.fuse.write()
        self.version += 1
        self.kept[operation.id] = replace(operation, version=str(self.version))
        if not self.fuse.before:
            self.fuse.write()
        return self.kept[operation.id]


@dataclass
class OneLease:
    held_by: str = ""
    lost: bool = False
    taken: int = 0

    @contextmanager
    def hold(self, target: str, holder: str) -> Iterator[OneLease]:
        if self.held_by:
            raise Conflict(f"{target} is being worked on", why=self.held_by)
        self.taken += 1
        self.held_by = holder
        try:
            yield self
        finally:
            self.held_by = ""

    def check(self) -> None:
        if self.lost:
            raise Conflict("the lease was lost")


@dataclass
class Switch:
    """An action on a dictionary that stands for the cluster: sets a key to a value; undo puts the old one back."""

    world: dict[str, str]
    fuse: Fuse
    history: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)

    def undoable(self, step: Step, context: Context) -> str | None:
        return self.lost.get(step.name)

    def done(self, step: Step, context: Context) -> bool:
        return self.world.get(step.params["key"]) == step.params["to"]

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        if step.name in self.broken:
            raise NotProven(f"{step.name} failed its gate")
        if not self.done(step, context):
            self._set(step.params["key"], step.params["to"])
        return {"set": step.params["to"]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        if step.name in self.stuck:
            raise NotProven(f"{step.name} cannot be put back")
        if self.world.get(step.params["key"]) != step.params["from"]:
            self._set(step.params["key"], step.params["from"])
        return None

    def _set(self, key: str, value: str) -> None:
        self.world[key] = value
        self.history.append(f"{key}={value}")
        self.fuse.write()


@dataclass
class House:
    """An engine with everything around it that survives a crash."""

    world: dict[str, str] = field(default_factory=dict)
    fuse: Fuse = field(default_factory=Fuse)
    stop: bool = False

    def __post_init__(self) -> None:
        self.journal = MemoryJournal(self.fuse)
        self.leases = OneLease()
        self.clock = FakeClock()
        self.switch = Switch(self.world, self.fuse)

    def engine(self, holder: str = "one") -> Engine:
        self.leases.held_by = ""
        return Engine(
            journal=self.journal,
            leases=self.leases,
            clock=self.clock,
            reporter=SilentReporter(),
            actions={"switch": self.switch},
            holder=holder,
            stopping=lambda: self.stop,
        )


def switch_plan(*pairs: tuple[str, str, str], until: dict[str, str] | None = None, key: str = "k") -> Plan:
    """A plan of switches: (key, from, to) each; the step is named ``key to``."""
    until = until or {}
    steps = []
    for name, old, new in pairs:
        title = f"{name} {new}"
        params = {"key": name, "from": old, "to": new}
        steps.append(Step(title, "switch", (f"Key {name}",), params, until.get(title, "")))
    return Plan("test", "ns/app", key, tuple(steps))
