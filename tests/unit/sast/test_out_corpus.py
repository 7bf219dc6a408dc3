# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every look-alike of the corpus, read and written in every form: nothing is lost, and what is written is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out import WRITERS
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report

from .out_schema import check

CORPUS = Path(__file__).parents[2] / "corpus" / "sast"
REPORTS = sorted(
    path for path in CORPUS.rglob("*") if path.is_file() and not path.name.endswith((".expect.yml", ".md", ".py"))
)
# What level alone can say; critical and unknown are properties of ours.
LEVELS = {"high": "error", "medium": "warning", "low": "note"}


def written(path: Path) -> tuple[Any, list[dict[str, Any]], dict[str, bytes]]:
    """The scan, the findings and all forms of a report; a report that is refused is no matter of the outputs."""
    try:
        outcome = read_report(path)
    except BadInput as error:
        return error, [], {}
    with outcome:
        scan = outcome.scan.to_dict()
        forms = {name: b"".join(write([scan], outcome.records, None)) for name, write in WRITERS.items()}
        return scan, list(outcome.records()), forms


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: str(path.relative_to(CORPUS)))
def test_a_report_of_the_corpus_is_written_whole(path: Path, tmp_path: Path) -> None:
    scan, records, forms = written(path)
    if isinstance(scan, BadInput):
        assert str(scan)
        return
    document = json.loads(forms["sarif"])
    check(document)
    results = [result for run in document["runs"] for result in run["results"]]
    assert [result["properties"]["knowngood/id"] for result in results] == [record["id"] for record in records]
    assert [result["properties"]["knowngood/severity"] for result in results] == [
        entry["severity"] for entry in records
    ]
    live = [record for record in records if record["state"] == "live"]
    assert len(json.loads(forms["codeclimate"])) == len(live)
    assert forms["csv"].count(b"\r\n") == len(records) + 1
    assert f"| all | {len(live)} |".encode() in forms["markdown"]
    copy = tmp_path / "copy.sarif"
    copy.write_bytes(forms["sarif"])
    with read_report(copy) as outcome:
        again = list(outcome.records())
        assert (outcome.scan.status == "ok") == (scan["status"] == "ok")
    assert [sorted(entry["cwe"]) for entry in again] == [sorted(entry["cwe"]) for entry in records]
    for name in ("rule", "kind", "message", "security_severity", "fingerprints"):
        assert [entry[name] for entry in again] == [entry[name] for entry in records], name
    for before, after in zip(records, again, strict=True):
        if before["severity_source"].startswith("level") and before["kind"] == "fail" and before["severity"] in LEVELS:
            assert after["severity"] == before["severity"]
        if [place["place"] for place in before["locations"][:1]] == ["inside"]:
            assert (after["path"], after["line"]) == (before["path"], before["line"])


def test_the_corpus_is_there() -> None:
    assert len(REPORTS) > 20
