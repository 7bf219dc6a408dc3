# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is there room for what a restore makes? Asked before anything is made, as far as the cluster can tell.

Three answers are put together: the API server admits each new claim in a dry run (quota for one, limits, webhooks); the
ResourceQuotas have room for all of them at once; and the driver's CSIStorageCapacity objects, where it publishes them,
show a place that is big enough. What none of them knows is found while staging, before any downtime.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from .._cluster.client import Cluster
from .._cluster.kinds import Kind, named
from .._core.errors import BadInput, Conflict, Denied, KnownGoodError, NotFound, Rejected
from .._core.plan import Json, Plan, Step
from .claim_facts import from_snapshot, manifest
from .objects import Object
from .quantity import in_bytes
from .tools import in_parallel

QUOTA = Kind("ResourceQuota", "", "v1", "resourcequotas")
CAPACITY = Kind("CSIStorageCapacity", "storage.k8s.io", "v1", "csistoragecapacities")
_STAGING = "what is missing is needed only for a while: the old volumes are kept until keep_previous_for is over"


def check_room(cluster: Cluster, plan: Plan, *, planning: bool) -> tuple[str, ...]:
    """Raises BadInput where there is too little room. Returns notes on what could not be looked at.

    ``planning``: a check run, whose user may have no right to create anything.
    """
    stage = next((step for step in plan.steps if step.action == "volumes.stage"), None)
    if stage is None:
        return ()
    # Every group of staged probes works on a copy of each volume, one group after the other.
    copies = 2 if any(step.action == "volumes.verify_staged" for step in plan.steps) else 1
    return (
        *_admitted(cluster, stage, planning=planning),
        *_within_quota(cluster, stage, copies),
        *_within_capacity(cluster, stage, copies),
    )


def _admitted(cluster: Cluster, stage: Step, *, planning: bool) -> Iterator[str]:
    refused = in_parallel(partial(_refusal, cluster, stage.params["namespace"]), stage.params["claims"])
    for item, error in zip(stage.params["claims"], refused, strict=True):
        if error is None:
            continue
        if isinstance(error, Denied) and "cannot create resource" in error.why:
            if planning:
                yield f"whether the claims would be admitted is not known: {error.why}"
                return
            raise error
        raise BadInput(
            f"the API server would not admit the claim {item['name']}",
            where=f"namespace {stage.params['namespace']}",
            why=error.why,
            next=_STAGING,
        ) from error


def _refusal(cluster: Cluster, namespace: str, item: Mapping[str, Json]) -> KnownGoodError | None:
    """What the API server says against the claim; None for nothing, and for one that a run before has staged."""
    wanted = {**item["again"], "labels": {}, "annotations": {}, "owners": []}
    source = from_snapshot(str(item["source"].get("snapshot") or item["claim"]))
    try:
        cluster.create(manifest(namespace, item["name"], wanted, source=source), dry_run=True)
    except Conflict:
        return None
    except (Denied, Rejected) as error:
        return error
    return None


def _within_quota(cluster: Cluster, stage: Step, copies: int) -> Iterator[str]:
    try:
        quotas = cluster.list(QUOTA, stage.params["namespace"])
    except Denied:
        yield "the ResourceQuotas could not be read: whether all claims fit at once is not known"
        return
    needed = _needed(stage.params["claims"], copies)
    for quota in quotas:
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for resource in sorted(set(hard) & set(needed)):
            left = in_bytes(str(hard[resource])) - in_bytes(str(used.get(resource, "0")))
            if needed[resource] > left:
                raise BadInput(
                    f"{named(QUOTA.kind, quota['metadata']['name'], stage.params['namespace'])} has too little room",
                    why=f"{resource}: {needed[resource]} more is needed, {max(0, left)} is left of {hard[resource]}",
                    next=f"{_STAGING}; raise the quota, or restore fewer claims at a time",
                )


def _needed(items: Sequence[Mapping[str, Json]], copies: int) -> dict[str, int]:
    """What the claims count for in a ResourceQuota, by the name of the resource."""
    found: dict[str, int] = {}
    for item in items:
        size, storage = in_bytes(str(item["again"]["request"])), item["again"]["storage_class"]
        own = f"{storage}.storageclass.storage.k8s.io"
        for resource, amount in (
            ("persistentvolumeclaims", 1),
            ("count/persistentvolumeclaims", 1),
            ("requests.storage", size),
            (f"{own}/persistentvolumeclaims", 1),
            (f"{own}/requests.storage", size),
        ):
            found[resource] = found.get(resource, 0) + amount * copies
    return found


def _within_capacity(cluster: Cluster, stage: Step, copies: int) -> Iterator[str]:
    try:
        published = cluster.list(CAPACITY)
    except (Denied, NotFound):
        yield "the CSIStorageCapacity objects could not be read: whether the storage has room is found while staging"
        return
    by_class: dict[str, list[Object]] = {}
    for item in published:
        by_class.setdefault(str(item["storageClassName"]), []).append(item)
    wanted: dict[str, list[int]] = {}
    for item in stage.params["claims"]:
        wanted.setdefault(item["again"]["storage_class"], []).append(in_bytes(str(item["again"]["request"])))
    for storage, sizes in sorted(wanted.items()):
        places = by_class.get(storage)
        if not places:
            continue  # the driver publishes nothing
        largest = max(in_bytes(str(p.get("maximumVolumeSize") or p.get("capacity") or "0")) for p in places)
        room = sum(in_bytes(str(p.get("capacity") or "0")) for p in places)
        if max(sizes) > largest or sum(sizes) * copies > room:
            raise BadInput(
                f"the storage behind StorageClass {storage} has too little room",
                why=f"{sum(sizes) * copies} bytes are needed ({max(sizes)} in one volume), its driver says that "
                f"{room} are left ({largest} in one place)",
                next=f"{_STAGING}; free some, restore fewer claims at a time, or name another storage_class",
            )
