# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rule a result means, and what that rule says (SARIF 2.1.0, 3.27.5 to 3.27.7 and 3.52)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..shape import as_dict, as_index, as_list, as_str
from . import taxa

INDEX, GUID, ID, PREFIX, NONE = "index", "guid", "id", "prefix", "none"


@dataclass(frozen=True, slots=True)
class Rule:
    """A reportingDescriptor, reduced to what we use. ``key`` is (component, position); component 0 is the driver."""

    key: tuple[int, int]
    id: str
    guid: str
    name: str
    level: str | None
    rank: Any
    properties: dict[str, Any]
    messages: dict[str, Any]
    text: str
    help_uri: str
    aliases: frozenset[str]
    cwe: dict[str, tuple[str, ...]]

    def answers_to(self, rule_id: str) -> bool:
        """Whether a reported id may mean this rule: equal, a former id, or a finer one ("id/part")."""
        return rule_id == self.id or rule_id in self.aliases or rule_id.startswith(f"{self.id}/")


@dataclass(frozen=True, slots=True)
class Component:
    """The driver or an extension of a tool. ``by_id``: positions of its rules."""

    name: str
    guid: str
    version: str
    rules: Sequence[dict[str, Any]]
    messages: dict[str, Any]
    by_id: dict[str, int]


@dataclass(frozen=True, slots=True)
class Resolution:
    """``how``: index, guid, id, prefix or none. ``id`` is the id as reported, else the rule's. ``conflict``: the index
    led to a rule of another id than the one reported."""

    rule: Rule | None
    how: str
    id: str
    conflict: bool = False


class RuleBook:
    """All rules of one run: driver first, then extensions. Tools list thousands; only those that are meant are read."""

    def __init__(self, components: tuple[Component, ...], taxonomies: taxa.Taxonomies) -> None:
        self.components = components
        self._taxonomies = taxonomies
        self._made: dict[tuple[int, int], Rule] = {}
        self._by_id: dict[str, tuple[int, int]] = {}
        self._by_guid: dict[str, tuple[int, int]] = {}
        self._index()

    @classmethod
    def of(cls, tool: dict[str, Any], taxonomies: taxa.Taxonomies) -> RuleBook:
        raw = [as_dict(tool.get("driver")), *map(as_dict, as_list(tool.get("extensions")))]
        return cls(tuple(map(_component, raw)), taxonomies)

    def _index(self) -> None:
        """What a rule has now goes before what another had formerly."""
        former_ids: list[tuple[str, tuple[int, int]]] = []
        former_guids: list[tuple[str, tuple[int, int]]] = []
        for number, component in enumerate(self.components):
            for place, raw in enumerate(component.rules):
                key = (number, place)
                self._by_id.setdefault(as_str(raw.get("id")) or "", key)
                if guid := as_str(raw.get("guid")):
                    self._by_guid.setdefault(guid, key)
                if "deprecatedIds" in raw:
                    former_ids += ((text, key) for text in _texts(raw["deprecatedIds"]))
                if "deprecatedGuids" in raw:
                    former_guids += ((text, key) for text in _texts(raw["deprecatedGuids"]))
        for former, table in ((former_ids, self._by_id), (former_guids, self._by_guid)):
            for text, key in former:
                table.setdefault(text, key)

    def rule(self, key: tuple[int, int]) -> Rule:
        """The rule at (component, position), which must be there."""
        rule = self._made.get(key)
        if rule is None:
            raw = self.components[key[0]].rules[key[1]]
            rule = self._made[key] = _rule(raw, key, self._taxonomies)
        return rule

    def ids(self) -> set[str]:
        stated = (as_str(raw.get("id")) for component in self.components for raw in component.rules)
        return {text for text in stated if text}

    def resolve(self, rule_id: Any, rule_index: Any, reference: Any) -> Resolution:
        """The rule for a result's ruleId, ruleIndex and rule object, or for any descriptor reference."""
        ref = as_dict(reference)
        stated = as_str(rule_id) or as_str(ref.get("id")) or ""
        index = as_index(rule_index)
        if index is None:
            index = as_index(ref.get("index"))
        component = self._component_of(as_dict(ref.get("toolComponent")))
        pointed = None
        if component is not None and index is not None and index < len(self.components[component].rules):
            pointed = self.rule((component, index))
        if pointed is not None and (not stated or pointed.answers_to(stated)):
            return Resolution(pointed, INDEX, stated or pointed.id)
        by_guid = self._by_guid.get(as_str(ref.get("guid")) or "")
        if by_guid is not None:
            rule = self.rule(by_guid)
            return Resolution(rule, GUID, stated or rule.id)
        found = self._by_name(component, stated)
        if found is not None:
            return Resolution(found[0], found[1], stated, conflict=pointed is not None)
        if pointed is not None:
            return Resolution(pointed, INDEX, stated, conflict=True)
        return Resolution(None, NONE, stated)

    def _component_of(self, ref: dict[str, Any]) -> int | None:
        """The number of the component that a reference names; that of the driver when it names none.

        An extension by index, else any by guid, else by name. None when it names one that does not exist: then an index
        means nothing.
        """
        index, guid, name = as_index(ref.get("index")), as_str(ref.get("guid")), as_str(ref.get("name"))
        if index is not None:
            return index + 1 if index + 1 < len(self.components) else None
        for wanted, attribute in ((guid, "guid"), (name, "name")):
            if wanted:
                numbered = enumerate(self.components)
                return next((number for number, entry in numbered if getattr(entry, attribute) == wanted), None)
        return 0

    def _by_name(self, component: int | None, stated: str) -> tuple[Rule, str] | None:
        """By exact id (the named component first, then all), then with trailing parts dropped one by one."""
        text, how = stated, ID
        while text:
            place = self.components[component].by_id.get(text) if component is not None else None
            key = (component, place) if component is not None and place is not None else self._by_id.get(text)
            if key is not None:
                return self.rule(key), how
            text, how = text.rpartition("/")[0], PREFIX
        return None


