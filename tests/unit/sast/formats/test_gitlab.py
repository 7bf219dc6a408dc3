# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GitLab: ids and keys repeat, the scan may stand below its entries or be missing, and only "success" is success."""

from __future__ import annotations

import json

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput

RULE = {"type": "semgrep_id", "name": "sql-format", "value": "sql-format", "url": "https://rules.example.org/1"}
CWE = {"type": "cwe", "name": "CWE-79", "value": "79"}


def entry(**more):
    return {
        "id": "a1",
        "category": "sast",
        "name": "Query built from text",
        "description": "A parameter reaches the query.",
        "severity": "High",
        "location": {"file": "app/a.py", "start_line": 4, "end_line": 9},
        "identifiers": [RULE, CWE],
        **more,
    }


def report(*entries, scan=None, **more):
    about = {
        "scanner": {"id": "semgrep", "name": "Semgrep", "version": "1.8"},
        "type": "sast",
        "status": "success",
        "end_time": "2026-03-02T08:00:42",
        **(scan or {}),
    }
    return {"version": "15.0.7", "vulnerabilities": list(entries), "scan": about, **more}


def test_an_entry_in_our_words(read):
    seen = read(report(entry(confidence="Confirmed")))
    found = seen.one
    assert (seen.scan.format, seen.scan.format_version, seen.scan.tool) == ("gitlab", "15.0.7", "Semgrep")
    assert seen.scan.time == "2026-03-02T08:00:42Z", "the format says that its times are UTC"
    assert (found.rule, found.rule_name) == ("sql-format", "Query built from text")
    assert (found.severity, found.severity_source, found.native) == ("high", "severity", "High")
    assert found.message == "A parameter reaches the query."
    assert (found.cwe, found.cwe_sources) == (("CWE-79",), {"CWE-79": ("identifiers",)})
    assert (found.locations[0].line, found.locations[0].end_line) == (4, 9)
    assert (found.confidence, found.help_uri) == ("high", "https://rules.example.org/1")


@pytest.mark.parametrize("scan_first", [True, False])
def test_where_the_scan_stands_does_not_matter(read, scan_first):
    given = report(entry())
    turned = {name: given[name] for name in (sorted(given) if scan_first else sorted(given, reverse=True))}
    assert read(turned).one.to_dict()["id"] == read(given).one.id
    assert read(turned).one.tool == "Semgrep"


@pytest.mark.parametrize(
    ("scan", "status"),
    [
        ({"status": "success"}, "ok"),
        ({"status": "failure"}, "failed"),
        ({"status": None}, "partial"),
        ({"status": "cancelled"}, "partial"),
        ({"messages": [{"level": "info", "value": "started"}]}, "ok"),
        ({"messages": [{"level": "warn", "value": "a file was too big"}]}, "partial"),
        ({"messages": [{"value": "a file was too big"}]}, "partial"),
        ({"messages": [{"level": "fatal", "value": "no rules"}]}, "failed"),
    ],
)
def test_whether_it_succeeded(read, scan, status):
    assert read(report(scan=scan)).scan.status == status


@pytest.mark.parametrize("vulnerabilities", [None, "none", {}])
def test_without_its_list_it_failed(read, vulnerabilities):
    assert read({**report(), "vulnerabilities": vulnerabilities}).scan.status == "failed"


def test_a_scan_that_is_no_object_says_nothing(read):
    assert read({**report(entry()), "scan": "success"}).scan.status == "partial"


def test_a_class_of_weakness_as_first_identifier_keeps_its_name(read):
    assert read(report(entry(identifiers=[CWE]))).one.rule == "CWE-79", "79 alone would say nothing"
    assert read(report(entry(identifiers=[{"type": "own", "name": "Rule nine"}]))).one.rule == "Rule nine"


def test_an_entry_without_identifiers_is_known_by_its_name(read):
    seen = read(report(entry(), entry(identifiers=[]), entry(identifiers=[], name="", description="", message="")))
    assert [found.rule for found in seen.findings] == ["sql-format", "Query built from text"]
    assert seen.warnings["entry_without_rule"] == 1
    assert seen.scan.status == "partial"


