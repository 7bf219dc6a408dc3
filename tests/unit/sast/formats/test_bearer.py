# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bearer: two shapes, a fingerprint that repeats, and a clean report that says nothing at all."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def finding(**more):
    return {
        "id": "ruby_lang_eval",
        "title": "Eval of user input",
        "cwe_ids": ["95"],
        "documentation_url": "https://docs.example.org/eval",
        "line_number": 7,
        "filename": "app/a.rb",
        "full_filename": "shop/app/a.rb",
        "sink": {"start": 7, "end": 8, "column": {"start": 3, "end": 9}, "content": "eval(x)"},
        "fingerprint": "ab_0",
        **more,
    }


def test_a_finding_in_our_words(read):
    seen = read({"high": [finding(category_groups=["PII", 3, None])]})
    found = seen.one
    assert (seen.scan.format, seen.scan.tool) == ("bearer", "Bearer")
    assert (found.severity, found.severity_source, found.native) == ("high", "group", "high")
    assert (found.cwe, found.tags, found.message) == (("CWE-95",), ("PII", "3"), "Eval of user input")
    place = found.locations[0]
    assert (place.path, place.line, place.end_line, place.column) == ("shop/app/a.rb", 7, 8, 3)


@pytest.mark.parametrize(
    ("full", "short", "path"),
    [
        ("shop/a.rb", "a.rb", "shop/a.rb"),
        ("/tmp/scan/a.rb", "a.rb", "a.rb"),
        ("C:\\scan\\a.rb", "a.rb", "a.rb"),
        (None, "a.rb", "a.rb"),
        ("/tmp/scan/a.rb", None, "/tmp/scan/a.rb"),
    ],
)
def test_of_two_paths_the_one_that_means_the_same_elsewhere(read, full, short, path):
    assert read({"low": [finding(full_filename=full, filename=short)]}).one.path == path


def test_a_repeated_fingerprint_merges_nothing(read):
    seen = read({"critical": [finding(), finding(line_number=30)], "warning": [finding(line_number=40)]})
    assert (seen.scan.totals.findings, seen.scan.totals.merged) == (3, 0)
    assert seen.scan.totals.by_severity["info"] == 1


@pytest.mark.parametrize("group", [None, {}, "x"])
def test_a_group_that_is_no_list_was_not_produced(read, group):
    assert read({"high": [finding()], "low": group}).scan.status == "failed"


def test_the_second_shape(read):
    seen = read({"source": "Bearer", "version": "1.50", "findings": [finding(severity="medium"), finding()]})
    assert [found.severity for found in seen.findings] == ["medium", "unknown"]
    assert (seen.scan.tool_version, seen.findings[0].severity_source) == ("1.50", "severity")
    assert read({"findings": [finding(severity="low")], "more": 1}).one.severity == "low"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"findings": []}, "ok"),
        ({"findings": None, "errors": None}, "ok"),
        ({"findings": {}}, "failed"),
        ({}, "failed"),
        ({"findings": [], "errors": [{"type": "file", "filename": "a.rb", "error": "timeout"}]}, "partial"),
    ],
)
def test_status_of_the_second_shape(read, more, status):
    """Its list is null when it was never filled, which only a complete report of its own can say."""
    assert read({"source": "Bearer", "version": "1.50", **more}).scan.status == status


def test_the_position_behind_the_fingerprint_is_no_identity(read):
    one, other = (read({"high": [finding(fingerprint=f"abcd_{n}")]}).one for n in (0, 3))
    assert one.id == other.id
    assert one.fingerprints == {"fingerprint": "abcd"}


def test_one_without_a_rule_is_dropped(read):
    seen = read({"high": [finding(), finding(id=None)]})
    assert (seen.scan.totals.findings, seen.warnings["finding_without_rule"]) == (1, 1)


@pytest.mark.parametrize("given", [{}, {"high": []}])
def test_a_clean_report_that_could_be_anybodys_has_to_be_named(read, given):
    with pytest.raises(BadInput, match="no report of a format"):
        read(given)
    assert read(given, format="bearer").scan.status == "ok"


def test_naming_the_format_does_not_make_others_clean(read):
    with pytest.raises(BadInput, match="not of the format bearer"):
        read({"error": "it crashed"}, format="bearer")
