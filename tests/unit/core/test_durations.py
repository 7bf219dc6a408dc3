# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spans of time as options give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.durations import seconds
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("90", 90), (90, 90), (1.5, 1.5), (" 6h ", 21600), ("1.5h", 5400), ("1d12h", 129600), ("2w", 1209600)],
)
def test_a_span_has_units_or_is_in_seconds(text: Any, expected: float) -> None:
    assert seconds(text, "x") == expected


@pytest.mark.parametrize("text", ["", "d", "1y", "-1d", "-5", "1d x", "1 d", "1h30", "1.h", "٣h", "1h\n1m", True, None])
def test_anything_else_is_refused_by_the_name_of_the_option(text: Any) -> None:
    with pytest.raises(BadInput, match=r"keep_for is not a span of time: got .*for example 6h") as caught:
        seconds(text, "keep_for")
    assert repr(text) in caught.value.why


@pytest.mark.parametrize("text", ["101" + "0" * 300, "5300w", "40000d"])
def test_no_span_leads_out_of_the_calendar(text: str) -> None:
    with pytest.raises(BadInput, match="longer than 100 years"):
        seconds(text, "x")


@given(st.dictionaries(st.sampled_from("smhdw"), st.integers(0, 500), min_size=1))
def test_parts_add_up_in_any_order(parts: dict[str, int]) -> None:
    written = [f"{number}{unit}" for unit, number in parts.items()]
    assert seconds("".join(written), "x") == sum(seconds(part, "x") for part in written)
