# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Group snapshots: several volumes of one driver cut by one request.

The API has three versions, of which a server may serve any; the newest served one is spoken, found by discovery. The
claims of a group are chosen by a label, which is theirs only as long as the cut takes. While a group exists its members
cannot be deleted one by one, and the driver deletes them only with the group: freeing is of the whole group.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._cluster.client import Cluster, owned_by
from .._cluster.kinds import KINDS, Kind, named
from .._cluster.waits import follow, position, wait_until
from .._core.errors import BadInput, Conflict, NotFound, TimedOut
from .._core.plan import Json
from . import content_policy
from . import snapshot_state as state
from .names import CAPTURE, OPERATION, suffixed, tail
from .objects import Object, delete, label
from .tools import Tools, in_parallel

API_GROUP = "groupsnapshot.storage.k8s.io"
VERSIONS = ("v1", "v1beta2", "v1beta1")
"""Newest first. The fields that are used here are the same in all of them."""
DEFAULT_CLASS = "groupsnapshot.storage.kubernetes.io/is-default-class"
_HELD = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-bound-protection"
_PVC = "PersistentVolumeClaim"
_TRIES = 6
_NEXT = "look at the snapshot controller and the driver's csi-snapshotter (feature gate CSIVolumeGroupSnapshot)"


@dataclass(frozen=True, slots=True)
class GroupApi:
    """The group snapshot API in one version."""

    version: str

    @property
    def group(self) -> Kind:
        return Kind("VolumeGroupSnapshot", API_GROUP, self.version, "volumegroupsnapshots")

    @property
    def content(self) -> Kind:
        return Kind("VolumeGroupSnapshotContent", API_GROUP, self.version, "volumegroupsnapshotcontents", False)

    @property
    def group_class(self) -> Kind:
        return Kind("VolumeGroupSnapshotClass", API_GROUP, self.version, "volumegroupsnapshotclasses", False)


def served(cluster: Cluster) -> GroupApi | None:
    """The newest version that the server has; None where it has none. One request."""
    try:
        found = cluster.call("GET", f"/apis/{API_GROUP}", where=f"API group {API_GROUP}")
    except NotFound:
        return None
    there = {item["version"] for item in found.get("versions") or []}
    return next((GroupApi(version) for version in VERSIONS if version in there), None)


def needed(cluster: Cluster) -> GroupApi:
    """As :func:`served`. Raises BadInput where the server has none."""
    api = served(cluster)
    if api is None:
        raise BadInput(
            "the cluster cannot make group snapshots",
            where=cluster.server,
            why=f"it does not serve {API_GROUP}",
            next="install the group snapshot CRDs of kubernetes-csi/external-snapshotter, or set group: never",
        )
    return api


def content_name(group: Object) -> str:
    """The content of a group: what it names, else the name that the controller gives it."""
    bound = state.status(group).get("boundVolumeGroupSnapshotContentName")
    return str(bound or f"groupsnapcontent-{group['metadata']['uid']}")


def handle(content: Object) -> str:
    """The driver's id of the group; empty while it is not cut."""
    given = (content["spec"]["source"].get("groupSnapshotHandles") or {}).get("volumeGroupSnapshotHandle")
    return str(state.status(content).get("volumeGroupSnapshotHandle") or given or "")


def is_bound(group: Object, content: Object) -> bool:
    """Both ways: the group names the content, and the content the group with its uid."""
    ref, meta = content["spec"].get("volumeGroupSnapshotRef") or {}, group["metadata"]
    points = (ref.get("name"), ref.get("namespace"), ref.get("uid")) == (meta["name"], meta["namespace"], meta["uid"])
    named_so = state.status(group).get("boundVolumeGroupSnapshotContentName") == content["metadata"]["name"]
    return points and named_so


