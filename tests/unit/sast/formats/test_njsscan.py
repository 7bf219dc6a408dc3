# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""njsscan: findings below their rules, and rules that report what is missing everywhere."""

from __future__ import annotations

import pytest


def rule(*files, **meta):
    return {"files": list(files), "metadata": {"cwe": "CWE-78: OS Command", "description": "bad", **meta}}


def match(**more):
    return {
        "file_path": "/src/app.js",
        "match_lines": [8, 10],
        "match_position": [3, 20],
        "match_string": "exec(x)",
        **more,
    }


def report(nodejs=None, templates=None, **more):
    return {"errors": [], "njsscan_version": "0.4.3", "nodejs": nodejs or {}, "templates": templates or {}, **more}


@pytest.mark.parametrize(
    ("word", "severity"),
    [("ERROR", "high"), ("warning", "medium"), ("INFO", "low"), ("CRITICAL", "unknown"), (None, "unknown")],
)
def test_severity_words(read, word, severity):
    assert read(report({"r": rule(match(), severity=word)})).one.severity == severity


def test_a_match_in_our_words(read):
    seen = read(report({"r": rule(match(), match(match_lines=[4, 4]), owasp="M1")}, files=["a", "b"]))
    first, second = seen.findings
    assert (seen.scan.format, seen.scan.tool_version, seen.scan.coverage["artifacts"]) == ("njsscan", "0.4.3", 2)
    assert (first.rule, first.message, first.cwe, first.tags) == ("r", "bad", ("CWE-78",), ("M1",))
    place = first.locations[0]
    assert (place.line, place.end_line, place.column, place.end_column) == (8, 10, 3, None)
    assert second.locations[0].end_column == 20


def test_something_missing_everywhere_is_a_finding_without_a_place(read):
    found = read(report({"no_helmet": {"metadata": {"severity": "WARNING"}}})).one
    assert (found.rule, found.locations) == ("no_helmet", ())


def test_places_of_strange_shapes(read):
    found = read(report({"r": rule(match(match_lines="8", match_position=None))})).one
    assert (found.locations[0].line, found.path) == (None, "/src/app.js")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (report(), "ok"),
        (report(errors=[{"message": "Syntax error", "path": "a.js"}]), "partial"),
        (report(errors=["broken"]), "partial"),
        ({"njsscan_version": "1", "nodejs": None}, "failed"),
        ({"njsscan_version": "1", "templates": {}, "more": 1}, "ok"),
    ],
)
def test_status(read, given, status):
    assert read(given).scan.status == status


def test_a_rule_that_says_nothing_is_dropped(read):
    seen = read(report({"r": None, "s": rule(match())}))
    assert (seen.one.rule, seen.warnings["rule_without_content"]) == ("s", 1)
