# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How consistent a recovery point is: never more than was seen. Pure.

A volume is ``application`` when declared holding hooks ran well, before and after all cuts, in every running pod that
mounts it; else ``crash``. A point of one volume is what that volume is. A point of several volumes with separate cuts
is ``application`` when all of them are, else ``fuzzy``: the volumes show different moments.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.application import Application

APPLICATION, CRASH, FUZZY = "application", "crash", "fuzzy"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``level`` and ``reason`` of the point, and the level of each claim."""

    level: str
    reason: str
    claims: Mapping[str, str]


def pods_on(app: Application) -> dict[str, tuple[str, ...]]:
    """Who has a claim mounted now: running pods by name, and ``Kind/name`` of what is not of the application."""
    known = {workload.ref for workload in app.workloads} | {f"Pod/{pod.name}" for pod in app.pods if not pod.workload}
    found = {}
    for volume in app.volumes:
        pods = [pod.name for pod in app.pods if volume.claim in pod.claims and pod.phase == "Running"]
        found[volume.claim] = (*pods, *(ref for ref in volume.mounted_by if ref not in known))
    return found


def judge(
    mounted: Mapping[str, Sequence[str]],
    held: set[str],
    *,
    spread_s: float,
    hook_names: Sequence[str],
    failures: Sequence[str],
) -> Judgement:
    """``mounted``: as :func:`pods_on`; ``held``: pods in which hooks held; ``spread_s``: first cut to last."""
    claims = {
        claim: APPLICATION if pods and all(pod in held for pod in pods) else CRASH for claim, pods in mounted.items()
    }
    because = "; ".join([_about_hooks(hook_names, held), *failures])
    loose = sorted(claim for claim, level in claims.items() if level == CRASH)
    if not loose:
        return Judgement(APPLICATION, "hooks held every pod that mounts a volume through all cuts", claims)
    if len(claims) == 1:
        return Judgement(CRASH, f"one volume, its writers were not held: {because}", claims)
    cuts = f"{len(claims)} volumes were cut one by one within {spread_s:.1f} s"
    return Judgement(FUZZY, f"{cuts}, the writers of {', '.join(loose)} were not held: {because}", claims)


def _about_hooks(names: Sequence[str], held: set[str]) -> str:
    if not names:
        return "there are no hooks"
    if held:
        return f"hooks held only {', '.join(sorted(held))}"
    return f"of the hooks ({', '.join(names)}) none held anything"
