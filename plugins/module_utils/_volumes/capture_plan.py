# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture will do: pure functions from what was observed to a plan.

The plan holds neither the time nor the recovery point's id: the plan of check mode and the plan that runs are equal.
The id is made from the time of the cut.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._cluster.kinds import named
from .._core.application import Application, Volume
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step
from .classes import SnapshotClass, choose
from .hooks import Hooks, missing_workloads

KIND = "capture"
SCHEDULED, FORENSIC = "scheduled", "forensic"


@dataclass(frozen=True, slots=True)
class CaptureWish:
    """What is asked for. ``cut_timeout_s`` is also the longest time that hooks hold the writers for the cut."""

    hooks: Hooks
    snapshot_class: str = ""
    purpose: str = SCHEDULED
    incident: str = ""
    cut_timeout_s: float = 60.0
    ready_timeout_s: float = 600.0

    @property
    def key(self) -> str:
        """One operation a purpose; with an incident one a purpose and incident, for ever."""
        return f"{self.purpose}:{self.incident}" if self.incident else self.purpose


def plan(app: Application, classes: Sequence[SnapshotClass], wish: CaptureWish) -> Plan:
    """The plan. Raises BadInput naming every claim that cannot be captured, with the reason."""
    if not app.volumes:
        raise BadInput("the application has no claims to capture", where=app.spec.target)
    chosen = {volume.claim: choose(classes, volume.driver, wish.snapshot_class) for volume in app.volumes}
    problems = [_problem(volume) or _about(volume, chosen[volume.claim].problem) for volume in app.volumes]
    problems += missing_workloads(wish.hooks, app)
    if any(problems):
        raise BadInput(
            "the application cannot be captured as a whole, nothing was changed",
            where=app.spec.target,
            why="; ".join(problem for problem in problems if problem),
            next="mend these, or name the claims to capture in app.claims",
        )
    volumes = [_volume(volume, chosen[volume.claim].name) for volume in app.volumes]
    claims = tuple(named("PersistentVolumeClaim", v.claim, app.spec.namespace) for v in app.volumes)
    params: dict[str, Json] = {
        "spec": spec_dict(app),
        "volumes": volumes,
        "hooks": wish.hooks.to_dict(),
        "cut_timeout_s": wish.cut_timeout_s,
        "ready_timeout_s": wish.ready_timeout_s,
    }
    about: dict[str, Json] = {"target": app.spec.target, "purpose": wish.purpose, "incident": wish.incident}
    steps = (
        Step("snapshot", "volumes.wave", claims, params),
        Step("retain", "volumes.retain_contents", claims, {"target": app.spec.target, "volumes": volumes}),
        Step("record", "volumes.record_capture", (f"ledger {app.spec.target}",), {**params, **about}),
    )
    return Plan(KIND, app.spec.target, wish.key, steps)


def spec_dict(app: Application) -> dict[str, Json]:
    """The declaration, as ``ApplicationSpec.from_dict`` reads it."""
    spec: dict[str, Json] = app.to_dict()["spec"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in spec.items()}


def uncapturable(volumes: Iterable[Volume]) -> list[str]:
    """Why claims cannot be captured, one line each; empty when all can."""
    return [problem for problem in map(_problem, volumes) if problem]


def _problem(volume: Volume) -> str:
    if not volume.claim_uid:
        return f"claim {volume.claim} does not exist"
    if volume.deleting:
        return f"claim {volume.claim} is being deleted"
    if volume.phase != "Bound" or not volume.volume:
        return f"claim {volume.claim} is not bound ({volume.phase or 'no phase'})"
    if not volume.driver:
        return f"claim {volume.claim} is not on a CSI volume ({volume.volume})"
    return ""


def _about(volume: Volume, problem: str) -> str:
    return f"claim {volume.claim}: {problem}" if problem else ""


def _volume(volume: Volume, snapshot_class: str) -> dict[str, Json]:
    return {
        "claim": volume.claim,
        "claim_uid": volume.claim_uid,
        "volume": volume.volume,
        "volume_handle": volume.handle,
        "driver": volume.driver,
        "storage_class": volume.storage_class,
        "size": volume.size,
        "mode": volume.mode,
        "access_modes": list(volume.access_modes),
        "snapshot_class": snapshot_class,
    }
