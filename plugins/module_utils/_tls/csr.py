# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes CSR API as an issuer: a request to a signer, its approval, and the certificate that comes of it.

The new key waits in an immutable Secret beside its target, so that a run that died finds the key of its request again.
The request's name follows from the operation.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Object, owned_by
from .._cluster.deletes import delete_as_read
from .._cluster.kinds import named
from .._core.clock import rfc3339
from .._core.errors import Conflict, NotFound, NotProven, TimedOut
from .._core.operation import Context
from .._core.plan import Json, Step
from .certificates import Certificate, extension, read_chain
from .issue import Issued, kept_extensions, key_kind
from .keys import new_key, read_key, write_key
from .secrets import KEY, must_be_ours_to_write, pending
from .subject import Subject, Tools

CSR_KIND = "CertificateSigningRequest"
APPROVED_BY = "KnownGoodPolicy"
_SHORTEST_S = 600
_POLL_S = 1.0
_USAGES = {
    "digital_signature": "digital signature",
    "content_commitment": "content commitment",
    "key_encipherment": "key encipherment",
    "data_encipherment": "data encipherment",
    "key_agreement": "key agreement",
}
_PURPOSES = {
    "1.3.6.1.5.5.7.3.1": "server auth",
    "1.3.6.1.5.5.7.3.2": "client auth",
    "1.3.6.1.5.5.7.3.3": "code signing",
    "1.3.6.1.5.5.7.3.4": "email protection",
    "1.3.6.1.5.5.7.3.8": "timestamping",
    "1.3.6.1.5.5.7.3.9": "ocsp signing",
}


