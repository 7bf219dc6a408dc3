# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape that nearly all results have, as a row that is quickly kept and quickly read.

A plain result has a rule, a text, at most one place in a file, perhaps fingerprints of the usual form, and nothing that
has to be looked at for itself alone. What is not exactly so is no plain result and goes the general way; both ways give
the same finding, which the tests assert.
"""

from __future__ import annotations

import re
from typing import Any

from ..severity import KEYS
from . import taxa

# What nearly every fingerprint looks like: nothing in it needs cleaning or hiding.
HARMLESS = re.compile(r"[0-9a-f]{1,128}(?::\d{1,9})?")
HARMLESS_KEY = re.compile(r"[A-Za-z0-9_./-]{1,100}")
LOOKED_AT = frozenset({*KEYS, *taxa.PROPERTIES, "tags"})
"""The properties of a result that mean something to us."""

_ALONE = frozenset({"rule", "provenance", "taxa", "rank", "correlationGuid", "occurrenceCount", "webRequest"})
_INSIDE = frozenset({"suppressions", "properties"})
_NUMBER = frozenset({int, type(None)})
_LONGEST = 4096
_MOST_FINGERPRINTS = 16
# Tables of what repeats; a report of which nothing repeats must not fill the memory, nor one of endless names.
_LONGEST_NAME = 1024
_MOST_SORTS = 20_000
_MOST_PLACES = 50_000
_MOST_SHAPES = 1_000

Row = tuple[int, int, int, str, str, tuple[Any, ...], tuple[str, ...]]
"""Numbers of its sort, place and shape of fingerprints in the tables; text, snippet, region, fingerprints."""
Sort = tuple[Any, ...]
Place = tuple[str, Any]
Shape = tuple[tuple[str, ...], tuple[str, ...]]

_NONE: dict[str, str] = {}


class _NotPlain(Exception):
    """It goes the general way."""


# What the shape promises is taken for granted; where it is not so, one of these comes.
_OTHERWISE = (_NotPlain, KeyError, TypeError, ValueError, AttributeError)


class Tables:
    """What many plain results share: a row has the number of its entry.

    ``sorts``: (ruleId, ruleIndex, kind, level, baselineState), which decide how a result counts. ``places``:
    (uri, base). ``shapes``: the keys of the full and of the partial fingerprints.
    """

    def __init__(self) -> None:
        self.sorts: dict[Sort, int] = {}
        self.places: dict[Place | None, int] = {None: 0}
        self.shapes: dict[Shape, int] = {}
        self._names: dict[tuple[str, ...], bool] = {}

    def row(self, result: dict[str, Any]) -> Row | None:
        """The row of a plain result; None for any other."""
        try:
            return self._row(result)
        except _OTHERWISE:
            return None

    def _row(self, result: dict[str, Any]) -> Row:
        names = tuple(result)
        inside = self._names.get(names)
        if self._has_inside(names) if inside is None else inside:
            _check_inside(result)
        get = result.get
        index, message = get("ruleIndex"), result["message"]
        text = message["text"]
        if type(index) not in _NUMBER or "arguments" in message or not isinstance(text, str) or len(text) > _LONGEST:
            raise _NotPlain
        # What is in a table was looked at when it came there.
        key = (get("ruleId"), index, get("kind"), get("level"), get("baselineState"))
        sort = self.sorts.get(key)
        if sort is None:
            sort = _numbered(self.sorts, key, _MOST_SORTS, all(map(_is_short, (key[0], *key[2:]))))
        full, partial = get("fingerprints") or _NONE, get("partialFingerprints") or _NONE
        keys = (tuple(full), tuple(partial))
        shape = self.shapes.get(keys)
        if shape is None:
            shape = self._shape(keys)
        values = (*full.values(), *partial.values())
        for value in values:
            if not HARMLESS.fullmatch(value):
                raise _NotPlain
        locations = get("locations")
        place, region, snippet = self._located(locations) if locations else (0, (), "")
        return sort, place, shape, text, snippet, region, values

    def _has_inside(self, names: tuple[str, ...]) -> bool:
        """Whether one of these names, seen for the first time, is one whose content decides if a result is plain."""
        if not _ALONE.isdisjoint(names):
            raise _NotPlain
        found = not _INSIDE.isdisjoint(names)
        if len(self._names) < _MOST_SHAPES and sum(map(len, names)) <= _LONGEST_NAME:
            self._names[names] = found
        return found

    def _shape(self, keys: Shape) -> int:
        """The number of keys that were not seen before."""
        names = (*keys[0], *keys[1])
        harmless = len(names) <= _MOST_FINGERPRINTS and all(HARMLESS_KEY.fullmatch(name) for name in names)
        return _numbered(self.shapes, keys, _MOST_SHAPES, harmless)

    def _located(self, locations: Any) -> tuple[int, tuple[Any, ...], str]:
        """(number of the place, numbers of the region, snippet) of one place in a file."""
        (entry,) = locations
        physical = entry["physicalLocation"]
        artifact = physical["artifactLocation"]
        key: Place = (artifact["uri"], artifact.get("uriBaseId"))
        place = self.places.get(key)
        if place is None:
            fit = bool(key[0]) and all(map(_is_short, key))
            place = _numbered(self.places, key, _MOST_PLACES, fit)
        if "logicalLocations" in entry:
            raise _NotPlain
        region = physical.get("region")
        if not region:
            return place, (), ""
        get = region.get
        # Spelled out: a loop over the names costs twice as much, and every result comes by here.
        numbers = (get("startLine"), get("startColumn"), get("endLine"), get("endColumn"), get("charOffset"))
        snippet = get("snippet")
        text = snippet["text"] if snippet else ""
        if not _NUMBER.issuperset(map(type, numbers)) or "byteOffset" in region:
            raise _NotPlain
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise _NotPlain
        return place, numbers, text


def _is_short(word: Any) -> bool:
    return word is None or isinstance(word, str) and len(word) <= _LONGEST_NAME


def _numbered(table: dict[Any, int], entry: Any, most: int, fit: bool) -> int:
    """The number of a new entry, if it is fit to be one and there is room."""
    if not fit or len(table) >= most:
        raise _NotPlain
    number = table[entry] = len(table)
    return number


def _check_inside(result: dict[str, Any]) -> None:
    properties = result.get("properties")
    if result.get("suppressions") or properties and not LOOKED_AT.isdisjoint(properties.keys()):
        raise _NotPlain
