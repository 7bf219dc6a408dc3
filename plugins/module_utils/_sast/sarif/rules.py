# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rule a result means, and what that rule says (SARIF 2.1.0, 3.27.5 to 3.27.7 and 3.52)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
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
    former_guids: tuple[str, ...]
    cwe: dict[str, tuple[str, ...]]

    def answers_to(self, rule_id: str) -> bool:
        """Whether a reported id may mean this rule: equal, a former id, or a finer one ("id/part")."""
        return rule_id == self.id or rule_id in self.aliases or rule_id.startswith(f"{self.id}/")


@dataclass(frozen=True, slots=True)
class Component:
    """The driver or an extension of a tool."""

    name: str
    guid: str
    version: str
    rules: tuple[Rule, ...]
    messages: dict[str, Any]
    by_id: dict[str, Rule]


@dataclass(frozen=True, slots=True)
class Resolution:
    """``how``: index, guid, id, prefix or none. ``id`` is the id as reported, else the rule's. ``conflict``: the index
    led to a rule of another id than the one reported."""

    rule: Rule | None
    how: str
    id: str
    conflict: bool = False


@dataclass(slots=True)
class RuleBook:
    """All rules of one run: driver first, then extensions."""

    components: tuple[Component, ...]
    _by_id: dict[str, Rule] = field(default_factory=dict)
    _by_guid: dict[str, Rule] = field(default_factory=dict)

    @classmethod
    def of(cls, tool: dict[str, Any], taxonomies: taxa.Taxonomies) -> RuleBook:
        raw = [as_dict(tool.get("driver")), *map(as_dict, as_list(tool.get("extensions")))]
        book = cls(tuple(_component(entry, number, taxonomies) for number, entry in enumerate(raw)))
        for rule in book.rules():
            book._by_id.setdefault(rule.id, rule)
            if rule.guid:
                book._by_guid.setdefault(rule.guid, rule)
        for rule in book.rules():
            for guid in rule.former_guids:
                book._by_guid.setdefault(guid, rule)
            for alias in rule.aliases:
                book._by_id.setdefault(alias, rule)
        return book

    def rules(self) -> Iterable[Rule]:
        for component in self.components:
            yield from component.rules

    def ids(self) -> set[str]:
        return {rule.id for rule in self.rules() if rule.id}

    def resolve(self, rule_id: Any, rule_index: Any, reference: Any) -> Resolution:
        """The rule for a result's ruleId, ruleIndex and rule object, or for any descriptor reference."""
        ref = as_dict(reference)
        stated = as_str(rule_id) or as_str(ref.get("id")) or ""
        index = as_index(rule_index)
        if index is None:
            index = as_index(ref.get("index"))
        component = self._component_of(as_dict(ref.get("toolComponent")))
        pointed = component.rules[index] if component and index is not None and index < len(component.rules) else None
        if pointed is not None and (not stated or pointed.answers_to(stated)):
            return Resolution(pointed, INDEX, stated or pointed.id)
        by_guid = self._by_guid.get(as_str(ref.get("guid")) or "")
        if by_guid is not None:
            return Resolution(by_guid, GUID, stated or by_guid.id)
        found = self._by_name(component, stated)
        if found is not None:
            return Resolution(found[0], found[1], stated, conflict=pointed is not None)
        if pointed is not None:
            return Resolution(pointed, INDEX, stated, conflict=True)
        return Resolution(None, NONE, stated)

    def _component_of(self, ref: dict[str, Any]) -> Component | None:
        """The component that a reference names: extension by index, else by guid, else by name; the driver without any.

        None when it names one that does not exist: then an index means nothing.
        """
        index, guid, name = as_index(ref.get("index")), as_str(ref.get("guid")), as_str(ref.get("name"))
        if index is not None:
            return self.components[index + 1] if index + 1 < len(self.components) else None
        for wanted, attribute in ((guid, "guid"), (name, "name")):
            if wanted:
                return next((entry for entry in self.components if getattr(entry, attribute) == wanted), None)
        return self.components[0]

    def _by_name(self, component: Component | None, stated: str) -> tuple[Rule, str] | None:
        """By exact id (the named component first, then all), then with trailing parts dropped one by one."""
        text, how = stated, ID
        while text:
            rule = (component.by_id.get(text) if component is not None else None) or self._by_id.get(text)
            if rule is not None:
                return rule, how
            text, how = text.rpartition("/")[0], PREFIX
        return None


def _component(raw: dict[str, Any], number: int, taxonomies: taxa.Taxonomies) -> Component:
    entries = enumerate(as_list(raw.get("rules")))
    rules = tuple(_rule(as_dict(entry), (number, place), taxonomies) for place, entry in entries)
    return Component(
        name=as_str(raw.get("name")) or "",
        guid=as_str(raw.get("guid")) or "",
        version=as_str(raw.get("semanticVersion")) or as_str(raw.get("version")) or "",
        rules=rules,
        messages=as_dict(raw.get("globalMessageStrings")),
        # Two rules may share an id: without an index the first one counts.
        by_id={rule.id: rule for rule in reversed(rules)},
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
        aliases=frozenset(entry for entry in as_list(raw.get("deprecatedIds")) if isinstance(entry, str)),
        former_guids=tuple(entry for entry in as_list(raw.get("deprecatedGuids")) if isinstance(entry, str) and entry),
        cwe=taxa.of_rule(raw.get("relationships"), properties, taxonomies),
    )
