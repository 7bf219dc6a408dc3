# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of a run that stand outside of it (SARIF 2.1.0, 3.14.2, 3.15.3 and 4.3)."""

from __future__ import annotations

import itertools
import json
import os

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput

from .conftest import result, run_of, sarif

ONE, TWO = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
PLACE = {"physicalLocation": {"artifactLocation": {"index": 0}}}


def referring(**references):
    """A run that has nothing of its own but a tool without rules."""
    run = run_of(rules=[], externalPropertyFileReferences=references)
    del run["results"]
    return run


def by_guid(guid):
    return [{"guid": guid}]


def in_file(uri, **more):
    return [{"location": {"uri": uri}, **more}]


WHOLE = {
    "guid": ONE,
    "results": [result(ruleIndex=0, locations=[PLACE], taxa=[{"index": 0, "toolComponent": {"index": 0}}])],
    "artifacts": [{"location": {"uri": "src/a.py"}}],
    "driver": {"name": "Elsewhere", "rules": [{"id": "R1", "defaultConfiguration": {"level": "error"}}]},
    "taxonomies": [{"name": "CWE", "taxa": [{"id": "89"}]}],
    "logicalLocations": [{"name": "f"}],
    "invocations": [
        {
            "executionSuccessful": True,
            "ruleConfigurationOverrides": [{"descriptor": {"index": 0}, "configuration": {"level": "note"}}],
        }
    ],
}


@pytest.mark.parametrize("first", ["parts", "runs"])
def test_parts_in_the_same_file_are_merged_by_guid_wherever_they_stand(read, first):
    run, parts = referring(results=by_guid(ONE), driver={"guid": ONE}), [WHOLE]
    report = {"version": "2.1.0", "inlineExternalProperties": parts, "runs": [run]}
    if first == "runs":
        report = dict(reversed(report.items()))
    found = read(report)
    one = found.one
    assert (one.tool, one.path, one.cwe, one.native, one.severity) == ("Tool", "src/a.py", ("CWE-89",), "note", "low")
    assert (found.scan.status, found.scan.totals.results) == ("ok", 1)
    assert found.warnings["external_part_merged"] == 1


def test_a_part_may_name_its_run(read):
    run = referring()
    run["automationDetails"] = {"guid": TWO}
    found = read(sarif(run, inlineExternalProperties=[{"runGuid": TWO, "results": [result()]}]))
    assert (found.scan.status, len(found.findings)) == ("ok", 1)


def test_each_run_gets_its_own_parts_and_the_order_stays(read):
    runs = [referring(results=by_guid(ONE)), run_of(result(ruleId="own")), referring(results=by_guid(TWO))]
    parts = [{"guid": TWO, "results": [result(ruleId="two")]}, {"guid": ONE, "results": [result(ruleId="one")]}]
    found = read(sarif(*runs, inlineExternalProperties=parts))
    assert [(one.run, one.rule) for one in found.findings] == [(0, "one"), (1, "own"), (2, "two")]


def test_totals_alone_count_them_too(read):
    report = sarif(referring(results=by_guid(ONE)), inlineExternalProperties=[WHOLE])
    assert read(report, totals_only=True).scan.to_dict() == read(report).scan.to_dict()


def test_a_part_is_used_once_so_that_few_bytes_do_not_become_many_findings(read):
    runs = [referring(results=by_guid(ONE)) for _number in range(40)]
    found = read(sarif(*runs, inlineExternalProperties=[{"guid": ONE, "results": [result()] * 5}]))
    assert (len(found.findings), found.scan.status) == (5, "failed")


def test_a_part_without_a_run_is_named(read):
    found = read(sarif(run_of(result()), inlineExternalProperties=[{"guid": TWO, "results": [result()]}, 7]))
    assert found.scan.status == "partial"
    assert "1 inlineExternalProperties belong to no run" in found.scan.status_reasons[0]
    assert found.warnings["part_not_an_object"] == 1


def test_the_cap_of_results_holds_across_parts(read):
    parts = [{"guid": ONE, "results": [result()] * 4}]
    found = read(
        sarif(referring(results=by_guid(ONE)), run_of(result()), inlineExternalProperties=parts), max_results=3
    )
    assert (found.scan.totals.findings, found.scan.totals.dropped, found.scan.totals.results) == (3, 2, 5)


