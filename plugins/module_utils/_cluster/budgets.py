# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which PodDisruptionBudgets are about a workload. They are reported and never touched. Pure.

Scaling down is no eviction: a budget does not stand in its way, and it counts the pods that are gone as disrupted.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .client import Object


def budgets_of(workload: Object, budgets: Iterable[Object]) -> list[str]:
    """The names of the budgets that select the pods of the workload, sorted."""
    labels = _pod_labels(workload)
    return sorted(b["metadata"]["name"] for b in budgets if _selects(b["spec"].get("selector"), labels))


def _pod_labels(obj: Object) -> Mapping[str, str]:
    spec = obj["spec"]["jobTemplate"]["spec"] if obj["kind"] == "CronJob" else obj["spec"]
    labels: Mapping[str, str] = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return labels


def _selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """In policy/v1 an empty selector is about every pod, none is about no pod."""
    if selector is None:
        return False
    plain = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return plain and all(_meets(rule, labels) for rule in selector.get("matchExpressions") or [])


def _meets(rule: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = rule["key"], rule.get("values") or []
    return {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }[str(rule["operator"])]
