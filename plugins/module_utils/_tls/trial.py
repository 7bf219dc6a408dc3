# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods of our own that run the staged generation, from their start to their end.

They are kept out of the Service until each of them was seen to serve the new certificate; then they are let in; and
they are led out before they are deleted, so that no connection is made to one that ends. In and out is what the
Service's EndpointSlices say, not what was asked for.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._cluster.client import Object
from .._cluster.deletes import delete_latest
from .._cluster.kinds import named
from .._cluster.waits import wait_until
from .._core.errors import Conflict, NotFound, NotProven, TimedOut
from .._core.plan import Json
from .clones import CLONE_OF, GATE, TRIAL, trial_id
from .consumers import ports_of
from .proof import Place, Proof, prove_inside, prove_ports
from .sights import TlsPort
from .starttls import before_tls
from .subject import Ports, Subject, as_ports

_POLL_S = 0.3
_TRIES = 8
_OUT_S = 30.0
_SETTLE_S = 2.0
"""From what EndpointSlices say to what every node does. The nodes' rules cannot be asked."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The pods of one trial of one target."""

    subject: Subject

    @property
    def id(self) -> str:
        return trial_id(self.subject.context.operation_id, self.subject.ref)

    @property
    def ports(self) -> Ports:
        """The ports to look at, by the workload that was cloned: those on which it serves the old generation."""
        return as_ports(self.subject.result("baseline").get("ports"))

    def pods(self) -> list[Object]:
        """Those that are not ending."""
        subject = self.subject
        found = subject.cluster.list("Pod", subject.namespace, selector=f"{TRIAL}={self.id}")
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    # -- the way in -------------------------------------------------------------------------------------------------

    def wait_started(self, count: int) -> None:
        """Until that many pods run all of their containers, ready but for the gate. Raises NotProven: they do not."""
        subject = self.subject

        def check(pods: Mapping[str, Object]) -> str:
            living = [pod for pod in pods.values() if not pod["metadata"].get("deletionTimestamp")]
            ready = sum(_condition(pod, "ContainersReady") for pod in living)
            return "" if ready >= count else f"{ready} of {count} pods are ready" + _told(living)

        try:
            wait_until(
                subject.cluster,
                "Pod",
                subject.namespace,
                check,
                what="the pods with the new certificate",
                timeout_s=float(subject.params["timeout_s"]),
                clock=subject.tools.clock,
                selector=f"{TRIAL}={self.id}",
            )
        except TimedOut as error:
            raise NotProven(
                "pods with the new certificate do not come up",
                where=subject.where,
                why=error.why,
                next="the Secret was not touched",
            ) from error

    def prove(self) -> Proof:
        """Each pod by itself: the new certificate, trusted, with an answer behind it. Raises NotProven."""
        subject = self.subject
        pods = self.pods()
        places = [(pod, port) for pod in pods for port in self.ports.get(_origin(pod), ())]
        blind = sorted({_name(pod) for pod in pods} - {_name(pod) for pod, _port in places})
        if blind or not places:
            raise NotProven(
                "what the new certificate is worth cannot be seen",
                where=f"{subject.where}: {', '.join(blind) or 'no pod'}",
                why="no port is known on which it would be served",
                next="name service or port in targets, or choose rollout: restart",
            )
        spoken = [before_tls(ports_of(pod["spec"]), port) for pod, port in places]
        outside = [TlsPort(_name(pod), port, said) for (pod, port), said in zip(places, spoken, strict=True)]
        seen = prove_ports(subject, outside, subject.new)
        refuse(subject, seen)
        if subject.params["probe_image"]:
            inside = [
                Place(pod["status"]["podIP"], port, pod=_name(pod), starttls=said)
                for (pod, port), said in zip(places, spoken, strict=True)
            ]
            more = prove_inside(subject, inside, subject.new)
            refuse(subject, more)
            seen = Proof((*seen.rows, *more.rows), seen.failed + more.failed)
        return seen

    def admit(self) -> None:
        """Opens the gate of each pod and waits until the Service leads to all of them. Raises NotProven."""
        names = {_name(pod) for pod in self._turned(True)}
        if not self._wait_behind(names, inside=True, timeout_s=float(self.subject.params["timeout_s"])):
            raise NotProven(
                "the Service does not lead to the pods with the new certificate",
                where=self.subject.where,
                why=f"not in its endpoints: {', '.join(sorted(names - behind(self.subject)))}",
                next="look at their readiness and at the Service's selector",
            )

    # -- the way out ------------------------------------------------------------------------------------------------

    def lead_out(self) -> None:
        """Closes the gates and waits for a while until the Service leads to none of the pods."""
        names = {_name(pod) for pod in self._turned(False)}
        if names and self._wait_behind(names, inside=False, timeout_s=_OUT_S):
            self.subject.tools.clock.sleep(_SETTLE_S)

    def end_pods(self) -> list[str]:
        """Leads the pods out and deletes them; gives their names."""
        self.lead_out()
        names = sorted(_name(pod) for pod in self.pods() if drop_ours(self.subject, "Pod", _name(pod)))
        self.wait_gone()
        return names

    def wait_gone(self) -> None:
        """Until no pod of the trial is left. Raises TimedOut."""
        subject = self.subject
        wait_until(
            subject.cluster,
            "Pod",
            subject.namespace,
            lambda pods: ", ".join(sorted(pods)),
            what="the pods with the new certificate to end",
            timeout_s=float(subject.params["timeout_s"]),
            clock=subject.tools.clock,
            selector=f"{TRIAL}={self.id}",
        )

    def settled(self, names: set[str], *, exactly: bool = False) -> bool:
        """Does the Service lead to these pods (and to no others)? Waited for; then the nodes get their moment."""
        there = self._wait_behind(names, inside=True, timeout_s=_OUT_S, exactly=exactly)
        self.subject.tools.clock.sleep(_SETTLE_S)
        return there

    # -- inside -----------------------------------------------------------------------------------------------------

    def _turned(self, proven: bool) -> list[Object]:
        pods = self.pods()
        for pod in pods:
            _turn(self.subject, pod, proven)
        return pods

    def _wait_behind(self, names: set[str], *, inside: bool, timeout_s: float, exactly: bool = False) -> bool:
        clock = self.subject.tools.clock
        deadline = clock.monotonic() + timeout_s
        while True:
            found = behind(self.subject)
            if (found == names if exactly else names <= found) if inside else not names & found:
                return True
            if clock.monotonic() >= deadline:
                return False
            clock.sleep(_POLL_S)


