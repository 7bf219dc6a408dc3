# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a gate limits: how many findings of which kind, read from a policy key by key. What is unknown counts as bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .._core.expressions import Expression
from .._core.findings import Effect, Severity
from . import conditions
from .conditions import PathGlob, Subject
from .text import visible

SEVERITIES = tuple(word.value for word in Severity)
UNKNOWN = Severity.UNKNOWN.value

_SCALE = tuple(word for word in SEVERITIES if word != UNKNOWN)
_CONFIDENCES = ("high", "medium", "low")
_FILTERS = ("path", "new_only", "confidence", "tools", "kinds", "match", "effects")
_KEYS = (*_FILTERS, "max", "severity", "cwe", "unknown", "rules")
_RULE_KEYS = (*_FILTERS, "name", "max", "severity", "cwe", "unknown")
_MOST_RULES = 32
_MOST_CACHED = 4096


@dataclass(frozen=True, slots=True)
class Paths:
    """Globs over places. A finding is out only when each of its places is known to be out."""

    include: tuple[PathGlob, ...] = ()
    exclude: tuple[PathGlob, ...] = ()
    _cache: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def hold(self, subject: Subject) -> bool:
        """True also for a finding without place, or with one outside the root: no glob can tell where that is."""
        return not subject.places or any(
            place == "outside_root" or self._inside(path) for path, place in subject.places
        )

    def _inside(self, path: str) -> bool:
        found = self._cache.get(path)
        if found is None:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            included = not self.include or any(glob.matches(path) for glob in self.include)
            found = self._cache[path] = included and not any(glob.matches(path) for glob in self.exclude)
        return found


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which live findings are meant; all that are given must hold, and what is not known holds."""

    path: Paths | None = None
    new_only: bool = False
    confidence: str = ""
    tools: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    match: Expression | None = None
    effects: frozenset[str] = frozenset()
    unknown_counts: bool = True

    def hold(self, subject: Subject, new: bool) -> bool:
        """Raises BadInput when the expression cannot be evaluated on the finding: an error is never a miss."""
        if self.new_only and not new:
            return False
        tool = str(subject.get("tool") or "").lower()
        if self.tools and tool and tool not in self.tools:
            return False
        if self.kinds and str(subject.get("kind") or "fail") not in self.kinds:
            return False
        if self.confidence and not self._sure(str(subject.get("confidence") or "").lower()):
            return False
        if self.effects and not self._harms(str(subject.get("effect") or UNKNOWN)):
            return False
        if self.path and not self.path.hold(subject):
            return False
        return self.match is None or self.match.holds(subject.record)

    def _sure(self, confidence: str) -> bool:
        if confidence not in _CONFIDENCES:
            return True
        return _CONFIDENCES.index(confidence) <= _CONFIDENCES.index(self.confidence)

    def _harms(self, effect: str) -> bool:
        return effect in self.effects or (effect == Effect.UNKNOWN.value and self.unknown_counts)


@dataclass(frozen=True, slots=True)
class Limit:
    """No more than ``most`` findings of these severities and weaknesses (empty: any) under the conditions."""

    code: str
    text: str
    most: int
    conditions: Conditions
    severities: frozenset[str] = frozenset()
    cwe: frozenset[str] = frozenset()

    def holds(self, subject: Subject, severity: str) -> bool:
        if self.severities and severity not in self.severities:
            return False
        return not self.cwe or not self.cwe.isdisjoint(subject.cwe)


def limits_of(data: Mapping[str, Any], *, besides: tuple[str, ...] = ()) -> tuple[Limit, ...]:
    """The limits of a policy, in a stable order; ``besides`` are keys that others read.

    Raises BadInput for unknown keys, wrong types, and conditions without a limit that they would apply to.
    """
    given = conditions.mapping(data, "gate")
    conditions.only(given, (*_KEYS, *besides), "gate")
    strict = _unknown(given, "gate", True)
    limits = [*_top(given, _conditions(given, "gate", strict), strict), *_rules(given.get("rules"), strict)]
    named = [name for name in (*_FILTERS, "unknown") if name in given]
    if named and not limits:
        raise BadInput(
            "this gate limits nothing",
            where="gate",
            why=f"{', '.join(named)} only say which findings are meant",
            next="add severity, max, cwe or rules",
        )
    return tuple(limits)


def number(value: Any, where: str) -> int:
    """A whole number; a text of digits is none."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadInput("this is not a number from 0 on", where=where, why=visible(repr(value))[:80])
    return value


def _unknown(given: Mapping[str, Any], where: str, default: bool) -> bool:
    if "unknown" not in given:
        return default
    return conditions.choice(given["unknown"], ("fail", "ignore"), f"{where}.unknown") == "fail"


