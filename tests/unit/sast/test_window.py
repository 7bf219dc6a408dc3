# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The streaming reader gives what the standard library gives, however the text is cut into pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally
from ansible_collections.knowngood.kube.plugins.module_utils._sast.window import Window

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=6), inner, max_size=5),
    max_leaves=30,
)


def pieces(text: str, sizes: list[int]) -> Iterator[str]:
    at, turn = 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        yield text[at : at + size]
        at, turn = at + size, turn + 1


def window(text: str, sizes: list[int], limit: int = 1 << 20) -> Window:
    return Window(pieces(text, sizes), name="test", tally=Tally(), limit=limit)


def consumed(source: Window) -> Any:
    value = source.value()
    source.finish()
    return value


def walked(source: Window) -> Any:
    """The value built by walking every container by hand."""
    first = source.peek()
    if first == "{":
        return {name: walked(source) for name in source.members()}
    if first == "[":
        return [walked(source) for _position in source.items()]
    return source.value()


SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)
STYLES = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}, {"separators": (",", ":")}])


@given(VALUES, SIZES, STYLES)
def test_any_cut_gives_the_same_value(value, sizes, style):
    text = json.dumps(value, **style) + "  \n"
    source = window(text, sizes)
    assert source.value() == json.loads(text)
    source.finish()


@given(VALUES, SIZES, STYLES)
def test_walking_gives_the_same_value(value, sizes, style):
    text = json.dumps(value, **style)
    source = window(text, sizes)
    assert walked(source) == json.loads(text)
    source.finish()


@given(VALUES, SIZES, st.integers(100, 300))
def test_skipping_ends_at_the_same_place_whatever_fits_the_window(value, sizes, limit):
    source = window(json.dumps([value, "here"]), sizes, limit)
    items = source.items()
    next(items)
    source.skip()
    next(items)
    assert source.value() == "here"
    assert list(items) == []
    source.finish()


BLANKS = st.sampled_from(["", " ", "\n", "\r\n\t ", "   "])
SMALL = st.dictionaries(st.sampled_from("abc"), SCALARS, max_size=2)
LISTS = st.lists(st.tuples(BLANKS, SMALL | SMALL | SMALL | SCALARS, BLANKS), max_size=150)
ANY_SIZES = SIZES | st.just([1 << 20])


def listed(entries: list[tuple[str, Any, str]]) -> str:
    return "[" + ",".join(f"{before}{json.dumps(value)}{after}" for before, value, after in entries) + "]"


@given(LISTS, ANY_SIZES)
def test_entries_come_in_batches_as_they_stand_there(entries, sizes):
    source = window(listed(entries), sizes)
    assert [value for batch in source.batches() for value in batch] == [value for _before, value, _after in entries]
    source.finish()


@given(LISTS, ANY_SIZES, st.data())
def test_a_damaged_list_is_refused_as_the_standard_library_does(entries, sizes, data):
    text = listed(entries)
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.sampled_from(["", ",", "{", "]", "1", '"'])) + text[at + 1 :]
    try:
        wanted = json.loads(damaged)
    except ValueError:
        wanted = None
    source = window(damaged, sizes)
    try:
        found = list(source.entries())
        source.finish()
    except BadInput:
        found = None
    assert found == wanted


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text("xyz", max_size=9), max_size=3), max_size=8), SIZES)
def test_a_value_longer_than_the_window_is_pruned_to_what_is_wanted(value, sizes):
    found = window(json.dumps(value), sizes, limit=40).value({"a": None})
    assert [entry.get("a") for entry in found] == [entry.get("a") for entry in value]


@given(VALUES, st.data())
def test_any_truncation_is_told_as_such(value, data):
    text = json.dumps({"runs": value})
    cut = data.draw(st.integers(1, len(text) - 1))
    source = window(text[:cut], [5])
    with pytest.raises(BadInput, match="cut off"):
        walked(source)


@given(st.text(alphabet='{}[]",:0123456789.eE-+truefalsn \\u', max_size=40), SIZES)
def test_any_text_is_accepted_or_refused_as_the_standard_library_does(text, sizes):
    source = window(text, sizes)
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(BadInput):
            consumed(source)
    else:
        if expected in (float("inf"), float("-inf")):
            return
        assert consumed(source) == expected


def test_lists_longer_than_the_window_are_capped_and_counted():
    tally = Tally()
    source = Window(pieces(json.dumps(list(range(3000))), [50]), name="test", tally=tally, limit=100)
    assert source.value() == list(range(1000))
    assert tally.truncated == ({"what": "entries of lists longer than the window", "kept": 1000, "seen": 3000},)


def test_strings_longer_than_the_window_are_emptied_and_counted():
    tally = Tally()
    text = json.dumps({"long": 'x\\"' * 5000, "next": 1})
    source = Window(pieces(text, [7]), name="test", tally=tally, limit=100)
    assert source.value() == {"long": "", "next": 1}
    assert tally.truncated[0]["seen"] > 15000


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": NaN}', "not JSON"),
        ('{"a": -Infinity}', "not JSON"),
        ('{"a": 1e999}', "not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ('{"a": 1 "b": 2}', "not JSON"),
        ('{"a" 1}', "not JSON"),
        ("{1: 2}", "not JSON"),
        ('{"a": 1,}', "not JSON"),
        ("[1,]", "not JSON"),
        ('["\x01"]', "not JSON"),
        ('{"a": 1, "a": 2}', "ambiguous"),
        ("[1] [2]", "after the end"),
        ("[" * 100_000, "too deeply"),
        ('{"a":' * 100_000, "too deeply"),
    ],
)
def test_what_is_refused(text, what):
    def read_all(source):
        walked(source)
        source.finish()

    with pytest.raises(BadInput, match=what):
        read_all(window(text, [1000]))


def test_a_malformed_value_longer_than_the_window_is_found():
    with pytest.raises(BadInput, match="not JSON"):
        window(json.dumps([["x" * 50] * 50])[:-2] + ",nope]]", [64], limit=100).value()


def test_a_name_or_number_longer_than_the_window_is_refused():
    with pytest.raises(BadInput, match="name longer"):
        window('{"' + "x" * 500 + '": 1}', [10], limit=100).value()
    with pytest.raises(BadInput, match="without end"):
        window("[" + "t" * 500 + "]", [10], limit=100).value()


def test_an_unending_string_longer_than_the_window_is_cut_off():
    with pytest.raises(BadInput, match="cut off"):
        window('["' + "x" * 500 + "\\", [10], limit=100).value()


def test_the_message_names_the_place():
    with pytest.raises(BadInput) as caught:
        walked(window('{"a": [1, 2, oops]}', [3]))
    assert caught.value.where == "test, character 14"
