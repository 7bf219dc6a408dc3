# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Semgrep: two scales of words, fingerprints that are none, and errors that tell what was not looked at."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def result(rule="rules.sql", severity="ERROR", **extra):
    return {
        "check_id": rule,
        "path": "app/a.py",
        "start": {"line": 4, "col": 5},
        "end": {"line": 6, "col": 9},
        "extra": {"message": "bad", "severity": severity, "metadata": {}, **extra},
    }


def report(*results, **more):
    return {
        "version": "1.97.0",
        "results": list(results),
        "errors": [],
        "paths": {"scanned": ["app/a.py"]},
        **more,
    }


def error(level, kind, **more):
    return {"code": 2, "level": level, "type": kind, "message": "text", **more}


def test_a_result_in_our_words(read):
    meta = {
        "cwe": "CWE-89: SQL Injection",
        "confidence": "MEDIUM",
        "impact": "HIGH",
        "category": "security",
        "references": ["https://example.org/r"],
    }
    seen = read(report(result(metadata=meta, fingerprint="ab_0", lines="f(x)")))
    found = seen.one
    assert (seen.scan.tool, seen.scan.tool_version, seen.scan.coverage["artifacts"]) == ("Semgrep", "1.97.0", 1)
    assert (found.severity, found.severity_source, found.native) == ("high", "extra.severity", "ERROR")
    assert (found.cwe, found.cwe_sources) == (("CWE-89",), {"CWE-89": ("metadata.cwe",)})
    assert (found.confidence, found.help_uri) == ("medium", "https://example.org/r")
    assert found.tags == ("category:security", "impact:HIGH"), "kept beside the severity, which the word decides"
    place = found.locations[0]
    assert (place.line, place.column, place.end_line, place.end_column) == (4, 5, 6, 9)
    assert found.identity == "fingerprint:matchBasedId"
    assert found.snippet_sha256


def test_an_id_that_depends_on_the_folder_of_the_rules_is_one(read):
    one, other = (read(report(result(rule=f"{folder}.sql-format"))).one for folder in ("home.me.rules", "ci.r"))
    assert one.id == other.id
    assert one.rule != other.rule, "as reported"


@pytest.mark.parametrize(
    ("errors", "scanned", "status"),
    [
        ([error("warn", "Syntax error")], 1, "partial"),
        ([error("warn", ["PartialParsing", []])], 1, "partial"),
        ([error("error", "Rule parse error")], 1, "partial"),
        ([error("error", "Fatal error")], 1, "failed"),
        ([error("error", "Rule parse error")], 0, "failed"),
        ([error("info", "MissingPlugin")], 1, "ok"),
        ([error(None, None)], 1, "partial"),
        ([3], 1, "partial"),
        ([], 0, "empty"),
        ([], 1, "ok"),
    ],
)
def test_errors_tell_what_was_not_looked_at(read, errors, scanned, status):
    seen = read(report(errors=errors, paths={"scanned": ["a"] * scanned, "_comment": "more with --verbose"}))
    assert seen.scan.status == status


def test_many_errors_of_one_kind_are_one_reason(read):
    seen = read(report(errors=[error("warn", "Timeout", path=f"a{n}.py") for n in range(50)]))
    assert seen.scan.status_reasons == ("50 errors of level warn and type Timeout, first a0.py: text",)


def test_skipped_by_choice_or_by_trouble(read):
    def skipped(*reasons):
        paths = {"scanned": ["a"], "skipped": [{"path": "x", "reason": reason} for reason in reasons]}
        return read(report(paths=paths)).scan

    assert skipped("cli_exclude_flags_match", "minified").status == "ok"
    assert skipped("too_many_matches", "too_many_matches").status_reasons == ("2 files were skipped: too_many_matches",)
    assert skipped(None).status == "partial"
    assert len(skipped(*(f"reason {n}" for n in range(90))).status_reasons) <= 21


def test_rules_that_were_skipped_make_it_partial(read):
    assert read(report(skipped_rules=[{"rule_id": "r"}])).scan.status == "partial"


@pytest.mark.parametrize("results", [None, {}, "x"])
def test_without_its_results_it_failed(read, results):
    assert read({**report(), "results": results}).scan.status == "failed"


def test_a_result_without_a_rule_is_dropped(read):
    seen = read(report(result(), result(rule=None)))
    assert (seen.scan.totals.findings, seen.warnings["result_without_rule"]) == (1, 1)


def test_dependencies_of_the_command_line(read):
    dependency = {"reachable": False, "dependency_match": {"found_dependency": {"package": "merge", "version": "1.2"}}}
    found = read(report(result(sca_info=dependency))).one
    assert found.tags == ("reachable:false", "package:merge 1.2")
    assert (found.state, found.severity) == ("live", "high"), "not reachable is no word about severity"


def vuln(**advisory):
    return {
        "title": "Pollution",
        "advisory": {"severity": "HIGH", **advisory},
        "dependencyFileLocation": {"path": "package-lock.json", "startLine": 8},
    }


def test_vulns(read):
    seen = read({"vulns": [vuln(ruleId="ssc-1"), vuln()]})
    assert [(found.rule, found.severity, found.path) for found in seen.findings] == [
        ("ssc-1", "high", "package-lock.json"),
        ("Pollution", "high", "package-lock.json"),
    ]
    assert read({"vulns": [vuln(), {**vuln(), "title": None}]}).warnings["result_without_rule"] == 1


def finding(**more):
    return {
        "match_based_id": "m_0",
        "rule_name": "python.jwt",
        "rule_message": "not checked",
        "severity": "low",
        "state": "unresolved",
        "location": {"file_path": "a.py", "line": 3},
        **more,
    }


def test_what_a_vulnerable_dependency_is(read):
    more = {"exposureType": "REACHABLE", "matchedDependency": {"name": "merge", "versionSpecifier": "1.2"}}
    advice = {"references": {"cveIds": ["CVE-2019-0001", None], "cweIds": ["CWE-1321"], "urls": ["https://e.org/a"]}}
    found = read({"vulns": [{**vuln(**advice), **more}]}).one
    assert found.tags == ("CVE-2019-0001", "package:merge 1.2", "exposure:REACHABLE")
    assert (found.cwe, found.help_uri) == (("CWE-1321",), "https://e.org/a")


def test_findings_of_the_service(read):
    seen = read({"findings": [finding(), finding(rule_name=None)]})
    found = seen.findings[0]
    assert (found.rule, found.message, found.severity) == ("python.jwt", "not checked", "low")
    assert seen.warnings["result_without_rule"] == 1


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "live"),
        ({"state": "fixed"}, "absent"),
        ({"state": "removed"}, "absent"),
        ({"state": "muted"}, "suppressed"),
        ({"triage_state": "ignored"}, "suppressed"),
        ({"triage_state": "reviewing"}, "live"),
        ({"triage_state": "fixed"}, "live"),
    ],
)
def test_states_of_the_service(read, more, state):
    assert read({"findings": [finding(**more)]}).one.state == state


@pytest.mark.parametrize(
    "given",
    [{"results": [], "errors": []}, {"vulns": []}, {"results": {"passed": []}, "errors": []}],
)
def test_what_could_be_anybodys_is_not_recognised(read, given):
    with pytest.raises(BadInput):
        read(given)


def test_a_report_whose_end_says_whose_it_is(read):
    """Empty results are Semgrep's when errors and paths stand beside them, in any order."""
    assert read({"paths": {"scanned": ["a"]}, "errors": [], "results": []}).scan.format == "semgrep"
