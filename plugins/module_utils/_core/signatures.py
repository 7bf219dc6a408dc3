# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ed25519 signatures over statements, as text that says by which key.

``unsigned`` is a value like any other: it says that nobody vouches for more than the hash chain does.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

UNSIGNED = "unsigned"
_SCHEME = "ed25519"
# What is signed is never only a hash: the prefix keeps a signature of ours from being taken for one of something else.
_CONTEXT = b"knowngood.io/ledger/v1\n"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs hashes with one private key."""

    key: Ed25519PrivateKey

    @classmethod
    def from_pem(cls, pem: bytes, *, where: str = "") -> Signer:
        """Reads an unencrypted PEM private key. Raises BadInput; the key's bytes are in no message."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise BadInput("the ledger's signing key cannot be read", where=where, next=_MAKE_KEY) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise BadInput("the ledger's signing key is not Ed25519", where=where, next=_MAKE_KEY)
        return cls(key)

    @property
    def verifier(self) -> Verifier:
        return Verifier((self.key.public_key(),))

    def sign(self, digest: str) -> str:
        """``ed25519:<key id>:<base64>`` over a hash in hex."""
        signature = self.key.sign(_CONTEXT + digest.encode())
        return f"{_SCHEME}:{key_id(self.key.public_key())}:{base64.b64encode(signature).decode()}"


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks signatures against the public keys that are trusted."""

    keys: tuple[Ed25519PublicKey, ...]

    @classmethod
    def from_pem(cls, pems: tuple[bytes, ...], *, where: str = "") -> Verifier:
        """Reads PEM public keys. Raises BadInput."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        keys = []
        for pem in pems:
            try:
                key = load_pem_public_key(pem)
            except ValueError as error:
                raise BadInput("a public key of the ledger cannot be read", where=where, why=str(error)) from error
            if not isinstance(key, Ed25519PublicKey):
                raise BadInput("a public key of the ledger is not Ed25519", where=where)
            keys.append(key)
        return cls(tuple(keys))

    def problem(self, digest: str, signature: str) -> str:
        """Why the signature does not hold; an empty text when it does."""
        from cryptography.exceptions import InvalidSignature

        if signature == UNSIGNED:
            return "it is not signed"
        algorithm, name, encoded = signature.split(":")
        key = next((key for key in self.keys if key_id(key) == name), None)
        if key is None:
            return f"it is signed by key {name}, which is not among the trusted ones"
        try:
            key.verify(base64.b64decode(encoded, validate=True), _CONTEXT + digest.encode())
        except InvalidSignature:
            return f"its signature by key {name} does not match"
        return ""


_MAKE_KEY = "make one with: openssl genpkey -algorithm ed25519 -out ledger.pem"


def key_id(key: Ed25519PublicKey) -> str:
    """The first sixteen hex digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def well_formed(signature: str) -> bool:
    """Is this ``unsigned``, or a signature that could be checked?"""
    if signature == UNSIGNED:
        return True
    parts = signature.split(":")
    if len(parts) != 3 or parts[0] != _SCHEME or len(parts[1]) != 16:
        return False
    try:
        raw = base64.b64decode(parts[2], validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) == 64 and base64.b64encode(raw).decode() == parts[2]
