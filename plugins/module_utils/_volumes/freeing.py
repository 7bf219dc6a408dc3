# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Freeing the snapshots that a driver keeps.

A content that retains its snapshot never lets go of it by being deleted. Where its VolumeSnapshot is still there, the
policy is set to Delete and the VolumeSnapshot deleted; where it is gone, the handle is imported anew with Delete and
that pair deleted, which is the way the snapshot controller knows. Where even the namespace is gone, a content alone is
imported: one that was never bound is deleted by the driver's sidecar together with its snapshot. A snapshot of a group
goes with its whole group.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._cluster.waits import wait_gone
from .._core.errors import Conflict
from .._core.plan import Json
from . import content_policy, groups, snapshots
from . import snapshot_state as state
from .names import OPERATION, suffixed, tail
from .objects import Object, create, delete, label
from .tools import Tools
from .usage import handle_of, identity

_WAIT_S = 120.0
_FINALIZER = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"


def free_volumes(tools: Tools, namespace: str, volumes: Sequence[Mapping[str, Json]], operation_id: str) -> None:
    """Frees the snapshots of these volumes (as a statement has them) with every object that stands for them.

    Can be called again after a crash at any line. Raises Conflict where somebody else's content has the same snapshot.
    """
    there = tools.cluster.list(snapshots.CONTENT)
    in_namespace = tools.cluster.find("Namespace", namespace) is not None
    grouped: dict[str, list[Mapping[str, Json]]] = {}
    for volume in volumes:
        same = [content for content in there if identity(content) == handle_of(volume)]
        _refuse_foreign(volume, same)
        if volume.get("group_handle"):
            grouped.setdefault(str(volume["group_handle"]), []).append(volume)
        else:
            _free(tools, namespace, volume, same, operation_id, in_namespace)
    for members in grouped.values():
        _free_group(tools, namespace, members, operation_id, in_namespace)


def _refuse_foreign(volume: Mapping[str, Json], contents: Sequence[Object]) -> None:
    others = [
        content["metadata"]["name"]
        for content in contents
        if content["metadata"]["name"] != volume.get("content") and not label(content, OPERATION)
    ]
    if others:
        raise Conflict(
            f"the snapshot of claim {volume['claim']} is used by another content",
            where=", ".join(named(snapshots.CONTENT, name) for name in others),
            why="freeing it would take the data of that one as well",
            next="delete that content if it is not needed, then run the same task again",
        )


def _free(
    tools: Tools,
    namespace: str,
    volume: Mapping[str, Json],
    contents: Sequence[Object],
    operation_id: str,
    in_namespace: bool,
) -> None:
    pairs = [(content, bound_snapshot(tools, content)) for content in contents]
    for content, snapshot in pairs:
        if snapshot is None:
            delete_shell(tools, content)
    bound = [(content, snapshot) for content, snapshot in pairs if snapshot is not None]
    for content, snapshot in bound[1:]:  # two with Delete on one handle would race for it
        drop(tools, content, snapshot)
    if bound:
        content, snapshot = bound[0]
        snapshots.free(tools, snapshot, content)
        return
    name = suffixed(str(volume["claim"]), f"free-{tail(operation_id)}")
    if in_namespace:
        labels = owned_by(operation_id)
        made = snapshots.import_pair(tools, namespace, name, volume, labels, policy=content_policy.DELETE, ready=False)
        snapshots.free(tools, made, tools.cluster.get(snapshots.CONTENT, name))
    else:
        _free_unbound(tools, namespace, name, volume, operation_id)


def bound_snapshot(tools: Tools, content: Object) -> Object | None:
    """The VolumeSnapshot that a content is bound to; None where it is gone."""
    ref = content["spec"].get("volumeSnapshotRef") or {}
    snapshot = tools.cluster.find(snapshots.SNAPSHOT, ref.get("name", ""), ref.get("namespace", ""))
    return snapshot if snapshot is not None and state.points_to(content, snapshot) else None


