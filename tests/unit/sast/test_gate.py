# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate: what fails it, what does not, and that it fails closed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast import gate as gate_module
from ansible_collections.knowngood.kube.plugins.module_utils._sast.gate import REASONS, Gate

from .conftest import result, run_of, sarif

SEVERITIES = ("critical", "high", "medium", "low", "info", "unknown")


def finding(name="f1", severity="high", **more):
    return {
        "id": name,
        "tool": "Tool",
        "rule": "R1",
        "severity": severity,
        "state": "live",
        "kind": "fail",
        "cwe": ["CWE-89"],
        "effect": "taints",
        "path": "src/a.py",
        "line": 3,
        "locations": [{"path": "src/a.py", "place": "inside"}],
        **more,
    }


def scan(*, findings=0, live=None, dropped=0, **more):
    totals = {"findings": findings, "live": findings if live is None else live, "dropped": dropped}
    return {"file": "x.sarif", "status": "ok", "tool": "Tool", "totals": totals, "truncated": [], "runs": [], **more}


def decide(policy, *findings, scans=None, changes=None):
    ready = [scan(findings=len(findings))] if scans is None else scans
    return Gate.from_dict(policy).decide(iter(findings), ready, changes)


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


def passes(policy, *findings, **more):
    verdict = decide(policy, *findings, **more)
    assert verdict.passed is not bool(verdict.reasons)
    return verdict.passed


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "failing"),
    [
        ({"severity": "critical"}, {"critical", "unknown"}),
        ({"severity": "high"}, {"critical", "high", "unknown"}),
        ({"severity": "info"}, set(SEVERITIES)),
        ({"severity": "high", "unknown": "ignore"}, {"critical", "high"}),
        ({"max": {"high": 0}}, {"high", "unknown"}),
        ({"max": {"high": 0}, "unknown": "ignore"}, {"high"}),
        ({"max": {"high": 0, "unknown": 1}}, {"high"}),
        ({"max": {"medium": 1, "low": 0}}, {"low", "unknown"}),
        ({"severity": "high", "max": {"unknown": 1}}, {"critical", "high"}),
        ({"cwe": ["CWE-89"]}, set(SEVERITIES)),
        ({"cwe": ["CWE-79"]}, set()),
        ({"rules": [{"name": "r", "severity": "high"}]}, {"critical", "high", "unknown"}),
        ({"rules": [{"name": "r", "severity": "high", "unknown": "ignore"}]}, {"critical", "high"}),
        ({"rules": [{"name": "r", "severity": "high"}], "unknown": "ignore"}, {"critical", "high"}),
        ({"rules": [{"name": "r", "cwe": [89], "severity": "critical"}]}, {"critical", "unknown"}),
        ({"rules": [{"name": "r", "max": 1}]}, set()),
        ({"rules": [{"name": "r"}]}, set(SEVERITIES)),
        ({}, set()),
    ],
)
def test_one_finding_of_each_severity(policy, failing):
    assert {word for word in SEVERITIES if not passes(policy, finding(severity=word))} == failing


@pytest.mark.parametrize("severity", ["awful", "", None, 7])
def test_a_severity_that_is_no_word_of_ours_is_unknown(severity):
    verdict = decide({"severity": "critical"}, finding(severity=severity))
    assert codes(verdict) == ["unknown"]
    assert verdict.decided_by[0]["severity"] == "unknown"


