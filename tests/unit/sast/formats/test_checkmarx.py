# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checkmarx, its XML, CxFlow and Checkmarx One: what the corpus does not show."""

from __future__ import annotations

import pytest


def one(**more):
    data = {"queryName": "XSS", "nodes": [{"fileName": "/a.js", "line": 3}]}
    return {"type": "sast", "similarityId": "1", "state": "TO_VERIFY", "severity": "HIGH", "data": data, **more}


def page(*results, **more):
    return {"results": list(results), "totalCount": len(results), "scanID": "1", **more}


def report(**more):
    return {"reportHeader": {}, "scanInformation": {}, **more}


def flow(*issues):
    return {"xissues": list(issues)}


def test_a_result_outside_of_a_query_is_dropped(read):
    text = '<CxXMLResults><Query name="Q"/><Result Severity="High"/><Query><Result/></Query></CxXMLResults>'
    assert read(text).scan.totals.dropped == 2


def test_a_result_without_a_path_is_where_it_begins(read):
    text = '<CxXMLResults><Query name="Q"><Result FileName="a.js" Line="7" Severity="High"/></Query></CxXMLResults>'
    found = read(text).one
    assert (found.path, found.locations[0].line, found.message) == ("a.js", 7, "Q")


def test_the_code_at_the_sink_is_no_text_of_the_finding(read):
    node = "<PathNode><FileName>a.js</FileName><Line>1</Line><Name>pw</Name><Snippet><Line><Code>hunter2</Code></Line>"
    path = f'<Path SimilarityId="1">{node}</Snippet></PathNode></Path>'
    text = f'<CxXMLResults><Query name="Q" cweId="259"><Result Severity="Low">{path}</Result></Query></CxXMLResults>'
    seen = read(text)
    assert seen.one.snippet_sha256
    assert "hunter2" not in str(seen.one.to_dict())


@pytest.mark.parametrize("state", ["CUSTOM", None, 7, "CONFIRMED"])
def test_a_state_that_nobody_knows_hides_nothing(read, state):
    assert read(page(one(state=state))).one.state == "live"


def test_a_result_names_its_rule_in_one_of_several_ways_or_is_dropped(read):
    found = read(
        page(one(), one(data={}, vulnerabilityDetails={"cveName": "CVE-2020-1"}), one(data={"ruleName": "key"}))
    )
    assert [finding.rule for finding in found.findings] == ["XSS", "CVE-2020-1", "key"]
    assert read(page(one(data={}, id="9"))).scan.totals.dropped == 1


def test_results_that_are_no_list_are_missing(read):
    seen = read({"results": {"similarityId": "1", "state": "x"}, "totalCount": 0, "scanID": "1"})
    assert seen.scan.status == "failed"


@pytest.mark.parametrize(
    ("ended", "status"), [("Completed", "ok"), ("Failed", "failed"), ("Canceled", "failed"), (None, "partial")]
)
def test_how_a_scanner_ended(read, ended, status):
    scan = {"scannerStatus": [{"name": "SAST", "status": ended}], "totalScannedFiles": 3}
    assert read(report(scanInformation=scan, scanResults={"resultsList": []})).scan.status == status


def test_a_report_with_fewer_results_than_it_says(read):
    overview = {"sastResults": {"value": 12}, "scaResults": {"value": 5}}
    query = {"queryName": "XSS", "vulnerabilities": [{"severity": "High"}]}
    seen = read(report(scannerOverview=overview, scanResults={"resultsList": [query]}))
    assert seen.truncated["results that the report holds"] == (1, 12)
    assert seen.scan.status == "partial"


def test_a_report_without_sections_failed_unless_it_counts_none(read):
    assert read(report()).scan.status == "failed"
    assert read(report(scannerOverview={"sastResults": {"value": 0}})).scan.status == "ok"
    assert read(report(scanResults={"other": []})).scan.status == "failed"


def test_a_query_without_a_name_is_dropped(read):
    query = {"vulnerabilities": [{"severity": "High"}]}
    assert read(report(scanResults={"resultsList": [query]})).scan.totals.dropped == 1


def test_an_issue_of_the_flow_without_results_has_its_lines(read):
    issue = {"vulnerability": "XSS", "severity": "Low", "filename": "a.js"}
    details = {"5": {"falsePositive": False}, "9": {"falsePositive": True}}
    seen = read(flow({**issue, "details": details}, issue))
    assert [(found.locations[0].line, found.state.value) for found in seen.findings] == [
        (5, "live"),
        (9, "suppressed"),
        (None, "live"),
    ]


def test_a_flow_without_issues_failed_and_an_issue_without_a_name_is_dropped(read):
    assert read({"xissues": None}).scan.status == "failed"
    assert read(flow({"severity": "High"})).scan.totals.dropped == 1
    assert read(flow()).scan.status == "ok"


@pytest.mark.parametrize("odd", [None, 1, "x", [], {}])
def test_odd_shapes_are_counted_and_no_crash(read, odd):
    for content in (
        page(one(), odd, one(data=odd, vulnerabilityDetails=odd, severity=odd, description=odd, comments=odd)),
        report(scanResults=odd, iacScanResults=odd, scaScanResults=odd, scannerOverview=odd, reportFilters=odd),
        report(scanResults={"resultsList": [odd, {"vulnerabilities": [odd]}]}, iacScanResults={"technology": [odd]}),
        flow(odd, {"vulnerability": "X", "details": odd, "additionalDetails": odd}),
    ):
        totals = read(content).scan.totals
        assert totals.results == totals.findings + totals.passed + totals.merged + totals.dropped
