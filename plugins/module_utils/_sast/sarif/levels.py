# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The level of a result (SARIF 2.1.0, 3.27.10 with 3.48.6) and from it our severity, each with its source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..._core.findings import Severity
from ..severity import LEVELS, of_level, security_severity, stated
from ..shape import as_dict, as_index, as_list
from ..tally import Tally
from .rules import Resolution, Rule, RuleBook

KINDS = frozenset({"fail", "pass", "open", "review", "informational", "notApplicable"})


def kind_of(raw: Any, tally: Tally) -> str:
    """The result's kind; ``fail`` when absent, and (with a warning) when it is no kind of SARIF."""
    if raw is None:
        return "fail"
    if isinstance(raw, str) and raw in KINDS:
        return raw
    tally.warn("kind_unknown", "a kind that SARIF does not know counts as fail")
    return "fail"


@dataclass(slots=True)
class Overrides:
    """The levels (and ranks) that each invocation's configuration gives to rules."""

    invocations: int = 0
    _by_rule: dict[tuple[int, tuple[int, int]], dict[str, Any]] = field(default_factory=dict)
    _by_id: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, invocations: Sequence[dict[str, Any]], book: RuleBook, name: str = "ruleConfigurationOverrides"
    ) -> Overrides:
        found = cls(len(invocations))
        for number, invocation in enumerate(invocations):
            for raw in as_list(invocation.get(name)):
                entry = as_dict(raw)
                configuration, descriptor = as_dict(entry.get("configuration")), as_dict(entry.get("descriptor"))
                resolution = book.resolve(None, None, descriptor)
                if resolution.rule is not None:
                    found._by_rule[number, resolution.rule.key] = configuration
                elif resolution.id:
                    found._by_id[number, resolution.id] = configuration
        return found

    def configuration(self, provenance: Any, resolution: Resolution) -> dict[str, Any]:
        """The override that applies: of the invocation the result names, or of the only one when it names none."""
        if not self._by_rule and not self._by_id:
            return {}
        number = as_index(as_dict(provenance).get("invocationIndex"))
        if number is None:
            if self.invocations != 1:
                return {}
            number = 0
        if resolution.rule is not None:
            return self._by_rule.get((number, resolution.rule.key), {})
        return self._by_id.get((number, resolution.id), {})


def level_of(explicit: Any, kind: str, override: dict[str, Any], rule: Rule | None, tally: Tally) -> tuple[str, str]:
    """(level, source); level is a word of SARIF, or ``unknown`` for a word that it does not know."""
    if kind != "fail":
        if explicit not in (None, "none"):
            tally.warn("level_ignored_for_kind", "a level beside a kind other than fail is invalid: the kind counts")
        return "none", "kind"
    default = rule.level if rule is not None else None
    for value, source in ((explicit, "result"), (override.get("level"), "override"), (default, "rule")):
        if value is None:
            continue
        if isinstance(value, str) and value in LEVELS:
            return value, source
        tally.warn("level_unknown", "a level that SARIF does not know became severity unknown")
        return "unknown", source
    return "warning", "default"


def severity_of(
    properties: dict[str, Any], rule: Rule | None, kind: str, level: tuple[str, str], note: Severity, tally: Tally
) -> tuple[Severity, str, Any]:
    """(severity, source, the tool's own security severity or None).

    Order: the result's security severity, the rule's, the level. A purely informational result is ``info`` whatever its
    rule's number says, because the tool found no problem there.
    """
    own = stated(properties)
    general = stated(rule.properties) if rule is not None else None
    native = own if own is not None else general
    if kind != "informational":
        for raw, source in ((own, "result.security-severity"), (general, "rule.security-severity")):
            if raw is None:
                continue
            severity, problem = security_severity(raw)
            if problem:
                tally.warn(problem, _PROBLEMS[problem], str(raw)[:40] if isinstance(raw, (int, float)) else "")
            if severity is not None:
                return severity, source, native
    return of_level(level[0], note), f"level:{level[1]}", native


_PROBLEMS = {
    "security_severity_unreadable": "a security severity is neither a number nor a known word: severity unknown",
    "security_severity_out_of_range": "a security severity is outside 0 to 10 and was ignored",
}
