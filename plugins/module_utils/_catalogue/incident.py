# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The incident that a decision is made for.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from . import values
from .scans import Weakness

STRICT, EVIDENCE, DISCLOSURE = "strict", "evidence", "disclosure"
MODES = (STRICT, EVIDENCE, DISCLOSURE)
_CWE = re.compile(r"(?:cwe-?)?0*(\d+)", re.IGNORECASE)
_MATCHERS = ("id", "rule", "cwe", "path")


@dataclass(frozen=True, slots=True)
class Incident:
    """``id``; ``time`` when it was noticed; ``finding`` (``id``, ``rule``, ``cwe``, ``path``: all that are given must
    match) the weakness that was used; ``mode`` how to choose; ``evidence_at`` the earliest sign of compromise;
    ``disclosed_at`` when the weakness became public; ``claims`` the volumes within reach, empty for all; ``hits``
    points (id -> what was found) with evidence of compromise in them.
    """

    id: str = ""
    time: dt.datetime | None = None
    finding: Mapping[str, str] = field(default_factory=dict)
    mode: str = STRICT
    evidence_at: dt.datetime | None = None
    disclosed_at: dt.datetime | None = None
    claims: frozenset[str] = frozenset()
    hits: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Any) -> Incident:
        """Keys that belong to a report (a title, say) are left alone. Raises BadInput naming the key."""
        given = values.mapping(data, "incident")
        if given and not (isinstance(given.get("id"), str) and given["id"]):
            raise BadInput("incident.id is missing or not a text", next="for example INC-2026-001")
        incident = cls(
            id=str(given.get("id") or ""),
            time=values.moment(given.get("time"), "incident.time"),
            finding=_matcher(given.get("finding")),
            mode=values.choice(given.get("mode") or STRICT, MODES, "incident.mode"),
            evidence_at=values.moment(given.get("evidence_at"), "incident.evidence_at"),
            disclosed_at=values.moment(given.get("disclosed_at"), "incident.disclosed_at"),
            claims=frozenset(values.texts(given.get("claims"), "incident.claims")),
            hits={
                str(hit.get("point") or ""): str(hit.get("reason") or "")
                for hit in values.entries(given.get("hits"), "incident.hits")
            },
        )
        for mode, key, moment in (
            (EVIDENCE, "evidence_at", incident.evidence_at),
            (DISCLOSURE, "disclosed_at", incident.disclosed_at),
        ):
            if incident.mode == mode and moment is None:
                raise BadInput(
                    f"incident.mode {mode} needs incident.{key}",
                    next=f"set incident.{key}, or use incident.mode strict",
                )
        return incident

    def exploited(self, weakness: Weakness) -> bool:
        """Is this the weakness that the incident names?"""
        if not self.finding:
            return False
        wanted, places = self.finding, {place.path for place in weakness.sample.locations}
        return (
            wanted.get("id") in (None, weakness.id)
            and ("rule" not in wanted or wanted["rule"] in weakness.rules)
            and ("cwe" not in wanted or _number(wanted["cwe"]) in {_number(cwe) for cwe in weakness.cwe})
            and ("path" not in wanted or wanted["path"] in places)
        )

    def within_reach(self, claim: str) -> bool:
        return not self.claims or claim in self.claims

    def about(self) -> str:
        """The finding as reasons name it."""
        return ", ".join(f"{key} {self.finding[key]}" for key in _MATCHERS if key in self.finding)


def _matcher(data: Any) -> dict[str, str]:
    given = values.mapping(data, "incident.finding")
    values.only(given, _MATCHERS, "incident.finding")
    found = {key: str(value) for key, value in given.items() if value not in (None, "")}
    if "cwe" in found and not _CWE.fullmatch(found["cwe"]):
        raise BadInput(
            "incident.finding.cwe is not a CWE number", why=f"got {found['cwe']!r}", next="for example CWE-89"
        )
    return found


def _number(cwe: str) -> str:
    match = _CWE.fullmatch(cwe)
    return match.group(1) if match else cwe
