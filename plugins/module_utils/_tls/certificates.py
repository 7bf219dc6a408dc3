# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates as values. No private key is ever part of one.

Fingerprints are ``sha256:`` and 64 hex digits: of the DER for a certificate (what ``openssl x509 -fingerprint -sha256``
prints without colons), of the SubjectPublicKeyInfo for a key.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .pem import Block, blocks, pem

if TYPE_CHECKING:
    from cryptography import x509

CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    ``names`` are its SANs in their order, as ``DNS:a.example`` or ``IP:10.0.0.1``; times are UTC; ``serial`` is hex;
    ``key`` is ``RSA-2048``, ``ECDSA-P-256``, ``Ed25519``...; ``ski`` and ``aki`` are hex or empty.
    """

    der: bytes = field(repr=False)
    subject: str
    issuer: str
    serial: str
    not_before: dt.datetime
    not_after: dt.datetime
    names: tuple[str, ...]
    key: str
    fingerprint: str
    spki: str
    ca: bool
    self_issued: bool
    signature: str
    ski: str = ""
    aki: str = ""

    def x509(self) -> x509.Certificate:
        """The parsed form, for signatures and extensions."""
        from cryptography import x509

        return x509.load_der_x509_certificate(self.der)

    def pem(self) -> bytes:
        return pem("CERTIFICATE", self.der)

    def days_left(self, now: dt.datetime) -> float:
        """Days until it ends, negative when it has; one decimal."""
        return round((self.not_after - now).total_seconds() / 86400, 1)

    def signed_by(self, issuer: Certificate) -> bool:
        """Names and signature fit. Says nothing about whether the issuer may sign, nor about time."""
        if self.issuer != issuer.subject:
            return False
        pair = (self.fingerprint, issuer.fingerprint)
        if pair not in SIGNATURES:
            SIGNATURES[pair] = _signed(self.der, issuer.der)
        return SIGNATURES[pair]


SIGNATURES: dict[tuple[str, str], bool] = {}
"""Whether a certificate carries the signature of another, by their fingerprints: remembered, as every rule about the
pair asks for it, and as it is true for ever."""


def _signed(der: bytes, issuer: bytes) -> bool:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        x509.load_der_x509_certificate(der).verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Chain:
    """The certificates of a text in their order, and what was wrong with the blocks that could not be read."""

    certificates: tuple[Certificate, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def leaf(self) -> Certificate | None:
        return self.certificates[0] if self.certificates else None


def read_chain(data: bytes) -> Chain:
    """Every certificate block of a PEM text; blocks of other kinds are left out, broken ones become problems."""
    return chain_of(blocks(data))


def chain_of(found_blocks: Iterable[Block]) -> Chain:
    """The same, of blocks that were read already."""
    found: list[Certificate] = []
    problems: list[str] = []
    for block in found_blocks:
        if block.label not in CERTIFICATE_LABELS:
            continue
        if block.error:
            problems.append(f"block {block.number} ({block.label}): {block.error}")
            continue
        try:
            found.append(read_der(block.der))
        except Exception as error:  # the parser has many exceptions of its own for broken input
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            problems.append(f"block {block.number} ({block.label}): not a certificate: {reason}")
    return Chain(tuple(found), tuple(problems))


@lru_cache(maxsize=4096)
def read_der(der: bytes) -> Certificate:
    """One certificate from DER; a CA that stands in many places is parsed once.

    Raises ValueError (and the parser's own errors) where it is none.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    cert = x509.load_der_x509_certificate(der)
    # Each of these attributes is made anew whenever it is asked for.
    public, subject, issuer = cert.public_key(), cert.subject, cert.issuer
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = cert.signature_algorithm_oid
    found: dict[type[Any], Any] = {type(one.value): one.value for one in cert.extensions}
    ski = found.get(x509.SubjectKeyIdentifier)
    aki = found.get(x509.AuthorityKeyIdentifier)
    basic = found.get(x509.BasicConstraints)
    alternative = found.get(x509.SubjectAlternativeName)
    return Certificate(
        der=der,
        subject=subject.rfc4514_string(),
        issuer=_issuer_text(issuer),
        serial=f"{cert.serial_number:x}",
        not_before=cert.not_valid_before_utc,
        not_after=cert.not_valid_after_utc,
        names=tuple(general_name(name) for name in alternative) if alternative else (),
        key=key_name(public),
        fingerprint=sha256(der),
        spki=sha256(spki),
        ca=bool(basic and basic.ca),
        self_issued=subject == issuer,
        signature=str(getattr(signature, "_name", "")) or signature.dotted_string,
        ski=ski.digest.hex() if ski else "",
        aki=(aki.key_identifier or b"").hex() if aki else "",
    )


@lru_cache(maxsize=256)
def _issuer_text(name: x509.Name) -> str:
    """Thousands of certificates have the same issuer."""
    return name.rfc4514_string()


def extension(cert: x509.Certificate | x509.CertificateSigningRequest, kind: type[Any]) -> Any:
    """The value of an extension, None where the certificate has none of that kind."""
    from cryptography import x509

    try:
        return cert.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def bundle(certificates: Iterable[Certificate]) -> bytes:
    """One PEM text: LF, one newline at the end."""
    return b"".join(certificate.pem() for certificate in certificates)


def issuers_of(leaf: Certificate, pool: Iterable[Certificate]) -> tuple[Certificate, ...]:
    """From the leaf's issuer upwards as far as the pool reaches, a self-signed root included. Checks signatures."""
    known = {certificate.fingerprint: certificate for certificate in pool}
    path: list[Certificate] = []
    current = leaf
    while not (current.self_issued and current.signed_by(current)):
        above = [c for c in known.values() if c not in path and c != current and current.signed_by(c)]
        if not above:
            break
        current = above[0]
        path.append(current)
    return tuple(path)


def key_name(public_key: Any) -> str:
    """``RSA-2048``, ``ECDSA-P-256``, ``Ed25519``, ``ML-DSA-65``; the library's name for what it knows beyond."""
    kind = type(public_key).__name__.removesuffix("PublicKey").lstrip("_")
    if hasattr(public_key, "curve"):
        return f"ECDSA-{_CURVES.get(public_key.curve.name, public_key.curve.name)}"
    if kind.startswith("MLDSA"):
        return f"ML-DSA-{kind.removeprefix('MLDSA')}"
    if hasattr(public_key, "key_size"):
        return f"{kind}-{public_key.key_size}"
    return kind


def general_name(name: Any) -> str:
    """As in :attr:`Certificate.names`."""
    from cryptography import x509

    if isinstance(name, x509.DNSName):
        return f"DNS:{name.value}"
    if isinstance(name, x509.IPAddress):
        return f"IP:{name.value}"
    if isinstance(name, x509.RFC822Name):
        return f"email:{name.value}"
    if isinstance(name, x509.UniformResourceIdentifier):
        return f"URI:{name.value}"
    if isinstance(name, x509.DirectoryName):
        return f"dir:{name.value.rfc4514_string()}"
    if isinstance(name, x509.RegisteredID):
        return f"RID:{name.value.dotted_string}"
    return f"other:{sha256(name.value)[:15]}"
