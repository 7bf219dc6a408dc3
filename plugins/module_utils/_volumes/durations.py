# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spans of time as people write them: ``6h``, ``90m``, ``1d12h``, or seconds.

PRIVATE to this collection.
"""

from __future__ import annotations

import re

from .._core.errors import BadInput

_PART = re.compile(r"(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str | int | float, option: str) -> float:
    """Seconds. Raises BadInput naming the option."""
    value = str(text).strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    if not re.fullmatch(r"(\d+[smhdw])+", value):
        raise BadInput(
            f"{option} is not a span of time", why=f"got {text!r}", next="for example 6h, 90m, 2d or seconds"
        )
    return float(sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(value)))
