# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes before and after, and the checks that the restored data passed.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .decision import cut
from .fields import Row, flag, number, row, rows, text, words
from .intake import results
from .text import moment


def volumes(steps: Mapping[str, Any]) -> Row:
    """``point`` (the recovery point that went back), ``rows`` per claim, ``checks`` of the data, ``downtime_s``,
    ``undo_until``. ``outcome`` of a check: ``passed``, ``failed``, ``skipped``, or None when it was not told.
    """
    told = [result for result in results(steps.get("restore")) if result.get("failed") is not True]
    result = next((item for item in told if item.get("skipped") is not True), {})
    return {
        "point": text(result, "recovery_point") or text(row(result.get("recovery_point")), "id"),
        "rows": [_volume(entry, result) for entry in rows(result.get("volumes"))],
        "checks": _checks(result.get("verified")),
        "downtime_s": number(result, "downtime_s"),
        "undo_until": moment(text(result, "undo_until")),
    }


def _volume(entry: Row, result: Row) -> Row:
    first, _last = cut(entry.get("cut_at"))
    return {
        "claim": text(entry, "claim"),
        "before": _volume_name(entry.get("from")),
        "after": _volume_name(entry.get("to")),
        "kept": _kept(entry.get("kept")),
        "kept_until": moment(text(entry, "kept_until", "expires") or text(result, "undo_until")),
        "snapshot": text(entry, "snapshot"),
        "cut_at": first,
        "size": text(entry, "size"),
    }


def _volume_name(value: Any) -> str | None:
    return (text(value, "volume", "name") or words(value)) if isinstance(value, Mapping) else words(value) or None


def _kept(value: Any) -> bool | str | None:
    return value if isinstance(value, bool) else _volume_name(value)


def _checks(value: Any) -> list[Row]:
    """Checks of the restored data: one word of the restore itself, a list of rows, or rows by place."""
    if isinstance(value, bool):
        return [{"name": "checks of the restore", "where": None, "outcome": _outcome(value), "detail": None}]
    if isinstance(value, Mapping) and not any(key in value for key in ("name", "probe")):
        return [
            {**check, "where": check["where"] or str(place)}
            for place, found in sorted(value.items())
            for check in _checks(found)
        ]
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
