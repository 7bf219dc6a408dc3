# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each kind of workload is stopped and started: the patches. Pure.

What a stop overwrites is kept on the object itself, in the annotation ``knowngood.io/stopped``, written by the same
patch: whoever starts it again finds it there, also after a crash between patch and journal.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core.plan import canonical
from .client import Object
from .quarantine_holds import SCALE_DOWN, holds

STOPPED = "knowngood.io/stopped"
SCALED = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
SUSPENDED = ("CronJob", "Job")
STOPPABLE = (*SCALED, *SUSPENDED, "DaemonSet")


def is_stopped(obj: Mapping[str, Any]) -> bool:
    """Does the object ask for no pods? (Pods may still be ending.)"""
    kind, spec = obj["kind"], obj.get("spec") or {}
    if kind in SCALED:
        return spec.get("replicas") == 0
    if kind in SUSPENDED:
        return bool(spec.get("suspend"))
    return STOPPED in (_pod_spec(spec).get("nodeSelector") or {})


def stop_patch(obj: Object, operation_id: str) -> Object | None:
    """Asks for no pods; None when it does already.

    A StatefulSet that deletes its claims when scaled down is told to retain them, in the same patch: there is no
    moment at which it stands at zero with the old policy.
    """
    if is_stopped(obj):
        return None
    kind, spec = obj["kind"], obj["spec"]
    if kind in SCALED:
        before: dict[str, Any] = {"replicas": spec.get("replicas", 1)}
        wanted: dict[str, Any] = {"replicas": 0}
        if (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get("whenScaled") == "Delete":
            before["whenScaled"] = "Delete"
            wanted["persistentVolumeClaimRetentionPolicy"] = {"whenScaled": "Retain"}
    elif kind in SUSPENDED:
        before, wanted = {"suspend": False}, {"suspend": True}
    else:
        before, wanted = {}, {"template": {"spec": {"nodeSelector": {STOPPED: "true"}}}}
    kept = _kept(obj) or {"by": operation_id, **before}
    return {"metadata": {"annotations": {STOPPED: canonical(kept)}}, "spec": wanted}


def start_patch(obj: Object, replicas: int | None, *, release: bool = False) -> Object | None:
    """Takes a stop back, to that many replicas where the kind has them; None when there is nothing to take back.

    What a quarantine holds at rest is let go with ``release`` only: neither a restore nor its undo starts it.
    """
    kept = _kept(obj)
    if held_at_rest(obj) and not release:
        return None
    if obj["kind"] in SCALED:
        return _scale_patch(obj["spec"], kept, replicas)
    if kept is None:
        return None
    patch: Object = {"metadata": {"annotations": {STOPPED: None}}}
    if is_stopped(obj):
        nowhere = {"template": {"spec": {"nodeSelector": {STOPPED: None}}}}
        patch["spec"] = {"suspend": False} if obj["kind"] in SUSPENDED else nowhere
    return patch


def held_at_rest(obj: Mapping[str, Any]) -> bool:
    """Is it stopped, and a quarantine wants it so? One that isolates by a policy alone does not ask for that."""
    return is_stopped(obj) and any(hold.method in (SCALE_DOWN, "") for hold in holds(obj))


def _scale_patch(spec: Mapping[str, Any], kept: Mapping[str, Any] | None, replicas: int | None) -> Object | None:
    patch: Object = {}
    wanted: dict[str, Any] = {}
    if replicas is not None and spec.get("replicas", 1) != replicas:
        wanted["replicas"] = replicas
    # While it stands at zero its claims stay protected, and it stays noted that we did that.
    if kept is not None and replicas != 0:
        patch["metadata"] = {"annotations": {STOPPED: None}}
        if kept.get("whenScaled"):
            wanted["persistentVolumeClaimRetentionPolicy"] = {"whenScaled": kept["whenScaled"]}
    if wanted:
        patch["spec"] = wanted
    return patch or None


def protected_from(obj: Mapping[str, Any]) -> str:
    """The claim retention policy (``whenScaled``) that our stop replaced by Retain; empty where it did not."""
    return str((_kept(obj) or {}).get("whenScaled", ""))


def _kept(obj: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the stop noted on the object; None where we did not stop it."""
    text = (obj["metadata"].get("annotations") or {}).get(STOPPED)
    if text is None:
        return None
    try:
        kept = json.loads(text)
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def _pod_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    return dict((spec.get("template") or {}).get("spec") or {})


def readiness(obj: Mapping[str, Any]) -> str:
    """Empty when the workload runs what its template says, on all its pods; else what is missing."""
    spec, status, meta = obj.get("spec") or {}, obj.get("status") or {}, obj["metadata"]
    kind = obj["kind"]
    if kind in SUSPENDED:
        return ""
    if kind not in ("ReplicationController",) and status.get("observedGeneration", 0) < meta.get("generation", 0):
        return "its controller has not looked at it yet"
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        ready, current = status.get("numberReady", 0), status.get("updatedNumberScheduled", 0)
        rolling = (spec.get("updateStrategy") or {}).get("type") != "OnDelete"
    else:
        wanted = spec.get("replicas", 1)
        ready = status.get("readyReplicas", 0)
        current = status.get("updatedReplicas", 0)
        rolling = kind == "Deployment" or (
            kind == "StatefulSet" and (spec.get("updateStrategy") or {}).get("type") != "OnDelete"
        )
    if kind == "StatefulSet" and (spec.get("updateStrategy") or {}).get("rollingUpdate", {}).get("partition"):
        rolling = False
    if rolling and current < wanted:
        return f"{current} of {wanted} pods are of the newest template"
    if kind == "Deployment" and status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old pods are still there"
    return "" if ready >= wanted else f"{ready} of {wanted} pods are ready"
