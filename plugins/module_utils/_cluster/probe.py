# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod of our own for a moment, to look at something from inside the cluster.

It runs ``sleep`` under the "restricted" Pod Security Standard, without a service account token, and ends by itself
after a quarter of an hour should nobody be left to delete it.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from .._core.clock import Clock
from .._core.errors import Conflict, Denied, KnownGoodError, NotProven, TimedOut
from .._core.plan import digest
from .client import ANY_VERSION, Cluster, Object, owned_by
from .kinds import named
from .streams import ExecResult, run_in_pod
from .waits import wait_gone, wait_until

CONTAINER = "probe"
LIFE_S = 900
_HOPELESS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError")
_NOBODY = 65532
_PREFIX = "knowngood-probe-"


@dataclass(frozen=True, slots=True)
class ProbePod:
    """A probe pod that is running."""

    cluster: Cluster
    namespace: str
    name: str

    def run(self, argv: Sequence[str], stdin: str = "", timeout_s: float = 30.0) -> ExecResult:
        """Runs a command in it, see :func:`run_in_pod`."""
        return run_in_pod(
            self.cluster, self.namespace, self.name, argv, container=CONTAINER, stdin=stdin, timeout_s=timeout_s
        )


@contextmanager
def probe_pod(
    cluster: Cluster,
    namespace: str,
    image: str,
    operation_id: str,
    *,
    labels: Mapping[str, str] | None = None,
    clock: Clock,
    timeout_s: float = 60.0,
    pull_secrets: Sequence[str] = (),
    purpose: str = "probe",
) -> Iterator[ProbePod]:
    """A running pod of that image (it must have ``sleep``), deleted at the end whatever happens.

    Its name follows from operation, purpose, labels and image: what a killed run left behind is replaced, or goes with
    the operation's undo (:func:`clear_probes`). ``labels`` let it pass for a pod that a NetworkPolicy lets through.
    Raises NotProven when the image cannot run there, TimedOut.
    """
    manifest = pod_manifest(namespace, image, operation_id, labels or {}, pull_secrets, purpose)
    pod = _create(cluster, manifest, clock)
    try:
        _wait_running(cluster, pod, image, timeout_s, clock)
        yield ProbePod(cluster, namespace, pod["metadata"]["name"])
    finally:
        _delete(cluster, pod)


def clear_probes(cluster: Cluster, namespaces: Iterable[str], operation_id: str) -> None:
    """Deletes the probe pods that a run of this operation left, because it died, where they may be looked for."""
    selector = ",".join(f"{key}={value}" for key, value in owned_by(operation_id).items())
    for namespace in sorted(set(namespaces)):
        with suppress(Denied):  # they end by themselves
            for pod in cluster.list("Pod", namespace, selector=selector):
                if pod["metadata"]["name"].startswith(_PREFIX):
                    _delete(cluster, pod)


def pod_manifest(
    namespace: str,
    image: str,
    operation_id: str,
    labels: Mapping[str, str],
    pull_secrets: Sequence[str] = (),
    purpose: str = "probe",
) -> Object:
    """The pod. Pure."""
    own = owned_by(operation_id, purpose=purpose)
    container = {
        "name": CONTAINER,
        "image": image,
        "command": ["sleep", str(LIFE_S)],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    spec: dict[str, Any] = {
        "containers": [container],
        "restartPolicy": "Never",
        "activeDeadlineSeconds": LIFE_S,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _NOBODY,
            "runAsGroup": _NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    name = f"{_PREFIX}{digest([operation_id, purpose, sorted(labels.items()), image])[:10]}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {**labels, **own}},
        "spec": spec,
    }


def _create(cluster: Cluster, manifest: Object, clock: Clock) -> Object:
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    try:
        return cluster.create(manifest)
    except Conflict:
        left = cluster.find("Pod", name, namespace)
    if left is not None:
        uid = left["metadata"]["uid"]
        cluster.delete("Pod", name, namespace, uid=uid, resource_version=ANY_VERSION, grace_s=0)
        wait_gone(cluster, "Pod", name, namespace, uid, timeout_s=60, clock=clock)
    return cluster.create(manifest)


def _wait_running(cluster: Cluster, pod: Object, image: str, timeout_s: float, clock: Clock) -> None:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    where = named("Pod", name, namespace)

    def check(pods: Mapping[str, Object]) -> str:
        status = (pods.get(name) or {}).get("status") or {}
        containers = status.get("containerStatuses") or []
        if any("running" in (item.get("state") or {}) for item in containers):
            return ""
        reason = _reason(containers)
        if status.get("phase") in ("Failed", "Succeeded") or reason.partition(":")[0] in _HOPELESS:
            raise NotProven(
                f"the probe pod cannot run image {image!r}",
                where=where,
                why=reason or str(status.get("message") or status.get("reason") or status["phase"]),
                next="name an image that the nodes have or can pull, with sleep and sh in it",
            )
        return reason or f"phase {status.get('phase', 'unknown')}"

    try:
        wait_until(
            cluster,
            "Pod",
            namespace,
            check,
            what="the probe pod to run",
            timeout_s=timeout_s,
            clock=clock,
            field=f"metadata.name={name}",
        )
    except TimedOut as error:
        raise NotProven("the probe pod did not start", where=where, why=error.why, next="see its events") from error


def _reason(containers: Sequence[Mapping[str, Any]]) -> str:
    for item in containers:
        state = item.get("state") or {}
        found = state.get("waiting") or state.get("terminated") or {}
        if found.get("reason") and found["reason"] != "ContainerCreating":
            return f"{found['reason']}: {found.get('message', '')}".rstrip(": ")
    return ""


def _delete(cluster: Cluster, pod: Object) -> None:
    meta = pod["metadata"]
    try:
        cluster.delete("Pod", meta["name"], meta["namespace"], uid=meta["uid"], resource_version=ANY_VERSION, grace_s=0)
    except KnownGoodError:
        return  # its deadline ends it; what was found out with it still counts
