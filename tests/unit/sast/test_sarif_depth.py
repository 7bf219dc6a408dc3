# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Less common parts of SARIF 2.1.0, each with the section that says what they mean."""

from __future__ import annotations

import pytest

from .conftest import result, run_of, sarif

GUID = "33333333-0000-4000-8000-000000000003"


def notified(**more):
    return {"executionSuccessful": True, "toolExecutionNotifications": [{"message": {"text": "m"}, **more}]}


@pytest.mark.parametrize(
    ("notification", "override", "status"),
    [
        ({"descriptor": {"id": "N1"}}, None, "partial"),
        ({"descriptor": {"index": 0}}, {"level": "note"}, "ok"),
        ({"descriptor": {"id": "N2"}}, {"level": "error"}, "ok"),
        ({"descriptor": {"id": "N1"}, "level": "warning"}, {"level": "error"}, "ok"),
        ({"descriptor": {"id": "other"}}, None, "ok"),
        ({}, {"level": "error"}, "ok"),
    ],
)
def test_the_level_of_a_notification_walks_as_that_of_a_result(read, notification, override, status):
    """3.20.6 and 3.58.6: its own level, else the override of its invocation, else that of its descriptor."""
    invocation = notified(**notification)
    if override:
        entry = {"descriptor": {"id": "N1"}, "configuration": override}
        invocation["notificationConfigurationOverrides"] = [entry]
    run = run_of(invocations=[invocation])
    run["tool"]["driver"]["notifications"] = [{"id": "N1", "defaultConfiguration": {"level": "error"}}]
    assert read(sarif(run)).scan.status == status


def test_overrides_of_rules_and_of_notifications_are_not_mixed_up(read):
    override = {"descriptor": {"id": "R1"}, "configuration": {"level": "error"}}
    invocation = {"executionSuccessful": True, "notificationConfigurationOverrides": [override]}
    assert read(sarif(run_of(result(), invocations=[invocation]))).one.native == "warning"


def test_the_tool_is_the_one_that_looked_and_the_converter_is_named(read_run):
    """3.22: the driver of a conversion is what wrote the report."""
    conversion = {"tool": {"driver": {"name": "To SARIF", "version": "3"}}, "invocation": {"executionSuccessful": True}}
    found = read_run(result(), conversion=conversion)
    assert (found.scan.tool, found.scan.runs[0]["converter"], found.scan.status) == ("Tool", "To SARIF 3", "ok")


def test_a_conversion_that_failed_makes_the_scan_partial(read_run):
    found = read_run(result(), conversion={"invocation": {"executionSuccessful": False, "exitCode": 2}})
    assert found.scan.status == "partial"
    assert "the conversion was not successful" in found.scan.status_reasons[0]


@pytest.mark.parametrize("odd", [7, [], {"tool": 7}, {"tool": {"driver": []}, "invocation": 7}])
def test_an_odd_conversion_says_nothing(read_run, odd):
    found = read_run(result(), conversion=odd)
    assert (found.scan.runs[0]["converter"], found.scan.status) == (None, "ok")


def test_a_result_of_a_web_scan_has_its_request_as_place_without_its_query(read_run):
    """3.46: what was tried and what it was tried with stands in the query."""
    request = {"method": "GET", "target": "/login?password=hunter2hunter2"}
    found = read_run(result(webRequest=request), result(webRequest={"index": 0}), webRequests=[{"target": "/a"}])
    assert [one.locations[0].symbol for one in found.findings] == ["GET /login", "/a"]
    assert "hunter2" not in str(found.findings)


def test_a_place_of_its_own_goes_before_the_request(read_run):
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}}}
    assert read_run(result(locations=[place], webRequest={"target": "/x"})).one.path == "a.py"


@pytest.mark.parametrize("odd", [7, [], {"target": 7}, {"index": 99}, {"index": -1, "method": "GET"}])
def test_an_odd_request_is_no_place(read_run, odd):
    assert read_run(result(webRequest=odd)).one.locations == ()


