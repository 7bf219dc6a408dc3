# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of one scan: what its runs say together, whatever the format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .._core.findings import Scan, ScanStatus
from .counts import Counts
from .options import ReadOptions
from .source import Source
from .tally import Tally
from .text import Cleaner

_MOST_RULES = 5000
_MOST_REASONS = 20
_WORST_FIRST = (ScanStatus.FAILED, ScanStatus.PARTIAL, ScanStatus.OK)


@dataclass(slots=True)
class Record:
    """What was read of one file so far. ``runs``: as ``Scan.runs`` has them; ``rules``: ids that the tools listed."""

    name: str
    options: ReadOptions
    tally: Tally
    cleaner: Cleaner
    counts: Counts = field(default_factory=Counts)
    runs: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[ScanStatus] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)
    artifacts: int = 0

    def scan(
        self, source: Source, *, form: str, version: str, status: ScanStatus | None = None, reasons: Iterable[str] = ()
    ) -> Scan:
        """The finished record. ``status`` with ``reasons``: what is true of the file beyond its runs."""
        state = worst([*self.statuses, *([status] if status else [])])
        commit = self._only_commit()
        digest, digests = digests_of(self.options.digests, commit)
        tools = list(dict.fromkeys(run["tool"] for run in self.runs))
        versions = list(dict.fromkeys(run["tool_version"] for run in self.runs if run["tool_version"]))
        rules = sorted(self.rules)
        if len(rules) > _MOST_RULES:
            self.tally.cut("rule ids of the coverage", _MOST_RULES, len(rules))
        return Scan(
            file=self.name,
            sha256=source.sha256,
            bytes=source.size,
            format=form,
            format_version=version,
            tool=" + ".join(tools[:5]),
            tool_version=" + ".join(versions[:5]),
            commit=commit,
            repository=next((run["repository"] for run in self.runs if run["repository"]), None),
            digest=digest,
            digests=digests,
            time=max((run["time"] for run in self.runs if run["time"]), default=None),
            ruleset=ruleset_of(self.rules),
            coverage={"rules": rules[:_MOST_RULES], "rules_count": len(rules), "artifacts": self.artifacts},
            status=state,
            status_reasons=tuple(shortened([*self.reasons, *reasons])),
            totals=self.counts.totals(),
            truncated=self.tally.truncated,
            warnings=self.tally.warnings,
            runs=tuple(self.runs),
        )

    def commit_of(self, stated: Sequence[str], where: str) -> str | None:
        """The commit of a run: what the report and the option agree on. Raises BadInput for a contradiction."""
        wanted = self.options.commit.lower()
        if wanted == "auto":
            if len(set(stated)) > 1:
                self.tally.warn("commit_ambiguous", "a run names several commits; name one with the option commit")
                return None
            return stated[0] if stated else None
        for commit in stated:
            if commit.startswith(wanted) or wanted.startswith(commit):
                return max(commit, wanted, key=len)
        if stated:
            raise BadInput(
                "the report was made for another commit",
                where=where,
                why=f"it says {', '.join(sorted(set(stated)))[:200]}, the option commit says {wanted}",
                next="give the report of that commit, or leave the option at auto",
            )
        return wanted

    def _only_commit(self) -> str | None:
        """The file's commit: the one its runs share. A run that names none does not contradict the others."""
        commits = {run["commit"] for run in self.runs if run["commit"]}
        if len(commits) == 1:
            return str(next(iter(commits)))
        if len(commits) > 1:
            self.tally.warn("commit_ambiguous", "the runs of the file name different commits")
        elif self.options.commit != "auto":
            return self.options.commit.lower()
        elif self.runs:
            self.tally.warn("commit_unknown", "neither the report nor the options say which commit was scanned")
        return None


def worst(statuses: Iterable[ScanStatus]) -> ScanStatus:
    """The worst of all runs; ``empty`` without any."""
    given = set(statuses)
    return next((status for status in _WORST_FIRST if status in given), ScanStatus.EMPTY)


def shortened(reasons: list[str]) -> list[str]:
    """At most so many reasons, with the number of those left out."""
    if len(reasons) <= _MOST_REASONS:
        return reasons
    return [*reasons[:_MOST_REASONS], f"and {len(reasons) - _MOST_REASONS} more"]


def ruleset_of(rules: set[str]) -> str | None:
    """The identity of a set of rule ids: ``sha256:`` of the sorted ids, one a line; None for no rules."""
    if not rules:
        return None
    return "sha256:" + hashlib.sha256("\n".join(sorted(rules)).encode("utf-8", "replace")).hexdigest()


def digests_of(given: Mapping[str, str] | str | None, commit: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The image digest that this scan speaks about (when there is exactly one) and all of them."""
    if isinstance(given, str):
        return given, (given,)
    if not given or not commit:
        return None, ()
    found = sorted(digest for digest, built_from in given.items() if _same_commit(str(built_from).lower(), commit))
    return (found[0] if len(found) == 1 else None), tuple(found)


def _same_commit(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= 7 and (one.startswith(other) or other.startswith(one))
