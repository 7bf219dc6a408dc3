# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The volumes of a restore: what each new claim is made from and as what, and the steps about them. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._cluster.kinds import named
from .._core.application import Application
from .._core.errors import BadInput
from .._core.plan import Json, Step
from .._core.statements import RecoveryPoint
from .claim_facts import ClaimFacts
from .names import RESTORED_FROM, short, suffixed
from .quantity import largest
from .restore_seen import Seen, StorageClass
from .restore_wish import CLAIM, RestoreWish

Volumes = Sequence[Mapping[str, Json]]
COPY_ROUTE = "another driver cannot read this snapshot: make an off-cluster copy of the point and restore from that"
_SOURCE = ("driver", "mode", "snapshot", "content", "snapshot_handle", "snapshot_class", "deletion_secret")
_LONGEST = 60
# What marks an object as another controller's own: in another namespace it would be pruned or taken over by it.
_TRACKED = ("argocd.argoproj.io/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", "meta.helm.sh/")
_TRACKING = (
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/instance",
    "kubectl.kubernetes.io/last-applied-configuration",
)


def titled(verb: str, claims: Sequence[str]) -> str:
    """The name of a step about these claims."""
    names = ", ".join(claims)
    return f"{verb} {names}" if len(names) <= _LONGEST else f"{verb} {len(claims)} claims"


def stage_step(
    seen: Seen,
    point: RecoveryPoint,
    wish: RestoreWish,
    volumes: Volumes,
    *,
    finals: Mapping[str, str] | None = None,
    until: str = "",
) -> Step:
    """All new claims at once. ``finals``: their names by claim, when they are the result and not to be swapped in."""
    claims = [_stage(seen, point, wish, volume, (finals or {}).get(volume["claim"], "")) for volume in volumes]
    params: dict[str, Json] = {
        "namespace": seen.there.namespace,
        "point": point.id,
        "final": finals is not None,
        "keep_s": wish.keep_s,
        "claims": claims,
        "timeout_s": wish.stage_timeout_s,
        **elsewhere(seen),
    }
    touches = tuple(named("PersistentVolumeClaim", item["name"], seen.there.namespace) for item in claims)
    return Step(titled("stage", [item["claim"] for item in claims]), "volumes.stage", touches, params, until)


def elsewhere(seen: Seen) -> dict[str, Json]:
    """The parameter that says that a step works on another cluster."""
    return {"where": dict(seen.there.where)} if seen.there.where else {}


def _stage(
    seen: Seen, point: RecoveryPoint, wish: RestoreWish, volume: Mapping[str, Json], final: str
) -> dict[str, Json]:
    claim = str(volume["claim"])
    now = None if final else seen.claims.get(claim)
    if now is not None and now.deleting:
        raise BadInput(f"claim {claim} is being deleted", where=seen.app.spec.target, next="wait until it is gone")
    mark = short(point.id, claim, now.uid if now else "", now.volume if now else "")
    return {
        "claim": claim,
        "name": final or suffixed(claim, f"kg-{mark}"),
        "source": {key: volume[key] for key in _SOURCE if key in volume},
        "again": _again(seen, wish, volume, now),
        "waits_for_consumer": storage_class(seen, wish, volume, now).waits,
        "scheduled_like": None if seen.there.where else _scheduled_like(seen.app, claim),
    }


def _again(seen: Seen, wish: RestoreWish, volume: Mapping[str, Json], now: ClaimFacts | None) -> dict[str, Json]:
    """What it takes to make the claim on the restored volume: as it is now, else as it was captured.

    It asks for the largest of what the claim asks for, what was captured and what the snapshot needs: a smaller one
    would stay pending for ever.
    """
    return {
        **(now.again if now else _captured(wish, volume)),
        "request": largest([now.request if now else None, volume.get("size"), volume.get("restore_size")]),
        "storage_class": storage_class(seen, wish, volume, now).name,
        "mode": _mode(seen, volume, now),
    }


def _captured(wish: RestoreWish, volume: Mapping[str, Json]) -> dict[str, Json]:
    """As it was captured. Beside the old claim it has no labels of the application, which it would become part of; in
    another namespace it has them without what ties them to a controller.
    """
    labels = {} if wish.target == CLAIM else dict(volume.get("labels") or {})
    if wish.beside:
        labels = {key: value for key, value in labels.items() if not tracked(key)}
    return {"labels": labels, "annotations": {}, "owners": [], "access_modes": list(volume["access_modes"])}


def tracked(key: str) -> bool:
    """Is this the label or annotation by which a GitOps tool or Helm knows its own objects?"""
    return key in _TRACKING or key.startswith(_TRACKED)


