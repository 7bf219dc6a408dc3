# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the door does: select, read, store, return."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from unittest.mock import Mock

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast import store
from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.spool import Spool

from .conftest import result, run_of, sarif

LEVELS = ("note", "error", "warning")
REPORT = sarif(run_of(*[result(level=level, message={"text": level}) for level in LEVELS]))


def call(*paths, check=False, **params):
    return sast_report({"path": [str(path) for path in paths], **params}, check=check)


def test_a_file_gives_a_scan_and_its_findings_worst_first(put):
    found = call(put(REPORT))
    assert [scan["status"] for scan in found["scans"]] == ["ok"]
    assert [finding["message"] for finding in found["findings"]] == ["error", "warning", "note"]
    assert (found["changed"], found["dest"], found["diff"], found["truncated"]) == (False, None, None, [])


def test_live_findings_go_before_hidden_ones_and_unknown_before_medium(put):
    rows = [
        result(level="error", suppressions=[{"kind": "inSource"}], message={"text": "hidden"}),
        result(level="warning", message={"text": "medium"}),
        result(level="odd", message={"text": "unknown"}),
    ]
    found = call(put(sarif(run_of(*rows))))
    assert [finding["message"] for finding in found["findings"]] == ["unknown", "medium", "hidden"]


def test_at_most_so_many_findings_come_back_and_the_rest_is_counted(put):
    found = call(put(REPORT), return_findings=1)
    assert [finding["message"] for finding in found["findings"]] == ["error"]
    assert found["truncated"] == [{"what": "findings returned inline", "kept": 1, "seen": 3}]
    assert call(put(REPORT), return_findings=0)["findings"] == []


def test_a_directory_gives_reports_by_name_and_by_content(put, tmp_path):
    put(REPORT, "in/a.sarif")
    put(REPORT, "in/deep/b.SARIF.json")
    put(REPORT, "in/c.json")
    put({"$schema": "https://example.com/sarif-2.1.0.json", "version": "2.1.0", "runs": []}, "in/d.json")
    put({"results": []}, "in/other.json")
    put({"$schema": "https://example.com/x.json"}, "in/schema.json")
    put("{", "in/broken.json")
    put("x", "in/readme.txt")
    os.symlink(put(REPORT, "outside.sarif"), tmp_path / "in" / "link.sarif")
    found = call(tmp_path / "in")
    assert [os.path.basename(scan["file"]) for scan in found["scans"]] == [
        "a.sarif",
        "c.json",
        "d.json",
        "b.SARIF.json",
    ]
    assert found["ignored"]["count"] == 5


def test_globs_are_expanded_and_files_are_read_once(put, tmp_path):
    put(REPORT, "a.sarif")
    put(REPORT, "x/b.log")
    found = call(tmp_path / "**/*.*", tmp_path / "a.sarif", tmp_path / "x/../a.sarif")
    assert [os.path.basename(scan["file"]) for scan in found["scans"]] == ["a.sarif", "b.log"]


def test_nothing_to_read_is_an_error(put, tmp_path):
    (tmp_path / "empty").mkdir()
    put("{}", "plain/x.json")
    for path, what in (
        (tmp_path / "none", "no such report"),
        (tmp_path / "*.none", "no file matches"),
        (tmp_path / "empty", "no reports in the directory"),
        (tmp_path / "plain", "no reports in the directory"),
    ):
        with pytest.raises(BadInput, match=what):
            call(path)
    with pytest.raises(BadInput, match="no report was named"):
        call()


def test_the_store_is_written_once_and_only_for_its_owner(put, tmp_path):
    dest = tmp_path / "findings.ndjson"
    report = put(REPORT)
    first = call(report, dest=str(dest))
    assert (first["changed"], stat.S_IMODE(dest.stat().st_mode)) == (True, 0o600)
    written = dest.stat().st_mtime_ns
    second = call(report, dest=str(dest))
    assert (second["changed"], dest.stat().st_mtime_ns) == (False, written)
    assert first["dest"] == {
        "path": str(dest),
        "sha256": hashlib.sha256(dest.read_bytes()).hexdigest(),
        "findings": 3,
    }
    assert sorted(os.listdir(tmp_path)) == ["findings.ndjson", "report.sarif"]


