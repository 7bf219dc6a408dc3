# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods like those of a workload, with another Secret in the place of one: a canary pod, a second Deployment. Pure.

A clone has the labels of the workload's template, so that its Services and network policies are those of the clone as
well. It carries no ``pod-template-hash``, by which a ReplicaSet would take it for its own, and its name is none of
those a StatefulSet gives. A readiness gate keeps it out of every Service until it is opened.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._cluster.client import Object, owned_by
from .._core.plan import digest
from .workloads import pod_spec_of, ref_of

TRIAL = "knowngood.io/trial"
"""Label of every pod of one trial; in a Service's selector it leads to those alone."""
CLONE_OF = "knowngood.io/clone-of"
GATE = "knowngood.io/proven"
"""The condition without which a clone is not ready, however well its containers are."""
OPT_OUT = "knowngood.io/canary"
"""Annotation of a workload; ``"false"`` leaves it out of canaries."""
_HASH = "pod-template-hash"
_NAME_LIMIT = 40


def trial_id(operation_id: str, target: str) -> str:
    """The value of the label: the same for the whole operation, another one for each target."""
    return digest([operation_id, target])[:10]


def canary_name(workload: str, trial: str, number: int) -> str:
    """A letter before the digits: ``web-canary-7`` would be a pod of a StatefulSet ``web-canary``."""
    return f"{_stem(workload)}-canary-c{digest([trial, workload, number])[:8]}"


def green_name(workload: str, trial: str) -> str:
    return f"{_stem(workload)}-green-{trial}"


def _stem(name: str) -> str:
    return name[:_NAME_LIMIT].rstrip("-.")


def opts_out(workload: Mapping[str, Any]) -> bool:
    return (workload["metadata"].get("annotations") or {}).get(OPT_OUT) == "false"


def claims_of(workload: Mapping[str, Any]) -> tuple[str, ...]:
    """Volumes that a second pod could not have as well, or would write to beside the first one."""
    spec = pod_spec_of(workload)
    volumes = [v["name"] for v in spec.get("volumes") or [] if "persistentVolumeClaim" in v or "ephemeral" in v]
    templates = [t["metadata"]["name"] for t in (workload.get("spec") or {}).get("volumeClaimTemplates") or []]
    return tuple(sorted({*volumes, *templates}))


def canary_pod(
    workload: Object, secret: str, copy: str, operation_id: str, trial: str, number: int, life_s: float
) -> Object:
    """A pod of the workload's template with the Secret ``copy`` for ``secret``; it ends by itself after ``life_s``."""
    name = canary_name(workload["metadata"]["name"], trial, number)
    template = _template(workload, secret, copy, operation_id, trial, "canary")
    spec = {**template["spec"], "activeDeadlineSeconds": int(life_s)}
    meta = {"name": name, "namespace": workload["metadata"]["namespace"], **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def green_deployment(blue: Object, secret: str, copy: str, operation_id: str, trial: str) -> Object:
    """A second Deployment of as many pods. It has none of the first one's own labels: nobody else is to keep it."""
    spec, meta = blue["spec"], blue["metadata"]
    selector = {**spec["selector"], "matchLabels": {**(spec["selector"].get("matchLabels") or {}), TRIAL: trial}}
    kept = {key: spec[key] for key in ("replicas", "minReadySeconds", "progressDeadlineSeconds") if key in spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": green_name(meta["name"], trial),
            "namespace": meta["namespace"],
            "labels": owned_by(operation_id, role="green", trial=trial),
            "annotations": {CLONE_OF: ref_of(blue)},
        },
        "spec": {
            **kept,
            "selector": selector,
            "template": _template(blue, secret, copy, operation_id, trial, "green"),
        },
    }


def _template(workload: Object, secret: str, copy: str, operation_id: str, trial: str, role: str) -> Object:
    found = workload["spec"]["template"]
    meta = found.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != _HASH}
    spec = with_secret(found["spec"], secret, copy)
    gates = [*(spec.get("readinessGates") or []), {"conditionType": GATE}]
    return {
        "metadata": {
            # The workload's own labels count: its Services may choose by any of them.
            "labels": {**owned_by(operation_id), **labels, **_ours(operation_id, trial, role)},
            "annotations": {**(meta.get("annotations") or {}), CLONE_OF: ref_of(workload)},
        },
        "spec": {**spec, "readinessGates": gates},
    }


def _ours(operation_id: str, trial: str, role: str) -> dict[str, str]:
    return {"knowngood.io/operation": operation_id, "knowngood.io/role": role, TRIAL: trial}


def with_secret(spec: Any, secret: str, copy: str) -> Any:
    """A pod spec that reads ``copy`` wherever it read ``secret``: volumes, projections, variables."""
    if isinstance(spec, list):
        return [with_secret(item, secret, copy) for item in spec]
    if not isinstance(spec, dict):
        return spec
    return {key: _replaced(key, value, secret, copy) for key, value in spec.items()}


_NAMED_BY = {"secret": ("secretName", "name"), "secretKeyRef": ("name",), "secretRef": ("name",)}


def _replaced(key: str, value: Any, secret: str, copy: str) -> Any:
    words = _NAMED_BY.get(key, ())
    if isinstance(value, dict) and any(value.get(word) == secret for word in words):
        return {**value, **{word: copy for word in words if value.get(word) == secret}}
    return with_secret(value, secret, copy)
