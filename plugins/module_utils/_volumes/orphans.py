# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was left behind on either side: storage that no statement knows, and statements whose storage is gone. Pure.

An object counts as left behind when the operation that made it is not unfinished (or not known any more). What may
still be the only place of some data is reported and never removed; so is what may belong to a point of a ledger that
cannot be seen from here: that of another cluster, or of another state namespace.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._cluster.kinds import named
from .._core.application import ApplicationSpec
from .._core.plan import Json, Step
from .._core.ports import FINISHED, TO_DO, Operation
from .._core.statements import RecoveryPoint
from . import content_policy, snapshots
from .capture_steps import RECORD
from .claim_facts import mounting
from .names import CLAIM, KEEP_UNTIL, KEPT, OPERATION, POINT, tail
from .objects import Object, annotation, label
from .prune_plan import free_step
from .usage import Handle, Whose, handle_of, identity

SNAPSHOT, PRUNED_DATA, CONTENT_GONE = "snapshot_without_statement", "pruned_not_freed", "content_gone"
DUPLICATE, LEFTOVER, VOLUME, KEPT_VOLUME = "duplicate_content", "leftover", "volume_left", "kept_volume"
PVC, PV, POD = "PersistentVolumeClaim", "PersistentVolume", "Pod"
_ROLE, _POLICY = "knowngood.io/role", "knowngood.io/reclaim-policy"
_HELPERS = ("staged", "verify", "bind")


@dataclass(frozen=True, slots=True)
class Found:
    """The objects of the cluster that matter here. ``live``: handles that a statement of any ledger still needs."""

    contents: Sequence[Object]
    snapshots: Sequence[Object]
    claims: Sequence[Object]
    pods: Sequence[Object]
    volumes: Sequence[Object]
    operations: Sequence[Operation]
    live: frozenset[Handle]


@dataclass(frozen=True, slots=True)
class Orphan:
    """One thing that was left behind. ``frees``: its data goes with it; ``step``: what removes it, None: nothing does.

    ``point``: the recovery point it is about, where there is one.
    """

    kind: str
    object: str
    why: str
    next: str = ""
    point: str = ""
    operation: str = ""
    frees: bool = False
    step: Step | None = field(default=None, compare=False)

    def row(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "object": self.object,
            "why": self.why,
            "point": self.point,
            "operation": self.operation,
            "removable": self.step is not None,
            "frees_data": self.frees,
            "next": self.next,
        }


def orphans(spec: ApplicationSpec, points: Sequence[RecoveryPoint], found: Found) -> tuple[Orphan, ...]:
    """What was left behind of an application, sorted by kind and object."""
    whose = Whose(spec, found.operations)
    rows = [
        *_of_points(spec, points, found),
        *_of_contents(spec, points, found, whose),
        *_of_snapshots(spec, found, whose),
        *_of_helpers(spec, found, whose),
        *_of_volumes(found, whose),
    ]
    return tuple(sorted(rows, key=lambda row: (row.kind, row.object)))


# -- what the ledger says ----------------------------------------------------------------------------------------


def _of_points(spec: ApplicationSpec, points: Iterable[RecoveryPoint], found: Found) -> Iterator[Orphan]:
    there = {identity(content) for content in found.contents}
    open_ids = {str(s.params.get("point")) for op in found.operations if op.unfinished for s in op.plan.steps}
    for point in points:
        for volume in point.volumes if not point.pruned else ():
            if handle_of(volume) not in there:
                yield Orphan(
                    CONTENT_GONE,
                    named(snapshots.CONTENT, str(volume.get("content"))),
                    f"the snapshot of claim {volume['claim']} has no content any more; whether the driver still has "
                    f"{volume.get('snapshot_handle')} is not known before it is restored",
                    next=f"restore {point.id} with target=claim: that imports it anew, or shows that it is lost",
                    point=point.id,
                )
        handles = {handle_of(volume) for volume in point.volumes}
        if point.pruned and handles & there and not handles & found.live and point.id not in open_ids:
            yield Orphan(
                PRUNED_DATA,
                f"recovery point {point.id}",
                f"it was given up {point.pruned} and its snapshots are still there",
                point=point.id,
                frees=True,
                step=free_step(spec, point),
            )


