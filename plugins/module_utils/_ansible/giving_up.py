# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``recovery_point state=absent``: what retention does not keep, and what was left behind.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from .._catalogue.retention import Facts, Kept, retain
from .._catalogue.retention_rules import Retention
from .._core.plan import Json
from .application import spec_of
from .frame import Frame

if TYPE_CHECKING:
    from .._volumes.house import House
    from .._volumes.orphans import Orphan

REMOVE = "remove"


def absent(frame: Frame, house: House) -> dict[str, Json]:
    """What :func:`prune` returns, with ``retention`` (each point, kept or not, and why) and ``orphans``."""
    from .._volumes.orphan_search import find_orphans
    from .._volumes.prune import observe, prune

    given, spec = frame.params, spec_of(frame.params)
    rules = None if given["retention"] is None else Retention.from_dict(given["retention"])
    decided: tuple[Kept, ...] = ()
    if rules is not None:
        points = house.store.points(spec.target)
        use = observe(house, spec, points)
        decided = retain(points, rules, house.clock.now(), Facts(use.in_use, use.lost))
    found = find_orphans(house, spec) if given["orphans"] else ()
    steps = [orphan.step for orphan in found if orphan.step] if given["orphans"] == REMOVE else []
    done = prune(house, spec, {row.id: "; ".join(row.reasons) for row in decided if not row.keep}, steps)
    left: Mapping[str, str] = done.pop("left")
    ran: Collection[str] = done.pop("ran")
    return {
        **done,
        "retention": [_decided(row, left) for row in decided],
        "orphans": _found(found, left, ran),
    }


def _decided(row: Kept, left: Mapping[str, str]) -> dict[str, Json]:
    """As it was decided; a point that came to be needed before its turn was kept after all."""
    why = left.get(f"mark {row.id}")
    return {**row.to_dict(), "keep": True, "reasons": [why]} if why else row.to_dict()


def _found(orphans: Sequence[Orphan], left: Mapping[str, str], ran: Collection[str]) -> list[dict[str, Json]]:
    """Removed is what a step that ran was for and did not leave alone."""
    rows = []
    for orphan in orphans:
        why = left.get(orphan.step.name) if orphan.step else None
        gone = orphan.step is not None and orphan.step.name in ran and not why
        rows.append({**orphan.row(), "state": "removed" if gone else "found", **({"why": why} if why else {})})
    return rows
