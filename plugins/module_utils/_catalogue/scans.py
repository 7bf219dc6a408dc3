# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the scans say, made ready to be asked: who looked at which commit with which rules, and what was reported.

A *look* is one run of one tool over one commit. It may speak about the absence of a finding only when it finished, its
findings are all here, and it knew the rule: a ruleset from before the rule existed says nothing about it.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .._core.clock import parse_time
from .._core.findings import Effect, Finding, Scan, ScanStatus, Severity, State
from .commits import CommitGraph

# Worst first; an unknown one is taken for worse than what no gate stops.
_SEVERITIES = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.UNKNOWN,
    Severity.MEDIUM,
    Severity.LOW,
    Severity.INFO,
)
# Worst first; an effect that nobody has judged may be the worst.
_EFFECTS = (Effect.TAINTS, Effect.UNKNOWN, Effect.LEAKS, Effect.WEAKENS, Effect.NONE)


@dataclass(frozen=True, slots=True)
class Look:
    """One run of one tool over one commit.

    ``rules`` are the rule ids that the tool listed, None where the list does not belong to this run alone.
    ``complete``: all findings that the scan counted are at hand. ``problem`` says why it cannot speak about absence.
    """

    scan: str
    run: int
    tool: str
    version: str
    ruleset: str | None
    commit: str
    status: ScanStatus
    rules: frozenset[str] | None = None
    time: dt.datetime | None = None
    complete: bool = True
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Did it see everything it was to see?"""
        return self.status is ScanStatus.OK and self.complete

    @property
    def name(self) -> str:
        return f"{self.tool} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class Weakness:
    """A finding apart from the commits it was seen in. ``severity`` is the worst that was reported for it.

    ``known_to``: the (tool version, ruleset) pairs of the looks that reported it. ``sample`` is one of the reports.
    """

    id: str
    tool: str
    rules: frozenset[str]
    severity: Severity
    effect: Effect
    cwe: tuple[str, ...]
    sample: Finding
    known_to: frozenset[tuple[str, str | None]] = frozenset()

    @property
    def name(self) -> str:
        """How reasons call it: rule, weakness and place."""
        kind = f" ({', '.join(self.cwe[:3])})" if self.cwe else ""
        place = f" in {self.sample.path}" if self.sample.path else ""
        return f"{self.sample.rule}{kind}{place}"


@dataclass(frozen=True, slots=True)
class ScanIndex:
    """Looks by commit, weaknesses by id, and what each look reported."""

    looks: Mapping[str, tuple[Look, ...]] = field(default_factory=dict)
    weaknesses: Mapping[str, Weakness] = field(default_factory=dict)
    reported: Mapping[tuple[str, int, str], Finding] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def report(self, look: Look, weakness: str) -> Finding | None:
        return self.reported.get((look.scan, look.run, weakness))


def index(scans: Iterable[Scan], findings: Iterable[Finding], graph: CommitGraph) -> ScanIndex:
    """Joins scans and findings by the report's sha256. What cannot be used is named in ``warnings``."""
    warnings: list[str] = []
    unique = {scan.sha256: scan for scan in scans}
    reported: dict[tuple[str, int, str], Finding] = {}
    for finding in findings:
        reported[(finding.scan, finding.run, finding.id)] = finding
    counts: dict[str, int] = {}
    for scan, _run, _id in reported:
        counts[scan] = counts.get(scan, 0) + 1
    looks: list[Look] = []
    for record in unique.values():
        looks += _looks_of(record, graph, counts.get(record.sha256, 0), warnings)
    looks += _looks_without_scan(reported, unique, graph, warnings)
    by_place = {(look.scan, look.run): look for look in looks}
    by_commit: dict[str, tuple[Look, ...]] = {}
    for look in looks:
        by_commit[look.commit] = (*by_commit.get(look.commit, ()), look)
    return ScanIndex(by_commit, _weaknesses(reported, by_place), reported, tuple(warnings))


