# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cert-manager as an issuer: the rotation acts through the Certificate that keeps the Secret, and never writes it.

A renewal is asked for as ``cmctl renew`` does: the condition ``Issuing`` in the Certificate's status. It is over when
the Certificate is ready with a later revision.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._cluster.amend import Ref, amend, read
from .._cluster.client import Cluster, Object
from .._core.clock import rfc3339
from .._core.errors import BadInput, Conflict, NotFound, NotProven, TimedOut
from .._core.operation import Context
from .._core.plan import Json, Step
from .issue import Issued, judged_by
from .secrets import CRT, KEY, ROTATED_FOR, TlsSecret, facts_of
from .subject import Subject, Tools

CERTIFICATE = "Certificate"
NAME = "cert-manager.io/certificate-name"
ISSUING, READY = "Issuing", "Ready"
POLL_S = 0.5
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Kept:
    """The Certificate that keeps a Secret, as it was when the plan was made."""

    name: str
    uid: str
    revision: int
    rotated_for: str

    def to_dict(self) -> dict[str, Json]:
        return {"name": self.name, "uid": self.uid, "revision": self.revision}


def keeper(cluster: Cluster, secret: TlsSecret) -> Kept:
    """The Certificate behind the Secret. Raises BadInput: there is none, or it would keep the old key; NotFound."""
    where = f"Secret {secret.ref}"
    name = ((secret.obj["metadata"].get("annotations")) or {}).get(NAME, "")
    if not name:
        raise BadInput(
            "no cert-manager Certificate keeps this Secret",
            where=where,
            why=f"its owner: {secret.owner.name or 'nobody'}",
            next="choose another issuer",
        )
    found = cluster.find(CERTIFICATE, name, secret.namespace)
    if found is None:
        raise NotFound(
            f"the Certificate {secret.namespace}/{name} that made the Secret is gone",
            where=where,
            next="make it again, or drop cert-manager's annotations from the Secret to rotate it otherwise",
        )
    spec, meta = found["spec"], found["metadata"]
    if spec.get("secretName") != secret.name:
        raise BadInput(
            f"the Certificate {name} keeps another Secret", where=where, why=f"its secretName is {spec['secretName']}"
        )
    if (spec.get("privateKey") or {}).get("rotationPolicy") == "Never":
        raise BadInput(
            "cert-manager would renew the certificate with the old key",
            where=f"Certificate {secret.namespace}/{name}",
            why="its privateKey.rotationPolicy is Never",
            next="set it to Always",
        )
    marked = (meta.get("annotations") or {}).get(ROTATED_FOR, "")
    return Kept(name, meta["uid"], revision(found), marked)


def revision(certificate: Mapping[str, Any]) -> int:
    return int((certificate.get("status") or {}).get("revision") or 0)


def _condition(certificate: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    conditions = (certificate.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == word), {})


def said(obj: Mapping[str, Any], word: str) -> str:
    """What the condition says, in cert-manager's words."""
    return str(_condition(obj, word).get("message") or "it says nothing")


def condition_is(obj: Mapping[str, Any], word: str, *, observed: bool = False) -> bool:
    """Does it hold? ``observed``: of the object as it is now, not as it was before its last change."""
    found = _condition(obj, word)
    late = observed and found.get("observedGeneration") != obj["metadata"].get("generation")
    return bool(found.get("status") == "True") and not late


def ask(subject: Subject, ref: Ref, found: Object, enough: Callable[[Object], bool]) -> None:
    """Has the Certificate renewed: the condition, unless a renewal is under way or there was ``enough``.

    All conditions go along: a list is replaced as a whole.
    """
    for attempt in range(_TRIES):
        if condition_is(found, ISSUING) or enough(found):
            return
        now = rfc3339(subject.tools.clock.now().replace(microsecond=0))
        condition = {
            "type": ISSUING,
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": f"renewal asked for by operation {subject.context.operation_id}",
            "lastTransitionTime": now,
            "observedGeneration": found["metadata"].get("generation", 1),
        }
        others = [c for c in (found.get("status") or {}).get("conditions") or [] if c["type"] != ISSUING]
        meta = found["metadata"]
        try:
            subject.cluster.patch(
                CERTIFICATE,
                meta["name"],
                ref.namespace,
                {"status": {"conditions": [*others, condition]}},
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
                subresource="status",
            )
            return
        except Conflict:
            if attempt == _TRIES - 1:
                raise
            found = read(subject.cluster, ref)


def renewed(secret: TlsSecret, certificate: Object) -> dict[str, Json]:
    """The new generation, and which of the Certificate's it is."""
    return {**facts_of(secret), "revision": revision(certificate)}


