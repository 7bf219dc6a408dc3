# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How consistent a recovery point is: never more than was seen. Pure.

A volume is ``application`` when every running pod that mounts it was held through all cuts, or it was frozen itself, or
it belongs to a base backup that was completed; else ``crash``. A point of one volume is what that volume is. A point of
several volumes is ``application`` when all of them are and show one moment; else it is ``crash`` where the driver cut
all of them as one group, which it is declared to do atomically, and ``fuzzy`` where they were cut one by one.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from .._core.application import Application

APPLICATION, CRASH, FUZZY = "application", "crash", "fuzzy"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``level`` and ``reason`` of the point, and the level of each claim."""

    level: str
    reason: str
    claims: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What hooks showed beside the pods that they held.

    ``frozen``: claims that were frozen themselves through all cuts. ``backups``: the pod that made a completed base
    backup, by claim. ``uncovered``: claims that holding their pods does not make whole.
    ``appeared``: pods by claim that came to mount it while it was cut. ``notes`` are told in the reason.
    """

    frozen: Collection[str] = frozenset()
    backups: Mapping[str, str] = field(default_factory=dict)
    uncovered: Collection[str] = frozenset()
    appeared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()


NOTHING_MORE = Evidence()


def pods_on(app: Application) -> dict[str, tuple[str, ...]]:
    """Who has a claim mounted now: running pods by name, and ``Kind/name`` of what is not of the application."""
    found = {}
    for volume in app.volumes:
        pods = [pod.name for pod in app.pods if volume.claim in pod.claims and pod.phase == "Running"]
        found[volume.claim] = (*pods, *others_on(app, volume.claim))
    return found


def others_on(app: Application, claim: str) -> tuple[str, ...]:
    """``Kind/name`` of what is not of the application and has the claim mounted."""
    known = {workload.ref for workload in app.workloads} | {f"Pod/{pod.name}" for pod in app.pods if not pod.workload}
    return tuple(
        ref for volume in app.volumes if volume.claim == claim for ref in volume.mounted_by if ref not in known
    )


def judge(
    mounted: Mapping[str, Sequence[str]],
    held: Collection[str],
    *,
    spread_s: float,
    hook_names: Sequence[str],
    failures: Sequence[str],
    atomic: str = "",
    evidence: Evidence = NOTHING_MORE,
) -> Judgement:
    """``mounted``: as :func:`pods_on`; ``held``: pods in which hooks held; ``spread_s``: first cut to last.

    ``atomic``: who says that all volumes were cut at one moment, in words; empty where they were cut one by one.
    """
    claims = {claim: _level(claim, pods, held, evidence) for claim, pods in mounted.items()}
    notes = [*evidence.notes, *failures, *_came(evidence)]
    because = "; ".join([_about_hooks(hook_names, {*held, *evidence.frozen}), *notes])
    loose = sorted(claim for claim, level in claims.items() if level == CRASH)
    if not loose and (atomic or _one_moment(claims, evidence)):
        return Judgement(APPLICATION, "; ".join([*_how_held(claims, evidence), *notes]), claims)
    if len(claims) == 1:
        return Judgement(CRASH, f"one volume, its writers were not held: {because}", claims)
    loosely = f"the writers of {', '.join(loose)} were not held: {because}"
    if atomic:
        return Judgement(CRASH, f"{len(claims)} volumes were cut as one group ({atomic}), {loosely}", claims)
    cuts = f"{len(claims)} volumes were cut one by one within {spread_s:.1f} s"
    if not loose:
        return Judgement(FUZZY, f"{cuts}: each is whole, but they show different moments; {because}", claims)
    return Judgement(FUZZY, f"{cuts}, {loosely}", claims)


def _level(claim: str, pods: Sequence[str], held: Collection[str], evidence: Evidence) -> str:
    if evidence.appeared.get(claim):
        return CRASH
    if claim in evidence.frozen or set(pods) == {evidence.backups.get(claim)}:
        return APPLICATION
    if claim in evidence.uncovered:
        return CRASH
    return APPLICATION if pods and all(pod in held for pod in pods) else CRASH


def _one_moment(claims: Mapping[str, str], evidence: Evidence) -> bool:
    """What is held stands still, so it fits any moment of the wave; a base backup shows the moment its WAL was cut."""
    return len({evidence.backups[claim] for claim in claims if claim in evidence.backups}) <= 1


def _how_held(claims: Mapping[str, str], evidence: Evidence) -> list[str]:
    said = [
        f"{pod} made a base backup, its WAL was cut last"
        for pod in sorted({evidence.backups[claim] for claim in claims if claim in evidence.backups})
    ]
    if any(claim not in evidence.backups and claim not in evidence.frozen for claim in claims):
        said.append("hooks held every pod that mounts a volume through all cuts")
    if any(claim in evidence.frozen for claim in claims):
        said.append("filesystems were frozen through all cuts")
    return said


def _came(evidence: Evidence) -> list[str]:
    return [
        f"{', '.join(pods)} came to mount {claim} while it was cut"
        for claim, pods in sorted(evidence.appeared.items())
        if pods
    ]


def _about_hooks(names: Sequence[str], held: Collection[str]) -> str:
    if not names:
        return "there are no hooks"
    if held:
        return f"hooks held only {', '.join(sorted(held))}"
    return f"of the hooks ({', '.join(names)}) none held anything"
