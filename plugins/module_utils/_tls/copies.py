# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other data keys of a Secret that hold the same pair again, made anew in the write that replaces it.

PEM in any arrangement (a server's ``combined.pem``), DER, and PKCS#12 with its password; what else is in them stays.
JKS and JCEKS are not written: a Secret that holds one is refused.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .certificates import Certificate, read_chain
from .issue import Issued
from .keys import read_key, spki_of, write_key
from .pem import blocks
from .secrets import KEYSTORES, TlsSecret, derived_keys, is_pkcs12

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----(?:\r?\n)?", re.DOTALL)
_TRIPLE_DES = bytes.fromhex("060a2a864886f70d010c0103")
_RC2 = bytes.fromhex("060a2a864886f70d010c0106")


@dataclass(frozen=True, slots=True)
class Remake:
    """What it takes to make copies anew: the Secret as it is, the new pair, and the password of its stores."""

    secret: TlsSecret
    new: Issued
    password: bytes | None = field(default=None, repr=False)

    @property
    def old(self) -> Certificate:
        return self.secret.certificate

    @property
    def old_others(self) -> Sequence[Certificate]:
        return self.secret.chain.certificates[1:]

    @property
    def others(self) -> Sequence[Certificate]:
        return read_chain(self.new.chain).certificates[1:]

    @property
    def key(self) -> Any:
        return read_key(self.new.key, "the new key", check=False)[0]


def remakeable(secret: TlsSecret, password: bytes | None) -> tuple[str, ...]:
    """Names of the data keys that will be made anew. Raises BadInput for one that cannot be, and says why."""
    names = derived_keys(secret)
    pair = Issued(secret.certificate, secret.value("tls.crt"), secret.value("tls.key"))
    if names:
        remade(Remake(secret, pair, password), names)
    return names


def remade(remake: Remake, names: Sequence[str]) -> Mapping[str, bytes]:
    """The copies with the new pair in them. Raises BadInput: a JKS, a store without its password, an encrypted key."""
    return {name: _one(remake, name, remake.secret.value(name)) for name in names}


def _one(remake: Remake, name: str, value: bytes) -> bytes:
    where = f"Secret {remake.secret.ref} {name}"
    if value[:4] in KEYSTORES:
        raise BadInput(
            "the Secret holds a Java key store (JKS), which cannot be made anew here",
            where=where,
            why="it would go on with the old certificate beside the new one",
            next="convert it to PKCS#12, or drop it, or rotate this one with the tool that made it",
        )
    if is_pkcs12(value):
        return _store(remake, value, where)
    if value == remake.old.der:
        return remake.new.certificate.der
    if b"-----BEGIN " in value:
        return _pem(remake, value, where)
    return _der_key(remake, value, where)


def _pem(remake: Remake, value: bytes, where: str) -> bytes:
    """Block by block: text between blocks, other certificates and other keys stay as they are."""
    old_others = {certificate.der for certificate in remake.old_others}
    others = b"".join(certificate.pem() for certificate in remake.others)
    left = [others]

    def anew(found: re.Match[bytes]) -> bytes:
        block = blocks(found.group())[0]
        if block.private:
            return _pem_key(remake, found.group(), where)
        if block.der == remake.old.der:
            return remake.new.certificate.pem() + (b"" if old_others else left.pop() if left else b"")
        if block.der in old_others:
            return left.pop() if left else b""
        return found.group()

    return _BLOCK.sub(anew, value)


def _pem_key(remake: Remake, text: bytes, where: str) -> bytes:
    key, found = read_key(text, where, check=False)
    return write_key(remake.key, found) if spki_of(key) == remake.old.spki else text


def _der_key(remake: Remake, value: bytes, where: str) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

    try:
        old = load_der_private_key(value, None)
    except Exception as error:  # the parser's words could hold input
        raise BadInput("the private key cannot be read", where=where, why=type(error).__name__) from None
    if spki_of(old) != remake.old.spki:
        return value
    new: Any = remake.key
    modern = value == old.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    style = PrivateFormat.PKCS8 if modern else PrivateFormat.TraditionalOpenSSL
    written: bytes = new.private_bytes(Encoding.DER, style, NoEncryption())
    return written


def _store(remake: Remake, value: bytes, where: str) -> bytes:
    """PKCS#12 with the same alias, password and further certificates, encrypted the way it was."""
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        found = pkcs12.load_pkcs12(value, remake.password or None)
    except ValueError as error:
        raise BadInput(
            "the PKCS#12 store does not open with its password"
            if remake.password
            else "the PKCS#12 store is encrypted",
            where=where,
            why="wrong password, or not a PKCS#12 store" if remake.password else "no password for it is known",
            next="name the Secret and key that hold it in targets[].keystore_password",
        ) from error
    if found.key is None or found.cert is None or spki_of(found.key) != remake.old.spki:
        return value
    old_others = {certificate.der for certificate in remake.old_others}
    kept = [c for c in found.additional_certs if _der(c.certificate) not in old_others]
    held = len(kept) < len(found.additional_certs) or not old_others
    others: list[Any] = [c.x509() for c in remake.others] if held else []
    written: bytes = pkcs12.serialize_key_and_certificates(
        found.cert.friendly_name,
        remake.key,
        remake.new.certificate.x509(),
        [*others, *kept] or None,
        _encryption(value, remake.password),
    )
    return written


def _encryption(value: bytes, password: bytes | None) -> Any:
    """Old Java reads PBES1 only, so what was PBES1 stays so."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        NoEncryption,
        PrivateFormat,
        pkcs12,
    )

    if not password:
        return NoEncryption()
    if _TRIPLE_DES not in value and _RC2 not in value:
        return BestAvailableEncryption(password)
    builder = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(50000)
    builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC).hmac_hash(hashes.SHA1())
    return builder.build(password)


def _der(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    der: bytes = certificate.public_bytes(Encoding.DER)
    return der
