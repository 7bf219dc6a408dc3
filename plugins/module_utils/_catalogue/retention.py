# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which recovery points to keep: a pure function that gives its reasons.

Keeping wins: a point is dropped only when no rule and no safeguard wants it.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.plan import Json
from .._core.statements import RELEASED, RecoveryPoint
from . import values
from .verdicts import CLEAN

_KEYS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "min_age")


@dataclass(frozen=True, slots=True)
class Retention:
    """How many to keep: the newest ones, and the newest of each of the last hours, days and (ISO) weeks that have one.

    ``min_age``: younger points are kept. With all at zero everything is kept.
    """

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    min_age: dt.timedelta = dt.timedelta()

    @classmethod
    def from_dict(cls, data: Any) -> Retention:
        """Raises BadInput naming the key."""
        given = values.mapping(data, "retention")
        values.only(given, _KEYS, "retention")
        counts = {key: values.count(given.get(key), f"retention.{key}") for key in _KEYS[:-1]}
        return cls(**counts, min_age=values.span(given.get("min_age"), "retention.min_age"))

    @property
    def any(self) -> bool:
        return bool(self.keep_last or self.keep_hourly or self.keep_daily or self.keep_weekly)


@dataclass(frozen=True, slots=True)
class Kept:
    """``keep`` and why; a point to drop has the reason ``no rule keeps it``."""

    id: str
    keep: bool
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Json]:
        return {"id": self.id, "keep": self.keep, "reasons": list(self.reasons)}


def retain(
    points: Sequence[RecoveryPoint], rules: Retention, now: dt.datetime, in_use: Iterable[str] = ()
) -> tuple[Kept, ...]:
    """What to keep of the points (in the order of the ledger) that are not pruned yet; the answer is in that order.

    Never dropped: the newest, the last clean and the last verified point, held ones, those ``in_use`` (ids: being
    restored, copied or drilled), evidence that nobody released, and those whose cut is not known.
    """
    there = [point for point in points if not point.pruned]
    reasons: dict[str, list[str]] = {point.id: [] for point in there}
    for point in there:
        reasons[point.id] += _safeguards(point, set(in_use))
        age = None if point.latest is None else now - point.latest
        if age is not None and age < rules.min_age:
            reasons[point.id].append("younger than min_age")
    newest_first = list(reversed(there))
    for what, chosen in (
        ("the newest point", newest_first[:1]),
        ("the last clean point", [p for p in newest_first if p.verdict == CLEAN][:1]),
        ("the last verified point", [p for p in newest_first if p.verified][:1]),
        (f"one of the last {rules.keep_last}", newest_first[: rules.keep_last]),
        (f"of one of the last {rules.keep_hourly} hours", _newest_of(newest_first, rules.keep_hourly, _hour)),
        (f"of one of the last {rules.keep_daily} days", _newest_of(newest_first, rules.keep_daily, _day)),
        (f"of one of the last {rules.keep_weekly} weeks", _newest_of(newest_first, rules.keep_weekly, _week)),
        ("no rule is set", there if not rules.any else []),
    ):
        for point in chosen:
            reasons[point.id].append(what)
    return tuple(Kept(name, bool(why), tuple(why) or ("no rule keeps it",)) for name, why in reasons.items())


def _safeguards(point: RecoveryPoint, in_use: set[str]) -> list[str]:
    found = [f"held for {hold.incident or 'no incident'}: {hold.reason or 'no reason given'}" for hold in point.holds]
    if point.id in in_use:
        found.append("in use")
    if point.forensic and not any(s.kind == RELEASED for s in point.statements):
        found.append("evidence that nobody released")
    if point.latest is None:
        found.append("its age is not known")
    return found


def _newest_of(
    newest_first: Sequence[RecoveryPoint], count: int, period: Callable[[dt.datetime], str]
) -> list[RecoveryPoint]:
    """The newest point of each of the last periods that have one."""
    found: dict[str, RecoveryPoint] = {}
    for point in newest_first:
        if point.latest is not None and len(found) < count:
            found.setdefault(period(point.latest), point)
    return list(found.values())


def _hour(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H")


def _day(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _week(moment: dt.datetime) -> str:
    return moment.strftime("%G-W%V")
