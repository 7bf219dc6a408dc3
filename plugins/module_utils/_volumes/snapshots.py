# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making, importing and freeing snapshots in the cluster.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .._cluster.amend import amend, read
from .._cluster.kinds import named
from .._cluster.waits import wait_gone, wait_until
from .._core.errors import Conflict, NotProven, TimedOut
from .._core.plan import Json
from . import snapshot_state as state
from .names import OPERATION
from .objects import Object, create, delete, label, ref
from .tools import Tools, in_parallel

SNAPSHOT, CONTENT = "VolumeSnapshot", "VolumeSnapshotContent"
RETAIN, DELETE = "Retain", "Delete"
_LOOK_S = 2.0
_STEP = "look at the snapshot controller and the driver's csi-snapshotter: kubectl describe volumesnapshot"


def snapshot_of(claim: str, namespace: str, name: str, snapshot_class: str, labels: Mapping[str, str]) -> Object:
    """The manifest of a snapshot of a claim."""
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": SNAPSHOT,
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "volumeSnapshotClassName": snapshot_class,
            "source": {"persistentVolumeClaimName": claim},
        },
    }


def wait_cut(tools: Tools, namespace: str, snapshots: Mapping[str, Object], selector: str, timeout_s: float) -> None:
    """One watch on the contents of the wave until the driver has cut them all.

    Raises NotProven for an error that no retry cures, TimedOut with what each snapshot said last.
    """
    uids = {snapshot["metadata"]["uid"]: claim for claim, snapshot in snapshots.items()}

    def check(contents: Mapping[str, Object]) -> str:
        cut, said = set(), []
        for content in contents.values():
            uid = (content["spec"].get("volumeSnapshotRef") or {}).get("uid")
            if uid in uids:
                cut |= {uid} if state.is_cut(content) else set()
                said += [f"{uids[uid]}: {state.error(content)}"] if state.error(content) else []
        left = sorted(claim for uid, claim in uids.items() if uid not in cut)
        return "; ".join([f"not cut yet: {', '.join(left)}", *said]) if left else ""

    deadline = tools.clock.monotonic() + timeout_s
    while True:
        left = deadline - tools.clock.monotonic()
        try:
            wait_until(
                tools.cluster,
                CONTENT,
                None,
                check,
                what=f"{len(uids)} snapshots to be cut",
                timeout_s=max(0.0, min(_LOOK_S, left)),
                clock=tools.clock,
                next=_STEP,
            )
            return
        except TimedOut as error:
            # A snapshot that the controller refused never gets a content: only the snapshot itself says so.
            there = tools.cluster.list(SNAPSHOT, namespace, selector=selector)
            _raise_final(there)
            if left <= _LOOK_S:
                error.why = "; ".join([f"after {timeout_s:g} s: {error.why.partition(': ')[2]}", *_errors(there)])
                raise


def wait_ready(
    tools: Tools, namespace: str, names: Sequence[str], timeout_s: float, *, selector: str = "", field: str = ""
) -> dict[str, Object]:
    """One watch until these snapshots can be restored from. Returns them by name."""

    def check(snapshots: Mapping[str, Object]) -> str:
        _raise_final([snapshots[name] for name in names if name in snapshots])
        left = [name for name in names if name not in snapshots or not state.is_ready(snapshots[name])]
        return "; ".join([f"not ready yet: {', '.join(left)}", *_errors(snapshots.values())]) if left else ""

    return wait_until(
        tools.cluster,
        SNAPSHOT,
        namespace,
        check,
        what=f"{len(names)} snapshots to be ready",
        timeout_s=timeout_s,
        clock=tools.clock,
        selector=selector,
        field=field,
        next=_STEP,
    )


def content_of(tools: Tools, snapshot: Object) -> Object:
    """The content a snapshot is bound to, both ways. Raises NotProven when it is not."""
    meta = snapshot["metadata"]
    name = state.status(snapshot).get("boundVolumeSnapshotContentName")
    content = tools.cluster.find(CONTENT, name) if name else None
    if content is None or not state.bound(snapshot, content):
        raise NotProven(
            f"{named(SNAPSHOT, meta['name'], meta['namespace'])} is not bound both ways",
            why=f"it names the content {name or 'none'}, which does not name this snapshot with its uid",
            next="do not use it: somebody may have put another snapshot in its place",
        )
    return content


