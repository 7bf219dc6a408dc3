# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading values of unknown shape without crashing: what is not of the wanted type counts as absent."""

from __future__ import annotations

from typing import Any

_LARGEST = 2**53


def as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_str(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def as_text(value: Any) -> str:
    """A string, a whole number as one; anything else counts as said nothing."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""


def as_int(value: Any) -> int | None:
    """An integer that other JSON readers can hold exactly; true and false are not integers."""
    if not isinstance(value, int) or isinstance(value, bool) or not -_LARGEST <= value <= _LARGEST:
        return None
    return value


def as_index(value: Any) -> int | None:
    """A position from 0; SARIF writes -1 for "none"."""
    number = as_int(value)
    return number if number is not None and number >= 0 else None
