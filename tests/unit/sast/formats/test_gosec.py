# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gosec: two axes of the same words, code that did not compile, and suppressions of which only a number is left."""

from __future__ import annotations

import pytest


def issue(**more):
    return {
        "severity": "MEDIUM",
        "confidence": "HIGH",
        "cwe": {"id": "22", "url": "https://cwe.mitre.org/data/definitions/22.html"},
        "rule_id": "G304",
        "details": "Potential file inclusion via variable",
        "file": "/src/shop/read.go",
        "code": "8: os.Open(name)",
        "line": "8-9",
        "column": "12",
        **more,
    }


def report(*issues, **more):
    stats = {"files": 2, "lines": 90, "nosec": 0, "found": len(issues)}
    return {"Golang errors": {}, "Issues": list(issues), "Stats": stats, "GosecVersion": "2.22.1", **more}


def test_an_issue_in_our_words(read):
    seen = read(report(issue()), source_root="/src/shop")
    found = seen.one
    assert (seen.scan.format, seen.scan.tool_version, seen.scan.coverage["artifacts"]) == ("gosec", "2.22.1", 2)
    assert (found.severity, found.severity_source, found.native) == ("medium", "severity", "MEDIUM")
    assert (found.confidence, found.cwe, found.rule) == ("high", ("CWE-22",), "G304")
    place = found.locations[0]
    assert (place.path, place.line, place.end_line, place.column) == ("read.go", 8, 9, 12)


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "ok"),
        ({"Golang errors": {"a.go": [{"error": "undeclared name"}]}}, "partial"),
        ({"Golang errors": {"a.go": None}}, "partial"),
        ({"Stats": {"files": 0}}, "empty"),
        ({"Stats": {"files": 0}, "Golang errors": {"a.go": []}}, "failed"),
        ({"Stats": {"files": 2, "found": 5}}, "partial"),
        ({"Stats": {"files": 2, "found": 5, "nosec": 5}}, "ok"),
        ({"Stats": None}, "ok"),
        ({"Issues": None}, "failed"),
    ],
)
def test_status(read, more, status):
    assert read(report(**more)).scan.status == status


@pytest.mark.parametrize(
    ("more", "state", "kind"),
    [
        ({}, "live", None),
        ({"nosec": True}, "suppressed", "inSource"),
        ({"suppressions": [{"kind": "external", "justification": "excluded"}]}, "suppressed", "external"),
        ({"suppressions": [{"kind": "strange"}]}, "suppressed", "inSource"),
        ({"suppressions": "all"}, "live", None),
    ],
)
def test_suppressions(read, more, state, kind):
    seen = read(report(issue(**more), Stats={"files": 1, "found": 1}))
    assert seen.one.state == state
    assert [entry.kind for entry in seen.one.suppressions] == ([kind] if kind else [])
    assert seen.scan.status == "ok", "versions differ in whether what is suppressed counts as found"


def test_hidden_code_is_told(read):
    seen = read(report(Stats={"files": 1, "found": 0, "nosec": 3}))
    assert {"code": "hidden_suppressions", "count": 1, "first": "3"}.items() <= seen.scan.warnings[1].items()


def test_an_issue_without_a_rule_is_dropped(read):
    seen = read(report(issue(), issue(rule_id=None), 3))
    assert (seen.scan.totals.findings, seen.warnings["issue_without_rule"]) == (1, 2)


def test_recognised_without_errors(read):
    given = report(issue())
    del given["Golang errors"]
    assert read(given).scan.format == "gosec"
