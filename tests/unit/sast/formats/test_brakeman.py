# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brakeman: a severity that it does not state, taken from the weakness and said to be."""

from __future__ import annotations

import pytest


def warning(**more):
    return {
        "warning_type": "SQL Injection",
        "warning_code": 0,
        "fingerprint": "ab" * 32,
        "check_name": "SQL",
        "message": "Possible SQL injection",
        "file": "app/models/user.rb",
        "line": 10,
        "link": "https://brakemanscanner.org/docs/warning_types/sql_injection/",
        "code": "User.where(params[:q])",
        "location": {"type": "method", "class": "User", "method": "named"},
        "confidence": "High",
        "cwe_id": [89],
        **more,
    }


def report(*warnings, **more):
    info = {"brakeman_version": "7.0.0", "checks_performed": ["SQL"], "end_time": "2026-03-01 10:00:09 +0100"}
    return {"scan_info": info, "warnings": list(warnings), "ignored_warnings": [], "errors": [], **more}


def test_a_warning_in_our_words(read):
    seen = read(report(warning()))
    found = seen.one
    assert (seen.scan.tool, seen.scan.tool_version) == ("Brakeman", "7.0.0")
    assert seen.scan.time == "2026-03-01T09:00:09Z", "its way to write a time has a zone"
    assert seen.scan.coverage["rules"] == ["SQL"]
    assert (found.rule, found.rule_name, found.tags) == ("SQL", "SQL Injection", ("warning_code:0",))
    assert (found.severity, found.severity_source) == ("high", "table:cwe_id x confidence")
    assert (found.native, found.confidence) == ("none", "high"), "the tool's word is about confidence only"
    assert (found.path, found.locations[0].line) == ("app/models/user.rb", 10)
    assert found.locations[0].symbol == "User.named"


@pytest.mark.parametrize(
    ("cwe", "kind", "confidence", "severity"),
    [
        ([89], "SQL Injection", "High", "high"),
        ([89], "SQL Injection", "Medium", "high"),
        ([89], "SQL Injection", "Weak", "medium"),
        ([79, 77], "Two", "High", "critical"),
        ([1333], "Denial of Service", "Weak", "low"),
        (None, "Remote Code Execution", "Weak", "high"),
        ([1078], "redirect", "High", "medium"),
        ([], "House Rule", "High", "unknown"),
    ],
)
def test_severity_from_the_weakness(read, cwe, kind, confidence, severity):
    assert read(report(warning(cwe_id=cwe, warning_type=kind, confidence=confidence))).one.severity == severity


def test_ignored_warnings_are_suppressed(read):
    found = read(report(ignored_warnings=[warning(note="reviewed")])).one
    assert (found.state, found.suppressions[0].justification) == ("suppressed", "reviewed")


@pytest.mark.parametrize(
    ("more", "status"),
    [({}, "ok"), ({"errors": [{"error": "e", "location": "l"}]}, "partial"), ({"warnings": None}, "failed")],
)
def test_status(read, more, status):
    assert read(report(**more)).scan.status == status


def test_one_that_says_nothing_is_dropped(read):
    seen = read(report(warning(), warning(check_name=None, warning_type=""), obsolete=["cd" * 32], more=1))
    assert seen.warnings["warning_without_check"] == 1
    assert seen.warnings["ignore_obsolete"] == 1


def test_recognised_by_its_warnings(read):
    assert read({"warnings": [warning()]}).scan.format == "brakeman"
