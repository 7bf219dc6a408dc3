# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done besides going back: secrets to rotate, data to re-encrypt, code not to run again.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._core.findings import Effect
from .._core.plan import Json
from .._core.statements import RecoveryPoint
from .images import SOURCE
from .lineage import digest_of
from .overrides import Override
from .presence import NO
from .scans import Weakness
from .verdict import Judge

ROTATE, REENCRYPT, RUN_FIXED, REVIEW_DELTA = "rotate_secrets", "reencrypt", "run_fixed", "review_delta"
_BY_EFFECT = {Effect.LEAKS: ROTATE, Effect.WEAKENS: REENCRYPT}


@dataclass(frozen=True, slots=True)
class Duty:
    """``duty``: ``rotate_secrets``, ``reencrypt``, ``run_fixed`` or ``review_delta``; ``findings`` are ids."""

    duty: str
    reason: str
    workloads: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Json]:
        return {
            "duty": self.duty,
            "reason": self.reason,
            "workloads": list(self.workloads),
            "findings": list(self.findings),
        }


def duties(
    judge: Judge, points: Sequence[RecoveryPoint], chosen: RecoveryPoint | None, code: Iterable[Override]
) -> list[Duty]:
    """From everything that was seen running at any point, the choice, and the code to go forward with."""
    made = [_of_weakness(judge, weakness, sorted(workloads)) for weakness, workloads in _carried(judge, points)]
    for override in code:
        if not override.digest:
            why = f"{override.workload} ({override.container}): {override.reason}; keep it contained until there is one"
            made.append(Duty(RUN_FIXED, why, (override.workload,)))
        elif override.digest != override.running:
            why = f"{override.workload} ({override.container}) must not go on with what it runs: {override.reason}"
            made.append(Duty(RUN_FIXED, why, (override.workload,)))
    if chosen is not None:
        why = f"what was written after the cut of {chosen.id} is not in it: take back selectively, treat as hostile"
        made.append(Duty(REVIEW_DELTA, why))
    return made


def _carried(judge: Judge, points: Sequence[RecoveryPoint]) -> list[tuple[Weakness, set[str]]]:
    """Each weakness that makes a duty and that some image that ran may have had, with the workloads that ran it."""
    ran: dict[str, set[str]] = {}
    for point in points:
        for workload, containers in point.images.items():
            for entry in containers.values():
                fact = judge.images.fact(digest_of(entry), str(entry.get("image") or ""))
                if fact.role == SOURCE:
                    ran.setdefault(fact.commit, set()).add(workload)
    found = []
    for weakness in judge.presences.scans.weaknesses.values():
        if _kind(judge, weakness) == "":
            continue
        workloads = {
            ref for commit, refs in ran.items() if judge.presences.of(weakness, commit).value != NO for ref in refs
        }
        if workloads:
            found.append((weakness, workloads))
    return found


def _of_weakness(judge: Judge, weakness: Weakness, workloads: list[str]) -> Duty:
    who = ", ".join(workloads)
    if judge.incident.exploited(weakness):
        why = f"{who} ran the exploited {weakness.name}: what it could read may be known to others"
    else:
        why = f"{who} ran {weakness.name}, which {weakness.effect}"
    return Duty(_kind(judge, weakness), why, tuple(workloads), (weakness.id,))


def _kind(judge: Judge, weakness: Weakness) -> str:
    """The duty that a weakness makes where it ran; empty for none."""
    if judge.incident.exploited(weakness):
        return ROTATE
    return _BY_EFFECT.get(weakness.effect, "") if judge.policy.gates(weakness.severity) else ""