def members_of(group: Object, snapshots: Sequence[Object]) -> dict[str, Object]:
    """The group's VolumeSnapshots by claim: those that it owns."""
    uid = group["metadata"]["uid"]
    return {
        str(snapshot["spec"]["source"].get("persistentVolumeClaimName") or ""): snapshot
        for snapshot in snapshots
        if any(owner["uid"] == uid for owner in snapshot["metadata"].get("ownerReferences") or [])
    }


# -- making ------------------------------------------------------------------------------------------------------


def cut(
    tools: Tools,
    api: GroupApi,
    namespace: str,
    group_class: str,
    volumes: Sequence[Mapping[str, Json]],
    operation_id: str,
    number: int,
    timeout_s: float,
) -> tuple[Object, Object]:
    """One group snapshot of these claims; returns it and its content as soon as the driver has cut it.

    ``number`` tells the groups of one operation apart. Raises TimedOut with the last error of the group.
    """
    mark = f"{operation_id}.{number}"
    _label_claims(tools, namespace, volumes, mark)
    version = position(tools.cluster, api.content)
    group = _create(
        tools,
        {
            "apiVersion": api.group.api_version,
            "kind": api.group.kind,
            "metadata": {
                "name": suffixed(volumes[0]["claim"], f"group-{tail(operation_id)}-{number}"),
                "namespace": namespace,
                "labels": owned_by(operation_id),
            },
            "spec": {
                "volumeGroupSnapshotClassName": group_class,
                "source": {"selector": {"matchLabels": {CAPTURE: mark}}},
            },
        },
        api.group,
    )
    return group, _wait_cut(tools, api, group, version, timeout_s)


def _label_claims(tools: Tools, namespace: str, volumes: Sequence[Mapping[str, Json]], mark: str) -> None:
    def one(volume: Mapping[str, Json]) -> None:
        body: Object = {"metadata": {"labels": {CAPTURE: mark}}}
        tools.cluster.patch(_PVC, volume["claim"], namespace, body, uid=volume["claim_uid"])

    in_parallel(one, volumes)


def unlabel_claims(tools: Tools, namespace: str, operation_id: str) -> int:
    """Takes this operation's mark off all claims that have it. Returns how many had."""
    found = [
        claim
        for claim in tools.cluster.list(_PVC, namespace, selector=CAPTURE)
        if label(claim, CAPTURE).rpartition(".")[0] == operation_id
    ]

    def one(claim: Object) -> None:
        meta = claim["metadata"]
        body: Object = {"metadata": {"labels": {CAPTURE: None}}}
        tools.cluster.patch(_PVC, meta["name"], namespace, body, uid=meta["uid"])

    in_parallel(one, found)
    return len(found)


def _create(tools: Tools, manifest: Object, kind: Kind) -> Object:
    """As ``objects.create``, for a kind whose version is found by discovery."""
    meta = manifest["metadata"]
    try:
        return tools.cluster.create(manifest)
    except Conflict:
        there = tools.cluster.get(kind, meta["name"], meta.get("namespace"))
        if label(there, OPERATION) != meta["labels"][OPERATION] or there["metadata"].get("deletionTimestamp"):
            raise
        return there


def _wait_cut(tools: Tools, api: GroupApi, group: Object, version: str, timeout_s: float) -> Object:
    found: dict[str, Object] = {}
    uid, meta = group["metadata"]["uid"], group["metadata"]

    def take(content: Object, deleted: bool) -> None:
        if (content["spec"].get("volumeGroupSnapshotRef") or {}).get("uid") == uid and not deleted:
            found["content"] = content

    def is_cut() -> bool:
        return "content" in found and bool(state.status(found["content"]).get("volumeGroupSnapshotHandle"))

    follow(tools.cluster, api.content, None, take, done=is_cut, timeout_s=timeout_s, clock=tools.clock, version=version)
    if is_cut():
        return found["content"]
    now = tools.cluster.find(api.group, meta["name"], meta["namespace"]) or group
    said = [text for text in (state.error(now), state.error(found["content"]) if found else "") if text]
    raise TimedOut(
        "timed out waiting for a group snapshot to be cut",
        where=named(api.group.kind, meta["name"], meta["namespace"]),
        why=f"after {timeout_s:g} s: {'; '.join(said) or 'it says nothing'}",
        next=_NEXT,
    )


