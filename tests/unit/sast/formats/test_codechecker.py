# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CodeChecker: one hash at several places is several findings, and a review that says so hides."""

from __future__ import annotations

import pytest


def entry(**more):
    return {
        "file": {"id": "/src/push.c", "path": "src/push.c", "original_path": "/src/push.c"},
        "line": 576,
        "column": 20,
        "message": "comparison of integers of different signs",
        "checker_name": "clang-diagnostic-sign-compare",
        "severity": "MEDIUM",
        "report_hash": "d5e8aec375bc1d89630e5e848b442109",
        "analyzer_name": "clang-tidy",
        "category": "clang",
        "type": None,
        "source_code_comments": [],
        "review_status": "unreviewed",
        "bug_path_events": [],
        **more,
    }


def report(*entries):
    return {"version": 1, "reports": list(entries)}


def test_a_report_in_our_words(read):
    seen = read(report(entry()))
    found = seen.one
    assert (seen.scan.format, seen.scan.format_version, seen.scan.tool) == ("codechecker", "1", "CodeChecker")
    assert (found.rule, found.severity, found.severity_source) == (
        "clang-diagnostic-sign-compare",
        "medium",
        "severity",
    )
    assert (found.path, found.locations[0].line, found.locations[0].column) == ("src/push.c", 576, 20)
    assert found.fingerprints == {"report_hash": "d5e8aec375bc1d89630e5e848b442109"}
    assert found.tags == ("clang-tidy", "clang")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("CRITICAL", "critical"),
        ("HIGH", "high"),
        ("LOW", "low"),
        ("STYLE", "info"),
        ("UNSPECIFIED", "unknown"),
        (None, "unknown"),
    ],
)
def test_severity_words(read, word, severity):
    assert read(report(entry(severity=word))).one.severity == severity


def test_one_hash_at_two_places_is_two_findings(read):
    seen = read(report(entry(), entry(line=600)))
    assert (seen.scan.totals.live, seen.scan.totals.merged) == (2, 0)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("false_positive", "suppressed"),
        ("intentional", "suppressed"),
        ("confirmed", "live"),
        ("unreviewed", "live"),
        (None, "live"),
    ],
)
def test_reviews(read, status, state):
    assert read(report(entry(review_status=status))).one.state == state


def test_a_comment_in_the_source(read):
    commented = entry(review_status="intentional", source_code_comments=[{"message": "wraps on purpose"}])
    suppression = read(report(commented)).one.suppressions[0]
    assert (suppression.kind, suppression.justification) == ("inSource", "intentional: wraps on purpose")
    assert read(report(entry(review_status="intentional"))).one.suppressions[0].kind == "external"


def test_clean_and_broken(read):
    assert read(report()).scan.status == "ok"
    assert read({"version": 1, "reports": None}).scan.status == "failed"
    assert read(report(entry(), entry(checker_name=None))).scan.totals.dropped == 1


@pytest.mark.parametrize("odd", [None, 3, "x", [], [3], {"a": 1}])
@pytest.mark.parametrize("name", ["file", "line", "source_code_comments", "report_hash", "message"])
def test_wrong_types_are_nothing(read, name, odd):
    assert read(report(entry(**{name: odd, "review_status": "intentional"}))).scan.totals.suppressed == 1
