# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which recovery point to go back to, with the reasons for and against each.

A pure function: the same statements, scans, commits, policy and time give the same answer. With nothing acceptable it
chooses nothing and says why.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .._core.clock import rfc3339
from .._core.plan import Json
from .._core.statements import RecoveryPoint, Statement, fold
from .duties import Duty, duties
from .incident import DISCLOSURE, EVIDENCE, STRICT, Incident
from .lineage import lineage
from .overrides import Override, by_workload, overrides
from .policy import Policy
from .verdict import Judge, Judgement, shortened
from .verdicts import CLEAN, COMPROMISED, RANKED, UNVERIFIED, at_least


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point with its judgement. ``barred`` are the reasons why it cannot be chosen in any mode.

    ``before_incident``: was all of it cut before the incident? None when one of the two times is not known.
    """

    point: RecoveryPoint
    judgement: Judgement
    speaks_for: tuple[str, ...]
    against: tuple[str, ...]
    barred: tuple[str, ...]
    loss_h: float | None
    before_incident: bool | None
    chosen_by: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        point, judged = self.point, self.judgement
        data = judged.data.to_dict()
        data["volumes"] = {claim: part.to_dict() for claim, part in judged.volumes.items()}
        return {
            "id": point.id,
            "cut_at": point.cut_at,
            "consistency": point.consistency,
            "left_out": dict(point.left_out),
            "purpose": point.purpose,
            "held": point.held,
            "state": point.state,
            "verdict": judged.verdict,
            "code_at_cut": judged.code.to_dict(),
            "data_exposure": data,
            "evidence": judged.evidence.to_dict(),
            "for": list(self.speaks_for),
            "against": list(self.against),
            "loss_h": self.loss_h,
            "before_incident": self.before_incident,
            "chosen_by": list(self.chosen_by),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. ``choices``: the point by mode, as far as the mode can be asked. ``why`` are sentences."""

    mode: str
    chosen: Candidate | None
    choices: Mapping[str, Candidate | None]
    candidates: tuple[Candidate, ...]
    until: dt.datetime
    why: tuple[str, ...]
    duties: tuple[Duty, ...]
    code: tuple[Override, ...]
    least_tainted: str
    rules: str
    caveats: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        """What ``known_good`` returns; candidates newest first."""
        return {
            "mode": self.mode,
            "chosen": _brief(self.chosen),
            "choices": {mode: _brief(candidate) for mode, candidate in self.choices.items()},
            "candidates": [candidate.to_dict() for candidate in self.candidates],
            "data_loss_h": self.chosen.loss_h if self.chosen else None,
            "data_loss_until": rfc3339(self.until),
            "why": list(self.why),
            "least_tainted": self.least_tainted or None,
            "duties": [duty.to_dict() for duty in self.duties],
            "image_overrides": by_workload(self.code),
            "images": [override.to_dict() for override in self.code],
            "verdicts": {
                c.point.id: {"verdict": c.judgement.verdict, "reasons": c.judgement.reasons, "rules": self.rules}
                for c in self.candidates
            },
            "rules": self.rules,
            "caveats": list(self.caveats),
        }


def decide(
    statements: Sequence[Statement],
    judge: Judge,
    *,
    narrower: Mapping[str, Sequence[str]] | None = None,
    rules: str = "",
) -> Decision:
    """Judges every recovery point of a ledger and chooses by the incident's mode.

    ``narrower``: writers that the application declares (``{claim: ["Kind/name", ...]}``). ``rules`` identifies what
    the decision rests on, besides the ledger. Losses count to the incident's time, or to now where it has none.
    """
    points, histories = fold(statements), lineage(statements, narrower)
    until = judge.incident.time or judge.now
    candidates = [_candidate(point, judge.point(point, histories), judge, until) for point in points]
    choices = _choices(candidates, judge.policy, judge.incident)
    candidates = [_with_mode(candidate, choices, judge) for candidate in candidates]
    by_id = {candidate.point.id: candidate for candidate in candidates}
    final = {mode: by_id[choice.point.id] if choice else None for mode, choice in choices.items()}
    mode = judge.incident.mode
    chosen, code = final[mode], overrides(judge, points)
    best = None if chosen else _least_tainted(candidates)
    return Decision(
        mode=mode,
        chosen=chosen,
        choices=final,
        candidates=tuple(reversed(candidates)),
        until=until,
        why=_why(mode, chosen, candidates, judge),
        duties=tuple(duties(judge, points, chosen.point if chosen else None, code)),
        code=code,
        least_tainted=best.point.id if best else "",
        rules=rules,
        caveats=_caveats(judge),
    )


def _candidate(point: RecoveryPoint, judged: Judgement, judge: Judge, until: dt.datetime) -> Candidate:
    incident = judge.incident
    barred = _barred(point, incident, judge.policy)
    speaks_for: list[str] = []
    against = list(barred)
    if judged.verdict == CLEAN:
        speaks_for.append("all that wrote its volumes up to the cut is without a finding that counts")
        speaks_for += shortened(judged.data.notes)
    else:
        against += judged.reasons
    if judged.code.verdict == CLEAN:
        speaks_for.append("the code at its cut is clean")
    else:
        against.append(f"the code at its cut is {judged.code.verdict}: run other images on it")
    if point.consistency == "fuzzy":
        against.append("its volumes were cut at different moments (fuzzy)")
    else:
        speaks_for.append(f"its consistency is {point.consistency}")
    if point.left_out and judge.policy.allow_partial:
        against.append(f"it is partial, it does not hold {', '.join(sorted(point.left_out))}")
    against += judged.data.assumed
    (speaks_for if point.verified else against).append(judged.evidence.reasons[0])
    if point.held:
        speaks_for.append("it is held")
    loss = None if point.earliest is None else round(max(0.0, (until - point.earliest).total_seconds() / 3600), 2)
    before = point.latest < incident.time if point.latest and incident.time else None
    return Candidate(point, judged, tuple(speaks_for), tuple(dict.fromkeys(against)), barred, loss, before)


