# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scan before its findings: status, provenance, coverage."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Finding, Scan

from .conftest import result, run_of, sarif

A1, B2 = "a1" * 20, "b2" * 20


def status(found):
    return found.scan.status.value, " ".join(found.scan.status_reasons)


def vcs(*commits):
    return [{"repositoryUri": "https://u:p@git.example.com/shop", "revisionId": commit} for commit in commits]


def test_no_results_of_a_finished_run_is_ok(read_run):
    found = read_run(invocations=[{"executionSuccessful": True, "exitCode": 1}])
    assert (status(found), found.scan.totals.results) == (("ok", ""), 0)


def test_no_run_is_empty(read):
    assert status(read(sarif())) == ("empty", "the file holds no run: nothing was scanned")


def test_null_runs_failed(read):
    assert read({"version": "2.1.0", "runs": None}).scan.status == "failed"


@pytest.mark.parametrize("results", [{"results": None}, {}])
def test_null_or_absent_results_failed(read, results):
    state, reasons = status(read(sarif({"tool": {"driver": {"name": "T"}}, **results})))
    assert (state, "the tool did not produce any" in reasons) == ("failed", True)


@pytest.mark.parametrize(
    "invocation",
    [
        {"executionSuccessful": False, "exitCode": 2},
        {"executionSuccessful": True, "exitSignalName": "SIGKILL"},
        {"executionSuccessful": True, "processStartFailureMessage": "no such file"},
    ],
)
def test_a_run_that_did_not_finish_failed_whatever_it_found(read_run, invocation):
    found = read_run(result(), invocations=[{"executionSuccessful": True}, invocation])
    assert (found.scan.status, found.scan.totals.live) == ("failed", 1)


@pytest.mark.parametrize("kind", ["toolExecutionNotifications", "toolConfigurationNotifications"])
def test_error_notifications_make_it_partial(read_run, kind):
    notes = [{"level": "note"}, {"level": "error", "message": {"text": "a.py: cannot parse\x1b"}}]
    state, reasons = status(read_run(invocations=[{"executionSuccessful": True, kind: notes}]))
    assert (state, "cannot parse\\u001b" in reasons) == ("partial", True)


def test_notes_and_warnings_of_the_tool_do_not(read_run):
    notes = [{"level": "warning", "message": {"text": "slow"}}, {"message": {"text": "x"}}]
    assert read_run(invocations=[{"toolExecutionNotifications": notes}]).scan.status == "ok"


def test_the_worst_run_counts_and_is_named(read):
    found = read(sarif(run_of(result()), run_of(invocations=[{"executionSuccessful": False}])))
    assert found.scan.status == "failed"
    assert found.scan.status_reasons[0].startswith("run 1 (Tool): ")
    assert [run["status"] for run in found.scan.runs] == ["ok", "failed"]


def test_parts_in_other_files_are_not_read_and_said(read):
    run = {**run_of(result()), "externalPropertyFileReferences": {"artifacts": [{"location": {"uri": "x"}}]}}
    assert status(read(sarif(run))) == (
        "partial",
        "run 0 (Tool): parts of it are in other files, which were not read: artifacts",
    )
    del run["results"]
    run["externalPropertyFileReferences"] = {"results": [{"location": {"uri": "x"}}]}
    assert read(sarif(run)).scan.status == "failed"


def test_inline_external_properties_make_it_partial(read):
    assert read(sarif(run_of(), inlineExternalProperties=[{"results": []}])).scan.status == "partial"


def test_results_beyond_the_cap_are_counted_and_make_it_partial(read_run):
    found = read_run(*[result()] * 7, options={"max_results": 3})
    totals = found.scan.totals
    assert (totals.results, totals.findings, totals.dropped, found.scan.status) == (7, 3, 4, "partial")
    assert found.truncated["results"] == (3, 7)


def test_the_cap_is_for_the_file(read):
    found = read(sarif(run_of(*[result()] * 2), run_of(*[result()] * 2)), max_results=3)
    assert (found.scan.totals.findings, found.scan.totals.dropped) == (3, 1)


def test_entries_that_are_no_objects_are_dropped_and_make_it_partial(read):
    found = read(sarif({"tool": {"driver": {"name": "T"}}, "results": [1, None, result()]}))
    assert (found.scan.totals.dropped, found.scan.totals.findings, found.scan.status) == (2, 1, "partial")
    assert found.warnings["result_not_an_object"] == 2


def test_endless_reasons_are_shortened(read):
    found = read(sarif(*[run_of(invocations=[{"executionSuccessful": False}])] * 30))
    assert (len(found.scan.status_reasons), found.scan.status_reasons[-1]) == (21, "and 10 more")


def test_the_commit_comes_from_the_report(read_run):
    found = read_run(result(), versionControlProvenance=vcs(A1))
    assert (found.scan.commit, found.one.commit) == (A1, A1)
    assert found.scan.repository == "https://git.example.com/shop"


def test_without_any_commit_it_is_unknown_and_counted(read_run):
    found = read_run(result(), versionControlProvenance=[{"revisionId": "main"}, 3])
    assert (found.scan.commit, found.warnings["commit_unknown"]) == (None, 1)


