# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CWEs of a result, from the four places where tools put them, each with its source.

``result.taxa`` (references, also by index or guid into the run's taxonomies), ``rule.relationships``, tags and property
``cwe`` of result and rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..cwe import number_of, numbers_in
from ..shape import as_dict, as_index, as_list, as_str

PROPERTIES = ("cwe", "cwe_id", "cweId", "cwe-id", "CWE", "cwes")
# A rule that may lead to a weakness, or only sometimes is one, does not make each result an instance of it.
_NOT_EACH_RESULT = frozenset(
    {"subset", "disjoint", "canPrecede", "canFollow", "willPrecede", "willFollow", "incomparable"}
)
_EACH_RESULT = frozenset({"superset", "equal", "relevant"})


@dataclass(slots=True)
class Taxonomies:
    """CWE numbers that references may point to: by (kind of component, its index, position) and by guid."""

    by_place: dict[tuple[str, int, int], int] = field(default_factory=dict)
    by_guid: dict[str, int] = field(default_factory=dict)
    cwe_guids: set[str] = field(default_factory=set)
    cwe_indexes: set[tuple[str, int]] = field(default_factory=set)

    @classmethod
    def of(cls, taxonomies: Any, tool: dict[str, Any]) -> Taxonomies:
        """From ``run.taxonomies`` and from the taxa of the tool's extensions."""
        found = cls()
        for kind, components in (("taxonomies", taxonomies), ("extensions", tool.get("extensions"))):
            for index, raw in enumerate(as_list(components)):
                found._add(kind, index, as_dict(raw))
        return found

    def _add(self, kind: str, index: int, component: dict[str, Any]) -> None:
        if not is_cwe_name(component.get("name")):
            return
        self.cwe_indexes.add((kind, index))
        guid = as_str(component.get("guid"))
        if guid:
            self.cwe_guids.add(guid)
        for place, raw in enumerate(as_list(component.get("taxa"))):
            entry = as_dict(raw)
            for number in number_of(entry.get("id"))[:1]:
                self.by_place[kind, index, place] = number
                own = as_str(entry.get("guid"))
                if own:
                    self.by_guid[own] = number

    def lookup(self, reference: Any) -> list[int]:
        """The CWE that a reportingDescriptorReference means: its id, else its guid, else its index in its component."""
        ref = as_dict(reference)
        component = as_dict(ref.get("toolComponent"))
        name, guid, index = component.get("name"), as_str(component.get("guid")), as_index(component.get("index"))
        identifier = ref.get("id")
        places = [(kind, index) for kind in ("taxonomies", "extensions")] if index is not None else []
        pointed = not name and any(place in self.cwe_indexes for place in places)
        ours = pointed or is_cwe_name(name) or guid in self.cwe_guids
        if isinstance(identifier, str) and identifier:
            return number_of(identifier) if ours else numbers_in(identifier)
        own = as_str(ref.get("guid"))
        if own in self.by_guid:
            return [self.by_guid[own]]
        position = as_index(ref.get("index"))
        if not ours or position is None:
            return []
        if index is None:
            places = sorted(self.cwe_indexes)
        hits = (self.by_place.get((kind, number, position)) for kind, number in places)
        return [number for number in hits if number is not None][:1]


def is_cwe_name(name: Any) -> bool:
    return isinstance(name, str) and name.strip().lower() in ("cwe", "common weakness enumeration")


def of_result(taxa: Any, properties: dict[str, Any], taxonomies: Taxonomies) -> dict[str, tuple[str, ...]]:
    """ "CWE-n" -> sources, of what the result itself says."""
    found = _Collector()
    for reference in as_list(taxa):
        found.add(taxonomies.lookup(reference), "result.taxa")
    found.add_properties(properties, "result")
    return found.named()


def of_rule(relationships: Any, properties: dict[str, Any], taxonomies: Taxonomies) -> dict[str, tuple[str, ...]]:
    """ "CWE-n" -> sources, of what the rule says about each of its results."""
    found = _Collector()
    for raw in as_list(relationships):
        relation = as_dict(raw)
        kinds = {kind for kind in as_list(relation.get("kinds")) if isinstance(kind, str)} or {"relevant"}
        if kinds & _EACH_RESULT or not kinds & _NOT_EACH_RESULT:
            kind = min(kinds & _EACH_RESULT, default="relevant")
            found.add(taxonomies.lookup(relation.get("target")), f"rule.relationships:{kind}")
    found.add_properties(properties, "rule")
    return found.named()


def merged(*parts: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """All of several "CWE-n" -> sources, in ascending order of the number."""
    found: dict[str, tuple[str, ...]] = {}
    for part in parts:
        for name, sources in part.items():
            found[name] = found.get(name, ()) + sources
    return {name: found[name] for name in sorted(found, key=lambda name: int(name[4:]))}


class _Collector:
    def __init__(self) -> None:
        self._found: dict[int, list[str]] = {}

    def add(self, numbers: Iterable[int], source: str) -> None:
        for number in numbers:
            sources = self._found.setdefault(number, [])
            if source not in sources:
                sources.append(source)

    def add_properties(self, properties: dict[str, Any], owner: str) -> None:
        for tag in as_list(properties.get("tags")):
            if isinstance(tag, str):
                self.add(numbers_in(tag), f"{owner}.tags")
        for key in PROPERTIES:
            if key in properties:
                self.add(number_of(properties[key]), f"{owner}.properties.{key}")

    def named(self) -> dict[str, tuple[str, ...]]:
        return {f"CWE-{number}": tuple(sources) for number, sources in sorted(self._found.items())}
