# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spans of time as people write them: ``6h``, ``90m``, ``1d12h``, ``1.5h``, or seconds.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import BadInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_PART = re.compile(rf"({_NUMBER})([smhdw])")
_WHOLE = re.compile(rf"{_NUMBER}|(?:{_NUMBER}[smhdw])+")
_LONGEST_S = 100 * 365 * 86400  # so that no time before or after now leaves the calendar


def seconds(given: Any, option: str) -> float:
    """Seconds, from 0 on. Raises BadInput naming the option, also for more than 100 years."""
    text = str(given).strip()
    if not _WHOLE.fullmatch(text):
        raise BadInput(
            f"{option} is not a span of time", why=f"got {given!r}", next="for example 6h, 90m, 2d or seconds"
        )
    parts = _PART.findall(text)
    found = sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else float(text)
    if found > _LONGEST_S:
        raise BadInput(f"{option} is not a span of time", why=f"got {given!r}, which is longer than 100 years")
    return found