def test_a_maximum_may_be_reached_and_not_passed():
    policy = {"max": {"high": 2, "medium": 0}}
    assert passes(policy, finding("a"), finding("b"))
    verdict = decide(policy, finding("a"), finding("b"), finding("c"), finding("d", "low"))
    assert codes(verdict) == ["max"]
    assert verdict.reasons[0].to_dict() == {"code": "max", "text": "at most 2 of severity high: 3 found", "count": 3}
    assert [row["id"] for row in verdict.decided_by] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("conditions", "more", "counts"),
    [
        ({"path": {"include": ["src/**"]}}, {}, True),
        ({"path": {"include": ["lib/**"]}}, {}, False),
        ({"path": {"exclude": ["src/**"]}}, {}, False),
        ({"path": {"include": ["src/**"], "exclude": ["**/a.py"]}}, {}, False),
        ({"path": {"exclude": ["test/"]}}, {}, True),
        ({"path": {"exclude": ["src/**"]}}, {"locations": [{"path": "src/a"}, {"path": "lib/b"}]}, True),
        ({"path": {"include": ["lib/**"]}}, {"locations": [{"path": "src/a"}, {"path": "lib/b"}]}, True),
        ({"path": {"exclude": ["src/**"]}}, {"locations": [{"path": "src/a", "place": "outside_root"}]}, True),
        ({"path": {"include": ["lib/**"]}}, {"locations": [], "path": ""}, True),
        ({"confidence": "medium"}, {"confidence": "high"}, True),
        ({"confidence": "medium"}, {"confidence": "Medium"}, True),
        ({"confidence": "medium"}, {"confidence": "low"}, False),
        ({"confidence": "high"}, {"confidence": None}, True),
        ({"confidence": "high"}, {"confidence": "certain"}, True),
        ({"confidence": "low"}, {"confidence": "low"}, True),
        ({"tools": ["TOOL"]}, {}, True),
        ({"tools": ["tool"]}, {"tool": "Other"}, False),
        ({"tools": ["tool"]}, {"tool": ""}, True),
        ({"kinds": ["fail"]}, {}, True),
        ({"kinds": ["fail"]}, {"kind": "review"}, False),
        ({"kinds": ["open", "review"]}, {"kind": "open"}, True),
        ({"effects": ["taints"]}, {}, True),
        ({"effects": ["taints"]}, {"effect": "none"}, False),
        ({"effects": ["taints"]}, {"effect": "unknown"}, True),
        ({"effects": ["taints"], "unknown": "ignore"}, {"effect": "unknown"}, False),
        ({"effects": ["leaks", "taints"]}, {"effect": "leaks"}, True),
        ({"match": "line == `3`"}, {}, True),
        ({"match": "line == `4`"}, {}, False),
        ({}, {"state": "suppressed"}, False),
        ({}, {"state": "absent"}, False),
        ({}, {"state": None}, True),
    ],
)
def test_conditions_say_which_findings_are_meant_at_the_top_and_in_rules(conditions, more, counts):
    one = finding(**more)
    assert passes({"severity": "high", **conditions}, one) is not counts
    assert passes({"rules": [{"name": "r", **conditions}]}, one) is not counts


def test_conditions_of_the_top_do_not_reach_into_rules():
    policy = {"severity": "low", "path": {"include": ["lib/**"]}, "rules": [{"name": "sqli", "cwe": ["CWE-89"]}]}
    assert codes(decide(policy, finding())) == ["rule: sqli"]


@pytest.mark.parametrize(
    ("word", "counts"),
    [("new", True), ("uncertain", True), ("fixed", True), (None, True), ("moved", False), ("unchanged", False)],
)
def test_new_only_counts_what_is_not_known_to_be_old(word, counts):
    changes = {"f1": word} if word else {}
    verdict = decide({"severity": "high", "new_only": True}, finding(), changes=changes)
    assert verdict.passed is not counts
    assert verdict.counts["new"] == int(counts)


def test_an_uncertain_finding_may_be_allowed_and_is_told():
    policy = {"severity": "high", "new_only": True, "allow": ["uncertain"]}
    verdict = decide(policy, finding(), changes={"f1": "uncertain"})
    assert verdict.passed
    assert [reason.to_dict() for reason in verdict.allowed] == [
        {"code": "uncertain", "text": "1 findings may be new or not and were taken for known ones", "count": 1}
    ]
    assert verdict.summary() == "the gate is passed (allowed: uncertain)"


def test_without_a_comparison_new_only_fails_and_allowed_counts_everything():
    policy = {"severity": "high", "new_only": True}
    assert codes(decide(policy)) == ["no_comparison"]
    assert codes(decide(policy, finding())) == ["no_comparison", "severity"]
    assert codes(decide({**policy, "allow": ["no_comparison"]}, finding())) == ["severity"]
    assert decide({**policy, "allow": ["no_comparison"]}).passed


