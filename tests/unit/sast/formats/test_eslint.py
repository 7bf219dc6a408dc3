# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ESLint: a linter whose errors are mostly no security, and whose fatal messages are files that nobody looked at."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def message(rule="no-eval", severity=2, **more):
    return {"ruleId": rule, "severity": severity, "message": "text", "line": 3, "column": 5, **more}


def file(*messages, **more):
    return {"filePath": "src/a.js", "messages": list(messages), **more}


@pytest.mark.parametrize(
    ("rule", "level", "severity", "native"),
    [
        ("security/detect-unsafe-regex", 2, "high", "error"),
        ("security/detect-something-new", 2, "high", "error"),
        ("no-unsanitized/method", 1, "medium", "warning"),
        ("no-eval", 2, "high", "error"),
        ("semi", 2, "low", "error"),
        ("semi", 1, "info", "warning"),
        ("no-eval", 3, "unknown", "3"),
        ("no-eval", None, "unknown", "none"),
        ("no-eval", True, "unknown", "none"),
        ("no-eval", "2", "unknown", "2"),
    ],
)
def test_severity(read, rule, level, severity, native):
    found = read([file(message(rule, level))]).one
    assert (found.severity, found.native) == (severity, native)


def test_a_message_in_our_words(read):
    seen = read([file(message(endLine=4, endColumn=9))])
    found = seen.one
    assert (seen.scan.format, seen.scan.tool, seen.scan.coverage["artifacts"]) == ("eslint", "ESLint", 1)
    assert (found.rule, found.cwe, found.cwe_sources) == ("no-eval", ("CWE-95",), {"CWE-95": ("rule_table",)})
    place = found.locations[0]
    assert (place.line, place.column, place.end_line, place.end_column) == (3, 5, 4, 9)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (message(None, fatal=True), "file_not_parsed"),
        (message("security/x", message="Definition for rule 'security/x' not found."), "rule_not_found"),
        (message(None, 1, message="File ignored because of a matching ignore pattern."), "file_ignored"),
        (message(None, 1, message=""), "message_without_rule"),
        (7, "message_without_rule"),
    ],
)
def test_what_is_no_finding_makes_it_partial(read, given, code):
    seen = read([file(given)])
    assert (seen.findings, seen.warnings[code], seen.scan.status) == ([], 1, "partial")


def test_a_message_of_the_linter_itself_stays(read):
    found = read([file(message(None, 1, message="Unused eslint-disable directive"))]).one
    assert (found.rule, found.severity) == ("", "info")


def test_what_a_comment_disables_is_suppressed(read):
    disabled = message(suppressions=[{"kind": "directive", "justification": "ours"}])
    found = read([file(suppressedMessages=[disabled])]).one
    assert (found.state, found.suppressions[0].justification) == ("suppressed", "ours")


def test_a_file_without_messages_was_not_linted(read):
    seen = read([file(message()), {"filePath": "src/b.js"}])
    assert (seen.scan.status, seen.scan.totals.findings) == ("partial", 1)


def test_a_file_with_very_many_messages_loses_none(read):
    """One file's entry may be longer than what is decoded in one piece; also with the path behind its messages."""
    many = [message(line=n + 1) for n in range(3000)]
    assert read([file(*many)], window=20_000).scan.totals.findings == 3000
    turned = {"messages": many[:20], "filePath": "src/z.js", "source": "x" * 30_000}
    assert {found.path for found in read([turned, 3], window=20_000).findings} == {"src/z.js"}


def test_with_metadata(read):
    wrapped = {"metadata": {"rulesMeta": {"semi": {}}, "cwd": "/b"}, "results": [file(message())], "more": 1}
    assert read(wrapped).scan.coverage["rules"] == ["semi"]
    assert read({**wrapped, "results": []}).scan.status == "empty"
    assert read({"results": [file(message())]}).scan.format == "eslint"


def test_with_metadata_and_without_results_it_failed(read):
    with pytest.raises(BadInput):
        read({"metadata": {"rulesMeta": {}}})
    assert read({"metadata": {"rulesMeta": {}}, "results": None}, format="auto").scan.status == "failed"
    assert read({"metadata": {"rulesMeta": {}}, "results": [file()]}).scan.status == "ok"


def test_an_empty_list_is_believed_only_when_it_is_named(read):
    with pytest.raises(BadInput, match="no report of a format"):
        read([])
    assert read([], format="eslint").scan.status == "empty"


def test_a_secret_in_a_message_leaves_as_a_hash(read):
    text = 'Found a string with entropy 4.5 : "tok-5d41402abc4b2a76b9719d911017c592"'
    assert "5d41402" not in read([file(message("no-secrets/no-secrets", message=text))]).one.message
