# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workloads a new generation is tried with before it is in the Secret; what cannot be tried is refused here.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .._cluster.client import Cluster, Object
from .._core.errors import BadInput
from .clones import claims_of, opts_out
from .consumers import Consumer, Namespace
from .plan import BLUE_GREEN, CANARY, TRIED, Request, Target
from .services import ServicePort

_NOT_RUN = ("Job", "CronJob")
_CLONEABLE = ("Deployment", "StatefulSet")


def candidates(
    cluster: Cluster,
    request: Request,
    target: Target,
    namespace: Namespace,
    consumers: Iterable[Consumer],
    service: ServicePort | None,
) -> tuple[Consumer, ...]:
    """The workloads that get a canary or a second Deployment; none with the other rollouts. Raises BadInput."""
    if request.rollout not in TRIED:
        return ()
    if service is None:
        raise BadInput(
            f"rollout {request.rollout} needs a Service that leads to the pods",
            where=f"targets: {target.ref}",
            why="none does, or more than one",
            next="name it with service in targets, or choose rollout: restart",
        )
    _refuse_early(cluster, request, target, service)
    running = {pod.workload for pod in namespace.pods if not pod.leaving}
    found = [c for c in consumers if c.ref in running and c.kind not in _NOT_RUN]
    chosen = {pod.workload for pod in namespace.pods if service.chooses(pod)}
    if request.rollout == CANARY:
        return _canaries(cluster, request, target, [c for c in found if c.ref in chosen])
    return _blue(cluster, target, found, chosen, service)


def _refuse_early(cluster: Cluster, request: Request, target: Target, service: ServicePort) -> None:
    """A Service that leads to pods before they are ready would lead to those that are not proven yet."""
    found = cluster.get("Service", service.service, service.namespace)
    if (found.get("spec") or {}).get("publishNotReadyAddresses"):
        raise BadInput(
            f"rollout {request.rollout} needs a Service that waits until pods are ready",
            where=f"targets: {target.ref}",
            why=f"{service.service} has publishNotReadyAddresses",
            next="name another service in targets, or choose rollout: restart",
        )


def _canaries(cluster: Cluster, request: Request, target: Target, found: Sequence[Consumer]) -> tuple[Consumer, ...]:
    left_out = set(request.canary.leave_out)
    tried = []
    for consumer in found:
        if consumer.ref in left_out:
            continue
        if consumer.kind not in _CLONEABLE:
            why = "a DaemonSet would take it for its own" if consumer.kind == "DaemonSet" else "it has no template"
            raise _refused(target, consumer, CANARY, why)
        workload = _read(cluster, target, consumer)
        if opts_out(workload):
            continue
        _refuse_claims(target, consumer, CANARY, workload)
        tried.append(consumer)
    if not tried:
        raise BadInput(
            "there is no workload to try the new certificate with",
            where=f"targets: {target.ref}",
            why="none of those behind its Service runs, or all are left out",
            next="choose rollout: restart",
        )
    return tuple(tried)


def _blue(
    cluster: Cluster, target: Target, found: Sequence[Consumer], chosen: set[str], service: ServicePort
) -> tuple[Consumer, ...]:
    """The one Deployment behind the Service: nothing else is to lose its clients or to be restarted under them."""
    where = f"targets: {target.ref}"
    if service.headless:
        raise BadInput(
            "a headless Service cannot be switched",
            where=where,
            why=f"clients of {service.service} keep the addresses of pods",
            next="choose rollout: canary or restart",
        )
    others = sorted(({c.ref for c in found} ^ chosen) - {c.ref for c in found if c.ref in chosen})
    if len(found) != 1 or others:
        told = ", ".join(sorted({*(c.ref for c in found), *chosen})) or "none"
        raise BadInput(
            "rollout blue_green needs one workload behind the Service, and no other user of the Secret",
            where=where,
            why=f"there are: {told}",
            next="name the one with workloads in targets, or choose rollout: canary or restart",
        )
    (blue,) = found
    if blue.kind != "Deployment":
        raise _refused(target, blue, BLUE_GREEN, "only a Deployment can stand there twice")
    _refuse_claims(target, blue, BLUE_GREEN, _read(cluster, target, blue))
    return (blue,)


def _read(cluster: Cluster, target: Target, consumer: Consumer) -> Object:
    found = cluster.get(consumer.kind, consumer.name, target.namespace)
    found.setdefault("kind", consumer.kind)
    return found


def _refuse_claims(target: Target, consumer: Consumer, rollout: str, workload: Object) -> None:
    claims = claims_of(workload)
    if claims:
        raise _refused(target, consumer, rollout, f"its volumes {', '.join(claims)} are claims, which it would share")


def _refused(target: Target, consumer: Consumer, rollout: str, why: str) -> BadInput:
    leave = "leave it out with canary.leave_out, or " if rollout == CANARY else ""
    return BadInput(
        f"no second pod of {consumer.ref} can run beside its own",
        where=f"targets: {target.ref}, rollout: {rollout}",
        why=why,
        next=f"{leave}choose rollout: restart",
    )
