# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signature of the report: Ed25519 over the bytes of report.json, beside it in report.json.sig.

Ed25519 is deterministic, so that a signed report is as reproducible as an unsigned one.

PRIVATE to this collection.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._core.errors import BadInput
from .fields import Row

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key in memory. ``about`` is what the report says of it: never more than the public half."""

    _key: Ed25519PrivateKey
    about: Row

    def sign(self, document: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._key.sign(document)


def read_signer(path: str) -> Signer:
    """The signer for a PEM file with an unencrypted Ed25519 private key. Raises BadInput; needs ``cryptography``."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    make_one = "openssl genpkey -algorithm ed25519 -out reporter.pem"
    try:
        with open(path, "rb") as file:
            pem = file.read(1 << 16)
    except OSError as error:
        raise BadInput("the signing key cannot be read", where=path, why=error.strerror or str(error)) from error
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadInput(
            "the signing key is not an unencrypted PEM private key", where=path, why=type(error).__name__, next=make_one
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput("the signing key is not an Ed25519 key", where=path, why=type(key).__name__, next=make_one)
    public = key.public_key()
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    pem_public = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    about: Row = {
        "state": "signed",
        "algorithm": "ed25519",
        "key_sha256": hashlib.sha256(raw).hexdigest(),
        "public_key": pem_public.decode("ascii"),
    }
    return Signer(key, about)
