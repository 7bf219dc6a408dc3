# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore will do: a pure function from what was observed to a plan.

The order is what makes it safe. Everything is staged and verified while the application runs; the volumes are set to
Retain before the application is stopped, and the application is stopped before any claim is touched. From then on, at
every moment, at least one retained volume holds the data from before.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._cluster.freezing import brackets, rest_step
from .._cluster.reconcilers import notes as reconciler_notes
from .._cluster.resting import rest_steps
from .._cluster.scale import start_step, stop_step
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step
from .._core.statements import RecoveryPoint
from . import probes as probing
from .backup_label import write_step
from .manifest_steps import manifest_step
from .probes import Probe
from .restore_seen import Planned, Seen
from .restore_volumes import Volumes, elsewhere, retain_step, stage_step, swap_step
from .restore_wish import RestoreWish, chosen_volumes, images, new_names
from .restore_workloads import image_steps, images_after, notes, rests, start_order, to_stop, touched
from .stage import TIDY

KIND = "restore"
MANIFEST = "manifest"
VERIFY_STAGED, VERIFY_LIVE, RETAIN, RECORD = "verify staged", "verify live", "retain volumes", "record"


def plan(seen: Seen, point: RecoveryPoint, wish: RestoreWish) -> Planned:
    """The plan. Raises BadInput for everything that can be known to fail, before anything is changed."""
    volumes = chosen_volumes(point, wish.claims)
    overrides = images(wish.images, seen.app)
    if wish.beside:
        if overrides:
            raise BadInput("image_overrides needs target in_place", why="beside the old claims no workload is changed")
        return _beside(seen, point, wish, volumes)
    return _in_place(seen, point, wish, volumes, overrides)


def already(seen: Seen, point: RecoveryPoint, wish: RestoreWish) -> bool:
    """Do the claims hold this point already (restored before, by an operation that was not undone)?"""
    volumes = chosen_volumes(point, wish.claims)
    claims = [volume["claim"] for volume in volumes]
    names = new_names(point, volumes, wish) if wish.beside else {claim: claim for claim in claims}
    found = [seen.there.claims.get(name) for name in names.values()]
    return all(claim is not None and claim.restored_from == point.id and claim.phase == "Bound" for claim in found)


# -- in place ----------------------------------------------------------------------------------------------------


def _in_place(
    seen: Seen,
    point: RecoveryPoint,
    wish: RestoreWish,
    volumes: Volumes,
    overrides: Mapping[str, Mapping[str, str]],
) -> Planned:
    app, claims = seen.app, [volume["claim"] for volume in volumes]
    image_changes = image_steps(app, overrides)
    if not wish.incident and already(seen, point, wish):
        done = Plan(KIND, app.spec.target, wish.key, tuple(image_changes))
        return Planned(done, notes=("the claims hold it already",))
    stoppable, resting = to_stop(app, claims, wish.isolated)
    asleep = [workload.ref for workload in app.workloads if rests(workload, wish.isolated)]
    staged, live, left_out = probing.sorted_out(wish.verify, app, claims, asleep, live=True)

    stage = stage_step(seen, point, wish, volumes, until=RETAIN)
    swap = swap_step(seen, point, wish, volumes, stage=stage.name, retain=RETAIN, looked=bool(stoppable))
    steps = [stage, *_proofs(seen, point, wish, volumes, staged, stage.name)]
    steps.append(retain_step(RETAIN, seen, claims, stage.name, wish.keep_s))
    # Frozen once nothing more can go wrong without downtime, put back once what was started has proven itself.
    held = brackets(seen.reconcilers, app, stoppable, ready_timeout_s=int(wish.ready_timeout_s))
    steps += held.before
    ours = start_order(app, [workload for workload in stoppable if workload.ref not in held.paused])
    starts = [start_step(w, ready_timeout_s=int(wish.ready_timeout_s)) for w in ours]
    start_names = {step.params["kind"] + "/" + step.params["name"]: step.name for step in starts}
    # First seen at rest, last put back by an undo: what stands still may need those that are stopped here.
    at_rest = [rest_steps(workload) for workload in resting]
    steps += [before for before, after in at_rest]
    for workload in reversed(ours):
        until, timeout_s = start_names[workload.ref], int(wish.stop_timeout_s)
        steps.append(stop_step(workload, until=until, timeout_s=timeout_s, settle_s=0))
    steps += held.stops
    starts = [*held.starts, *starts]
    if stoppable:
        steps.append(rest_step(app, stoppable, claims, held, until=starts[0].name))
    steps.append(swap)
    steps += image_changes
    steps += [after for before, after in at_rest]
    steps += starts
    if live:
        steps.append(_verify_live(seen, live))
    steps += held.after
    steps += _last(seen, point, wish, stage.name, swap.name, images_after(app, overrides))
    told = notes(app, [workload for workload in stoppable if workload.ref not in held.frozen])
    known = reconciler_notes(seen.reconcilers, stoppable)
    return Planned(Plan(KIND, app.spec.target, wish.key, tuple(steps)), tuple(left_out), (*told, *known))


