# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one call of the door does beyond reading: comparing, waiving, gating, writing, explaining."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.formats import known
from ansible_collections.knowngood.kube.plugins.module_utils._sast.linehash import hash_lines
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out import WRITERS
from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.request import OPENVEX, OUTPUTS
from ansible_collections.knowngood.kube.plugins.modules import sast_report as door

from .conftest import result, run_of, sarif

IMAGE = "sha256:" + "ab" * 32


class At:
    """A clock that stands still."""

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 21, tzinfo=dt.UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing waits here, not even {seconds} s")


def called(*paths: Any, check: bool = False, **params: Any) -> dict[str, Any]:
    return sast_report({"path": [str(path) for path in paths], **params}, check=check, clock=At())


def found(text: str, path: str = "app/db.py", line: int = 3, **more: Any) -> dict[str, Any]:
    region = {"artifactLocation": {"uri": path}, "region": {"startLine": line}}
    return result(message={"text": text}, locations=[{"physicalLocation": region}], level="error", **more)


def waiver(**more: Any) -> dict[str, Any]:
    given = {"id": "W-1", "owner": "sec@example.com", "reason": "test code", "expires": "2027-01-01"}
    return {**given, "scope": {"path": "tests/**"}, **more}


class TestComparing:
    def test_what_is_new_and_what_is_gone_since_the_baseline(self, put: Any) -> None:
        before = put(sarif(run_of(found("old"), found("stays"))), "before.sarif")
        now = put(sarif(run_of(found("stays", line=30), found("fresh"))), "now.sarif")
        changes = called(now, baseline=[before])["changes"]
        assert {name: changes["counts"][name] for name in ("new", "unchanged", "fixed")} == {
            "new": 1,
            "unchanged": 1,
            "fixed": 1,
        }
        assert [row["status"] for row in changes["findings"]] == ["new"], "what is unchanged is counted only"
        assert [row["status"] for row in changes["gone"]] == ["fixed"]

    def test_after_a_scan_that_failed_nothing_is_fixed(self, put: Any) -> None:
        before = put(sarif(run_of(found("old"))), "before.sarif")
        now = put(sarif({**run_of(), "results": None}), "now.sarif")
        changes = called(now, baseline=[before])["changes"]
        assert changes["counts"]["fixed"] == 0
        assert changes["counts"]["uncertain_gone"] == 1
        assert changes["comparable"]

    def test_without_a_baseline_nothing_is_said(self, put: Any) -> None:
        assert called(put(sarif(run_of(found("x")))))["changes"] is None


class TestWaivers:
    def test_a_waived_finding_is_suppressed_and_says_by_whom(self, put: Any) -> None:
        told = called(put(sarif(run_of(found("x", "tests/a.py"), found("x")))), waivers=[waiver()])
        totals = told["scans"][0]["totals"]
        assert (totals["findings"], totals["live"], totals["suppressed"]) == (2, 1, 1)
        (hidden,) = [one for one in told["findings"] if one["state"] == "suppressed"]
        assert "W-1: test code (sec@example.com" in hidden["suppressions"][0]["justification"]
        assert told["waivers"]["hidden"] == 1

    def test_an_expired_one_hides_nothing_and_is_named(self, put: Any) -> None:
        told = called(put(sarif(run_of(found("x", "tests/a.py")))), waivers=[waiver(expires="2026-11-20")])
        assert told["scans"][0]["totals"]["live"] == 1
        assert told["waivers"]["invalid"] == ["W-1"]
        assert told["waivers"]["would_have_hidden"] == {"W-1": 1}

    def test_totals_alone_are_counted_with_them_too(self, put: Any) -> None:
        told = called(put(sarif(run_of(found("x", "tests/a.py")))), waivers=[waiver()], return_findings=0)
        assert told["scans"][0]["totals"]["suppressed"] == 1

    def test_a_vex_statement_hides_for_the_image_it_is_about(self, put: Any) -> None:
        statement = {
            "vulnerability": {"name": "CVE-2026-1234"},
            "products": [{"@id": f"pkg:oci/orders@{IMAGE}"}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
        }
        document = {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "@id": "https://example.com/vex/1",
            "author": "sec@example.com",
            "timestamp": "2026-11-01T00:00:00Z",
            "version": 1,
            "statements": [statement],
        }
        report = put(sarif(run_of(found("x", ruleId="CVE-2026-1234"), rules=[{"id": "CVE-2026-1234"}])))
        paths = [put(document, "a.vex.json")]
        assert called(report, vex=paths, digest=IMAGE)["scans"][0]["totals"]["suppressed"] == 1
        assert called(report, vex=[document], digest=IMAGE)["vex"]["hidden"] == 1
        assert called(report, vex=paths, digest="sha256:" + "cd" * 32)["scans"][0]["totals"]["suppressed"] == 0


class TestGate:
    def test_it_fails_the_task_and_everything_else_is_there(self, put: Any, tmp_path: Path) -> None:
        dest = tmp_path / "store.ndjson"
        told = called(put(sarif(run_of(found("x")))), gate={"severity": "high"}, dest=str(dest))
        assert told["failed"] is True
        assert told["msg"] == told["gate"]["summary"]
        assert [row["path"] for row in told["gate"]["decided_by"]] == ["app/db.py"]
        assert dest.exists()

    def test_a_clean_scan_passes_and_one_that_failed_does_not(self, put: Any) -> None:
        assert "failed" not in called(put(sarif(run_of())), gate={"severity": "high"})
        failed = called(put(sarif({**run_of(), "results": None})), gate={"severity": "high"})
        assert failed["failed"] is True
        assert [reason["code"] for reason in failed["gate"]["reasons"]] == ["failed"]

    def test_new_ones_only(self, put: Any) -> None:
        old, new = put(sarif(run_of(found("old"))), "a.sarif"), put(sarif(run_of(found("new"))), "b.sarif")
        gate = {"severity": "high", "new_only": True}
        assert "failed" not in called(old, gate=gate, baseline=[old])
        assert called(new, gate=gate, baseline=[old])["failed"] is True
        assert called(new, gate=gate)["failed"] is True, "without a comparison nobody knows what is new"

    def test_a_bad_policy_is_refused_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="severty"):
            called(tmp_path / "none.sarif", gate={"severty": "high"})


