# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA that cert-manager keeps: the Secret behind an Issuer, written by a Certificate.

None of these Secrets is written here. The next generation is a Certificate of its own beside the old one, so that it
can be trusted before anything is signed by it; what signs changes as the Issuer is pointed at its Secret, and leaves
are renewed through their Certificates.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._cluster.amend import Ref, amend, read
from .._cluster.client import Cluster, Object, owned_by
from .._cluster.deletes import delete_as_read, delete_latest
from .._cluster.kinds import named
from .._core.errors import BadInput, Conflict, NotFound, TimedOut
from .._core.operation import Context
from .._core.plan import Json, Plan, Step
from .._core.ports import Operation
from .certmanager import CERTIFICATE, condition_is, said
from .secrets import TlsSecret, read_secret
from .subject import Subject, Tools

ISSUER, CLUSTER_ISSUER = "Issuer", "ClusterIssuer"
_GENERATION = re.compile(r"-g[1-9][0-9]{0,5}$")
_NAME_LIMIT = 63
_READY = "Ready"
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind an Issuer or ClusterIssuer: the Secret of its CA, and the Certificate that keeps that."""

    kind: str
    issuer: str
    issuer_uid: str
    secret: str
    certificate: str
    certificate_uid: str

    def to_dict(self, generation: int) -> dict[str, Json]:
        """As steps know it. ``next``: the name of the Certificate and of the Secret of the next generation."""
        return {
            "kind": self.kind,
            "issuer": self.issuer,
            "issuer_uid": self.issuer_uid,
            "certificate": self.certificate,
            "certificate_uid": self.certificate_uid,
            "next": next_name(self.certificate, generation),
        }


def next_name(certificate: str, generation: int) -> str:
    """``shop-ca-g2`` after ``shop-ca``, ``shop-ca-g3`` after that."""
    tail = f"-g{generation}"
    return _GENERATION.sub("", certificate)[: _NAME_LIMIT - len(tail)].rstrip("-.") + tail


def named_issuer(kind: str, name: str, namespace: str) -> str:
    """``Issuer namespace/name``, or ``ClusterIssuer name``, whose Secrets are in that namespace."""
    return named(kind, name, None if kind == CLUSTER_ISSUER else namespace)


def behind(cluster: Cluster, kind: str, namespace: str, name: str) -> Behind:
    """``namespace``: of the Issuer, or the one in which cert-manager keeps the Secrets of a ClusterIssuer.

    Raises NotFound, and BadInput where it is no Issuer of a CA, or nothing keeps its Secret.
    """
    where = named_issuer(kind, name, namespace)
    wide = kind == CLUSTER_ISSUER
    issuer = cluster.find(kind, name, None if wide else namespace)
    if issuer is None:
        option = "ca_cluster_issuer" if wide else "ca_issuer"
        raise NotFound(f"no {where}", where=cluster.server, next=f"check {option}")
    secret = str((issuer["spec"].get("ca") or {}).get("secretName") or "")
    if not secret:
        there = ", ".join(sorted(issuer["spec"])) or "nothing"
        raise BadInput(f"the {kind} is not one of a CA", where=where, why=f"its spec has {there}")
    kept = [c for c in cluster.list(CERTIFICATE, namespace) if c["spec"].get("secretName") == secret]
    if len(kept) != 1:
        raise BadInput(
            f"the {kind}'s CA is not kept by one Certificate",
            where=named("Secret", secret, namespace),
            why=f"Certificates with that secretName: {', '.join(c['metadata']['name'] for c in kept) or 'none'}",
            next=("check cluster_resource_namespace, or " if wide else "")
            + "name the Secret in ca_secret where nobody keeps it",
        )
    spec, meta = kept[0]["spec"], kept[0]["metadata"]
    _refuse_unmade(spec, named(CERTIFICATE, meta["name"], namespace))
    return Behind(kind, name, issuer["metadata"]["uid"], secret, meta["name"], meta["uid"])


def _refuse_unmade(spec: Mapping[str, Any], where: str) -> None:
    if not spec.get("isCA"):
        raise BadInput("the Certificate behind the Issuer is not that of a CA", where=where, why="isCA is not true")
    if spec.get("literalSubject"):
        raise BadInput(
            "the next generation cannot be named",
            where=where,
            why="its subject is a literalSubject, which holds no commonName to put the generation in",
            next="give it a commonName and a subject",
        )


def ref_of_issuer(subject: Subject) -> Ref:
    kept = subject.params["issuer_of"]
    wide = kept["kind"] == CLUSTER_ISSUER
    return Ref(kept["kind"], kept["issuer"], "" if wide else subject.namespace, kept["issuer_uid"])


def signs(cluster: Cluster, subject: Subject) -> str:
    """The name of the Secret that the Issuer signs with now."""
    return str((read(cluster, ref_of_issuer(subject))["spec"].get("ca") or {}).get("secretName") or "")


def ready(subject: Subject) -> bool:
    """Does the issuer say that it can sign with what it is pointed at?"""
    return condition_is(read(subject.cluster, ref_of_issuer(subject)), _READY, observed=True)


def next_secret(subject: Subject) -> TlsSecret | None:
    """The Secret of the next generation, None where it is not there yet."""
    found = subject.cluster.find("Secret", str(subject.params["issuer_of"]["next"]), subject.namespace)
    return read_secret(found) if found is not None and (found.get("data") or {}).get("tls.crt") else None


# -- the next generation -----------------------------------------------------------------------------------------


def ask_for_next(subject: Subject, common_name: str) -> TlsSecret:
    """Makes the Certificate of the next generation, or takes the one that an earlier run made, and waits for it."""
    with contextlib.suppress(Conflict):
        subject.cluster.create(_manifest(subject, common_name))
    tools, timeout_s = subject.tools, float(subject.params["timeout_s"])
    deadline = tools.clock.monotonic() + timeout_s
    while True:
        certificate = _ours(subject)
        if certificate is None:
            raise NotFound("the Certificate of the new CA has vanished", where=subject.where, next="run it again")
        secret = next_secret(subject)
        if condition_is(certificate, _READY) and secret is not None:
            return secret
        if tools.clock.monotonic() >= deadline:
            raise TimedOut(
                "cert-manager has not made the new CA",
                where=named(CERTIFICATE, certificate["metadata"]["name"], subject.namespace),
                why=f"{timeout_s:g} s are over",
                next="look at that Certificate, then run the same task again",
            )
        tools.clock.sleep(_POLL_S)


def _manifest(subject: Subject, common_name: str) -> Object:
    """Like the one that it follows, under other names, with a key of its own."""
    kept = subject.params["issuer_of"]
    before = read(
        subject.cluster, Ref(CERTIFICATE, kept["certificate"], subject.namespace, str(kept["certificate_uid"]))
    )
    name = str(kept["next"])
    return {
        "apiVersion": before["apiVersion"],
        "kind": CERTIFICATE,
        "metadata": {
            "name": name,
            "namespace": subject.namespace,
            "labels": {**(before["metadata"].get("labels") or {}), **owned_by(subject.context.operation_id)},
        },
        "spec": {**before["spec"], "secretName": name, "commonName": common_name},
    }


def _ours(subject: Subject) -> Object | None:
    """The Certificate that this operation made. Raises Conflict where another one has its name."""
    name = str(subject.params["issuer_of"]["next"])
    found = subject.cluster.find(CERTIFICATE, name, subject.namespace)
    if found is None:
        return None
    labels = found["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in owned_by(subject.context.operation_id).items()):
        raise Conflict(
            "a Certificate with the name of the next generation is there and is not ours",
            where=named(CERTIFICATE, name, subject.namespace),
            next="rename or remove it",
        )
    return found


def drop_next(subject: Subject) -> str:
    """Takes the next generation away again; the name of its Secret, empty where there was none."""
    found = _ours(subject)
    if found is not None:
        name, uid = found["metadata"]["name"], found["metadata"]["uid"]
        delete_latest(subject.cluster, CERTIFICATE, name, subject.namespace, uid, seen=found)
    return _drop_secret(subject, str(subject.params["issuer_of"]["next"]))


def drop_old(subject: Subject) -> str:
    """Takes the old generation away, its key with it; the name of its Secret, empty where there was none."""
    kept = subject.params["issuer_of"]
    name, uid = str(kept["certificate"]), str(kept["certificate_uid"])
    delete_latest(subject.cluster, CERTIFICATE, name, subject.namespace, uid)
    return _drop_secret(subject, subject.name, str(subject.params["uid"]))


def _drop_secret(subject: Subject, name: str, uid: str = "") -> str:
    """The Secret that a Certificate of this operation's has left: cert-manager does not remove it."""
    found = subject.cluster.find("Secret", name, subject.namespace)
    if found is None or uid not in ("", found["metadata"]["uid"]):
        return ""
    delete_as_read(subject.cluster, "Secret", found)
    return name