def test_the_store_holds_all_findings_one_a_line_and_reads_back(put, tmp_path):
    dest = tmp_path / "findings.ndjson"
    found = call(put(REPORT), put(REPORT, "again.sarif"), dest=str(dest), return_findings=2)
    lines = dest.read_text().splitlines()
    assert (len(lines), json.loads(lines[1])) == (6, found["findings"][0])
    assert [finding.native for finding in store.read(str(dest))] == [*LEVELS, *LEVELS]


def test_check_mode_says_what_would_change_and_writes_nothing(put, tmp_path):
    dest = tmp_path / "findings.ndjson"
    report = put(REPORT)
    planned = call(report, dest=str(dest), check=True)
    assert (planned["changed"], dest.exists()) == (True, False)
    done = call(report, dest=str(dest))
    assert planned["dest"] == done["dest"]
    assert call(report, dest=str(dest), check=True)["changed"] is False
    assert planned["diff"] == done["diff"]


def test_nothing_is_written_when_one_report_is_bad(put, tmp_path):
    dest = tmp_path / "findings.ndjson"
    with pytest.raises(BadInput):
        call(put(REPORT), put("{", "bad.sarif"), dest=str(dest))
    assert not dest.exists()


def test_places_where_no_store_can_be(put, tmp_path):
    report = put(REPORT)
    for dest, what in (
        (tmp_path, "is a directory"),
        (tmp_path / "none" / "x", "does not exist"),
        (report, "one of the reports"),
        (f"{tmp_path}/{'x' * 300}", "dest cannot be read"),
    ):
        with pytest.raises(BadInput, match=what):
            call(report, dest=str(dest))


def test_a_store_that_cannot_be_written_leaves_the_old_one(put, tmp_path, monkeypatch):
    dest = tmp_path / "findings.ndjson"
    dest.write_text("old\n")
    report = put(REPORT)
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(28, "full")))
    with pytest.raises(BadInput, match="No space left"):
        call(report, dest=str(dest))
    assert dest.read_text() == "old\n"
    assert sorted(os.listdir(tmp_path)) == ["findings.ndjson", "report.sarif"]


@pytest.mark.parametrize("line", ["{", "[1]", "{}", "[" * 100_000])
def test_a_damaged_store_is_refused(put, line):
    with pytest.raises(BadInput):
        list(store.read(put(line + "\n", "findings.ndjson")))


def test_a_missing_store_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no such"):
        list(store.read(str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("params", "what"),
    [
        ({"commit": "main"}, "not a commit id"),
        ({"digest": "latest"}, "not an image digest"),
        ({"digest": {"sha256:" + "0" * 64: "main"}}, "no commit id"),
        ({"digest": "{'a"}, "neither a digest"),
        ({"return_findings": -1}, "negative"),
        ({"max_results": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(put, params, what):
    with pytest.raises(BadInput, match=what):
        call(put(REPORT), **params)


def test_digests_may_come_as_text_or_dictionary(put):
    digest, commit = "sha256:" + "0" * 64, "A1" * 20
    for given in (digest, {digest: commit}, json.dumps({digest: commit})):
        assert call(put(REPORT), digest=given, commit=commit)["scans"][0]["digest"] == digest


def test_a_spool_gives_back_what_was_put_also_from_its_file():
    for limit in (10, 10_000_000):
        spool = Spool(limit)
        records = [bytes([n % 256]) * (n * 37 % 5000 + n % 99 // 98 * 700_000) for n in range(600)]
        for record in records:
            spool.put(record)
        assert (list(spool), list(spool), spool.spilled) == (records, records, limit == 10)
        one, two = iter(spool), iter(spool)
        assert [next(one), next(two), next(one)] == [records[0], records[0], records[1]]
        spool.close()
