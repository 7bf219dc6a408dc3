# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverity: the impact is the severity, a merge key is shared by occurrences, and triage hides."""

from __future__ import annotations

import pytest


def issue(**more):
    return {
        "mergeKey": "72bfbba76f98b46f51cf6645c43e836d",
        "occurrenceCountForMK": 1,
        "occurrenceNumberInMK": 1,
        "checkerName": "SQLI",
        "mainEventFilePathname": "/build/shop/src/Db.java",
        "strippedMainEventFilePathname": "src/Db.java",
        "mainEventLineNumber": 12,
        "mainEventColumnNumber": 9,
        "functionDisplayName": "Db.load",
        "events": [
            {"main": False, "eventDescription": "Reading user data."},
            {"main": True, "eventDescription": "Passing it to the database."},
        ],
        "stateOnServer": None,
        "localTriage": None,
        "checkerProperties": {
            "category": "High impact security",
            "cweCategory": "89",
            "impact": "High",
            "issueKinds": ["SECURITY"],
            "subcategoryShortDescription": "SQL injection",
            "subcategoryLongDescription": "A query is made of user data.",
        },
        **more,
    }


def report(*issues, **more):
    return {
        "type": "Coverity issues",
        "formatVersion": 10,
        "suppressedIssueCount": 0,
        "issues": list(issues),
        "desktopAnalysisSettings": None,
        "error": None,
        "warnings": [],
        **more,
    }


def checker(**more):
    return issue(checkerProperties={**issue()["checkerProperties"], **more})


def test_an_issue_in_our_words(read):
    seen = read(report(issue(), desktopAnalysisSettings={"analysisDateTime": "2026-03-01T12:00:00+00:00"}))
    scan, found = seen.scan, seen.one
    assert (scan.format, scan.format_version, scan.tool, scan.time) == (
        "coverity",
        "10",
        "Coverity",
        "2026-03-01T12:00:00Z",
    )
    assert (found.rule, found.rule_name, found.message) == ("SQLI", "SQL injection", "Passing it to the database.")
    assert (found.severity, found.severity_source, found.native) == ("high", "checkerProperties.impact", "High")
    assert (found.cwe, found.fingerprints) == (("CWE-89",), {"mergeKey": "72bfbba76f98b46f51cf6645c43e836d"})
    place = found.locations[0]
    assert (place.path, place.line, place.column, place.symbol) == ("src/Db.java", 12, 9, "Db.load")
    assert found.tags == ("High impact security", "SECURITY")


@pytest.mark.parametrize(
    ("impact", "severity", "kind"),
    [
        ("Medium", "medium", "fail"),
        ("Low", "low", "fail"),
        ("Audit", "info", "review"),
        ("Other", "unknown", "fail"),
        (None, "unknown", "fail"),
    ],
)
def test_impacts(read, impact, severity, kind):
    found = read(report(checker(impact=impact))).one
    assert (found.severity, found.kind) == (severity, kind)


def test_occurrences_of_one_merge_key_are_findings_of_their_own(read):
    seen = read(report(issue(), issue(occurrenceNumberInMK=2, mainEventLineNumber=40)))
    assert (seen.scan.totals.live, seen.scan.totals.merged) == (2, 0)
    assert seen.findings[0].id != seen.findings[1].id


def triaged(server=None, local=None, **more):
    return issue(
        stateOnServer={"cid": 1, "triage": {"classification": server}, **more} if server else None,
        localTriage={"classification": local} if local else None,
    )


@pytest.mark.parametrize(
    ("server", "local", "state"),
    [
        ("False Positive", None, "suppressed"),
        ("Intentional", None, "suppressed"),
        ("Unclassified", None, "live"),
        ("Bug", None, "live"),
        ("Bug", "Intentional", "suppressed"),
        ("False Positive", "Bug", "live"),
        ("False Positive", "Unclassified", "suppressed"),
    ],
)
def test_triage(read, server, local, state):
    assert read(report(triaged(server, local))).one.state == state


@pytest.mark.parametrize(("present", "baseline"), [(True, "unchanged"), (False, "new"), (None, None)])
def test_the_snapshot_that_it_was_compared_with(read, present, baseline):
    assert read(report(triaged("Bug", presentInReferenceSnapshot=present))).one.baseline == baseline


def test_what_says_that_something_is_missing(read):
    assert read(report()).scan.status == "ok"
    assert read(report(error={"message": "license expired"})).scan.status == "failed"
    partial = read(report(warnings=["could not emit b.c"]))
    assert (partial.scan.status, "could not emit b.c" in partial.scan.status_reasons[0]) == ("partial", True)
    assert read({**report(), "issues": None}).scan.status == "failed"
    assert read(report(suppressedIssueCount=4)).warnings == {"suppressed_not_listed": 1, "commit_unknown": 1}


def test_older_versions_say_less(read):
    old = issue(checkerProperties=None, events=None, strippedMainEventFilePathname=None)
    seen = read({"issues": [old]})
    assert (seen.one.severity, seen.one.severity_source, seen.one.message) == ("unknown", "none", "SQLI")
    assert seen.one.path == "/build/shop/src/Db.java"


def test_one_without_a_checker_is_dropped(read):
    assert read(report(issue(checkerName=None))).scan.totals.dropped == 1


@pytest.mark.parametrize("odd", [None, 3, "x", [], [3], {"a": 1}])
@pytest.mark.parametrize("name", ["events", "checkerProperties", "stateOnServer", "localTriage", "mergeKey"])
def test_wrong_types_are_nothing(read, name, odd):
    assert read(report(issue(**{name: odd}))).scan.totals.live == 1
