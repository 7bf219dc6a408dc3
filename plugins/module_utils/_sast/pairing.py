# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings that look alike, of one file before and after: which is which, as far as that can be told.

Equal findings of one file are a multiset: how many there are is certain, which of them went is not. They are told apart
by what the scanner quoted, then by their lines as the findings around them moved; what is left is paired by number.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

# Beyond so many pairs of look-alikes the nearest ones are not searched: they are paired in the order of their lines.
_MOST_PAIRS = 1024
# Lines by which a finding may have moved otherwise than its neighbours did.
_MARGIN = 5
_WIDE_MARGIN = 50


@dataclass(slots=True, eq=False)
class Row:
    """One finding, as small as matching allows, and what was found of it on the other side.

    ``tool`` and ``rule`` are as reported, ``tool_key`` and ``rule_key`` without what depends on version and machine.
    ``message`` is a hash of the normalised message. ``basis`` is what the id stands on: (``message``, hash) or
    (``fingerprint:<key>``, hash). ``keys`` are the fingerprints' (name, version), ``values`` hashes of their values.
    """

    id: str
    tool: str
    rule: str
    tool_key: str
    rule_key: str
    path: str
    line: int | None
    state: str
    message: int
    snippet: str | None
    basis: tuple[str, int]
    keys: tuple[tuple[str, int], ...] = ()
    values: tuple[int, ...] = ()
    occurrence: int = 0
    mate: Row | None = None
    how: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """Findings that may be each other in more than one way: none of them is paired."""

    reason: str
    before: tuple[Row, ...]
    after: tuple[Row, ...]


class Place(IntEnum):
    """How a line fits to where the findings around it went."""

    EXACT = 0
    NEAR = 1
    UNKNOWN = 2
    FAR = 3


class Anchors:
    """How far findings that are paired already moved within their files."""

    def __init__(self, after: Iterable[Row], wanted: set[tuple[str, str]]) -> None:
        """``after``: the rows of the later side. ``wanted``: the (path before, path after) that will be asked for."""
        self._lines: dict[tuple[str, str], list[tuple[int, int]]] = {pair: [] for pair in wanted}
        for row in after:
            mate = row.mate
            if mate is None or mate.line is None or row.line is None:
                continue
            held = self._lines.get((mate.path, row.path))
            if held is not None:
                held.append((mate.line, row.line - mate.line))
        for held in self._lines.values():
            held.sort()

    def shifts(self, row: Row, path: str) -> tuple[int, ...]:
        """The shift of the nearest paired finding above, and of that below, as far as there are any."""
        held = self._lines.get((row.path, path))
        if not held or row.line is None:
            return ()
        at = bisect.bisect_right(held, (row.line, 2**62))
        return tuple(shift for _line, shift in held[max(0, at - 1) : at + 1])

    def place(self, one: Row, other: Row) -> Place:
        """Whether ``other`` stands where ``one`` is to be expected; without lines or neighbours that is not known."""
        if one.line is None or other.line is None:
            return Place.UNKNOWN
        moved, shifts = other.line - one.line, self.shifts(one, other.path)
        if moved in (shifts or (0,)):
            return Place.EXACT
        if not shifts:
            return Place.UNKNOWN
        low, high = self._bounds(one, other.path, shifts)
        return Place.NEAR if low <= moved <= high else Place.FAR

    def distance(self, one: Row, other: Row) -> int:
        """Lines between where ``one`` is to be expected and ``other``."""
        if one.line is None or other.line is None:
            return 0
        moved = other.line - one.line
        return min(abs(moved - shift) for shift in self.shifts(one, other.path) or (0,))

    def _bounds(self, row: Row, path: str, shifts: tuple[int, ...]) -> tuple[int, int]:
        """Shifts that are thinkable: between two neighbours, and between the file's beginning, which does not move, and
        the first one, lines may come and go, but hardly more than these moved apart. There is a margin, wider where
        only one side has a neighbour."""
        if len(shifts) == 2:
            return min(shifts) - _MARGIN, max(shifts) + _MARGIN
        above = row.line is not None and row.line < self._lines[row.path, path][0][0]
        other = 0 if above else shifts[0]
        return min(other, shifts[0]) - _WIDE_MARGIN, max(other, shifts[0]) + _WIDE_MARGIN


def join(before: Row, after: Row, how: str, identity: str) -> None:
    """The two are one finding."""
    before.mate, after.mate = after, before
    before.how = after.how = how
    before.identity = after.identity = identity


def unpaired(rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.mate is None]


def grouped(rows: Iterable[Row], key: Callable[[Row], Hashable | None]) -> dict[Hashable, list[Row]]:
    """Rows by key, in their order; those without a key are left out."""
    groups: dict[Hashable, list[Row]] = {}
    for row in rows:
        found = key(row)
        if found is not None:
            groups.setdefault(found, []).append(row)
    return groups


