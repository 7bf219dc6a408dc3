# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A quick look decides which texts are searched for secrets: it passes over none that the patterns would change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._sast import secrets

PIECES = st.sampled_from(
    [
        "AKIA1234567890ABCDEF",
        "gho_" + "a1" * 20,
        "github_pat_" + "b2" * 15,
        "glpat-" + "c3" * 10,
        "xoxb-" + "d4" * 8,
        "sk_live_" + "e5" * 8,
        "eyJhbGciOi.eyJzdWIiOi.abc",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "LS0tLS1CRUdJTi" + "QUFB" * 8,
        "Bearer abcdefgh12345678",
        "BASIC dXNlcjpwYXNz",
        "ba\u017fic dXNlcjpwYXNz",
        "https://user:hunter2@host/",
        "password=hunter2hunter2",
        "Api-Key : 'abcdefgh'",
        "to\u212aen=abcdefgh",
        "pwd\t:=\tabcd",
        "private_key=\n",
        "secret",
        "=",
        ":",
        " ",
        "a word",
    ]
)


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=6), st.sampled_from(["", " ", "x"]))
def test_the_quick_look_never_passes_over_a_secret(pieces, between):
    text = between.join(pieces)
    quick = secrets.redact(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "may_hold_a_secret", lambda _text: True)
        assert secrets.redact(text) == quick


def test_ordinary_texts_are_passed_over():
    assert not secrets.may_hold_a_secret("The value of request number 7 is used here: without a check = bad.")