def _looks_of(scan: Scan, graph: CommitGraph, found: int, warnings: list[str]) -> list[Look]:
    complete = found >= scan.totals.findings and scan.totals.dropped == 0
    problem = ""
    if not complete:
        problem = (
            f"{scan.totals.dropped} of its results could not be read"
            if scan.totals.dropped
            else f"only {found} of its {scan.totals.findings} findings are here"
        )
        warnings.append(f"{scan.file}: {problem}, so it says nothing about absence")
    elif scan.status is not ScanStatus.OK:
        problem = f"its status is {scan.status}"
    runs: Sequence[Mapping[str, object]] = scan.runs or ({},)
    tools = {str(run.get("tool") or scan.tool) for run in runs}
    rules = frozenset(str(rule) for rule in (scan.coverage or {}).get("rules") or ()) if len(tools) == 1 else None
    looks = []
    for position, run in enumerate(runs):
        stated = str(run.get("commit") or scan.commit or "")
        commit = graph.resolve(stated)
        if commit is None:
            why = f"commit {stated} is in none of the sources" if stated else "it names no commit"
            warnings.append(f"{scan.file}: {why}, so the scan is not used")
            continue
        ruleset = run.get("ruleset") if run else scan.ruleset
        number = run.get("run")
        looks.append(
            Look(
                scan=scan.sha256,
                run=number if isinstance(number, int) else position,
                tool=str(run.get("tool") or scan.tool),
                version=str(run.get("tool_version") or scan.tool_version or ""),
                ruleset=str(ruleset) if ruleset else None,
                commit=commit,
                status=_worse(scan.status, run.get("status")),
                rules=rules,
                time=_time(run.get("time") or scan.time),
                complete=complete,
                problem=problem,
            )
        )
    return looks


def _worse(file: ScanStatus, run: object) -> ScanStatus:
    """The run's own status where it is not ok, else the file's: neither is better than the other says."""
    own = ScanStatus(run) if isinstance(run, str) and run in tuple(ScanStatus) else file
    return own if own is not ScanStatus.OK else file


def _looks_without_scan(
    reported: Mapping[tuple[str, int, str], Finding],
    scans: Mapping[str, Scan],
    graph: CommitGraph,
    warnings: list[str],
) -> list[Look]:
    """Findings whose scan is not at hand still count where they were seen; they say nothing about absence."""
    looks: dict[tuple[str, int], Look] = {}
    lost = 0
    for (scan, run, _id), finding in reported.items():
        if scan in scans or (scan, run) in looks:
            continue
        commit = graph.resolve(finding.commit)
        if commit is None:
            lost += 1
            continue
        why = "its scan record is not here"
        looks[(scan, run)] = Look(scan, run, finding.tool, "", None, commit, ScanStatus.PARTIAL, None, None, False, why)
    if looks:
        warnings.append(f"{len(looks)} scans are known by their findings only, so they say nothing about absence")
    if lost:
        warnings.append(f"{lost} findings belong to no scan and no commit of the sources, so they are not used")
    return list(looks.values())


def _weaknesses(
    reported: Mapping[tuple[str, int, str], Finding], looks: Mapping[tuple[str, int], Look]
) -> dict[str, Weakness]:
    found: dict[str, Weakness] = {}
    for (scan, run, name), finding in reported.items():
        look = looks.get((scan, run))
        if look is None:
            continue
        own = frozenset(rule for rule in (finding.rule, finding.descriptor) if rule)
        mark = (look.version, look.ruleset)
        there = found.get(name)
        if there is None:
            found[name] = Weakness(
                name, finding.tool, own, finding.severity, finding.effect, finding.cwe, finding, frozenset({mark})
            )
        else:
            found[name] = replace(
                there,
                rules=there.rules | own,
                severity=min(there.severity, finding.severity, key=_SEVERITIES.index),
                effect=min(there.effect, finding.effect, key=_EFFECTS.index),
                cwe=tuple(dict.fromkeys((*there.cwe, *finding.cwe))),
                known_to=there.known_to | {mark},
            )
    return found


def knew(look: Look, weakness: Weakness, *, by_version: bool = False) -> bool:
    """Did this look have the rule? By the list of rules, else by being the same tool with the same rules.

    ``by_version`` also takes the same version of the tool for the same rules: for tools that list no rules, or only
    those that had results.
    """
    if look.tool != weakness.tool:
        return False
    if look.rules is not None and weakness.rules & look.rules:
        return True
    if look.ruleset and (look.version, look.ruleset) in weakness.known_to:
        return True
    return by_version and bool(look.version) and look.version in {version for version, ruleset in weakness.known_to}


def hidden(finding: Finding) -> bool:
    """Was it accepted in the source by a suppression that counts?"""
    return finding.state is State.SUPPRESSED


def _time(text: object) -> dt.datetime | None:
    try:
        return parse_time(str(text)) if text else None
    except ValueError:
        return None
