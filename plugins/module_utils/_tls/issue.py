# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issuing: a new key and a certificate that keeps every attribute of the one it replaces.

The certificate is backdated five minutes for clocks that are behind; it does not begin before its CA and never outlives
any certificate of the CA's chain. Its serial is random (RFC 5280 section 4.1.2.2), its authority key identifier copied
from the issuer, never computed anew, and holds the key identifier only.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.errors import BadInput
from .authority import Authority
from .certificates import Certificate, bundle, extension, read_chain, read_der
from .keys import SAME, new_key, read_key, spki_of, weakness, write_key
from .path import broken_signature, path_problems

if TYPE_CHECKING:
    from cryptography import x509

BACKDATE = dt.timedelta(minutes=5)
LAST_LOOK = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new generation. ``chain`` and ``key`` are PEM as they go into ``tls.crt`` and ``tls.key``."""

    certificate: Certificate
    chain: bytes
    key: bytes = field(repr=False)


def validity(old: Certificate, ca: Authority, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """From and until: as long as the old one was valid, within what the CA's chain allows. Whole seconds, UTC.

    Raises BadInput where the CA leaves nothing.
    """
    now = now.astimezone(dt.UTC).replace(microsecond=0)
    begin = max(now - BACKDATE, ca.not_before)
    end = min(begin + (old.not_after - old.not_before), ca.not_after)
    if end <= now:
        raise BadInput(
            "the CA leaves no time for a new certificate",
            where=ca.where,
            why=f"its chain ends {ca.not_after:%Y-%m-%dT%H:%M:%SZ}",
            next="rotate the CA first",
        )
    return begin, end


def key_kind(old: Certificate, wanted: str) -> str:
    """The kind of key to make: the old one's unless another is wanted."""
    return old.key if wanted == SAME else wanted


def issue(old: Certificate, ca: Authority, now: dt.datetime, *, key_format: str, kind: str = SAME) -> Issued:
    """A new key and a certificate for it, signed by the CA, with the attributes of ``old``. Raises BadInput."""
    key = new_key(key_kind(old, kind))
    begin, end = validity(old, ca, now)
    signed = _build(old.x509(), ca, key, begin, end)
    certificate = read_der(signed)
    return Issued(certificate, bundle((certificate, *ca.intermediates)), write_key(key, key_format))


def _build(old: x509.Certificate, ca: Authority, key: Any, begin: dt.datetime, end: dt.datetime) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    issuer = ca.certificate.x509()
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for kept in kept_extensions(old, key):
        builder = builder.add_extension(kept.value, kept.critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(issuer_key(issuer), critical=False)
    digest, padding = signature_kind(old, ca.key)
    signed: bytes = builder.sign(ca.key, digest, **padding).public_bytes(Encoding.DER)
    return signed


def kept_extensions(old: x509.Certificate, key: Any) -> list[x509.Extension[Any]]:
    """The extensions of the old certificate, without those that speak of its key, its issuer or its logging."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    remade = (
        x509.SubjectKeyIdentifier.oid,
        x509.AuthorityKeyIdentifier.oid,
        x509.PrecertificateSignedCertificateTimestamps.oid,
    )
    kept: list[x509.Extension[Any]] = []
    for found in old.extensions:
        if found.oid in remade:
            continue
        value = found.value
        if isinstance(value, x509.KeyUsage) and not isinstance(key, rsa.RSAPrivateKey) and value.key_encipherment:
            value = _without_encipherment(value)
        kept.append(x509.Extension(found.oid, found.critical, value))
    return kept


def _without_encipherment(usage: x509.KeyUsage) -> x509.KeyUsage:
    """Only RSA keys encipher keys (RFC 8813)."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=usage.content_commitment,
        key_encipherment=False,
        data_encipherment=usage.data_encipherment,
        key_agreement=usage.key_agreement,
        key_cert_sign=usage.key_cert_sign,
        crl_sign=usage.crl_sign,
        encipher_only=usage.key_agreement and usage.encipher_only,
        decipher_only=usage.key_agreement and usage.decipher_only,
    )