@dataclass(frozen=True, slots=True)
class Renew:
    """``tls.renew``: asks cert-manager for a new key and certificate, waits for them, and judges what came."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return bool(subject.new) and subject.secret().certificate.fingerprint == subject.new

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        before = subject.secret().certificate.fingerprint
        found = read(subject.cluster, ref_of(subject))
        if revision(found) <= _before(subject):
            if before != subject.params["old"]:
                raise subject.foreign(subject.secret())
            ask(subject, ref_of(subject), found, lambda now: revision(now) > _before(subject))
        secret, certificate = self._wait(subject)
        judge(subject, secret)
        self._mark(subject)
        return renewed(secret, certificate)

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not once it is renewed: the Secret is cert-manager's."""
        subject = Subject.of(self.tools, step, context)
        try:
            renewed = subject.secret().certificate.fingerprint != subject.params["old"]
        except (Conflict, NotFound) as error:
            return f"{error.where}: {error.why or error.what}"
        return (
            f"{subject.where} is kept by cert-manager, which cannot go back; rotate again instead" if renewed else None
        )

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del step, context
        return None

    def _wait(self, subject: Subject) -> tuple[TlsSecret, Object]:
        clock, timeout_s = subject.tools.clock, float(subject.params["issue_timeout_s"])
        deadline = clock.monotonic() + timeout_s
        while True:
            found = read(subject.cluster, ref_of(subject))
            secret = subject.secret()
            new = secret.certificate.fingerprint != subject.params["old"]
            if (
                new
                and revision(found) > _before(subject)
                and condition_is(found, READY)
                and not condition_is(found, ISSUING)
            ):
                return secret, found
            refuse_failed(ref_of(subject), found)
            if clock.monotonic() >= deadline:
                raise late(subject, found)
            clock.sleep(POLL_S)

    def _mark(self, subject: Subject) -> None:
        """The incident on the Certificate: its Secret is not ours to write to."""
        incident = str(subject.params["rotated_for"])

        def change(found: Object) -> Object | None:
            there = (found["metadata"].get("annotations") or {}).get(ROTATED_FOR, "")
            return None if there == incident else {"metadata": {"annotations": {ROTATED_FOR: incident}}}

        if incident:
            amend(subject.cluster, ref_of(subject), change)


def judge(subject: Subject, secret: TlsSecret) -> None:
    """Raises NotProven where what came is not like what was there, or not to be trusted by what is trusted."""
    old = subject.old_certificate()
    new = Issued(secret.certificate, secret.value(CRT), secret.value(KEY))
    accept = subject.params.get("accept") or ()
    problems = judged_by(old, new, subject.trust(), subject.tools.clock.now(), accept=accept)
    if problems:
        raise NotProven(
            "what cert-manager has issued is not what was there before",
            where=subject.where,
            why="; ".join(problems),
            next="it is in the Secret already; cure the Certificate or its issuer, then renew it",
            details={"waiting": True},
        )


def late(subject: Subject, found: Object) -> TimedOut:
    """It was waited for and has not come."""
    return TimedOut(
        "cert-manager has not renewed the certificate",
        where=ref_of(subject).where,
        why=f"{float(subject.params['issue_timeout_s']):g} s are over; {_told(found)}",
        next=f"kubectl describe certificate -n {subject.namespace} {found['metadata']['name']}; "
        "then run the same task again",
        details={"waiting": True},
    )


def ref_of(subject: Subject) -> Ref:
    """The Certificate that keeps the target's Secret, as it was planned with."""
    kept = subject.params["certificate"]
    return Ref(CERTIFICATE, kept["name"], subject.namespace, kept["uid"])


def _before(subject: Subject) -> int:
    return int(subject.params["certificate"]["revision"])


def refuse_failed(ref: Ref, found: Object) -> None:
    """An issuance that ended without a certificate after it was asked for: cert-manager now waits an hour or more."""
    issuing = _condition(found, ISSUING)
    if issuing.get("status") != "False" or issuing.get("reason") != "Failed":
        return
    raise NotProven(
        "cert-manager could not renew the certificate",
        where=ref.where,
        why=str(issuing.get("message", "")),
        next="nothing was changed in the Secret; cure the issuer, then run the same task again",
        details={"waiting": True},
    )


def _told(found: Object) -> str:
    issuing, ready = _condition(found, ISSUING), _condition(found, READY)
    said = [str(c.get("message", "")) for c in (issuing, ready) if c.get("message")]
    return "; ".join(said) or "it says nothing"
