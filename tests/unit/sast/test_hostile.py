# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SARIF made to harm its reader. XML, archives, encodings and texts have tests of their own."""

from __future__ import annotations

import json
import os
import tempfile
import time
import tracemalloc

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report

from .conftest import result, run_of, sarif

PLACE = {
    "physicalLocation": {
        "artifactLocation": {"uri": "src/a.py", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3, "snippet": {"text": "x"}},
    }
}
FULL = sarif(
    run_of(
        result(locations=[PLACE], partialFingerprints={"primaryLocationLineHash": "ab:1"}, level="error"),
        result(suppressions=[{"kind": "inSource"}], properties={"tags": ["external/cwe/cwe-079"]}),
        invocations=[{"executionSuccessful": True, "endTimeUtc": "2026-01-01T00:00:00Z"}],
        externalPropertyFileReferences={"artifacts": [{"guid": "g"}]},
    ),
    inlineExternalProperties=[{"guid": "g", "artifacts": [{"location": {"uri": "a"}}]}],
)


@pytest.mark.parametrize(("indent", "chunk", "step"), [(None, 65536, 1), (1, 1, 11)])
def test_cut_off_at_any_byte_is_one_clear_error(read, indent, chunk, step):
    text = json.dumps(FULL, indent=indent)
    assert read(text).scan.status == "ok"
    for end in range(0, len(text), step):
        with pytest.raises(BadInput):
            read(text[:end], chunk=chunk)


def _with(value: str) -> list[str]:
    """The report with a value in the place of every single one of it."""
    text = json.dumps(FULL)
    tokens = ('"R1"', '"bad"', '"src/a.py"', "3", '"x"', '"ab:1"', '"error"', "true", '"Tool"', '"g"')
    return [text.replace(token, value, 1) for token in tokens]


@pytest.mark.parametrize("value", ["9" * 4301, "-" + "9" * 5000, "NaN", "-Infinity", "1e999", "01", "+1", "'x'"])
def test_numbers_that_no_reader_agrees_on_are_refused_wherever_they_stand(read, value):
    for text in _with(value):
        with pytest.raises(BadInput, match="not JSON"):
            read(text)


@pytest.mark.parametrize(
    "value", ["9" * 4000, "1e308", "-0.0", '"\\ud800"', '"\\u0000"', "[]", "{}", "null", "[[[[1]]]]"]
)
def test_odd_values_anywhere_are_an_answer_or_a_clean_error(read, value):
    for text in _with(value):
        try:
            totals = read(text).scan.totals
        except BadInput:
            continue
        assert totals.results == totals.findings + totals.passed + totals.dropped


@pytest.mark.parametrize("deep", ["codeFlows", "graphs", "properties", "message", "fixes"])
@pytest.mark.parametrize("bracket", ["[]", "{}"])
def test_depth_is_one_clear_error_wherever_it_is(read, deep, bracket):
    opened = "[" if bracket == "[]" else '{"a":'
    text = json.dumps(sarif(run_of(result()))).replace('"message"', f'"{deep}": {opened * 50_000}, "message"', 1)
    for options in ({}, {"window": 1000}, {"totals_only": True}):
        with pytest.raises(BadInput):
            read(text, **options)


def test_names_that_occur_twice_never_hide_a_failed_scan(read):
    text = json.dumps(sarif(run_of(result()))).replace('"results"', '"results": [], "results"', 1)
    with pytest.raises(BadInput, match="twice"):
        read(text)
    text = '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "T"}}, "results": [], "invocations": []'
    with pytest.raises(BadInput, match="twice"):
        read(text + ', "invocations": [{"executionSuccessful": false}]}]}')


