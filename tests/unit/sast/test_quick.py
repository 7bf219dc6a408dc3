# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plain results take a short way: lines, totals and warnings are those of the general way, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.sarif import plain

ODD = st.sampled_from([None, True, 1, 1.0, -1, 2**60, [], ["x"], {}, {"text": "y"}, "", "odd"])
TEXTS = st.sampled_from(
    [
        "plain",
        "line one\nline two",
        "password = hunter2hunter2",
        "see [the source](1) and [page](https://x.example)",
        "steers \u001b[31m and \u202e",
        "lone \ud800",
        'quotes "s3cr3t-v4lue" and \\',
        "b\u00e4rer \u017fecret: abcdefgh",
        "x" * 5000,
        "100% of {0}",
    ]
)
URIS = st.sampled_from(
    ["src/a.py", "src/a.py", "./", "../out.py", "/abs/x.py", "a%20b.py", "file:///x/y", "", "b\n.py"]
)
LINES = st.one_of(st.integers(-1, 4), ODD)


def some(**fields: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional=fields)


REGION = some(
    startLine=LINES,
    startColumn=LINES,
    endLine=LINES,
    endColumn=LINES,
    charOffset=LINES,
    snippet=st.one_of(some(text=st.one_of(TEXTS, ODD)), ODD),
)
PLACE = some(
    physicalLocation=st.one_of(
        some(
            artifactLocation=st.one_of(
                some(uri=st.one_of(URIS, ODD), uriBaseId=st.one_of(st.sampled_from(["%SRCROOT%", "B"]), ODD)), ODD
            ),
            region=st.one_of(REGION, ODD),
        ),
        ODD,
    ),
    logicalLocations=st.just([{"fullyQualifiedName": "a.b"}]),
)
KEYS = st.sampled_from(
    ["primaryLocationLineHash", "primaryLocationLineHash/v2", "0", "a/v1", "a/v2", "odd key", "startLine"]
)
MARKS = st.dictionaries(
    KEYS, st.one_of(st.sampled_from(["0a1b:1", "77", "Not hex", "token=abcdefghij"]), ODD), max_size=4
)
RESULT = some(
    ruleId=st.one_of(st.sampled_from(["R0", "R1", "R1/sub", "hard-coded-password", "R\u001b7"]), ODD),
    ruleIndex=st.one_of(st.integers(-1, 3), ODD),
    kind=st.one_of(st.sampled_from(["fail", "pass", "open"]), ODD),
    level=st.one_of(st.sampled_from(["error", "note", "none"]), ODD),
    baselineState=st.one_of(st.sampled_from(["new", "absent"]), ODD),
    message=st.one_of(some(text=st.one_of(TEXTS, ODD), arguments=st.just(["a"])), ODD),
    locations=st.one_of(st.lists(st.one_of(PLACE, ODD), max_size=2), ODD),
    fingerprints=st.one_of(MARKS, ODD),
    partialFingerprints=st.one_of(MARKS, ODD),
    suppressions=st.one_of(st.just([{"kind": "inSource"}]), ODD),
    properties=st.one_of(some(note=ODD, tags=st.just(["t"])), ODD),
)
RULES = [
    {"id": "R0", "defaultConfiguration": {"level": "error"}, "properties": {"tags": ["external/cwe/cwe-798"]}},
    {"id": "R1", "name": "b\u001bd", "properties": {"security-severity": "8.0"}, "helpUri": "https://x.example/?a=%s"},
]


def outcome(path: Path, **options: Any) -> tuple[list[bytes], dict[str, Any]]:
    with read_report(path, options=ReadOptions(**options)) as reading:
        return list(reading.lines()), reading.scan.to_dict()


def both_ways(report: dict[str, Any], **options: Any) -> tuple[Any, Any]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "report.sarif"
        path.write_text(json.dumps(report), encoding="utf-8")
        short = outcome(path, **options)
        patch.setattr(plain.Tables, "row", lambda _self, _result: None)
        return short, outcome(path, **options)


def document(results: list[Any], **more: Any) -> dict[str, Any]:
    run = {"tool": {"driver": {"name": "T", "rules": RULES}}, "results": results, **more}
    return {"version": "2.1.0", "runs": [run, run]}


@settings(max_examples=250)
@given(
    results=st.lists(st.one_of(RESULT, ODD), max_size=8),
    reading=st.sampled_from(["strict", "lenient"]),
    spool=st.sampled_from([200, 1_000_000]),
    text=st.sampled_from([40, 4096]),
)
def test_both_ways_give_the_same(results, reading, spool, text):
    short, general = both_ways(document(results), suppressions=reading, spool_bytes=spool, max_text=text)
    assert short == general


def test_most_results_of_a_usual_report_take_the_short_way():
    tables = plain.Tables()
    region = {"startLine": 3, "snippet": {"text": "x = 1"}}
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}, "region": region}}
    usual = {
        "ruleId": "R0",
        "message": {"text": "m"},
        "locations": [place],
        "partialFingerprints": {"primaryLocationLineHash": "ab:1"},
        "properties": {"issue": 7},
        "suppressions": [],
    }
    assert tables.row(usual) == (0, 1, 0, "m", "x = 1", (3, None, None, None, None), ("ab:1",))
    assert tables.row({**usual, "codeFlows": [{}]}) is not None


def test_full_tables_change_nothing(monkeypatch):
    places = [{"physicalLocation": {"artifactLocation": {"uri": f"src/{number}.py"}}} for number in range(9)]
    results = [{"ruleId": f"R{n}", "message": {"text": "m"}, "locations": [place]} for n, place in enumerate(places)]
    for name in ("_MOST_SORTS", "_MOST_PLACES", "_MOST_SHAPES"):
        monkeypatch.setattr(plain, name, 1)
        short, general = both_ways(document(results))
        assert short == general


@pytest.mark.parametrize("report", ["overrides", "bases"])
def test_what_stands_after_the_results_counts(report):
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py", "uriBaseId": "SUB"}}}
    results = [{"ruleId": "R0", "message": {"text": "m"}, "locations": [place]}]
    override = {"descriptor": {"id": "R0"}, "configuration": {"level": "note"}}
    more = {
        "overrides": {"invocations": [{"executionSuccessful": True, "ruleConfigurationOverrides": [override]}]},
        "bases": {"originalUriBaseIds": {"SUB": {"uri": "sub/", "uriBaseId": "SRCROOT"}, "SRCROOT": {}}},
    }[report]
    short, general = both_ways(document(results, **more))
    assert short == general
    found = json.loads(short[0][0])
    assert (found["severity"], found["path"]) == (("low", "a.py") if report == "overrides" else ("high", "sub/a.py"))
