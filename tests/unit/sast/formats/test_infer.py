# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Infer: a list whose hashes are not unique; an empty one could be any tool's."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def issue(**more):
    return {
        "bug_type": "NULLPTR_DEREFERENCE",
        "qualifier": "`values` could be null and is dereferenced.",
        "severity": "ERROR",
        "category": "Null pointer dereference",
        "line": 5,
        "column": 5,
        "procedure": "main",
        "file": "deref.c",
        "bug_trace": [],
        "key": "deref.c|main|NULLPTR_DEREFERENCE",
        "hash": "191ed94d723e60c0f4a49926ff6954f7",
        "bug_type_hum": "Null Dereference",
        **more,
    }


def test_an_issue_in_our_words(read):
    seen = read([issue(doc_url="https://fbinfer.com/docs/all-issue-types")])
    found = seen.one
    assert (seen.scan.format, seen.scan.tool, seen.scan.status) == ("infer", "Infer", "ok")
    assert (found.rule, found.rule_name) == ("NULLPTR_DEREFERENCE", "Null Dereference")
    assert (found.severity, found.severity_source, found.native) == ("high", "severity", "ERROR")
    place = found.locations[0]
    assert (place.path, place.line, place.column, place.symbol) == ("deref.c", 5, 5, "main")
    assert found.fingerprints == {"hash": "191ed94d723e60c0f4a49926ff6954f7"}
    assert (found.tags, found.help_uri) == (("Null pointer dereference",), "https://fbinfer.com/docs/all-issue-types")


@pytest.mark.parametrize(
    ("word", "severity"),
    [("WARNING", "medium"), ("ADVICE", "low"), ("INFO", "info"), ("LIKE", "unknown"), (None, "unknown")],
)
def test_severity_words(read, word, severity):
    assert read([issue(severity=word)]).one.severity == severity


def test_one_hash_twice_is_two_findings(read):
    seen = read([issue(), issue(line=9)])
    assert (seen.scan.totals.live, seen.scan.totals.merged) == (2, 0)
    assert seen.findings[0].id != seen.findings[1].id


def test_a_column_of_minus_one_is_none(read):
    assert read([issue(column=-1)]).one.locations[0].column is None


@pytest.mark.parametrize(
    ("more", "kind"),
    [({"suppressed": True}, "inSource"), ({"censored_reason": "generated code"}, "external")],
)
def test_what_hides(read, more, kind):
    found = read([issue(**more)]).one
    assert (found.state, found.suppressions[0].kind) == ("suppressed", kind)


@pytest.mark.parametrize("more", [{"suppressed": False}, {"suppressed": "true"}, {"censored_reason": ""}])
def test_what_does_not(read, more):
    assert read([issue(**more)]).one.state == "live"


def test_an_empty_list_is_clean_only_when_the_user_says_whose_it_is(read):
    assert read([], format="infer").scan.status == "ok"
    with pytest.raises(BadInput, match="no report of a format"):
        read([])


def test_one_without_a_type_is_dropped(read):
    seen = read([issue(), issue(bug_type=None), 3])
    assert (seen.scan.totals.dropped, seen.scan.status) == (2, "partial")
