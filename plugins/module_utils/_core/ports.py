# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ports of the engine: a journal of operations and a lease on a target.

PRIVATE to this collection.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from .plan import Json, Plan, Step

ALREADY = "already"
"""Key in the result of a step whose outcome was there before this operation: it is not ours to undo."""

OPEN, FINISHED, UNDOING, UNDONE, ABANDONED = "open", "finished", "undoing", "undone", "abandoned"
TO_DO, STARTED, DONE = "todo", "started", "done"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal knows of one step: ``todo``, ``started`` (intent written), ``done``, ``undoing``, ``undone``."""

    state: str = TO_DO
    at: str = ""
    result: dict[str, Json] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Json]:
        return {"state": self.state, "at": self.at, "result": self.result}

    @classmethod
    def from_dict(cls, data: dict[str, Json]) -> Entry:
        return cls(data["state"], data["at"], data["result"])


@dataclass(frozen=True, slots=True)
class Operation:
    """A run of a plan as the journal keeps it. ``version`` is the store's compare-and-swap token.

    ``state`` is ``open``, ``undoing`` (both unfinished), ``finished``, ``undone`` or ``abandoned``. ``facts`` are what
    the caller wants to find again with the operation (no secrets), for instance until when it can be undone; that of an
    abandoned one has ``abandoned``: ``by``, ``reason`` and the state that it ``was`` in.
    """

    id: str
    plan: Plan
    state: str = OPEN
    started: str = ""
    ended: str = ""
    holder: str = ""
    entries: dict[str, Entry] = field(default_factory=dict)
    facts: dict[str, Json] = field(default_factory=dict)
    version: str = ""

    @property
    def unfinished(self) -> bool:
        return self.state in (OPEN, UNDOING)

    def is_of(self, kind: str, key: str) -> bool:
        """Is it what a task of this kind and key began?"""
        return (self.plan.kind, self.plan.key) == (kind, key)

    def entry(self, step: str) -> Entry:
        return self.entries.get(step, Entry())

    def with_entry(self, step: str, entry: Entry) -> Operation:
        return replace(self, entries={**self.entries, step: entry})

    @property
    def results(self) -> dict[str, dict[str, Json]]:
        """Results by step name, of the steps that have one."""
        return {name: entry.result for name, entry in self.entries.items() if entry.result}

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps whose effect may stand in the cluster: begun by this operation and not undone."""
        return tuple(step for step in self.plan.steps if self._stands(self.entry(step.name)))

    @staticmethod
    def _stands(entry: Entry) -> bool:
        return entry.state not in (TO_DO, UNDONE) and ALREADY not in entry.result

    @property
    def position(self) -> str:
        """The name of the step where it stands: the first one not done; when undoing, the one that is being undone, or
        the last that is not.
        """
        if self.state == UNDOING:
            going = [s.name for s in self.plan.steps if self.entry(s.name).state == UNDOING]
            if going:
                return going[0]
            left = [s.name for s in self.plan.steps if self.entry(s.name).state not in (TO_DO, UNDONE)]
            return left[-1] if left else ""
        left = [s.name for s in self.plan.steps if self.entry(s.name).state != DONE]
        return left[0] if left and self.state == OPEN else ""


class Journal(Protocol):
    """Keeps operations. Every write is compare-and-swap; losing it raises ``Conflict``."""

    def create(self, operation: Operation) -> Operation: ...

    def save(self, operation: Operation) -> Operation: ...

    def get(self, operation_id: str) -> Operation | None: ...

    def list(self, target: str | None = None) -> list[Operation]:
        """Newest first; all targets when none is named."""

    def remove(self, operation: Operation) -> bool:
        """Forgets an operation, as it was read and not changed since; tells whether it did."""


class Leases(Protocol):
    """One writer a target."""

    def hold(self, target: str, holder: str) -> AbstractContextManager[Held]:
        """Waits for the lease, renews it while held, lets go at the end. Raises ``Conflict`` naming the holder."""


class Held(Protocol):
    """A lease in hand."""

    def check(self) -> None:
        """Raises ``Conflict`` when the lease was lost."""
