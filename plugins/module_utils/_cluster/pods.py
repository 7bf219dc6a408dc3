# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pods of a workload: which they are, when the last one is gone, when all are ready.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core.clock import Clock
from .._core.errors import TimedOut
from .amend import Ref, read
from .client import Cluster, Object
from .owners import controller_of
from .stopping import readiness
from .waits import wait_until

_BETWEEN = {"Deployment": "ReplicaSet", "CronJob": "Job"}
_LOOK_S = 2.0


def owner_uids(cluster: Cluster, ref: Ref) -> frozenset[str]:
    """The uids that a pod of the workload may name as its controller."""
    between = _BETWEEN.get(ref.kind)
    found = cluster.list(between, ref.namespace) if between else []
    return frozenset({ref.uid, *(o["metadata"]["uid"] for o in found if _controlled_by(o, frozenset({ref.uid})))})


def pods_of(cluster: Cluster, ref: Ref) -> list[Object]:
    """Its pods that may still run something (or hold a volume)."""
    owners = owner_uids(cluster, ref)
    return [pod for pod in cluster.list("Pod", ref.namespace) if alive(pod) and _controlled_by(pod, owners)]


def alive(pod: Mapping[str, Any]) -> bool:
    """May it run something or hold a volume? One that ended and is not being deleted does neither."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended or bool(pod["metadata"].get("deletionTimestamp"))


def wait_no_pods(cluster: Cluster, ref: Ref, *, timeout_s: float, clock: Clock, look: Callable[[], None]) -> None:
    """Until no pod of the workload is left. Raises TimedOut naming those that are.

    ``look`` is called while there are pods that nobody has told to end, and every two seconds; it may raise to end the
    wait.
    """
    deadline = clock.monotonic() + timeout_s
    while True:
        owners = owner_uids(cluster, ref)

        def check(pods: Mapping[str, Object], owners: frozenset[str] = owners) -> str:
            left = [pod for pod in pods.values() if alive(pod) and _controlled_by(pod, owners)]
            if not all(pod["metadata"].get("deletionTimestamp") for pod in left):
                look()
            return "; ".join(_why_there(pod) for pod in left)

        left_s = max(0.0, deadline - clock.monotonic())
        try:
            wait_until(
                cluster,
                "Pod",
                ref.namespace,
                check,
                what=f"the pods of {ref.kind}/{ref.name} to end",
                timeout_s=min(left_s, _LOOK_S),
                clock=clock,
                next=f"kubectl -n {ref.namespace} describe pod shows what holds them",
            )
        except TimedOut as error:
            look()
            if left_s > _LOOK_S:
                continue
            error.why = f"after {timeout_s:g} s: {error.why.partition(': ')[2]}"
            raise
        if owner_uids(cluster, ref) <= owners:  # no new ReplicaSet or Job was made meanwhile
            return


def wait_ready(cluster: Cluster, ref: Ref, *, timeout_s: float, clock: Clock) -> None:
    """Until all its pods are ready and of the newest template. Raises TimedOut with what the pods say."""

    def check(objects: Mapping[str, Object]) -> str:
        obj = objects.get(ref.name)
        return readiness(obj) if obj else "it does not exist"

    read(cluster, ref)
    try:
        wait_until(
            cluster,
            ref.kind,
            ref.namespace,
            check,
            what=f"{ref.kind}/{ref.name} to be ready",
            timeout_s=timeout_s,
            clock=clock,
            field=f"metadata.name={ref.name}",
            next=f"kubectl -n {ref.namespace} describe {ref.kind.lower()} {ref.name}",
        )
    except TimedOut as error:
        told = "; ".join(filter(None, (_trouble(pod) for pod in pods_of(cluster, ref))))
        error.why += f"; {told}" if told else ""
        raise


def _controlled_by(obj: Mapping[str, Any], owners: frozenset[str]) -> bool:
    owner = controller_of(obj)
    return owner is not None and owner["uid"] in owners


def _why_there(pod: Mapping[str, Any]) -> str:
    state = "is ending" if pod["metadata"].get("deletionTimestamp") else "is not being deleted"
    phase = (pod.get("status") or {}).get("phase", "Unknown")
    return f"{pod['metadata']['name']} ({phase}) {state}"


def _trouble(pod: Mapping[str, Any]) -> str:
    """The reason a container waits for, or why the pod is not scheduled."""
    status = pod.get("status") or {}
    found = []
    for item in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (item.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            found.append(f"container {item['name']}: {waiting['reason']} {waiting.get('message', '')}".strip())
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            found.append(str(condition.get("message") or condition.get("reason") or "not scheduled"))
    return f"pod {pod['metadata']['name']}: {', '.join(found)}" if found else ""
