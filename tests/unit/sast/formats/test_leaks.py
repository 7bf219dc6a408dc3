# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gitleaks and detect-secrets: the secret never leaves, whatever the report does with it."""

from __future__ import annotations

import json

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput

SECRET = "zQ7pWm2xVb9Lk4Rt"


def leak(**more):
    return {
        "RuleID": "generic-api-key",
        "Description": "A key.",
        "StartLine": 3,
        "Match": f"key = {SECRET}",
        "Secret": SECRET,
        "File": "a.env",
        "Commit": "",
        "Fingerprint": "a.env:generic-api-key:3",
        **more,
    }


def baseline(**results):
    return {"version": "1.5.0", "plugins_used": [{"name": "KeywordDetector"}], "filters_used": [], "results": results}


@pytest.mark.parametrize("field", ["Description", "Tags", "Link", "Fingerprint", "Message", "Author", "Match"])
def test_the_secret_is_in_nothing_that_leaves(read, field):
    """Whichever field repeats it. Names of rules and files are kept as they are."""
    quoted = f"https://git.example.org/search?q={SECRET}"
    found = read([leak(**{"Commit": "9fceb02", field: [quoted] if field == "Tags" else quoted})]).one
    assert SECRET not in json.dumps(found.to_dict())


def test_the_same_secret_is_known_again_where_it_moved_to(read):
    before, after = read([leak()]).one, read([leak(StartLine=90, Fingerprint="a.env:generic-api-key:90")]).one
    assert before.id == after.id


def test_an_entry_without_rule(read):
    seen = read([leak(), leak(RuleID=None)])
    assert (seen.scan.totals.dropped, seen.scan.status) == (1, "partial")


def test_a_rule_without_words(read):
    assert read([leak(Description=None)]).one.message == "A secret was found by the rule generic-api-key."


@pytest.mark.parametrize("masked", ["REDACTED", "zQ7p...", "zQ7p*********"])
def test_what_was_masked_identifies_nothing(read, masked):
    assert read([leak(Secret=masked)]).one.fingerprints == {}


def test_an_empty_list_needs_to_be_named(read):
    assert read([], format="gitleaks").scan.status == "ok"
    with pytest.raises(BadInput, match="no report of a format that we know"):
        read([])


def test_a_file_that_is_no_list(read):
    seen = read(baseline(**{"a.py": {}, "b.py": [{"type": "Secret Keyword"}, {"line_number": 3}, 4]}))
    assert seen.warnings["file_without_list"] == 1
    assert seen.warnings["result_without_rule"] == 2
    assert [found.path for found in seen.findings] == ["b.py"], "the name of the list, when the entry has none"


def test_a_verified_secret_is_certain(read):
    assert read(baseline(a=[{"type": "AWS Access Key", "is_verified": True}])).one.confidence == "high"
