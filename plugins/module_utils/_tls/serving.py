# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing a generation into service and proving it: baseline, deliver, restart, prove; and the same on the way back.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from .._cluster.amend import Ref
from .._cluster.pods import wait_ready
from .._cluster.probe import clear_probes
from .._core.errors import NotProven
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .consumers import VOLUME, Consumer, PodSeen, look
from .proof import Proof, failures, glance, prove_pods, prove_service, why_blind
from .reload import reload
from .rollout import restart
from .sights import Sight
from .subject import Ports, Subject, Tools, as_ports
from .waves import split
from .workloads import RESTARTABLE

_POLL_S = 0.5
_GATE_S = 20.0
_LEAVING_S = 60.0
ALL_AT_ONCE = ("100%",)


@dataclass(frozen=True, slots=True)
class Baseline:
    """``tls.baseline``: what every pod serves before the change, and on which ports it is to be proven after it.

    Its undo comes last on the way back: it brings the old generation, which is in the Secret again, into service, and
    leaves no probe pod.
    """

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        return bool(Subject.of(self.tools, step, context).result("baseline"))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        pods, old = subject.pods(), str(subject.params["old"])
        wanted: Ports = {}
        for pod in pods:
            wanted = {**wanted, pod.workload: tuple(sorted({*wanted.get(pod.workload, ()), *subject.ports(pod)}))}
        sights = glance(subject, pods, wanted)
        named = {pod.name: pod for pod in pods}
        dead = [s for s in sights if not s.served.fingerprint and subject.declared(named[s.port.pod])]
        if dead:
            raise NotProven(
                "a pod does not serve TLS before the change",
                where=f"{subject.where}: " + ", ".join(f"pod {s.port.pod} port {s.port.port}" for s in dead),
                why=dead[0].served.why,
                next="nothing was changed; repair it first, or name the right service and port in targets",
            )
        ports = _serving(sights, named, old)
        return {
            "pods": {pod.uid: pod.name for pod in pods} if subject.emergency else {},
            "ports": {ref: list(numbers) for ref, numbers in sorted(ports.items())},
            "served": [sight.to_dict() for sight in sights if sight.served.fingerprint],
            "unknown": sorted({pod.name for pod in pods if not (pod.ready and ports.get(pod.workload))}),
            "blind": _look_inside(subject, ports, old),
        }

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        subject = Subject.of(self.tools, step, context)
        found: dict[str, Json] | None = None
        if subject.result("commit").get("put_back"):
            found = bring_back(subject)
            subject.drop(subject.archive())
        clear_probes(self.tools.cluster, [subject.namespace], context.operation_id)
        return found


def bring_back(subject: Subject) -> dict[str, Json]:
    """The old generation, which is in the Secret again, into service: delivered, loaded, proven. Twice does no harm."""
    old, ports = str(subject.params["old"]), as_ports(subject.result("baseline").get("ports"))
    delivered = deliver(subject, ports, old)
    if subject.reloads:
        with contextlib.suppress(NotProven):  # what takes no reload is restarted: the way back has to end
            reload(subject, ports, old)
    renewed = renew(subject, ports, old, f"{subject.context.operation_id}.undo")
    proof = gate(subject, ports, old, strict=False)
    failed = int(delivered["failed"]) + proof.failed
    return {"restarted": renewed, "proof": list(proof.rows), "failed": failed}


_MORE_LOOKS = 2
_TRIES_BEFORE = 4
"""A Service that was made a moment ago is not yet on every node."""


def _look_inside(subject: Subject, ports: Ports, old: str) -> str:
    """Why there will be no proof through the Service, or nothing.

    Asked before the change: an image that cannot run stops the rotation here, and what could not be reached before
    does not speak against the new certificate.
    """
    blind = why_blind(subject, ports)
    if blind:
        return blind
    (row,) = prove_service(subject, old, tries=_TRIES_BEFORE).rows
    return "" if row["fingerprint"] else f"not to be reached before the change either: {row['why']}"


