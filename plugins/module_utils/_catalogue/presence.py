# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is a weakness in a commit? ``yes``, ``no`` or ``unknown``, with the scans that say so.

A scan of the commit itself decides. Without one, the nearest scanned commits on the main line before and after do:
both yes is yes, both no is no, everything else is unknown. Ancestry only, never dates of commits.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .._core.findings import State
from .commits import CommitGraph
from .scans import Look, ScanIndex, Weakness, hidden, knew

YES, NO, UNKNOWN = "yes", "no", "unknown"
_UNDECIDED_KINDS = ("open", "review")


@dataclass(frozen=True, slots=True)
class Presence:
    """``value``: yes, no or unknown. ``accepted``: yes, but hidden by a suppression in that commit's own source.

    ``reason`` completes "because ...". ``direct``: a scan of the commit itself says so.
    """

    value: str
    reason: str
    accepted: bool = False
    direct: bool = False


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Where a weakness came in and went out, as far as scans show.

    ``introduced``: pairs (last commit seen without it or empty, first commit seen with it). ``fixed``: pairs (last
    commit seen with it, first commit seen without it).
    """

    introduced: tuple[tuple[str, str], ...]
    fixed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Vote:
    value: str
    look: Look
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Presences:
    """Answers for one set of scans and one graph; ``by_version`` as in :func:`.scans.knew`."""

    scans: ScanIndex
    graph: CommitGraph
    by_version: bool = False
    _seen: dict[tuple[str, str], Presence | None] = field(default_factory=dict, compare=False, repr=False)
    _answers: dict[tuple[str, str], Presence] = field(default_factory=dict, compare=False, repr=False)
    _lines: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict, compare=False, repr=False)

    def of(self, weakness: Weakness, commit: str) -> Presence:
        """Is the weakness in the commit?"""
        key = (weakness.id, commit)
        if key not in self._answers:
            self._answers[key] = self.seen(weakness, commit) or self._inferred(weakness, commit)
        return self._answers[key]

    def seen(self, weakness: Weakness, commit: str) -> Presence | None:
        """What scans of this very commit say; None when none of them may speak."""
        key = (weakness.id, commit)
        if key not in self._seen:
            self._seen[key] = self._decide(
                [v for look in self.scans.looks.get(commit, ()) for v in self._votes(weakness, look)]
            )
        return self._seen[key]

    def lifetime(self, weakness: Weakness) -> Lifetime:
        """Where scans saw it come and go along the main line."""
        introduced, fixed = [], []
        for commit in self.scans.looks:
            here = self.seen(weakness, commit)
            if here is None or here.value == UNKNOWN:
                continue
            before, said = self._before(weakness, commit)
            if here.value == YES and (said is None or said.value == NO):
                introduced.append((before, commit))
            elif here.value == NO and said is not None and said.value == YES:
                fixed.append((before, commit))
        return Lifetime(tuple(introduced), tuple(fixed))

    def _votes(self, weakness: Weakness, look: Look) -> Iterator[_Vote]:
        if look.tool != weakness.tool:
            return
        found = self.scans.report(look, weakness.id)
        if found is not None and found.state is not State.ABSENT:
            undecided = found.kind in _UNDECIDED_KINDS
            yield _Vote(UNKNOWN if undecided else YES, look, hidden(found))
        elif look.ok and knew(look, weakness, by_version=self.by_version):
            yield _Vote(NO, look)

    @staticmethod
    def _decide(votes: list[_Vote]) -> Presence | None:
        """The newest scan wins over older ones; where their order is not known, the worst answer does."""
        if not votes:
            return None
        if all(vote.look.time for vote in votes):
            newest = max(vote.look.time for vote in votes if vote.look.time)
            votes = [vote for vote in votes if vote.look.time == newest]
        worst = min(votes, key=lambda vote: ((YES, UNKNOWN, NO).index(vote.value), vote.accepted))
        words = {YES: "reports it", NO: "knows the rule and does not report it", UNKNOWN: "could not decide"}
        return Presence(worst.value, f"{worst.look.name} {words[worst.value]}", worst.accepted, direct=True)

    def _scanned_near(self, commit: str) -> tuple[list[str], list[str]]:
        """The scanned commits on the main line before (nearest first), and the nearest on each line after."""
        if commit not in self._lines:
            looks = self.scans.looks
            before = [old for old in self.graph.first_parents(commit) if old in looks]
            after, left = [], list(self.graph.first_children(commit))
            while left:
                young = left.pop()
                if young in looks:
                    after.append(young)
                else:
                    left.extend(self.graph.first_children(young))
            self._lines[commit] = (before, after)
        return self._lines[commit]

    def _before(self, weakness: Weakness, commit: str) -> tuple[str, Presence | None]:
        for old in self._scanned_near(commit)[0]:
            said = self.seen(weakness, old)
            if said is not None:
                return old, said
        return "", None

    def _after(self, weakness: Weakness, commit: str) -> list[tuple[str, Presence]]:
        """The nearest commits with an answer on each line that goes on from here."""
        found, left = [], list(self._scanned_near(commit)[1])
        while left:
            young = left.pop()
            said = self.seen(weakness, young)
            if said is not None:
                found.append((young, said))
            else:
                left.extend(self._scanned_near(young)[1])
        return found

    def _inferred(self, weakness: Weakness, commit: str) -> Presence:
        if commit not in self.graph:
            return Presence(UNKNOWN, "the commit is in none of the sources")
        old, before = self._before(weakness, commit)
        after = self._after(weakness, commit)
        if before is None or not after:
            side = "before" if before is None else "after"
            return Presence(UNKNOWN, f"no scan that knows the rule looked at it, nor at any commit {side} it")
        values = {said.value for name, said in after}
        if before.value == YES and YES in values:
            young = next(name for name, said in after if said.value == YES)
            return Presence(YES, f"it is in {short(old)} before and in {short(young)} after it")
        if before.value == NO and values == {NO}:
            merged = self._merged_in(weakness, old, commit)
            if not merged:
                return Presence(NO, f"it is neither in {short(old)} before nor in {short(after[0][0])} after it")
            return Presence(UNKNOWN, f"it is in {short(merged)}, which was merged on the way")
        return Presence(UNKNOWN, f"it changes between {short(old)} before and {short(after[0][0])} after it")

    def _merged_in(self, weakness: Weakness, old: str, commit: str) -> str:
        """A commit with the weakness that came in from the side between ``old`` and ``commit``; empty for none."""
        side = self.graph.ancestors(commit) - self.graph.ancestors(old)
        for other in self.scans.looks:
            said = self.seen(weakness, other) if other in side else None
            if said is not None and said.value != NO:
                return other
        return ""


def short(commit: str) -> str:
    """A commit as reasons show it."""
    return commit[:12]
