# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of a run, kept until the run is complete: each of them, or only how often each sort of them occurs.

For totals a result is what decides how it counts: its rule, kind, level, stated severity, baseline and suppressions. A
report of many thousand results has a few hundred sorts, so that each is resolved once.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..severity import KEYS
from ..shape import as_dict
from ..spool import Spool
from .plain import Row, Tables

# Plain rows are kept together: their keys and the calls are then paid once.
_AT_ONCE = 64
# A report of endless sorts must not fill the memory.
_MOST_SORTS = 20_000
_PLAIN = ("ruleId", "ruleIndex", "kind", "level", "baselineState")
_RARE = ("rule", "properties", "suppressions", "provenance")


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
        for result in results:
            row = self.tables.row(result) if self._look_for_plain else None
            if row is None:
                self._flush()
                wanted = self._wanted
                self._spool.put(marshal.dumps({key: result[key] for key in result if key in wanted}))
            else:
                self._plain.append(row)
        if len(self._plain) >= _AT_ONCE:
            self._flush()

    def __iter__(self) -> Iterator[Row | dict[str, Any]]:
        self._flush()
        for packed in self._spool:
            entry = marshal.loads(packed)
            if isinstance(entry, list):
                yield from entry
            else:
                yield entry

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


class SortsOfResults:
    """How often each sort of result occurs; sorts beyond a few thousand move to the spool."""

    def __init__(self, limit: int) -> None:
        self._spool = Spool(limit)
        self._plain: dict[tuple[Any, ...], int] = {}
        self._others: dict[bytes, int] = {}
        self.count = 0

    def put(self, results: Sequence[dict[str, Any]]) -> None:
        self.count += len(results)
        plain = self._plain
        for result in results:
            get = result.get
            if "properties" in result or "suppressions" in result or "rule" in result or "provenance" in result:
                self._put_other(result)
                continue
            key = (get("ruleId"), get("ruleIndex"), get("kind"), get("level"), get("baselineState"))
            try:
                plain[key] = plain.get(key, 0) + 1
            except TypeError:  # one of them is a list or an object
                self._put_other(result)
        if len(plain) + len(self._others) > _MOST_SORTS:
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
        self._plain.clear()
        self._others.clear()
        self._spool.close()

    def _put_other(self, result: Mapping[str, Any]) -> None:
        row = {key: result[key] for key in _PLAIN if key in result}
        row |= {key: _SHORT[key](result[key]) for key in _RARE if key in result}
        packed = marshal.dumps(row)
        self._others[packed] = self._others.get(packed, 0) + 1

    def _spill(self) -> None:
        for key, times in self._plain.items():
            row = {name: value for name, value in zip(_PLAIN, key, strict=True) if value is not None}
            self._spool.put(marshal.dumps((row, times)))
        for packed, times in self._others.items():
            self._spool.put(marshal.dumps((marshal.loads(packed), times)))
        self._plain.clear()
        self._others.clear()


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
