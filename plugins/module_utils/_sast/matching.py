# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which finding of one scan is which of another: stages from strong to weak evidence, each on what is left.

1. ``identical``: tool, rule, file and what the id stands on. 2. ``fingerprint``: any fingerprint of the tool in its
greatest common version, in the same file. 3. ``moved_fingerprint``: the same in another file, where it is the only one.
4. ``context``: rule, file, message and quoted code, whatever the fingerprints say, nearest line first.
5. ``moved_snippet``: rule, file name, message and quoted code in another folder, where it is the only one.
6. ``rename``: stages 1, 2 and 4 over the file renames that the caller knows (of git). 7. ``inferred_rename``: the same
over renames that at least two findings of a file which is gone agree on.

Nothing is guessed: what could be paired in several ways is given back as ambiguous.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Protocol

from .pairing import (
    Ambiguity,
    Anchors,
    Row,
    grouped,
    join,
    pair_alike,
    pair_despite_fingerprints,
    pair_trusted,
    unpaired,
)

PREFERRED = "primaryLocationLineHash"
_MESSAGE = "message"
# Each costs a look at all findings; tools have one to five.
_MOST_KEYS = 32
_Key = tuple[str, int]


class _Keyed(Protocol):
    """What a stage knows a row by; None where it knows nothing."""

    def __call__(self, row: Row, /) -> Hashable | None:
        """Rows with equal ones may be one finding."""


