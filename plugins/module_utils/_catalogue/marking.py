# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Marking recovery points: what has to be stated so that they are held, released or judged. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .._core.plan import Json, digest
from .._core.statements import HELD, JUDGED, RELEASED, Draft, RecoveryPoint
from . import values
from .verdicts import RANKED

STATES = (HELD, RELEASED, JUDGED)


@dataclass(frozen=True, slots=True)
class Marking:
    """What is asked: ``state`` for the points ``ids`` (or ``everything``), with ``reason`` and ``incident``.

    ``verdicts`` (for ``judged``): ``{id: {"verdict", "reasons", "rules"}}``.
    """

    state: str
    ids: tuple[str, ...] = ()
    everything: bool = False
    reason: str = ""
    incident: str = ""
    verdicts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Marking:
        """Raises BadInput where the options do not fit together."""
        state, ids = given["state"], tuple(given.get("ids") or ())
        everything, verdict = bool(given.get("all")), given.get("verdict") or ""
        verdicts = _verdicts(given.get("verdicts"))
        if state != JUDGED and (verdict or verdicts):
            raise BadInput("verdict and verdicts belong to state judged", why=f"state is {state}")
        if verdicts and (verdict or ids or everything):
            raise BadInput("verdicts names its points itself", next="leave out verdict, ids and all")
        if not verdicts and bool(ids) == everything:
            raise BadInput("name the points by ids, or all of them by all", why="both or neither are given")
        if state == JUDGED and not verdicts:
            if not verdict:
                raise BadInput("state judged needs verdict or verdicts")
            if everything:
                raise BadInput("one verdict for all points is no judgement", next="name them by ids, or give verdicts")
            told = {"verdict": verdict, "reasons": [given["reason"]] if given.get("reason") else [], "rules": ""}
            verdicts = dict.fromkeys(ids, told)
        return cls(state, ids, everything, given.get("reason") or "", given.get("incident") or "", verdicts)

    @property
    def key(self) -> str:
        """What makes asking again the same operation."""
        wanted: Json = sorted(self.verdicts.items()) or ("all" if self.everything else sorted(self.ids))
        return f"{self.state}:{digest([wanted, self.incident, self.reason])[:16]}"


def _verdicts(data: Any) -> dict[str, Mapping[str, Json]]:
    found: dict[str, Mapping[str, Json]] = {}
    for name, entry in values.mapping(data, "verdicts").items():
        where = f"verdicts.{name}"
        told = values.mapping(entry, where)
        values.only(told, ("verdict", "reasons", "rules"), where)
        found[str(name)] = {
            "verdict": values.choice(told.get("verdict"), RANKED, f"{where}.verdict"),
            "reasons": list(values.texts(told.get("reasons"), f"{where}.reasons")),
            "rules": str(told.get("rules") or ""),
        }
    return found


def drafts(points: Sequence[RecoveryPoint], marking: Marking) -> list[Draft]:
    """What is left to state; empty when the points are marked so already. Raises BadInput for unknown points.

    A hold counts once per incident; a release ends the hold of the same incident; a judgement is stated when it differs
    from the last one. Points given up by pruning cannot be held: naming one is an error, ``everything`` leaves them
    out.
    """
    known = {point.id: point for point in points}
    wanted = tuple(marking.verdicts) or marking.ids or tuple(p.id for p in points if not p.pruned)
    missing = [name for name in wanted if name not in known]
    if missing:
        there = ", ".join(known) or "none"
        raise BadInput(
            f"no recovery point {', '.join(missing)}",
            why=f"the ledger has: {there}",
            next="knowngood.kube.recovery_point_info lists them",
        )
    gone = [name for name in wanted if known[name].pruned]
    if gone and marking.state == HELD:
        why = f"pruned {known[gone[0]].pruned}"
        raise BadInput(f"{', '.join(gone)} cannot be held: the data was given up", why=why)
    return [draft for point in points if point.id in wanted for draft in _drafts(point, marking)]


def _drafts(point: RecoveryPoint, marking: Marking) -> list[Draft]:
    body: dict[str, Json]
    if marking.state == JUDGED:
        body = {**marking.verdicts[point.id], "incident": marking.incident}
        last = {key: value for key, value in (point.judged or {}).items() if key != "at"}
        needed = last != body
    else:
        body = {"reason": marking.reason, "incident": marking.incident}
        needed = point.held_for(marking.incident) is (marking.state == RELEASED)
    if not needed:
        return []
    # The number of statements of this kind so far tells a second hold (after a release) from the first one asked again.
    number = sum(statement.kind == marking.state for statement in point.statements)
    return [Draft(marking.state, point.id, body, f"{marking.state}:{point.id}:{marking.incident}:{number}")]


def after(points: Sequence[RecoveryPoint], stated: Sequence[Draft]) -> dict[str, dict[str, Json]]:
    """As :func:`before`, of the points that ``stated`` speaks of, once it is stated."""
    found = before(points, [draft.point for draft in stated])
    for draft in stated:
        row, incident = found[draft.point], str(draft.body.get("incident") or "")
        if draft.kind == JUDGED:
            row["verdict"] = draft.body["verdict"]
        else:
            others = [name for name in row["held_by"] if name != incident]
            row["held_by"] = [*others, incident] if draft.kind == HELD else others
    return found


def before(points: Sequence[RecoveryPoint], ids: Sequence[str]) -> dict[str, dict[str, Json]]:
    """Holds and verdict of these points: ``{id: {"held_by": [incident, ...], "verdict": word or None}}``."""
    return {
        point.id: {"held_by": [hold.incident for hold in point.holds], "verdict": point.verdict}
        for point in points
        if point.id in ids
    }
