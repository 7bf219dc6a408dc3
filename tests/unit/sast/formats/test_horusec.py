# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Horusec: lines as text, decisions as a type, and an analysis that must say that it succeeded."""

from __future__ import annotations

import json

import pytest


def entry(**more):
    inner = {
        "line": "12",
        "column": "3",
        "confidence": "HIGH",
        "file": "cmd/run.go",
        "code": "exec.Command(name)",
        "details": "(1/1) * Possible vulnerability detected: a command CWE-78",
        "securityTool": "GoSec",
        "language": "Go",
        "severity": "HIGH",
        "type": "Vulnerability",
        "commitAuthor": "Somebody",
        "commitEmail": "somebody@example.org",
        "rule_id": "HS-GO-1",
        "vulnHash": "ab" * 32,
        **more,
    }
    return {"vulnerabilityID": "1", "analysisID": "2", "vulnerabilities": inner}


def report(*entries, **more):
    return {
        "version": "v2.8.0",
        "status": "success",
        "errors": "",
        "finishedAt": "2026-03-01T10:02:00Z",
        "analysisVulnerabilities": list(entries),
        **more,
    }


def test_a_vulnerability_in_our_words(read):
    seen = read(report(entry(), repositoryName=""))
    found = seen.one
    assert (seen.scan.tool, seen.scan.tool_version, seen.scan.time) == ("Horusec", "v2.8.0", "2026-03-01T10:02:00Z")
    assert (found.rule, found.severity, found.native, found.confidence) == ("HS-GO-1", "high", "HIGH", "high")
    assert (found.cwe, found.tags) == (("CWE-78",), ("tool:GoSec", "language:Go"))
    assert (found.locations[0].line, found.locations[0].column) == (12, 3)
    assert "example.org" not in json.dumps(found.to_dict()), "authors are not taken over"


@pytest.mark.parametrize("line", ["", "-", None, 0, "many"])
def test_a_line_that_is_none(read, line):
    assert read(report(entry(line=line))).one.locations[0].line is None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Vulnerability", "live"),
        ("False Positive", "suppressed"),
        ("RISK ACCEPTED", "suppressed"),
        ("Corrected", "absent"),
        ("", "live"),
        (None, "live"),
    ],
)
def test_what_a_team_decided(read, word, state):
    assert read(report(entry(type=word))).one.state == state


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "ok"),
        ({"errors": "a tool failed"}, "partial"),
        ({"errors": "a tool failed", "status": "error"}, "partial"),
        ({"status": "error"}, "failed"),
        ({"status": None}, "failed"),
        ({"analysisVulnerabilities": None}, "ok"),
        ({"analysisVulnerabilities": None, "status": "error", "errors": "all failed"}, "failed"),
        ({"analysisVulnerabilities": None, "status": "running"}, "failed"),
        ({"analysisVulnerabilities": {}}, "failed"),
    ],
)
def test_status(read, more, status):
    assert read(report(**more)).scan.status == status


def test_without_rule_its_tool_stands_in(read):
    seen = read(report(entry(rule_id=None), entry(rule_id=None, securityTool="")))
    assert (seen.one.rule, seen.warnings["vulnerability_without_rule"]) == ("GoSec", 1)
