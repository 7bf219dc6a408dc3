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

_OWN = frozenset({"rule", "provenance", "taxa", "rank", "correlationGuid", "occurrenceCount", "webRequest"})
_REGION = ("startLine", "startColumn", "endLine", "endColumn", "charOffset")
_WORD = frozenset({str, type(None)})
_NUMBER = frozenset({int, type(None)})
_LONGEST = 4096
_MOST_FINGERPRINTS = 16
# Tables of what repeats; a report of which nothing repeats must not fill the memory.
_MOST_SORTS = 20_000
_MOST_PLACES = 50_000
_MOST_SHAPES = 1_000

Row = tuple[int, int, int, str, str, tuple[Any, ...], tuple[str, ...]]
"""Numbers of its sort, place and shape of fingerprints in the tables; text, snippet, region, fingerprints."""
Sort = tuple[Any, ...]
Place = tuple[str, Any]
Shape = tuple[tuple[str, ...], tuple[str, ...]]


class Tables:
    """What many plain results share: a row has the number of its entry.

    ``sorts``: (ruleId, ruleIndex, kind, level, baselineState), which decide how a result counts. ``places``:
    (uri, base). ``shapes``: the keys of the full and of the partial fingerprints.
    """

    def __init__(self) -> None:
        self.sorts: dict[Sort, int] = {}
        self.places: dict[Place | None, int] = {None: 0}
        self.shapes: dict[Shape, int] = {}

    def row(self, result: dict[str, Any]) -> Row | None:
        """The row of a plain result; None for any other."""
        get = result.get
        if not _OWN.isdisjoint(result) or get("suppressions"):
            return None
        properties = get("properties")
        if properties and not (isinstance(properties, dict) and LOOKED_AT.isdisjoint(properties)):
            return None
        words = (get("ruleId"), get("kind"), get("level"), get("baselineState"))
        sort = (words[0], get("ruleIndex"), *words[1:])
        message, fingerprints = get("message"), _fingerprints(get("fingerprints"), get("partialFingerprints"))
        located = _located(get("locations"))
        if not _WORD.issuperset(map(type, words)) or not _NUMBER.issuperset((type(sort[1]),)):
            return None
        if fingerprints is None or located is None or not isinstance(message, dict) or "arguments" in message:
            return None
        text, (place, region, snippet), (shape, values) = message.get("text"), located, fingerprints
        if not isinstance(text, str) or len(text) > _LONGEST:
            return None
        known = (
            _number(self.sorts, sort, _MOST_SORTS),
            _number(self.places, place, _MOST_PLACES),
            self._shape(shape),
        )
        return None if -1 in known else (*known, text, snippet, region, values)

    def _shape(self, shape: Shape) -> int:
        if shape not in self.shapes and not all(HARMLESS_KEY.fullmatch(key) for keys in shape for key in keys):
            return -1
        return _number(self.shapes, shape, _MOST_SHAPES)


def _number(table: dict[Any, int], entry: Any, most: int) -> int:
    """The number of an entry, -1 when the table is full."""
    number = table.get(entry)
    if number is None:
        if len(table) >= most:
            return -1
        number = table[entry] = len(table)
    return number


def _fingerprints(full: Any, partial: Any) -> tuple[Shape, tuple[str, ...]] | None:
    """(keys, values) when all of them are harmless."""
    full, partial = full or {}, partial or {}
    if not isinstance(full, dict) or not isinstance(partial, dict) or len(full) + len(partial) > _MOST_FINGERPRINTS:
        return None
    values = (*full.values(), *partial.values())
    for value in values:
        if not isinstance(value, str) or not HARMLESS.fullmatch(value):
            return None
    return (tuple(full), tuple(partial)), values


def _located(locations: Any) -> tuple[Place | None, tuple[Any, ...], str] | None:
    """(place, numbers of the region, snippet) of at most one place in a file."""
    if not locations:
        return None, (), ""
    entry = locations[0] if isinstance(locations, list) and len(locations) == 1 else None
    if not isinstance(entry, dict) or "logicalLocations" in entry:
        return None
    physical = entry.get("physicalLocation")
    artifact = physical.get("artifactLocation") if isinstance(physical, dict) else None
    if not isinstance(physical, dict) or not isinstance(artifact, dict):
        return None
    uri, base = artifact.get("uri"), artifact.get("uriBaseId")
    if not isinstance(uri, str) or not uri or type(base) not in _WORD:
        return None
    place: Place = (uri, base)
    region = physical.get("region")
    if not region:
        return place, (), ""
    return _with_region(place, region) if isinstance(region, dict) else None


def _with_region(place: Place, region: dict[str, Any]) -> tuple[Place, tuple[Any, ...], str] | None:
    numbers = tuple(map(region.get, _REGION))
    if "byteOffset" in region:
        return None
    snippet = region.get("snippet") or {"text": ""}
    text = snippet.get("text") if isinstance(snippet, dict) else None
    if not _NUMBER.issuperset(map(type, numbers)) or not isinstance(text, str) or len(text) > _LONGEST:
        return None
    return place, numbers, text