# -- what stands for snapshots -----------------------------------------------------------------------------------


def _of_contents(
    spec: ApplicationSpec, points: Sequence[RecoveryPoint], found: Found, whose: Whose
) -> Iterator[Orphan]:
    own = {str(v.get("content")) for p in points for v in p.volumes}
    known = {handle_of(v): p.id for p in points for v in p.volumes if not p.pruned}
    given_up = {handle_of(v) for p in points for v in p.volumes if p.pruned} - set(known)
    for content in found.contents:
        name, operation = content["metadata"]["name"], label(content, OPERATION)
        handle, shown = identity(content), named(snapshots.CONTENT, content["metadata"]["name"])
        if handle in known and name not in own and not operation:
            yield Orphan(
                DUPLICATE,
                shown,
                f"it stands for the snapshot of {known[handle]} and was not made by this collection"
                + _deletes(content),
                next="delete it if it is not needed; set its deletionPolicy to Retain first",
                point=known[handle],
            )
        namespace = str((content["spec"].get("volumeSnapshotRef") or {}).get("namespace") or "")
        if not operation or whose.busy(operation) or not whose(operation, namespace) or handle in given_up:
            continue
        if handle in found.live:
            if name not in own:
                yield _removable(
                    spec, content, DUPLICATE, f"left by {operation}: another content stands for its snapshot", known
                )
        else:
            yield _unstated(spec, content, f"left by {operation}: no statement knows its snapshot", whose)


def _deletes(content: Object) -> str:
    gone = content["spec"].get("deletionPolicy") == content_policy.DELETE
    return "; deleting its VolumeSnapshot would delete the data of both" if gone else ""


def _of_snapshots(spec: ApplicationSpec, found: Found, whose: Whose) -> Iterator[Orphan]:
    """VolumeSnapshots of captures that were killed before their contents were marked."""
    marked = {
        str((content["spec"].get("volumeSnapshotRef") or {}).get("uid"))
        for content in found.contents
        if label(content, OPERATION) or identity(content) in found.live
    }
    for snapshot in found.snapshots:
        operation, meta = label(snapshot, OPERATION), snapshot["metadata"]
        if operation and meta["uid"] not in marked and not whose.busy(operation) and whose(operation, spec.namespace):
            yield _unstated(spec, snapshot, f"left by {operation}: no statement knows it", whose)


def needed_elsewhere(obj: Object, left_by: Operation | None) -> str:
    """Why the data of a snapshot (or content) that no statement knows must not be freed; empty where it may be.

    ``left_by``: the operation that it carries, None where the journal does not know it. What was imported was cut by
    somebody else. What is marked as part of a point is free of it only where this journal knows that the capture came
    to nothing before it was recorded: a point that was recorded is known to its ledger, wherever that is.
    """
    if _imported(obj) and not _freeing(obj):
        return "it was imported, and the ledger of another cluster may need its snapshot"
    point = label(obj, POINT)
    if point and (left_by is None or left_by.state == FINISHED or left_by.entry(RECORD).state != TO_DO):
        return f"it is marked as part of {point}, which another ledger may have"
    return ""


def _imported(obj: Object) -> bool:
    source = obj["spec"].get("source") or {}
    return bool(source.get("snapshotHandle") or source.get("volumeSnapshotContentName"))


def _freeing(content: Object) -> bool:
    """Was it imported by us to be freed with its data?"""
    by = tail(label(content, OPERATION))
    deletes = content["spec"].get("deletionPolicy") == content_policy.DELETE
    return deletes and bool(by) and content["metadata"]["name"].endswith(f"-free-{by}")


# -- what restores left ------------------------------------------------------------------------------------------


def _of_helpers(spec: ApplicationSpec, found: Found, whose: Whose) -> Iterator[Orphan]:
    """Staged claims, throwaway copies and the pods on them."""
    for obj in [*found.pods, *found.claims]:
        operation = label(obj, OPERATION)
        helper = label(obj, _ROLE) in _HELPERS and label(obj, "app.kubernetes.io/managed-by") == "knowngood"
        if not helper or whose.busy(operation) or not whose(operation, spec.namespace):
            continue
        users = strangers(obj, found.pods) if obj["kind"] == PVC else []
        if users:
            shown = named(PVC, obj["metadata"]["name"], spec.namespace)
            why = f"left by {operation}, and mounted by {', '.join(users)}"
            yield Orphan(LEFTOVER, shown, why, next="delete it when those are gone", operation=operation)
        else:
            yield _removable(spec, obj, LEFTOVER, f"left by {operation}, which is not unfinished", {})


