# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verdict on a recovery point: the code at its cut, the exposure of its data, and the evidence.

The first of these that applies to a volume is its verdict:

- ``compromised``: evidence of compromise in it, or cut at or after the proven time of one, within reach of the incident
- ``suspect``: something that ran with the finding that the incident names may have written it
- ``exposed``: something that ran with another tainting finding wrote it; no sign of use
- ``unverified``: too little is known: image, scan, severity, effect, history
- ``clean``

Findings that leak or weaken do not lower a verdict on data; they make duties.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._core.clock import parse_time, rfc3339
from .._core.findings import Effect, Severity
from .._core.plan import Json
from .._core.statements import RecoveryPoint
from .images import EXTERNAL, SOURCE, ImageMap, shown
from .incident import Incident
from .lineage import PRESUMED, History, Writing, digest_of
from .policy import Policy
from .presence import NO, YES, Presence, Presences, short
from .scans import Weakness
from .verdicts import CLEAN, COMPROMISED, EXPOSED, RANKED, SUSPECT, UNVERIFIED, worst

_MOST_REASONS = 20
_MAY_TAINT = (Effect.TAINTS, Effect.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that lowers a verdict, or (``clean``) speaks for it. ``weakness`` is its id, or empty."""

    verdict: str
    reason: str
    weakness: str = ""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A verdict with its reasons. ``notes`` do not lower it; ``assumed`` is what was taken for granted.

    ``words``: every verdict that applies, not only the worst. ``taints``: how many weaknesses are among the reasons.
    """

    verdict: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    taints: int = 0

    def to_dict(self) -> dict[str, Json]:
        return {
            "verdict": self.verdict,
            "reasons": shortened(self.reasons),
            "notes": shortened(self.notes),
            "assumed": list(self.assumed),
        }


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a point and its three parts; ``volumes`` is the exposure of each claim."""

    point: str
    verdict: str
    code: Part
    data: Part
    evidence: Part
    volumes: Mapping[str, Part]

    @property
    def words(self) -> frozenset[str]:
        return self.data.words | self.evidence.words

    @property
    def reasons(self) -> list[str]:
        """Why the verdict is not better; the first twenty."""
        return shortened((*self.evidence.reasons, *self.data.reasons) if self.evidence.words else self.data.reasons)


@dataclass(frozen=True, slots=True)
class CommitReview:
    """What is to be said of one commit, whoever runs it."""

    concerns: tuple[Concern, ...]
    notes: tuple[str, ...]
    unfit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges points by one policy, for one incident (an empty one when there is none), at one time."""

    presences: Presences
    images: ImageMap
    policy: Policy
    incident: Incident
    now: dt.datetime
    _reviews: dict[str, CommitReview] = field(default_factory=dict, compare=False, repr=False)

    @property
    def exploited(self) -> tuple[Weakness, ...]:
        """The weaknesses that the incident's finding means."""
        return tuple(w for w in self.presences.scans.weaknesses.values() if self.incident.exploited(w))

    # -- a point ------------------------------------------------------------------------------------------------

    def point(self, point: RecoveryPoint, histories: Mapping[tuple[str, str], History]) -> Judgement:
        """The verdict on a point."""
        volumes = {
            claim: self.volume(point, claim, histories.get((point.id, claim)))
            for claim in sorted({str(volume["claim"]) for volume in point.volumes})
        }
        data = _joined(volumes)
        evidence = self._evidence(point)
        verdict = worst((data.verdict, COMPROMISED if COMPROMISED in evidence.words else CLEAN))
        return Judgement(point.id, verdict, self.code(point), data, evidence, volumes)

    def code(self, point: RecoveryPoint) -> Part:
        """Of what would run if the manifests went back as they were."""
        concerns, notes = [], []
        for workload, containers in sorted(point.images.items()):
            for container, entry in sorted(containers.items()):
                image = str(entry.get("image") or "")
                found, more = self._of_image(image, digest_of(entry), f"{workload} ({container})")
                concerns += found
                notes += more
        if not point.images:
            concerns.append(Concern(UNVERIFIED, "it is not known which images ran at the cut"))
        return _part(concerns, notes)

    def volume(self, point: RecoveryPoint, claim: str, history: History | None) -> Part:
        """Of everything that may have written the volume up to its cut."""
        concerns: list[Concern] = []
        notes: list[str] = []
        assumed: list[str] = []
        if history is None:
            concerns.append(Concern(UNVERIFIED, f"the ledger holds no history of {claim}"))
        else:
            concerns += [Concern(UNVERIFIED, gap) for gap in history.gaps]
            for writing in history.writings:
                who = f"{writing.workload} ({writing.container})"
                found, more = self._of_image(writing.image, writing.digest, who, _when(writing))
                concerns += found
                notes += more
            if not history.writings:
                concerns.append(Concern(UNVERIFIED, f"it is not known which images wrote {claim}"))
            concerns += self._between(history, {c.weakness for c in concerns})
            unseen = f"what wrote {claim} before its first point {history.first} was not seen"
            if self.policy.first_point == "unknown":
                concerns.append(Concern(UNVERIFIED, unseen))
            else:
                assumed.append(f"{unseen}: taken to be what ran at that point")
        concerns += self._by_time(point, claim)
        return _part(concerns, notes, assumed)

    # -- what lowers it -----------------------------------------------------------------------------------------

    def _of_image(self, image: str, digest: str, who: str, when: str = "") -> tuple[list[Concern], list[str]]:
        fact = self.images.fact(digest, image)
        if fact.role == EXTERNAL:
            if fact.assume == "ok":
                return [], [f"{who}: {image or shown(digest)} is external and assumed ok"]
            return [
                Concern(UNVERIFIED, f"{who}: {image or shown(digest)} is external, and nothing is assumed of it")
            ], []
        if fact.role != SOURCE:
            return [Concern(UNVERIFIED, f"{who}: {fact.reason}")], []
        review = self.review(fact.commit)
        ran = f"{who} ran {short(fact.commit)}{when}"
        concerns = [Concern(c.verdict, f"{ran}: {c.reason}", c.weakness, c.commit) for c in review.concerns]
        if not self.policy.good_enough(fact.grade):
            why = f"{ran}: its tie to that commit is of grade {fact.grade}, the policy asks for {self.policy.min_grade}"
            concerns.append(Concern(UNVERIFIED, why))
        return concerns, [f"{ran}: {note}" for note in review.notes]

    def _between(self, history: History, known: set[str]) -> list[Concern]:
        """Commits that nobody saw running, but that lie between two that were."""
        if self.policy.unseen_deployments == "ignore":
            return []
        found: dict[str, Concern] = {}
        for change in history.changes:
            old, new = self.images.fact(change.old, ""), self.images.fact(change.new, "")
            if not (old.commit and new.commit):
                continue
            # Only scanned ones are asked: what is without it at both ends and has it between was seen there by a scan.
            for commit in self.presences.graph.between(old.commit, new.commit, among=self.presences.scans.looks):
                for concern in self.review(commit).concerns:
                    if concern.weakness and concern.weakness not in known:
                        why = (
                            f"{change.workload} went from {short(old.commit)} to {short(new.commit)} between "
                            f"{change.before} and {change.at}; {short(commit)} lies between, may have run unseen, and "
                            f"there {concern.reason}"
                        )
                        found.setdefault(concern.weakness, Concern(UNVERIFIED, why, concern.weakness, commit))
        return list(found.values())

    def _by_time(self, point: RecoveryPoint, claim: str) -> list[Concern]:
        proven = self.incident.evidence_at
        if proven is None or not self.incident.within_reach(claim):
            return []
        text = point.cut_at.get(claim)
        if not text:
            return [Concern(UNVERIFIED, f"it is not known when {claim} was cut")]
        if parse_time(text) < proven:
            return []
        return [Concern(COMPROMISED, f"{claim} was cut {text}, after the first evidence ({rfc3339(proven)})")]

    def _evidence(self, point: RecoveryPoint) -> Part:
        """What was looked for in the data itself, and what was not."""
        hit = self.incident.hits.get(point.id)
        if hit is not None:
            reason = f"evidence of compromise in it: {hit or 'no details given'}"
            return Part(COMPROMISED, (reason,), words=frozenset({COMPROMISED}))
        drill = "it was restored in a drill that passed" if point.verified else "it was not restored in a drill yet"
        return Part("drilled" if point.verified else "unchecked", (drill, "nothing was looked for in the data itself"))

    # -- a commit -----------------------------------------------------------------------------------------------

    def review(self, commit: str) -> CommitReview:
        """Findings and scans of one commit, by policy and incident."""
        if commit not in self._reviews:
            self._reviews[commit] = self._review(commit)
        return self._reviews[commit]

    def _review(self, commit: str) -> CommitReview:
        concerns = [Concern(UNVERIFIED, problem, commit=commit) for problem in self._unscanned(commit)]
        unfit = [concern.reason for concern in concerns]
        notes: list[str] = []
        for weakness in self.presences.scans.weaknesses.values():
            exploited = self.incident.exploited(weakness)
            if not exploited and (not self.policy.gates(weakness.severity) or weakness.effect is Effect.NONE):
                continue
            presence = self.presences.of(weakness, commit)
            if presence.value == NO:
                if exploited:
                    notes.append(f"it is without the exploited {weakness.name}: {presence.reason}")
                continue
            waived, why_not = ("", "") if exploited else self._waived(weakness, presence)
            if waived:
                notes.append(f"{_has(presence, weakness)}, {waived}")
                continue
            reason = f"{_has(presence, weakness, exploited)}{why_not}"
            unfit.append(reason)
            verdict = self._weight(weakness, presence, exploited)
            if verdict == CLEAN:
                notes.append(f"{reason}; it {weakness.effect}, which does not taint data")
            else:
                concerns.append(Concern(verdict, reason, weakness.id, commit))
        if self.incident.finding and not self.exploited:
            why = f"the finding that the incident names ({self.incident.about()}) is in no scan at all"
            concerns.append(Concern(UNVERIFIED, why, commit=commit))
            unfit.append(why)
        return CommitReview(tuple(concerns), tuple(notes), tuple(unfit))

    def _unscanned(self, commit: str) -> list[str]:
        looks = self.presences.scans.looks.get(commit, ())
        good = {look.tool for look in looks if look.ok}
        if not looks:
            return ["it was never scanned"]
        if not good:
            return [f"no scan of it counts: {looks[-1].name}: {looks[-1].problem}"]
        missing = [tool for tool in self.policy.required_tools if tool not in good]
        return [f"the policy asks for a scan by {tool}, and none counts" for tool in missing]

    def _waived(self, weakness: Weakness, presence: Presence) -> tuple[str, str]:
        """How it is accepted (empty: it is not), and why an acceptance that was meant for it does not count."""
        if presence.accepted:
            return "accepted by a suppression in that commit's source", ""
        why_not = ""
        for waiver in self.policy.waivers:
            if waiver.matches(weakness.sample):
                invalid = waiver.invalid(self.now)
                if not invalid:
                    return f"accepted by {waiver.owner}: {waiver.reason or 'no reason given'}", ""
                why_not = f"; a waiver is meant for it, but {invalid}"
        return "", why_not

    @staticmethod
    def _weight(weakness: Weakness, presence: Presence, exploited: bool) -> str:
        """The verdict on data that code with this weakness (exploited, or one that counts) wrote."""
        if exploited:
            return SUSPECT
        if weakness.effect not in _MAY_TAINT:
            return CLEAN
        certain = presence.value == YES and weakness.effect is Effect.TAINTS
        return EXPOSED if certain and weakness.severity is not Severity.UNKNOWN else UNVERIFIED


def _has(presence: Presence, weakness: Weakness, exploited: bool = False) -> str:
    verb = "it has" if presence.value == YES else "it may have"
    kind = "the exploited " if exploited else ""
    unknown = [
        word
        for word, value in (("severity", weakness.severity), ("effect", weakness.effect))
        if value in (Severity.UNKNOWN, Effect.UNKNOWN)
    ]
    facts = [f"{weakness.severity} severity"] if weakness.severity is not Severity.UNKNOWN else []
    facts += [f"{word} unknown" for word in unknown]
    return f"{verb} {kind}{weakness.name}, {', '.join(facts)} ({presence.reason})"


def _when(writing: Writing) -> str:
    """Since when, as far as the points show."""
    if writing.certainty == PRESUMED:
        return " (ran before a restore and may have gone on after it)"
    began = f" and begun after {writing.since}" if writing.since else ""
    return f" (seen from {writing.seen_at} on{began})"


def _part(concerns: Sequence[Concern], notes: Iterable[str], assumed: Iterable[str] = ()) -> Part:
    ordered = sorted(concerns, key=lambda c: -RANKED.index(c.verdict))
    reasons = tuple(dict.fromkeys(c.reason for c in ordered))
    return Part(
        worst(c.verdict for c in concerns),
        reasons,
        tuple(dict.fromkeys(notes)),
        tuple(assumed),
        frozenset(c.verdict for c in concerns),
        len({c.weakness for c in concerns if c.weakness}),
    )


def _joined(volumes: Mapping[str, Part]) -> Part:
    """The exposure of a point: the worst of its volumes."""
    if not volumes:
        return Part(UNVERIFIED, ("the ledger knows no volumes of this point",), words=frozenset({UNVERIFIED}))
    ordered = sorted(volumes.values(), key=lambda part: -RANKED.index(part.verdict))
    return Part(
        worst(part.verdict for part in ordered),
        tuple(dict.fromkeys(reason for part in ordered for reason in part.reasons)),
        tuple(dict.fromkeys(note for part in ordered for note in part.notes)),
        tuple(dict.fromkeys(text for part in ordered for text in part.assumed)),
        frozenset().union(*(part.words for part in ordered)),
        max(part.taints for part in ordered),
    )


def shortened(reasons: Sequence[str]) -> list[str]:
    """The first twenty, and how many more there are."""
    more = len(reasons) - _MOST_REASONS
    return [*reasons[:_MOST_REASONS], *([f"and {more} more"] if more > 0 else [])]
