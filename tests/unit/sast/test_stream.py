# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole report read as a stream gives what json.loads and the plain rules give, however it is cut and ordered."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report

WORDS = st.text("abc \u00fc\u4e2d\U0001f600", min_size=1, max_size=12)
RESULT = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"text": WORDS})},
    optional={
        "ruleIndex": st.integers(0, 3),
        "level": st.sampled_from(["error", "warning", "note", "none"]),
        "kind": st.sampled_from(["fail", "pass", "open"]),
        "baselineState": st.sampled_from(["new", "unchanged", "absent"]),
        "suppressions": st.just([{"kind": "inSource"}]),
        "codeFlows": st.lists(WORDS, max_size=4),
        "locations": st.lists(
            st.fixed_dictionaries(
                {"physicalLocation": st.fixed_dictionaries({"artifactLocation": st.fixed_dictionaries({"uri": WORDS})})}
            ),
            max_size=2,
        ),
    },
)
RULES = [{"id": f"R{n}", "defaultConfiguration": {"level": level}} for n, level in enumerate(["error", "note"])]
ORDERS = st.permutations(["tool", "results", "properties", "invocations"])


def document(results: list[dict], order: list[str], style: dict) -> str:
    run = {
        "tool": {"driver": {"name": "T", "rules": RULES}},
        "results": results,
        "properties": {"results": [{"level": "error"}], "deep": [[[{}]]]},
        "invocations": [{"executionSuccessful": True}],
    }
    return json.dumps({"runs": [{key: run[key] for key in order}], "version": "2.1.0"}, **style)


def level(result: dict) -> str:
    """The rule of the standard, written once more and naively."""
    if result.get("kind", "fail") != "fail":
        return "none"
    index = result.get("ruleIndex", 9)
    return result.get("level") or (RULES[index]["defaultConfiguration"]["level"] if index < len(RULES) else "warning")


@settings(max_examples=60)
@given(
    st.lists(RESULT, max_size=8),
    ORDERS,
    st.sampled_from([{}, {"indent": 2}, {"ensure_ascii": False}]),
    st.sampled_from(["utf-8", "utf-16"]),
    st.integers(1, 60),
    st.sampled_from([150, 100_000]),
    st.sampled_from([100, 1_000_000]),
)
def test_any_cut_order_window_and_spool_give_the_same_findings(results, order, style, encoding, chunk, window, spool):
    text = document(results, order, style)
    options = ReadOptions(chunk=chunk, window=window, spool_bytes=spool)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.sarif"
        path.write_bytes(text.encode(encoding))
        with read_report(path, options=options) as outcome:
            findings, totals = list(outcome.findings()), outcome.scan.totals
    wanted = [entry for entry in json.loads(text)["runs"][0]["results"] if entry.get("kind") != "pass"]
    assert [finding.message for finding in findings] == [entry["message"]["text"] for entry in wanted]
    assert [finding.native for finding in findings] == [level(entry) for entry in wanted]
    assert totals.by_native == Counter(map(level, wanted))
    assert totals.absent == sum(entry.get("baselineState") == "absent" for entry in wanted)
    assert totals.results == len(results) == totals.findings + totals.passed + totals.dropped
    assert totals.findings == totals.live + totals.suppressed + totals.absent
    assert sum(totals.by_severity.values()) == totals.live
    assert len({finding.id for finding in findings}) == len(findings)


@given(
    runs=st.lists(st.sampled_from(["empty", "plain", "asks for a part"]), min_size=1, max_size=5),
    spool=st.sampled_from([10, 1_000_000]),
    chunk=st.sampled_from([16, 100_000]),
)
@settings(max_examples=40)
def test_each_finding_of_each_run_names_the_file_by_its_hash(runs, spool, chunk):
    made = []
    for number, kind in enumerate(runs):
        results = [{"ruleId": "R", "message": {"text": f"in run {number}"}}, {"ruleId": "R", "kind": "open", "rank": 1}]
        run = {"tool": {"driver": {"name": "T"}}, "results": [] if kind == "empty" else results}
        if kind == "asks for a part":
            run["externalPropertyFileReferences"] = {"artifacts": [{"guid": "nobody has it"}]}
        made.append(run)
    content = json.dumps({"version": "2.1.0", "runs": made}).encode()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "report.sarif"
        path.write_bytes(content)
        with read_report(path, options=ReadOptions(spool_bytes=spool, chunk=chunk)) as reading:
            found = list(reading.records())
    assert {record["scan"] for record in found} <= {hashlib.sha256(content).hexdigest()}
    expected = [number for number, kind in enumerate(runs) if kind != "empty" for _twice in (1, 2)]
    assert [record["run"] for record in found] == expected