def strangers(claim: Object, pods: Iterable[Object]) -> list[str]:
    """The pods that mount a claim, but for those that a restore made for itself."""
    others = [pod for pod in pods if label(pod, _ROLE) not in _HELPERS]
    return mounting(others, claim["metadata"]["name"])


def _of_volumes(found: Found, whose: Whose) -> Iterator[Orphan]:
    """Volumes that restores retained. They may hold the only copy of some data: nothing here removes them."""
    for volume in found.volumes:
        phase = (volume.get("status") or {}).get("phase")
        shown = named(PV, volume["metadata"]["name"])
        if label(volume, KEPT) and phase != "Bound":
            operation, claim = annotation(volume, OPERATION), annotation(volume, CLAIM)
            if operation not in whose.operations and whose(operation, claim.partition("/")[0]):
                until = annotation(volume, KEEP_UNTIL) or "somebody frees it"
                why = f"kept for {claim} until {until}; the journal of {operation} is gone, so nothing can undo it"
                yield Orphan(KEPT_VOLUME, shown, why, next="restore state=expired frees it then", operation=operation)
            continue
        dummy, before, operation = annotation(volume, _POLICY).partition(" before ")
        back = volume["spec"].get("claimRef") or {}
        if not before or phase == "Bound" or whose.busy(operation):
            continue
        if whose(operation, str(back.get("namespace") or "")):
            why = f"retained by {operation} for {back.get('namespace')}/{back.get('name')}, and no claim has it"
            yield Orphan(VOLUME, shown, why, next="look at what it holds, then delete it yourself", operation=operation)


# -- removing ----------------------------------------------------------------------------------------------------


def _unstated(spec: ApplicationSpec, obj: Object, why: str, whose: Whose) -> Orphan:
    """With the step that frees it, unless another ledger may need it."""
    meta, operation = obj["metadata"], label(obj, OPERATION)
    needed = needed_elsewhere(obj, whose.operations.get(operation))
    if not needed:
        return _removable(spec, obj, SNAPSHOT, why, {})
    shown = named(obj["kind"], meta["name"], meta.get("namespace"))
    next_ = "look for the ledger that has it; if there is none, delete it yourself"
    return Orphan(SNAPSHOT, shown, f"{why}; {needed}", next=next_, point=label(obj, POINT), operation=operation)


def _removable(spec: ApplicationSpec, obj: Object, kind: str, why: str, points: Mapping[Handle, str]) -> Orphan:
    """With the step that removes it; a member of a group cannot be removed alone."""
    meta, operation = obj["metadata"], label(obj, OPERATION)
    status = obj.get("status") or {}
    if status.get("volumeGroupSnapshotHandle") or status.get("volumeGroupSnapshotName"):
        shown = named(obj["kind"], meta["name"], meta.get("namespace"))
        next_ = "the snapshots of a group go with it: delete its VolumeGroupSnapshot, with deletionPolicy Delete"
        return Orphan(kind, shown, f"{why}; it is one of a group", next=next_, operation=operation)
    content = obj["kind"] == snapshots.CONTENT
    frees = kind != DUPLICATE and obj["kind"] != POD
    shown = named(obj["kind"], meta["name"], meta.get("namespace"))
    params: dict[str, Json] = {
        "kind": obj["kind"],
        "name": meta["name"],
        "namespace": meta.get("namespace") or "",
        "uid": meta["uid"],
        "operation": operation,
        "frees": frees,
        "app_namespace": spec.namespace,
    }
    step = Step(f"remove {shown}", "volumes.remove_orphan", (shown,), params)
    point = points.get(identity(obj), "") if content else ""
    return Orphan(kind, shown, why, point=point, operation=operation, frees=frees, step=step)
