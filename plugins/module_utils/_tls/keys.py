# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private keys: made like another one, matched, written in the format found. They live in memory only.

PRIVATE to this collection.
"""

from __future__ import annotations

from typing import Any

from .._core.errors import BadInput
from .certificates import Certificate, sha256
from .pem import Block, blocks

PKCS1, SEC1, PKCS8 = "PKCS1", "SEC1", "PKCS8"
_FORMATS = {"RSA PRIVATE KEY": PKCS1, "EC PRIVATE KEY": SEC1, "PRIVATE KEY": PKCS8}
SAME = "same"
KEY_CHOICES = (SAME, "RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P-256", "ECDSA-P-384", "ECDSA-P-521", "Ed25519")
_CURVES = ("P-256", "P-384", "P-521")


def read_key(data: bytes, where: str, *, check: bool = True) -> tuple[Any, str]:
    """The private key of a PEM text and its format. Raises BadInput: no key, several, encrypted, broken.

    ``check=False`` skips the arithmetic check of RSA keys (40 ms each): enough to match a key in a scan.
    """
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    block = _only_key(data, where)
    try:
        key = load_der_private_key(block.der, None, unsafe_skip_rsa_key_validation=not check)
    except Exception as error:  # many exceptions of the parser, none of which may be quoted: they can hold input
        raise BadInput("the private key cannot be read", where=where, why=type(error).__name__) from None
    return key, _FORMATS[block.label]


def _only_key(data: bytes, where: str) -> Block:
    keys = [block for block in blocks(data) if block.private]
    if not keys:
        raise BadInput("there is no PEM private key", where=where)
    if len(keys) > 1:
        raise BadInput("there is more than one private key", where=where, why=f"{len(keys)} blocks")
    block = keys[0]
    if block.encrypted:
        raise BadInput("the private key is encrypted", where=where, next="store it without a passphrase")
    if block.error:
        raise BadInput("the private key cannot be read", where=where, why=f"block {block.number}: {block.error}")
    if block.label not in _FORMATS:
        raise BadInput("a private key of this kind is not supported", where=where, why=block.label)
    return block


def spki_of(key: Any) -> str:
    """The fingerprint of the public half."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def key_matches(data: bytes, certificate: Certificate) -> bool | None:
    """Does the PEM key belong to the certificate? None where the key cannot be read. Keeps nothing."""
    try:
        return spki_of(read_key(data, "", check=False)[0]) == certificate.spki
    except BadInput:
        return None


def weakness(key: str) -> str:
    """Why a key of this kind must not be issued for, or nothing. ``key`` as :attr:`Certificate.key`.

    RSA from 2048 bits on and the NIST curves are what public policies list; Ed25519, Ed448 and ML-DSA are fine within a
    private CA.
    """
    kind, _dash, size = key.partition("-")
    if kind == "RSA":
        return "" if int(size) >= 2048 else f"{key}: RSA needs at least 2048 bits"
    if kind == "ECDSA":
        return "" if size in _CURVES else f"{key}: the curve is not one of P-256, P-384, P-521"
    return "" if kind in ("Ed25519", "Ed448", "ML") else f"{key}: not a kind of key for TLS servers"


def new_key(kind: str) -> Any:
    """A new private key of that kind. Raises BadInput for what cannot be made or is weak."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

    weak = weakness(kind)
    if weak:
        raise BadInput("no certificate is issued for such a key", why=weak, next="choose another with key")
    name, _dash, size = kind.partition("-")
    if name == "RSA":
        return rsa.generate_private_key(public_exponent=65537, key_size=int(size))
    if name == "ECDSA":
        curves: dict[str, ec.EllipticCurve] = {
            "P-256": ec.SECP256R1(),
            "P-384": ec.SECP384R1(),
            "P-521": ec.SECP521R1(),
        }
        return ec.generate_private_key(curves[size])
    if name == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if name == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    raise BadInput(f"keys of the kind {kind} cannot be made", next="choose another with key")


def write_key(key: Any, fmt: str) -> bytes:
    """The key as PEM in that format; PKCS#8 where the format cannot hold a key of this kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    old_style = fmt in (PKCS1, SEC1) and isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    private_format = PrivateFormat.TraditionalOpenSSL if old_style else PrivateFormat.PKCS8
    written: bytes = key.private_bytes(Encoding.PEM, private_format, NoEncryption())
    return written
