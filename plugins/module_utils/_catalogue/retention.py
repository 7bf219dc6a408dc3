# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which recovery points to keep: a pure function that gives its reasons.

Keeping wins: a point is dropped only when no rule and no safeguard wants it. Points are ordered by their last cut, days
and months are those of UTC. A point that is worth less (partial, fuzzy, evidence, suspect, or not seen in the cluster
any more) never takes the place of a better one: each rule is counted once among all points and once more among those
of each better quality, and whatever one of these counts wants is kept.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .._core.clock import rfc3339
from .._core.plan import Json
from .._core.statements import RELEASED, RecoveryPoint
from .retention_rules import Retention
from .verdicts import CLEAN, COMPROMISED, SUSPECT

LESSER, FUZZY, CRASH, APPLICATION = range(4)
_QUALITY = {"fuzzy": FUZZY, "crash": CRASH, "application": APPLICATION}
_AT_LEAST = {
    LESSER: "",
    FUZZY: " that are whole and not suspect",
    CRASH: " that are at least crash-consistent",
    APPLICATION: " that are application-consistent",
}
_Wishes = list[tuple[str, str, Sequence[RecoveryPoint]]]
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the cluster shows of the points, by id.

    ``in_use``: who needs a point right now. ``lost``: points whose snapshots are not seen in the cluster any more.
    """

    in_use: Mapping[str, Sequence[str]]
    lost: Collection[str] = ()


NO_FACTS = Facts({})


@dataclass(frozen=True, slots=True)
class Kept:
    """``keep`` and why; a point to drop has the reason ``no rule keeps it``. ``cut_at``: its last cut, or empty."""

    id: str
    keep: bool
    reasons: tuple[str, ...]
    cut_at: str = ""

    def to_dict(self) -> dict[str, Json]:
        return {"id": self.id, "cut_at": self.cut_at, "keep": self.keep, "reasons": list(self.reasons)}


def retain(
    points: Sequence[RecoveryPoint], rules: Retention, now: dt.datetime, facts: Facts = NO_FACTS
) -> tuple[Kept, ...]:
    """What to keep of the points that are not pruned yet; oldest cut first, whatever the order they were given in.

    Never dropped: the newest, the last good, the last clean and the last verified point, held ones, those in use,
    evidence that nobody released, those younger than ``min_age``, and those whose cut is not known or lies in the
    future of this clock (which take no place of others). Raises nothing.
    """
    there = sorted((point for point in points if not point.pruned), key=_order)
    reasons: dict[str, list[str]] = {point.id: _safeguards(point, rules, now, facts) for point in there}
    dated = [point for point in reversed(there) if point.latest is not None and point.latest <= now]
    quality = {point.id: LESSER if point.id in facts.lost else _quality(point) for point in dated}
    for what, which, chosen in [*_always(dated, quality, rules), *_by_quality(dated, quality, rules)]:
        for point in chosen:
            if not any(reason.startswith(what) for reason in reasons[point.id]):
                reasons[point.id].append(what + which)
    if not rules.any:
        for point in there:
            reasons[point.id].append("no rule is set")
    return tuple(_told(point, reasons[point.id]) for point in there)


def _told(point: RecoveryPoint, why: Sequence[str]) -> Kept:
    cut = rfc3339(point.latest) if point.latest else ""
    return Kept(point.id, bool(why), tuple(why) or ("no rule keeps it",), cut)


def _order(point: RecoveryPoint) -> tuple[dt.datetime, int, str]:
    """By the last cut; equal ones as the ledger has them. Of unknown age is newest: nothing is known to be newer."""
    return point.latest or _LAST, min((s.seq for s in point.statements), default=0), point.id


def _quality(point: RecoveryPoint) -> int:
    """What it is worth, wherever its snapshots are."""
    condemned = point.verdict in (SUSPECT, COMPROMISED)
    if point.captured.get("left_out") or point.forensic or condemned:
        return LESSER
    return _QUALITY.get(point.consistency, FUZZY)


def _safeguards(point: RecoveryPoint, rules: Retention, now: dt.datetime, facts: Facts) -> list[str]:
    found = [f"held for {hold.incident or 'no incident'}: {hold.reason or 'no reason given'}" for hold in point.holds]
    found += [f"in use: {why}" for why in facts.in_use.get(point.id, ())]
    if point.forensic and not any(s.kind == RELEASED for s in point.statements):
        found.append("evidence that nobody released")
    if point.latest is None:
        found.append("its age is not known")
    elif point.latest > now:
        found.append("its cut lies in the future of this clock")
    elif now - point.latest < rules.min_age:
        found.append("younger than min_age")
    return found


def _always(dated: Sequence[RecoveryPoint], quality: Mapping[str, int], rules: Retention) -> _Wishes:
    """What is kept whatever the rules say. ``dated``: newest first."""
    there = [point for point in dated if quality[point.id] > LESSER]
    found: _Wishes = [("the newest point", "", dated[:1])]
    for what, points in (
        ("the last good point", [point for point in dated if _quality(point) > LESSER]),
        ("the last clean point", [point for point in dated if point.verdict == CLEAN]),
        ("the last verified point", [point for point in dated if point.verified]),
    ):
        found += [(what, "", points[:1]), (what, " that is there", [p for p in points if quality[p.id] > LESSER][:1])]
    if rules.min_copies > 1:
        found.append((f"one of the {rules.min_copies} that min_copies asks for", "", there[: rules.min_copies]))
    return found


def _by_quality(dated: Sequence[RecoveryPoint], quality: Mapping[str, int], rules: Retention) -> _Wishes:
    """What the rules want, counted among all points first, then among the better ones alone."""
    found: _Wishes = []
    for lowest, which in _AT_LEAST.items():
        among = [point for point in dated if quality[point.id] >= lowest]
        found += [(what, which, chosen) for what, chosen in _wanted(among, rules)]
    return found


def _wanted(newest_first: Sequence[RecoveryPoint], rules: Retention) -> list[tuple[str, Sequence[RecoveryPoint]]]:
    """What the rules want of these points."""
    return [
        (f"one of the last {rules.keep_last}", newest_first[: rules.keep_last]),
        (f"of one of the last {rules.keep_hourly} hours", _newest_of(newest_first, rules.keep_hourly, "%Y-%m-%dT%H")),
        (f"of one of the last {rules.keep_daily} days", _newest_of(newest_first, rules.keep_daily, "%Y-%m-%d")),
        (f"of one of the last {rules.keep_weekly} weeks", _newest_of(newest_first, rules.keep_weekly, "%G-W%V")),
        (f"of one of the last {rules.keep_monthly} months", _newest_of(newest_first, rules.keep_monthly, "%Y-%m")),
        (f"of one of the last {rules.keep_yearly} years", _newest_of(newest_first, rules.keep_yearly, "%Y")),
    ]


def _newest_of(newest_first: Sequence[RecoveryPoint], count: int, period: str) -> list[RecoveryPoint]:
    """The newest point of each of the last periods (UTC) that have one."""
    found: dict[str, RecoveryPoint] = {}
    for point in newest_first:
        if point.latest is None or len(found) == count:
            break
        found.setdefault(point.latest.astimezone(dt.UTC).strftime(period), point)
    return list(found.values())
