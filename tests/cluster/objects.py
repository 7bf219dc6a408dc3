# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects that tests make again and again. Pure."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]


def claim(name: str, storage_class: str, source: dict[str, str] | None = None) -> Manifest:
    """A volume claim of 1 GiB; ``source`` is what it is filled from (a snapshot, another claim)."""
    spec: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": storage_class,
    }
    if source:
        spec["dataSource"] = source
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def pod(
    name: str, image: str, command: str, claims: tuple[str, ...] = (), labels: dict[str, str] | None = None
) -> Manifest:
    """One container that runs ``command`` in a shell, each claim mounted at ``/<claim>``; ends at once when deleted."""
    container: Manifest = {"name": "c", "image": image, "command": ["sh", "-c", command]}
    container["volumeMounts"] = [{"name": one, "mountPath": f"/{one}"} for one in claims]
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {"app": name}},
        "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0},
    }


def snapshot(name: str, claimed: str, snapshot_class: str) -> Manifest:
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": name},
        "spec": {
            "volumeSnapshotClassName": snapshot_class,
            "source": {"persistentVolumeClaimName": claimed},
        },
    }


def recreated(name: str, template: Manifest) -> Manifest:
    """A Deployment of one pod that is gone before its successor comes, as one with a claim has to be."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


def autoscaler(kind: str, name: str, least: int = 1, most: int = 3, **more: Any) -> Manifest:
    """The HorizontalPodAutoscaler of a workload, with its name. ``more``: of the spec."""
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most, **more},
    }