def request_name(operation_id: str, ref: str) -> str:
    """Of the request, which is in no namespace. The same for the whole operation."""
    return f"knowngood-{operation_id.rpartition('-')[2]}-{hashlib.sha256(ref.encode()).hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class Ask:
    """``tls.request``: a new key into a Secret of its own, and the request for its certificate to the signer."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        subject = Subject.of(self.tools, step, context)
        return subject.staged() is not None or (subject.pending() is not None and find(subject) is not None)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        key = self._key(subject)
        if find(subject) is None:
            old = subject.secret().certificate
            with contextlib.suppress(Conflict):  # made by the request before this one, whose answer was lost
                subject.cluster.create(_manifest(subject, old, key))
        found = find(subject)
        if found is None:
            raise NotFound("the signing request has vanished", where=where(subject), next="run the same task again")
        return {"request": found["metadata"]["name"], "signer": subject.params["signer"]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return {"deleted": drop(Subject.of(self.tools, step, context))}

    def _key(self, subject: Subject) -> Any:
        """The key of this operation, made where there is none yet."""
        held = subject.pending()
        if held is None:
            secret = subject.secret()
            if secret.certificate.fingerprint != subject.params["old"]:
                raise subject.foreign(secret)
            must_be_ours_to_write(secret, subject.copies)
            key = new_key(key_kind(secret.certificate, str(subject.params["key"])))
            text = write_key(key, str(subject.params["key_format"]))
            with contextlib.suppress(Conflict):
                subject.cluster.create(pending(secret, subject.context.operation_id, text))
            held = subject.pending()
        if held is None:
            raise NotFound("the Secret with the new key has vanished", where=subject.where, next="undo this operation")
        return read_key(base64.b64decode(held["data"][KEY]), "the new key")[0]


def where(subject: Subject) -> str:
    return named(CSR_KIND, request_name(subject.context.operation_id, subject.ref))


def find(subject: Subject) -> Object | None:
    """The request of this operation; raises Conflict where its name is taken by something else."""
    name = request_name(subject.context.operation_id, subject.ref)
    found = subject.cluster.find(CSR_KIND, name)
    if found is None:
        return None
    labels = found["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in owned_by(subject.context.operation_id).items()):
        raise Conflict(
            "a signing request with our name is there and is not ours", where=where(subject), next="remove it"
        )
    return found


def drop(subject: Subject) -> list[str]:
    """The request and the Secret with its key go; gives their names."""
    found, held, gone = find(subject), subject.pending(), []
    if found is not None:
        delete_as_read(subject.cluster, CSR_KIND, found)
        gone.append(found["metadata"]["name"])
    if held is not None:
        delete_as_read(subject.cluster, "Secret", held)
        gone.append(held["metadata"]["name"])
    return gone


def signed(subject: Subject) -> Issued:
    """The certificate of the request, once the signer has issued it.

    Approves it first where that is asked for. Raises NotProven (denied, failed, not a certificate), TimedOut with
    ``waiting`` in its details: somebody has still to act, the operation stays where it is.
    """
    held = subject.pending()
    if held is None:
        raise Conflict("the new key is gone", where=subject.where, next="undo this operation, then start again")
    found = _wait(subject)
    text = base64.b64decode(found["status"]["certificate"])
    chain = read_chain(text)
    if chain.problems or chain.leaf is None:
        raise NotProven(
            "what the signer has issued cannot be read", where=where(subject), why="; ".join(chain.problems) or "empty"
        )
    sent = [c for c in chain.certificates if c == chain.leaf or not (c.self_issued and c.signed_by(c))]
    pem = b"".join(certificate.pem() for certificate in sent)
    return Issued(chain.leaf, pem, base64.b64decode(held["data"][KEY]))


def _wait(subject: Subject) -> Object:
    clock = subject.tools.clock
    deadline = clock.monotonic() + float(subject.params["issue_timeout_s"])
    told = False
    while True:
        found = find(subject)
        if found is None:
            raise Conflict(
                "the signing request is gone", where=where(subject), next="undo this operation, then start again"
            )
        _refuse_denied(subject, found)
        if (found.get("status") or {}).get("certificate"):
            return found
        approved = _condition(found, "Approved")
        if not approved and subject.params["approve"]:
            _approve(subject, found)
            continue
        if not approved and not told:
            subject.tools.reporter.say(f"waiting for the approval of {where(subject)}")
            told = True
        if clock.monotonic() >= deadline:
            name = found["metadata"]["name"]
            raise TimedOut(
                "the signer has not issued the certificate" if approved else "nobody has approved the signing request",
                where=where(subject),
                why=f"signer {found['spec']['signerName']}, {subject.params['issue_timeout_s']:g} s are over",
                next=("look at the signer" if approved else f"kubectl certificate approve {name}")
                + ", then run the same task again",
                details={"waiting": True},
            )
        clock.sleep(_POLL_S)


def _refuse_denied(subject: Subject, found: Object) -> None:
    for word in ("Denied", "Failed"):
        condition = _condition(found, word)
        if condition:
            raise NotProven(
                f"the signing request was {'denied' if word == 'Denied' else 'not signed'}",
                where=where(subject),
                why=f"{condition.get('reason', '')}: {condition.get('message', '')}".strip(": "),
                next="nothing was put into service",
            )


def _condition(found: Mapping[str, Any], word: str) -> Mapping[str, Any]:
    conditions = (found.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == word and c["status"] == "True"), {})


def _approve(subject: Subject, found: Object) -> None:
    """One more condition, by the one subresource that may set it; a request changed meanwhile is read again."""
    now = rfc3339(subject.tools.clock.now().replace(microsecond=0))
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": APPROVED_BY,
        "message": f"asked for by operation {subject.context.operation_id}",
        "lastUpdateTime": now,
    }
    conditions = [*((found.get("status") or {}).get("conditions") or []), condition]
    meta = found["metadata"]
    with contextlib.suppress(Conflict):
        subject.cluster.patch(
            CSR_KIND,
            meta["name"],
            None,
            {"status": {"conditions": conditions}},
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            subresource="approval",
        )


def _manifest(subject: Subject, old: Certificate, key: Any) -> Object:
    now = subject.tools.clock.now()
    left = max(anchor.not_after for anchor in subject.trust()) - now
    life = int(min(old.not_after - old.not_before, left).total_seconds())
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": CSR_KIND,
        "metadata": {
            "name": request_name(subject.context.operation_id, subject.ref),
            "labels": owned_by(subject.context.operation_id),
            "annotations": {"knowngood.io/of": subject.ref},
        },
        "spec": {
            "request": base64.b64encode(_request(old, key)).decode(),
            "signerName": subject.params["signer"],
            "usages": list(usages(old, key)),
            "expirationSeconds": max(_SHORTEST_S, life),
        },
    }


def _request(old: Certificate, key: Any) -> bytes:
    """PEM: subject, names and usages of the old certificate, proven with the new key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    builder = x509.CertificateSigningRequestBuilder().subject_name(old.x509().subject)
    wanted = (x509.SubjectAlternativeName.oid, x509.KeyUsage.oid, x509.ExtendedKeyUsage.oid)
    for kept in kept_extensions(old.x509(), key):
        if kept.oid in wanted:
            builder = builder.add_extension(kept.value, kept.critical)
    hashed = isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    made: bytes = builder.sign(key, hashes.SHA256() if hashed else None).public_bytes(Encoding.PEM)
    return made


def usages(old: Certificate, key: Any) -> tuple[str, ...]:
    """Key usages and purposes of the old certificate in the API's words; what it has no word for is left out."""
    from cryptography import x509

    kept = {found.oid: found.value for found in kept_extensions(old.x509(), key)}
    usage = kept.get(x509.KeyUsage.oid)
    found = [word for field, word in _USAGES.items() if usage is not None and getattr(usage, field)]
    purposes = extension(old.x509(), x509.ExtendedKeyUsage) or ()
    found += [_PURPOSES[p.dotted_string] for p in purposes if p.dotted_string in _PURPOSES]
    return tuple(found or ["digital signature", "server auth"])
