# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where results are: artifacts resolved, regions read, logical names kept (SARIF 2.1.0, 3.4, 3.28 to 3.30, 3.33)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..._core.findings import Location
from ..paths import PathResolver
from ..secrets import without_credentials
from ..shape import as_dict, as_index, as_int, as_list, as_str
from ..tally import Tally
from ..text import Cleaner

_DEEPEST_NESTING = 16
_MOST_KNOWN = 20_000
_LONGEST_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Artifact:
    """An entry of run.artifacts: its location, and the artifact that contains it (an archive)."""

    uri: str | None
    base: str | None
    parent: int | None

    @classmethod
    def of(cls, raw: Any) -> Artifact:
        entry = as_dict(raw)
        location = as_dict(entry.get("location"))
        return cls(as_str(location.get("uri")), as_str(location.get("uriBaseId")), as_index(entry.get("parentIndex")))


class Locator:
    """Turns the location objects of one run into ours."""

    def __init__(
        self,
        resolver: PathResolver,
        artifacts: Sequence[Artifact],
        symbols: Sequence[str],
        *,
        cleaner: Cleaner,
        tally: Tally,
        most: int,
        requests: Sequence[Any] = (),
    ) -> None:
        self._resolver = resolver
        self._artifacts = artifacts
        self._symbols = symbols
        self._cleaner = cleaner
        self._tally = tally
        self._most = most
        self._requests = requests
        self._known: dict[tuple[str, str | None], tuple[str, str]] = {}

    def all_of(self, raw: Any) -> tuple[Location, ...]:
        """The places of one result; more than one means that all must be fixed. Beyond the cap they are counted."""
        entries = as_list(raw)
        if len(entries) > self._most:
            self._tally.cut("locations of findings", self._most, len(entries))
            entries = entries[: self._most]
        found = []
        for entry in entries:
            place = self._one(as_dict(entry))
            if place is not None:
                found.append(place)
        return tuple(found)

    def _one(self, raw: dict[str, Any]) -> Location | None:
        physical = as_dict(raw.get("physicalLocation"))
        symbol = self._symbol(raw.get("logicalLocations"))
        path, place = self._artifact(as_dict(physical.get("artifactLocation")))
        if not path and not symbol:
            return None
        region = physical.get("region")
        if not region:
            return Location(path, place, symbol=symbol)
        region = as_dict(region)
        if "byteOffset" in region and "startLine" not in region and "charOffset" not in region:
            text = "a place is given in bytes only; its file is kept and has no line"
            self._tally.warn("place_in_bytes", text)
        return Location(
            path,
            place,
            line=positive(region.get("startLine")),
            column=positive(region.get("startColumn")),
            end_line=positive(region.get("endLine")),
            end_column=positive(region.get("endColumn")),
            char_offset=as_index(region.get("charOffset")),
            symbol=symbol,
        )

    def requested(self, raw: Any) -> tuple[Location, ...]:
        """The place of a result that has no file but a web request (SARIF 2.1.0, 3.46): method and path as its symbol.

        The query is left out: it holds what was tried, and sometimes secrets.
        """
        request = as_dict(raw)
        index = as_index(request.get("index"))
        if index is not None and index < len(self._requests):
            request = {**as_dict(self._requests[index]), **request}
        target = (as_str(request.get("target")) or "").partition("?")[0]
        if not target:
            return ()
        method = self._cleaner.label(request.get("method"), 20)
        symbol = self._cleaner.label(without_credentials(f"{method} {target}".strip()), 512)
        return (Location("", symbol=symbol),)

    def _artifact(self, raw: dict[str, Any], depth: int = 0) -> tuple[str, str]:
        uri = as_str(raw.get("uri"))
        if uri is not None:
            return self.path(uri, as_str(raw.get("uriBaseId")))
        index = as_index(raw.get("index"))
        if index is None:
            return "", "inside"
        if index >= len(self._artifacts):
            self._tally.warn("artifact_index_unknown", "a location points to an artifact that the report does not list")
            return "", "inside"
        return self._listed(index, depth)

    def _listed(self, index: int, depth: int) -> tuple[str, str]:
        """A listed artifact; one inside an archive is written ``archive!/member``."""
        artifact = self._artifacts[index]
        own, place = self.path(artifact.uri, artifact.base) if artifact.uri is not None else ("", "inside")
        parent = artifact.parent
        if parent is None or parent >= len(self._artifacts):
            return own, place
        if depth >= _DEEPEST_NESTING:
            self._tally.warn("artifact_parent_loop", "artifacts contain each other in a circle or too deeply")
            return own, place
        outer, outer_place = self._listed(parent, depth + 1)
        return f"{outer}!/{own.lstrip('/')}", outer_place

    def path(self, uri: str, base: str | None) -> tuple[str, str]:
        """(path, place) of a file."""
        key = (uri, base)
        known = self._known.get(key)
        if known is None:
            path, place = self._resolver.resolve(uri, base)
            known = (self._cleaner.label(path), place)
            # A report with endless paths must not fill the memory.
            if len(self._known) < _MOST_KNOWN and len(uri) + len(base or "") <= _LONGEST_KNOWN:
                self._known[key] = known
        return known

    def _symbol(self, raw: Any) -> str | None:
        for entry in as_list(raw)[:1]:
            logical = as_dict(entry)
            name = as_str(logical.get("fullyQualifiedName")) or as_str(logical.get("name"))
            index = as_index(logical.get("index"))
            if name is None and index is not None and index < len(self._symbols):
                name = self._symbols[index]
            return self._cleaner.label(name) or None
        return None


def snippet_of(locations: Any) -> str:
    """The text of the first location's snippet; never to be shown."""
    for entry in as_list(locations)[:1]:
        physical = as_dict(as_dict(entry).get("physicalLocation"))
        region = as_dict(physical.get("region"))
        return as_str(as_dict(region.get("snippet")).get("text")) or ""
    return ""


def positive(value: Any) -> int | None:
    number = as_int(value)
    return number if number is not None and number > 0 else None
