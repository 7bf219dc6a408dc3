# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What retention promises, tried on made up ledgers: a thousand here, KNOWNGOOD_RETENTION_CASES=100000 in full."""

from __future__ import annotations

import datetime as dt
import os
import random
from dataclasses import replace

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.retention import Facts, retain
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.retention_rules import Retention
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import rfc3339
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import Hold, RecoveryPoint, Statement

CASES = int(os.environ.get("KNOWNGOOD_RETENTION_CASES", "1000"))
SEEDS = 10
NOW = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
COUNTS = ("keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
# Cuts lie close together, or years apart, and some in the future: periods are shared and crossed.
AGES_H = (0.1, 0.5, 1, 5, 23, 25, 24 * 6, 24 * 30, 24 * 400)


def statement(kind: str, seq: int, **body: object) -> Statement:
    return Statement("shop/shop", seq, kind, "p", "", "", f"{kind}{seq}", body, "", "")


def point(chance: random.Random, number: int) -> RecoveryPoint:
    age = dt.timedelta(hours=chance.choice(AGES_H) * chance.uniform(-0.05, 8))
    cut = {} if chance.random() < 0.03 else {"data": rfc3339(NOW - age)}
    marks = [statement("captured", number)]
    marks += [statement("drilled", 1000 + number, passed=chance.random() < 0.7)] if chance.random() < 0.2 else []
    marks += [statement("released", 2000 + number)] if chance.random() < 0.3 else []
    captured = {
        "cut_at": cut,
        "consistency": chance.choice(["application", "crash", "crash", "fuzzy"]),
        "purpose": chance.choice(["scheduled"] * 6 + ["forensic"]),
        "left_out": [{"claim": "log", "reason": "not CSI"}] if chance.random() < 0.15 else [],
    }
    verdict = chance.choice([None, None, None, "clean", "unverified", "exposed", "suspect", "compromised"])
    holds = (Hold("INC-1", "look", ""),) if chance.random() < 0.08 else ()
    judged = {"verdict": verdict} if verdict else None
    pruned = "2026-01-01T00:00:00Z" if chance.random() < 0.05 else ""
    return RecoveryPoint(f"p{number}", captured, holds, judged, pruned, tuple(marks))


def rules_of(chance: random.Random) -> Retention:
    counts = {name: chance.choice([0, 0, 1, 2, 3, 7]) for name in COUNTS}
    age = dt.timedelta(hours=chance.choice([0, 0, 1, 24, 24 * 60]))
    return Retention(**counts, min_copies=chance.choice([1, 1, 2, 4]), min_age=age)


def more_than(chance: random.Random, rules: Retention) -> Retention:
    """Rules that ask for at least as much."""
    more = {name: getattr(rules, name) + chance.choice([0, 1, 4]) for name in COUNTS if getattr(rules, name)}
    age = rules.min_age + dt.timedelta(hours=chance.choice([0, 3, 300]))
    return replace(rules, **more, min_copies=rules.min_copies + chance.choice([0, 1]), min_age=age)


def good(candidate: RecoveryPoint) -> bool:
    condemned = candidate.verdict in ("suspect", "compromised")
    return not (condemned or candidate.captured["left_out"] or candidate.forensic)


def newest(points: list[RecoveryPoint]) -> str:
    """The id with the last cut that lies not in the future; empty for none. The ledger settles a tie."""
    dated = [(p.latest, p.statements[0].seq, p.id) for p in points if p.latest and p.latest <= NOW]
    return max(dated)[2] if dated else ""


def must_stay(points: list[RecoveryPoint], rules: Retention, facts: Facts) -> set[str]:
    """Said anew, in other words than the planner's: what may never be lost."""
    stay = {p.id for p in points if p.holds or p.id in facts.in_use or p.latest is None}
    stay |= {p.id for p in points if p.latest and NOW - p.latest < max(rules.min_age, dt.timedelta(0))}
    stay |= {p.id for p in points if p.latest and p.latest > NOW}
    stay |= {p.id for p in points if p.forensic and all(s.kind != "released" for s in p.statements)}
    usable = [p for p in points if good(p) and p.id not in facts.lost]
    stay.add(newest([p for p in points if good(p)]))
    for among in (points, usable):
        stay.add(newest(among))
        stay.add(newest([p for p in among if p.verdict == "clean"]))
        stay.add(newest([p for p in among if p.verified]))
    copies: set[str] = set()
    while len(copies) < min(rules.min_copies, len(usable)):
        copies.add(newest([p for p in usable if p.id not in copies]) or "none is dated")
        if "none is dated" in copies:
            break
    return (stay | copies) - {"", "none is dated"}


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_the_rules_say_nothing_that_matters_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    for case in range(CASES // SEEDS):
        points = [point(chance, number) for number in range(chance.randrange(13))]
        rules, where = rules_of(chance), f"seed {seed}, case {case}"
        in_use = {p.id: ["restore-1"] for p in points if chance.random() < 0.1}
        facts = Facts(in_use, {p.id for p in points if chance.random() < 0.1})
        there = [p for p in points if not p.pruned]

        found = retain(points, rules, NOW, facts)

        keep = {row.id for row in found if row.keep}
        assert {row.id for row in found} == {p.id for p in there}, where
        assert all(row.reasons for row in found), where
        assert must_stay(there, rules, facts) <= keep, where
        mixed = chance.sample(points, len(points))
        assert retain(mixed, rules, NOW, facts) == found, f"{where}: the order of the points matters"
        left = [p for p in points if p.id in keep]
        again = {row.id for row in retain(left, rules, NOW, facts) if row.keep}
        assert again == keep, f"{where}: planning again drops more"
        if rules.any:
            wider = {row.id for row in retain(points, more_than(chance, rules), NOW, facts) if row.keep}
            assert keep <= wider, f"{where}: more rules keep less"
