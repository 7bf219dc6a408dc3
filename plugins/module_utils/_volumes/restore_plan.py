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
from dataclasses import dataclass, field

from .._cluster.kinds import named
from .._cluster.resting import rest_steps
from .._cluster.scale import images_step, start_step, stop_step
from .._core.application import Application, Workload
from .._core.errors import BadInput
from .._core.plan import Json, Plan, Step
from .._core.statements import RecoveryPoint
from . import probes as probing
from .claim_facts import ClaimFacts
from .names import RESTORED_FROM, short, suffixed
from .probes import Probe
from .quantity import largest
from .restore_wish import CLAIM, RestoreWish, chosen_volumes, images, new_names

KIND = "restore"
VERIFY_STAGED, VERIFY_LIVE, RETAIN, TIDY, RECORD = "verify staged", "verify live", "retain volumes", "tidy", "record"
_WAITS = "WaitForFirstConsumer"


@dataclass(frozen=True, slots=True)
class StorageClass:
    """As far as staging goes. ``waits``: its volumes are made when a pod needs them."""

    name: str
    driver: str
    waits: bool = False

    @classmethod
    def of(cls, obj: Mapping[str, Json]) -> StorageClass:
        return cls(obj["metadata"]["name"], obj["provisioner"], obj.get("volumeBindingMode") == _WAITS)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was observed. ``claims`` are all of the namespace, by name."""

    app: Application
    claims: Mapping[str, ClaimFacts]
    classes: Mapping[str, StorageClass]


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan, the probes that cannot run, and what a person should know before it runs."""

    plan: Plan
    left_out: tuple[Mapping[str, Json], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Steps:
    """Names of the steps that others need to know."""

    stage: dict[str, str] = field(default_factory=dict)
    swap: dict[str, str] = field(default_factory=dict)


def plan(seen: Seen, point: RecoveryPoint, wish: RestoreWish) -> Planned:
    """The plan. Raises BadInput for everything that can be known to fail, before anything is changed."""
    volumes = chosen_volumes(point, wish.claims)
    overrides = images(wish.images, seen.app)
    if wish.target == CLAIM:
        if overrides:
            raise BadInput("image_overrides needs target in_place", why="beside the old claims no workload is changed")
        return _beside(seen, point, wish, volumes)
    return _in_place(seen, point, wish, volumes, overrides)


def already(seen: Seen, point: RecoveryPoint, wish: RestoreWish) -> bool:
    """Do the claims hold this point already (restored before, by an operation that was not undone)?"""
    volumes = chosen_volumes(point, wish.claims)
    claims = [volume["claim"] for volume in volumes]
    names = new_names(point, volumes, wish.names) if wish.target == CLAIM else {claim: claim for claim in claims}
    found = [seen.claims.get(name) for name in names.values()]
    return all(claim is not None and claim.restored_from == point.id and claim.phase == "Bound" for claim in found)


# -- in place ----------------------------------------------------------------------------------------------------


def _in_place(
    seen: Seen,
    point: RecoveryPoint,
    wish: RestoreWish,
    volumes: Sequence[Mapping[str, Json]],
    overrides: Mapping[str, Mapping[str, str]],
) -> Planned:
    app, claims = seen.app, [volume["claim"] for volume in volumes]
    namespace = app.spec.namespace
    image_steps = _image_steps(app, overrides)
    if not wish.incident and already(seen, point, wish):
        return Planned(Plan(KIND, app.spec.target, wish.key, tuple(image_steps)), notes=("the claims hold it already",))
    stoppable, resting = _to_stop(app, claims, wish.isolated)
    asleep = [workload.ref for workload in app.workloads if _rests(workload, wish.isolated)]
    staged, live, left_out = probing.sorted_out(wish.verify, app, claims, asleep, live=True)
    names = _Steps({c: f"stage {c}" for c in claims}, {c: f"swap {c}" for c in claims})
    steps = [_stage(seen, point, wish, volume, names, "") for volume in volumes]
    if staged:
        steps.append(_verify_staged(app, wish, staged, names))
    steps.append(_retain(seen, claims, names))
    starts = [start_step(w, ready_timeout_s=int(wish.ready_timeout_s)) for w in _start_order(app, stoppable)]
    start_names = {step.params["kind"] + "/" + step.params["name"]: step.name for step in starts}
    # First seen at rest, last put back by an undo: what stands still may need those that are stopped here.
    rests = [rest_steps(workload) for workload in resting]
    steps += [before for before, after in rests]
    for workload in reversed(_start_order(app, stoppable)):
        steps.append(stop_step(workload, until=start_names[workload.ref], timeout_s=int(wish.stop_timeout_s)))
    steps += [_swap(seen, point, wish, volume, names) for volume in volumes]
    steps += image_steps
    steps += [after for before, after in rests]
    steps += starts
    if live:
        params: dict[str, Json] = {"namespace": namespace, "probes": [probe.to_dict() for probe in live]}
        touches = tuple(sorted({_touched(app.workload(probe.workload)) for probe in live}))
        steps.append(Step(VERIFY_LIVE, "volumes.verify_live", touches, params))
    steps += _last(app, point, wish, names, _images_after(app, overrides))
    return Planned(Plan(KIND, app.spec.target, wish.key, tuple(steps)), tuple(left_out), _notes(app, stoppable))


def _image_steps(app: Application, overrides: Mapping[str, Mapping[str, str]]) -> list[Step]:
    steps = []
    for ref, wanted in overrides.items():
        workload = app.workload(ref)
        now = {container.name: container.image for container in workload.containers}
        if any(now[name] != image for name, image in wanted.items()):
            steps.append(images_step(workload, wanted))
    return steps


def _to_stop(app: Application, claims: Sequence[str], isolated: Sequence[str]) -> tuple[list[Workload], list[Workload]]:
    """The workloads of the application that reach a claim that is restored: those that run, and those at rest.

    ``isolated`` are those that will be at rest when the plan runs. What a policy alone isolates runs, and is stopped.

    Raises BadInput naming whoever else has one of them mounted: nothing of ours could start that again.
    """
    known = {workload.ref: workload for workload in app.workloads}
    found: dict[str, Workload] = {}
    for volume in app.volumes:
        if volume.claim not in claims:
            continue
        for ref in volume.mounted_by:
            if ref not in known:
                raise BadInput(
                    f"claim {volume.claim} is mounted by {ref}, which is not of the application",
                    where=app.spec.target,
                    next="add it to app.workloads, or stop it yourself, then run the same task again",
                )
            found[ref] = known[ref]
    mounting = [workload for ref, workload in sorted(found.items())]
    resting = [workload for workload in mounting if _rests(workload, isolated)]
    return [workload for workload in mounting if workload not in resting], resting


def _rests(workload: Workload, isolated: Sequence[str]) -> bool:
    """Will it stand at zero when the plan runs?"""
    return workload.replicas == 0 or (workload.ref in isolated and not workload.quarantine)


def _start_order(app: Application, workloads: Sequence[Workload]) -> list[Workload]:
    """As declared in ``app.workloads``; what is not declared follows, StatefulSets before those that use them."""
    declared = {ref: number for number, ref in enumerate(app.spec.workloads)}
    last = len(declared)
    return sorted(workloads, key=lambda w: (declared.get(w.ref, last), w.kind != "StatefulSet", w.ref))


def _stage(
    seen: Seen, point: RecoveryPoint, wish: RestoreWish, volume: Mapping[str, Json], names: _Steps, final: str
) -> Step:
    claim, namespace = str(volume["claim"]), seen.app.spec.namespace
    now = None if final else seen.claims.get(claim)
    if now is not None and now.deleting:
        raise BadInput(f"claim {claim} is being deleted", where=seen.app.spec.target, next="wait until it is gone")
    mark = short(point.id, claim, now.uid if now else "", now.volume if now else "")
    name = final or suffixed(claim, f"kg-{mark}")
    keys = ("driver", "mode", "snapshot", "content", "snapshot_handle", "snapshot_class", "deletion_secret")
    params: dict[str, Json] = {
        "namespace": namespace,
        "claim": claim,
        "name": name,
        "final": bool(final),
        "point": point.id,
        "source": {key: volume[key] for key in keys if key in volume},
        "again": _again(seen, volume, now),
        "waits_for_consumer": _storage_class(seen, volume, now).waits,
        "scheduled_like": _scheduled_like(seen.app, claim),
        "timeout_s": wish.stage_timeout_s,
    }
    touches = (named("PersistentVolumeClaim", name, namespace),)
    return Step(names.stage[claim], "volumes.stage", touches, params, names.swap.get(claim, ""))


def _again(seen: Seen, volume: Mapping[str, Json], now: ClaimFacts | None) -> dict[str, Json]:
    """What it takes to make the claim on the restored volume: as it is now, else as it was captured.

    It asks for the largest of what the claim asks for, what was captured and what the snapshot needs: a smaller one
    would stay pending for ever.
    """
    mode = str(volume["mode"])
    if now is not None and now.mode != mode:
        raise BadInput(
            f"claim {now.name} has another volume mode than its snapshot", why=f"{now.mode} now, {mode} when captured"
        )
    captured: dict[str, Json] = {
        "labels": dict(volume.get("labels") or {}),
        "annotations": {},
        "owners": [],
        "access_modes": list(volume["access_modes"]),
    }
    return {
        **(now.again if now else captured),
        "request": largest([now.request if now else None, volume.get("size"), volume.get("restore_size")]),
        "storage_class": _storage_class(seen, volume, now).name,
        "mode": mode,
    }


def _storage_class(seen: Seen, volume: Mapping[str, Json], now: ClaimFacts | None) -> StorageClass:
    """The class of the claim as it is now, else the one it was captured with; its driver has to be the snapshot's."""
    name = (now.storage_class if now else "") or str(volume["storage_class"])
    storage = seen.classes.get(name)
    claim, driver = volume["claim"], volume["driver"]
    if storage is None:
        there = ", ".join(sorted(c.name for c in seen.classes.values() if c.driver == driver)) or "none"
        raise BadInput(
            f"claim {claim} cannot be restored: there is no StorageClass {name!r}",
            why=f"of {driver} there are: {there}",
        )
    if storage.driver != driver:
        raise BadInput(
            f"claim {claim} cannot be restored into StorageClass {name}",
            why=f"the class is of {storage.driver}, the snapshot of {driver}",
        )
    return storage


def _scheduled_like(app: Application, claim: str) -> dict[str, str] | None:
    """A workload that mounts the claim: a pod that helps to bind the new volume is scheduled as its pods are."""
    for workload in app.workloads:
        if workload.kind != "Pod" and any(mount.claim == claim for mount in workload.mounts):
            return {"kind": workload.kind, "name": workload.name}
    return None


def _verify_staged(app: Application, wish: RestoreWish, staged: Sequence[Probe], names: _Steps) -> Step:
    params: dict[str, Json] = {
        "namespace": app.spec.namespace,
        "probes": [probe.to_dict() for probe in staged],
        "stages": dict(names.stage),
        "from": wish.verify_from,
        "timeout_s": wish.stage_timeout_s,
    }
    return Step(VERIFY_STAGED, "volumes.verify_staged", (), params)


def _retain(seen: Seen, claims: Sequence[str], names: _Steps) -> Step:
    old = {c: _bound_volume(seen, c) for c in claims}
    touches = tuple(named("PersistentVolume", volume["name"]) for volume in old.values() if volume)
    params: dict[str, Json] = {"old": old, "stages": dict(names.stage)}
    return Step(RETAIN, "volumes.retain_volumes", touches, params)


def _bound_volume(seen: Seen, claim: str) -> dict[str, str] | None:
    now = seen.claims.get(claim)
    return {"name": now.volume, "uid": now.volume_uid} if now and now.volume else None


def _swap(seen: Seen, point: RecoveryPoint, wish: RestoreWish, volume: Mapping[str, Json], names: _Steps) -> Step:
    claim, namespace = str(volume["claim"]), seen.app.spec.namespace
    now = seen.claims.get(claim)
    again = _again(seen, volume, now)
    params: dict[str, Json] = {
        "namespace": namespace,
        "claim": claim,
        "claim_uid": now.uid if now else "",
        "stage": names.stage[claim],
        "old": _bound_volume(seen, claim),
        "before": dict(now.again) if now else None,
        "again": {**again, "annotations": {**again["annotations"], RESTORED_FROM: point.id}},
        "keep_s": wish.keep_s,
    }
    touches = [named("PersistentVolumeClaim", claim, namespace)]
    touches += [named("PersistentVolume", now.volume)] if now and now.volume else []
    return Step(names.swap[claim], "volumes.swap", tuple(touches), params)


def _images_after(app: Application, overrides: Mapping[str, Mapping[str, str]]) -> dict[str, Json]:
    """What is set to write from then on, as a captured point names it; the digest is empty where nobody knows it."""
    running = {(pod.workload, container.name): container.digest for pod in app.pods for container in pod.containers}
    found: dict[str, Json] = {}
    for workload in app.workloads:
        for container in workload.containers:
            image = overrides.get(workload.ref, {}).get(container.name, container.image)
            known = running.get((workload.ref, container.name), "") if image == container.image else ""
            digest = image.rpartition("@")[2] if "@sha256:" in image else known
            found.setdefault(workload.ref, {})[container.name] = {"image": image, "digest": digest}
    return found


def _last(
    app: Application, point: RecoveryPoint, wish: RestoreWish, names: _Steps, images_after: Mapping[str, Json]
) -> list[Step]:
    tidy: dict[str, Json] = {"namespace": app.spec.namespace, "stages": dict(names.stage)}
    record: dict[str, Json] = {
        "target": app.spec.target,
        "point": point.id,
        "incident": wish.incident,
        "into": wish.target,
        "stages": dict(names.stage),
        "swaps": dict(names.swap),
        "images": dict(images_after),
    }
    return [
        Step(TIDY, "volumes.tidy", (), tidy),
        Step(RECORD, "volumes.record_restore", (f"ledger {app.spec.target}",), record),
    ]


def _notes(app: Application, stopped: Sequence[Workload]) -> tuple[str, ...]:
    notes = list(app.notes)
    for workload in stopped:
        if workload.managed_by:
            notes.append(f"{workload.ref} is managed by {workload.managed_by}, which may start it again too early")
        if workload.scaled_by:
            notes.append(f"{workload.ref} is scaled by {workload.scaled_by}")
    return tuple(notes)


def _touched(workload: Workload) -> str:
    return named(workload.kind, workload.name, workload.namespace)


# -- beside ------------------------------------------------------------------------------------------------------


def _beside(seen: Seen, point: RecoveryPoint, wish: RestoreWish, volumes: Sequence[Mapping[str, Json]]) -> Planned:
    app, claims = seen.app, [volume["claim"] for volume in volumes]
    if already(seen, point, wish):
        return Planned(Plan(KIND, app.spec.target, wish.key), notes=("the claims exist already",))
    finals = new_names(point, volumes, wish.names)
    taken = sorted(name for name in finals.values() if name in seen.claims)
    if taken:
        raise BadInput(
            f"claims of these names exist: {', '.join(taken)}",
            where=app.spec.target,
            why=f"they do not hold {point.id}",
            next="give other names: claim_names",
        )
    staged, _live, left_out = probing.sorted_out(wish.verify, app, claims, (), live=False)
    names = _Steps({c: f"stage {c}" for c in claims})
    steps = [_stage(seen, point, wish, volume, names, finals[volume["claim"]]) for volume in volumes]
    if staged:
        steps.append(_verify_staged(app, wish, staged, names))
    steps += _last(app, point, wish, names, {})
    return Planned(Plan(KIND, app.spec.target, wish.key, tuple(steps)), tuple(left_out), app.notes)
