# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what the steps returned, when any part of it may be missing or of another shape.

Nothing here raises: a report about an incident that went wrong has to come out too. What is not there is None, and
None is shown as "unknown".

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]


def row(value: Any) -> Row:
    """The value when it is a mapping, else an empty one."""
    return dict(value) if isinstance(value, Mapping) else {}


def rows(value: Any) -> list[Row]:
    """Mappings of a list; a single mapping is a list of one, everything else is dropped."""
    if isinstance(value, Mapping):
        return [dict(value)] if value else []
    return [dict(item) for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []


def text(source: Any, *keys: str) -> str | None:
    """The first of the keys that holds a non-empty string or a number, as text."""
    for key in keys:
        value = row(source).get(key)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
    return None


def number(source: Any, *keys: str) -> float | int | None:
    """The first of the keys that holds a number."""
    for key in keys:
        value = row(source).get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
    return None


def flag(source: Any, *keys: str) -> bool | None:
    """The first of the keys that holds true or false; None is "not known", which is neither."""
    for key in keys:
        value = row(source).get(key)
        if isinstance(value, bool):
            return value
    return None


def lines(value: Any) -> list[str]:
    """Texts of a list of strings or of mappings (``text``, ``what``, ``reason``, ...); a string is a list of one."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Mapping):
        return [f"{key}: {words(item)}" for key, item in sorted(value.items()) if item not in (None, "", [], {})]
    if not isinstance(value, (list, tuple)):
        return []
    return [line for line in (words(item) for item in value) if line]


def words(value: Any) -> str:
    """One line for any JSON value: what a person would write, not its repr."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        said = text(value, "text", "what", "reason", "message", "duty", "name")
        return said or ", ".join(f"{key}: {words(item)}" for key, item in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return ", ".join(words(item) for item in value)
    return str(value)
