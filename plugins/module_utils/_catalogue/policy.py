# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a team asks of a recovery point, and which findings it has accepted.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .._core.expressions import Expression
from .._core.findings import Finding, Severity
from . import values
from .verdicts import CLEAN, RANKED

GRADES = ("A", "B", "C", "D", "E", "U")
_GATES = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)
_KEYS = (
    "gate",
    "data_min",
    "allow_unverified",
    "allow_partial",
    "min_grade",
    "evidence_margin",
    "first_point",
    "unseen_deployments",
    "comparable",
    "required_tools",
    "waivers",
)


@dataclass(frozen=True, slots=True)
class Waiver:
    """Findings (as dictionaries) for which the JMESPath ``match`` is true are accepted by ``owner`` until ``expires``.

    A waiver without owner or past its time waives nothing.
    """

    match: str
    reason: str
    owner: str
    expires: dt.datetime | None
    expression: Expression = field(compare=False, repr=False)

    def invalid(self, now: dt.datetime) -> str:
        """Why it waives nothing; empty when it holds."""
        if not self.owner:
            return "it has no owner"
        if self.expires and now >= self.expires:
            return f"it expired {self.expires.date().isoformat()}"
        return ""

    def matches(self, finding: Finding) -> bool:
        """Raises BadInput when the expression cannot be evaluated, or gives neither true nor false."""
        return self.expression.holds(finding.to_dict())


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of a recovery point.

    ``gate``: findings from this severity on count; an unknown severity always does. ``data_min``: the worst verdict
    that may be chosen. ``allow_unverified``: the evidence and disclosure modes may choose points of which too little is
    known. ``allow_partial``: points that do not hold all claims of the application may be chosen. ``min_grade``: the
    weakest evidence (A to E) that ties an image to a commit. ``evidence_margin``: how long before the first evidence a
    point must have been cut. ``first_point``: whether the images seen at the first point are taken to be the only ones
    that wrote before it (``assume``) or nothing is known of that time (``unknown``). ``unseen_deployments``: whether
    commits between two that were seen may have run between the points (``unverified``) or not (``ignore``).
    ``comparable``: what lets a scan speak about absence: ``rules`` (it listed the rule, or has the ruleset that found
    it) or ``version`` (also the same version of the tool). ``required_tools``: each must have an ok scan of a commit.
    """

    gate: Severity = Severity.HIGH
    data_min: str = CLEAN
    allow_unverified: bool = False
    allow_partial: bool = False
    min_grade: str = "E"
    evidence_margin: dt.timedelta = dt.timedelta()
    first_point: str = "assume"
    unseen_deployments: str = "unverified"
    comparable: str = "rules"
    required_tools: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @classmethod
    def from_dict(cls, data: Any) -> Policy:
        """Raises BadInput naming the key."""
        given = values.mapping(data, "policy")
        values.only(given, _KEYS, "policy")
        allow = {key: given.get(key, False) for key in ("allow_unverified", "allow_partial")}
        for key, value in allow.items():
            if not isinstance(value, bool):
                raise BadInput(f"policy.{key} is not true or false", why=f"got {value!r}")
        return cls(
            gate=Severity(values.choice(given.get("gate", "high"), [s.value for s in _GATES], "policy.gate")),
            data_min=values.choice(given.get("data_min", CLEAN), RANKED, "policy.data_min"),
            allow_unverified=allow["allow_unverified"],
            allow_partial=allow["allow_partial"],
            min_grade=values.choice(given.get("min_grade", "E"), GRADES[:-1], "policy.min_grade"),
            evidence_margin=values.span(given.get("evidence_margin"), "policy.evidence_margin"),
            first_point=values.choice(given.get("first_point", "assume"), ("assume", "unknown"), "policy.first_point"),
            unseen_deployments=values.choice(
                given.get("unseen_deployments", "unverified"), ("unverified", "ignore"), "policy.unseen_deployments"
            ),
            comparable=values.choice(given.get("comparable", "rules"), ("rules", "version"), "policy.comparable"),
            required_tools=values.texts(given.get("required_tools"), "policy.required_tools"),
            waivers=tuple(
                _waiver(entry, f"policy.waivers[{number}]")
                for number, entry in enumerate(values.entries(given.get("waivers"), "policy.waivers"))
            ),
        )

    def gates(self, severity: Severity) -> bool:
        """Does a finding of this severity count?"""
        return severity is Severity.UNKNOWN or _GATES.index(severity) <= _GATES.index(self.gate)

    def good_enough(self, grade: str) -> bool:
        return GRADES.index(grade) <= GRADES.index(self.min_grade)


def _waiver(entry: Mapping[str, Any], where: str) -> Waiver:
    values.only(entry, ("match", "reason", "owner", "expires"), where)
    match = entry.get("match")
    if not isinstance(match, str) or not match.strip():
        raise BadInput("a waiver needs a match expression", where=where)
    return Waiver(
        match=match,
        reason=str(entry.get("reason") or ""),
        owner=str(entry.get("owner") or ""),
        expires=values.moment(entry.get("expires"), f"{where}.expires"),
        expression=Expression.of(match, "a waiver's match", where),
    )