def _from(severity: Any, where: str, strict: bool) -> frozenset[str]:
    """The severities at or above one."""
    word = conditions.choice(severity, _SCALE, where)
    return frozenset(_SCALE[: _SCALE.index(word) + 1]) | (frozenset({UNKNOWN}) if strict else frozenset())


def _top(given: Mapping[str, Any], asked: Conditions, strict: bool) -> list[Limit]:
    """The limits of the top level: each severity of ``max``, ``severity``, the banned weaknesses, the unknown."""
    limits: list[Limit] = []
    most = {}
    if "max" in given:
        most = dict(conditions.mapping(given["max"], "gate.max"))
        conditions.only(most, SEVERITIES, "gate.max")
        if not most:
            raise BadInput("there is nothing in it", where="gate.max", next="for example {critical: 0, high: 5}")
    for word in (word for word in SEVERITIES if word in most):
        allowed = number(most[word], f"gate.max.{word}")
        limits.append(Limit("max", f"at most {allowed} of severity {word}", allowed, asked, frozenset({word})))
    if "severity" in given:
        above = _from(given["severity"], "gate.severity", False)
        limits.append(Limit("severity", f"none at or above {given['severity']}", 0, asked, above))
    if limits and strict and UNKNOWN not in most:
        limits.append(Limit("unknown", "none of unknown severity", 0, asked, frozenset({UNKNOWN})))
    if "cwe" in given:
        banned = _weaknesses(given["cwe"], "gate.cwe")
        limits.append(Limit("cwe", f"never {', '.join(sorted(banned))[:200]}", 0, asked, cwe=banned))
    return limits


def _rules(data: Any, strict: bool) -> list[Limit]:
    if data is None:
        return []
    if not isinstance(data, (list, tuple)) or not 0 < len(data) <= _MOST_RULES:
        raise BadInput(f"rules must be a list of 1 to {_MOST_RULES} dictionaries", where="gate.rules")
    limits = [_rule(entry, f"gate.rules[{at}]", strict) for at, entry in enumerate(data)]
    twice = [name for name, times in Counter(limit.code for limit in limits).items() if times > 1]
    if twice:
        raise BadInput(f"the name {twice[0].removeprefix('rule: ')} is used twice", where="gate.rules")
    return limits


def _rule(data: Any, where: str, strict: bool) -> Limit:
    given = conditions.mapping(data, where)
    conditions.only(given, _RULE_KEYS, where)
    name = conditions.text(given.get("name"), f"{where}.name", 200)
    strict = _unknown(given, where, strict)
    most = number(given["max"], f"{where}.max") if "max" in given else 0
    return Limit(
        code=f"rule: {name}",
        text=f"rule {name}, at most {most}",
        most=most,
        conditions=_conditions(given, where, strict),
        severities=_from(given["severity"], f"{where}.severity", strict) if "severity" in given else frozenset(),
        cwe=_weaknesses(given["cwe"], f"{where}.cwe") if "cwe" in given else frozenset(),
    )


def _conditions(given: Mapping[str, Any], where: str, strict: bool) -> Conditions:
    read = {name: _READERS[name](given[name], f"{where}.{name}") for name in _FILTERS if name in given}
    return Conditions(unknown_counts=strict, **read)


def _weaknesses(value: Any, where: str) -> frozenset[str]:
    if not isinstance(value, (list, tuple)) or not value:
        raise BadInput("this must be a list of CWEs", where=where, next="for example [CWE-89, CWE-78]")
    return frozenset(conditions.weakness(one, f"{where}[{at}]") for at, one in enumerate(value))


def _paths(value: Any, where: str) -> Paths:
    given = conditions.mapping(value, where)
    conditions.only(given, ("include", "exclude"), where)
    if not given:
        raise BadInput("there is nothing in it", where=where, next="give include or exclude")
    globs = {
        name: tuple(PathGlob(glob) for glob in conditions.texts(entry, f"{where}.{name}"))
        for name, entry in given.items()
    }
    if any(conditions.names_anything(glob.text) for glob in globs.get("exclude", ())):
        raise BadInput("this would leave nothing to look at", where=f"{where}.exclude", next="name a folder or a file")
    return Paths(globs.get("include", ()), globs.get("exclude", ()))


def _switch(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadInput("this must be true or false", where=where, why=visible(repr(value))[:80])
    return value


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "path": _paths,
    "new_only": _switch,
    "confidence": lambda value, where: conditions.choice(value, _CONFIDENCES, where),
    "tools": lambda value, where: frozenset(name.lower() for name in conditions.texts(value, where)),
    "kinds": lambda value, where: frozenset(conditions.choices(value, ("fail", "open", "review"), where)),
    "match": lambda value, where: conditions.expression(value, "a gate's match", where),
    "effects": lambda value, where: frozenset(conditions.choices(value, [word.value for word in Effect], where)),
}
