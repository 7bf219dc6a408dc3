# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The phases of an incident and what each came to.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .fields import Row, rows, text
from .intake import plan_is_open, results
from .text import moment

DONE, ALREADY, UNDONE, UNFINISHED = "done", "already", "undone", "unfinished"
PLANNED, SKIPPED, FAILED, NOT_REPORTED = "planned", "skipped", "failed", "not_reported"

TITLES = {
    "preflight": "Preflight",
    "held": "Points held",
    "forensic": "Forensic point",
    "containment": "Containment",
    "decision": "Decision",
    "restore": "Restore",
    "rotation": "Certificate rotation",
    "release": "Release",
}
"""Keys of ``steps`` in the order in which the playbook goes through them."""

_CHANGING = frozenset({"held", "forensic", "containment", "restore", "rotation", "release"})
_WORST_FIRST = (FAILED, UNFINISHED, UNDONE, PLANNED, SKIPPED, DONE, ALREADY, NOT_REPORTED)

_JOURNAL_WORDS = {"open": UNFINISHED, "undoing": UNFINISHED, "undone": UNDONE, "abandoned": UNFINISHED}


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase. ``state``: ``done``; ``already`` (there was nothing to do); ``planned`` (shown, not run); ``skipped``;
    ``failed``; ``undone`` and ``unfinished`` (the journal says so of one of its operations); ``not_reported`` (no
    result came in: it may or may not have happened). Times are None when unknown.
    """

    key: str
    state: str
    started: str | None = None
    ended: str | None = None
    operations: tuple[str, ...] = ()
    note: str | None = None

    @property
    def happened(self) -> bool:
        return self.state in (DONE, ALREADY)

    def to_dict(self) -> Row:
        return {
            "phase": self.key,
            "title": TITLES[self.key],
            "state": self.state,
            "started": self.started,
            "ended": self.ended,
            "operations": list(self.operations),
            "note": self.note,
        }


def phases(steps: Mapping[str, Any], journal: Mapping[str, Row], check: bool) -> dict[str, Phase]:
    """Every phase, also those of which nothing came in. ``journal``: operations by id, for times."""
    return {key: _phase(key, results(steps.get(key)), journal, check) for key in TITLES}


def _phase(key: str, found: list[Row], journal: Mapping[str, Row], check: bool) -> Phase:
    states = {_state(key, result, journal, check) for result in found} or {NOT_REPORTED}
    ids = tuple(dict.fromkeys(name for result in found for name in operations_of(result)))
    places = [*found, *(journal.get(name, {}) for name in ids)]
    starts = [when for place in places if (when := moment(text(place, "started")))]
    ends = [when for place in places if (when := moment(text(place, "ended", "at")))]
    stated = [
        when for result in found for entry in rows(result.get("statements")) if (when := moment(text(entry, "at")))
    ]
    notes = [note for result in found if (note := _note(result))]
    return Phase(
        key,
        next(state for state in _WORST_FIRST if state in states),
        min(starts, default=None),
        max(ends or stated, default=None),
        ids,
        "; ".join(dict.fromkeys(notes)) or None,
    )


def operations_of(result: Row) -> list[str]:
    """The ids of the operations that a result names, in the order in which they were run."""
    several = result.get("operations")
    named = [name for name in several if isinstance(name, str)] if isinstance(several, list) else []
    last = text(result, "operation")
    return list(dict.fromkeys([*named, *([last] if last else [])]))


def _state(key: str, result: Row, journal: Mapping[str, Row], check: bool) -> str:
    if result.get("failed") is True:
        return FAILED
    if result.get("skipped") is True:
        return SKIPPED
    if key not in _CHANGING:
        return DONE
    if check:
        return PLANNED if plan_is_open(result) else ALREADY
    words = {_JOURNAL_WORDS.get(text(journal.get(name, {}), "state") or "", DONE) for name in operations_of(result)}
    if words:
        return next(word for word in _WORST_FIRST if word in words)
    return PLANNED if plan_is_open(result) else ALREADY


def _note(result: Row) -> str | None:
    if result.get("failed") is True:
        return text(result, "msg") or "failed, no message came with it"
    if result.get("skipped") is True:
        return text(result, "skip_reason", "skipped_reason") or "skipped"
    return None


def journal_of(steps: Mapping[str, Any]) -> dict[str, Row]:
    """Operations by id, as ``knowngood.kube.operation state=listed`` returned them (``steps.operations``)."""
    found: dict[str, Row] = {}
    for result in results(steps.get("operations")):
        listed = result.get("operations")
        for operation in rows(listed if isinstance(listed, list) else result):
            name = text(operation, "id")
            if name:
                found[name] = operation
    return found
