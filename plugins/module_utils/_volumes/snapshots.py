# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making, importing and freeing snapshots in the cluster.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from .._cluster.client import Cluster
from .._cluster.kinds import named
from .._cluster.waits import follow, wait_until
from .._core.errors import Conflict, NotProven, TimedOut
from .._core.plan import Json
from . import content_policy, groups
from . import snapshot_state as state
from .names import GROUP_CONTENT, OPERATION
from .objects import Object, annotation, create, delete, label
from .tools import Tools, in_parallel

SNAPSHOT, CONTENT = "VolumeSnapshot", "VolumeSnapshotContent"
_SINGLE_READS = 8
_BEING_CREATED = "snapshot.storage.kubernetes.io/volumesnapshot-being-created"
_WAIT_OUT_S = 60.0
_PROVISIONER = "provisioner.storage.kubernetes.io/volumesnapshot-as-source-protection"
LOOK = "look at the snapshot controller and the driver's csi-snapshotter: kubectl describe volumesnapshot"


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


def wait_ready(
    tools: Tools,
    namespace: str,
    names: Sequence[str],
    timeout_s: float,
    *,
    selector: str = "",
    field: str = "",
    each: Callable[[Object], None] = lambda snapshot: None,
) -> dict[str, Object]:
    """One watch until these snapshots can be restored from. Returns them by name; ``each`` is told one by one."""
    wanted, seen, ready = set(names), dict[str, Object](), dict[str, Object]()

    def take(snapshot: Object, deleted: bool) -> None:
        name = snapshot["metadata"]["name"]
        if name not in wanted:
            return
        before = ready.pop(name, None)
        seen.pop(name, None)
        if deleted:
            return
        raise_final([snapshot])
        seen[name] = snapshot
        if state.is_ready(snapshot):
            ready[name] = snapshot
            if before is None:
                each(snapshot)

    follow(
        tools.cluster,
        SNAPSHOT,
        namespace,
        take,
        done=lambda: len(ready) == len(wanted),
        timeout_s=timeout_s,
        clock=tools.clock,
        selector=selector,
        field=field,
    )
    left = [name for name in names if name not in ready]
    if left:
        what, where = f"timed out waiting for {len(names)} snapshots to be ready", named(SNAPSHOT, "*", namespace)
        said = "; ".join([f"not ready yet: {', '.join(left)}", *errors(seen.values())])
        raise TimedOut(what, where=where, why=f"after {timeout_s:g} s: {said}", next=LOOK)
    return ready


def contents(cluster: Cluster, names: Iterable[str]) -> dict[str, Object]:
    """The contents of these names that exist: singly while they are few, else one list."""
    wanted = sorted(set(names))
    if len(wanted) > _SINGLE_READS:
        there = {content["metadata"]["name"]: content for content in cluster.list(CONTENT)}
        return {name: there[name] for name in wanted if name in there}
    found = ((name, cluster.find(CONTENT, name)) for name in wanted)
    return {name: content for name, content in found if content is not None}


def content_of(tools: Tools, snapshot: Object) -> Object:
    """The content a snapshot is bound to, both ways. Raises NotProven when it is not."""
    name = state.status(snapshot).get("boundVolumeSnapshotContentName")
    return bound_both_ways(snapshot, tools.cluster.find(CONTENT, name) if name else None)


def bound_both_ways(snapshot: Object, content: Object | None) -> Object:
    """The content, when it and the snapshot name each other. Raises NotProven when they do not."""
    if content is None or not state.bound(snapshot, content):
        meta = snapshot["metadata"]
        name = state.status(snapshot).get("boundVolumeSnapshotContentName")
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
    policy: str = content_policy.RETAIN,
    timeout_s: float = 120.0,
    ready: bool = True,
) -> Object:
    """A snapshot and a content of this name for a snapshot that the driver has. Returns the snapshot.

    ``volume``: as a ``captured`` statement holds it (``driver``, ``snapshot_handle``, ``snapshot_class``, ``mode``,
    ``deletion_secret``). Made again after a crash it is the same pair. That the driver calls it ready is no proof that
    it exists: only a restore is. For a member of a group (``group_handle``) the snapshot controller looks for a content
    of that group before it calls anything ready: where there is none, one is made beside the pair.
    """
    beside = {GROUP_CONTENT: name} if _group_content_made(tools, namespace, name, volume, labels) else {}
    notes = {**(volume.get("deletion_secret") or {}), **beside}
    meta: Object = {"name": name, "labels": dict(labels), "annotations": notes}
    spec: Object = {
        "driver": volume["driver"],
        "deletionPolicy": policy,
        "source": {"snapshotHandle": volume["snapshot_handle"]},
        "sourceVolumeMode": volume["mode"],
        "volumeSnapshotRef": {"name": name, "namespace": namespace},
    }
    if _class_there(tools, volume):
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


def _class_there(tools: Tools, volume: Mapping[str, Json]) -> bool:
    """Has the cluster the class that it was captured with? A content whose class is not found is never made ready."""
    name = volume.get("snapshot_class")
    found = tools.cluster.list("VolumeSnapshotClass", field=f"metadata.name={name}") if name else []
    return any(one["driver"] == volume["driver"] for one in found)


