# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Texts: looked up, filled in, cleaned, without secrets."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._sast.secrets import redact

from .conftest import result

TOKEN = "ghp_" + "a1B2" * 10


def said(read_run, message, **more):
    return read_run(result(message=message), **more).one.message


def test_plain_text(read_run):
    assert said(read_run, {"text": "R1 is the rule, {0} stays, {{ too"}) == "R1 is the rule, {0} stays, {{ too"


def test_a_message_that_starts_with_the_rule_id_is_kept_whole(read_run):
    assert said(read_run, {"text": "R1: do not"}) == "R1: do not"


def test_arguments_fill_places_and_doubled_braces_are_single(read_run):
    assert said(read_run, {"text": "{1} and {0} {{x}} {7}", "arguments": ["a", "b"]}) == "b and a {x} {7}"


def test_an_id_is_looked_up_in_the_rule(read_run):
    rules = [{"id": "R1", "messageStrings": {"m": {"text": "found {0}"}}}]
    assert said(read_run, {"id": "m", "arguments": ["it"]}, rules=rules) == "found it"


def test_an_id_is_looked_up_in_the_component_of_the_rule(read):
    driver = {"name": "T", "rules": [{"id": "R1"}], "globalMessageStrings": {"m": {"text": "global"}}}
    found = read({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": [result(message={"id": "m"})]}]})
    assert found.one.message == "global"


def test_a_text_that_cannot_be_found_is_counted_and_the_rule_speaks(read_run):
    rules = [{"id": "R1", "shortDescription": {"text": "Short"}}]
    found = read_run(result(message={"id": "nope"}), result(message=None), rules=rules)
    assert ([finding.message for finding in found.findings], found.warnings["message_missing"]) == (["Short"] * 2, 2)


def test_markdown_only(read_run):
    assert said(read_run, {"markdown": "**x**"}) == "**x**"


def test_links_to_related_locations_lose_their_syntax_others_stay_text(read_run):
    text = "depends on [a \\[b\\] value](1), see [page](https://example.com)"
    assert said(read_run, {"text": text}) == "depends on a [b] value, see [page](https://example.com)"


def test_what_steers_terminals_or_hides_is_shown(read_run):
    found = read_run(
        result(message={"text": "\x1b[31mred\x1b[0m \u202eevil\u2069 \x00\x9b zero\u200bwidth\r\nline\ttab"})
    )
    assert found.one.message == (
        "\\u001b[31mred\\u001b[0m \\u202eevil\\u2069 \\u0000\\u009b zero\\u200bwidth\nline\ttab"
    )
    assert found.warnings["unsafe_characters_shown"] == 1


def test_a_path_or_rule_never_spans_lines(read_run):
    place = {"physicalLocation": {"artifactLocation": {"uri": "a%0Ab"}}}
    found = read_run(result(ruleId="x\ny", locations=[place])).one
    assert (found.rule, found.path) == ("x\\u000ay", "a\\u000ab")


def test_lone_surrogates_are_replaced_and_counted(read):
    text = '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T"}},"results":[{"message":{"text":"a\\ud800b"}}]}]}'
    found = read(text)
    assert (found.one.message, found.warnings["bad_characters_replaced"]) == ("a\ufffdb", 1)


def test_bytes_that_are_no_utf8_are_replaced_and_counted(read):
    text = (
        b'{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"T"}},"results":[{"message":{"text":"a\xff\xfeb"}}]}]}'
    )
    found = read(text)
    assert (found.one.message, found.warnings["bad_characters_replaced"]) == ("a\ufffd\ufffdb", 1)


def test_long_texts_are_cut_and_counted(read_run):
    found = read_run(result(message={"text": "x" * 9000}), options={"max_text": 100})
    assert (len(found.one.message), found.truncated["characters of long strings"]) == (100, (100, 9000))


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"token {TOKEN} found", TOKEN),
        ("key AKIAABCDEFGHIJKLMNOP here", "AKIAABCDEFGHIJKLMNOP"),
        ("password = 'hunter2222'", "hunter2222"),
        ("use https://bob:s3cretword@host/", "s3cretword"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("Authorization: Bearer abcdefghijklmnop", "abcdefghijklmnop"),
    ],
)
def test_secrets_leave_no_text(read_run, text, gone):
    found = read_run(result(message={"text": text}))
    assert gone not in found.one.message
    assert "redacted" in found.one.message or "sha256:" in found.one.message
    assert found.warnings["secrets_redacted"] == 1


def test_ordinary_texts_are_left_alone():
    for text in ("a: b = c", "user@example.com", "SELECT x FROM t WHERE id = 'abc'", "tokens: 3"):
        assert redact(text) == text


def test_a_rule_about_secrets_gives_nothing_of_the_snippet_away(read_run):
    region = {"startLine": 1, "snippet": {"text": 'api = "S3cr3tV4lu3xyz"'}}
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}, "region": region}}
    message = {"text": "S3cr3tV4lu3xyz is hard-coded, also as `An0therS3cret`"}
    row = result(ruleId="generic-api-key", message=message, locations=[place], fingerprints={"f": "x:S3cr3tV4lu3xyz"})
    found = read_run(row, rules=[{"id": "generic-api-key"}]).one
    everything = str(found.to_dict())
    assert "S3cr3tV4lu3xyz" not in everything
    assert "An0therS3cret" not in everything
    assert len(found.snippet_sha256) == 16


def test_a_snippet_never_leaves(read_run):
    region = {"startLine": 1, "snippet": {"text": "exec(user_input_of_canary)"}}
    place = {"physicalLocation": {"artifactLocation": {"uri": "a.py"}, "region": region}}
    assert "canary" not in str(read_run(result(locations=[place])).one.to_dict())
