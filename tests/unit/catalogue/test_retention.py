# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.retention import Retention, retain
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import RecoveryPoint, fold

from . import world

NOW = dt.datetime(2026, 1, 31, tzinfo=dt.UTC)


def points(*days: float | str, marks: list[dict] | None = None, **more) -> tuple[RecoveryPoint, ...]:
    """One point a day (a number of January) or moment, named p1, p2, ... in this order."""
    ledger = []
    for number, day in enumerate(days, start=1):
        moment = day if isinstance(day, str) else f"2026-01-{int(day):02d}T{round(day % 1 * 24):02d}:00:00Z"
        ledger.append({"point": f"p{number}", "at": moment, **more})
    return fold(world.ledger({"ledger": ledger + (marks or [])}))


def kept(found) -> list[str]:
    return [row.id for row in found if row.keep]


def why(found, name: str) -> str:
    return "; ".join(next(row.reasons for row in found if row.id == name))


def test_without_rules_everything_is_kept():
    found = retain(points(1, 2, 3), Retention(), NOW)
    assert kept(found) == ["p1", "p2", "p3"]
    assert "no rule is set" in why(found, "p1")


def test_the_last_ones_are_kept_and_the_rest_goes_with_a_reason():
    found = retain(points(1, 2, 3, 4), Retention(keep_last=2), NOW)
    assert kept(found) == ["p3", "p4"]
    assert found[0].to_dict() == {"id": "p1", "keep": False, "reasons": ["no rule keeps it"]}


def test_the_newest_of_each_hour_day_and_week():
    times = points(5, 5.25, 6, 6.5, 13, 20)
    assert kept(retain(times, Retention(keep_daily=3), NOW)) == ["p4", "p5", "p6"]
    assert kept(retain(times, Retention(keep_weekly=3), NOW)) == ["p4", "p5", "p6"]
    assert kept(retain(times, Retention(keep_weekly=2), NOW)) == ["p5", "p6"]
    assert kept(retain(times, Retention(keep_hourly=4), NOW)) == ["p3", "p4", "p5", "p6"]


def test_young_points_are_kept():
    assert kept(retain(points(1, 29, 30), Retention(keep_last=1, min_age=dt.timedelta(days=3)), NOW)) == ["p2", "p3"]


def test_held_clean_verified_and_used_points_are_never_dropped():
    marks = [
        {"held": "p1", "incident": "INC-1", "reason": "evidence"},
        {"judged": "p2", "verdict": "clean"},
        {"judged": "p3", "verdict": "clean"},
        {"judged": "p6", "verdict": "exposed"},
        {"drilled": "p4", "passed": True},
    ]
    found = retain(points(1, 2, 3, 4, 5, 6, marks=marks), Retention(keep_last=1), NOW, in_use=["p5"])
    assert kept(found) == ["p1", "p3", "p4", "p5", "p6"]
    assert "held for INC-1: evidence" in why(found, "p1")
    assert "the last clean point" in why(found, "p3")
    assert "the last verified point" in why(found, "p4")
    assert "in use" in why(found, "p5")


def test_a_released_point_goes_again():
    marks = [{"held": "p1", "incident": "I"}, {"released": "p1", "incident": "I"}]
    assert kept(retain(points(1, 2, marks=marks), Retention(keep_last=1), NOW)) == ["p2"]


def test_evidence_stays_until_somebody_releases_it():
    evidence = points(1, purpose="forensic") + points(2, 3)
    assert "evidence that nobody released" in why(retain(evidence, Retention(keep_last=1), NOW), "p1")
    released = points(1, 2, purpose="forensic", marks=[{"held": "p1"}, {"released": "p1"}])
    assert kept(retain(released, Retention(keep_last=1), NOW)) == ["p2"]


def test_a_point_of_unknown_age_is_kept_and_a_pruned_one_is_no_matter():
    ages = fold(world.ledger({"ledger": [{"point": "p1", "at": 1, "volumes": {}}, {"point": "p2", "at": 2}]}))
    assert "its age is not known" in why(retain(ages, Retention(keep_last=1), NOW), "p1")
    assert kept(retain(points(1, 2, marks=[{"pruned": "p1"}]), Retention(keep_last=5), NOW)) == ["p2"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=12),
    st.builds(
        Retention,
        keep_last=st.integers(0, 4),
        keep_hourly=st.integers(0, 3),
        keep_daily=st.integers(0, 3),
        keep_weekly=st.integers(0, 3),
    ),
    st.lists(st.integers(1, 12), max_size=3),
)
def test_whatever_the_rules_say(days, rules, clean):
    there = points(*sorted(days), marks=[{"judged": f"p{n}", "verdict": "clean"} for n in clean if n <= len(days)])
    found = retain(there, rules, NOW)
    assert [row.id for row in found] == [point.id for point in there]
    assert found[-1].keep
    if any(n <= len(days) for n in clean):
        assert {f"p{max(n for n in clean if n <= len(days))}"} <= set(kept(found))
    assert len(kept(found)) >= min(len(days), rules.keep_last)
    pruned = tuple(p for p, row in zip(there, found, strict=True) if row.keep)
    assert kept(retain(pruned, rules, NOW)) == [point.id for point in pruned], "pruning twice drops nothing more"


def test_rules_are_read_from_a_dictionary():
    rules = Retention.from_dict({"keep_last": "3", "keep_daily": 7, "min_age": "1d12h"})
    assert (rules.keep_last, rules.keep_daily, rules.min_age) == (3, 7, dt.timedelta(hours=36))
    for data, message in (
        ({"keep": 3}, "keys that nothing reads"),
        ({"keep_last": -1}, "keep_last is not a number"),
        ({"keep_last": True}, "keep_last is not a number"),
        ({"keep_last": "many"}, "keep_last is not a number"),
        ({"min_age": "old"}, "min_age is not a span"),
        ([], "not a dictionary"),
    ):
        with pytest.raises(BadInput, match=message):
            Retention.from_dict(data)