def _group_content_made(
    tools: Tools, namespace: str, name: str, volume: Mapping[str, Json], labels: Mapping[str, str]
) -> bool:
    """Makes a content for the group of a member, where there is none but perhaps one that this operation made."""
    if not volume.get("group_handle"):
        return False
    api = groups.needed(tools.cluster)
    found = [c for c in tools.cluster.list(api.content) if groups.handle(c) == volume["group_handle"]]
    if any(label(content, OPERATION) != labels[OPERATION] for content in found):
        return False
    groups.import_content(tools, api, namespace, name, [volume], labels[OPERATION])
    return True


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
        next=LOOK,
    )


def drop_pair(tools: Tools, namespace: str, name: str, operation_id: str) -> None:
    """Removes an imported pair; the physical snapshot stays. What another made under the name is left alone."""
    for kind, where in ((SNAPSHOT, namespace), (CONTENT, None)):
        found = tools.cluster.find(kind, name, where)
        if found is not None and label(found, OPERATION) == operation_id:
            _drop_group_content(tools, found)
            delete(tools, kind, name, where, found["metadata"]["uid"], check=_keeps_physical)


def _drop_group_content(tools: Tools, content: Object) -> None:
    """The content of a group that was made for an imported member goes before the member's own."""
    name = annotation(content, GROUP_CONTENT)
    if name:
        api = groups.needed(tools.cluster)
        found = tools.cluster.find(api.content, name)
        if found is not None and label(found, OPERATION) == label(content, OPERATION):
            delete(tools, api.content, name, None, found["metadata"]["uid"], check=_keeps_physical)


def _keeps_physical(obj: Object) -> None:
    if obj["kind"] != SNAPSHOT and obj["spec"]["deletionPolicy"] != content_policy.RETAIN:
        raise Conflict(
            f"{named(CONTENT, obj['metadata']['name'])} would take the physical snapshot with it",
            why="its deletionPolicy was changed to Delete since it was made",
            next="set it to Retain and run the same task again",
        )


def held_by_provisioner(snapshot: Object) -> bool:
    """Whether a snapshot is deleted but for external-provisioner, which lets go only when it makes a claim of it."""
    meta = snapshot["metadata"]
    return bool(meta.get("deletionTimestamp")) and meta.get("finalizers") == [_PROVISIONER]


def free(tools: Tools, snapshot: Object, content: Object, *, timeout_s: float = 120.0) -> None:
    """Deletes a bound snapshot so that the driver deletes the physical one, and waits until both objects are gone.

    A VolumeSnapshot may stay that only external-provisioner holds, which forgets its finalizer where a claim that was
    to be made from the snapshot failed and was deleted. With its content gone it stands for nothing.
    """
    meta, inner = snapshot["metadata"], content["metadata"]
    content_policy.set_policy(tools, CONTENT, inner["name"], inner["uid"], content_policy.DELETE)
    name, uid = meta["name"], meta["uid"]
    delete(tools, SNAPSHOT, name, meta["namespace"], uid, timeout_s=timeout_s, wait=False)

    def check(there: Mapping[str, Object]) -> str:
        found = there.get(name)
        if found is None or found["metadata"]["uid"] != uid:
            return ""
        held_by = ", ".join(found["metadata"].get("finalizers") or []) or "nothing"
        return "" if held_by_provisioner(found) else f"it is still there, held by: {held_by}"

    wait_until(
        tools.cluster,
        SNAPSHOT,
        meta["namespace"],
        check,
        what=f"{named(SNAPSHOT, name, meta['namespace'])} to be gone",
        timeout_s=timeout_s,
        clock=tools.clock,
        field=f"metadata.name={name}",
    )
    content_policy.delete_left(tools, CONTENT, inner["name"], inner["uid"], timeout_s=timeout_s)


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
        _wait_out(tools, content)
        free(tools, snapshot, content)
    else:
        delete(tools, SNAPSHOT, meta["name"], meta["namespace"], meta["uid"])


def _wait_out(tools: Tools, content: Object) -> None:
    """Until the driver has made the snapshot or refused to, for a while.

    A snapshot that is deleted while a call to make it is still tried again hangs till the controller looks at
    everything anew, a quarter of an hour later.
    """
    name, uid = content["metadata"]["name"], content["metadata"]["uid"]

    def check(there: Mapping[str, Object]) -> str:
        found = there.get(name)
        made = found is None or found["metadata"]["uid"] != uid or not annotation(found, _BEING_CREATED)
        return "" if made else "the driver is still asked to make it"

    with suppress(TimedOut):
        wait_until(
            tools.cluster,
            CONTENT,
            None,
            check,
            what=named(CONTENT, name),
            timeout_s=_WAIT_OUT_S,
            clock=tools.clock,
            field=f"metadata.name={name}",
        )


def raise_final(snapshots: Sequence[Object]) -> None:
    for snapshot in snapshots:
        why = state.final_error(snapshot)
        if why:
            meta = snapshot["metadata"]
            where = named(SNAPSHOT, meta["name"], meta["namespace"])
            raise NotProven("a snapshot cannot be made", where=where, why=why)


def errors(snapshots: Iterable[Object]) -> list[str]:
    return [f"{s['metadata']['name']}: {state.error(s)}" for s in snapshots if state.error(s)]
