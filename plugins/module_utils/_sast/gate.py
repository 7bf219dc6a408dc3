# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate: a policy, the findings and the records of their scans give pass or fail, with the findings that decided.

It fails closed: a scan that is not ok, a cap that was reached, results that were dropped, findings that are missing, a
tool that did not run and a comparison that was not made each fail it, unless ``allow`` names that very reason. What is
unknown counts as bad.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadInput
from .._core.findings import ScanStatus
from . import conditions
from .conditions import Subject
from .gate_limits import SEVERITIES, UNKNOWN, Conditions, Limit, limits_of, number
from .text import visible

REASONS = (
    "partial",
    "failed",
    "empty",
    "no_scans",
    "truncated",
    "dropped",
    "missing",
    "no_comparison",
    "uncertain",
    "tool_missing",
)
CHANGES = ("new", "unchanged", "moved", "uncertain", "fixed")

_MOST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a gate failed, or what it was allowed to overlook: a word, a sentence, and how many."""

    code: str
    text: str
    count: int = 1

    def to_dict(self) -> dict[str, Any]:
        return {"code": self.code, "text": self.text, "count": self.count}


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reasons`` why not; ``allowed``: what would have been one; ``decided_by``: rows (``id``, ``rule``, ``severity``,
    ``path``, ``line``, ``why``), worst first, at most 100 of ``decided_count``; ``counts``: ``seen``, ``live``,
    ``hidden``, ``counted`` (met the conditions of a limit), ``by_severity`` and ``new`` of the live, ``limits``."""

    passed: bool
    reasons: tuple[Reason, ...]
    allowed: tuple[Reason, ...]
    decided_by: tuple[Mapping[str, Any], ...]
    decided_count: int
    counts: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "reasons": [reason.to_dict() for reason in self.reasons],
            "allowed": [reason.to_dict() for reason in self.allowed],
            "decided_by": [dict(row) for row in self.decided_by],
            "decided_count": self.decided_count,
            "counts": dict(self.counts),
            "summary": self.summary(),
        }

    def summary(self) -> str:
        """One line for a log."""
        words = "the gate is passed" if self.passed else "the gate is not passed"
        said = "; ".join(reason.text for reason in self.reasons[:5])
        more = f"; and {len(self.reasons) - 5} more reasons" if len(self.reasons) > 5 else ""
        overlooked = ", ".join(sorted({reason.code for reason in self.allowed}))
        return f"{words}{': ' if said else ''}{said}{more}" + (f" (allowed: {overlooked})" if overlooked else "")


@dataclass(frozen=True, slots=True)
class Gate:
    """A policy, checked and compiled."""

    limits: tuple[Limit, ...] = ()
    allow: frozenset[str] = frozenset()

    @classmethod
    def from_dict(cls, data: Any) -> Gate:
        """See docs/sast_policy.md for the keys. An empty policy asks only for healthy scans.

        Raises BadInput for unknown keys, wrong types, and conditions without a limit that they would apply to.
        """
        given = conditions.mapping(data, "gate")
        limits = limits_of(given, besides=("allow",))
        allow = conditions.texts(given["allow"], "gate.allow") if "allow" in given else ()
        for at, word in enumerate(allow):
            if not word.startswith("truncated: "):
                conditions.choice(word, REASONS, f"gate.allow[{at}]")
        return cls(limits, frozenset(allow))

    def decide(
        self,
        findings: Iterable[Mapping[str, Any]],
        scans: Sequence[Mapping[str, Any]],
        changes: Mapping[str, str] | None = None,
    ) -> Verdict:
        """One pass over ``findings`` (records of the store), with the records of all their scans.

        ``changes``: what a comparison says of each finding's id; one that it does not name is new.
        """
        count = _Count(self, changes)
        for finding in findings:
            count.add(finding)
        health = [*_health(scans), *_tools_missing(self, scans), *_missing(count, scans), *_comparison(self, count)]
        allowed = tuple(reason for reason in health if self._allows(reason))
        reasons = (*(reason for reason in health if not self._allows(reason)), *count.exceeded())
        rows, decided = count.rows()
        return Verdict(not reasons, reasons, allowed, rows, decided, count.to_dict())

    def _allows(self, reason: Reason) -> bool:
        return reason.code.partition(":")[0] in self.allow or reason.code in self.allow


