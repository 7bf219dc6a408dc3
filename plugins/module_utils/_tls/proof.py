# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pods of a target serve: baseline before, gate after.

A row of proof: ``target``, ``pod``, ``service``, ``port``, ``path``, ``fingerprint``, ``expected``, ``ok`` (None where
nothing could be seen), ``bytes``, ``status``, ``verified``, ``connections``, ``why``, ``named_by`` (what serves the
Secret without a pod that uses it).

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .._cluster.probe import probe_pod
from .._core.errors import KnownGoodError
from .._core.plan import Json
from .consumers import PodSeen
from .handshake import HTTP, Served
from .inside import command, read
from .services import ServicePort
from .sights import IN_CLUSTER, PORT_FORWARD, Sight, TlsPort, see
from .starttls import before_tls, protocol_of
from .subject import Ports, Subject

CONNECTIONS = 3
"""Fresh connections to each port: several processes may answer on one."""
_TRIES = 5
NO_SERVICE = "no Service leads to the pods"
NOT_ASKED = "no pod uses the Secret; what its controller serves was not asked"


@dataclass(frozen=True, slots=True)
class Proof:
    """Rows, and how many connections failed on the way to them."""

    rows: tuple[dict[str, Json], ...]
    failed: int = 0

    @property
    def refuted(self) -> tuple[dict[str, Json], ...]:
        return tuple(row for row in self.rows if row["ok"] is False)

    @property
    def proven(self) -> tuple[dict[str, Json], ...]:
        return tuple(row for row in self.rows if row["ok"])


@dataclass(frozen=True, slots=True)
class Place:
    """What is dialled inside the cluster: a Service, or a pod of ours by its own address.

    ``starttls``: what it speaks before TLS, where that is known.
    """

    address: str
    port: int
    pod: str = ""
    service: str = ""
    starttls: str = ""


def glance(subject: Subject, pods: Iterable[PodSeen], ports: Ports) -> tuple[Sight, ...]:
    """One look at each ready pod of a workload whose ports are known: which certificate is served?"""
    return see(subject.cluster, subject.namespace, _ports(pods, ports), server_name=str(subject.params["server_name"]))


def _ports(pods: Iterable[PodSeen], ports: Ports) -> list[TlsPort]:
    return [
        TlsPort(pod.name, port, before_tls(pod.ports, port))
        for pod in pods
        if pod.ready
        for port in ports.get(pod.workload, ())
    ]


def failures(sights: Iterable[Sight]) -> int:
    return sum(not sight.served.fingerprint for sight in sights)


def prove_pods(
    subject: Subject, ports: Ports, expected: str, *, strict: bool, refs: Collection[str] | None = None
) -> Proof:
    """Every pod: the expected certificate on each of several fresh connections, with application bytes.

    ``strict`` also wants chain and host name to hold against the CA. ``refs``: only the pods of these workloads.
    """
    pods = [pod for pod in subject.pods() if refs is None or pod.workload in refs]
    unknown = [_unknown(subject, pod, ports, expected) for pod in pods if not (pod.ready and ports.get(pod.workload))]
    wanted = _ports(pods, ports)
    seen = prove_ports(subject, wanted, expected, strict=strict)
    return Proof((*seen.rows, *unknown), seen.failed)


def prove_ports(
    subject: Subject, wanted: Iterable[TlsPort], expected: str, *, strict: bool = True, connections: int = CONNECTIONS
) -> Proof:
    """Each of these ports, as :func:`prove_pods`: a row each."""
    sights = see(
        subject.cluster,
        subject.namespace,
        [port for port in wanted for _time in range(connections)],
        server_name=str(subject.params["server_name"]),
        trust=subject.trust() if strict else (),
        protocol=str(subject.params["protocol"]),
    )
    groups = [sights[at : at + connections] for at in range(0, len(sights), connections)]
    return Proof(tuple(_pod_row(subject, group, expected) for group in groups), failures(sights))


def _pod_row(subject: Subject, group: Sequence[Sight], expected: str) -> dict[str, Json]:
    protocol = _spoken(subject, group[0].port.starttls)
    telling = next((s for s in group if not holds(s.served, expected, protocol)), group[-1])
    row = _row(subject, telling.served, expected, PORT_FORWARD, protocol)
    return {**row, "pod": telling.port.pod, "port": telling.port.port, "connections": len(group)}


def _spoken(subject: Subject, starttls: str) -> str:
    """Whoever wants to be asked for TLS speaks no HTTP behind it, though that is what a task means by default."""
    return starttls or str(subject.params["protocol"])


