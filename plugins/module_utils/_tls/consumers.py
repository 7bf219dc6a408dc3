# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a Secret: workloads by their templates and by their living pods, with how the Secret reaches each container.

Delivery: ``volume`` (the kubelet updates the files), ``sub_path``, ``env`` and ``init`` (read by an init container;
what it copied is never updated).

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.owners import top_of
from .._cluster.templates import secret_uses
from .workloads import LISTED, TEMPLATED, listed, pod_spec_of, ref_of

VOLUME, SUB_PATH, ENV, INIT = "volume", "sub_path", "env", "init"
_TLS_PORTS = (443, 8443)
_TLS_WORDS = ("https", "tls", "ssl")


@dataclass(frozen=True, slots=True)
class Use:
    """One way on which a Secret reaches a container."""

    secret: str
    container: str
    delivery: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """A container port as the pod declares it."""

    name: str
    number: int
    container: str


@dataclass(frozen=True, slots=True)
class PodSeen:
    """A living pod.

    ``workload`` is its top controller as ``Kind/name``, or ``Pod/name``; ``restarts``: of all its containers.
    """

    name: str
    uid: str
    workload: str
    ready: bool
    leaving: bool
    uses: tuple[Use, ...] = ()
    ports: tuple[Port, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0

    def port_named(self, wanted: int | str) -> int:
        """The number of a port given by number or name; 0 where the pod has none of that name."""
        if isinstance(wanted, int):
            return wanted
        if wanted.isdecimal():
            return int(wanted)
        return next((port.number for port in self.ports if port.name == wanted), 0)


@dataclass(frozen=True, slots=True)
class Consumer:
    """A workload and its uses of one Secret."""

    ref: str
    uid: str
    uses: tuple[Use, ...]

    @property
    def kind(self) -> str:
        return self.ref.partition("/")[0]

    @property
    def name(self) -> str:
        return self.ref.partition("/")[2]

    @property
    def delivered(self) -> bool:
        """Does every use get the new content without a new process?"""
        return all(use.delivery == VOLUME for use in self.uses)


@dataclass(frozen=True, slots=True)
class Namespace:
    """The pods of a namespace and the workloads above them, as far as they use Secrets."""

    name: str
    workloads: Mapping[str, tuple[str, tuple[Use, ...]]]
    pods: tuple[PodSeen, ...]

    def consumers(self, secret: str) -> tuple[Consumer, ...]:
        """Workloads that use the Secret by their template or by a pod of theirs; sorted."""
        found: dict[str, tuple[str, set[Use]]] = {}
        for ref, (uid, uses) in self.workloads.items():
            wanted = {use for use in uses if use.secret == secret}
            if wanted:
                found[ref] = (uid, wanted)
        for pod in self.pods:
            wanted = {use for use in pod.uses if use.secret == secret}
            if wanted:
                uid = self.workloads.get(pod.workload, (pod.uid, ()))[0]
                found.setdefault(pod.workload, (uid, set()))[1].update(wanted)
        return tuple(
            Consumer(ref, uid, tuple(sorted(uses, key=lambda u: (u.container, u.delivery, u.path))))
            for ref, (uid, uses) in sorted(found.items())
        )

    def pods_of(self, refs: Iterable[str]) -> tuple[PodSeen, ...]:
        wanted = set(refs)
        return tuple(pod for pod in self.pods if pod.workload in wanted)


def look(cluster: Cluster, namespace: str) -> Namespace:
    """Reads a namespace: one list a kind. Kinds that may not be read are taken as absent, pods may not."""
    objects = [obj for kind in LISTED for obj in listed(cluster, kind, namespace)]
    return assemble(namespace, objects, cluster.list("Pod", namespace))


def assemble(namespace: str, objects: Iterable[Object], pods: Iterable[Object]) -> Namespace:
    """Pure: from the objects."""
    by_uid = {obj["metadata"]["uid"]: obj for obj in objects}
    workloads = {
        ref_of(obj): (obj["metadata"]["uid"], _uses(pod_spec_of(obj)))
        for obj in by_uid.values()
        if obj["kind"] in TEMPLATED
    }
    living = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    return Namespace(namespace, workloads, tuple(_pod(pod, by_uid) for pod in sorted(living, key=_name)))


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _uses(pod_spec: Mapping[str, Any]) -> tuple[Use, ...]:
    copying = {c["name"] for c in pod_spec.get("initContainers") or [] if c.get("restartPolicy") != "Always"}
    return tuple(
        Use(use.secret, use.container, INIT if use.container in copying else use.delivery, use.path)
        for use in secret_uses(pod_spec)
    )


def ports_of(pod_spec: Mapping[str, Any]) -> tuple[Port, ...]:
    """What the containers declare, TCP alone."""
    return tuple(
        Port(port.get("name", ""), int(port["containerPort"]), container["name"])
        for container in pod_spec.get("containers") or []
        for port in container.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    )


def _pod(pod: Object, by_uid: Mapping[str, Object]) -> PodSeen:
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    pod.setdefault("kind", "Pod")
    top = top_of(pod, by_uid)
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    return PodSeen(
        name=meta["name"],
        uid=meta["uid"],
        workload=ref_of(top),
        ready=ready,
        leaving=bool(meta.get("deletionTimestamp")),
        uses=_uses(spec),
        ports=ports_of(spec),
        labels=dict(meta.get("labels") or {}),
        restarts=sum(int(container.get("restartCount", 0)) for container in status.get("containerStatuses") or []),
    )


def likely_ports(pod: PodSeen, containers: Iterable[str]) -> tuple[int, ...]:
    """Ports on which these containers probably speak TLS: by name, by number, else every port that they declare."""
    wanted = set(containers)
    ports = [port for port in pod.ports if port.container in wanted]
    telling = [p.number for p in ports if p.number in _TLS_PORTS or any(word in p.name.lower() for word in _TLS_WORDS)]
    return tuple(sorted(set(telling or [port.number for port in ports])))