class _Count:
    """The findings as they go by: how many meet each limit, and the worst few of each."""

    def __init__(self, gate: Gate, changes: Mapping[str, str] | None) -> None:
        self.limits = gate.limits
        self.changes = None if changes is None else conditions.mapping(changes, "changes")
        self._sure_only = "uncertain" in gate.allow
        # Limits share conditions (those of the top level): each is asked once a finding.
        self._groups: dict[int, tuple[Conditions, list[int]]] = {}
        for at, limit in enumerate(gate.limits):
            self._groups.setdefault(id(limit.conditions), (limit.conditions, []))[1].append(at)
        self.hits = [0] * len(gate.limits)
        self._together: Counter[int] = Counter()
        self._worst: list[list[tuple[int, int, dict[str, Any]]]] = [[] for limit in gate.limits]
        self.seen = self.live = self.new = self.uncertain = self.counted = 0
        self._severities: Counter[str] = Counter()

    def add(self, finding: Mapping[str, Any]) -> None:
        if not isinstance(finding, Mapping):
            raise BadInput("this is not a finding", where="findings", next="give the lines of the store")
        self.seen += 1
        subject = Subject(finding)
        if subject.hidden:
            return
        severity = str(finding.get("severity") or "").lower()
        severity = severity if severity in SEVERITIES else UNKNOWN
        new = self._is_new(subject.id)
        self.live += 1
        self.new += new
        self._severities[severity] += 1
        met = 0
        for asked, members in self._groups.values():
            able = [at for at in members if self.limits[at].holds(subject, severity)]
            if able and asked.hold(subject, new):
                for at in able:
                    met |= 1 << at
        if met:
            self._met(met, subject, severity)

    def _is_new(self, name: str) -> bool:
        """What is not known, or contradicts itself (``fixed`` and yet here), is new."""
        word = (self.changes or {}).get(name, "new")
        conditions.choice(word, CHANGES, f"changes of {name}")
        if word == "uncertain":
            self.uncertain += 1
            return not self._sure_only
        return word not in ("unchanged", "moved")

    def _met(self, met: int, subject: Subject, severity: str) -> None:
        self.counted += 1
        self._together[met] += 1
        rank = -SEVERITIES.index(severity) if severity != UNKNOWN else -1
        row: dict[str, Any] | None = None
        for at, worst in enumerate(self._worst):
            if not met >> at & 1:
                continue
            self.hits[at] += 1
            if len(worst) == _MOST_ROWS and rank <= worst[0][0]:
                continue
            row = row or _row(subject, severity)
            put = heapq.heappush if len(worst) < _MOST_ROWS else heapq.heappushpop
            put(worst, (rank, -self.seen, row))

    def _over(self) -> list[int]:
        return [at for at, limit in enumerate(self.limits) if self.hits[at] > limit.most]

    def exceeded(self) -> list[Reason]:
        return [
            Reason(self.limits[at].code, f"{self.limits[at].text}: {self.hits[at]} found", self.hits[at])
            for at in self._over()
        ]

    def rows(self) -> tuple[tuple[Mapping[str, Any], ...], int]:
        """The findings that decided, worst first, and how many there are in all."""
        over = self._over()
        found: dict[int, tuple[int, int, dict[str, Any], list[str]]] = {}
        for at in over:
            for rank, order, row in self._worst[at]:
                found.setdefault(order, (rank, order, row, []))[3].append(self.limits[at].text)
        worst = sorted(found.values(), key=lambda entry: (-entry[0], -entry[1]))[:_MOST_ROWS]
        mask = sum(1 << at for at in over)
        decided = sum(times for met, times in self._together.items() if met & mask)
        return tuple({**row, "why": "; ".join(why)} for _rank, _order, row, why in worst), decided

    def to_dict(self) -> dict[str, Any]:
        return {
            "seen": self.seen,
            "live": self.live,
            "hidden": self.seen - self.live,
            "counted": self.counted,
            "new": self.new if self.changes is not None else None,
            "uncertain": self.uncertain,
            "by_severity": {word: self._severities[word] for word in SEVERITIES},
            "limits": [
                {"limit": limit.text, "most": limit.most, "found": found}
                for limit, found in zip(self.limits, self.hits, strict=True)
            ],
        }