@pytest.mark.parametrize(
    "uri",
    ["../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "https://x.example/"],
)
def test_nothing_that_a_report_names_is_opened_or_fetched(read, monkeypatch, uri):
    artifact = {"artifactLocation": {"uri": uri}}
    content = json.dumps(
        sarif(
            run_of(
                result(locations=[{"physicalLocation": artifact}]),
                rules=[{"id": "R1", "helpUri": uri}],
                artifacts=[{"location": {"uri": uri}}],
                originalUriBaseIds={"%SRCROOT%": {"uri": uri}},
                externalPropertyFileReferences={"graphs": [{"location": {"uri": uri}}]},
            ),
            **{"$schema": uri},
        )
    )
    opened = []
    real = os.open

    def watched(path, *more, **options):
        opened.append(str(path))
        return real(path, *more, **options)

    monkeypatch.setattr(os, "open", watched)
    found = read(content)
    # A spool may open an unnamed file in the folder for such.
    assert {path for path in opened if path != tempfile.gettempdir()} == {found.scan.file}
    assert all(place.place != "inside" for place in found.one.locations)


@pytest.mark.parametrize(
    ("name", "many"),
    [
        ("locations", [PLACE]),
        ("suppressions", [{"kind": "inSource"}]),
        ("taxa", [{"id": "CWE-79"}]),
        ("relatedLocations", [PLACE]),
        ("workItemUris", ["https://x.example"]),
    ],
)
def test_endless_lists_in_a_result_are_cut_counted_and_quick(read, name, many):
    begun = time.monotonic()
    found = read(sarif(run_of(result(**{name: many * 20_000}))))
    assert len(found.findings) == 1
    assert time.monotonic() - begun < 20
    if name in ("locations", "suppressions"):
        assert found.truncated[f"{name} of findings"][1] == 20_000


def test_a_result_with_everything_long_leaves_only_a_little(read):
    long = "y" * 300_000
    place = {
        "physicalLocation": {"artifactLocation": {"uri": long}, "region": {"startLine": 1, "snippet": {"text": long}}}
    }
    more = {
        "fingerprints": {long: long},
        "properties": {"tags": [long] * 50},
        "suppressions": [{"justification": long}],
    }
    found = read(sarif(run_of(result(ruleId=long, message={"text": long}, locations=[place], **more))))
    assert len(json.dumps(found.one.to_dict())) < 30_000
    assert found.truncated["characters of long strings"][1] > 1_000_000


LONG_NAMES = {
    "rule id": lambda name: {"ruleId": name},
    "rule": lambda name: {"ruleId": None, "rule": {"id": name}},
    "kind": lambda name: {"kind": name},
    "baselineState": lambda name: {"baselineState": name},
    "member": lambda name: {name: 1},
    "severity": lambda name: {"properties": {"security-severity": name}},
    "uri": lambda name: {"locations": [{"physicalLocation": {"artifactLocation": {"uri": name}}}]},
    "fingerprint": lambda name: {"partialFingerprints": {name: "ab:1"}},
}


@pytest.mark.parametrize("totals_only", [True, False])
@pytest.mark.parametrize("what", LONG_NAMES)
def test_endless_names_that_never_repeat_are_not_kept(tmp_path, what, totals_only):
    path = tmp_path / "report.sarif"
    made = [result(**LONG_NAMES[what](f"{number:02}" + "n" * 500_000)) for number in range(40)]
    path.write_text(json.dumps(sarif(run_of(*made))), encoding="utf-8")
    del made
    tracemalloc.start()
    try:
        options = ReadOptions(totals_only=totals_only, spool_bytes=500_000, window=1_000_000)
        with read_report(path, options=options) as found:
            assert found.scan.totals.results == 40
        assert tracemalloc.get_traced_memory()[1] < 8_000_000, "of 20 MB"
    finally:
        tracemalloc.stop()


def test_a_result_longer_than_the_window_is_never_held_whole(tmp_path):
    path = tmp_path / "report.sarif"
    step = {"location": {"message": {"text": "s" * 1000}}}
    flow = {"threadFlows": [{"locations": [step] * 20_000}]}
    path.write_text(json.dumps(sarif(run_of(result(codeFlows=[flow])))), encoding="utf-8")
    tracemalloc.start()
    try:
        with read_report(path, options=ReadOptions(window=1_000_000)) as found:
            assert found.scan.totals.results == 1
        assert tracemalloc.get_traced_memory()[1] < 8_000_000, "of 20 MB"
    finally:
        tracemalloc.stop()


def test_many_names_of_warnings_cannot_be_made_by_a_report(read):
    odd = [result(kind=f"k{n}", level=f"l{n}", baselineState=f"b{n}", ruleId=f"r{n}") for n in range(3000)]
    assert len(read(sarif(run_of(*odd))).scan.warnings) < 15


def test_all_ids_of_equal_results_differ_and_stay_quick(read):
    begun = time.monotonic()
    found = read(sarif(run_of(*[result()] * 5_000)))
    assert len({finding.id for finding in found.findings}) == 5_000
    assert time.monotonic() - begun < 30