def test_the_guid_of_equal_results_stands_in_for_fingerprints(read_run):
    """3.27.4: results of several runs with one correlationGuid are one problem; 3.27.3: guid is of one result."""
    alone = read_run(result(correlationGuid=GUID, guid=GUID))
    assert alone.one.identity == "fingerprint:correlationGuid"
    same = read_run(result(correlationGuid=GUID, message={"text": "told in other words"}))
    assert same.one.id == alone.one.id
    both = read_run(result(correlationGuid=GUID, partialFingerprints={"primaryLocationLineHash": "ab:1"}))
    assert both.one.identity == "fingerprint:primaryLocationLineHash"
    assert read_run(result(guid=GUID)).one.identity == "message"


def test_a_result_that_stands_for_several_is_one_finding_and_counted(read_run):
    """3.27: occurrenceCount."""
    found = read_run(result(occurrenceCount=5), result(occurrenceCount=1), result(occurrenceCount="x"))
    assert (len(found.findings), found.warnings["occurrences_counted"]) == (3, 1)


def test_a_former_guid_of_a_rule_is_the_rule(read_run):
    """3.49: deprecatedGuids."""
    found = read_run(
        {"message": {"text": "m"}, "rule": {"guid": GUID}}, rules=[{"id": "R9", "deprecatedGuids": [GUID]}]
    )
    assert (found.one.rule, found.one.rule_resolution) == ("R9", "guid")


def test_a_place_in_bytes_keeps_its_file_and_is_counted(read_run):
    """3.30: a region of a binary file has byteOffset and byteLength only."""
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.bin"}, "region": {"byteOffset": 5, "byteLength": 2}}}
    found = read_run(result(locations=[place]))
    assert (found.one.locations[0].line, found.one.path, found.warnings["place_in_bytes"]) == (None, "a.bin", 1)


def test_a_file_inside_an_archive_is_told_with_it_whatever_its_offset(read_run):
    """3.24.3 and 3.24.4: parentIndex and offset."""
    artifacts = [
        {"location": {"uri": "app.war"}},
        {"location": {"uri": "/lib/x.jar"}, "parentIndex": 0, "offset": 4096, "length": 10},
        {"parentIndex": 1, "offset": 7},
    ]
    places = [{"physicalLocation": {"artifactLocation": {"index": index}}} for index in (1, 2)]
    found = read_run(*[result(locations=[place]) for place in places], artifacts=artifacts)
    assert [one.path for one in found.findings] == ["app.war!/lib/x.jar", "app.war!/lib/x.jar!/"]


def test_a_taxon_by_guid_of_an_extension(read):
    """3.54: taxa may live in extensions of the tool, and a rule may point to them."""
    taxonomy = {"name": "CWE", "guid": GUID, "taxa": [{"id": "79", "guid": "t-79"}, {"id": "22"}]}
    by_guid = {"guid": "t-79", "toolComponent": {"guid": GUID}}
    by_index = {"target": {"index": 1, "toolComponent": {"index": 0}}, "kinds": ["superset"]}
    run = run_of(result(taxa=[by_guid]), rules=[{"id": "R1", "relationships": [by_index]}])
    run["tool"]["extensions"] = [taxonomy]
    assert read(sarif(run)).one.cwe == ("CWE-22", "CWE-79")


def test_links_of_a_report_are_no_part_of_a_finding(read_run):
    """3.27.27 workItemUris and 3.27.28 hostedViewerUri: addresses that an attacker chooses."""
    found = read_run(result(workItemUris=["javascript:alert(1)"], hostedViewerUri="https://evil.example/"))
    assert "evil" not in str(found.one)
    assert "javascript" not in str(found.one)


def test_a_priority_is_no_severity(read_run):
    found = read_run(result(level="note", properties={"priorityScore": 900, "priority": "critical"}))
    assert (found.one.severity, found.one.severity_source) == ("low", "level:result")


def test_arguments_are_filled_in_from_global_strings_with_links(read_run, read):
    """3.11 and 3.19: arguments, embedded links, globalMessageStrings."""
    run = run_of(result(message={"id": "hello", "arguments": ["x{1}", "[y](0)"]}))
    run["tool"]["driver"]["globalMessageStrings"] = {"hello": {"text": "{{0}} is [{0}](1), {1} and {2}"}}
    assert read(sarif(run)).one.message == "{0} is x{1}, y and {2}"


def test_several_runs_count_together_and_a_missing_one_is_no_run(read):
    found = read(sarif(run_of(result()), run_of(result(), result(kind="pass"))))
    assert (found.scan.totals.results, found.scan.totals.passed, len(found.scan.runs)) == (3, 1, 2)