def _row(subject: Subject, severity: str) -> dict[str, Any]:
    return {**subject.label(), "severity": severity, "line": subject.get("line")}


def _health(scans: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """What the records of the scans say against trusting their findings."""
    if not isinstance(scans, (list, tuple)):
        raise BadInput("scans must be a list", where="scans", next="give the scans that sast_report returned")
    if not scans:
        return [Reason("no_scans", "there is no scan: nothing is known")]
    found: list[Reason] = []
    for at, raw in enumerate(scans):
        scan = conditions.mapping(raw, f"scans[{at}]")
        totals = conditions.mapping(scan.get("totals"), f"scans[{at}].totals")
        file = visible(str(scan.get("file") or f"scans[{at}]"))
        where = f"scans[{at}].truncated"
        status = conditions.choice(scan.get("status"), list(ScanStatus), f"scans[{at}].status")
        if status != ScanStatus.OK.value:
            said = scan.get("status_reasons")
            why = "; ".join(visible(str(reason)) for reason in said[:3]) if isinstance(said, (list, tuple)) else ""
            found.append(Reason(status, f"the scan {file} is {status}{': ' if why else ''}{why}"))
        for cut in conditions.records(scan.get("truncated"), where):
            seen, kept = (number(cut.get(name), where) for name in ("seen", "kept"))
            what = visible(str(cut.get("what")))
            found.append(
                Reason(f"truncated: {what}", f"the scan {file} was cut: {kept} of {seen} {what} kept", seen - kept)
            )
        dropped = number(totals.get("dropped"), f"scans[{at}].totals.dropped")
        if dropped:
            found.append(Reason("dropped", f"{dropped} results of the scan {file} could not be used", dropped))
    return found


def _missing(count: _Count, scans: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """Fewer findings than the scans counted: somebody passed the first few, or the lines of another store."""
    all_of, live = (sum(number(scan["totals"].get(name), "scans.totals") for scan in scans) for name in _COUNTED)
    if count.seen >= all_of or count.live >= live:
        return []
    text = f"the scans count {all_of} findings and only {count.seen} were given"
    return [Reason("missing", text, all_of - count.seen)]


_COUNTED = ("findings", "live")


def _tools_missing(gate: Gate, scans: Sequence[Mapping[str, Any]]) -> list[Reason]:
    """A gate for a tool says nothing when that tool did not run."""
    ran = {str(name).lower() for scan in scans for name in _tools_of(scan)}
    wanted = {tool for limit in gate.limits for tool in limit.conditions.tools}
    return [Reason("tool_missing", f"there is no scan by {tool}") for tool in sorted(wanted - ran)]


def _tools_of(scan: Mapping[str, Any]) -> list[str]:
    runs = conditions.records(scan.get("runs"), "scans.runs")
    return [str(one.get("tool") or "") for one in (scan, *runs)]


def _comparison(gate: Gate, count: _Count) -> list[Reason]:
    if not any(limit.conditions.new_only for limit in gate.limits):
        return []
    if count.changes is None:
        return [Reason("no_comparison", "new_only needs a comparison with an earlier scan: all findings count as new")]
    if count.uncertain and "uncertain" in gate.allow:
        text = f"{count.uncertain} findings may be new or not and were taken for known ones"
        return [Reason("uncertain", text, count.uncertain)]
    return []
