# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pipeline's task: reports of several tools, compared, waived, gated and written, through Ansible. No cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.doors import Call, play

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "sast"
SQL = {
    "rule": "python.django.security.sql-injection",
    "message": "The query is put together from a parameter. {{ lookup('pipe', 'touch PWNED') }}",
    "severity": "high",
    "path": "orders/app.py",
    "line": 12,
    "cwe": "CWE-89",
}


def report(path: Path, *findings: dict[str, Any], status: str = "ok") -> str:
    document = {"knowngood": 1, "tool": {"name": "Reviewer", "version": "1"}, "status": status, "findings": findings}
    path.write_text(json.dumps(document))
    return str(path)


def test_a_pipeline_reads_compares_waives_gates_and_writes(tmp_path: Path) -> None:
    before = report(tmp_path / "before.json")
    now = report(tmp_path / "now.json", SQL)
    cut = report(tmp_path / "partial.json", status="partial")
    waiver = {
        "id": "W-1",
        "owner": "security@example.com",
        "reason": "the gateway checks it",
        "expires": "2199-01-01",
        "scope": {"cwe": "CWE-89", "path": "orders/**"},
    }
    out = tmp_path / "out.sarif"
    written = {"outputs": [{"format": "sarif", "dest": str(out)}], "dest": str(tmp_path / "store.ndjson")}
    gate = {"severity": "high", "new_only": True}
    played = play(
        tmp_path,
        [
            Call("written", "sast_report", {"path": [now], **written}),
            Call("again", "sast_report", {"path": [now], **written}),
            Call("new", "sast_report", {"path": [now], "baseline": [before], "gate": gate}),
            Call("known", "sast_report", {"path": [now], "baseline": [now], "gate": gate}),
            Call("waived", "sast_report", {"path": [now], "waivers": [waiver], "gate": {"severity": "high"}}),
            Call("partial", "sast_report", {"path": [cut], "gate": {"severity": "high"}}),
            Call("odd", "sast_report", {"path": [now], "gate": {"severty": "high"}}),
            Call("wrong", "sast_report", {"path": [now], "format": "bandit"}),
            Call("many", "sast_report", {"path": [str(CORPUS / "gitlab"), str(CORPUS / "bandit")]}),
        ],
    )
    assert (played["written"]["changed"], played["again"]["changed"]) == (True, False)
    assert json.loads(out.read_text())["runs"][0]["results"][0]["ruleId"] == SQL["rule"]
    assert played["written"]["findings"][0]["message"] == SQL["message"], "nothing in a report is a template"
    assert not list(tmp_path.glob("PWNED"))

    assert played["new"]["failed"] is True
    assert [row["rule"] for row in played["new"]["gate"]["decided_by"]] == [SQL["rule"]]
    assert played["new"]["changes"]["counts"]["new"] == 1
    assert not played["known"].get("failed")

    assert not played["waived"].get("failed")
    assert played["waived"]["scans"][0]["totals"]["suppressed"] == 1
    assert played["partial"]["failed"] is True
    assert "partial" in played["partial"]["msg"]

    assert "severty" in played["odd"]["msg"]
    assert "generic" in played["wrong"]["msg"], "it says what the report looks like"
    assert {scan["format"] for scan in played["many"]["scans"]} == {"gitlab", "bandit"}
    assert {scan["status"] for scan in played["many"]["scans"]} == {"ok", "partial", "failed"}


def test_a_check_run_writes_nothing_and_says_what_would_change(tmp_path: Path) -> None:
    out, store = tmp_path / "out.csv", tmp_path / "store.ndjson"
    options = {
        "path": [report(tmp_path / "now.json", SQL)],
        "dest": str(store),
        "outputs": [{"format": "csv", "dest": str(out)}],
    }
    played = play(tmp_path, [Call("checked", "sast_report", options)], "--check", "--diff")
    assert played["checked"]["changed"] is True
    assert not out.exists()
    assert not store.exists()
    assert [part["after_header"] for part in played["checked"]["diff"]] == [str(store), str(out)]