def _texts(raw: Any) -> list[str]:
    return [entry for entry in as_list(raw) if isinstance(entry, str) and entry]


def _component(raw: dict[str, Any]) -> Component:
    rules = [as_dict(entry) for entry in as_list(raw.get("rules"))]
    by_id: dict[str, int] = {}
    for place, rule in enumerate(rules):
        # Two rules may share an id: without an index the first one counts.
        by_id.setdefault(as_str(rule.get("id")) or "", place)
    return Component(
        name=as_str(raw.get("name")) or "",
        guid=as_str(raw.get("guid")) or "",
        version=as_str(raw.get("semanticVersion")) or as_str(raw.get("version")) or "",
        rules=rules,
        messages=as_dict(raw.get("globalMessageStrings")),
        by_id=by_id,
    )


def _rule(raw: dict[str, Any], key: tuple[int, int], taxonomies: taxa.Taxonomies) -> Rule:
    configuration, properties = as_dict(raw.get("defaultConfiguration")), as_dict(raw.get("properties"))
    short, full = as_dict(raw.get("shortDescription")), as_dict(raw.get("fullDescription"))
    return Rule(
        key=key,
        id=as_str(raw.get("id")) or "",
        guid=as_str(raw.get("guid")) or "",
        name=as_str(raw.get("name")) or "",
        level=as_str(configuration.get("level")),
        rank=configuration.get("rank"),
        properties=properties,
        messages=as_dict(raw.get("messageStrings")),
        text=as_str(short.get("text")) or as_str(full.get("text")) or "",
        help_uri=as_str(raw.get("helpUri")) or "",
        aliases=frozenset(_texts(raw.get("deprecatedIds"))),
        cwe=taxa.of_rule(raw.get("relationships"), properties, taxonomies),
    )