class Matcher:
    """Pairs two lists of rows, both in the order of their places; ``run`` once."""

    def __init__(self, before: Sequence[Row], after: Sequence[Row], renames: Mapping[str, str] | None) -> None:
        self._before = before
        self._after = after
        self._renames = renames or {}
        self._renames_known = renames is not None
        self._ambiguous: list[Ambiguity] = []
        common = _common_versions(before, after)
        self.left_out = common[_MOST_KEYS:]
        """Fingerprints (name, version) that both sides know but that are too many to be compared."""
        self._versions = dict.fromkeys(common[:_MOST_KEYS])

    def run(self) -> list[Ambiguity]:
        """Pair what can be paired; gives what is ambiguous among the rest."""
        self._identical("identical", None)
        self._fingerprint("fingerprint", None)
        self._moved_fingerprint()
        self._context("context", None)
        self._moved_snippet()
        self._over(self._renames, "rename")
        sure, doubtful = self._votes()
        self._over(sure, "inferred_rename")
        self._still_alike(doubtful)
        return [
            Ambiguity(entry.reason, tuple(left), tuple(right))
            for entry in self._ambiguous
            if (left := unpaired(entry.before)) and (right := unpaired(entry.after))
        ]

    def _over(self, renames: Mapping[str, str], how: str) -> None:
        if renames:
            self._identical(how, renames)
            self._fingerprint(how, renames)
            self._context(how, renames)

    def _groups(self, key: _Keyed, renames: Mapping[str, str] | None) -> list[tuple[list[Row], list[Row]]]:
        """Unpaired rows of equal key and file; with ``renames`` of the files that these lead from and to."""
        ones = grouped(unpaired(self._before), _in_file(key, renames))
        others = grouped(unpaired(self._after), _in_file(key, None))
        return [(left, others[found]) for found, left in ones.items() if found in others]

    def _identical(self, how: str, renames: Mapping[str, str] | None) -> None:
        hard = []
        for left, right in self._groups(lambda row: row.basis, renames):
            plain = len(left) == len(right) == 1
            if plain and (left[0].basis[0] != _MESSAGE or left[0].snippet == right[0].snippet):
                join(left[0], right[0], how, "unique")
            else:
                hard.append((left, right))
        anchors = self._anchors(hard)
        for left, right in hard:
            if left[0].basis[0] != _MESSAGE:
                pair_trusted(left, right, how, anchors)
            elif found := pair_alike(left, right, how, anchors):
                self._ambiguous.append(found)

    def _fingerprint(self, how: str, renames: Mapping[str, str] | None) -> None:
        for key in self._versions:
            groups = self._groups(_print_of(key), renames)
            anchors = self._anchors(groups)
            for left, right in groups:
                ones, others = self._without_newer(key, left, right)
                if ones and others:
                    pair_trusted(ones, others, how, anchors)

    def _moved_fingerprint(self) -> None:
        for key in self._versions:
            print_of = _print_of(key)

            def anywhere(row: Row, print_of: _Keyed = print_of) -> Hashable | None:
                value = print_of(row)
                return None if value is None else (row.tool_key, row.rule_key, value)

            for one, other in self._only_ones(anywhere):
                if one.path != other.path and all(self._without_newer(key, [one], [other])):
                    join(one, other, "moved_fingerprint", "unique")

    def _context(self, how: str, renames: Mapping[str, str] | None) -> None:
        groups = self._groups(lambda row: (row.message, row.snippet), renames)
        anchors = self._anchors(groups)
        for left, right in groups:
            if all(row.basis[0] == _MESSAGE for row in (*left, *right)):
                # Their ids stand on what is looked at here: what could be told of them was told.
                continue
            if _contradict(left, right):
                pair_despite_fingerprints(left, right, how, anchors)
            elif found := pair_alike(left, right, how, anchors):
                self._ambiguous.append(found)

    def _moved_snippet(self) -> None:
        for one, other in self._only_ones(_named_snippet):
            if one.path != other.path and self._renames.get(one.path, other.path) == other.path:
                join(one, other, "moved_snippet", "unique")

    def _only_ones(self, key: _Keyed) -> list[tuple[Row, Row]]:
        """Unpaired rows whose key no other row of either side has, paired ones included."""
        ones = grouped(unpaired(self._before), key)
        others = grouped(unpaired(self._after), key)
        wanted = ones.keys() & others.keys()
        if not wanted:
            return []
        times = [
            Counter(found for row in side if (found := key(row)) in wanted) for side in (self._before, self._after)
        ]
        return [
            (left[0], others[found][0])
            for found, left in ones.items()
            if found in wanted and times[0][found] == times[1][found] == 1
        ]

    def _votes(self) -> tuple[dict[str, str], list[tuple[Row, Row]]]:
        """File renames that findings agree on, and the pairs that speak for a rename which is not sure."""
        gone, came = self._exchanged()
        there = {row.path for row in self._after}
        votes: dict[tuple[str, str], set[tuple[Row, Row]]] = {}
        for row in came:
            if row.mate is not None and row.mate.path not in there:
                votes.setdefault((row.mate.path, row.path), set()).add((row.mate, row))
        for key in (_signature, _named_signature):
            ones, others = grouped(unpaired(gone), key), grouped(unpaired(came), key)
            for found, left in ones.items():
                right = others.get(found, [])
                if len(left) == len(right) == 1 and not (left[0].snippet is None and _contradict(left, right)):
                    votes.setdefault((left[0].path, right[0].path), set()).add((left[0], right[0]))
        sources, targets = Counter(old for old, _new in votes), Counter(new for _old, new in votes)
        sure: dict[str, str] = {}
        doubtful: list[tuple[Row, Row]] = []
        for (old, new), pairs in sorted(votes.items(), key=lambda entry: entry[0]):
            if len(pairs) >= 2 and sources[old] == targets[new] == 1:
                sure[old] = new
            else:
                doubtful += pairs
        return sure, doubtful

    def _exchanged(self) -> tuple[list[Row], list[Row]]:
        """Rows of files that have findings only before, or only after: these may be one file under two names."""
        here, there = {row.path for row in self._before}, {row.path for row in self._after}
        gone = [row for row in self._before if row.path not in there and row.path not in self._renames]
        return gone, [row for row in self._after if row.path not in here]

    def _still_alike(self, doubtful: Iterable[tuple[Row, Row]]) -> None:
        """What is left on both sides and has something in common across files: moved, or gone here and new there."""
        if not self._renames_known:
            # Who knows the renames of files needs no single finding to suspect one.
            for one, other in doubtful:
                reason = "its file may have been renamed, and only this finding says so"
                self._ambiguous.append(Ambiguity(reason, (one,), (other,)))
            reason = "its file may be one of several of that name in other folders"
            self._common(_named_signature, reason, *self._exchanged(), heed_fingerprints=True)
        for key in self._versions:
            print_of = _print_of(key)

            def anywhere(row: Row, key: _Key = key, print_of: _Keyed = print_of) -> Hashable | None:
                value = print_of(row)
                return None if value is None or self._newer(key, row) else (row.tool_key, row.rule_key, value)

            reason = "several findings of other files have its fingerprint"
            self._common(anywhere, reason, self._before, self._after)
        reason = "several files of that name quote the same code for its rule"
        self._common(_named_snippet, reason, self._before, self._after)

    def _common(
        self, key: _Keyed, reason: str, before: Iterable[Row], after: Iterable[Row], *, heed_fingerprints: bool = False
    ) -> None:
        """Unpaired rows of other files with an equal key are ambiguous. ``heed_fingerprints``: not those that have no
        more in common than a message, and fingerprints that differ."""
        ones, others = grouped(unpaired(before), key), grouped(unpaired(after), key)
        for found, left in ones.items():
            right = others.get(found)
            if not right or (heed_fingerprints and left[0].snippet is None and _contradict(left, right)):
                continue
            if {row.path for row in left}.isdisjoint(row.path for row in right):
                self._ambiguous.append(Ambiguity(reason, tuple(left), tuple(right)))

    def _anchors(self, groups: Iterable[tuple[Sequence[Row], Sequence[Row]]]) -> Anchors:
        return Anchors(self._after, {(left[0].path, right[0].path) for left, right in groups})

    def _newer(self, key: _Key, row: Row) -> bool:
        """Whether the row has this fingerprint in a newer version that both sides know."""
        return any(
            name == key[0] and version > key[1] and (name, version) in self._versions for name, version in row.keys
        )

    def _without_newer(self, key: _Key, left: list[Row], right: list[Row]) -> tuple[list[Row], list[Row]]:
        """Rows that a newer version of the fingerprint would have paired are not paired by an older one."""
        ones = [row for row in left if not self._newer(key, row)]
        others = [row for row in right if not self._newer(key, row)]
        return (left, right) if len(ones) == len(left) or len(others) == len(right) else (ones, others)


