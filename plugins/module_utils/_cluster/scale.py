# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting workloads, and setting their images: steps and the code behind them.

StatefulSet, Deployment, ReplicaSet and ReplicationController go to zero, a DaemonSet to a node label that no node has,
Job and CronJob are suspended. A bare pod is refused: nothing would start it again. An autoscaler leaves a workload at
zero alone; who else might start it is frozen first (``freezing.py``), and who does all the same is named.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.application import Workload
from .._core.clock import Clock
from .._core.errors import BadInput, KnownGoodError
from .._core.operation import Action, Context
from .._core.plan import Json, Step
from .._core.progress import Reporter
from .amend import OfOneObject, Ref, amend, read, read_or_none
from .client import Cluster, Object
from .fighters import fought
from .kinds import named
from .owners import controller_of
from .pods import pods_of, wait_no_pods, wait_ready
from .stopping import (
    STOPPABLE,
    STOPPED,
    held_at_rest,
    is_stopped,
    protected_from,
    readiness,
    start_patch,
    stop_patch,
)

STOP_TIMEOUT_S = 300
READY_TIMEOUT_S = 300
SETTLE_S = 3
"""How long a workload that a GitOps tool, operator or Helm keeps is watched after it has stopped."""
_WITH_TEMPLATE = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "ReplicaSet", "ReplicationController")


# -- steps: pure -------------------------------------------------------------------------------------------------


def stop_step(
    workload: Workload, *, until: str = "", timeout_s: int = STOP_TIMEOUT_S, settle_s: int | None = None
) -> Step:
    """The step that stops a workload and waits until no pod of it is left. Raises BadInput for what cannot be stopped.

    ``until``: the name of the step that starts it again. ``settle_s``: how long it is watched then, unless given a
    while for one that is managed by somebody.
    """
    if settle_s is None:
        settle_s = SETTLE_S if workload.managed_by else 0
    params = {**_params(workload), "timeout_s": timeout_s, "settle_s": settle_s}
    return Step(f"stop {workload.ref}", "workloads.stop", (_touched(workload),), params, until)


def start_step(
    workload: Workload, *, replicas: int | None = None, ready_timeout_s: int = READY_TIMEOUT_S, until: str = ""
) -> Step:
    """The step that starts it: to ``replicas``, else to the number wanted when the plan was made.

    A workload that a quarantine holds at zero so stays at zero: only releasing it brings it back. ``ready_timeout_s``
    of 0 does not wait for its pods.
    """
    params = {**_params(workload), "ready_timeout_s": ready_timeout_s}
    if replicas is not None:
        params["replicas"] = replicas
    return Step(f"start {workload.ref}", "workloads.start", (_touched(workload),), params, until)


def images_step(workload: Workload, images: Mapping[str, str], *, ready_timeout_s: int = 0) -> Step:
    """The step that sets container images (init containers too). Raises BadInput for a container it does not have."""
    if workload.kind not in _WITH_TEMPLATE:
        raise BadInput(f"the images of {workload.ref} cannot be changed", why=f"a {workload.kind} is immutable")
    before = {c.name: c.image for c in workload.containers}
    unknown = sorted(set(images) - set(before))
    if unknown:
        raise BadInput(
            f"{workload.ref} has no container {', '.join(unknown)}", why=f"it has: {', '.join(sorted(before))}"
        )
    params = {
        **_identity(workload),
        "images": dict(sorted(images.items())),
        "before": {name: before[name] for name in sorted(images)},
        "ready_timeout_s": ready_timeout_s,
    }
    return Step(f"set images of {workload.ref}", "workloads.images", (_touched(workload),), params)


def _identity(workload: Workload) -> dict[str, Json]:
    return {"kind": workload.kind, "name": workload.name, "namespace": workload.namespace, "uid": workload.uid}


def _params(workload: Workload) -> dict[str, Json]:
    refuse_unstoppable(workload)
    return {
        **_identity(workload),
        "replicas": workload.replicas,
        "scaled_by": workload.scaled_by,
        "managed_by": workload.managed_by,
    }


def _touched(workload: Workload) -> str:
    return named(workload.kind, workload.name, workload.namespace)


