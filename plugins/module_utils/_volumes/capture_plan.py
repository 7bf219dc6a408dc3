# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture will do: pure functions from what was observed to a plan.

The plan holds neither the time nor the recovery point's id: the plan of check mode and the plan that runs are equal.
The id is made from the time of the cut.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .._cluster.kinds import named
from .._core.application import Application, Volume
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step
from .classes import SnapshotClass, choose
from .grouping import AUTO
from .hooks import Hooks, missing_workloads

KIND = "capture"
SCHEDULED, FORENSIC = "scheduled", "forensic"


@dataclass(frozen=True, slots=True)
class CaptureWish:
    """What is asked for. ``cut_timeout_s`` is also the longest time that hooks hold the writers for the cut.

    ``group``: as ``grouping`` has it; ``atomic_drivers``: drivers that are declared to cut a group at one moment;
    ``max_parallel``: how many snapshots a driver is asked for at a time; ``allow_partial``: claims that cannot be
    captured are left out and named, instead of failing the point.
    """

    hooks: Hooks
    snapshot_class: str = ""
    purpose: str = SCHEDULED
    incident: str = ""
    cut_timeout_s: float = 60.0
    ready_timeout_s: float = 600.0
    group: str = AUTO
    atomic_drivers: tuple[str, ...] = ()
    max_parallel: Mapping[str, int] = field(default_factory=dict)
    allow_partial: bool = False

    @property
    def key(self) -> str:
        """One operation a purpose; with an incident one a purpose and incident, for ever."""
        return f"{self.purpose}:{self.incident}" if self.incident else self.purpose


def limits(given: Mapping[str, Json]) -> dict[str, int]:
    """``max_parallel`` as numbers above zero, by driver. Raises BadInput naming the driver."""
    found = {}
    for driver, value in sorted(given.items()):
        number = int(value) if str(value).isdecimal() else 0
        if number < 1 or isinstance(value, bool):
            raise BadInput(f"max_parallel.{driver} has to be a number above 0", why=f"got {value!r}")
        found[str(driver)] = number
    return found


@dataclass(frozen=True, slots=True)
class Sorted:
    """The volumes that can be captured (rows of the statement), and why the others cannot, by claim."""

    volumes: tuple[Mapping[str, Json], ...]
    left_out: Mapping[str, str]

    @property
    def drivers(self) -> list[str]:
        return [volume["driver"] for volume in self.volumes]


def sort_out(app: Application, classes: Sequence[SnapshotClass], wish: CaptureWish) -> Sorted:
    """Which claims can be captured, and with which class. Pure."""
    rows, left_out = [], {}
    by_name = {item.name: item for item in classes}
    for volume in app.volumes:
        choice = choose(classes, volume.driver, wish.snapshot_class)
        problem = _problem(volume) or choice.problem
        if problem:
            left_out[volume.claim] = problem
        else:
            rows.append(_volume(volume, by_name[choice.name]))
    return Sorted(tuple(rows), left_out)


def plan(
    app: Application,
    classes: Sequence[SnapshotClass],
    wish: CaptureWish,
    group: Mapping[str, Json] | None = None,
) -> Plan:
    """The plan. Raises BadInput naming every claim that cannot be captured, with the reason.

    ``group``: as ``grouping.group_for`` gives it.
    """
    if not app.volumes:
        why = "; ".join(app.notes)
        raise BadInput("the application has no claims to capture", where=app.spec.target, why=why)
    found = sort_out(app, classes, wish)
    _refuse(app, found, wish)
    claims = tuple(named("PersistentVolumeClaim", v["claim"], app.spec.namespace) for v in found.volumes)
    volumes: list[Json] = list(found.volumes)
    params: dict[str, Json] = {
        "spec": spec_dict(app),
        "volumes": volumes,
        "hooks": wish.hooks.to_dict(),
        "cut_timeout_s": wish.cut_timeout_s,
        "ready_timeout_s": wish.ready_timeout_s,
        **({"group": dict(group)} if group else {}),
        **({"max_parallel": dict(wish.max_parallel)} if wish.max_parallel else {}),
    }
    record: dict[str, Json] = {
        "target": app.spec.target,
        "namespace": app.spec.namespace,
        "volumes": volumes,
        "purpose": wish.purpose,
        "incident": wish.incident,
        "left_out": [{"claim": claim, "reason": reason} for claim, reason in found.left_out.items()],
    }
    steps = (
        Step("snapshot", "volumes.wave", claims, params),
        Step("retain", "volumes.retain_contents", claims, {"target": app.spec.target}),
        Step("record", "volumes.record_capture", (f"ledger {app.spec.target}",), record),
    )
    return Plan(KIND, app.spec.target, wish.key, steps)


def _refuse(app: Application, found: Sorted, wish: CaptureWish) -> None:
    """Raises BadInput where the point would not hold all claims, unless that is allowed, or where hooks are wrong."""
    problems = missing_workloads(wish.hooks, app)
    allowed = wish.allow_partial and bool(found.volumes)
    if not allowed:
        problems = [_sentence(claim, reason) for claim, reason in found.left_out.items()] + problems
    if problems:
        raise BadInput(
            "the application cannot be captured as a whole, nothing was changed",
            where=app.spec.target,
            why="; ".join(problems),
            next="mend these, name the claims to capture in app.claims, or set allow_partial"
            if found.volumes
            else "mend these",
        )


def spec_dict(app: Application) -> dict[str, Json]:
    """The declaration, as ``ApplicationSpec.from_dict`` reads it."""
    spec: dict[str, Json] = app.to_dict()["spec"]
    return {key: list(value) if isinstance(value, tuple) else value for key, value in spec.items()}


def _sentence(claim: str, reason: str) -> str:
    return f"claim {claim} {reason.removeprefix('it ')}" if reason.startswith("it ") else f"claim {claim}: {reason}"


def _problem(volume: Volume) -> str:
    if not volume.claim_uid:
        return "it does not exist"
    if volume.deleting:
        return "it is being deleted"
    if volume.phase != "Bound" or not volume.volume:
        return f"it is not bound ({volume.phase or 'no phase'})"
    if not volume.driver:
        return f"it is not on a CSI volume ({volume.volume})"
    return ""


def _volume(volume: Volume, snapshot_class: SnapshotClass) -> dict[str, Json]:
    return {
        "claim": volume.claim,
        "claim_uid": volume.claim_uid,
        "volume": volume.volume,
        "volume_handle": volume.handle,
        "driver": volume.driver,
        "storage_class": volume.storage_class,
        "size": volume.size,
        "mode": volume.mode,
        "fs_type": volume.fs_type,
        "access_modes": list(volume.access_modes),
        "snapshot_class": snapshot_class.name,
        **({"secrets": dict(snapshot_class.secrets)} if snapshot_class.secrets else {}),
    }