def test_the_option_fills_in_and_a_short_one_is_completed(read_run):
    assert read_run(result(), options={"commit": A1}).one.commit == A1
    assert read_run(result(), options={"commit": A1[:8]}, versionControlProvenance=vcs(A1)).scan.commit == A1


def test_a_report_of_another_commit_is_an_error(read_run):
    with pytest.raises(BadInput, match="another commit"):
        read_run(result(), options={"commit": B2}, versionControlProvenance=vcs(A1))


def test_several_commits_are_ambiguous_until_one_is_named(read_run):
    found = read_run(result(), versionControlProvenance=vcs(A1, B2))
    assert (found.scan.commit, found.warnings["commit_ambiguous"]) == (None, 1)
    assert read_run(result(), options={"commit": B2}, versionControlProvenance=vcs(A1, B2)).scan.commit == B2


def test_runs_of_different_commits_leave_the_file_without_one(read):
    runs = [run_of(result(), versionControlProvenance=vcs(commit)) for commit in (A1, B2)]
    found = read(sarif(*runs))
    assert (found.scan.commit, [finding.commit for finding in found.findings]) == (None, [A1, B2])
    assert found.warnings["commit_ambiguous"] == 1


def test_an_empty_file_of_a_named_commit_has_that_commit(read):
    assert read(sarif(), commit=A1).scan.commit == A1


def test_digests_are_taken_as_given_or_looked_up_by_commit(read_run):
    one, two, other = (f"sha256:{letter * 64}" for letter in "123")
    assert read_run(options={"digests": one}).scan.digest == one
    more = {"versionControlProvenance": vcs(A1)}
    found = read_run(options={"digests": {one: A1[:10], other: B2}}, **more)
    assert (found.scan.digest, found.scan.digests) == (one, (one,))
    found = read_run(options={"digests": {two: A1, one: A1}}, **more)
    assert (found.scan.digest, found.scan.digests) == (None, (one, two))
    assert read_run(options={"digests": {one: A1}}).scan.digests == ()


def test_category_and_run_id_are_split_at_the_last_slash(read):
    def of(identifier):
        run = read(sarif({**run_of(), "automationDetails": {"id": identifier}})).scan.runs[0]
        return run["category"], run["run_id"]

    assert of("ci/python/42") == ("ci/python", "42")
    assert of("nightly/") == ("nightly", "")
    assert of("42") == ("", "42")


def test_the_time_is_the_end_of_the_last_invocation_or_unknown(read_run):
    times = [{"endTimeUtc": "2026-03-01T10:00:00Z"}, {"endTimeUtc": "2026-03-01T12:00:00.5Z"}, {"endTimeUtc": "later"}]
    assert read_run(invocations=times).scan.time == "2026-03-01T12:00:00.5Z"
    assert read_run().scan.time is None


def test_a_ruleset_has_an_identity_that_does_not_depend_on_order(read_run):
    one = read_run(rules=[{"id": "A"}, {"id": "B"}]).scan
    two = read_run(rules=[{"id": "B"}, {"id": "A"}]).scan
    more = read_run(rules=[{"id": "A"}, {"id": "B"}, {"id": "C"}]).scan
    assert one.ruleset == two.ruleset != more.ruleset
    assert one.coverage == {"rules": ["A", "B"], "rules_count": 2, "artifacts": 0}
    assert read_run(rules=[]).scan.ruleset is None


def test_endless_rules_are_cut_in_the_record_and_counted(read_run):
    found = read_run(rules=[{"id": f"R{n}"} for n in range(5001)])
    assert (len(found.scan.coverage["rules"]), found.scan.coverage["rules_count"]) == (5000, 5001)
    assert found.truncated["rule ids of the coverage"] == (5000, 5001)


def test_several_tools_are_all_named(read):
    other = run_of()
    other["tool"]["driver"] = {"name": "Other", "semanticVersion": "3.0"}
    scan = read(sarif(run_of(), other, run_of())).scan
    assert (scan.tool, scan.tool_version) == ("Tool + Other", "1.0 + 3.0")


def test_records_survive_a_round_trip(read_run):
    place = {"physicalLocation": {"artifactLocation": {"uri": "a"}}}
    full = result(
        locations=[place], suppressions=[{"kind": "inSource"}], properties={"cwe": 89}, fingerprints={"a": "1"}
    )
    found = read_run(full)
    assert Finding.from_dict(found.one.to_dict()) == found.one
    assert Scan.from_dict(found.scan.to_dict()) == found.scan
    assert found.one.scan == found.scan.sha256


@pytest.mark.parametrize("record", [{}, {"id": "x"}, {"severity": "awful", "state": "live"}, {"severity": 3}])
def test_a_record_that_is_no_finding_is_refused(record):
    with pytest.raises(BadInput):
        Finding.from_dict(record)


@pytest.mark.parametrize("record", [{}, {"status": "fine", "totals": {}}, {"status": "ok", "totals": {"results": 1}}])
def test_a_record_that_is_no_scan_is_refused(record):
    with pytest.raises(BadInput):
        Scan.from_dict(record)
