# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects a fresh cluster holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .components import S3_PORT
from .instance import DRIVERS, Instance

Manifest = dict[str, Any]


def _object(api: str, kind: str, name: str, annotations: dict[str, str] | None = None, **fields: Any) -> Manifest:
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **fields}


def _storage_class(
    name: str, driver: str, binding: str, *, backend: str = "subvolume", default: bool = False
) -> Manifest:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else None
    return _object(
        "storage.k8s.io/v1",
        "StorageClass",
        name,
        marks,
        provisioner=DRIVERS[driver],
        parameters={"backend": backend},
        volumeBindingMode=binding,
        reclaimPolicy="Delete",
    )


def _snapshot_class(name: str, driver: str, policy: str, *, default: bool = False) -> Manifest:
    marks = {"snapshot.storage.kubernetes.io/is-default-class": "true"} if default else None
    api = "snapshot.storage.k8s.io/v1"
    return _object(api, "VolumeSnapshotClass", name, marks, driver=DRIVERS[driver], deletionPolicy=policy)


def _group_class(name: str, parameters: dict[str, str] | None = None, *, default: bool = False) -> Manifest:
    marks = {"groupsnapshot.storage.kubernetes.io/is-default-class": "true"} if default else None
    return _object(
        "groupsnapshot.storage.k8s.io/v1",
        "VolumeGroupSnapshotClass",
        name,
        marks,
        driver=DRIVERS["local"],
        deletionPolicy="Delete",
        **({"parameters": parameters} if parameters else {}),
    )


def core() -> list[Manifest]:
    """Drivers, storage classes and the rights of kube-proxy: kinds that every API server knows."""
    drivers = [
        _object(
            "storage.k8s.io/v1",
            "CSIDriver",
            name,
            # attachRequired false: no attacher is needed.
            spec={
                "attachRequired": False,
                "podInfoOnMount": True,
                "fsGroupPolicy": "File",
                "volumeLifecycleModes": ["Persistent"],
            },
        )
        for name in DRIVERS.values()
    ]
    proxy = _object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "kube-proxy",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:node-proxier"},
        subjects=[{"kind": "User", "name": "system:kube-proxy", "apiGroup": "rbac.authorization.k8s.io"}],
    )
    return [
        *drivers,
        _storage_class("local", "local", "Immediate", default=True),
        _storage_class("local-wait", "local", "WaitForFirstConsumer"),
        _storage_class("local-ext4", "local", "Immediate", backend="image"),
        _storage_class("local-ext4-wait", "local", "WaitForFirstConsumer", backend="image"),
        _storage_class("other", "other", "Immediate"),
        proxy,
    ]


def snapshot_classes() -> list[Manifest]:
    return [
        _snapshot_class("local", "local", "Delete", default=True),
        _snapshot_class("local-retain", "local", "Retain"),
        _snapshot_class("other", "other", "Delete", default=True),
        _group_class("local", default=True),
        _group_class("local-atomic", {"atomic": "true"}),
    ]


def velero(instance: Instance, bucket: str, image: str) -> list[Manifest]:
    """Velero runs outside of pods here, but a restore action looks its Deployment up."""
    namespace = "velero"
    labels = {"name": "velero"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "velero", "image": image}]}}
    location = {
        "provider": "aws",
        "default": True,
        "objectStorage": {"bucket": bucket},
        "config": {
            "region": "us-east-1",
            "s3ForcePathStyle": "true",
            "s3Url": f"http://{instance.ip}:{S3_PORT}",
        },
    }
    found = [
        _object("v1", "Namespace", namespace),
        _object(
            "apps/v1",
            "Deployment",
            "velero",
            spec={"replicas": 0, "selector": {"matchLabels": labels}, "template": pod},
        ),
        _object("velero.io/v1", "BackupStorageLocation", "default", spec=location),
    ]
    for one in found[1:]:
        one["metadata"]["namespace"] = namespace
    return found


def fake_nodes(names: Iterable[str]) -> list[Manifest]:
    """Nodes that kwok plays: pods on them go Running at once and run nothing."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "250"}
    return [
        {
            **_object("v1", "Node", name, {"kwok.x-k8s.io/node": "fake"}),
            "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
            "status": {"allocatable": room, "capacity": room},
        }
        for name in names
    ]


def namespace(name: str) -> Manifest:
    return _object("v1", "Namespace", name)