def import_pair(
    tools: Tools,
    namespace: str,
    name: str,
    volume: Mapping[str, Json],
    labels: Mapping[str, str],
    *,
    policy: str = RETAIN,
    timeout_s: float = 120.0,
    ready: bool = True,
) -> Object:
    """A snapshot and a content of this name for a snapshot that the driver has. Returns the snapshot.

    ``volume``: as a ``captured`` statement holds it (``driver``, ``snapshot_handle``, ``snapshot_class``, ``mode``,
    ``deletion_secret``). Made again after a crash it is the same pair. That the driver calls it ready is no proof that
    it exists: only a restore is.
    """
    meta: Object = {"name": name, "labels": dict(labels), "annotations": dict(volume.get("deletion_secret") or {})}
    spec: Object = {
        "driver": volume["driver"],
        "deletionPolicy": policy,
        "source": {"snapshotHandle": volume["snapshot_handle"]},
        "sourceVolumeMode": volume["mode"],
        "volumeSnapshotRef": {"name": name, "namespace": namespace},
    }
    if volume.get("snapshot_class"):
        spec["volumeSnapshotClassName"] = volume["snapshot_class"]
    api = "snapshot.storage.k8s.io/v1"
    create(tools, {"apiVersion": api, "kind": CONTENT, "metadata": meta, "spec": spec})
    snapshot = create(
        tools,
        {
            "apiVersion": api,
            "kind": SNAPSHOT,
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
            "spec": {"source": {"volumeSnapshotContentName": name}},
        },
    )
    field = f"metadata.name={name}"
    if ready:
        snapshot = wait_ready(tools, namespace, [name], timeout_s, field=field)[name]
        content_of(tools, snapshot)
        return snapshot
    _wait_bound(tools, name, snapshot, timeout_s)
    return snapshot


def _wait_bound(tools: Tools, name: str, snapshot: Object, timeout_s: float) -> None:
    wait_until(
        tools.cluster,
        CONTENT,
        None,
        lambda seen: "" if name in seen and state.points_to(seen[name], snapshot) else "not bound yet",
        what=f"{named(CONTENT, name)} to be bound",
        timeout_s=timeout_s,
        clock=tools.clock,
        field=f"metadata.name={name}",
        next=_STEP,
    )


def drop_pair(tools: Tools, namespace: str, name: str, operation_id: str) -> None:
    """Removes an imported pair; the physical snapshot stays. What another made under the name is left alone."""
    for kind, where in ((SNAPSHOT, namespace), (CONTENT, None)):
        found = tools.cluster.find(kind, name, where)
        if found is not None and label(found, OPERATION) == operation_id:
            delete(tools, kind, name, where, found["metadata"]["uid"], check=_keeps_physical)


def _keeps_physical(obj: Object) -> None:
    if obj["kind"] == CONTENT and obj["spec"]["deletionPolicy"] != RETAIN:
        raise Conflict(
            f"{named(CONTENT, obj['metadata']['name'])} would take the physical snapshot with it",
            why="its deletionPolicy was changed to Delete since it was made",
            next="set it to Retain and run the same task again",
        )


def set_policy(tools: Tools, content: Object, policy: str, labels: Mapping[str, str] | None = None) -> Object:
    """Sets the deletionPolicy (and labels), and looks that it was taken."""
    wanted = dict(labels or {})

    def change(obj: Object) -> Object | None:
        right = all(label(obj, key) == value for key, value in wanted.items())
        if right and obj["spec"]["deletionPolicy"] == policy:
            return None
        return {"spec": {"deletionPolicy": policy}, "metadata": {"labels": wanted}}

    amend(tools.cluster, ref(content), change)
    again = read(tools.cluster, ref(content))
    if again["spec"]["deletionPolicy"] != policy:
        raise NotProven(f"{named(CONTENT, content['metadata']['name'])} did not keep deletionPolicy {policy}")
    return again


def free(tools: Tools, snapshot: Object, content: Object, *, timeout_s: float = 120.0) -> None:
    """Deletes a bound snapshot so that the driver deletes the physical one, and waits until the content is gone."""
    set_policy(tools, content, DELETE)
    meta, inner = snapshot["metadata"], content["metadata"]
    delete(tools, SNAPSHOT, meta["name"], meta["namespace"], meta["uid"], timeout_s=timeout_s)
    wait_gone(tools.cluster, CONTENT, inner["name"], None, inner["uid"], timeout_s=timeout_s, clock=tools.clock)


def discard(tools: Tools, namespace: str, selector: str) -> int:
    """Deletes the snapshots of a selector with their contents and physical snapshots. Returns how many there were."""
    found = tools.cluster.list(SNAPSHOT, namespace, selector=selector)
    in_parallel(lambda snapshot: _discard_one(tools, snapshot), found)
    return len(found)


def _discard_one(tools: Tools, snapshot: Object) -> None:
    meta = snapshot["metadata"]
    # The content of a dynamic snapshot has this name from the start; the snapshot learns it a moment later.
    name = state.status(snapshot).get("boundVolumeSnapshotContentName") or f"snapcontent-{meta['uid']}"
    content = tools.cluster.find(CONTENT, name)
    if content is not None and state.points_to(content, snapshot):
        free(tools, snapshot, content)
    else:
        delete(tools, SNAPSHOT, meta["name"], meta["namespace"], meta["uid"])


def _raise_final(snapshots: Sequence[Object]) -> None:
    for snapshot in snapshots:
        why = state.final_error(snapshot)
        if why:
            meta = snapshot["metadata"]
            where = named(SNAPSHOT, meta["name"], meta["namespace"])
            raise NotProven("a snapshot cannot be made", where=where, why=why)


def _errors(snapshots: Iterable[Object]) -> list[str]:
    return [f"{s['metadata']['name']}: {state.error(s)}" for s in snapshots if state.error(s)]
