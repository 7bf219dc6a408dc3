# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all writers ask a record: is it live, what changed, where is it; and the words of our scale in other scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..._core.errors import BadInput
from ..._core.findings import Severity, State

Record = Mapping[str, Any]
Records = Callable[[], Iterator[dict[str, Any]]]
Changes = Mapping[str, str]
Scans = Sequence[Mapping[str, Any]]

CHANGES = ("new", "unchanged", "updated", "absent")

# Worst first; what nobody could judge stands beside high, never below what is known to be harmless.
SEVERITIES = (
    Severity.CRITICAL.value,
    Severity.HIGH.value,
    Severity.UNKNOWN.value,
    Severity.MEDIUM.value,
    Severity.LOW.value,
    Severity.INFO.value,
)


def severity_of(record: Record) -> str:
    """Our word for a record's severity; a word that is none of ours is unknown."""
    word = record.get("severity")
    return word if word in SEVERITIES else Severity.UNKNOWN.value


def state_of(record: Record, changes: Changes | None) -> str:
    """live, suppressed or absent; a comparison that calls a finding absent makes it history."""
    word = record.get("state")
    if word == State.ABSENT or change_of(record, changes) == "absent":
        return State.ABSENT.value
    return State.SUPPRESSED.value if word == State.SUPPRESSED else State.LIVE.value


def change_of(record: Record, changes: Changes | None) -> str | None:
    """What a comparison (``changes``: finding id -> word), else the report itself, says about a record; None: nothing.

    Raises BadInput for a word that is none of ``CHANGES``.
    """
    if record.get("state") == State.ABSENT:
        return "absent"
    if changes is None:
        word = record.get("baseline")
        return word if word in CHANGES else None
    word = changes.get(str(record.get("id")))
    if word is not None and word not in CHANGES:
        raise BadInput(
            "a comparison has a word that no output knows", where=str(word)[:80], next=f"use {', '.join(CHANGES)}"
        )
    return word


def places_of(record: Record) -> list[Mapping[str, Any]]:
    """The locations that are dictionaries."""
    return [place for place in record.get("locations") or () if isinstance(place, Mapping)]


def positive(value: object) -> int | None:
    """A line or column: an integer from 1."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