def pair_trusted(before: Sequence[Row], after: Sequence[Row], how: str, anchors: Anchors) -> None:
    """Pair as many as there are: the scanner itself says that they are equal."""
    if len(before) == len(after) == 1:
        join(before[0], after[0], how, "unique")
        return
    _by_snippet(before, after, how, anchors)
    _by_line(unpaired(before), unpaired(after), how, anchors)
    _by_distance(unpaired(before), unpaired(after), how, anchors, farthest=Place.FAR)


def pair_alike(before: Sequence[Row], after: Sequence[Row], how: str, anchors: Anchors) -> Ambiguity | None:
    """Pair findings of which only rule, file and message are known to be equal; gives those that stay ambiguous."""
    if len(before) == len(after) == 1:
        one, other = before[0], after[0]
        # The same id; only another text at a place where this one cannot have gone makes it another finding.
        if not _differ(one, other) or anchors.place(one, other) is not Place.FAR:
            join(one, other, how, "unique")
        return None
    _by_snippet(before, after, how, anchors)
    _by_line(unpaired(before), unpaired(after), how, anchors)
    left, right = unpaired(before), unpaired(after)
    if not left or not right:
        return None
    if all(row.snippet is None for row in (*left, *right)):
        _by_distance(left, right, how, anchors, farthest=Place.UNKNOWN)
        left, right = unpaired(left), unpaired(right)
        reason = "equal findings of this file went and came at places that do not fit each other"
        return Ambiguity(reason, tuple(left), tuple(right)) if left and right else None
    return _possible_edits(left, right, anchors)


def pair_despite_fingerprints(before: Sequence[Row], after: Sequence[Row], how: str, anchors: Anchors) -> None:
    """Pair findings of equal rule, file, message and snippet whose fingerprints differ: only where the lines fit.

    Fingerprints change when the scanner computes them in a new way, or when code near the finding is edited. Without
    a snippet only the exact place says so.
    """
    _by_line(before, after, how, anchors)
    if before[0].snippet is not None:
        _by_distance(unpaired(before), unpaired(after), how, anchors, farthest=Place.UNKNOWN)


def _differ(one: Row, other: Row) -> bool:
    return one.snippet is not None and other.snippet is not None and one.snippet != other.snippet


def _by_snippet(before: Sequence[Row], after: Sequence[Row], how: str, anchors: Anchors) -> None:
    ones = grouped(before, lambda row: row.snippet)
    others = grouped(after, lambda row: row.snippet)
    for snippet, left in ones.items():
        right = others.get(snippet)
        if not right:
            continue
        if len(left) == len(right) == 1:
            join(left[0], right[0], how, "snippet")
            continue
        _by_line(left, right, how, anchors)
        _by_distance(unpaired(left), unpaired(right), how, anchors, farthest=Place.FAR)


def _by_line(before: Sequence[Row], after: Sequence[Row], how: str, anchors: Anchors) -> None:
    """Pair what stands exactly where the findings around it say that it went."""
    if not before or not after:
        return
    lines = {line: deque(rows) for line, rows in grouped(after, lambda row: row.line).items()}
    for one in before:
        if one.line is None:
            continue
        for shift in anchors.shifts(one, after[0].path) or (0,):
            there = lines.get(one.line + shift)
            if there:
                join(one, there.popleft(), how, "line")
                break


def _by_distance(before: Sequence[Row], after: Sequence[Row], how: str, anchors: Anchors, *, farthest: Place) -> None:
    """Pair as many as there are; the number is certain, the choice is not.

    As many before as after are paired in their order, others the nearest first; where these are very many (more than a
    few dozen on each side) in their order, too.
    """
    if not before or not after:
        return
    together = list(zip(before, after, strict=False))
    as_many = len(before) == len(after) and all(anchors.place(one, other) <= farthest for one, other in together)
    if as_many or len(before) * len(after) > _MOST_PAIRS:
        for one, other in together:
            join(one, other, how, "count")
        return
    pairs = [
        (anchors.distance(one, other), at, there)
        for at, one in enumerate(before)
        for there, other in enumerate(after)
        if anchors.place(one, other) <= farthest
    ]
    for _distance, at, there in sorted(pairs):
        if before[at].mate is None and after[there].mate is None:
            join(before[at], after[there], how, "count")


def _possible_edits(before: Sequence[Row], after: Sequence[Row], anchors: Anchors) -> Ambiguity | None:
    """Other texts at other places are other findings; where the places might fit, an edited line cannot be excluded."""
    if len(before) * len(after) > _MOST_PAIRS:
        left, right = before, after
    else:
        left = [one for one in before if any(anchors.place(one, other) < Place.FAR for other in after)]
        right = [other for other in after if any(anchors.place(one, other) < Place.FAR for one in before)]
    reason = "equal findings of this file differ in the quoted code: edited, or others"
    return Ambiguity(reason, tuple(left), tuple(right)) if left and right else None