# --- failing closed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scans", "code", "word"),
    [
        ([], "no_scans", "no_scans"),
        ([scan(status="partial", status_reasons=["a notification"])], "partial", "partial"),
        ([scan(), scan(status="failed")], "failed", "failed"),
        ([scan(status="empty")], "empty", "empty"),
        ([scan(truncated=[{"what": "results", "kept": 5, "seen": 9}])], "truncated: results", "truncated"),
        ([scan(truncated=[{"what": "results", "kept": 5, "seen": 9}])], "truncated: results", "truncated: results"),
        ([scan(dropped=2)], "dropped", "dropped"),
        ([scan(findings=5)], "missing", "missing"),
        ([scan(tool="Other")], "tool_missing", "tool_missing"),
    ],
)
def test_each_doubt_fails_the_gate_unless_it_is_allowed_by_name(scans, code, word):
    policy = {"severity": "high", "tools": ["tool"]} if code == "tool_missing" else {}
    verdict = decide(policy, scans=scans)
    assert (verdict.passed, codes(verdict)) == (False, [code])
    for other in sorted({*REASONS, "truncated: runs"} - {word, code.partition(":")[0]}):
        assert not decide({**policy, "allow": [other]}, scans=scans).passed
    allowed = decide({**policy, "allow": [word]}, scans=scans)
    assert allowed.passed
    assert [reason.code for reason in allowed.allowed] == [code]


def test_a_reason_says_which_scan_and_why():
    verdict = decide({}, scans=[scan(status="partial", status_reasons=["a", "b", "c", "d"]), scan(dropped=2)])
    assert [reason.text for reason in verdict.reasons] == [
        "the scan x.sarif is partial: a; b; c",
        "2 results of the scan x.sarif could not be used",
    ]
    assert verdict.summary().startswith("the gate is not passed: the scan x.sarif is partial: a; b; c; 2 results")
    many = decide({}, scans=[scan(status="failed")] * 7)
    assert many.summary().endswith("and 2 more reasons")


def test_the_first_few_findings_are_not_taken_for_all_of_them():
    verdict = decide({"severity": "critical"}, finding(severity="low"), scans=[scan(findings=5, live=5)])
    assert codes(verdict) == ["missing"]
    assert verdict.reasons[0].text == "the scans count 5 findings and only 1 were given"
    assert decide({"severity": "critical"}, finding(severity="low"), scans=[scan(findings=5, live=1)]).passed


def test_a_tool_may_be_one_of_several_runs():
    ready = [scan(tool="A + B", runs=[{"tool": "A"}, {"tool": "B"}])]
    assert decide({"severity": "high", "tools": ["b"]}, scans=ready).passed


def test_no_findings_and_ok_scans_pass_every_limit():
    policy = {"severity": "info", "max": {"low": 0}, "cwe": [89], "rules": [{"name": "r"}]}
    verdict = decide(policy)
    assert verdict.passed
    assert verdict.to_dict()["summary"] == "the gate is passed"


# --- the verdict ----------------------------------------------------------------------------------------------------


def test_the_findings_that_decided_are_shown_worst_first_with_all_reasons():
    policy = {"severity": "high", "cwe": ["CWE-79"], "max": {"low": 1}}
    verdict = decide(
        policy,
        finding("low", "low"),
        finding("high"),
        finding("both", "critical", cwe=["CWE-79"], locations=[]),
        finding("info", "info"),
    ).to_dict()
    assert verdict["decided_by"] == [
        {
            "id": "both",
            "rule": "R1",
            "path": "src/a.py",
            "severity": "critical",
            "line": 3,
            "why": "none at or above high; never CWE-79",
        },
        {"id": "high", "rule": "R1", "path": "src/a.py", "severity": "high", "line": 3, "why": "none at or above high"},
    ]
    assert verdict["decided_count"] == 2
    assert verdict["counts"] == {
        "seen": 4,
        "live": 4,
        "hidden": 0,
        "counted": 3,
        "new": None,
        "uncertain": 0,
        "by_severity": {"critical": 1, "high": 1, "medium": 0, "low": 1, "info": 1, "unknown": 0},
        "limits": [
            {"limit": "at most 1 of severity low", "most": 1, "found": 1},
            {"limit": "none at or above high", "most": 0, "found": 2},
            {"limit": "none of unknown severity", "most": 0, "found": 0},
            {"limit": "never CWE-79", "most": 0, "found": 1},
        ],
    }


