# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waves: how many targets are rotated before the next ones are begun, and which of them side by side. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from .._core.errors import BadInput

Item = TypeVar("Item")
_SIZE = re.compile(r"([1-9][0-9]*)(%?)")


def checked(sizes: Iterable[object]) -> tuple[str, ...]:
    """The sizes as text. Raises BadInput: no number above zero and no percentage up to 100."""
    found = tuple(str(size).strip() for size in sizes)
    for size in found:
        match = _SIZE.fullmatch(size)
        if match is None or (match.group(2) and int(match.group(1)) > 100):
            raise BadInput("a wave is neither a number nor a percentage", where="waves", why=f"got {size!r}")
    return found


def split(items: Sequence[Item], sizes: Sequence[str]) -> tuple[tuple[Item, ...], ...]:
    """The items in their order, in waves. A percentage is one of all of them, at least one; the last size repeats."""
    waves: list[tuple[Item, ...]] = []
    begun = 0
    while begun < len(items):
        size = sizes[min(len(waves), len(sizes) - 1)]
        count = math.ceil(len(items) * int(size[:-1]) / 100) if size.endswith("%") else int(size)
        waves.append(tuple(items[begun : begun + count]))
        begun += count
    return tuple(waves)


def lanes(items: Sequence[Item], users: Sequence[frozenset[str]]) -> tuple[tuple[Item, ...], ...]:
    """Items with a user in common follow one another, in their order; lanes have none in common.

    ``users``: of each item. Two rotations that restart the same workload would spoil each other's proof.
    """
    found: list[tuple[set[str], list[int]]] = []
    for number, mine in enumerate(users):
        joined = [lane for lane in found if lane[0] & mine]
        apart = [lane for lane in found if not lane[0] & mine]
        everybody = set(mine).union(*(lane[0] for lane in joined))
        numbers = sorted([number, *(n for lane in joined for n in lane[1])])
        found = [*apart, (everybody, numbers)]
    ordered = sorted(numbers for _users, numbers in found)
    return tuple(tuple(items[number] for number in numbers) for numbers in ordered)
