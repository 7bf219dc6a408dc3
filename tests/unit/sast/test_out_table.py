# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CSV and Code Climate: tables and issues that other programs read, whatever the text of a report holds."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import (
    Location,
    Severity,
    State,
    Suppression,
)
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out import WRITERS
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out.escape import file_uri, one_line, web_uri
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out.table import COLUMNS
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally
from ansible_collections.knowngood.kube.plugins.module_utils._sast.text import visible

from .out_findings import NASTY, SHA, Record, again, hostile_records, record, scan

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def table(*records: Record, scans: Sequence[Record] = (), changes: Any = None) -> list[dict[str, str]]:
    """The table as a reader of RFC 4180 sees it."""
    text = b"".join(WRITERS["csv"](scans, again(*records), changes)).decode("utf-8")
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(records) + 1
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows[1:]]


def issues(*records: Record, changes: Any = None) -> tuple[list[Any], dict[str, int]]:
    tally = Tally()
    text = b"".join(WRITERS["codeclimate"]([], again(*records), changes, tally=tally))
    return json.loads(text), {warning["code"]: warning["count"] for warning in tally.warnings}


def test_a_row_holds_the_finding_and_its_scan() -> None:
    given = record(
        locations=(Location("a.py", line=3, column=1, end_line=4), Location("b.py", line=9), Location("c.py")),
        cwe=("CWE-79", "CWE-89"),
        tags=("security", "x"),
        suppressions=(Suppression("inSource", "accepted", "known"), Suppression("external", "rejected")),
        security_severity="9.1",
        help_uri="https://x.example",
        rule_name="Bad thing",
    )
    assert table(given, scans=[scan()], changes={"f" * 32: "new"}) == [
        {
            "id": "f" * 32,
            "severity": "high",
            "severity_source": "level:result",
            "state": "live",
            "change": "new",
            "kind": "fail",
            "tool": "Tool",
            "tool_version": "1.2",
            "rule": "R1",
            "rule_name": "Bad thing",
            "path": "a.py",
            "place": "inside",
            "line": "3",
            "column": "1",
            "end_line": "4",
            "end_column": "",
            "message": "bad",
            "cwe": "CWE-79 CWE-89",
            "effect": "unknown",
            "native": "error",
            "security_severity": "9.1",
            "confidence": "",
            "tags": "security x",
            "other_places": "b.py:9; c.py",
            "suppressions": "inSource accepted: known; external rejected",
            "help_uri": "https://x.example",
            "commit": given["commit"],
            "file": "report.sarif",
            "scan": SHA,
            "run": "0",
        }
    ]


def test_a_record_ends_with_crlf_and_its_line_breaks_stay_inside_quotes() -> None:
    text = b"".join(WRITERS["csv"]([], again(record(message='one\ntwo "three", four')), None)).decode("utf-8")
    header, rest = text.split("\r\n", 1)
    assert "\n" not in header
    assert '"one\ntwo ""three"", four"' in rest
    assert rest.count("\r\n") == 1


def test_a_finding_without_place_or_scan_has_empty_cells() -> None:
    row = table({**record(locations=()), "suppressions": ["odd"]})[0]
    assert (row["path"], row["line"], row["file"], row["suppressions"]) == ("", "", "", "unreadable")


@pytest.mark.parametrize("text", NASTY)
def test_no_cell_is_computed_and_no_character_hides(text: str) -> None:
    given = record(rule=text, message=text, tags=(text,), locations=(Location(text), Location(text)))
    row = table(given, scans=[scan(file=text)])[0]
    for cell in (row["rule"], row["message"], row["tags"], row["path"], row["other_places"], row["file"]):
        assert not cell.lstrip(" ").startswith(FORMULAS)
        assert cell == visible(cell)
    for cell in (row["rule"], row["message"], row["tags"], row["path"]):
        assert cell.removeprefix("'") in (visible(text), visible(text).removeprefix("'"))


