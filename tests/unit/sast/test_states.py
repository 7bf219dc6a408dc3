# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Suppressions and baselines."""

from __future__ import annotations

import pytest

from .conftest import result


def suppressed(*statuses):
    return result(suppressions=[{"kind": "inSource", **({"status": status} if status else {})} for status in statuses])


@pytest.mark.parametrize(
    ("statuses", "strict", "lenient"),
    [
        (["accepted"], "suppressed", "suppressed"),
        ([None], "suppressed", "suppressed"),
        (["rejected"], "live", "live"),
        (["underReview"], "live", "live"),
        (["accepted", "underReview"], "live", "suppressed"),
        (["accepted", "rejected"], "live", "suppressed"),
        (["accepted", None], "suppressed", "suppressed"),
        (["nonsense"], "live", "live"),
        ([], "live", "live"),
    ],
)
def test_when_suppressions_hide(read_run, statuses, strict, lenient):
    assert read_run(suppressed(*statuses)).one.state == strict
    assert read_run(suppressed(*statuses), options={"suppressions": "lenient"}).one.state == lenient


@pytest.mark.parametrize("odd", [None, "yes", {"kind": "inSource"}, [1], [None], [{}], [{"status": 3}]])
def test_odd_suppressions_never_hide(read_run, odd):
    assert read_run(result(suppressions=odd)).one.state == "live"


def test_an_unreadable_suppression_is_counted(read_run):
    found = read_run(suppressed("nonsense"))
    assert (found.one.suppressions[0].status, found.warnings["suppression_unreadable"]) == ("unreadable", 1)


def test_why_it_was_suppressed_is_kept(read_run):
    entry = {"kind": "external", "status": "accepted", "justification": "not\x1b[31m reachable"}
    found = read_run(result(suppressions=[entry])).one
    assert (found.suppressions[0].kind, found.suppressions[0].justification) == ("external", "not\\u001b[31m reachable")


def test_endless_suppressions_are_cut_and_counted(read_run):
    found = read_run(suppressed(*["accepted"] * 40))
    assert (len(found.one.suppressions), found.truncated["suppressions of findings"]) == (16, (16, 40))


def test_a_suppressed_finding_is_counted_but_not_by_severity(read_run):
    totals = read_run(suppressed("accepted"), result(level="error")).scan.totals
    assert (totals.findings, totals.live, totals.suppressed, sum(totals.by_severity.values())) == (2, 1, 1, 1)
    assert totals.by_native == {"error": 1, "warning": 1}


def test_absent_is_history(read_run):
    found = read_run(*(result(baselineState=state) for state in ("new", "unchanged", "updated", "absent")))
    totals = found.scan.totals
    assert (totals.findings, totals.live, totals.absent) == (4, 3, 1)
    assert totals.by_baseline == {"absent": 1, "new": 1, "unchanged": 1, "updated": 1}


def test_absent_goes_before_suppressed(read_run):
    gone = {**suppressed("accepted"), "baselineState": "absent"}
    assert read_run(gone).one.state == "absent"


def test_baselines_of_only_some_results_are_counted(read_run):
    assert read_run(result(baselineState="new"), result()).warnings["baseline_mixed"] == 1


def test_an_unknown_baseline_is_counted(read_run):
    found = read_run(result(baselineState="gone"))
    assert (found.one.baseline, found.warnings["baseline_unknown"]) == (None, 1)