def test_rows_are_capped_to_the_worst_and_the_true_count_is_given():
    words = ["critical"] * 30 + ["high"] * 100 + ["unknown"] * 40 + ["low"] * 500
    random.Random(1).shuffle(words)
    verdict = decide({"severity": "low"}, *(finding(f"f{at}", word) for at, word in enumerate(words)))
    assert verdict.decided_count == 670
    assert len(verdict.decided_by) == 100
    shown = [row["severity"] for row in verdict.decided_by]
    assert shown[:30] == ["critical"] * 30
    assert set(shown[30:]) <= {"high", "unknown"}
    assert [reason.count for reason in verdict.reasons] == [630, 40]


def test_memory_does_not_grow_with_the_findings(monkeypatch):
    held = []
    real = gate_module.heapq.heappush

    def push(heap, item):
        real(heap, item)
        held.append(len(heap))

    monkeypatch.setattr(gate_module.heapq, "heappush", push)
    endless = (finding(f"f{at}", "low", path=f"p{at}") for at in range(20_000))
    assert Gate.from_dict({"severity": "info"}).decide(endless, [scan()]).decided_count == 20_000
    assert max(held) == 100


@given(st.lists(st.tuples(st.sampled_from(SEVERITIES), st.booleans()), max_size=30), st.integers(0, 5))
def test_counts_agree_with_a_plain_count(words, most):
    policy = {"max": {"high": most}, "rules": [{"name": "r", "tools": ["t"], "max": most}], "unknown": "ignore"}
    findings = [finding(f"f{at}", word, tool="T" if marked else "Tool") for at, (word, marked) in enumerate(words)]
    verdict = decide(policy, *findings, scans=[scan(tool="T")])
    high = {one["id"] for one in findings if one["severity"] == "high"}
    marked = {one["id"] for one in findings if one["tool"] == "T"}
    expected = (high if len(high) > most else set()) | (marked if len(marked) > most else set())
    assert verdict.passed is not expected
    assert {row["id"] for row in verdict.decided_by} == expected
    assert verdict.decided_count == len(expected)