def _unknown(subject: Subject, pod: PodSeen, ports: Ports, expected: str) -> dict[str, Json]:
    """Of a pod that cannot be asked. One that is not ready, and was not unready before, speaks against the change."""
    known = ports.get(pod.workload, ())
    why = "the pod is not ready" if known else "no port on which it serves the certificate is known"
    before = subject.result("baseline").get("unknown", ())
    row = _row(subject, Served(why=why), expected, PORT_FORWARD, "")
    ok = False if known and pod.name not in before else None
    return {**row, "pod": pod.name, "port": next(iter(known), 0), "ok": ok, "connections": 0}


def prove_service(subject: Subject, expected: str, *, blind: str = "", tries: int = _TRIES) -> Proof:
    """Once through the Service, from a probe pod inside the cluster, chain and host name checked there.

    ``blind``: why it cannot be asked; the row then says so. Raises NotProven and TimedOut when the probe cannot run.
    """
    service = subject.service()
    if service is None or blind:
        named = list(subject.params.get("named_by") or ())
        why = NOT_ASKED if named and service is None else blind or NO_SERVICE
        row = {**_row(subject, Served(why=why), expected, IN_CLUSTER, ""), "named_by": named}
        return Proof(({**row, "service": service.service if service else "", "ok": None, "connections": 0},))
    place = Place(service.address, service.port, service=service.service, starttls=_before_tls(service))
    return prove_inside(subject, [place], expected, tries=tries)


def _before_tls(service: ServicePort) -> str:
    """By the port of the pods behind it, named or numbered: that of the Service itself may be any."""
    target = service.target
    return protocol_of(target, service.port) if isinstance(target, str) else protocol_of("", target)


def prove_inside(subject: Subject, places: Iterable[Place], expected: str, *, tries: int = _TRIES) -> Proof:
    """Each of these addresses, asked from one probe pod inside the cluster: a row each. Raises as prove_service."""
    image, operation_id, clock = str(subject.params["probe_image"]), subject.context.operation_id, subject.tools.clock
    with probe_pod(subject.cluster, subject.namespace, image, operation_id, clock=clock) as pod:
        found = [_prove_place(subject, pod, place, expected, tries) for place in places]
    return Proof(tuple(row for one in found for row in one.rows), sum(one.failed for one in found))


def _prove_place(subject: Subject, pod: Any, place: Place, expected: str, tries: int) -> Proof:
    protocol = _spoken(subject, place.starttls)
    name = str(subject.params["server_name"]) or place.service or place.address
    argv = command(place.address, place.port, name, protocol, subject.trust())
    answers = [_ask_inside(pod, argv, protocol)]
    # A pod that has just ended may still get connections for a moment: asked again, and counted.
    while not holds(answers[-1], expected, protocol) and len(answers) < tries:
        subject.tools.clock.sleep(1.0)
        answers.append(_ask_inside(pod, argv, protocol))
    row = _row(subject, answers[-1], expected, IN_CLUSTER, protocol)
    failed = sum(not holds(answer, expected, protocol) for answer in answers)
    told = {"pod": place.pod, "service": place.service, "port": place.port, "connections": len(answers)}
    return Proof(({**row, **told},), failed)


def why_blind(subject: Subject, ports: Ports) -> str:
    """Why the Service cannot be asked from inside the cluster, or nothing."""
    service = subject.service()
    if service is None:
        return NO_SERVICE
    if not subject.params["probe_image"]:
        return "no probe_image was given"
    behind = any(
        pod.ready and service.chooses(pod) and pod.port_named(service.target) in ports.get(pod.workload, ())
        for pod in subject.pods()
    )
    return "" if behind else "no pod that serves the certificate stands behind the Service"


def _ask_inside(pod: Any, argv: list[str], protocol: str) -> Served:
    try:
        answer = pod.run(argv, timeout_s=30.0)
    except KnownGoodError as error:
        return Served(why=f"{error.what}: {error.why}" if error.why else error.what)
    return read(answer.rc, answer.stdout, answer.stderr, protocol)


def holds(served: Served, expected: str, protocol: str) -> bool:
    """Is this the certificate, trusted as far as trust was asked for, with an answer behind it?"""
    answered = bool(served.status) or (protocol != HTTP and served.bytes is None)
    return served.fingerprint == expected and served.verified is not False and answered


def _row(subject: Subject, served: Served, expected: str, path: str, protocol: str) -> dict[str, Json]:
    return {
        "target": subject.ref,
        "pod": "",
        "service": "",
        "port": 0,
        "path": path,
        "fingerprint": served.fingerprint,
        "expected": expected,
        "ok": holds(served, expected, protocol),
        "bytes": served.bytes,
        "status": served.status,
        "verified": bool(served.verified),
        "connections": 1,
        "why": served.why,
        "named_by": [],
    }