def wait_members(
    tools: Tools, api: GroupApi, group: Object, claims: Sequence[str], timeout_s: float
) -> tuple[Object, dict[str, Object]]:
    """Waits until the group is bound and there is a ready snapshot of each claim; returns it and them, by claim."""
    meta, snapshot = group["metadata"], KINDS["VolumeSnapshot"]
    deadline = tools.clock.monotonic() + timeout_s
    found: dict[str, Object] = {}

    def check(seen: Mapping[str, Object]) -> str:
        found.clear()
        found.update(members_of(group, list(seen.values())))
        left = [claim for claim in claims if claim not in found or not state.is_ready(found[claim])]
        said = [f"{claim}: {state.error(member)}" for claim, member in found.items() if state.error(member)]
        return "; ".join([f"not ready yet: {', '.join(left)}", *said]) if left else ""

    what = f"the {len(claims)} members of group snapshot {meta['name']} to be ready"
    wait_until(
        tools.cluster, snapshot, meta["namespace"], check, what=what, timeout_s=timeout_s, clock=tools.clock, next=_NEXT
    )

    def ready(seen: Mapping[str, Object]) -> str:
        now = seen.get(meta["name"])
        return "" if now is not None and state.is_ready(now) else "not ready yet"

    seen = wait_until(
        tools.cluster,
        api.group,
        meta["namespace"],
        ready,
        what=f"group snapshot {meta['name']} to be ready",
        timeout_s=max(1.0, deadline - tools.clock.monotonic()),
        clock=tools.clock,
        field=f"metadata.name={meta['name']}",
        next=_NEXT,
    )
    return seen[meta["name"]], found


# -- keeping and freeing -----------------------------------------------------------------------------------------


def free(tools: Tools, api: GroupApi, group: Object, *, timeout_s: float = 120.0) -> None:
    """Deletes a group so that the driver deletes it with all members, and waits until its content is gone.

    A group that has a content is waited for until it names it and the snapshot controller holds it by its finalizer:
    deleted before that it is gone at once, nobody tells the driver's sidecar, and the content stays for ever.
    """
    meta = group["metadata"]
    content = tools.cluster.find(api.content, content_name(group))
    freed: list[tuple[str | Kind, str, str]] = []
    if content is not None:
        _wait_held(tools, api, group, timeout_s)
        freed = [*_contents_of_members(tools, group), (api.content, *_name_and_uid(content))]
        in_parallel(lambda one: content_policy.set_policy(tools, *one, content_policy.DELETE), freed)
    delete(tools, api.group, meta["name"], meta["namespace"], meta["uid"], timeout_s=timeout_s)
    in_parallel(lambda one: content_policy.delete_left(tools, *one, timeout_s=timeout_s), freed)


def _name_and_uid(content: Object) -> tuple[str, str]:
    return content["metadata"]["name"], content["metadata"]["uid"]


def _wait_held(tools: Tools, api: GroupApi, group: Object, timeout_s: float) -> None:
    meta = group["metadata"]

    def held(seen: Mapping[str, Object]) -> str:
        now = seen.get(meta["name"])
        if now is None or now["metadata"]["uid"] != meta["uid"]:
            return ""
        if not state.status(now).get("boundVolumeGroupSnapshotContentName"):
            return "not bound yet"
        return "" if _HELD in (now["metadata"].get("finalizers") or []) else f"without the finalizer {_HELD} yet"

    wait_until(
        tools.cluster,
        api.group,
        meta["namespace"],
        held,
        what=f"{named(api.group.kind, meta['name'], meta['namespace'])} to be bound and held",
        timeout_s=timeout_s,
        clock=tools.clock,
        field=f"metadata.name={meta['name']}",
        next=_NEXT,
    )