def refuse_unstoppable(workload: Workload) -> None:
    """Raises BadInput for a workload that nothing of ours can stop and start again."""
    if workload.kind in STOPPABLE:
        return
    if workload.kind == "Pod":
        why, next_ = "nothing would start a bare pod again", "delete it yourself, or put it under a Deployment"
    else:
        why = f"a {workload.kind} ({workload.api_version}) is run by a controller of its own"
        next_ = f"a pause recipe for {workload.ref} (option pause of restore), or stop it the way its controller offers"
    raise BadInput(f"{workload.ref} cannot be stopped", where=_touched(workload), why=why, next=next_)


# -- actions -----------------------------------------------------------------------------------------------------


def stop(
    cluster: Cluster,
    ref: Ref,
    operation_id: str,
    *,
    timeout_s: float,
    settle_s: float = 0,
    keeper: str = "",
    clock: Clock,
) -> dict[str, Json]:
    """Stops a workload and waits until its last pod is gone, and that it stays so for ``settle_s``.

    Raises TimedOut naming the pods that stay, NotProven naming who starts it again meanwhile. ``keeper``: who is known
    to manage or scale it.
    """

    def look() -> None:
        now = read(cluster, ref)
        if not is_stopped(now):
            raise fought(now, keeper)

    started = clock.monotonic()
    amend(cluster, ref, lambda obj: stop_patch(obj, operation_id))
    if ref.kind == "CronJob":
        for job in _jobs(cluster, ref):
            amend(cluster, job, lambda obj: stop_patch(obj, operation_id))
    wait_no_pods(cluster, ref, timeout_s=timeout_s, clock=clock, look=look)
    clock.sleep(settle_s)
    now = read(cluster, ref)
    if not is_stopped(now) or (settle_s and pods_of(cluster, ref)):
        raise fought(now, keeper)
    policy = protected_from(now)
    kept: dict[str, Json] = {"claims_protected_from": policy} if policy else {}
    return {"stopped_ms": round((clock.monotonic() - started) * 1000), **kept}


def start(
    cluster: Cluster,
    ref: Ref,
    replicas: int | None,
    *,
    release: bool = False,
    autoscaled: bool = False,
    ready_timeout_s: float,
    clock: Clock,
) -> dict[str, Json]:
    """Starts a workload that was stopped; what a quarantine holds at rest only with ``release``.

    With a timeout above zero waits until it is ready, else raises TimedOut. How many replicas one has that was started
    and is ``autoscaled`` is not ours to say.
    """
    began = clock.monotonic()
    now = amend(cluster, ref, lambda obj: start_patch(obj, _wanted(obj, replicas, autoscaled), release=release))
    if ref.kind == "CronJob" and (release or not held_at_rest(now)):
        for job in _jobs(cluster, ref):
            amend(cluster, job, lambda obj: start_patch(obj, None, release=release))
    if ready_timeout_s > 0:
        wait_ready(cluster, ref, timeout_s=ready_timeout_s, clock=clock)
    return {"started_ms": round((clock.monotonic() - began) * 1000)}


def _wanted(obj: Object, replicas: int | None, autoscaled: bool) -> int | None:
    started = not is_stopped(obj) and STOPPED not in (obj["metadata"].get("annotations") or {})
    return None if autoscaled and started else replicas


def _jobs(cluster: Cluster, ref: Ref) -> list[Ref]:
    """The unfinished Jobs that a CronJob made."""
    found = []
    for job in cluster.list("Job", ref.namespace):
        owner = controller_of(job)
        if owner and owner["uid"] == ref.uid and not _ended(job):
            found.append(Ref("Job", job["metadata"]["name"], ref.namespace, job["metadata"]["uid"]))
    return found


def _ended(job: Mapping[str, Any]) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


@dataclass(frozen=True, slots=True)
class StopWorkload(OfOneObject):
    """``workloads.stop``: params kind, name, namespace, uid, replicas, timeout_s, settle_s."""

    cluster: Cluster
    clock: Clock

    def done(self, step: Step, context: Context) -> bool:
        del context
        ref = Ref.of(step.params)
        obj = read_or_none(self.cluster, ref)
        return obj is not None and is_stopped(obj) and not pods_of(self.cluster, ref)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        ref, by = Ref.of(step.params), context.operation_id
        timeout, settle = step.params.get("timeout_s", STOP_TIMEOUT_S), step.params.get("settle_s", 0)
        keeper = step.params.get("managed_by") or step.params.get("scaled_by") or ""
        return stop(self.cluster, ref, by, timeout_s=timeout, settle_s=settle, keeper=keeper, clock=self.clock)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del context
        ref, replicas = Ref.of(step.params), step.params["replicas"]
        start(self.cluster, ref, replicas, ready_timeout_s=0, clock=self.clock)
        # It may not have been ready before either: an undo brings back what was, it does not judge it.
        return {"ready": _ready_in_time(self.cluster, ref, READY_TIMEOUT_S, self.clock)}


