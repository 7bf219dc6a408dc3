# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a run, kept until the run is complete: each of them, or only how often each sort of them occurs.

For totals a result is what decides how it counts: its rule, kind, level, stated severity, baseline and suppressions. A
report of many thousand results has a few hundred sorts, so that each is resolved once.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..severity import KEYS
from ..shape import as_dict
from ..spool import Spool
from .plain import Row, Tables

# Plain rows are kept together: their keys and the calls are then paid once.
_AT_ONCE = 64
# A report of endless sorts must not fill the memory, nor one of endless names.
_MOST_SORTS = 20_000
_LONGEST = 1024
_MOST_SHAPES = 1_000
_PLAIN = ("ruleId", "ruleIndex", "kind", "level", "baselineState")
_RARE = ("rule", "properties", "suppressions", "provenance")
_RARE_NAMES = frozenset(_RARE)


class EachResult:
    """Every result in the report's order: as a plain row, or as itself, reduced to the ``wanted`` keys.

    ``count`` is the number of results put in. ``put`` takes several at once, and raises ValueError for one nested too
    deeply.
    """

    def __init__(self, wanted: frozenset[str], limit: int, *, plain: bool = True) -> None:
        self._wanted = wanted
        self._spool = Spool(limit)
        self._look_for_plain = plain
        self._plain: list[Row] = []
        self.tables = Tables()
        self.count = 0

    def put(self, results: Sequence[dict[str, Any]]) -> None:
        self.count += len(results)
        as_row = self.tables.row
        for result in results:
            row = as_row(result) if self._look_for_plain else None
            if row is None:
                self._flush()
                wanted = self._wanted
                self._spool.put(marshal.dumps({key: result[key] for key in result if key in wanted}))
            else:
                self._plain.append(row)
        if len(self._plain) >= _AT_ONCE:
            self._flush()

    def __iter__(self) -> Iterator[list[Row] | dict[str, Any]]:
        """Plain rows several at once, any other result by itself."""
        self._flush()
        for packed in self._spool:
            yield marshal.loads(packed)

    def park(self) -> None:
        """Nothing will be put in or asked for a while: leave the memory."""
        self._flush()
        self._spool.spill()

    def close(self) -> None:
        self._plain.clear()
        self._spool.close()

    def _flush(self) -> None:
        if self._plain:
            self._spool.put(marshal.dumps(self._plain))
            self._plain.clear()


class _Times(dict[tuple[Any, ...], int]):
    """How often each key was seen. One that cannot be a key, or is too long to be kept, raises TypeError."""

    def __missing__(self, key: tuple[Any, ...]) -> int:
        if any(isinstance(word, str) and len(word) > _LONGEST for word in key):
            raise TypeError("too long")
        return 0


_Getter = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class SortsOfResults:
    """How often each sort of result occurs; sorts beyond a few thousand move to the spool."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._spool = Spool(limit)
        # By the names of a result's members: what takes out those that count, and how often which were seen.
        self._shapes: dict[tuple[str, ...], tuple[_Getter, _Times] | None] = {}
        # The same by the names that count.
        self._plain: dict[tuple[str, ...], _Times] = {}
        self._others: dict[bytes, int] = {}
        self._others_bytes = 0
        self.count = 0

    def put(self, results: Sequence[dict[str, Any]]) -> None:
        self.count += len(results)
        for names, same in groupby(results, tuple):
            shape = self._shapes[names] if names in self._shapes else self._shape(names)
            if shape is None:
                for result in same:
                    self._put_other(result)
                continue
            getter, times = shape
            for result in same:
                try:
                    times[getter(result)] += 1
                except TypeError:  # one of them is a list or an object, or endless
                    self._put_other(result)
        if sum(map(len, self._plain.values())) + len(self._others) > _MOST_SORTS or self._others_bytes > self._limit:
            self._spill()

    def __iter__(self) -> Iterator[tuple[dict[str, Any], int]]:
        self._spill()
        for packed in self._spool:
            yield marshal.loads(packed)

    def park(self) -> None:
        """Nothing will be put in or asked for a while: leave the memory."""
        self._spill()
        self._spool.spill()

    def close(self) -> None:
        self._clear()
        self._spool.close()

    def _shape(self, names: tuple[str, ...]) -> tuple[_Getter, _Times] | None:
        """None for results that have to be looked at one by one."""
        counting = tuple(name for name in _PLAIN if name in names)
        shape = None
        # With fewer than two names the getter gives no tuple.
        if _RARE_NAMES.isdisjoint(names) and len(counting) > 1:
            shape = itemgetter(*counting), self._plain.setdefault(counting, _Times())
        if len(self._shapes) < _MOST_SHAPES and sum(map(len, names)) < _LONGEST:
            self._shapes[names] = shape
        return shape

    def _put_other(self, result: Mapping[str, Any]) -> None:
        row = {key: result[key] for key in _PLAIN if key in result}
        row |= {key: _SHORT[key](result[key]) for key in _RARE if key in result}
        packed = marshal.dumps(row)
        times = self._others.get(packed, 0)
        self._others[packed] = times + 1
        if not times:
            self._others_bytes += len(packed)

    def _spill(self) -> None:
        for names, plain in self._plain.items():
            for key, times in plain.items():
                row = {name: value for name, value in zip(names, key, strict=True) if value is not None}
                self._spool.put(marshal.dumps((row, times)))
        for packed, times in self._others.items():
            self._spool.put(marshal.dumps((marshal.loads(packed), times)))
        self._clear()

    def _clear(self) -> None:
        for plain in self._plain.values():
            plain.clear()
        self._others.clear()
        self._others_bytes = 0


def _severities(properties: Any) -> dict[str, Any]:
    bag = as_dict(properties)
    return {key: bag[key] for key in KEYS if key in bag}


def _statuses(suppressions: Any) -> Any:
    """As much of each suppression as decides whether it hides the result; an empty one decides differently."""
    if not isinstance(suppressions, list):
        return suppressions
    return [
        {"kind": "", **{key: entry[key] for key in ("status", "state") if key in entry}} if entry else {}
        for entry in map(as_dict, suppressions)
    ]


def _same(value: Any) -> Any:
    return value


_SHORT = {"rule": _same, "properties": _severities, "suppressions": _statuses, "provenance": _same}
