# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A team's own judgement on top of the tool's: severities overridden by JMESPath, first match wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadInput
from .._core.expressions import Expression
from .._core.findings import Severity

_POLICY_KEYS = frozenset({"severity"})
_RULE_KEYS = frozenset({"match", "severity", "reason"})


@dataclass(frozen=True, slots=True)
class SeverityRule:
    """Findings (as dictionaries) for which ``expression`` is true get ``severity``."""

    match: str
    expression: Expression
    severity: Severity
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """``{"severity": [{"match": "<JMESPath>", "severity": "<our word>", "reason": "<why>"}]}``, checked, compiled."""

    severity: tuple[SeverityRule, ...] = ()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> Policy:
        """Raises BadInput for unknown keys, words and expressions, and when JMESPath is needed but not installed."""
        data = data or {}
        _only(data, _POLICY_KEYS, "the policy")
        entries = data.get("severity") or []
        if not isinstance(entries, list):
            raise BadInput("the policy's severity must be a list", next="write a list of {match, severity}")
        return cls(tuple(_severity_rule(entry, position) for position, entry in enumerate(entries)))

    def severity_for(self, finding: Mapping[str, Any]) -> SeverityRule | None:
        """The first rule that matches a finding. An expression that cannot be evaluated is an error, never a miss."""
        for rule in self.severity:
            if rule.expression.holds(finding):
                return rule
        return None


def _severity_rule(entry: Any, position: int) -> SeverityRule:
    where = f"policy.severity[{position}]"
    if not isinstance(entry, Mapping):
        raise BadInput("a policy rule must be a dictionary", where=where)
    _only(entry, _RULE_KEYS, where)
    word, match = entry.get("severity"), entry.get("match")
    if not isinstance(match, str) or not match.strip():
        raise BadInput("a policy rule needs a match expression", where=where)
    if word not in [severity.value for severity in Severity]:
        raise BadInput(
            f"a policy rule has no such severity: {word!r}", where=where, next=f"use one of {', '.join(Severity)}"
        )
    return SeverityRule(
        match, Expression.of(match, "a policy expression", where), Severity(word), str(entry.get("reason") or "")
    )


def _only(data: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(str(name) for name in data if name not in known)
    if unknown:
        raise BadInput(f"{where} has unknown keys: {', '.join(unknown)}", next=f"known are: {', '.join(sorted(known))}")