@dataclass(frozen=True, slots=True)
class StartWorkload(OfOneObject):
    """``workloads.start``: params kind, name, namespace, uid, replicas, ready_timeout_s."""

    cluster: Cluster
    clock: Clock

    def done(self, step: Step, context: Context) -> bool:
        del context
        obj = read_or_none(self.cluster, Ref.of(step.params))
        if obj is None:
            return False
        waits = step.params.get("ready_timeout_s", READY_TIMEOUT_S) > 0
        wanted = _wanted(obj, step.params["replicas"], bool(step.params.get("scaled_by")))
        return start_patch(obj, wanted) is None and not (waits and readiness(obj))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        ref, replicas = Ref.of(step.params), step.params["replicas"]
        timeout, autoscaled = step.params.get("ready_timeout_s", READY_TIMEOUT_S), bool(step.params.get("scaled_by"))
        return start(self.cluster, ref, replicas, autoscaled=autoscaled, ready_timeout_s=timeout, clock=self.clock)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        ref = Ref.of(step.params)
        return stop(self.cluster, ref, context.operation_id, timeout_s=STOP_TIMEOUT_S, clock=self.clock)


@dataclass(frozen=True, slots=True)
class SetImages(OfOneObject):
    """``workloads.images``: params kind, name, namespace, uid, images, before, ready_timeout_s."""

    cluster: Cluster
    clock: Clock

    def done(self, step: Step, context: Context) -> bool:
        del context
        ref = Ref.of(step.params)
        obj = read_or_none(self.cluster, ref)
        if obj is None or images_patch(ref.kind, obj, step.params["images"]) is not None:
            return False
        return not (step.params.get("ready_timeout_s") and readiness(obj))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        ref, images = Ref.of(step.params), step.params["images"]
        amend(self.cluster, ref, lambda obj: images_patch(ref.kind, obj, images))
        if step.params.get("ready_timeout_s"):
            wait_ready(self.cluster, ref, timeout_s=step.params["ready_timeout_s"], clock=self.clock)
        return {"images": images}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Puts back the images that are still ours; one that somebody has set since stays."""
        del context
        ref, ours, before = Ref.of(step.params), step.params["images"], step.params["before"]
        obj = read(self.cluster, ref)
        present = {c["name"]: c.get("image", "") for c in _all_containers(ref.kind, obj)}
        back = {name: before[name] for name, image in ours.items() if present.get(name) == image}
        amend(self.cluster, ref, lambda found: images_patch(ref.kind, found, back))
        return {"images": back}


def _ready_in_time(cluster: Cluster, ref: Ref, timeout_s: float, clock: Clock) -> bool:
    try:
        wait_ready(cluster, ref, timeout_s=timeout_s, clock=clock)
    except KnownGoodError:
        return False
    return True


def images_patch(kind: str, obj: Object, images: Mapping[str, str]) -> Object | None:
    """A merge patch (with whole lists) that sets images by container name; None when they are set."""
    spec = _pod_spec(kind, obj)
    changed: dict[str, Any] = {}
    for key in ("containers", "initContainers"):
        old = spec.get(key) or []
        new = [{**c, "image": images.get(c["name"], c.get("image", ""))} for c in old]
        if new != old:
            changed[key] = new
    if not changed:
        return None
    template = {"template": {"spec": changed}}
    return {"spec": {"jobTemplate": {"spec": template}} if kind == "CronJob" else template}


def _pod_spec(kind: str, obj: Object) -> dict[str, Any]:
    spec = obj["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else obj["spec"]
    found: dict[str, Any] = spec["template"]["spec"]
    return found


def _all_containers(kind: str, obj: Object) -> list[dict[str, Any]]:
    spec = _pod_spec(kind, obj)
    return [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]


def actions(cluster: Cluster, *, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """``workloads.stop``, ``workloads.start``, ``workloads.images``."""
    del state_namespace, reporter
    return {
        "workloads.stop": StopWorkload(cluster, clock),
        "workloads.start": StartWorkload(cluster, clock),
        "workloads.images": SetImages(cluster, clock),
    }