@settings(max_examples=100)
@given(st.lists(hostile_records(), max_size=4))
def test_no_store_breaks_the_table(given: list[Record]) -> None:
    for row, entry in zip(table(*given), given, strict=True):
        assert row["message"] in (visible(entry["message"]), f"'{visible(entry['message'])}")
        assert not any(cell.startswith(FORMULAS) for cell in row.values())


def test_an_issue_has_what_gitlab_asks_for() -> None:
    assert issues(record(cwe=("CWE-79",)))[0] == [
        {
            "type": "issue",
            "check_name": "R1",
            "description": "bad",
            "categories": ["Security"],
            "severity": "critical",
            "fingerprint": "f" * 32,
            "location": {"path": "src/app.py", "lines": {"begin": 7}},
        }
    ]


def test_the_five_severities() -> None:
    found = issues(*[record(severity=word) for word in Severity])[0]
    assert [issue["severity"] for issue in found] == ["blocker", "critical", "major", "minor", "info", "major"]
    assert found[-1]["description"] == "(severity unknown) bad"
    assert found[-1]["categories"] == ["Bug Risk"]


def test_hidden_and_gone_findings_are_no_issues_and_are_counted() -> None:
    given = [record(state=State.SUPPRESSED), record(state=State.ABSENT, baseline="absent"), record(id="gone")]
    assert issues(*given, changes={"gone": "absent"}) == ([], {"codeclimate_not_live": 3})


def test_a_finding_without_a_place_in_the_repository_stays_an_issue() -> None:
    given = [
        record(locations=(Location("../x", "outside_root", line=4),)),
        record(locations=(Location("", symbol="mod.f"),)),
        record(locations=(), message="", rule_name="Named"),
        record(locations=(Location("/abs", "absolute"), Location("in.py")), message="", rule=""),
    ]
    found, counts = issues(*given)
    assert [(issue["location"], issue["description"]) for issue in found] == [
        ({"path": ".", "lines": {"begin": 1}}, "../x:4: bad"),
        ({"path": ".", "lines": {"begin": 1}}, "mod.f: bad"),
        ({"path": ".", "lines": {"begin": 1}}, "Named"),
        ({"path": "in.py", "lines": {"begin": 1}}, "(no text)"),
    ]
    assert counts == {"codeclimate_without_line": 1, "codeclimate_without_path": 3}


def test_no_issues_are_an_empty_list() -> None:
    assert issues() == ([], {})


@settings(max_examples=100)
@given(st.lists(hostile_records(), max_size=4))
def test_no_store_breaks_the_issues(given: list[Record]) -> None:
    found, counts = issues(*given)
    assert len(found) + counts.get("codeclimate_not_live", 0) == len(given)
    for issue in found:
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["path"]
        assert issue["location"]["lines"]["begin"] >= 1
        assert issue["description"] == visible(issue["description"])


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ("https://x.example/a b?c=[d]#e", "https://x.example/a%20b?c=%5Bd%5D#e"),
        ("http://x.example/\u00fc%zz%20", "http://x.example/%C3%BC%25zz%20"),
        ("https://user:pass@x.example/", None),
        ("javascript:alert(1)", None),
        ("https://", None),
        ("https://x.example:99/?q", "https://x.example:99/?q"),
        (None, None),
    ],
)
def test_only_web_addresses_become_links(given: str | None, uri: str | None) -> None:
    assert web_uri(given) == uri


def test_file_uris_are_for_absolute_paths_only() -> None:
    assert file_uri("//host/share") is None
    assert file_uri("a/b") is None
    assert file_uri("C:/a#b") == "file:///C:/a%23b"


def test_one_line_has_no_breaks() -> None:
    assert one_line(" a\r\n\tb\n") == "a b"
    assert one_line(7) == "7"
    assert one_line(None) == ""
    assert one_line(["x"]) == ""


def test_the_writers_are_named() -> None:
    assert sorted(WRITERS) == ["codeclimate", "csv", "markdown", "sarif"]


def test_a_number_that_json_does_not_know_is_one_clear_error() -> None:
    given = {**record(), "override": {"before": float("nan")}}
    with pytest.raises(BadInput, match="what JSON cannot say"):
        list(WRITERS["sarif"]([], again(given), None))