def _proofs(
    seen: Seen, point: RecoveryPoint, wish: RestoreWish, volumes: Volumes, staged: Sequence[Probe], stage: str
) -> list[Step]:
    """What the staged volumes have to stand before anything else is touched."""
    completed = write_step(seen, wish, volumes, stage, verifies=bool(staged))
    steps = [completed] if completed else []
    if wish.manifest:
        steps.append(manifest_step(MANIFEST, seen, point, wish.manifest, volumes, stage, wish.stage_timeout_s))
    if staged:
        steps.append(_verify_staged(seen, wish, staged, stage))
    return steps


def _verify_staged(seen: Seen, wish: RestoreWish, staged: Sequence[Probe], stage: str) -> Step:
    params: dict[str, Json] = {
        "namespace": seen.there.namespace,
        "probes": [probe.to_dict() for probe in staged],
        "stage": stage,
        "from": wish.verify_from,
        "timeout_s": wish.stage_timeout_s,
        "workloads_in": seen.app.spec.namespace,
        **elsewhere(seen),
    }
    return Step(VERIFY_STAGED, "volumes.verify_staged", (), params)


def _verify_live(seen: Seen, live: Sequence[Probe]) -> Step:
    params: dict[str, Json] = {"namespace": seen.app.spec.namespace, "probes": [probe.to_dict() for probe in live]}
    touches = tuple(sorted({touched(seen.app.workload(probe.workload)) for probe in live}))
    return Step(VERIFY_LIVE, "volumes.verify_live", touches, params)


def _last(
    seen: Seen, point: RecoveryPoint, wish: RestoreWish, stage: str, swap: str, images_set: Mapping[str, Json]
) -> list[Step]:
    target = seen.app.spec.target
    tidy: dict[str, Json] = {"namespace": seen.there.namespace, "stage": stage, **elsewhere(seen)}
    record: dict[str, Json] = {
        "target": target,
        "point": point.id,
        "incident": wish.incident,
        "into": wish.target,
        "namespace": seen.there.namespace,
        "cluster": seen.there.where.get("uid", ""),
        "stage": stage,
        "swap": swap,
        "manifest": MANIFEST if wish.manifest else "",
        "images": dict(images_set),
    }
    return [
        Step(TIDY, "volumes.tidy", (), tidy),
        Step(RECORD, "volumes.record_restore", (f"ledger {target}",), record),
    ]


# -- beside ------------------------------------------------------------------------------------------------------


def _beside(seen: Seen, point: RecoveryPoint, wish: RestoreWish, volumes: Volumes) -> Planned:
    app, claims, there = seen.app, [volume["claim"] for volume in volumes], seen.there
    if already(seen, point, wish):
        return Planned(Plan(KIND, app.spec.target, wish.key), notes=("the claims exist already",))
    finals = new_names(point, volumes, wish)
    taken = sorted(name for name in finals.values() if name in there.claims)
    if taken:
        raise BadInput(
            f"claims of these names exist: {', '.join(taken)}",
            where=f"namespace {there.namespace}",
            why=f"they do not hold {point.id}",
            next="give other names: claim_names",
        )
    staged, _live, left_out = probing.sorted_out(wish.verify, app, claims, (), live=False)
    stage = stage_step(seen, point, wish, volumes, finals=finals)
    steps = [stage, *_proofs(seen, point, wish, volumes, staged, stage.name)]
    steps += _last(seen, point, wish, stage.name, "", {})
    return Planned(Plan(KIND, app.spec.target, wish.key, tuple(steps)), tuple(left_out), app.notes)
