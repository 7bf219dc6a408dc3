# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Markdown of findings, looked at as GitHub's own parser renders it: figures and text, and nothing of a report acts."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import cmarkgfm
import pytest
from cmarkgfm import Options
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Location, Severity, State
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out import WRITERS, markdown
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out.escape import markdown_text, one_line, shortened
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally

from .out_findings import HOSTILE, NASTY, Record, again, facts, hostile_records, record, scan

# What the page itself is made of; a report adds none of it, and nothing has an attribute.
OURS = {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}


class Page(HTMLParser):
    """The tables of a page as rows of text, and what stands outside of tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.around = ""
        self.foreign: list[str] = []
        self._cell = False
        self.feed(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in OURS or attrs:
            self.foreign.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data
        else:
            self.around += data

    def handle_comment(self, data: str) -> None:
        self.foreign.append(f"comment {data}")


def page(*records: Record, scans: Sequence[Record] = (), changes: Any = None, tally: Tally | None = None) -> Page:
    text = b"".join(WRITERS["markdown"](scans, again(*records), changes, tally=tally)).decode("utf-8")
    shown = Page(text)
    assert shown.foreign == []
    return shown


def findings_of(shown: Page) -> list[list[str]]:
    titles = ["Severity", "Change", "Rule", "Place", "CWE", "Message"]
    return shown.rows[shown.rows.index(titles) + 1 :] if titles in shown.rows else []


def test_the_figures_count_by_severity_and_state() -> None:
    records = [
        record(),
        record(severity=Severity.CRITICAL),
        record(severity=Severity.UNKNOWN, state=State.SUPPRESSED),
        record(state=State.ABSENT, baseline="absent"),
        {**record(), "severity": "no word of ours"},
    ]
    assert page(*records).rows[:8] == [
        ["Severity", "Live", "Suppressed", "Absent"],
        ["critical", "1", "0", "0"],
        ["high", "1", "0", "1"],
        ["unknown", "1", "1", "0"],
        ["medium", "0", "0", "0"],
        ["low", "0", "0", "0"],
        ["info", "0", "0", "0"],
        ["all", "3", "1", "1"],
    ]


def test_scans_show_how_they_went() -> None:
    shown = page(scans=[scan(facts(), status="partial", status_reasons=("one file | was not read",), commit=None)])
    assert shown.rows[8:10] == [
        ["Report", "Tool", "Version", "Commit", "Status", "Findings", "Why"],
        ["report.sarif", "Tool", "1.2", "unknown", "partial", "1", "one file | was not read"],
    ]


def test_without_scans_and_findings_the_page_says_so() -> None:
    shown = page()
    assert "No scan is known: nothing is said about what was looked at." in shown.around
    assert "None." in shown.around


def test_the_worst_live_findings_come_first_with_unknown_beside_high() -> None:
    words = ["info", "low", "medium", "unknown", "high", "critical"]
    records = [record(severity=Severity(word), message=word) for word in words]
    hidden = record(severity=Severity.CRITICAL, state=State.SUPPRESSED, message="hidden")
    rows = findings_of(page(hidden, *records))
    assert [row[5] for row in rows] == ["critical", "high", "unknown", "medium", "low", "info"]


def test_a_row_tells_rule_place_weakness_and_message() -> None:
    places = (Location("src/a.py", line=3), Location("src/b.py"))
    outside = (Location("../x", "outside_root", line=2),)
    named = (Location("", symbol="mod.f"),)
    rows = findings_of(
        page(
            record(locations=places, cwe=("CWE-79", "CWE-89"), message="first\nsecond"),
            record(locations=outside),
            record(locations=named),
            record(locations=()),
        )
    )
    assert rows == [
        ["high", "", "R1", "src/a.py:3 and 1 more", "CWE-79 CWE-89", "first second"],
        ["high", "", "R1", "../x:2 (outside the root)", "", "bad"],
        ["high", "", "R1", "mod.f", "", "bad"],
        ["high", "", "R1", "", "", "bad"],
    ]


def test_a_comparison_is_counted_and_shown() -> None:
    shown = page(record(id="a"), record(id="b"), record(id="c"), changes={"a": "new", "b": "absent"})
    assert "1 new, 0 unchanged, 0 updated, 1 absent" in shown.around
    assert [row[1] for row in findings_of(shown)] == ["new", ""]


def test_what_is_not_listed_is_told_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "MOST_FINDINGS", 2)
    monkeypatch.setattr(markdown, "MOST_SCANS", 1)
    tally = Tally()
    shown = page(*[record()] * 5, scans=[scan(), scan()], tally=tally)
    assert len(findings_of(shown)) == 2
    assert "and 3 more live findings" in shown.around
    assert "and 1 more scans" in shown.around
    assert tally.truncated == (
        {"what": "findings listed in Markdown", "kept": 2, "seen": 5},
        {"what": "scans listed in Markdown", "kept": 1, "seen": 2},
    )


@pytest.mark.parametrize("text", NASTY)
def test_hostile_text_is_shown_and_does_nothing(text: str) -> None:
    given = record(rule=text, message=text, locations=(Location(text, symbol=text),), cwe=(text,))
    shown = page(given, scans=[scan(file=text, tool=text, tool_version=text, commit=text, status_reasons=(text,))])
    line = one_line(text)
    assert findings_of(shown)[0][2] == line
    assert findings_of(shown)[0][5] == line
    assert shown.rows[9][:4] == [line, line, line, line or "unknown"]


@settings(max_examples=150)
@given(st.lists(hostile_records(), max_size=4), HOSTILE)
def test_no_store_breaks_the_page(given: list[Record], text: str) -> None:
    shown = page(*given, scans=[scan(file=text, status_reasons=(text,))])
    live = [entry for entry in given if entry["state"] not in ("suppressed", "absent")]
    assert sorted(row[5] for row in findings_of(shown)) == sorted(one_line(entry["message"]) for entry in live)
    assert all(len(row) == 6 for row in findings_of(shown))


@settings(max_examples=300)
@given(HOSTILE | st.text("ab1.)@:/`\\|wW-", max_size=15))
def test_a_paragraph_of_escaped_text_is_that_text(text: str) -> None:
    shown = Page(markdown_text(text))
    assert shown.foreign == []
    assert shown.around.strip("\n") == shortened(one_line(text), 300)


def test_no_bare_sign_of_markup_is_left_in_the_source() -> None:
    assert markdown_text("<b>|`[x](http://y)") == "\\<b\\>\\|\\`\\[x\\]\\(http`://`y)"
    assert markdown_text("- 1. a") == "\\- 1. a"
    assert markdown_text("12) a") == "12\\) a"


def test_what_is_no_markup_stays_as_it_is() -> None:
    assert markdown_text("src/a-b.py:3, 1.2 (x)") == "src/a-b.py:3, 1.2 (x)"