@pytest.mark.parametrize("odd", [None, 7, {}, "x", [None, {"guid": 7}]])
def test_odd_parts_change_nothing(read, odd):
    assert read(sarif(run_of(result()), inlineExternalProperties=odd)).scan.totals.findings == 1


def test_results_of_a_part_that_are_no_list_are_refused_as_those_of_a_run_are(read):
    with pytest.raises(BadInput, match="results of a part are not a list"):
        read(sarif(run_of(result()), inlineExternalProperties=[{"guid": ONE, "results": 7}]))


def test_more_waiting_runs_than_memory_should_hold_are_completed_without(read):
    runs = [referring(results=by_guid(f"guid-{number}")) for number in range(20)]
    parts = [{"guid": "guid-0", "results": [result()]}]
    found = read(sarif(*runs, inlineExternalProperties=parts))
    assert (found.scan.status, found.findings) == ("failed", [])


class TestOtherFiles:
    def test_they_are_left_alone_unless_asked_for(self, put, read):
        put({"results": [result()]}, "results.sarif-external-properties")
        found = read(sarif(referring(results=in_file("results.sarif-external-properties"))))
        assert (found.scan.status, found.findings) == ("failed", [])

    def test_when_asked_for_those_beside_the_report_are_read(self, put, read):
        put({**WHOLE, "version": "2.1.0"}, "parts/all parts.json")
        found = read(sarif(referring(results=in_file("parts/all%20parts.json", guid=ONE))), external_files=True)
        assert (found.one.path, found.scan.status) == ("src/a.py", "ok")
        assert found.warnings["external_file_read"] == 1

    @pytest.mark.parametrize(
        "uri",
        [
            "../out.json",
            "a/../../out.json",
            "%2e%2e/out.json",
            "/etc/hostname",
            "file:///etc/hostname",
            "https://x.example/a",
            "missing.json",
            "link.json",
            "folder",
            "",
            "a\0b",
            7,
        ],
    )
    def test_nothing_else_is_opened(self, put, read, tmp_path, uri):
        put({"results": [result()]}, "../out.json")
        (tmp_path / "folder").mkdir()
        (tmp_path / "link.json").symlink_to(tmp_path.parent / "out.json")
        found = read(sarif(referring(results=in_file(uri))), external_files=True)
        assert (found.scan.status, found.findings) == ("failed", [])
        assert found.warnings.get("external_file_refused", 0) == (uri != 7)

    def test_a_pipe_is_not_waited_for(self, read, tmp_path):
        os.mkfifo(tmp_path / "pipe.json")
        assert read(sarif(referring(results=in_file("pipe.json"))), external_files=True).scan.status == "failed"

    def test_a_file_of_another_guid_is_not_used(self, put, read):
        put({"guid": TWO, "results": [result()]}, "part.json")
        found = read(sarif(referring(results=in_file("part.json", guid=ONE))), external_files=True)
        assert (found.scan.status, found.warnings["external_file_mismatch"]) == ("failed", 1)

    @pytest.mark.parametrize("content", ["", "[]", '{"results": [', '{"results": 7}', "\x1f\x8b\x08"])
    def test_a_damaged_one_is_said_and_nothing_of_it_counts(self, put, read, content):
        put(content, "part.json")
        found = read(sarif(referring(results=in_file("part.json"))), external_files=True)
        assert (found.scan.status, found.warnings["external_file_refused"]) == ("failed", 1)

    def test_endless_files_are_not_opened(self, put, read):
        put({"results": []}, "part.json")
        references = in_file("part.json") * 300
        found = read(sarif(referring(results=references)), external_files=True)
        assert found.warnings["external_file_read"] == 100
        assert found.warnings["external_file_refused"] == 200


def test_no_spool_file_stays_open_when_the_report_is_damaged(put, read):
    report = json.dumps(sarif(referring(results=by_guid(ONE)), inlineExternalProperties=[WHOLE]))
    before = len(os.listdir("/proc/self/fd"))
    for end in itertools.chain(range(1, len(report) - 1, 7)):
        with pytest.raises(BadInput):
            read(report[:end], spool_bytes=10)
    assert len(os.listdir("/proc/self/fd")) == before
