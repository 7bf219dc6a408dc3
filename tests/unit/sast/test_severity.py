# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Level, severity and where each came from."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Severity

from .conftest import result


def rule(level=None, **properties):
    entry = {"id": "R1", "properties": properties}
    return [entry | ({"defaultConfiguration": {"level": level}} if level else {})]


def override(level, **descriptor):
    return {"descriptor": descriptor or {"index": 0}, "configuration": {"level": level}}


@pytest.mark.parametrize(
    ("level", "severity"), [("error", "high"), ("warning", "medium"), ("note", "low"), ("none", "info")]
)
def test_a_level_has_its_severity(read_run, level, severity):
    found = read_run(result(level=level)).one
    assert (found.severity, found.native, found.severity_source) == (severity, level, "level:result")


def test_what_a_note_means_is_a_knob(read_run):
    assert read_run(result(level="note"), options={"note_severity": "info"}).one.severity == "info"


def test_without_a_level_the_rule_decides_then_warning(read_run):
    assert read_run(result(), rules=rule("error")).one.severity_source == "level:rule"
    found = read_run(result(), rules=rule()).one
    assert (found.severity, found.severity_source) == ("medium", "level:default")


def test_an_explicit_level_wins_over_override_and_rule(read_run):
    invocations = [{"ruleConfigurationOverrides": [override("note")], "executionSuccessful": True}]
    assert read_run(result(level="error"), rules=rule("warning"), invocations=invocations).one.native == "error"


def test_the_only_invocation_applies_its_overrides_without_being_named(read_run):
    invocations = [{"ruleConfigurationOverrides": [override("error")], "executionSuccessful": True}]
    found = read_run(result(), rules=rule("note"), invocations=invocations).one
    assert (found.native, found.severity_source) == ("error", "level:override")


def test_of_two_invocations_the_named_one_applies_and_none_otherwise(read_run):
    invocations = [{}, {"ruleConfigurationOverrides": [override("error")]}]
    named = result(provenance={"invocationIndex": 1})
    assert read_run(named, rules=rule("note"), invocations=invocations).one.native == "error"
    assert read_run(result(), rules=rule("note"), invocations=invocations).one.native == "note"


def test_an_override_of_a_rule_that_is_not_described_goes_by_id(read_run):
    invocations = [{"ruleConfigurationOverrides": [override("error", id="ghost")]}]
    assert read_run(result(ruleId="ghost"), invocations=invocations).one.native == "error"
    assert read_run(result(ruleId="other"), invocations=invocations).one.native == "warning"


def test_an_override_without_level_changes_no_level(read_run):
    invocations = [{"ruleConfigurationOverrides": [{"descriptor": {"index": 0}, "configuration": {"rank": 9}}]}]
    found = read_run(result(), rules=rule("error"), invocations=invocations).one
    assert (found.native, found.rank) == ("error", 9.0)


@pytest.mark.parametrize("kind", ["open", "review", "informational"])
def test_another_kind_than_fail_has_no_level(read_run, kind):
    found = read_run(result(kind=kind), rules=rule("error"))
    assert (found.one.native, found.one.severity, found.one.severity_source) == ("none", "info", "level:kind")
    assert (found.one.kind, found.scan.totals.live) == (kind, 1)


def test_a_level_beside_another_kind_is_invalid_and_counted(read_run):
    found = read_run(result(kind="informational", level="error"))
    assert (found.one.severity, found.warnings["level_ignored_for_kind"]) == ("info", 1)


def test_an_open_result_keeps_its_security_severity_an_informational_one_is_info(read_run):
    rules = rule(**{"security-severity": "9.8"})
    assert read_run(result(kind="review"), rules=rules).one.severity == "critical"
    assert read_run(result(kind="informational"), rules=rules).one.severity == "info"


def test_passed_results_are_counted_and_are_no_findings(read_run):
    found = read_run(result(kind="pass"), result(kind="notApplicable"), result())
    totals = found.scan.totals
    assert (totals.results, totals.findings, totals.passed) == (3, 1, 2)
    assert totals.by_kind == {"fail": 1, "notApplicable": 1, "pass": 1}


def test_an_unknown_kind_counts_as_fail(read_run):
    found = read_run(result(kind="bug"))
    assert (found.one.kind, found.warnings["kind_unknown"]) == ("fail", 1)


@pytest.mark.parametrize("level", ["fatal", 3, ["error"]])
def test_an_unknown_level_is_unknown(read_run, level):
    found = read_run(result(level=level))
    assert (found.one.severity, found.warnings["level_unknown"]) == ("unknown", 1)


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("9.0", "critical"),
        ("8.9", "high"),
        ("7.0", "high"),
        ("4.0", "medium"),
        ("0.1", "low"),
        (9.8, "critical"),
        (5, "medium"),
        ("MEDIUM", "medium"),
        (" Critical ", "critical"),
        ("+7.5", "high"),
    ],
)
def test_security_severity_is_a_number_or_a_word(read_run, value, severity):
    found = read_run(result(level="note"), rules=rule(**{"security-severity": value})).one
    assert (found.severity, found.severity_source) == (severity, "rule.security-severity")
    assert (found.native, found.security_severity) == ("note", str(value).strip() if value == " x" else str(value))


@pytest.mark.parametrize("key", ["securitySeverity", "cybersecuritySeverity", "cybersecurity-severity"])
def test_other_spellings_of_security_severity_count(read_run, key):
    assert read_run(result(), rules=rule(**{key: "9.1"})).one.severity == "critical"


def test_the_results_own_security_severity_wins(read_run):
    own = result(properties={"security-severity": "2.0"})
    found = read_run(own, rules=rule(**{"security-severity": "9.8"})).one
    assert (found.severity, found.severity_source) == ("low", "result.security-severity")


@pytest.mark.parametrize("value", ["0", "0.0", 0])
def test_zero_means_no_security_severity(read_run, value):
    found = read_run(result(level="error"), rules=rule(**{"security-severity": value}))
    assert (found.one.severity_source, "security_severity_out_of_range" in found.warnings) == ("level:result", False)


@pytest.mark.parametrize("value", ["11", "-1", 10.1])
def test_out_of_range_means_no_security_severity_and_is_counted(read_run, value):
    found = read_run(result(level="error"), rules=rule(**{"security-severity": value}))
    assert (found.one.severity, found.warnings["security_severity_out_of_range"]) == ("high", 1)


@pytest.mark.parametrize("value", ["awful", "8,8", "nan", "inf", "1e1", "", True, ["9"], {"v": 9}])
def test_an_unreadable_security_severity_is_unknown(read_run, value):
    found = read_run(result(level="note"), rules=rule(**{"security-severity": value}))
    assert (found.one.severity, found.warnings["security_severity_unreadable"]) == ("unknown", 1)


def test_the_totals_always_name_all_six_severities(read_run):
    found = read_run(result(level="error"), result(level="error"), result(level="note"))
    assert found.scan.totals.by_severity == {**dict.fromkeys(Severity, 0), "high": 2, "low": 1}
    assert found.scan.totals.by_native == {"error": 2, "note": 1}


def test_rank_walks_as_the_level_does_and_nonsense_is_none(read_run):
    rules = [{"id": "R1", "defaultConfiguration": {"rank": 30.5}}]
    assert read_run(result(rank=80), rules=rules).one.rank == 80.0
    assert read_run(result(rank=-1), rules=rules).one.rank == 30.5
    assert read_run(result(rank=True)).one.rank is None