def _in_file(key: _Keyed, renames: Mapping[str, str] | None) -> _Keyed:
    def keyed(row: Row) -> Hashable | None:
        path = row.path if renames is None else renames.get(row.path)
        found = None if path is None else key(row)
        return None if found is None else (row.tool_key, row.rule_key, path, found)

    return keyed


def _print_of(key: _Key) -> _Keyed:
    def value(row: Row) -> Hashable | None:
        return row.values[row.keys.index(key)] if key in row.keys else None

    return value


def _named_snippet(row: Row) -> Hashable | None:
    if row.snippet is None:
        return None
    return (row.tool_key, row.rule_key, row.path.rpartition("/")[2], row.message, row.snippet)


def _signature(row: Row) -> Hashable:
    return (row.tool_key, row.rule_key, row.message, row.snippet)


def _named_signature(row: Row) -> Hashable:
    return (row.path.rpartition("/")[2], _signature(row))


def _common_versions(before: Iterable[Row], after: Iterable[Row]) -> list[_Key]:
    """The fingerprints that both sides know: the common line hash first, each name from its newest version on."""
    known = {key for keys in {row.keys for row in before} for key in keys}
    known &= {key for keys in {row.keys for row in after} for key in keys}
    return sorted(known, key=lambda key: (key[0] != PREFERRED, key[0], -key[1]))


def _contradict(left: Iterable[Row], right: Iterable[Row]) -> bool:
    """Whether some of the rows have a fingerprint in common by name: had it been equal, they would be paired."""
    known = {key for row in left for key in row.keys}
    return any(key in known for row in right for key in row.keys)
