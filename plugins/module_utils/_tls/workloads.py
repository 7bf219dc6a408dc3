# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workloads whose pods use Secrets and trust: their kinds, what they are called, the pods that they make.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.kinds import KINDS
from .._core.errors import Denied

RESTARTABLE = ("Deployment", "StatefulSet", "DaemonSet")
TEMPLATED = (*RESTARTABLE, "CronJob")
"""Those whose templates say what their pods will use."""
LISTED = (*TEMPLATED, "ReplicaSet", "Job")
"""Those that stand above a pod."""
NEEDED = (*RESTARTABLE, "ReplicaSet")
"""Those without which nothing can be said; the others are taken as absent where they may not be read."""


def listed(cluster: Cluster, kind: str, namespace: str) -> list[Object]:
    """The objects of one kind. Raises Denied for a kind that is needed."""
    try:
        return cluster.list(KINDS[kind], namespace)
    except Denied:
        if kind in NEEDED:
            raise
        return []


def ref_of(obj: Mapping[str, Any]) -> str:
    """``Kind/name``."""
    return f"{obj['kind']}/{obj['metadata']['name']}"


def pod_spec_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The spec of the pods that a workload makes; empty where it has none."""
    spec = obj.get("spec") or {}
    if obj["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    found: Mapping[str, Any] = (spec.get("template") or {}).get("spec") or {}
    return found
