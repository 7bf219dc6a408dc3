# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""New processes for a workload: its pod template gets an annotation, its controller does the rest.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._cluster.amend import Ref, amend
from .._cluster.client import Cluster, Object
from .._core.errors import BadInput
from .workloads import RESTARTABLE

RESTARTED_FOR = "knowngood.io/restarted-for"


def obstacle(workload: Mapping[str, Any]) -> str:
    """Why a change of its template would not renew all of its pods by itself, or nothing."""
    kind, spec = workload["kind"], workload.get("spec") or {}
    if kind not in RESTARTABLE:
        return f"a {kind} has no rollout"
    if spec.get("paused"):
        return "its rollout is paused"
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return "its update strategy is OnDelete"
    partition = (strategy.get("rollingUpdate") or {}).get("partition")
    return f"its rollout stops at partition {partition}" if partition else ""


def interrupts(workload: Mapping[str, Any]) -> str:
    """Why its rollout would leave nobody to answer for a while, or nothing."""
    spec = workload.get("spec") or {}
    if (spec.get("strategy") or {}).get("type") != "Recreate":
        return ""
    count = spec.get("replicas", 1)
    return f"its strategy is Recreate: all of its {count} pods end before a new one starts" if count else ""


def restart(cluster: Cluster, ref: Ref, mark: str) -> bool:
    """Sets the mark in the template; False when it was there already: asking twice restarts once.

    Raises BadInput where the controller would not renew the pods, NotFound and Conflict as :func:`amend.read`.
    """
    news = False

    def change(workload: Object) -> Object | None:
        nonlocal news
        news = marked(workload) != mark
        if not news:
            return None
        why = obstacle(workload)
        if why:
            raise BadInput(
                "the workload cannot be restarted by its controller",
                where=ref.where,
                why=why,
                next="clear that, or restart its pods yourself",
            )
        return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_FOR: mark}}}}}

    amend(cluster, ref, change)
    return news


def marked(workload: Mapping[str, Any]) -> str:
    """The mark in its template, empty where there is none."""
    template = (workload.get("spec") or {}).get("template") or {}
    return str(((template.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_FOR, ""))