class TestOutputs:
    def test_every_form_is_written_once(self, put: Any, tmp_path: Path) -> None:
        report = put(sarif(run_of(found("x", ruleId="CVE-2026-1234"), rules=[{"id": "CVE-2026-1234"}])))
        outputs = [
            {"format": form, "dest": str(tmp_path / form), "author": "sec@example.com" if form == "openvex" else None}
            for form in OUTPUTS
        ]
        told = called(report, outputs=outputs, digest=IMAGE, check=True)
        assert told["changed"] is True
        assert not any((tmp_path / form).exists() for form in OUTPUTS)

        told = called(report, outputs=outputs, digest=IMAGE)
        assert told["changed"] is True
        assert [entry["format"] for entry in told["outputs"]] == list(OUTPUTS)
        assert len(told["diff"]) == len(OUTPUTS)
        assert json.loads((tmp_path / "sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "CVE-2026-1234"
        assert len(list(csv.reader((tmp_path / "csv").open(newline="")))) == 2
        assert "CVE" in (tmp_path / "markdown").read_text()
        assert json.loads((tmp_path / "codeclimate").read_text())[0]["location"]["path"] == "app/db.py"
        assert json.loads((tmp_path / "openvex").read_text())["statements"][0]["status"] == "under_investigation"

        assert called(report, outputs=outputs, digest=IMAGE)["changed"] is False

    def test_a_comparison_becomes_the_baseline_state(self, put: Any, tmp_path: Path) -> None:
        before = put(sarif(run_of(found("stays"), found("gone"))), "a.sarif")
        now = put(sarif(run_of(found("stays"), found("new"))), "b.sarif")
        out = tmp_path / "out.sarif"
        called(now, baseline=[before], outputs=[{"format": "sarif", "dest": str(out)}])
        results = json.loads(out.read_text())["runs"][0]["results"]
        assert {one["message"]["text"]: one["baselineState"] for one in results} == {
            "stays": "unchanged",
            "new": "new",
            "gone": "absent",
        }

    def test_a_vex_document_needs_an_image_an_author_and_something_to_say(self, put: Any, tmp_path: Path) -> None:
        report = put(sarif(run_of(found("x"))))
        output = {"format": "openvex", "dest": str(tmp_path / "out"), "author": "sec@example.com"}
        with pytest.raises(BadInput, match="none is known"):
            called(report, outputs=[output])
        with pytest.raises(BadInput, match="needs an author"):
            called(report, outputs=[{**output, "author": None}])
        (told,) = called(report, outputs=[output], digest=IMAGE)["outputs"]
        assert told["sha256"] is None
        assert "no finding bears a CVE id" in told["warnings"][0]

    @pytest.mark.parametrize(
        ("output", "said"),
        [({"format": "pdf", "dest": "x"}, "no output 'pdf'"), ({"format": "csv", "dest": ""}, "needs a dest")],
    )
    def test_what_cannot_be_written_is_refused(self, put: Any, output: dict[str, str], said: str) -> None:
        with pytest.raises(BadInput, match=said):
            called(put(sarif(run_of())), outputs=[output])

    def test_no_report_and_no_other_output_is_written_over(self, put: Any, tmp_path: Path) -> None:
        report, other = put(sarif(run_of())), str(tmp_path / "out")
        with pytest.raises(BadInput, match="one of the reports"):
            called(report, outputs=[{"format": "csv", "dest": report}])
        with pytest.raises(BadInput, match="one of the reports"):
            called(report, dest=other, outputs=[{"format": "csv", "dest": other}])


class TestExplaining:
    def test_each_value_says_where_it_comes_from(self, put: Any) -> None:
        report = put(sarif(run_of(found("x", suppressions=[{"kind": "inSource", "status": "rejected"}]))))
        policy = {"severity": [{"match": "path == 'app/db.py'", "severity": "critical", "reason": "it is the core"}]}
        (finding,) = called(report, policy=policy)["findings"]
        explained = called(report, policy=policy, explain=finding["id"][:8])["explained"]
        assert explained["finding"] == finding
        because = {line["key"]: (line["value"], line["because"]) for line in explained["derivation"]}
        assert because["severity"][0] == "critical"
        assert "replaced high" in because["severity"][1]
        assert "it is the core" in because["severity"][1]
        assert "the tool's own word is error" in because["severity"][1]
        assert because["rule"] == ("R1", "resolved by its id, which is R1")
        assert because["state"] == ("live", "nothing hides it: inSource rejected")
        assert because["locations[0]"] == ("app/db.py", "relative to the root of the repository")
        assert because["effect"] == ("unknown", "no CWE says")

    @pytest.mark.parametrize(("wanted", "said"), [("zz", "no finding has it"), ("", "")])
    def test_an_id_that_nobody_has(self, put: Any, wanted: str, said: str) -> None:
        report = put(sarif(run_of(found("x"))))
        if not wanted:
            assert called(report, explain=wanted)["explained"] is None
            return
        with pytest.raises(BadInput, match=said):
            called(report, explain=wanted)

    def test_a_beginning_of_several_ids_names_none(self, put: Any) -> None:
        report = put(sarif(run_of(*(found(f"x{'y' * number}") for number in range(40)))))
        with pytest.raises(BadInput, match="findings begin with it"):
            called(report, explain=called(report)["findings"][0]["id"][:1])


def test_parts_in_other_files_of_its_directory_are_read_when_asked_for(put: Any) -> None:
    put({"schema": "x", "version": "2.1.0", "results": [found("apart")]}, "parts.sarif-external-properties")
    where = {"results": [{"location": {"uri": "parts.sarif-external-properties"}}]}
    run = {**run_of(), "externalPropertyFileReferences": where}
    del run["results"]
    report = put(sarif(run))
    assert called(report)["scans"][0]["status"] == "failed"
    told = called(report, external_files=True)
    assert [one["message"] for one in told["findings"]] == ["apart"]


def test_the_line_hash_is_computed_where_the_source_is_at_hand(put: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "app").mkdir(parents=True)
    content = b"one\ntwo\nthree\nfour\n"
    (source / "app" / "db.py").write_bytes(content)
    report = put(sarif(run_of(found("x"), found("y", partialFingerprints={"primaryLocationLineHash": "ab:1"}))))
    told = called(report, source=str(source))["findings"]
    assert {one["message"]: one["fingerprints"]["primaryLocationLineHash"] for one in told} == {
        "x": hash_lines([content]).get(3),
        "y": "ab:1",
    }
    without = called(report)["findings"]
    assert [one["id"] for one in told] == [one["id"] for one in without], "ids do not depend on it"


def test_the_documented_formats_are_those_that_are_read() -> None:
    documented = yaml.safe_load(door.DOCUMENTATION)["options"]["format"]["choices"]
    assert documented == ["auto", *known.NAMES]
    assert tuple(known.NAMES) == door.FORMATS


def test_every_form_that_a_writer_has_can_be_asked_for() -> None:
    assert (*WRITERS, OPENVEX) == OUTPUTS
