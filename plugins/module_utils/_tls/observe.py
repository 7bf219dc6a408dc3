# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking before a rotation: each target, its CA, its users. Everything that can be refused is refused here.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Cluster, Object
from .._core.clock import parse_time
from .._core.errors import BadInput, Denied, NotFound
from .authority import Authority, authority
from .consumers import RESTARTABLE, Consumer, Namespace, look
from .issue import key_kind, validity
from .keys import weakness
from .path import name_problems
from .plan import Observed, Request, Target, due
from .rollout import obstacle
from .secrets import KEPT_UNTIL, OF, PREVIOUS, ROLE, TlsSecret, must_be_ours_to_write, read_secret, role_of
from .services import ServicePort, tls_port


@dataclass(slots=True)
class Observer:
    """Looks at targets; what several of them share is read once."""

    cluster: Cluster
    request: Request
    now: dt.datetime
    _namespaces: dict[str, Namespace] = field(default_factory=dict)
    _services: dict[str, list[Object]] = field(default_factory=dict)
    _archives: dict[str, list[Object]] = field(default_factory=dict)

    def look(self, target: Target) -> Observed:
        """Raises NotFound, BadInput, Denied: each says what is wrong with the target, its CA or its users."""
        secret = self.secret(target)
        why = due(secret.certificate, secret.rotated_for, self.request, self.now)
        archives = self.expired_archives(target)
        if not why:
            return Observed(target, secret.uid, secret.certificate, secret.rotated_for, "", expired_archives=archives)
        if role_of(secret.obj):
            raise BadInput("this Secret is a copy that a rotation made", where=f"Secret {secret.ref}")
        must_be_ours_to_write(secret)
        key_format = secret.key_format()
        if secret.certificate.ca:
            raise BadInput("the certificate is a CA, not a leaf", where=f"Secret {secret.ref}")
        namespace, name = self.ca_name(target)
        ca = self.authority(target, secret, namespace, name)
        self.refuse_unissuable(secret, ca)
        consumers = self.consumers(target)
        self.refuse_unrenewable(target, consumers)
        return Observed(
            target=target,
            uid=secret.uid,
            certificate=secret.certificate,
            rotated_for=secret.rotated_for,
            due=why,
            key_format=key_format,
            ca_namespace=namespace,
            ca_name=name,
            ca=ca.certificate.fingerprint,
            anchors=tuple(anchor.pem().decode() for anchor in ca.anchors),
            consumers=consumers,
            service=self.service(target, consumers),
            expired_archives=archives,
        )

    # -- the Secret and its CA --------------------------------------------------------------------------------------

    def secret(self, target: Target) -> TlsSecret:
        found = self.cluster.find("Secret", target.secret, target.namespace)
        if found is None:
            raise NotFound(
                f"no Secret {target.ref}", where=self.cluster.server, next="check secret and namespace in targets"
            )
        return read_secret(found)

    def ca_name(self, target: Target) -> tuple[str, str]:
        """Namespace and name of the CA's Secret; without a namespace, the target's."""
        namespace, slash, name = self.request.ca_secret.partition("/")
        if not slash:
            return target.namespace, namespace
        if not namespace or not name or "/" in name:
            raise BadInput(
                "issuer.ca_secret is not a name", why=f"got {self.request.ca_secret!r}", next="name or namespace/name"
            )
        return namespace, name

    def authority(self, target: Target, secret: TlsSecret, namespace: str, name: str) -> Authority:
        if (namespace, name) == (target.namespace, target.secret):
            raise BadInput("a certificate cannot be its own CA", where=f"Secret {secret.ref}")
        found = self.cluster.find("Secret", name, namespace)
        if found is None:
            raise NotFound(f"no CA Secret {namespace}/{name}", where=self.cluster.server, next="check issuer.ca_secret")
        ca = authority(found, self.now, (*secret.chain.certificates[1:], *secret.trust.certificates))
        if not self.request.new_issuer and not secret.certificate.signed_by(ca.certificate):
            raise BadInput(
                "the certificate is not signed by this CA",
                where=f"Secret {secret.ref}, {ca.where}",
                why=f"it was issued by {secret.certificate.issuer}; the CA is {ca.certificate.subject}"
                + (" (another key)" if secret.certificate.issuer == ca.certificate.subject else ""),
                next="name the CA that issued it: its users need not trust another",
            )
        return ca

    def refuse_unissuable(self, secret: TlsSecret, ca: Authority) -> None:
        """Names that the CA may not sign for, a weak key, or no time left for it."""
        old, where = secret.certificate, f"Secret {secret.ref}"
        names = [problem for certificate in ca.path for problem in name_problems(old, certificate)]
        if names:
            raise BadInput("the CA may not sign for these names", where=where, why="; ".join(names))
        weak = weakness(key_kind(old, self.request.key))
        if weak:
            raise BadInput(
                "the certificate's key is too weak to make another like it", where=where, why=weak, next="set key"
            )
        begin, end = validity(old, ca, self.now)
        del begin
        wanted = self.request.expiring_within_s or 0.0
        if not (self.request.force or self.request.incident) and (end - self.now).total_seconds() <= wanted:
            raise BadInput(
                "the CA ends too soon: the new certificate would be due again at once",
                where=ca.where,
                why=f"its chain ends {ca.not_after:%Y-%m-%dT%H:%M:%SZ}",
                next="rotate the CA first, or ask for less in expiring_within",
            )

    # -- its users --------------------------------------------------------------------------------------------------

    def namespace(self, name: str) -> Namespace:
        if name not in self._namespaces:
            self._namespaces[name] = look(self.cluster, name)
        return self._namespaces[name]

    def consumers(self, target: Target) -> tuple[Consumer, ...]:
        """The Secret's users; with ``workloads``, those named and no others (also where no use of it is seen)."""
        seen = self.namespace(target.namespace)
        found = {consumer.ref: consumer for consumer in seen.consumers(target.secret)}
        if not target.workloads:
            return tuple(found.values())
        missing = sorted(set(target.workloads) - set(found) - set(seen.workloads))
        if missing:
            there = ", ".join(sorted({*found, *seen.workloads})) or "none"
            raise BadInput(
                f"no workload {', '.join(missing)}", where=f"targets: {target.ref}", why=f"the namespace has: {there}"
            )
        return tuple(
            found[ref] if ref in found else Consumer(ref, seen.workloads[ref][0], ())
            for ref in sorted(set(target.workloads))
        )

    def refuse_unrenewable(self, target: Target, consumers: tuple[Consumer, ...]) -> None:
        """Users that never see the new content without a new process, and whose controller would not make one."""
        running = {pod.workload for pod in self.namespace(target.namespace).pods}
        for consumer in consumers:
            if consumer.delivered or consumer.ref not in running or consumer.kind in ("Job", "CronJob"):
                continue
            if consumer.kind in RESTARTABLE:
                why = obstacle(self.cluster.get(consumer.kind, consumer.name, target.namespace))
            else:
                why = f"no controller of ours to restart a {consumer.kind}"
            if why:
                ways = ", ".join(sorted({use.delivery for use in consumer.uses}))
                raise BadInput(
                    f"{consumer.ref} needs a restart to see a new certificate and cannot be restarted",
                    where=f"namespace {target.namespace}",
                    why=f"it gets the Secret by {ways}; {why}",
                    next="clear that, or leave it out with workloads in targets",
                )

    def service(self, target: Target, consumers: tuple[Consumer, ...]) -> ServicePort | None:
        """The Service named; else the only one that leads to a port of the users' pods."""
        if target.service:
            found = self.cluster.find("Service", target.service, target.namespace)
            if found is None:
                raise NotFound(f"no Service {target.namespace}/{target.service}", where=f"targets: {target.ref}")
            return tls_port(found, target.port)
        pods = self.namespace(target.namespace).pods_of(consumer.ref for consumer in consumers)
        leading = []
        for service in self.services(target.namespace):
            try:
                port = tls_port(service, target.port)
            except BadInput:
                continue
            if any(port.chooses(pod) for pod in pods):
                leading.append(port)
        addressed = [port for port in leading if not port.headless]
        chosen = addressed or leading
        return chosen[0] if len(chosen) == 1 else None

    def services(self, namespace: str) -> list[Object]:
        if namespace not in self._services:
            try:
                self._services[namespace] = self.cluster.list("Service", namespace)
            except Denied:  # without them there is no proof through a Service, and that is said
                self._services[namespace] = []
        return self._services[namespace]

    # -- what earlier rotations left --------------------------------------------------------------------------------

    def expired_archives(self, target: Target) -> tuple[tuple[str, str], ...]:
        """Our copies of old pairs of this Secret whose time is over: names and uids, sorted."""
        if target.namespace not in self._archives:
            try:
                selector = f"{ROLE}={PREVIOUS}"
                self._archives[target.namespace] = self.cluster.list("Secret", target.namespace, selector=selector)
            except Denied:  # they stay until somebody who may looks
                self._archives[target.namespace] = []
        found = [obj["metadata"] for obj in self._archives[target.namespace] if self._over(obj, target.secret)]
        return tuple(sorted((meta["name"], meta["uid"]) for meta in found))

    def _over(self, obj: Mapping[str, Any], secret: str) -> bool:
        annotations = obj["metadata"].get("annotations") or {}
        if annotations.get(OF) != secret or not annotations.get(KEPT_UNTIL):
            return False
        try:
            return parse_time(annotations[KEPT_UNTIL]) <= self.now
        except ValueError:
            return False