def _serving(sights: Iterable[Sight], pods: dict[str, PodSeen], old: str) -> Ports:
    """Ports by workload that count: those that serve the old certificate.

    Where none does, a single one that serves something: it is behind already and has to come along.
    """
    seen: dict[str, dict[int, set[str]]] = {}
    for sight in sights:
        if sight.served.fingerprint:
            by_port = seen.setdefault(pods[sight.port.pod].workload, {})
            by_port.setdefault(sight.port.port, set()).add(sight.served.fingerprint)
    ports = {}
    for ref, by_port in seen.items():
        exact = sorted(port for port, served in by_port.items() if old in served)
        ports[ref] = tuple(exact or (by_port if len(by_port) == 1 else ()))
    return ports


@dataclass(frozen=True, slots=True)
class Deliver(LooksAgain, NothingToUndo):
    """``tls.deliver``: the kubelet told to look at once; a moment for servers that reload by themselves."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        return deliver(subject, as_ports(subject.result("baseline").get("ports")), subject.new)


def deliver(subject: Subject, ports: Ports, expected: str) -> dict[str, Json]:
    """Until every pod that gets the Secret as files serves it, or the time for that is over."""
    by_files = {c.ref for c in subject.consumers() if any(use.delivery == VOLUME for use in c.uses)}
    pods = [pod for pod in subject.pods() if pod.workload in by_files]
    told = subject.mark_pods(pods, expected)
    clock, failed = subject.tools.clock, 0
    deadline = clock.monotonic() + (0.0 if subject.emergency else float(subject.params["reload_wait_s"]))
    while True:
        sights = glance(subject, pods, ports)
        failed += failures(sights)
        behind = [s for s in sights if s.served.fingerprint != expected]
        if not behind or clock.monotonic() >= deadline:
            break
        clock.sleep(_POLL_S)
    reloaded = sorted({s.port.pod for s in sights} - {s.port.pod for s in behind})
    return {"told": told, "reloaded": reloaded, "failed": failed}


@dataclass(frozen=True, slots=True)
class Restart(LooksAgain, NothingToUndo):
    """``tls.restart``: new processes for the workloads that are still behind, and for no others."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        ports = as_ports(subject.result("baseline").get("ports"))
        mark = f"{context.operation_id}.{subject.new[7:15]}"
        waves = ALL_AT_ONCE if subject.emergency else tuple(subject.params.get("waves") or ALL_AT_ONCE)
        restarted = renew(subject, ports, subject.new, mark, only_undelivered=subject.reloads, waves=waves)
        if subject.emergency:
            _refuse_old_processes(subject)
        return {"restarted": restarted}


def _refuse_old_processes(subject: Subject) -> None:
    """No pod of before may be left: it holds the compromised key in memory, and sessions made with it."""
    before = subject.result("baseline").get("pods") or {}
    living = {pod.uid for pod in look(subject.cluster, subject.namespace).pods}
    left = sorted(name for uid, name in before.items() if uid in living)
    if left:
        raise NotProven(
            "a process of before the emergency still runs with the old key",
            where=f"{subject.where}: pod {', '.join(left)}",
            why="no controller renews it, or it does not end",
            next="delete it, then run the same task again",
        )


def renew(
    subject: Subject,
    ports: Ports,
    expected: str,
    mark: str,
    *,
    only_undelivered: bool = False,
    waves: Sequence[str] = ALL_AT_ONCE,
) -> list[str]:
    """Restarts what is behind and waits for it; gives the workloads as ``Kind/name``.

    ``only_undelivered``: those that can load new files were told to, and are judged by the gate. ``waves``: how many
    workloads at a time; what a wave has renewed is proven before the next one is begun.
    Raises NotProven (no controller can restart it, a wave does not serve it), BadInput (its controller would not),
    TimedOut.
    """
    behind = [
        consumer
        for consumer in _behind(subject, ports, expected)
        if not (only_undelivered and consumer.uses and consumer.delivered)
    ]
    done: list[str] = []
    for wave in split(behind, waves):
        if done:
            gate(subject, ports, expected, strict=True, refs=done)
        done += _renewed(subject, wave, mark)
    return done


def _renewed(subject: Subject, wave: Iterable[Consumer], mark: str) -> list[str]:
    refs = []
    for consumer in wave:
        ref = Ref(consumer.kind, consumer.name, subject.namespace, consumer.uid)
        if restart(subject.cluster, ref, mark):
            subject.tools.reporter.say(f"{consumer.ref} is behind: restarting it")
        refs.append(ref)
    for ref in refs:
        wait_ready(subject.cluster, ref, timeout_s=float(subject.params["timeout_s"]), clock=subject.tools.clock)
    _wait_left(subject, {f"{ref.kind}/{ref.name}" for ref in refs})
    return [f"{ref.kind}/{ref.name}" for ref in refs]


