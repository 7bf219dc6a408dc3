# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CA that a step of its rotation is about: which pairs of it there are, who signs, and what it issued.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import Conflict
from .._core.operation import Context
from .._core.plan import Json, Step, digest
from .ca_issuer import next_secret, signs
from .ca_look import issued_by
from .certificates import Certificate, read_chain
from .plan import Target
from .secrets import TlsSecret, read_secret
from .subject import Subject, Tools
from .trust_proof import Wanted
from .trust_stores import Store, listed
from .trusters import Truster


@dataclass(frozen=True, slots=True)
class CaSubject:
    """The CA that a step is about."""

    subject: Subject

    @classmethod
    def of(cls, tools: Tools, step: Step, context: Context) -> CaSubject:
        return cls(Subject.of(tools, step, context))

    @property
    def params(self) -> Mapping[str, Json]:
        return self.subject.params

    @property
    def tools(self) -> Tools:
        return self.subject.tools

    @property
    def new_ca(self) -> Certificate:
        return self._from_stage("new_pem")

    @property
    def old_ca(self) -> Certificate:
        return self._from_stage("old_pem")

    @property
    def bridge(self) -> bytes:
        """PEM of the new CA signed by the old one; empty where none is wanted."""
        return str(self.subject.result("stage").get("bridge_pem", "")).encode()

    def _from_stage(self, key: str) -> Certificate:
        text = str(self.subject.result("stage").get(key, ""))
        found = read_chain(text.encode()).leaf
        if found is None:
            raise Conflict("the new CA was not made yet", where=self.subject.where)
        return found

    def wanted(self, stores: Sequence[Store] = ()) -> Wanted:
        """What the stores hold now is to arrive. The mark of its restarts follows from the objects' versions: a text
        that was written again, be it the same, needs processes that began after that.
        """
        read = {store.ref: store.read(self.tools.cluster) for store in stores}
        versions = digest(sorted((ref, obj["metadata"]["resourceVersion"]) for ref, (obj, _text) in read.items()))
        return Wanted(
            phase=str(self.params["phase"]),
            texts={ref: text for ref, (_obj, text) in read.items()},
            mark=f"{self.subject.context.operation_id}.{versions[:8]}",
            propagation_s=float(self.params["propagation_s"]),
            timeout_s=float(self.params["timeout_s"]),
            together=bool(self.params.get("compromised")),
        )

    def trusters(self) -> tuple[Truster, ...]:
        return tuple(Truster.from_dict(one) for one in self.params["trusters"])

    @property
    def kept(self) -> bool:
        """Does cert-manager keep this CA?"""
        return bool(self.params.get("issuer_of"))

    def pairs(self) -> list[TlsSecret]:
        """The CA's pairs: in service, staged, archived; of an Issuer both generations, as far as they are there."""
        subject = self.subject
        if not self.kept:
            return [one for one in (subject.secret(), subject.staged(), subject.archive()) if one is not None]
        old = subject.cluster.find("Secret", subject.name, subject.namespace)
        found = (None if old is None else read_secret(subject.same(old)), next_secret(subject))
        return [one for one in found if one is not None]

    def pair(self, fingerprint: str) -> TlsSecret | None:
        """The one of that generation."""
        return next((one for one in self.pairs() if one.certificate.fingerprint == fingerprint), None)

    def in_service(self) -> TlsSecret:
        """The pair that signs now."""
        if not self.kept:
            return self.subject.secret()
        name = signs(self.tools.cluster, self.subject)
        return read_secret(self.tools.cluster.get("Secret", name, self.subject.namespace))


def issued(ca: CaSubject, by: Certificate) -> list[str]:
    """Secrets within the scope that hold something which that CA signed; those that were waived left out."""
    found = listed(ca.tools.cluster, ca.params["namespaces"], webhooks=False)
    waived = set(ca.params["waive"])
    between = {ca.new_ca.spki} if ca.bridge else set()
    return [secret.ref for secret in issued_by(found, by, between) if f"Secret {secret.ref}" not in waived]


def stored(tools: Tools, target: Target) -> TlsSecret:
    """The leaf's Secret as it is now."""
    return read_secret(tools.cluster.get("Secret", target.secret, target.namespace))
