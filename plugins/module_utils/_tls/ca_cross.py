# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge: the new CA signed by the old one. Sent behind a leaf, it leads those who trust the old CA alone to it.

It ends with the old CA, and no later than the new one. There is none from the new CA to the old. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from .._core.errors import BadInput
from .authority import Authority
from .certificates import Certificate, extension, read_der
from .issue import issuer_key, signature_kind


def refuse_unbridgeable(old: Certificate, where: str) -> None:
    """Raises BadInput where the old CA allows no CA below it (RFC 5280 section 4.2.1.9)."""
    from cryptography import x509

    basic = extension(old.x509(), x509.BasicConstraints)
    if basic is not None and basic.path_length == 0:
        raise BadInput(
            "there can be no bridge to the new CA",
            where=where,
            why="the old CA allows no CA below it (pathlen:0)",
            next="leave bridge out",
        )


def make_bridge(old: Authority, new: Certificate, now: dt.datetime) -> Certificate:
    """The new CA's name and key, signed by the old CA; other extensions as the new CA has them."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    parsed, issuer = new.x509(), old.certificate.x509()
    public: Any = parsed.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(parsed.subject)
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(new.not_before, old.not_before))
        .not_valid_after(min(new.not_after, old.not_after))
    )
    for found in parsed.extensions:
        if found.oid != x509.AuthorityKeyIdentifier.oid:
            builder = builder.add_extension(found.value, found.critical)
    builder = builder.add_extension(issuer_key(issuer), critical=False)
    digest, padding = signature_kind(issuer, old.key)
    signed: Any = builder.sign(old.key, digest, **padding)
    return read_der(signed.public_bytes(Encoding.DER))