def _contents_of_members(tools: Tools, group: Object) -> list[tuple[str | Kind, str, str]]:
    """They go with their snapshots; the driver deletes the data with the group alone."""
    members = members_of(group, tools.cluster.list("VolumeSnapshot", group["metadata"]["namespace"]))

    def one(snapshot: Object) -> Object | None:
        name = state.status(snapshot).get("boundVolumeSnapshotContentName")
        content = tools.cluster.find("VolumeSnapshotContent", name) if name else None
        return content if content is not None and state.points_to(content, snapshot) else None

    found = in_parallel(one, members.values())
    return [("VolumeSnapshotContent", *_name_and_uid(content)) for content in found if content is not None]


def import_content(
    tools: Tools, api: GroupApi, namespace: str, name: str, volumes: Sequence[Mapping[str, Json]], operation_id: str
) -> Object:
    """A content (Retain) for a group that the driver has. ``volumes``: all its members, as their statement has them."""
    first = volumes[0]
    return _create(
        tools,
        {
            "apiVersion": api.content.api_version,
            "kind": api.content.kind,
            "metadata": {"name": name, "labels": owned_by(operation_id), "annotations": _secrets(first)},
            "spec": {
                "driver": first["driver"],
                "deletionPolicy": content_policy.RETAIN,
                "source": {
                    "groupSnapshotHandles": {
                        "volumeGroupSnapshotHandle": first["group_handle"],
                        "volumeSnapshotHandles": [volume["snapshot_handle"] for volume in volumes],
                    }
                },
                "volumeGroupSnapshotRef": {"name": name, "namespace": namespace},
            },
        },
        api.content,
    )


def _secrets(volume: Mapping[str, Json]) -> dict[str, str]:
    """The annotations by which the driver's Secret is found when a group is deleted (names, no data)."""
    found = volume.get("deletion_secret") or {}
    return {key.replace("snapshot.storage", "groupsnapshot.storage", 1): str(value) for key, value in found.items()}


def import_group(
    tools: Tools,
    api: GroupApi,
    namespace: str,
    name: str,
    volumes: Sequence[Mapping[str, Json]],
    operation_id: str,
    *,
    timeout_s: float = 120.0,
) -> Object | None:
    """A bound group snapshot for a group of which no object is left. None where the driver says it has none such."""
    content = import_content(tools, api, namespace, name, volumes, operation_id)

    def known(seen: Mapping[str, Object]) -> str:
        now = seen.get(name)
        if now is not None and (state.is_ready(now) or _unknown_to_driver(now)):
            return ""
        return "the driver has not answered for it yet"

    seen = wait_until(
        tools.cluster,
        api.content,
        None,
        known,
        what=f"{named(api.content.kind, name)} to be known to the driver",
        timeout_s=timeout_s,
        clock=tools.clock,
        field=f"metadata.name={name}",
        next=_NEXT,
    )
    if _unknown_to_driver(seen[name]):
        # As long as no group is bound to it, it goes without further ado.
        delete(tools, api.content, name, None, content["metadata"]["uid"], timeout_s=timeout_s)
        return None
    group = _create(
        tools,
        {
            "apiVersion": api.group.api_version,
            "kind": api.group.kind,
            "metadata": {"name": name, "namespace": namespace, "labels": owned_by(operation_id)},
            "spec": {"source": {"volumeGroupSnapshotContentName": name}},
        },
        api.group,
    )
    _wait_held(tools, api, group, timeout_s)
    return tools.cluster.get(api.group, name, namespace)


def _unknown_to_driver(content: Object) -> bool:
    """The gRPC code that a driver answers for a group that it does not have (CSI: GetVolumeGroupSnapshot)."""
    return not state.is_ready(content) and "code = NotFound" in state.error(content)
