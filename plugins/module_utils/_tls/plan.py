# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a rotation: from what was seen to steps. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._cluster.kinds import named
from .._core.clock import rfc3339
from .._core.plan import Json, Plan, Step, digest
from .certificates import Certificate
from .consumers import Consumer, Use
from .handshake import HTTP
from .keys import SAME
from .services import ServicePort
from .source import CERT_MANAGER, CSR, Source
from .workloads import RESTARTABLE

KIND = "rotation"
RESTART, RELOAD, CANARY, BLUE_GREEN = "restart", "reload", "canary", "blue_green"
ROLLOUTS = (RESTART, RELOAD, CANARY, BLUE_GREEN)
TRIED = (CANARY, BLUE_GREEN)
"""Rollouts that show the new generation on pods of our own before it is in the Secret."""
WORDS = ("baseline", "stage", "check", "commit", "deliver", "restart", "prove", "clean")
"""The steps of a target whose certificate a CA Secret issues and whose servers reload by themselves or restart."""
WAVES = ("1", "10%", "100%")
_LEASE_NAME = 40


@dataclass(frozen=True, slots=True)
class Target:
    """What the caller asks for: one Secret, and where it is served.

    ``keystore_password``: the ``secret`` and ``key`` that hold the password of its PKCS#12 stores; ``reload``: how its
    servers are told to load new files (``signal`` or ``command``, and a ``container``).
    """

    namespace: str
    secret: str
    service: str = ""
    port: int | None = None
    server_name: str = ""
    protocol: str = HTTP
    workloads: tuple[str, ...] = ()
    keystore_password: Mapping[str, str] | None = None
    reload: Mapping[str, Json] | None = None

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.secret}"


