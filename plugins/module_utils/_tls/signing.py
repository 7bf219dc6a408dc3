# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CertificateSigningRequest objects: what was asked for, how it stands, what was issued.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Object
from .._cluster.kinds import Kind
from .._core.clock import rfc3339
from .certificates import Certificate, extension, general_name, key_name, read_chain, sha256
from .keys import weakness
from .lint import ERROR, WARNING, Lint

REQUEST = Kind("CertificateSigningRequest", "certificates.k8s.io", "v1", "certificatesigningrequests", False)
PENDING, APPROVED, DENIED, FAILED, ISSUED = "pending", "approved", "denied", "failed", "issued"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Asked:
    """The PKCS#10 request; ``error`` says why it cannot be read."""

    subject: str = ""
    names: tuple[str, ...] = ()
    key: str = ""
    spki: str = ""
    signed: bool = True
    error: str = ""


def namespace_of(obj: Object) -> str:
    """The namespace of the service account that asked, empty where somebody else did."""
    user = str((obj.get("spec") or {}).get("username", ""))
    return user.removeprefix(_SERVICE_ACCOUNT).partition(":")[0] if user.startswith(_SERVICE_ACCOUNT) else ""


def request_row(obj: Object, now: dt.datetime) -> dict[str, Any]:
    """One row of the inventory."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    asked = read_request(spec.get("request", ""))
    issued = _issued(status)
    state = _state(status)
    return {
        "name": obj["metadata"]["name"],
        "signer": spec.get("signerName", ""),
        "user": spec.get("username", ""),
        "created": obj["metadata"].get("creationTimestamp") or "",
        "state": state,
        "reason": _reason(status),
        "usages": list(spec.get("usages") or []),
        "expiration_s": spec.get("expirationSeconds"),
        "subject": asked.subject,
        "sans": list(asked.names),
        "key": asked.key,
        "spki": asked.spki,
        "error": asked.error,
        "fingerprint": issued.fingerprint if issued else "",
        "issuer": issued.issuer if issued else "",
        "not_after": rfc3339(issued.not_after) if issued else "",
        "lint": [one.to_dict() for one in _lint(asked, issued, now)],
    }


def read_request(text: str) -> Asked:
    """From the base64 of the object. Never raises."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        request = x509.load_pem_x509_csr(base64.b64decode(text, validate=True))
        public = request.public_key()
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        alternative = extension(request, x509.SubjectAlternativeName)
        names = tuple(general_name(name) for name in alternative) if alternative else ()
        subject = request.subject.rfc4514_string()
        return Asked(subject, names, key_name(public), sha256(spki), bool(request.is_signature_valid))
    except (binascii.Error, ValueError):
        return Asked(error="the request cannot be read")
    except Exception as error:  # the parser has many exceptions of its own for broken input
        return Asked(error=f"the request cannot be read: {type(error).__name__}")


def _issued(status: Mapping[str, Any]) -> Certificate | None:
    try:
        return read_chain(base64.b64decode(status.get("certificate") or "")).leaf
    except (binascii.Error, ValueError):
        return None


def _state(status: Mapping[str, Any]) -> str:
    if status.get("certificate"):
        return ISSUED
    kinds = {str(one.get("type", "")) for one in status.get("conditions") or [] if one.get("status", "True") == "True"}
    for kind, state in (("Denied", DENIED), ("Failed", FAILED), ("Approved", APPROVED)):
        if kind in kinds:
            return state
    return PENDING


def _reason(status: Mapping[str, Any]) -> str:
    return "; ".join(f"{one.get('type')}: {one.get('reason', '')}" for one in status.get("conditions") or [])


def _lint(asked: Asked, issued: Certificate | None, now: dt.datetime) -> list[Lint]:
    if asked.error:
        return [Lint("unreadable", ERROR, asked.error, "RFC 2986", "delete it and ask anew")]
    found = []
    weak = weakness(asked.key)
    if weak:
        found.append(Lint("weak_key", ERROR, weak, "SP 800-57", "ask anew with another key"))
    if not asked.signed:
        what = "the request is not signed with the key it is for"
        found.append(Lint("request_signature", ERROR, what, "RFC 2986 4.2", "deny it"))
    if issued and issued.spki != asked.spki:
        what = "the certificate issued is for another key than the one asked for"
        found.append(Lint("key_mismatch", ERROR, what, "RFC 2986 3", "deny it, and look at its signer"))
    if issued and now > issued.not_after:
        what = f"what was issued expired {issued.not_after:%Y-%m-%dT%H:%M:%SZ}"
        found.append(Lint("expired", WARNING, what, "RFC 5280 4.1.2.5", "delete the request"))
    return found
