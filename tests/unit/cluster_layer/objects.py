# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small Kubernetes objects for the tests of the graph and of what is built on it."""

from __future__ import annotations

from typing import Any

A = "sha256:" + "a" * 64
B = "sha256:" + "b" * 64

API = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}


def owner(obj: dict[str, Any]) -> dict[str, Any]:
    meta = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
    }


def thing(
    kind: str,
    name: str,
    spec: dict[str, Any] | None = None,
    *,
    by: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    status: dict[str, Any] | None = None,
    api: str = "",
) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{kind}-{name}".lower(),
        "resourceVersion": "7",
        "labels": labels or {},
        "annotations": annotations or {},
    }
    if by:
        meta["ownerReferences"] = [owner(by)]
    return {
        "apiVersion": api or API.get(kind, "v1"),
        "kind": kind,
        "metadata": meta,
        "spec": spec or {},
        "status": status or {},
    }


def controller(
    kind: str, name: str, pod_spec: dict[str, Any] | None = None, *, replicas: int | None = 1, **more: Any
) -> dict[str, Any]:
    labels = {"app": name}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod_spec or containers()},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    spec.update(more.pop("spec", {}))
    return thing(kind, name, spec, **more)


def containers(image: str = "shop/app:1", **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", "image": image}], **more}


def pod(
    name: str,
    by: dict[str, Any] | None = None,
    spec: dict[str, Any] | None = None,
    *,
    image_id: str = f"shop/app@{A}",
    phase: str = "Running",
    **more: Any,
) -> dict[str, Any]:
    status = {
        "phase": phase,
        "podIP": "10.0.0.9",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "main", "imageID": image_id}],
    }
    return thing("Pod", name, spec or containers(), by=by, status=status, **more)


def claim(name: str, volume: str = "", **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    if volume:
        spec["volumeName"] = volume
    return thing("PersistentVolumeClaim", name, spec, status={"phase": "Bound" if volume else "Pending"}, **more)


def volume(name: str, driver: str = "btrfs.csi.example") -> dict[str, Any]:
    spec: dict[str, Any] = {"capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Delete"}
    spec["csi" if driver else "hostPath"] = {"driver": driver, "volumeHandle": f"h-{name}"} if driver else {"path": "/"}
    return thing("PersistentVolume", name, spec)


def claim_volume(name: str, claim_name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim_name, **more}}


def mount(name: str, path: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "mountPath": path, **more}