def issuer_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The key identifier of who signs, copied where it has one; nothing else of it (RFC 5280 section 4.2.1.1)."""
    from cryptography import x509

    ski = extension(issuer, x509.SubjectKeyIdentifier)
    if ski is not None:
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski)
    public: Any = issuer.public_key()
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)


def signature_kind(old: x509.Certificate, ca_key: Any) -> tuple[Any, dict[str, Any]]:
    """Hash and padding: those of the old signature where the CA's key can make it and the hash is sound."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    if not isinstance(ca_key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        return None, {}
    digest = old.signature_hash_algorithm
    if not isinstance(digest, (hashes.SHA256, hashes.SHA384, hashes.SHA512)):
        digest = hashes.SHA256()
    pss = isinstance(old.signature_algorithm_parameters, padding.PSS)
    if pss and isinstance(ca_key, rsa.RSAPrivateKey):
        return digest, {"rsa_padding": padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)}
    return digest, {}


ATTRIBUTES = ("subject", "names", "key_usage", "extended_key_usage", "key")
"""What is kept from the old certificate, and may be let go by name where somebody else decides on it."""


def differences(old: Certificate, new: Certificate) -> dict[str, str]:
    """What a new generation has lost or altered against the old one, by the words of :data:`ATTRIBUTES`, key aside."""
    from cryptography import x509

    found = {}
    if old.x509().subject.public_bytes() != new.x509().subject.public_bytes():
        found["subject"] = f"the subject: {old.subject} became {new.subject}"
    if old.names != new.names:
        found["names"] = f"the names: {', '.join(old.names)} became {', '.join(new.names)}"
    same_kind = old.key.partition("-")[0] == new.key.partition("-")[0]
    for word, kind in (("key_usage", x509.KeyUsage), ("extended_key_usage", x509.ExtendedKeyUsage)):
        if kind is x509.KeyUsage and not same_kind:
            continue
        if extension(old.x509(), kind) != extension(new.x509(), kind):
            found[word] = f"the {word.replace('_', ' ')}"
    return found


def changes(old: Certificate, new: Certificate) -> tuple[str, ...]:
    """What a new generation has lost or altered against the old one, key and issuer aside; nothing when all is kept."""
    return tuple(differences(old, new).values())


def judged(old: Certificate, new: Issued, ca: Authority, now: dt.datetime) -> tuple[str, ...]:
    """Why the new generation must not be put into service; nothing when it may.

    Checked offline: the path now and an hour before the end, the key, what was to be kept, and that the key is new.
    """
    return judged_by(old, new, ca.anchors, now, taken=[c.spki for c in ca.path])


def judged_by(
    old: Certificate,
    new: Issued,
    anchors: Sequence[Certificate],
    now: dt.datetime,
    *,
    taken: Iterable[str] = (),
    accept: Iterable[str] = (),
) -> tuple[str, ...]:
    """As :func:`judged`, by what is trusted.

    ``taken``: fingerprints of public keys that must not be used again, beside the old one; ``accept``: attributes that
    may differ.
    """
    certificate = new.certificate
    chain = read_chain(new.chain)
    key, _format = read_key(new.key, "the new generation")
    found = list(chain.problems)
    if chain.leaf != certificate:
        found.append("the chain does not begin with the new certificate")
    if spki_of(key) != certificate.spki:
        found.append("the key does not belong to the certificate")
    if certificate.spki in {old.spki, *taken}:
        found.append("the key is not new")
    if weakness(certificate.key):
        found.append(weakness(certificate.key))
    if broken_signature(certificate):
        found.append(f"it is signed with {broken_signature(certificate)}")
    last = max(now, certificate.not_after - LAST_LOOK)
    for at in (now, last):
        found += path_problems(certificate, chain.certificates[1:], anchors, at)
    found += [told for word, told in differences(old, certificate).items() if word not in set(accept)]
    return tuple(dict.fromkeys(found))
