# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SpotBugs: what its corpus does not show: odd shapes, the order of what waits, and counting alone."""

from __future__ import annotations

import pytest


def bug(number=1, inner="", **attributes):
    given = {"type": f"RULE_{number}", "rank": "12", "priority": "2", "category": "SECURITY", **attributes}
    text = "".join(f' {name}="{value}"' for name, value in given.items() if value is not None)
    line = f'<SourceLine sourcepath="a/B.java" start="{number}" end="{number}" primary="true"/>'
    return f"<BugInstance{text}><LongMessage>bad {number}</LongMessage>{line}{inner}</BugInstance>"


def report(*bugs, end="", attributes='version="4.8.6"'):
    return f"<BugCollection {attributes}>{''.join(bugs)}{end}</BugCollection>"


def test_the_order_of_the_report_is_kept_when_some_wait_for_their_pattern(read):
    seen = read(report(bug(1, cweid="89"), bug(2), bug(3, cweid="79"), end='<BugPattern type="RULE_2" cweid="22"/>'))
    assert [found.rule for found in seen.findings] == ["RULE_1", "RULE_2", "RULE_3"]
    assert [found.cwe for found in seen.findings] == [("CWE-89",), ("CWE-22",), ("CWE-79",)]


def test_waiting_costs_no_memory(read):
    seen = read(report(*[bug(number) for number in range(200)]), spool_bytes=1000)
    assert [found.locations[0].line for found in seen.findings[1:]] == list(range(1, 200))


@pytest.mark.parametrize(
    ("rank", "severity"),
    [("0", "unknown"), ("1", "critical"), ("21", "unknown"), ("-3", "unknown"), ("high", "unknown"), (None, "unknown")],
)
def test_a_rank_outside_of_the_scale_is_unknown(read, rank, severity):
    assert read(report(bug(rank=rank))).one.severity == severity


def test_an_instance_without_a_type_is_dropped_and_counted(read):
    seen = read(report(bug(1), bug(2, type=None)))
    assert (seen.scan.totals.results, seen.scan.totals.findings, seen.scan.totals.dropped) == (2, 1, 1)
    assert seen.scan.status == "partial"


@pytest.mark.parametrize(
    "end", ['<Errors errors="2"/>', '<Errors missingClasses="1"/>', "<Errors><Error>x</Error></Errors>"]
)
def test_errors_told_in_any_way_make_it_partial(read, end):
    seen = read(report(bug(1), end=end))
    assert seen.scan.status == "partial"
    assert seen.scan.totals.live == 1


def test_a_reviewers_word_is_a_tag_and_hides_nothing(read):
    found = read(report(bug(1, inner='<UserAnnotation designation="NOT_A_BUG">x</UserAnnotation>'))).one
    assert found.state == "live"
    assert "designation:NOT_A_BUG" in found.tags


@pytest.mark.parametrize("stamp", ["", "0", "soon", "9" * 15, "-5"])
def test_a_time_that_is_none_is_not_guessed(read, stamp):
    assert read(report(bug(1), attributes=f'version="4" analysisTimestamp="{stamp}"')).scan.time is None


def test_places_with_little_said(read):
    method = '<Method classname="a.B" name="go"><SourceLine sourcefile="B.java"/></Method>'
    nothing = '<BugInstance type="R" rank="1" category="SECURITY"/>'
    some = f'<BugInstance type="R" rank="1" category="SECURITY">{method}</BugInstance>'
    first, second = read(report(nothing, some)).findings
    assert first.locations == ()
    assert (second.path, second.locations[0].line, second.locations[0].symbol) == ("B.java", None, "a.B.go")


def test_counting_alone_gives_the_same_totals_also_with_many_kinds_and_beyond_the_cap(read):
    bugs = [bug(number, rank=str(number), last=str(number % 2 - 1)) for number in range(3000)]
    text = report(*bugs)
    assert read(text, totals_only=True).scan.totals == read(text).scan.totals
    capped = read(text, totals_only=True, max_results=2500).scan
    assert (capped.totals.results, capped.totals.findings, capped.totals.dropped) == (3000, 2500, 500)
    assert capped.status == "partial"
    assert read(report(bug(1)), totals_only=True, max_results=0).scan.totals.by_native == {}
