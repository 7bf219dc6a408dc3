# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who holds a quarantined workload: a set of operations, each for its incident and by its method. Pure.

``knowngood.io/quarantine-holders`` is the set. ``knowngood.io/quarantine`` (the first of them) and
``knowngood.io/incident`` say the same to people and to whoever only asks whether a workload is held, and
``knowngood.io/resting-replicas`` is what it goes back to when the last one lets go.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._core.plan import Json, canonical
from .client import Object
from .graph import QUARANTINE, RESTING_REPLICAS

INCIDENT, HOLDERS = "knowngood.io/incident", "knowngood.io/quarantine-holders"
NETWORK_POLICY, SCALE_DOWN = "network_policy", "scale_down"


@dataclass(frozen=True, slots=True)
class Hold:
    """One holder. ``incident`` and ``method`` are empty where none was named."""

    operation: str
    incident: str = ""
    method: str = ""

    @property
    def shown(self) -> str:
        return f"incident {self.incident}" if self.incident else f"operation {self.operation}"


def holds(obj: Mapping[str, Any]) -> tuple[Hold, ...]:
    """The holders of a workload, first come first."""
    marks = obj["metadata"].get("annotations") or {}
    if not marks.get(QUARANTINE):
        return ()
    try:
        return tuple(Hold(**row) for row in json.loads(marks[HOLDERS]))
    except (KeyError, TypeError, ValueError):  # not there, or somebody edited it
        return (Hold(str(marks[QUARANTINE]), str(marks.get(INCIDENT, ""))),)


def hold_patch(obj: Mapping[str, Any], hold: Hold, resting: int | None) -> Object | None:
    """Adds a holder, and with the first one what to go back to; None where the operation holds it already."""
    there = holds(obj)
    if any(one.operation == hold.operation for one in there):
        return None
    noted = {} if there or resting is None else {RESTING_REPLICAS: str(resting)}
    return {"metadata": {"annotations": {**_marks((*there, hold)), **noted}}}


def leave_patch(obj: Mapping[str, Any], leaving: Callable[[Hold], bool]) -> Object | None:
    """Takes holders off, with the last one every mark; None where none of them is there."""
    there = holds(obj)
    left = tuple(one for one in there if not leaving(one))
    if left == there:
        return None
    return {"metadata": {"annotations": {**_marks(left), **({} if left else {RESTING_REPLICAS: None})}}}


def no_longer_wanted(methods: Iterable[str], left: Iterable[Hold]) -> frozenset[str]:
    """Of these methods those that none of the holders that are left stands for; one without a method wants all."""
    wanted = {one.method for one in left}
    return frozenset() if "" in wanted else frozenset(methods) - wanted


def _marks(held: tuple[Hold, ...]) -> dict[str, Json]:
    incidents = dict.fromkeys(one.incident for one in held if one.incident)
    return {
        QUARANTINE: held[0].operation if held else None,
        INCIDENT: ", ".join(incidents) or None,
        HOLDERS: canonical([asdict(one) for one in held]) if held else None,
    }
