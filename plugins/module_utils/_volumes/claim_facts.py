# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A claim and its volume as a restore needs to know them, and the manifest that makes the claim again. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.plan import Json
from .names import RESTORED_FROM
from .objects import Object

_DROPPED_ANNOTATIONS = (
    "pv.kubernetes.io/",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
)


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """A PersistentVolumeClaim, with what its PersistentVolume says. ``again`` is what it takes to make it anew."""

    name: str
    uid: str
    phase: str
    deleting: bool
    volume: str
    volume_uid: str
    request: str
    capacity: str
    storage_class: str
    mode: str
    restored_from: str
    again: Mapping[str, Json]

    @classmethod
    def of(cls, claim: Object, volume: Object | None) -> ClaimFacts:
        meta, spec, status = claim["metadata"], claim["spec"], claim.get("status") or {}
        annotations = meta.get("annotations") or {}
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            phase=str(status.get("phase") or ""),
            deleting=bool(meta.get("deletionTimestamp")),
            volume=spec.get("volumeName") or "",
            volume_uid=volume["metadata"]["uid"] if volume else "",
            request=str(spec["resources"]["requests"]["storage"]),
            capacity=str((status.get("capacity") or {}).get("storage") or ""),
            storage_class=spec.get("storageClassName") or "",
            mode=spec.get("volumeMode") or "Filesystem",
            restored_from=str(annotations.get(RESTORED_FROM) or ""),
            again=_again(claim),
        )


def _again(claim: Object) -> dict[str, Json]:
    """Labels, annotations, owners and wishes of the claim, without what the cluster itself wrote there.

    An owner that is a pod is left out (it is gone when the claim is made again, and the garbage collector would take
    the claim); its StatefulSet writes it anew.
    """
    meta, spec = claim["metadata"], claim["spec"]
    annotations = meta.get("annotations") or {}
    return {
        "labels": dict(meta.get("labels") or {}),
        "annotations": {k: v for k, v in annotations.items() if not k.startswith(_DROPPED_ANNOTATIONS)},
        "owners": [owner for owner in meta.get("ownerReferences") or [] if owner["kind"] != "Pod"],
        "access_modes": list(spec.get("accessModes") or []),
        "request": str(spec["resources"]["requests"]["storage"]),
        "storage_class": spec.get("storageClassName"),
        "mode": spec.get("volumeMode") or "Filesystem",
    }


def manifest(
    namespace: str, name: str, again: Mapping[str, Json], *, volume: str = "", source: Mapping[str, Json] | None = None
) -> Object:
    """A claim: bound to ``volume`` by name, or to be made from ``source`` (a ``dataSourceRef``)."""
    spec: Object = {
        "accessModes": list(again["access_modes"]),
        "resources": {"requests": {"storage": again["request"]}},
        "volumeMode": again["mode"],
    }
    if again.get("storage_class") is not None:
        spec["storageClassName"] = again["storage_class"]
    if volume:
        spec["volumeName"] = volume
    if source:
        spec["dataSourceRef"] = dict(source)
    meta: Object = {
        "name": name,
        "namespace": namespace,
        "labels": dict(again.get("labels") or {}),
        "annotations": dict(again.get("annotations") or {}),
    }
    if again.get("owners"):
        meta["ownerReferences"] = list(again["owners"])
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def from_snapshot(name: str) -> dict[str, str]:
    return {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name}


def from_claim(name: str) -> dict[str, str]:
    return {"kind": "PersistentVolumeClaim", "name": name}


def mounting(pods: Sequence[Object], claim: str) -> list[str]:
    """Names of the pods that have the claim and may still use it: all that have not ended, unknown ones included."""
    found = []
    for pod in pods:
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if ended and not pod["metadata"].get("deletionTimestamp"):
            continue
        for volume in pod["spec"].get("volumes") or []:
            named = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            own = f"{pod['metadata']['name']}-{volume['name']}" if volume.get("ephemeral") else ""
            if claim in (named, own):
                found.append(str(pod["metadata"]["name"]))
    return found
