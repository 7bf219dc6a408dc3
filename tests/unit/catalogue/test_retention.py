# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.retention import Facts, retain
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.retention_rules import Retention
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
    cut = "2026-01-01T00:00:00Z"
    assert found[0].to_dict() == {"id": "p1", "cut_at": cut, "keep": False, "reasons": ["no rule keeps it"]}


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
    found = retain(points(1, 2, 3, 4, 5, 6, marks=marks), Retention(keep_last=1), NOW, Facts({"p5": ["restore-1"]}))
    assert kept(found) == ["p1", "p3", "p4", "p5", "p6"]
    assert "held for INC-1: evidence" in why(found, "p1")
    assert "the last clean point" in why(found, "p3")
    assert "the last verified point" in why(found, "p4")
    assert "in use: restore-1" in why(found, "p5")


def test_a_released_point_goes_again():
    marks = [{"held": "p1", "incident": "I"}, {"released": "p1", "incident": "I"}]
    assert kept(retain(points(1, 2, marks=marks), Retention(keep_last=1), NOW)) == ["p2"]


def test_evidence_stays_until_somebody_releases_it():
    evidence = (replace(points(1, purpose="forensic")[0], id="e1"), *points(2, 3))
    assert "evidence that nobody released" in why(retain(evidence, Retention(keep_last=1), NOW), "e1")
    released = points(1, 2, purpose="forensic", marks=[{"held": "p1"}, {"released": "p1"}])
    assert kept(retain(released, Retention(keep_last=1), NOW)) == ["p2"]


def test_a_point_of_unknown_age_is_kept_and_a_pruned_one_is_no_matter():
    ages = fold(world.ledger({"ledger": [{"point": "p1", "at": 1, "volumes": {}}, {"point": "p2", "at": 2}]}))
    assert "its age is not known" in why(retain(ages, Retention(keep_last=1), NOW), "p1")
    assert kept(retain(points(1, 2, marks=[{"pruned": "p1"}]), Retention(keep_last=5), NOW)) == ["p2"]


def test_months_and_years_are_those_of_utc():
    moments = ("2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:30:00+01:00")
    # The first is of 2025 in UTC, the last of 2025.
    found = points(*moments, "2026-01-02T00:00:00Z")
    assert kept(retain(found, Retention(keep_yearly=9), NOW)) == ["p3", "p5"]
    assert kept(retain(found, Retention(keep_monthly=9), NOW)) == ["p2", "p3", "p5"]
    assert "of one of the last 9 months" in why(retain(found, Retention(keep_monthly=9), NOW), "p2")


def test_a_week_is_an_iso_week_also_around_new_year():
    found = points("2025-12-28T12:00:00Z", "2025-12-29T12:00:00Z", "2026-01-01T12:00:00Z", "2026-01-05T12:00:00Z")
    assert kept(retain(found, Retention(keep_weekly=3), NOW)) == ["p1", "p3", "p4"]


def test_the_order_is_that_of_the_cuts_whatever_the_ledger_says():
    shuffled = points(3, 1, 2)
    assert kept(retain(shuffled, Retention(keep_last=1), NOW)) == ["p1"]
    assert [row.id for row in retain(shuffled, Retention(keep_last=1), NOW)] == ["p2", "p3", "p1"]
    again = list(shuffled)
    random.Random(4).shuffle(again)
    assert retain(again, Retention(keep_daily=2), NOW) == retain(shuffled, Retention(keep_daily=2), NOW)


def test_a_point_of_the_future_is_kept_and_takes_no_place():
    found = retain(points(1, 2, "2027-06-01T00:00:00Z"), Retention(keep_last=1), NOW)
    assert kept(found) == ["p2", "p3"]
    assert why(found, "p3") == "its cut lies in the future of this clock"
    assert "the newest point" in why(found, "p2")


def test_a_lesser_point_never_pushes_out_a_better_one():
    good, fuzzy = points(1, consistency="application"), points(*range(2, 8), consistency="fuzzy")
    mixed = (*good, *(replace(p, id=f"f{n}") for n, p in enumerate(fuzzy)))
    found = retain(mixed, Retention(keep_last=3, keep_daily=3), NOW)
    assert kept(found) == ["p1", "f3", "f4", "f5"]
    assert why(found, "p1") == (
        "one of the last 3 that are at least crash-consistent; of one of the last 3 days that are at least "
        "crash-consistent"
    )


