# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Totals alone are the totals of the findings: looking once at each sort of result changes no number."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.sarif import rows

ODD = st.sampled_from([None, 7, [], ["x"], {}, {"id": "R1"}, "odd"])
STATUSES = st.sampled_from(["accepted", "underReview", "rejected", "odd", None])
RESULT = st.fixed_dictionaries(
    {"message": st.just({"text": "m"})},
    optional={
        "ruleId": st.one_of(st.sampled_from(["R0", "R1", "R1/sub", "R7"]), ODD),
        "ruleIndex": st.one_of(st.integers(-1, 3), ODD),
        "rule": st.one_of(st.fixed_dictionaries({"index": st.integers(0, 2)}), ODD),
        "level": st.one_of(st.sampled_from(["error", "warning", "note", "none"]), ODD),
        "kind": st.one_of(st.sampled_from(["fail", "pass", "open", "informational", "notApplicable"]), ODD),
        "baselineState": st.one_of(st.sampled_from(["new", "unchanged", "absent"]), ODD),
        "suppressions": st.one_of(
            st.lists(
                st.one_of(ODD, st.fixed_dictionaries({"kind": st.just("inSource")}, optional={"status": STATUSES})),
                max_size=3,
            ),
            ODD,
        ),
        "properties": st.one_of(
            st.fixed_dictionaries(
                {"note": st.integers()}, optional={"security-severity": st.sampled_from(["9.1", 4, "high", "11", "?"])}
            ),
            ODD,
        ),
        "provenance": st.one_of(st.fixed_dictionaries({"invocationIndex": st.integers(0, 1)}), ODD),
    },
)
OVERRIDE = {"descriptor": {"index": 0}, "configuration": {"level": "note"}}
RULES = [
    {"id": "R0", "defaultConfiguration": {"level": "error"}},
    {"id": "R1", "properties": {"security-severity": "8.0"}},
]


def document(results: list[Any], invocations: int) -> dict[str, Any]:
    run = {
        "results": results,
        "tool": {"driver": {"name": "T", "rules": RULES}},
        "invocations": [{"executionSuccessful": True, "ruleConfigurationOverrides": [OVERRIDE]}] * invocations,
    }
    return {"version": "2.1.0", "runs": [run, run]}


def scan_of(path: Path, **options: Any) -> dict[str, Any]:
    with read_report(path, options=ReadOptions(**options)) as outcome:
        return outcome.scan.to_dict()


@settings(max_examples=150)
@given(
    results=st.lists(st.one_of(RESULT, ODD), max_size=12),
    invocations=st.integers(0, 2),
    indent=st.sampled_from([None, 1]),
    reading=st.sampled_from(["strict", "lenient"]),
    most=st.sampled_from([3, 1000]),
    sorts=st.sampled_from([1, 20_000]),
)
def test_they_are_those_of_the_findings(results, invocations, indent, reading, most, sorts):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.sarif"
        path.write_text(json.dumps(document(results, invocations), indent=indent), encoding="utf-8")
        before, rows._MOST_SORTS = rows._MOST_SORTS, sorts
        try:
            alone = scan_of(path, suppressions=reading, max_results=most, totals_only=True)
        finally:
            rows._MOST_SORTS = before
        with_findings = scan_of(path, suppressions=reading, max_results=most)
    assert {**alone, "warnings": counted(alone)} == {**with_findings, "warnings": counted(with_findings)}


def counted(scan: dict[str, Any]) -> dict[str, int]:
    """Warnings by code. Of texts that are not kept there is nothing to say."""
    return {warning["code"]: warning["count"] for warning in scan["warnings"] if warning["code"] != "message_missing"}


def test_a_call_that_asks_for_no_findings_gets_the_same_totals(tmp_path):
    path = tmp_path / "report.sarif"
    results = [{"ruleIndex": number % 2, "message": {"text": f"m{number}"}} for number in range(50)]
    path.write_text(json.dumps(document(results, 1)), encoding="utf-8")
    without = sast_report({"path": [str(path)], "return_findings": 0})
    inline = sast_report({"path": [str(path)], "return_findings": 5})
    assert without["scans"] == inline["scans"]
    assert (without["findings"], without["truncated"]) == (
        [],
        [{"what": "findings returned inline", "kept": 0, "seen": 100}],
    )
    assert without["scans"][0]["totals"]["by_severity"]["high"] == 50