# -- the steps ---------------------------------------------------------------------------------------------------


def point(subject: Subject, secret: str) -> None:
    """The Issuer signs with that Secret from now on, and says that it is ready. Raises Conflict, TimedOut."""
    known = {subject.name, str(subject.params["issuer_of"]["next"])}

    def change(issuer: Object) -> Object | None:
        now = str((issuer["spec"].get("ca") or {}).get("secretName") or "")
        if now not in known:
            raise Conflict(
                f"somebody else pointed the {ref_of_issuer(subject).kind} elsewhere",
                where=ref_of_issuer(subject).where,
                why=f"it signs with the Secret {now or 'of nobody'}",
                next="find out who writes it; nothing of theirs was overwritten",
            )
        return None if now == secret else {"spec": {"ca": {"secretName": secret}}}

    amend(subject.cluster, ref_of_issuer(subject), change)
    clock = subject.tools.clock
    deadline = clock.monotonic() + float(subject.params["timeout_s"])
    while True:
        issuer = read(subject.cluster, ref_of_issuer(subject))
        if condition_is(issuer, _READY, observed=True):
            return
        if clock.monotonic() >= deadline:
            raise TimedOut(
                f"the {ref_of_issuer(subject).kind} does not become ready",
                where=ref_of_issuer(subject).where,
                why=said(issuer, _READY),
                next="cure that, then run the same task again",
            )
        clock.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class DestroyKept:
    """``tls.ca_destroy_kept``: the old Certificate and its Secret go; from here on there is only the way forward."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return subject.cluster.find("Secret", subject.name, subject.namespace) is None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        if signs(subject.cluster, subject) == subject.name:
            ref = ref_of_issuer(subject)
            raise Conflict(f"the {ref.kind} signs with the old CA again", where=ref.where)
        return {"deleted": drop_old(subject)}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del step, context
        return None

    def undoable(self, step: Step, context: Context) -> str | None:
        gone = self.done(step, context)
        return "the old CA's key was destroyed, as was asked for: there is no way back" if gone else None


def destroy_later(cluster: Cluster, made: Plan, before: Operation | None) -> Plan:
    """The plan, and in it the destruction of what the rotation before has left of the old generation.

    ``before``: that rotation, None where its journal is not kept: then nothing is known of the old generation.
    """
    for done in before.plan.steps if before else ():
        params = done.params
        if done.action != "tls.ca_point":
            continue
        found = cluster.find("Secret", str(params["secret"]), str(params["namespace"]))
        if found is not None and found["metadata"]["uid"] == params["uid"]:
            ref, gone = (
                f"{params['namespace']}/{params['secret']}",
                named("Secret", params["secret"], params["namespace"]),
            )
            step = Step(f"destroy {ref}", "tls.ca_destroy_kept", (gone,), {**params, "phase": "DONE"})
            return replace(made, steps=(step,))
    return made
