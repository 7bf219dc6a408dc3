# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One target of a rotation while its steps run: its Secret, our copies of it, its pods and the ports they serve on.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.deletes import delete_as_read
from .._cluster.kinds import named
from .._core.clock import Clock
from .._core.errors import BadInput, Conflict, KnownGoodError, NotFound
from .._core.operation import Context
from .._core.plan import Json, Step
from .._core.progress import Reporter
from .authority import Authority, decode
from .certificates import Certificate, read_chain
from .consumers import Consumer, PodSeen, likely_ports, look
from .plan import consumers_in, service_in, step_name
from .secrets import PENDING, TlsSecret, archive_name, ours, pending_name, read_secret, staged_name
from .services import ServicePort
from .source import Given

Ports = Mapping[str, Sequence[int]]
"""Ports on which the pods of a workload serve the Secret, by ``Kind/name``."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every action works with.

    ``signers``: where CAs that were read are kept for the length of one step over many targets; None: nowhere.
    """

    cluster: Cluster
    clock: Clock
    reporter: Reporter
    state_namespace: str = ""
    given: Mapping[str, Given] = field(default_factory=dict, repr=False)
    signers: dict[tuple[str, ...], Authority] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """The target named by a step's parameters, within the operation that the step runs in."""

    tools: Tools
    params: Mapping[str, Json]
    context: Context

    @classmethod
    def of(cls, tools: Tools, step: Step, context: Context) -> Subject:
        return cls(tools, step.params, context)

    @property
    def cluster(self) -> Cluster:
        return self.tools.cluster

    @property
    def namespace(self) -> str:
        return str(self.params["namespace"])

    @property
    def name(self) -> str:
        return str(self.params["secret"])

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def where(self) -> str:
        return named("Secret", self.name, self.namespace)

    def result(self, word: str) -> Mapping[str, Json]:
        """What the step ``word`` of this target left, empty where it has not ended."""
        return self.context.results.get(step_name(word, self.ref), {})

    @property
    def new(self) -> str:
        """The fingerprint of the new generation; empty before it is staged."""
        made = self.result("stage") or self.result("renew")
        return str(made.get("fingerprint", ""))

    @property
    def copies(self) -> tuple[str, ...]:
        """Other data keys that hold the pair again, made anew in the same write."""
        return tuple(self.params.get("copies") or ())

    @property
    def emergency(self) -> bool:
        """Is the old key given up at once: no overlap, every process new, no way back?"""
        return bool(self.params.get("emergency"))

    @property
    def reloads(self) -> bool:
        """Are servers told to load new files, rather than restarted?"""
        return bool(self.params.get("reload")) and not self.emergency

    @property
    def tried(self) -> bool:
        """Do pods of our own run the new generation before it is in the Secret?"""
        return bool(self.params.get("trials"))

    def old_certificate(self) -> Certificate:
        """The old one from the parameters: where somebody else writes the Secret, it is not there any more."""
        return read_chain(str(self.params["old_pem"]).encode()).certificates[0]

    def keystore_password(self) -> bytes | None:
        """The password of the PKCS#12 stores in the Secret, from where the parameters say; None: there is none."""
        named_in = self.params.get("keystore_password")
        return password_in(self.cluster, self.namespace, named_in) if named_in else None

    # -- Secrets ----------------------------------------------------------------------------------------------------

    def secret(self) -> TlsSecret:
        """The Secret as it is now. Raises NotFound; Conflict when it is not the one that was planned with."""
        return read_secret(self.same(self.cluster.get("Secret", self.name, self.namespace)))

    def same(self, obj: Object) -> Object:
        if obj["metadata"]["uid"] != self.params["uid"]:
            raise Conflict(
                "the Secret is another one than at planning time",
                where=self.where,
                why="it was deleted and made anew",
                next="undo or abandon this operation, then plan again",
            )
        return obj

    def foreign(self, found: TlsSecret) -> Conflict:
        """Somebody else has put a third certificate into the Secret: hold, never force."""
        return Conflict(
            "somebody else changed the certificate during the rotation",
            where=self.where,
            why=f"it holds {found.certificate.fingerprint}, which is neither the old one nor ours",
            next="find out who writes it; nothing of theirs was overwritten",
        )

    def staged(self) -> TlsSecret | None:
        return self._copy(staged_name(self.name, self.context.operation_id), "staged")

    def archive(self) -> TlsSecret | None:
        return self._copy(archive_name(self.name, self.context.operation_id), "previous")

    def pending(self) -> Object | None:
        """The Secret with the key of a request that is not answered yet."""
        name = pending_name(self.name, self.context.operation_id)
        found = self.cluster.find("Secret", name, self.namespace)
        return None if found is None else ours(found, self.context.operation_id, PENDING)

    def _copy(self, name: str, role: str) -> TlsSecret | None:
        """A copy that this operation made; raises Conflict where the name is taken by something else."""
        found = self.cluster.find("Secret", name, self.namespace)
        return None if found is None else read_secret(ours(found, self.context.operation_id, role))

    def drop(self, copy: TlsSecret | None) -> str:
        """Deletes a copy; returns its name, empty where there was none."""
        if copy is None:
            return ""
        delete_as_read(self.cluster, "Secret", copy.obj)
        return copy.name

    def trust(self) -> tuple[Certificate, ...]:
        """What clients trust, from the parameters."""
        return read_chain("".join(self.params["trust"]).encode()).certificates

    # -- consumers --------------------------------------------------------------------------------------------------

    def consumers(self) -> tuple[Consumer, ...]:
        return consumers_in(self.params)

    def service(self) -> ServicePort | None:
        return service_in(self.params)

    def pods(self) -> tuple[PodSeen, ...]:
        """The living pods of the consumers, those that are ending left out."""
        seen = look(self.cluster, self.namespace).pods_of(consumer.ref for consumer in self.consumers())
        return tuple(pod for pod in seen if not pod.leaving)

    def ports(self, pod: PodSeen) -> tuple[int, ...]:
        """Where the pod should speak TLS: as declared, else as its Service or its own ports make likely."""
        service = self.service()
        if service is not None and service.chooses(pod):
            number = pod.port_named(service.target)
            return (number,) if number else ()
        if self.params["port"] is not None and service is None:
            return (int(self.params["port"]),)
        using = {
            use.container for consumer in self.consumers() if consumer.ref == pod.workload for use in consumer.uses
        }
        return likely_ports(pod, using)

    def declared(self, pod: PodSeen) -> bool:
        """Did the caller say where this pod serves?"""
        service = self.service()
        return bool(self.params["declared"]) and (service is None or service.chooses(pod))

    def mark_pods(self, pods: Sequence[PodSeen], fingerprint: str) -> int:
        """Annotates pods, which makes the kubelet look at their Secrets at once; how many could be told.

        Only speeds things up: a pod that is gone, or a caller who may not, is no failure.
        """
        body = {"metadata": {"annotations": {"knowngood.io/certificate": fingerprint[7:23]}}}
        told = 0
        for pod in pods:
            try:
                self.cluster.patch("Pod", pod.name, self.namespace, body, uid=pod.uid)
            except KnownGoodError:
                continue
            told += 1
        return told


def password_in(cluster: Cluster, namespace: str, named_in: Mapping[str, str]) -> bytes:
    """A password from a key of a Secret: ``{"secret": ..., "key": ...}``. Raises NotFound, BadInput."""
    name, key = named_in["secret"], named_in["key"]
    where = named("Secret", name, namespace)
    found = cluster.find("Secret", name, namespace)
    if found is None:
        raise NotFound("the Secret with the key store's password is not there", where=where)
    value = (found.get("data") or {}).get(key)
    if not value:
        there = ", ".join(sorted(found.get("data") or {})) or "no data"
        raise BadInput("the key store's password is not there", where=f"{where} {key}", why=f"the Secret has {there}")
    return decode(value, f"{where} {key}")


def as_ports(value: Any) -> Ports:
    """Ports by workload from a step's result."""
    return {str(ref): tuple(int(port) for port in ports) for ref, ports in (value or {}).items()}
