# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""RuboCop: a linter of which only the department Security weighs, and whose word is a default."""

from __future__ import annotations

import pytest


def offense(cop="Security/Eval", severity="convention", **more):
    place = {"start_line": 4, "start_column": 3, "last_line": 5, "last_column": 9, "line": 4, "column": 3}
    return {"severity": severity, "message": "text", "cop_name": cop, "corrected": False, "location": place, **more}


def report(*offenses, **summary):
    return {
        "metadata": {"rubocop_version": "1.70.0"},
        "files": [{"path": "app/a.rb", "offenses": list(offenses)}],
        "summary": {"target_file_count": 1, "inspected_file_count": 1, **summary},
    }


@pytest.mark.parametrize(
    ("cop", "word", "severity"),
    [
        ("Security/Eval", "convention", "high"),
        ("Security/Open", "error", "high"),
        ("Security/Open", "refactor", "medium"),
        ("Security/Open", "info", "low"),
        ("Security/Open", "loud", "unknown"),
        ("Lint/Debugger", "error", "low"),
        ("Style/Quotes", "convention", "info"),
        ("Style/Quotes", None, "unknown"),
    ],
)
def test_severity(read, cop, word, severity):
    assert read(report(offense(cop, word))).one.severity == severity


def test_an_offense_in_our_words(read):
    seen = read(report(offense()))
    found = seen.one
    assert (seen.scan.format, seen.scan.tool_version, seen.scan.coverage["artifacts"]) == ("rubocop", "1.70.0", 1)
    assert (found.rule, found.native, found.cwe) == ("Security/Eval", "convention", ("CWE-95",))
    place = found.locations[0]
    assert (place.path, place.line, place.column, place.end_line, place.end_column) == ("app/a.rb", 4, 3, 5, 9)


def test_a_file_with_very_many_offenses_loses_none(read):
    given = report(*(offense() for _number in range(3000)))
    assert read(given, window=20_000).scan.totals.findings == 3000


def test_places_of_old_versions(read):
    assert read(report(offense(location={"line": 8, "column": 2}))).one.locations[0].line == 8


@pytest.mark.parametrize("cop", ["Lint/Syntax", "Syntax"])
def test_a_file_with_a_syntax_error_was_not_inspected(read, cop):
    seen = read(report(offense(cop, "fatal")))
    assert (seen.findings, seen.warnings["file_not_parsed"], seen.scan.status) == ([], 1, "partial")


def test_what_was_corrected_is_history(read):
    assert read(report(offense(corrected=True))).one.state == "absent"


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (report(), "ok"),
        (report(target_file_count=9), "partial"),
        ({**report(target_file_count=0, inspected_file_count=0), "files": []}, "empty"),
        ({**report(), "files": None}, "failed"),
        ({**report(), "files": [{"path": "a.rb"}]}, "partial"),
        ({**report(), "summary": None}, "ok"),
    ],
)
def test_status(read, given, status):
    assert read(given).scan.status == status


def test_an_offense_without_a_cop_is_dropped(read):
    assert read(report(offense(), offense(None))).warnings["offense_without_cop"] == 1


def test_recognised_by_its_files(read):
    given = {**report(offense()), "more": 1}
    del given["metadata"]
    assert read(given).scan.format == "rubocop"