def _behind(subject: Subject, ports: Ports, expected: str) -> list[Consumer]:
    """Consumers whose processes have the other certificate, or may have it.

    Where nothing can be seen a new process is the only way to know. What no controller renews is left alone, unless it
    was seen to be behind: then it raises NotProven.
    """
    pods = subject.pods()
    workload = {pod.name: pod.workload for pod in pods}
    sights = _settled(subject, pods, ports)
    stale = {workload[s.port.pod] for s in sights if s.served.fingerprint != expected}
    # A pod that was ready before and is not now may be stuck on the other certificate.
    before = subject.result("baseline").get("unknown", ())
    stuck = {pod.workload for pod in pods if not pod.ready and pod.name not in before}
    running = {pod.workload for pod in pods}
    found = []
    for consumer in subject.consumers():
        if consumer.ref not in running:
            continue  # it reads the Secret when it is started
        if consumer.kind in RESTARTABLE:
            seen_current = consumer.delivered and ports.get(consumer.ref) and consumer.ref not in stale | stuck
            if subject.emergency or not seen_current:
                found.append(consumer)
        elif consumer.ref in stale and not subject.emergency:  # in an emergency every process of before is looked for
            raise NotProven(
                f"{consumer.ref} goes on with the other certificate and no controller can restart it",
                where=f"namespace {subject.namespace}",
                next="renew it yourself, then run the same task again",
            )
    return found


def _settled(subject: Subject, pods: Iterable[PodSeen], ports: Ports) -> tuple[Sight, ...]:
    """As :func:`glance`, again where a port showed nothing: a server that just reloads may drop a connection."""
    sights = glance(subject, pods, ports)
    for _again in range(_MORE_LOOKS):
        if not failures(sights):
            break
        subject.tools.clock.sleep(_POLL_S)
        sights = glance(subject, pods, ports)
    return sights


def _wait_left(subject: Subject, refs: set[str]) -> None:
    """Until the ending pods of these workloads are gone, for a while: they get no new connections by then."""
    clock = subject.tools.clock
    deadline = clock.monotonic() + _LEAVING_S
    while refs and clock.monotonic() < deadline:
        if not any(pod.leaving for pod in look(subject.cluster, subject.namespace).pods_of(refs)):
            return
        clock.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class Prove(LooksAgain, NothingToUndo):
    """``tls.prove``: the gate. Every pod serves the new generation, and so does the Service from inside the cluster."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        found = subject.secret()
        if found.certificate.fingerprint != subject.new:
            raise subject.foreign(found)
        ports = as_ports(subject.result("baseline").get("ports"))
        pods = gate(subject, ports, subject.new, strict=True)
        blind = str(subject.result("baseline").get("blind", "")) or why_blind(subject, ports)
        inside = prove_service(subject, subject.new, blind=blind)
        _refuse(subject, Proof((*pods.rows, *inside.rows)))
        return {"proof": [*pods.rows, *inside.rows], "failed": pods.failed + inside.failed}


def gate(subject: Subject, ports: Ports, expected: str, *, strict: bool, refs: Collection[str] | None = None) -> Proof:
    """The proof of every pod (of these workloads), given a moment to come true. Raises NotProven."""
    clock = subject.tools.clock
    deadline = clock.monotonic() + _GATE_S
    failed = 0
    while True:
        proof = prove_pods(subject, ports, expected, strict=strict, refs=refs)
        failed += proof.failed
        if not proof.refuted or clock.monotonic() >= deadline:
            break
        clock.sleep(_POLL_S)
    _refuse(subject, proof)
    return Proof(proof.rows, failed)


def _refuse(subject: Subject, proof: Proof) -> None:
    if not proof.refuted:
        return
    first = proof.refuted[0]
    who = f"pod {first['pod']}" if first["pod"] else f"Service {first['service']}"
    served = first["fingerprint"] or "nothing"
    raise NotProven(
        f"{who} does not serve the expected certificate",
        where=f"{subject.where}, port {first['port']}, by {first['path']}",
        why=f"it serves {served}, expected {first['expected']}" + (f" ({first['why']})" if first["why"] else ""),
        details={"proof": list(proof.rows)},
    )
