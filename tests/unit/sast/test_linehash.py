# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hash of the primary location's line, as GitHub computes it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.linehash import hash_lines

# What the tests of github/codeql-action (src/fingerprints.test.ts) expect for these texts.
GREETINGS = ["e9496ae3ebfced30:1", "fb7c023a8b9ccb3f:1", "ce8ba1a563dcdaca:1", "e20e36e16fcb0cc8:1"]
GREETINGS += ["b3edc88f2938467e:1", "c8e28b0b4002a3a0:1", "c129715d7a2bc9a3:1"]
OPEN_END = ["8b7cf3e952e7aeb2:1", "b1ae1287ec4718d9:1", "bff680108adb0fcc:1", "c6805c5e1288b612:1"]
OPEN_END += ["b86d3392aea1be30:1", "e6ceba753e1a442:1"]
LOREM = [f"a7f2ff13bc495cf2:{count}" for count in range(1, 7)]
LOREM += ["a7f2ff1481e87703:1", "a9cf91f7bbf1862b:1", "55ec222b86bcae53:1", "cc97dc7b1d7d8f7b:1", "c129715d7a2bc9a3:1"]
PUBLISHED = [
    ("", ["c129715d7a2bc9a3:1"]),
    (" a\nb\n  \t\tc\n d", ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"]),
    (" hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End", OPEN_END),
    (" hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End\n", GREETINGS),
    (" hello; \t\nworld!!!\r\r\r  \t\tGreetings\r End\r", GREETINGS),
    (" hello; \t\r\nworld!!!\r\n\r\n\r\n  \t\tGreetings\r\n End\r\n", GREETINGS),
    (" hello; \t\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n", GREETINGS),
    ("Lorem ipsum dolor sit amet.\n" * 10, LOREM),
]


def all_of(*blocks: bytes) -> list[str | None]:
    hashes = hash_lines(blocks)
    return [hashes.get(line) for line in range(1, len(hashes) + 1)]


def slowly(data: bytes) -> list[str]:
    """The definition, word by word: each line's 100 units summed anew."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    packed = "".join(char for char in text if char not in " \t").encode("utf-16-le")
    units = [int.from_bytes(packed[at : at + 2], "little") for at in range(0, len(packed), 2)]
    starts = [0, *(at + 1 for at, unit in enumerate(units) if unit == 10)]
    units += [65535] + [0] * 100
    sums = [sum(units[at + n] * 37 ** (99 - n) for n in range(100)) % 2**64 for at in starts]
    return [f"{value:x}:{sums[: n + 1].count(value)}" for n, value in enumerate(sums)]


@pytest.mark.parametrize(("text", "expected"), PUBLISHED)
def test_it_gives_the_values_that_the_reference_publishes(text, expected):
    assert all_of(text.encode()) == expected


@given(
    st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r", b"\n", b"\xff", "é€😀\ufeff".encode(), b"x" * 99]), max_size=60)
)
def test_it_is_the_definition_however_the_file_is_cut(parts):
    assert all_of(*parts) == all_of(b"".join(parts)) == slowly(b"".join(parts))


def test_a_shift_of_lines_does_not_change_it():
    assert all_of(b"one\ntwo\n")[1:] == all_of(b"zero\n\none\ntwo\n")[3:]


def test_a_line_that_is_not_there_has_none():
    hashes = hash_lines([b"a\nb"])
    assert [hashes.get(line) for line in (None, -1, 0, 3)] == [None] * 4
    assert hashes.get(2)


def test_a_file_of_too_many_lines_is_refused():
    with pytest.raises(BadInput, match="too many lines"):
        hash_lines([b"\n" * 10], most_lines=10)
    assert len(hash_lines([b"\n" * 9], most_lines=10)) == 10


@pytest.mark.parametrize("sort", [b"x" * 1_000_000, b"\n" * 400_000, b"    value = call(argument)\n" * 40_000])
def test_its_time_is_linear_whatever_the_lines_are(sort):
    started = time.process_time()
    hash_lines([sort])
    assert time.process_time() - started < 3
