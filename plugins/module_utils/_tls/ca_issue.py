# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The next generation of a CA: a new key under a new name, everything else as it was. Pure.

The generation is part of the name (``CN=pay-ca g2``): two CAs of one name are told apart by nobody, and the names of
acceptable CAs that a server sends then show what it trusts.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .authority import Authority
from .certificates import Certificate, bundle, extension, read_der
from .issue import BACKDATE, Issued, issuer_key, kept_extensions, key_kind, signature_kind, validity
from .keys import SAME, new_key, read_key, spki_of, weakness, write_key
from .path import ca_problems

if TYPE_CHECKING:
    from cryptography import x509

_GENERATION = re.compile(r"^(?P<base>.*\S)?\s*\bg(?P<number>[1-9][0-9]{0,5})$")
_COMMON_NAME_LIMIT = 64


def generation_of(certificate: Certificate) -> int:
    """The generation in its common name; 1 where there is none."""
    found = _GENERATION.match(common_name(certificate))
    return int(found.group("number")) if found else 1


def common_name(certificate: Certificate) -> str:
    """The (last) common name of its subject, empty where there is none."""
    return _common_name(certificate.x509().subject)


def _common_name(name: x509.Name) -> str:
    from cryptography.x509.oid import NameOID

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def next_common_name(old: str, generation: int) -> str:
    """``shop-ca g2`` after ``shop-ca``; shortened where it has to be (RFC 5280, upper bounds: 64)."""
    found = _GENERATION.match(old)
    tail = f" g{generation}"
    base = (found.group("base") or "") if found else old
    return (base[: _COMMON_NAME_LIMIT - len(tail)] + tail).strip()


def name_of(name: x509.Name, generation: int) -> x509.Name:
    """The name with that generation in its (last) common name."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    common = x509.NameAttribute(NameOID.COMMON_NAME, next_common_name(_common_name(name), generation))
    attributes = list(name)
    places = [at for at, attribute in enumerate(attributes) if attribute.oid == NameOID.COMMON_NAME]
    if places:
        attributes[places[-1]] = common
    else:
        attributes.append(common)
    return x509.Name(attributes)


def make_ca(
    old: Certificate,
    now: dt.datetime,
    generation: int,
    *,
    key_format: str,
    kind: str = SAME,
    parent: Authority | None = None,
) -> Issued:
    """A new CA like ``old``: self-signed, or signed by the ``parent``, which it does not outlive.

    Raises BadInput for a kind of key that cannot be made, and for a parent that leaves no time.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    key = new_key(key_kind(old, kind))
    begin, end = _span(old, now, parent)
    parsed = old.x509()
    name = name_of(parsed.subject, generation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(parent.certificate.x509().subject if parent else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for kept in kept_extensions(parsed, key):
        builder = builder.add_extension(kept.value, kept.critical)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    own = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.add_extension(issuer_key(parent.certificate.x509()) if parent else own, critical=False)
    signer = parent.key if parent else key
    digest, padding = signature_kind(parsed, signer)
    signed: Any = builder.sign(signer, digest, **padding)
    certificate = read_der(signed.public_bytes(Encoding.DER))
    above = parent.intermediates if parent else ()
    return Issued(certificate, bundle((certificate, *above)), write_key(key, key_format))


def _span(old: Certificate, now: dt.datetime, parent: Authority | None) -> tuple[dt.datetime, dt.datetime]:
    if parent is not None:
        return validity(old, parent, now)
    begin = now.astimezone(dt.UTC).replace(microsecond=0) - BACKDATE
    return begin, begin + (old.not_after - old.not_before)


def ca_lint(old: Certificate, new: Issued, now: dt.datetime, above: Iterable[Certificate] = ()) -> tuple[str, ...]:
    """Why the new CA must not sign anything; nothing when it may. ``above``: where the signer of one that is no root is
    looked for.
    """
    from cryptography import x509

    made = new.certificate
    parsed = made.x509()
    problems = list(ca_problems(made, now))
    if weakness(made.key):
        problems.append(weakness(made.key))
    if spki_of(read_key(new.key, "the new CA")[0]) != made.spki:
        problems.append("the key does not belong to the certificate")
    if made.spki == old.spki:
        problems.append("the key is not new")
    if made.subject == old.subject or generation_of(made) <= generation_of(old):
        problems.append("the name does not tell it from the old one")
    if is_root(old) and not is_root(made):
        problems.append("it is not self-signed")
    if not is_root(old) and not (made.issuer == old.issuer and any(made.signed_by(one) for one in above)):
        problems.append("it is not signed by the CA that signed the old one")
    if not made.ski or made.ski == old.ski:
        problems.append("it has no subject key identifier of its own")
    authority = extension(parsed, x509.AuthorityKeyIdentifier)
    if authority and (authority.authority_cert_issuer or authority.authority_cert_serial_number):
        problems.append("its authority key identifier holds more than the key's")
    if _length(made) < _length(old):
        problems.append("it allows fewer CAs below it than the old one")
    return tuple(problems)


def _length(certificate: Certificate) -> float:
    from cryptography import x509

    basic = extension(certificate.x509(), x509.BasicConstraints)
    return float("inf") if basic is None or basic.path_length is None else float(basic.path_length)


def is_root(certificate: Certificate) -> bool:
    """Is it self-signed, so that its users trust it itself?"""
    return certificate.self_issued and certificate.signed_by(certificate)
