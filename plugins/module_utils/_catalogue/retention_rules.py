# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of retention as a user gives them.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadInput
from . import values

_COUNTS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
_KEYS = (*_COUNTS, "min_copies", "min_age")
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How many to keep: the newest ones, and the newest of each of the last hours, days, (ISO) weeks, months and years
    that have one, in UTC.

    ``min_copies`` good points (whole, not suspect, in the cluster) and points younger than ``min_age`` are kept
    whatever the rules say; these two alone are no rule. With no rule everything is kept.
    """

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    min_copies: int = 1
    min_age: dt.timedelta = dt.timedelta()

    @classmethod
    def from_dict(cls, data: Any) -> Retention:
        """Raises BadInput naming the key."""
        given = values.mapping(data, "retention")
        values.only(given, _KEYS, "retention")
        counts = {key: _count(given.get(key), f"retention.{key}") for key in _COUNTS}
        copies = _count(1 if given.get("min_copies") is None else given["min_copies"], "retention.min_copies")
        if copies < 1:
            why = "the last good point is never given up"
            raise BadInput("retention.min_copies is not a number from 1 on", why=why)
        return cls(**counts, min_copies=copies, min_age=values.span(given.get("min_age"), "retention.min_age"))

    @property
    def any(self) -> bool:
        """Is there a rule at all?"""
        return any(getattr(self, key) for key in _COUNTS)


def _count(value: Any, option: str) -> int:
    """A whole number in plain digits: what looks like one in another writing is more likely a mistake."""
    text = str(value).strip()
    if value is None:
        return 0
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()) or len(text) > 10 or int(text) > _MOST:
        raise BadInput(
            f"{option} is not a number from 0 on", why=f"got {value!r}", next=f"a whole number up to {_MOST}"
        )
    return int(text)