def test_a_repeated_id_merges_nothing_and_is_told(read):
    seen = read(report(entry(), entry(), entry(id="")))
    assert (seen.scan.totals.findings, seen.scan.totals.merged) == (3, 0)
    assert seen.warnings["id_repeated"] == 1
    assert len({found.id for found in seen.findings}) == 3


def test_signatures_identify_it_but_lines_do_not(read):
    tracking = {"items": [{"signatures": [{"algorithm": "location", "value": "a.py:4:9"}]}]}
    assert read(report(entry(tracking=tracking))).one.identity == "message"
    tracking["items"][0]["signatures"].append({"algorithm": "scope_offset", "value": "a.py|f[0]:2"})
    assert read(report(entry(tracking=tracking))).one.identity == "fingerprint:scope_offset"


def test_the_remedy_of_a_shared_key_is_nobodys(read):
    """Version 2 names the entry to be fixed by ``cve``, which several may share."""
    fixes = {"remediations": [{"fixes": [{"cve": "k"}], "diff": "x"}, {"fixes": "none"}, 3]}
    assert read(report(entry(cve="k"), **fixes)).one.tags == ("remediation:given",)
    assert {found.tags for found in read(report(entry(cve="k"), entry(cve="k"), **fixes)).findings} == {()}
    assert read(report(entry(id="z"), remediations=[{"fixes": [{"id": "z"}]}])).one.tags == ("remediation:given",)


def test_without_a_scan_the_entries_name_their_tools(read):
    old = report(entry(scanner={"name": "Bandit"}), entry(scanner={"name": "Gosec"}), entry())
    del old["scan"]
    seen = read(old)
    assert [found.tool for found in seen.findings] == ["Bandit", "Gosec", "Gosec"]
    assert seen.scan.tool == "Bandit + Gosec"
    assert seen.scan.status == "ok"


@pytest.mark.parametrize(
    "given",
    [
        {"version": "2.3", "vulnerabilities": [], "remediations": []},
        {"vulnerabilities": [entry(category=None)]},
        {"vulnerabilities": [entry(category="secret_detection")]},
        {"vulnerabilities": [entry(category="Sast")]},
    ],
)
def test_reports_without_a_scan_are_recognised(read, given):
    assert read(given).scan.format == "gitlab"


@pytest.mark.parametrize(
    "given",
    [
        report(entry(), scan={"type": "container_scanning"}),
        {"vulnerabilities": [entry(category="dependency_scanning")]},
        {"vulnerabilities": [entry(category=None, location={"image": "x"})]},
        {"vulnerabilities": []},
    ],
)
def test_other_reports_of_gitlab_are_not(read, given):
    with pytest.raises(BadInput, match="no report of a format"):
        read(given)


def test_a_flag_is_a_doubt_that_hides_nothing(read):
    flags = [{"type": "flagged-as-likely-false-positive", "description": "constant"}, {"type": "new"}, {}, 4]
    found = read(report(entry(flags=flags)), suppressions="lenient").one
    assert (found.state, [entry.status for entry in found.suppressions]) == ("live", ["underReview"])
    assert found.tags == ("flag:flagged-as-likely-false-positive", "flag:new")


def test_tags_and_symbol(read):
    owasp = {"type": "owasp", "name": "A03:2021 - Injection", "value": "A03:2021"}
    place = {"file": "A.java", "start_line": 3, "class": "A", "method": "run", "commit": {"sha": "1f6b2a7c"}}
    found = read(report(entry(identifiers=[RULE, owasp], location=place))).one
    assert found.tags == ("A03:2021 - Injection", "introduced-in:1f6b2a7c")
    assert (found.locations[0].symbol, found.commit) == ("A.run", None), "nothing says which commit was scanned"


def test_a_secret_leaves_nowhere(read):
    secret = "tok-5d41402abc4b2a76b9719d911017c592"
    tracking = {"items": [{"signatures": [{"algorithm": "hash", "value": f"a.py:{secret}"}]}]}
    found = entry(
        description=f"found {secret}",
        raw_source_code_extract=secret,
        tracking=tracking,
        location={"file": "a.py", "start_line": 1, "commit": {"sha": "0000000"}},
    )
    seen = read(report(found, scan={"type": "secret_detection"}))
    assert secret not in json.dumps(seen.one.to_dict())
    assert seen.one.tags == (), "a commit of noughts is none"