def delete_shell(tools: Tools, content: Object) -> None:
    """Removes a content whose snapshot object is gone; the physical snapshot stays."""
    meta = content["metadata"]
    content_policy.set_policy(tools, snapshots.CONTENT, meta["name"], meta["uid"], content_policy.RETAIN)
    delete(tools, snapshots.CONTENT, meta["name"], None, meta["uid"])


def drop(tools: Tools, content: Object, snapshot: Object) -> None:
    """Removes a content with its snapshot object; the physical snapshot stays."""
    meta, inner = snapshot["metadata"], content["metadata"]
    content_policy.set_policy(tools, snapshots.CONTENT, inner["name"], inner["uid"], content_policy.RETAIN)
    delete(tools, snapshots.SNAPSHOT, meta["name"], meta["namespace"], meta["uid"])
    delete_shell(tools, content)


def _free_unbound(tools: Tools, namespace: str, name: str, volume: Mapping[str, Json], operation_id: str) -> None:
    """Imports the handle without a VolumeSnapshot and deletes it.

    It is made with the finalizer that the driver's sidecar takes off once it has deleted the snapshot: nobody puts it
    on a content that was never bound, and without it the object would be gone before the sidecar saw it go.
    """
    there = tools.cluster.find(snapshots.CONTENT, name)
    if there is None:
        there = create(
            tools,
            {
                "apiVersion": "snapshot.storage.k8s.io/v1",
                "kind": snapshots.CONTENT,
                "metadata": {
                    "name": name,
                    "labels": owned_by(operation_id),
                    "annotations": dict(volume.get("deletion_secret") or {}),
                    "finalizers": [_FINALIZER],
                },
                "spec": {
                    "driver": volume["driver"],
                    "deletionPolicy": content_policy.DELETE,
                    "source": {"snapshotHandle": volume["snapshot_handle"]},
                    "sourceVolumeMode": volume["mode"],
                    "volumeSnapshotRef": {"name": name, "namespace": namespace},
                },
            },
        )
    delete(tools, snapshots.CONTENT, name, None, there["metadata"]["uid"], timeout_s=_WAIT_S)


def _free_group(
    tools: Tools, namespace: str, members: Sequence[Mapping[str, Json]], operation_id: str, in_namespace: bool
) -> None:
    api, first = groups.needed(tools.cluster), members[0]
    group = tools.cluster.find(api.group, str(first.get("group") or ""), namespace) if in_namespace else None
    content = tools.cluster.find(api.content, str(first.get("group_content") or ""))
    if group is not None and content is not None and groups.is_bound(group, content):
        groups.free(tools, api, group)
        return
    if not in_namespace:
        raise Conflict(
            f"the group of snapshots {first['group_handle']} cannot be freed",
            where=f"namespace {namespace}",
            why="its namespace is gone, and the snapshots of a group go with a VolumeGroupSnapshot alone",
            next=f"kubectl create namespace {namespace}, then run the same task again",
        )
    name = suffixed(str(first["claim"]), f"free-{tail(operation_id)}")
    handles = {handle_of(volume) for volume in members}
    for shell in tools.cluster.list(snapshots.CONTENT):
        if identity(shell) in handles and bound_snapshot(tools, shell) is None:
            delete_shell(tools, shell)
    if content is not None:
        _drop_group_content(tools, api, content)
    imported = groups.import_group(tools, api, namespace, name, members, operation_id)
    if imported is not None:  # else the driver has none such: an earlier run that died had freed it
        groups.free(tools, api, imported)


def _drop_group_content(tools: Tools, api: groups.GroupApi, content: Object) -> None:
    """Removes the content of a group whose object is gone; what the driver has stays."""
    meta = content["metadata"]
    content_policy.set_policy(tools, api.content, meta["name"], meta["uid"], content_policy.RETAIN)
    again = tools.cluster.get(api.content, meta["name"])
    version = again["metadata"]["resourceVersion"]
    tools.cluster.delete(api.content, meta["name"], None, uid=meta["uid"], resource_version=version)
    wait_gone(tools.cluster, api.content, meta["name"], None, meta["uid"], timeout_s=_WAIT_S, clock=tools.clock)