def behind(subject: Subject) -> set[str]:
    """Names of the pods to which the Service leads now: the ready endpoints of its slices."""
    service = subject.service()
    if service is None:
        return set()
    selector = f"kubernetes.io/service-name={service.service}"
    return {
        str(endpoint["targetRef"]["name"])
        for piece in subject.cluster.list("EndpointSlice", subject.namespace, selector=selector)
        for endpoint in piece.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False and endpoint.get("targetRef")
    }


def refuse(subject: Subject, proof: Proof) -> None:
    """Raises NotProven where a row of proof is not a good one."""
    bad = next((row for row in proof.rows if not row["ok"]), None)
    if bad is None:
        return
    who = f"pod {bad['pod']}" if bad["pod"] else f"Service {bad['service']}"
    served = bad["fingerprint"] or "nothing"
    raise NotProven(
        f"{who} does not serve the new certificate as its clients want it",
        where=f"{subject.where}, port {bad['port']}, by {bad['path']}",
        why=f"it serves {served}, expected {bad['expected']}" + (f" ({bad['why']})" if bad["why"] else ""),
        details={"proof": list(proof.rows)},
    )


def drop_ours(subject: Subject, kind: str, name: str) -> bool:
    """Deletes an object that this operation made, at the version it was looked at; False where it is gone.

    Raises Conflict where the name is taken by something else.
    """
    found = subject.cluster.find(kind, name, subject.namespace)
    if found is None:
        return False
    ours, uid = partial(must_be_ours, subject), found["metadata"]["uid"]
    return delete_latest(subject.cluster, kind, name, subject.namespace, uid, check=ours, seen=found)


def made_once(subject: Subject, manifest: Object) -> Object:
    """The object, made now or by an earlier run. Raises Conflict where something else has its name."""
    name = manifest["metadata"]["name"]
    found = subject.cluster.find(manifest["kind"], name, subject.namespace)
    if found is None:
        try:
            return subject.cluster.create(manifest)
        except Conflict:  # created before, for an answer that was lost
            found = subject.cluster.get(manifest["kind"], name, subject.namespace)
    return must_be_ours(subject, found)


def must_be_ours(subject: Subject, found: Object) -> Object:
    if (found["metadata"].get("labels") or {}).get("knowngood.io/operation") == subject.context.operation_id:
        return found
    raise Conflict(
        "an object with the name of ours is there and is not ours",
        where=named(found["kind"], found["metadata"]["name"], subject.namespace),
        next="rename or remove it",
    )


def _turn(subject: Subject, pod: Object, proven: bool) -> None:
    """Sets the gate's condition. All conditions go along: a list is replaced as a whole."""
    name = _name(pod)
    for attempt in range(_TRIES):
        found = subject.cluster.find("Pod", name, subject.namespace)
        if found is None or found["metadata"]["uid"] != pod["metadata"]["uid"] or _condition(found, GATE) is proven:
            return
        others = [c for c in (found.get("status") or {}).get("conditions") or [] if c["type"] != GATE]
        status = {"conditions": [*others, {"type": GATE, "status": str(proven)}]}
        meta = found["metadata"]
        try:
            subject.cluster.patch(
                "Pod",
                name,
                subject.namespace,
                {"status": status},
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
                subresource="status",
            )
            return
        except NotFound:
            return
        except Conflict:  # the kubelet was faster
            if attempt == _TRIES - 1:
                raise


def _condition(pod: Mapping[str, Any], word: str) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == word and c["status"] == "True" for c in conditions)


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _origin(pod: Mapping[str, Any]) -> str:
    """The workload that it is a clone of, as ``Kind/name``."""
    return str((pod["metadata"].get("annotations") or {}).get(CLONE_OF, ""))


def _told(pods: Sequence[Object]) -> str:
    """What their containers wait for."""
    told = [
        f"{_name(pod)}: {waiting['reason']}"
        for pod in pods
        for status in (pod.get("status") or {}).get("containerStatuses") or []
        for waiting in [(status.get("state") or {}).get("waiting") or {}]
        if waiting.get("reason")
    ]
    return f" ({'; '.join(told)})" if told else ""


def facts(proof: Proof) -> dict[str, Json]:
    """What a step keeps of a proof."""
    return {"proof": list(proof.rows), "failed": proof.failed}