def _barred(point: RecoveryPoint, incident: Incident, policy: Policy) -> tuple[str, ...]:
    found = []
    if point.left_out and not policy.allow_partial:
        found.append(
            f"it is partial, it does not hold {', '.join(sorted(point.left_out))}: policy.allow_partial accepts that"
        )
    if point.pruned:
        found.append(f"it was pruned {point.pruned}")
    if point.forensic:
        found.append("it was taken as evidence, not to go back to")
    if point.latest is None:
        found.append("it is not known when it was cut")
    elif incident.time and point.latest >= incident.time:
        found.append(f"it was cut at or after the incident ({rfc3339(incident.time)})")
    return tuple(found)


def _choices(candidates: Sequence[Candidate], policy: Policy, incident: Incident) -> dict[str, Candidate | None]:
    """The newest acceptable point by each mode that can be asked; newest is the last in the ledger."""
    limits = {STRICT: None, EVIDENCE: incident.evidence_at, DISCLOSURE: incident.disclosed_at}
    found: dict[str, Candidate | None] = {}
    for mode, limit in limits.items():
        if mode != STRICT and limit is None:
            continue
        before = limit - policy.evidence_margin if limit and mode == EVIDENCE else limit
        fit = [c for c in candidates if not c.barred and _acceptable(c, policy, before)]
        found[mode] = fit[-1] if fit else None
    return found


def _acceptable(candidate: Candidate, policy: Policy, before: dt.datetime | None) -> bool:
    """Strict (no time): by verdict. Else by time; then exposure without a sign of use is accepted, ignorance is not."""
    judged = candidate.judgement
    if before is None:
        return at_least(judged.verdict, policy.data_min)
    known = UNVERIFIED not in judged.words or policy.allow_unverified or policy.data_min != CLEAN
    cut = candidate.point.latest
    return cut is not None and cut < before and judged.verdict != COMPROMISED and known


def _with_mode(candidate: Candidate, choices: Mapping[str, Candidate | None], judge: Judge) -> Candidate:
    """The candidate with the modes that choose it and, where its verdict is why they do not, the policy's word."""
    modes = tuple(mode for mode, choice in choices.items() if choice and choice.point.id == candidate.point.id)
    against = candidate.against
    wanted = judge.policy.data_min
    if not modes and not at_least(candidate.judgement.verdict, wanted):
        against = (*against, f"its verdict is {candidate.judgement.verdict}, the policy asks for {wanted} or better")
    elif not modes and not candidate.barred:
        against = (*against, "a newer point is as acceptable")
    return replace(candidate, against=against, chosen_by=modes)


def _why(mode: str, chosen: Candidate | None, candidates: Sequence[Candidate], judge: Judge) -> tuple[str, ...]:
    if chosen:
        verdict = chosen.judgement.verdict
        lacks = ", ".join(sorted(chosen.point.left_out))
        return (
            f"{chosen.point.id} is the newest point that mode {mode} accepts; its verdict is {verdict}",
            *([f"it is partial: it does not hold {lacks}"] if lacks else []),
            *shortened(chosen.judgement.data.notes),
            *chosen.judgement.data.assumed,
        )
    if not candidates:
        return ("nothing is chosen: the ledger holds no recovery point of this application",)
    verdicts = [c.judgement.verdict for c in candidates]
    counted = ", ".join(f"{verdicts.count(word)} {word}" for word in RANKED if word in verdicts)
    barred = sum(bool(c.barred) for c in candidates)
    more = f"; {barred} cannot be chosen whatever their verdict" if barred else ""
    return (
        f"nothing is chosen: of {len(candidates)} points {counted}{more}; "
        f"mode {mode} asks for {judge.policy.data_min} or better"
        if mode == STRICT
        else f"nothing is chosen: of {len(candidates)} points {counted}{more}; none was cut early enough and is known",
        "restore into a clean room and validate the data, or declare what is not known (sources, external_images, "
        "writers, scans)",
    )


def _least_tainted(candidates: Sequence[Candidate]) -> Candidate | None:
    """Where nothing is acceptable: the point to look at first. Best verdict, then fewest findings, then newest."""
    there = [c for c in candidates if not c.barred]
    if not there:
        return None
    return min(reversed(there), key=lambda c: (RANKED.index(c.judgement.verdict), c.judgement.data.taints))


def _caveats(judge: Judge) -> tuple[str, ...]:
    found = list(judge.presences.scans.warnings)
    if judge.incident.finding and not judge.exploited:
        found.append(f"the finding that the incident names ({judge.incident.about()}) is in no scan")
    if judge.presences.graph.shallow:
        found.append("a source is a shallow clone: its history before that is not known (git fetch --unshallow)")
    return tuple(found)


def _brief(candidate: Candidate | None) -> dict[str, Json] | None:
    if candidate is None:
        return None
    return {
        "id": candidate.point.id,
        "cut_at": candidate.point.cut_at,
        "verdict": candidate.judgement.verdict,
        "consistency": candidate.point.consistency,
        "loss_h": candidate.loss_h,
        "chosen_by": list(candidate.chosen_by),
        "reasons": list(candidate.speaks_for),
    }
