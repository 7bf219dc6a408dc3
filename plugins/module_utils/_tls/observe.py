# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking before a rotation: each target, its CA, its users. Everything that can be refused is refused here.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._cluster.client import Cluster, Object
from .._core.clock import parse_time
from .._core.errors import BadInput, Denied, NotFound
from .authority import Authority, authority
from .candidates import candidates
from .certificates import Certificate
from .certmanager import keeper
from .consumers import Consumer, Namespace, look
from .copies import remakeable
from .issue import judged_by, key_kind, validity
from .keys import weakness
from .named import Servers
from .path import name_problems, time_problems
from .plan import BLUE_GREEN, Observed, Request, Target, due
from .rollout import interrupts, obstacle
from .secrets import (
    KEPT_UNTIL,
    OF,
    PREVIOUS,
    ROLE,
    TlsSecret,
    derived_keys,
    must_be_mutable,
    must_be_ours_to_write,
    read_secret,
    role_of,
)
from .services import ServicePort, tls_port
from .source import CA_SECRET, CERT_MANAGER, CSR, PROVIDED, anchors_for, pair_from
from .subject import password_in
from .workloads import RESTARTABLE


@dataclass(slots=True)
class Observer:
    """Looks at targets; what several of them share is read once."""

    cluster: Cluster
    request: Request
    now: dt.datetime
    denied: frozenset[str] = frozenset()
    _namespaces: dict[str, Namespace] = field(default_factory=dict)
    _services: dict[str, list[Object]] = field(default_factory=dict)
    _servers: Servers = field(init=False)
    _archives: dict[str, dict[str, list[tuple[str, str]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._servers = Servers(self.cluster)

    def look(self, target: Target) -> Observed:
        """Raises NotFound, BadInput, Denied: each says what is wrong with the target, its CA or its users."""
        secret = self.secret(target)
        kept = keeper(self.cluster, secret) if self.request.source.kind == CERT_MANAGER else None
        marked = kept.rotated_for if kept else secret.rotated_for
        why = self.due(target, secret, marked)
        archives = self.expired_archives(target)
        if not why:
            return Observed(target, secret.uid, secret.certificate, marked, "", expired_archives=archives)
        if role_of(secret.obj):
            raise BadInput("this Secret is a copy that a rotation made", where=f"Secret {secret.ref}")
        copies = self.refuse_unwritable(target, secret)
        key_format = secret.key_format()
        if secret.certificate.ca:
            raise BadInput("the certificate is a CA, not a leaf", where=f"Secret {secret.ref}")
        seen = Observed(
            target=target,
            uid=secret.uid,
            certificate=secret.certificate,
            rotated_for=marked,
            due=why,
            key_format=key_format,
            expired_archives=archives,
            kept=kept.to_dict() if kept else None,
            copies=copies,
        )
        seen = self.with_source(seen, secret)
        consumers = self.consumers(target)
        self.refuse_unrenewable(target, consumers)
        service = self.service(target, consumers)
        trials = candidates(self.cluster, self.request, target, self.namespace(target.namespace), consumers, service)
        named_by = () if consumers or service else self._servers.of(target.namespace, target.secret)
        return replace(seen, consumers=consumers, service=service, trials=trials, named_by=named_by)

    def due(self, target: Target, secret: TlsSecret, marked: str) -> str:
        """Why it is to be rotated; empty when it is not. What is handed over is wanted unless it is there already."""
        given = self.request.source.given.get(target.ref)
        if given is not None:
            if secret.certificate.fingerprint == given.fingerprint:
                return ""
            return f"incident {self.request.incident}" if self.request.incident else "another is given"
        why = due(secret.certificate, marked, self.request, self.now)
        return why or ("its key is on the deny-list" if secret.certificate.spki in self.denied else "")

    def refuse_unwritable(self, target: Target, secret: TlsSecret) -> tuple[str, ...]:
        """Nobody may write it, we may not, or not all of its copies could be made anew. Gives the names of these."""
        if self.request.source.kind == CERT_MANAGER:
            must_be_mutable(secret)
            return ()
        must_be_ours_to_write(secret, derived_keys(secret))
        named_in = target.keystore_password
        return remakeable(secret, password_in(self.cluster, target.namespace, named_in) if named_in else None)

    # -- who issues --------------------------------------------------------------------------------------------------

    def with_source(self, seen: Observed, secret: TlsSecret) -> Observed:
        """The same with what is known of its issuer. Raises BadInput where that could not make a good one."""
        source = self.request.source
        if source.kind == CA_SECRET:
            namespace, name = self.ca_name(seen.target)
            ca = self.authority(seen.target, secret, namespace, name)
            self.refuse_unissuable(secret, ca)
            anchors = tuple(anchor.pem().decode() for anchor in ca.anchors)
            return replace(seen, ca_namespace=namespace, ca_name=name, ca=ca.certificate.fingerprint, anchors=anchors)
        trusted = anchors_for(secret, source.trust)
        seen = replace(seen, anchors=tuple(anchor.pem().decode() for anchor in trusted))
        if source.kind == PROVIDED:
            return replace(seen, given=self.refuse_unfit(seen, secret, trusted))
        self.refuse_untrusted(secret, trusted)
        return seen

    def refuse_unfit(self, seen: Observed, secret: TlsSecret, trusted: Sequence[Certificate]) -> str:
        """What is handed over, judged as what we issue is; gives its fingerprint."""
        where, source = f"targets: {seen.target.ref}", self.request.source
        given = source.given.get(seen.target.ref)
        if given is None:
            raise BadInput("nothing is given for this target", where=where, next="give certificate and private_key")
        new = pair_from(given, seen.key_format, where)
        old = secret.certificate
        problems = list(judged_by(old, new, trusted, self.now, taken=self.denied, accept=source.accept))
        wanted = key_kind(old, self.request.key)
        if new.certificate.key != wanted and "key" not in source.accept:
            problems.append(f"the kind of its key is {new.certificate.key}, {wanted} is wanted")
        if new.certificate.spki in self.denied:
            problems.append("its key is on the deny-list")
        if problems:
            raise BadInput(
                "the certificate given is not fit for this Secret",
                where=where,
                why="; ".join(problems),
                next="give another; what may differ can be named in issuer.accept",
            )
        return new.certificate.fingerprint

    def refuse_untrusted(self, secret: TlsSecret, trusted: Sequence[Certificate]) -> None:
        """An issuer elsewhere: what clients trust must live, allow the names, and outlive what is issued."""
        old, where = secret.certificate, f"Secret {secret.ref}"
        weak = weakness(key_kind(old, self.request.key))
        if weak and self.request.source.kind == CSR:
            raise BadInput(
                "the certificate's key is too weak to make another like it", where=where, why=weak, next="set key"
            )
        living = [ca for ca in trusted if not time_problems(ca, self.now)]
        if not living:
            ended = max(ca.not_after for ca in trusted)
            raise BadInput(
                "the CA that clients trust has expired",
                where=where,
                why=f"{trusted[0].subject} ended {ended:%Y-%m-%dT%H:%M:%SZ}",
                next="rotate the CA first",
            )
        allowed = [ca for ca in living if not name_problems(old, ca)]
        if not allowed:
            why = "; ".join(name_problems(old, living[0]))
            raise BadInput("the CA may not sign for these names", where=where, why=why)
        ends, life = max(ca.not_after for ca in allowed), old.not_after - old.not_before
        shortest = dt.timedelta(seconds=600) if self.request.source.kind == CSR else life
        if self.now + shortest > ends:
            raise BadInput(
                "the new certificate would outlive its CA",
                where=where,
                why=f"it would live {life.days} days, the CA ends {ends:%Y-%m-%dT%H:%M:%SZ}",
                next="rotate the CA first, or ask for a shorter duration",
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
        """Users that need a new process, or may need one, and whose controller would not make one in peace."""
        running = {pod.workload for pod in self.namespace(target.namespace).pods}
        for consumer in consumers:
            if consumer.ref not in running or consumer.kind in ("Job", "CronJob"):
                continue
            needed = self.request.emergency or not consumer.delivered
            if consumer.kind in RESTARTABLE and (needed or not self.request.reloads(target)):
                self._refuse_obstacle(target, consumer, needed=needed)
            elif needed and consumer.kind not in RESTARTABLE and not self.request.emergency:
                why = f"no controller of ours to restart a {consumer.kind}"
                raise _unrenewable(target, consumer, why, needed=True)

    def _refuse_obstacle(self, target: Target, consumer: Consumer, *, needed: bool) -> None:
        workload = self.cluster.get(consumer.kind, consumer.name, target.namespace)
        why = obstacle(workload)
        if why:
            raise _unrenewable(target, consumer, why, needed=needed)
        covered = self.request.accept_downtime or self.request.rollout == BLUE_GREEN
        why = "" if covered else interrupts(workload)
        if why:
            raise BadInput(
                f"a restart of {consumer.ref} would interrupt the service",
                where=f"namespace {target.namespace}",
                why=why,
                next="do it in a window, with accept_downtime: true, or give it another strategy",
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
                found = self.cluster.list("Secret", target.namespace, selector=selector)
            except Denied:  # they stay until somebody who may looks
                found = []
            by_secret: dict[str, list[tuple[str, str]]] = {}
            for meta in (obj["metadata"] for obj in found if self._over(obj)):
                by_secret.setdefault(meta["annotations"][OF], []).append((meta["name"], meta["uid"]))
            self._archives[target.namespace] = by_secret
        return tuple(sorted(self._archives[target.namespace].get(target.secret, ())))

    def _over(self, obj: Mapping[str, Any]) -> bool:
        annotations = obj["metadata"].get("annotations") or {}
        if not annotations.get(OF) or not annotations.get(KEPT_UNTIL):
            return False
        try:
            return parse_time(annotations[KEPT_UNTIL]) <= self.now
        except ValueError:
            return False


def _unrenewable(target: Target, consumer: Consumer, why: str, *, needed: bool) -> BadInput:
    ways = ", ".join(sorted({use.delivery for use in consumer.uses})) or "a way that is not seen"
    return BadInput(
        f"{consumer.ref} {'needs' if needed else 'may need'} a restart to see a new certificate"
        " and cannot be restarted",
        where=f"namespace {target.namespace}",
        why=f"it gets the Secret by {ways}; {why}",
        next="clear that, or leave it out with workloads in targets"
        + ("" if needed else ", or say with rollout: reload how it loads new files"),
    )
