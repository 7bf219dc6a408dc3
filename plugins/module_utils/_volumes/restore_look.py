# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking before a restore is planned: the application, the place the data goes to, and what its snapshots allow.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._cluster.client import Cluster
from .._cluster.graph import resolve
from .._core.application import ApplicationSpec
from .._core.errors import BadInput
from .._core.statements import RecoveryPoint
from .claim_facts import ClaimFacts
from .house import House, need_snapshots
from .restore_seen import Place, Seen, StorageClass
from .restore_wish import CLUSTER, NAMESPACE, RestoreWish
from .snapshots import CONTENT

_MAY_CONVERT = "snapshot.storage.kubernetes.io/allow-volume-mode-change"


def look(house: House, spec: ApplicationSpec, point: RecoveryPoint, wish: RestoreWish) -> Seen:
    """Everything that the plan follows from, but who would start the application again.

    Raises BadInput for a place that is not there.
    """
    claims = _claims(house.cluster, spec.namespace)
    # Claims that the point holds and that somebody deleted are no reason to stop: they are what is brought back.
    app = resolve(house.cluster, spec, strict=False)
    place = _place(house, spec, wish)
    classes = _classes(house.cluster)
    return Seen(app, claims, classes, place, _convertible(house.cluster, claims, point))


def _place(house: House, spec: ApplicationSpec, wish: RestoreWish) -> Place | None:
    if wish.target == NAMESPACE:
        if wish.namespace in ("", spec.namespace):
            why = "it is the application's own" if wish.namespace else "none is given"
            raise BadInput("target namespace needs another namespace", why=why, next="give target_namespace")
        return _place_in(house.cluster, wish.namespace, {})
    if wish.target == CLUSTER:
        other = house.elsewhere
        if other is None:
            raise BadInput(
                "target cluster needs the access to it", next="give target_kubeconfig, target_context or target_host"
            )
        if other.cluster.uid() == house.cluster.uid():
            raise BadInput(
                "the target cluster is the application's own",
                where=other.cluster.server,
                next="check target_kubeconfig and target_context, or use target: namespace",
            )
        need_snapshots(other.cluster)
        return _place_in(other.cluster, wish.namespace or spec.namespace, other.where)
    return None


def _place_in(cluster: Cluster, namespace: str, where: dict[str, str]) -> Place:
    found = cluster.find("Namespace", namespace)
    if found is None or (found.get("status") or {}).get("phase") == "Terminating":
        raise BadInput(
            f"there is no namespace {namespace} to restore into",
            where=cluster.server,
            why="it is being deleted" if found else "",
            next=f"kubectl create namespace {namespace}",
        )
    return Place(namespace, _claims(cluster, namespace), _classes(cluster), where)


def _claims(cluster: Cluster, namespace: str) -> dict[str, ClaimFacts]:
    found, volumes = cluster.list("PersistentVolumeClaim", namespace), {}
    if found:
        volumes = {volume["metadata"]["name"]: volume for volume in cluster.list("PersistentVolume")}
    return {c["metadata"]["name"]: ClaimFacts.of(c, volumes.get(c["spec"].get("volumeName") or "")) for c in found}


def _classes(cluster: Cluster) -> dict[str, StorageClass]:
    return {item["metadata"]["name"]: StorageClass.of(item) for item in cluster.list("StorageClass")}


def _convertible(cluster: Cluster, claims: dict[str, ClaimFacts], point: RecoveryPoint) -> frozenset[str]:
    """Only those whose volume mode is another one now are looked at."""
    found = set()
    for volume in point.volumes:
        now = claims.get(str(volume["claim"]))
        if now is None or now.mode == volume.get("mode") or not volume.get("content"):
            continue
        content = cluster.find(CONTENT, str(volume["content"]))
        notes = (content["metadata"].get("annotations") or {}) if content else {}
        if notes.get(_MAY_CONVERT) == "true":
            found.add(now.name)
    return frozenset(found)