def test_what_the_reader_gives_is_what_the_gate_takes(read):
    bad = result(level="error", locations=[{"physicalLocation": {"artifactLocation": {"uri": "src/a.py"}}}])
    found = read(sarif(run_of(bad, bad, result(level="note"))))
    records = [one.to_dict() for one in found.findings]
    verdict = decide({"severity": "high"}, *records, scans=[found.scan.to_dict()])
    assert (codes(verdict), verdict.decided_count) == (["severity"], 2)
    assert decide({"severity": "critical"}, *records, scans=[found.scan.to_dict()]).passed
    broken = read(sarif(run_of(bad, invocations=[{"executionSuccessful": False}])))
    assert codes(decide({}, *(one.to_dict() for one in broken.findings), scans=[broken.scan.to_dict()])) == ["failed"]


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "what", "where"),
    [
        (None, "must be a dictionary", "gate"),
        ([], "must be a dictionary", "gate"),
        ({"severities": "high"}, "unknown keys: severities", "gate"),
        ({"severity": "awful"}, "no such word", "gate.severity"),
        ({"severity": "unknown"}, "no such word", "gate.severity"),
        ({"severity": ["high"]}, "no such word", "gate.severity"),
        ({"max": 3}, "must be a dictionary", "gate.max"),
        ({"max": {}}, "nothing in it", "gate.max"),
        ({"max": {"awful": 1}}, "unknown keys", "gate.max"),
        ({"max": {"high": "0"}}, "not a number", "gate.max.high"),
        ({"max": {"high": True}}, "not a number", "gate.max.high"),
        ({"max": {"high": -1}}, "not a number", "gate.max.high"),
        ({"cwe": "CWE-89"}, "list of CWEs", "gate.cwe"),
        ({"cwe": []}, "list of CWEs", "gate.cwe"),
        ({"cwe": ["sql"]}, "not one CWE", "gate.cwe[0]"),
        ({"cwe": [89.0]}, "not one CWE", "gate.cwe[0]"),
        ({"severity": "high", "path": "src"}, "must be a dictionary", "gate.path"),
        ({"severity": "high", "path": {}}, "nothing in it", "gate.path"),
        ({"severity": "high", "path": {"only": ["a"]}}, "unknown keys", "gate.path"),
        ({"severity": "high", "path": {"include": "a"}}, "list of 1 to", "gate.path.include"),
        ({"severity": "high", "path": {"exclude": ["a", "**"]}}, "nothing to look at", "gate.path.exclude"),
        ({"severity": "high", "new_only": "yes"}, "true or false", "gate.new_only"),
        ({"severity": "high", "confidence": "sure"}, "no such word", "gate.confidence"),
        ({"severity": "high", "tools": []}, "list of 1 to", "gate.tools"),
        ({"severity": "high", "tools": [None]}, "not empty", "gate.tools[0]"),
        ({"severity": "high", "kinds": ["pass"]}, "no such word", "gate.kinds[0]"),
        ({"severity": "high", "effects": ["harms"]}, "no such word", "gate.effects[0]"),
        ({"severity": "high", "match": "a =="}, "not a JMESPath", "gate.match: a =="),
        ({"severity": "high", "match": "`false`"}, "looks at nothing", "gate.match"),
        ({"severity": "high", "unknown": "pass"}, "no such word", "gate.unknown"),
        ({"new_only": True}, "limits nothing", "gate"),
        ({"allow": ["everything"]}, "no such word", "gate.allow[0]"),
        ({"allow": "partial"}, "list of 1 to", "gate.allow"),
        ({"rules": {}}, "list of 1 to", "gate.rules"),
        ({"rules": [{"name": "a"}] * 33}, "list of 1 to", "gate.rules"),
        ({"rules": ["a"]}, "must be a dictionary", "gate.rules[0]"),
        ({"rules": [{"max": 1}]}, "not empty", "gate.rules[0].name"),
        ({"rules": [{"name": "a", "max": 1.5}]}, "not a number", "gate.rules[0].max"),
        ({"rules": [{"name": "a", "allow": ["partial"]}]}, "unknown keys: allow", "gate.rules[0]"),
        ({"rules": [{"name": "a"}, {"name": "a"}]}, "used twice", "gate.rules"),
    ],
)
def test_a_bad_policy_is_one_clear_error(policy, what, where):
    with pytest.raises(BadInput, match=what) as caught:
        Gate.from_dict(policy)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("findings", "scans", "changes", "what"),
    [
        (["x"], [scan()], None, "not a finding"),
        ([], scan(), None, "must be a list"),
        ([], ["x"], None, "must be a dictionary"),
        ([], [scan(status="fine")], None, "no such word"),
        ([], [{**scan(), "totals": None}], None, "must be a dictionary"),
        ([], [{**scan(), "totals": {"findings": 0, "live": 0}}], None, "not a number"),
        ([], [scan(findings="5")], None, "not a number"),
        ([], [scan(truncated=[{"what": "x"}])], None, "not a number"),
        ([finding()], [scan()], {"f1": "old"}, "no such word"),
        ([finding()], [scan()], "new", "must be a dictionary"),
        ([], [scan(truncated={"what": "x"})], None, "must be a list"),
        ([], [scan(runs=["x"])], None, "must be a dictionary"),
        ([finding(cwe=[89])], [scan()], None, "not a finding: cwe"),
        ([finding(locations="src")], [scan()], None, "not a finding: locations"),
        ([finding(locations=["src"])], [scan()], None, "not a finding: locations"),
    ],
)
def test_what_is_no_scan_and_no_finding_is_an_error(findings, scans, changes, what):
    with pytest.raises(BadInput, match=what):
        Gate.from_dict({"cwe": [89], "path": {"include": ["src/"]}}).decide(findings, scans, changes)


def test_a_match_that_fails_on_a_finding_is_an_error_and_never_a_miss():
    with pytest.raises(BadInput, match="true or false"):
        decide({"severity": "high", "match": "rule"}, finding())


def test_many_paths_are_judged_right_with_a_bounded_cache():
    findings = (finding(f"f{at}", path=f"test/{at}", locations=[{"path": f"test/{at}"}]) for at in range(5000))
    policy = {"severity": "high", "path": {"exclude": ["test/**"]}}
    assert Gate.from_dict(policy).decide(findings, [scan()]).passed