def _mode(seen: Seen, volume: Mapping[str, Json], now: ClaimFacts | None) -> str:
    """The volume mode of the new claim. Raises BadInput where that is not the snapshot's and nobody has allowed it."""
    mode = str(volume["mode"])
    if now is None or now.mode == mode:
        return mode
    if now.name not in seen.convertible:
        raise BadInput(
            f"claim {now.name} has another volume mode than its snapshot",
            why=f"{now.mode} now, {mode} when captured",
            next="where that is wanted, an administrator allows it on the VolumeSnapshotContent "
            f"{volume.get('content') or ''}: snapshot.storage.kubernetes.io/allow-volume-mode-change=true",
        )
    return now.mode


def storage_class(seen: Seen, wish: RestoreWish, volume: Mapping[str, Json], now: ClaimFacts | None) -> StorageClass:
    """The class that was asked for, else of the claim as it is now, else the one it was captured with.

    Raises BadInput where there is no such class, or its driver is not the snapshot's.
    """
    before = (now.storage_class if now else "") or str(volume["storage_class"])
    name = wish.storage_classes.get(before) or wish.storage_class or before
    storage = seen.there.classes.get(name)
    claim, driver = volume["claim"], volume["driver"]
    same = ", ".join(sorted(c.name for c in seen.there.classes.values() if c.driver == driver)) or "none"
    where = str(seen.there.where.get("server", ""))
    if storage is None:
        raise BadInput(
            f"claim {claim} cannot be restored: there is no StorageClass {name!r}",
            where=where,
            why=f"of {driver} there are: {same}",
            next=COPY_ROUTE if same == "none" else "name one of them: storage_class or storage_class_map",
        )
    if storage.driver != driver:
        raise BadInput(
            f"claim {claim} cannot be restored into StorageClass {name}",
            where=where,
            why=f"the class is of {storage.driver}, the snapshot of {driver}; classes of that: {same}",
            next=COPY_ROUTE,
        )
    return storage


def _scheduled_like(app: Application, claim: str) -> dict[str, str] | None:
    """A workload that mounts the claim: a pod that helps to bind the new volume is scheduled as its pods are."""
    for workload in app.workloads:
        if workload.kind != "Pod" and any(mount.claim == claim for mount in workload.mounts):
            return {"kind": workload.kind, "name": workload.name, "namespace": workload.namespace}
    return None


def retain_step(name: str, seen: Seen, claims: Sequence[str], stage: str, keep_s: float) -> Step:
    """Neither the old nor the new volumes go with their claims; the new ones wait for theirs."""
    old = {claim: _bound_volume(seen, claim) for claim in claims}
    touches = tuple(named("PersistentVolume", volume["name"]) for volume in old.values() if volume)
    params: dict[str, Json] = {"namespace": seen.app.spec.namespace, "old": old, "stage": stage, "keep_s": keep_s}
    return Step(name, "volumes.retain_volumes", touches, params, titled("swap", claims))


def _bound_volume(seen: Seen, claim: str) -> dict[str, str] | None:
    now = seen.claims.get(claim)
    return {"name": now.volume, "uid": now.volume_uid} if now and now.volume else None


def swap_step(
    seen: Seen, point: RecoveryPoint, wish: RestoreWish, volumes: Volumes, *, stage: str, retain: str, looked: bool
) -> Step:
    """All claims at once: each gets the volume that was staged for it. ``looked``: right before it was made sure that
    nobody mounts them.
    """
    namespace = seen.app.spec.namespace
    claims = [_swap(seen, point, wish, volume) for volume in volumes]
    touches = [named("PersistentVolumeClaim", item["claim"], namespace) for item in claims]
    touches += [named("PersistentVolume", item["old"]["name"]) for item in claims if item["old"]]
    params: dict[str, Json] = {
        "namespace": namespace,
        "stage": stage,
        "retain": retain,
        "keep_s": wish.keep_s,
        "looked": looked,
        "claims": claims,
    }
    return Step(titled("swap", [item["claim"] for item in claims]), "volumes.swap", tuple(touches), params)


def _swap(seen: Seen, point: RecoveryPoint, wish: RestoreWish, volume: Mapping[str, Json]) -> dict[str, Json]:
    claim = str(volume["claim"])
    now = seen.claims.get(claim)
    again = _again(seen, wish, volume, now)
    return {
        "claim": claim,
        "claim_uid": now.uid if now else "",
        "old": _bound_volume(seen, claim),
        "before": dict(now.again) if now else None,
        "again": {**again, "annotations": {**again["annotations"], RESTORED_FROM: point.id}},
    }
