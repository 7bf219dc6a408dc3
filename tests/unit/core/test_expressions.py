# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""JMESPath out of options: true, false, or one clear message."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.expressions import Expression


def expression(text: str) -> Expression:
    return Expression.of(text, "a waiver", "policy.waivers[0]")


@pytest.mark.parametrize(
    ("text", "held"), [("a == 'x'", True), ("a == 'y'", False), ("absent", False), ("contains(a, 'x')", True)]
)
def test_it_holds_or_not(text: str, held: bool) -> None:
    assert expression(text).holds({"a": "x"}) is held


@pytest.mark.parametrize("found", [1, 0, "", "x", [], {}])
def test_only_true_false_and_nothing_are_answers(found: Any) -> None:
    with pytest.raises(BadInput, match=r"a waiver must give true or false \(a\): it gave a "):
        expression("a").holds({"a": found})


def test_one_that_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(BadInput, match=r"a waiver is not a JMESPath expression \(policy\.waivers\[0\]: a ==\)"):
        expression("a ==")


def test_one_that_cannot_be_evaluated_is_no_miss() -> None:
    with pytest.raises(BadInput, match="a waiver fails on the data"):
        expression("abs(a)").search({"a": "x"})


def test_a_missing_library_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    with pytest.raises(BadInput, match="needs the Python library jmespath .* pip install jmespath"):
        expression("a")


def test_equal_texts_are_equal() -> None:
    assert expression("a") == expression("a") != expression("b")
