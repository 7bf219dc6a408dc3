# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan and Step: what would be done, as data.

A plan is the answer of a pure function to "observed" and "desired". It is shown in check mode, hashed for approval,
written to the journal and handed to the engine: the same value each time, so that none of these can drift apart.

PRIVATE to this collection.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any
"""A JSON value: what ``json.dumps`` takes without help."""


def canonical(value: Json) -> str:
    """One spelling for equal JSON values: sorted keys, no spaces, no NaN, plain ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def digest(value: Json) -> str:
    """SHA-256 (hex) of the canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of work.

    ``name`` is unique in its plan and says what for (``swap data-db-0``); ``action`` names the code that does it in the
    registry given to the engine (``volumes.swap``); ``touches`` lists objects as ``Kind namespace/name``; ``params``
    are the action's arguments: JSON, complete (values found before the change included), never secrets.
    ``until`` names a later step that ends this one's effect (a workload is stopped *until* it is started): once that
    one has begun, this one is not asked for again. ``done`` is what the cluster showed when the plan was made; it is
    not part of the plan's hash.
    """

    name: str
    action: str
    touches: tuple[str, ...] = ()
    params: Mapping[str, Json] = field(default_factory=dict)
    until: str = ""
    done: bool = False

    def shown(self) -> dict[str, Json]:
        """The row a person sees."""
        return {"name": self.name, "touches": list(self.touches), "state": "done" if self.done else "todo"}

    def to_dict(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "action": self.action,
            "touches": list(self.touches),
            "params": dict(self.params),
            "until": self.until,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> Step:
        return cls(data["name"], data["action"], tuple(data["touches"]), data["params"], data["until"])


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered steps towards one aim.

    ``kind`` is the sort of operation (``restore``, ``rotation``, ``quarantine``, ``capture``, ``prune``, ``mark``);
    ``target`` is what the Lease is taken on (``namespace/name`` of the application); ``key`` tells two operations of
    the same kind on the same target apart (a recovery point, an incident, a Secret): asking again with the same key is
    asking for the same operation.
    """

    kind: str
    target: str
    key: str
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if len(set(names)) != len(names):
            raise ValueError(f"step names are not unique: {names}")

    @property
    def empty(self) -> bool:
        """True when there is nothing left to do."""
        return all(step.done for step in self.steps)

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over everything but ``done``: equal for check mode and the run that follows."""
        return digest(self.to_dict())

    def shown(self) -> list[dict[str, Json]]:
        return [step.shown() for step in self.steps]

    def to_dict(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "target": self.target,
            "key": self.key,
            "steps": [step.to_dict() for step in self.steps],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> Plan:
        return cls(data["kind"], data["target"], data["key"], tuple(Step.from_dict(step) for step in data["steps"]))
