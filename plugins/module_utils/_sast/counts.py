# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running totals of one report, shared by all readers."""

from __future__ import annotations

from .._core.findings import Severity, State, Totals

BASELINES = frozenset({"new", "unchanged", "updated", "absent"})
NOT_A_FINDING = frozenset({"pass", "notApplicable"})


class Counts:
    """What was read so far, by every word that the totals have."""

    def __init__(self) -> None:
        self.results = 0
        self.passed = 0
        self.merged = 0
        self.dropped = 0
        self.states: dict[str, int] = {}
        self.severities = {severity.value: 0 for severity in Severity}
        self.natives: dict[str, int] = {}
        self.baselines: dict[str, int] = {}
        self.kinds: dict[str, int] = {}

    @property
    def findings(self) -> int:
        return sum(self.states.values())

    def add(self, state: State, native: str, baseline: str | None, severity: Severity, times: int = 1) -> None:
        _count(self.states, state, times)
        _count(self.natives, native, times)
        _count(self.baselines, baseline or "none", times)
        if state is State.LIVE:
            self.severities[severity] += times

    def kind(self, kind: str, times: int = 1) -> None:
        """One more result that was used; those that are no findings are counted as passed."""
        _count(self.kinds, kind, times)
        if kind in NOT_A_FINDING:
            self.passed += times

    def totals(self) -> Totals:
        return Totals(
            results=self.results,
            findings=self.findings,
            live=self.states.get(State.LIVE, 0),
            suppressed=self.states.get(State.SUPPRESSED, 0),
            absent=self.states.get(State.ABSENT, 0),
            passed=self.passed,
            merged=self.merged,
            dropped=self.dropped,
            by_severity=dict(self.severities),
            by_native=dict(sorted(self.natives.items())),
            by_baseline=dict(sorted(self.baselines.items())),
            by_kind=dict(sorted(self.kinds.items())),
        )


def _count(bag: dict[str, int], word: str, times: int) -> None:
    bag[word] = bag.get(word, 0) + times