@pytest.mark.parametrize("lesser", [{"left_out": [{"claim": "x", "reason": "y"}]}, {"purpose": "forensic"}])
def test_neither_do_partial_points_nor_evidence(lesser):
    there = [*points(1, 2), *(replace(p, captured={**p.captured, **lesser}, id=f"x{p.id}") for p in points(3, 4))]
    found = retain(there, Retention(keep_last=2), NOW)
    assert kept(found) == ["p1", "p2", "xp1", "xp2"]
    assert "the last good point" in why(found, "p2")
    assert "that are whole and not suspect" in why(found, "p1")


def test_neither_do_suspect_points_nor_those_that_the_cluster_lost():
    marks = [{"judged": "p3", "verdict": "compromised"}]
    found = retain(points(1, 2, 3, 4, marks=marks), Retention(keep_last=1), NOW, Facts({}, lost={"p4"}))
    assert kept(found) == ["p2", "p4"]
    assert "the last good point that is there" in why(found, "p2")
    assert why(found, "p4") == "the newest point; the last good point; one of the last 1"


def test_the_last_clean_and_verified_points_are_those_that_are_there():
    marks = [{"judged": "p1", "verdict": "clean"}, {"judged": "p2", "verdict": "clean"}, {"drilled": "p2"}]
    marks += [{"drilled": "p1", "passed": True}, {"drilled": "p2", "passed": True}]
    found = retain(points(1, 2, 3, 4, marks=marks), Retention(keep_last=1), NOW, Facts({}, lost={"p2"}))
    assert kept(found) == ["p1", "p2", "p4"]
    assert why(found, "p1") == "the last clean point that is there; the last verified point that is there"


def test_min_copies_counts_good_points_only_and_is_no_rule():
    there = points(1, 2, 3, 4, 5)
    assert kept(retain(there, Retention(min_copies=3, keep_last=1), NOW)) == ["p3", "p4", "p5"]
    lost = Facts({}, lost={"p5", "p4"})
    assert kept(retain(there, Retention(min_copies=2, keep_last=1), NOW, lost)) == ["p2", "p3", "p5"]
    assert "min_copies asks for" in why(retain(there, Retention(min_copies=2, keep_last=1), NOW, lost), "p2")
    assert len(kept(retain(there, Retention(min_copies=3), NOW))) == 5
    assert len(kept(retain(there, Retention(min_age=dt.timedelta(days=1)), NOW))) == 5


def test_rules_are_read_from_a_dictionary():
    rules = Retention.from_dict({"keep_last": "3", "keep_daily": 7, "keep_yearly": 2, "min_age": "1d12h"})
    assert (rules.keep_last, rules.keep_daily, rules.min_age) == (3, 7, dt.timedelta(hours=36))
    assert (rules.keep_yearly, rules.min_copies, rules.any) == (2, 1, True)
    assert not Retention.from_dict(None).any


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"keep": 3}, "keys that nothing reads"),
        ({"keep_last": -1}, "keep_last is not a number"),
        ({"keep_last": True}, "keep_last is not a number"),
        ({"keep_last": "many"}, "keep_last is not a number"),
        ({"min_age": "old"}, "min_age is not a span"),
        ([], "not a dictionary"),
        ("keep_last=3", "not a dictionary"),
        ({"keep_last": 1.5}, "keep_last is not a number"),
        ({"keep_last": "1_000"}, "keep_last is not a number"),
        ({"keep_last": "\u0663"}, "keep_last is not a number"),
        ({"keep_last": [1]}, "keep_last is not a number"),
        ({"keep_last": ""}, "keep_last is not a number"),
        ({"keep_hourly": 10**30}, "keep_hourly is not a number"),
        ({"keep_monthly": "9" * 5000}, "keep_monthly is not a number"),
        ({"keep_yearly": -1}, "keep_yearly is not a number"),
        ({"min_copies": 0}, "min_copies is not a number from 1 on"),
        ({"min_copies": "-1"}, "min_copies is not a number"),
        ({"min_age": "-1d"}, "min_age is not a span"),
        ({"min_age": "101w52w9999w"}, "longer than 100 years"),
        ({"min_age": True}, "min_age is not a span"),
        ({1: 2, "keep_last": 1}, "keys that nothing reads"),
    ],
)
def test_each_bad_value_is_one_clear_error(data, message):
    with pytest.raises(BadInput, match=message):
        Retention.from_dict(data)
