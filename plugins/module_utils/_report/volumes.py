# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes before and after, and the checks that the restored data passed.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Row, flag, number, row, rows, text, words
from .intake import results
from .text import moment


def volumes(steps: Mapping[str, Any]) -> Row:
    """``point`` (the recovery point that went back), ``rows`` per claim, ``checks`` of the data, ``downtime_s``,
    ``undo_until``. ``outcome`` of a check: ``passed``, ``failed``, ``skipped``, or None when it was not told.
    """
    told = [result for result in results(steps.get("restore")) if result.get("failed") is not True]
    result = next((item for item in told if item.get("skipped") is not True), {})
    point = text(result, "recovery_point")
    cuts = _cuts(steps, point)
    return {
        "point": point,
        "rows": [_volume(entry, result, cuts) for entry in rows(result.get("volumes"))],
        "checks": _checks(result.get("verification")) or _checks(result.get("verified")),
        "downtime_s": number(result, "downtime_s"),
        "undo_until": moment(text(result, "undo_until")),
    }


def _cuts(steps: Mapping[str, Any], point: str | None) -> Row:
    """When the point cut each claim, as the decision has it."""
    for decision in results(steps.get("decision")):
        for candidate in rows(decision.get("candidates")):
            if point and text(candidate, "id") == point:
                return row(candidate.get("cut_at"))
    return {}


def _volume(entry: Row, result: Row, cuts: Row) -> Row:
    claim = text(entry, "claim")
    return {
        "claim": claim,
        "of": text(entry, "of") or claim,
        "before": _name(entry, "from"),
        "after": _name(entry, "to"),
        "kept": _name(entry, "kept"),
        "kept_until": moment(text(entry, "kept_until") or text(result, "undo_until")),
        "cut_at": moment(text(cuts, text(entry, "of") or claim or "")),
    }


def _name(entry: Row, key: str) -> str | None:
    """The name of a volume; empty where there was none, None where nothing was said."""
    return words(entry[key]) if key in entry else None


def _checks(value: Any) -> list[Row]:
    """Checks of the restored data: rows, or one word of the restore itself."""
    if isinstance(value, bool):
        return [{"name": "checks of the restore", "where": None, "outcome": _outcome(value), "detail": None}]
    return [
        {
            "name": text(entry, "probe", "name"),
            "where": text(entry, "on", "where"),
            "outcome": _outcome(flag(entry, "ok", "passed")) or text(entry, "state"),
            "detail": text(entry, "reason", "why", "detail"),
        }
        for entry in rows(value)
    ]


def _outcome(good: bool | None) -> str | None:
    return None if good is None else "passed" if good else "failed"