@dataclass(frozen=True, slots=True)
class Canary:
    """How a new generation is tried: ``pods`` for each workload, watched under real traffic for ``watch_s`` seconds.

    ``leave_out``: workloads (``Kind/name``) of which no pod may run beside its own.
    """

    pods: int = 1
    watch_s: float = 10.0
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller asks for, all of it. Times in seconds; ``expiring_within`` None: a third of the validity.

    ``waves``: how many targets (and of a target, workloads) at a time, as numbers or percentages of all; the last one
    counts for what is left.
    ``at_once``: how many of a wave side by side. ``failures_allowed``: how many may fail before no new wave is begun.
    ``new_issuer``: the CA is another one than the one that issued what is there, which only a rotation of the CA may
    ask for: it has proven that every user trusts both. ``soak_s``: how long what was proven is watched.
    ``bridge``: PEM to be sent behind the leaf.
    """

    targets: tuple[Target, ...]
    ca_secret: str
    app: str = ""
    key: str = SAME
    force: bool = False
    incident: str = ""
    expiring_within_s: float | None = None
    probe_image: str = ""
    reload_wait_s: float = 5.0
    wait_timeout_s: float = 300.0
    keep_previous_s: float = 86400.0
    source: Source = field(default_factory=Source)
    rollout: str = RESTART
    canary: Canary = field(default_factory=Canary)
    soak_s: float = 0.0
    emergency: bool = False
    purge: tuple[str, ...] = ()
    accept_downtime: bool = False
    state_namespace: str = ""
    waves: tuple[str, ...] = WAVES
    at_once: int = 4
    failures_allowed: int = 0
    new_issuer: bool = False
    bridge: str = ""

    def reloads(self, target: Target) -> bool:
        """Are its servers told to load new files, rather than restarted?"""
        return self.rollout == RELOAD or (self.rollout == CANARY and bool(target.reload))

    def plan_key(self, targets: Sequence[Target]) -> str:
        """What makes asking again the same operation. Not what was found: that changes while it runs."""
        given = self.source.marks(target.ref for target in targets)
        why = f"provided:{given}" if given else "force" if self.force else "expiring"
        why = f"incident:{self.incident}" if self.incident else why
        return f"{why}:" + ",".join(sorted(target.ref for target in targets))

    def lease(self, targets: Sequence[Target]) -> str:
        """``namespace/name`` to hold: the application's, else the Secret's (shortened so that a label can hold it)."""
        if self.app:
            return self.app
        target = targets[0]
        name = target.secret
        if len(name) > _LEASE_NAME:
            name = f"{name[: _LEASE_NAME - 11].rstrip('-.')}-{digest(target.ref)[:10]}"
        return f"{target.namespace}/{name}"


@dataclass(frozen=True, slots=True)
class Observed:
    """A target as the cluster shows it, fit for rotation.

    ``due`` says why it is to be rotated, empty where it is not. ``ca``: fingerprint of the certificate that will sign;
    ``anchors``: PEM of what clients trust; ``expired_archives``: names and uids of copies whose time is over.
    ``kept``: the Certificate of cert-manager behind it; ``given``: fingerprint of what is handed over; ``copies``:
    other data keys that hold the pair again; ``trials``: the workloads that are tried with the new generation first;
    ``named_by``: what serves it without a pod that uses it (Ingress, Gateway).
    """

    target: Target
    uid: str
    certificate: Certificate
    rotated_for: str
    due: str
    key_format: str = ""
    ca_namespace: str = ""
    ca_name: str = ""
    ca: str = ""
    anchors: tuple[str, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    service: ServicePort | None = None
    expired_archives: tuple[tuple[str, str], ...] = ()
    kept: Mapping[str, Json] | None = None
    given: str = ""
    copies: tuple[str, ...] = ()
    trials: tuple[Consumer, ...] = ()
    named_by: tuple[str, ...] = ()


def due(certificate: Certificate, rotated_for: str, request: Request, now: dt.datetime) -> str:
    """Why this certificate is to be rotated now; empty when it is not."""
    if request.incident:
        return "" if rotated_for == request.incident else f"incident {request.incident}"
    if request.force:
        return "asked for"
    left = certificate.not_after - now
    life = certificate.not_after - certificate.not_before
    limit = life / 3 if request.expiring_within_s is None else dt.timedelta(seconds=request.expiring_within_s)
    return f"{certificate.days_left(now)} days left" if left <= limit else ""


def plan(request: Request, seen: Sequence[Observed]) -> Plan:
    """The steps, target after target. Targets that are not due have none (but that of dropping old copies)."""
    targets = [observed.target for observed in seen]
    steps = tuple(step for observed in seen for step in _steps(request, observed))
    return Plan(KIND, request.lease(targets), request.plan_key(targets), steps)


def _steps(request: Request, seen: Observed) -> tuple[Step, ...]:
    purge = _purge(seen)
    if not seen.due:
        return purge
    params = params_of(request, seen)
    made = "renew" if request.source.kind == CERT_MANAGER else "commit"
    until = {
        **dict.fromkeys(("baseline", "request", "stage", "check", "canary"), made),
        **dict.fromkeys(("deliver", "reload"), "restart"),
        "green": "switch",
        "switch": "switch_back",
    }
    steps = [
        Step(
            step_name(word, seen.target.ref),
            f"tls.{word}",
            _touched(word, seen),
            params,
            step_name(until[word], seen.target.ref) if word in until else "",
        )
        for word in words(request, reloads=request.reloads(seen.target))
    ]
    return (*steps, *purge)


def words(request: Request, *, reloads: bool) -> tuple[str, ...]:
    """The steps of a target in their order, by who issues and how servers get the new certificate."""
    kind, emergency = request.source.kind, request.emergency
    made = {CERT_MANAGER: ("renew",), CSR: ("request", *WORDS[1:4])}.get(kind, WORDS[1:4])
    tried = {CANARY: ("canary",), BLUE_GREEN: ("green", "switch")}.get(request.rollout, ())
    told = ("reload",) if reloads and not emergency else ()
    back = ("switch_back", "remove") if request.rollout == BLUE_GREEN else ()
    soak = ("soak",) if request.soak_s else ()
    after = ("restart", "prove", *back, *soak, *(() if kind == CERT_MANAGER else ("clean",)))
    first, last = (("deny",), ("leaks",)) if emergency else ((), ())
    return ("baseline", *first, *made[:-1], *tried, made[-1], "deliver", *told, *after, *last)


def step_name(word: str, ref: str) -> str:
    return f"{word} {ref}"


def _purge(seen: Observed) -> tuple[Step, ...]:
    if not seen.expired_archives:
        return ()
    namespace = seen.target.namespace
    params = {
        "namespace": namespace,
        "secret": seen.target.secret,
        "archives": [{"name": name, "uid": uid} for name, uid in seen.expired_archives],
    }
    touched = tuple(named("Secret", name, namespace) for name, _uid in seen.expired_archives)
    return (Step(step_name("purge", seen.target.ref), "tls.purge", touched, params),)


def _touched(word: str, seen: Observed) -> tuple[str, ...]:
    namespace, secret = seen.target.namespace, seen.target.secret
    if word == "stage":
        return (named("Secret", f"{secret}-next-*", namespace),)
    if word == "request":
        return (named("CertificateSigningRequest", "knowngood-*"), named("Secret", f"{secret}-key-*", namespace))
    if word == "renew" and seen.kept:
        return (named("Certificate", str(seen.kept["name"]), namespace),)
    if word == "deny":
        return ("ConfigMap knowngood-denied-*",)
    if word == "commit":
        return (named("Secret", secret, namespace), named("Secret", f"{secret}-prev-*", namespace))
    if word in ("deliver", "reload"):
        return tuple(f"pods of {named(c.kind, c.name, namespace)}" for c in seen.consumers)
    if word == "restart":
        return tuple(named(c.kind, c.name, namespace) for c in seen.consumers if c.kind in RESTARTABLE)
    if word == "clean":
        return (named("Secret", f"{secret}-next-*", namespace),)
    if word == "canary":
        return tuple(named("Pod", f"{c.name}-canary-*", namespace) for c in seen.trials)
    if word in ("green", "remove"):
        return tuple(named("Deployment", f"{c.name}-green-*", namespace) for c in seen.trials)
    if word in ("switch", "switch_back") and seen.service:
        return (named("Service", seen.service.service, namespace),)
    return ()


def params_of(request: Request, seen: Observed) -> dict[str, Json]:
    """Everything the steps need, also in another process. No secrets; nothing that depends on the time of day."""
    target = seen.target
    return {
        "namespace": target.namespace,
        "secret": target.secret,
        "uid": seen.uid,
        "old": seen.certificate.fingerprint,
        "old_not_after": rfc3339(seen.certificate.not_after),
        "why": _why(request),
        "ca_namespace": seen.ca_namespace,
        "ca_secret": seen.ca_name,
        "ca": seen.ca,
        "trust": list(seen.anchors),
        "key": request.key,
        "key_format": seen.key_format,
        "server_name": target.server_name or server_name(seen.certificate, seen.service),
        "protocol": target.protocol,
        "port": target.port,
        "declared": bool(target.service or target.port),
        "service": _service(seen.service),
        "consumers": [_consumer(consumer) for consumer in seen.consumers],
        "named_by": list(seen.named_by),
        "rotated_for": request.incident or seen.rotated_for,
        "rotated_for_before": seen.rotated_for,
        "probe_image": request.probe_image,
        "reload_wait_s": request.reload_wait_s,
        "timeout_s": request.wait_timeout_s,
        "keep_s": 0.0 if request.emergency else request.keep_previous_s,
        "copies": list(seen.copies),
        "keystore_password": dict(target.keystore_password) if target.keystore_password and seen.copies else None,
        "reload": dict(target.reload) if target.reload and request.reloads(target) else None,
        "emergency": request.emergency,
        "purge": list(request.purge),
        "old_spki": seen.certificate.spki,
        "bridge": request.bridge,
        "trials": [{"ref": c.ref, "uid": c.uid} for c in seen.trials],
        "canary": {"pods": request.canary.pods, "watch_s": request.canary.watch_s},
        "soak_s": request.soak_s,
        "waves": list(request.waves),
        **_source(request.source, seen),
    }


def _source(source: Source, seen: Observed) -> dict[str, Json]:
    """Who issues, as the steps need it."""
    found: dict[str, Json] = {"issuer": source.kind, "accept": list(source.accept), "issue_timeout_s": source.timeout_s}
    if source.kind == CERT_MANAGER:
        return {**found, "certificate": dict(seen.kept or {}), "old_pem": seen.certificate.pem().decode()}
    if source.kind == CSR:
        return {**found, "signer": source.signer, "approve": source.approve}
    return {**found, "given": seen.given}


def _why(request: Request) -> str:
    # Not the days that are left: they would make tomorrow's plan another one than the one approved today.
    return f"incident {request.incident}" if request.incident else "asked for" if request.force else "due"


def _service(service: ServicePort | None) -> dict[str, Json] | None:
    if service is None:
        return None
    return {
        "name": service.service,
        "namespace": service.namespace,
        "address": service.address,
        "port": service.port,
        "target": service.target,
        "selector": dict(sorted(service.selector.items())),
        "uid": service.uid,
    }


def _consumer(consumer: Consumer) -> dict[str, Json]:
    uses = [[use.container, use.delivery, use.path] for use in consumer.uses]
    return {"ref": consumer.ref, "uid": consumer.uid, "uses": uses}


def consumers_in(params: Mapping[str, Any]) -> tuple[Consumer, ...]:
    """The consumers back from a step's parameters."""
    return tuple(
        Consumer(c["ref"], c["uid"], tuple(Use(params["secret"], *use) for use in c["uses"]))
        for c in params["consumers"]
    )


def service_in(params: Mapping[str, Any]) -> ServicePort | None:
    """The Service's port back from a step's parameters."""
    found = params["service"]
    if found is None:
        return None
    return ServicePort(
        found["name"],
        found["namespace"],
        found["address"],
        found["port"],
        found["target"],
        found["selector"],
        found.get("uid", ""),
    )


def server_name(certificate: Certificate, service: ServicePort | None) -> str:
    """The name to ask for: one of the Service's that the certificate holds, else its first DNS name or address.

    Empty where it holds none.
    """
    plain = [name.partition(":")[2] for name in certificate.names if name.startswith(("DNS:", "IP:"))]
    dns = [name.partition(":")[2] for name in certificate.names if name.startswith("DNS:")]
    for wanted in service.names() if service else ():
        if wanted in plain or any(_wildcard_fits(name, wanted) for name in dns):
            return wanted
    concrete = [name for name in plain if not name.startswith("*")]
    if concrete:
        return concrete[0]
    return plain[0].replace("*", "www", 1) if plain else ""


def _wildcard_fits(pattern: str, name: str) -> bool:
    return pattern.startswith("*.") and name.partition(".")[2] == pattern[2:]
