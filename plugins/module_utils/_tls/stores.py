# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One value of a Secret or ConfigMap: which certificates are in it, in which format, and of which key.

The format is told by the content, never by the name: PEM (RFC 7468), DER, PKCS#12 (RFC 7292), JKS and JCEKS. A private
key is reduced to the fingerprint of its public half at once; nothing here keeps one.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .certificates import CERTIFICATE_LABELS, Chain, chain_of, read_der
from .keys import spki_of
from .pem import Block, blocks

PEM, DER, PKCS12, JKS, JCEKS = "PEM", "DER", "PKCS#12", "JKS", "JCEKS"
ENCRYPTED, UNREADABLE, SEVERAL = "encrypted", "unreadable", "several"
_MAGIC = {b"\xfe\xed\xfe\xed": JKS, b"\xce\xce\xce\xce": JCEKS}
_BEGIN = b"-----BEGIN "
_KEY = b"PRIVATE KEY-----"
NO_PASSWORD = "no password is known"


@dataclass(frozen=True, slots=True)
class KeyFact:
    """What is known of a private key: the fingerprint of its public half, or why that is not known.

    ``why`` is ``encrypted`` (no password opened it), ``unreadable`` or ``several``; ``detail`` says more for a person.
    """

    spki: str = ""
    why: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What a value holds. ``format`` empty: nothing of ours.

    ``locked``: a store that no password opened, with ``error`` saying how many were tried. ``headless``: the first
    certificate, which is the leaf, cannot be read although later ones can. ``verified`` is False for JKS and JCEKS,
    which are recognised and not opened.
    """

    format: str = ""
    chain: Chain = Chain()
    key: KeyFact | None = None
    locked: bool = False
    headless: bool = False
    error: str = ""

    @property
    def verified(self) -> bool:
        return self.format not in (JKS, JCEKS)

    @property
    def certificates(self) -> bool:
        """Does it hold certificates, or what should be some?"""
        return bool(self.chain.certificates or self.chain.problems or self.locked or not self.verified or self.headless)


NOTHING = Content()


def content(value: bytes, passwords: Sequence[bytes] = ()) -> Content:
    """Reads a value. Never raises: what cannot be read is said."""
    magic = _MAGIC.get(value[:4])
    if magic:
        return Content(magic)
    if is_pkcs12(value):
        return _pkcs12(value, passwords)
    if _BEGIN in value:
        return _pem(value, passwords)
    return _der(value)


def is_pkcs12(value: bytes) -> bool:
    """DER: a sequence that begins with the integer 3 (RFC 7292 section 4)."""
    if value[:1] != b"\x30" or len(value) < 8:
        return False
    start = 2 + (value[1] & 0x7F if value[1] & 0x80 else 0)
    return value[start : start + 3] == b"\x02\x01\x03"


# -- PEM ---------------------------------------------------------------------------------------------------------


def _pem(value: bytes, passwords: Sequence[bytes]) -> Content:
    return _pem_with_key(value, passwords) if _KEY in value else _public(value)


@lru_cache(maxsize=256)
def _public(value: bytes) -> Content:
    """A text without any private key, remembered: the same CA stands beside thousands of certificates."""
    return _pem_with_key(value, ())


def _pem_with_key(value: bytes, passwords: Sequence[bytes]) -> Content:
    found = blocks(value)
    certificates = [block for block in found if block.label in CERTIFICATE_LABELS]
    keys = [block for block in found if block.private]
    if not certificates and not keys:
        return NOTHING
    chain = chain_of(certificates)
    broken = bool(chain.problems) and chain.problems[0].startswith(f"block {certificates[0].number} ")
    return Content(PEM, chain, _key(value, keys, passwords) if keys else None, headless=broken)


def _key(value: bytes, keys: Sequence[Block], passwords: Sequence[bytes]) -> KeyFact:
    if len(keys) > 1:
        return KeyFact(why=SEVERAL, detail=f"{len(keys)} private keys")
    (block,) = keys
    if block.error:
        return KeyFact(why=UNREADABLE, detail=f"block {block.number}: {block.error}")
    if block.label == "OPENSSH PRIVATE KEY":
        return KeyFact(why=UNREADABLE, detail="an OpenSSH key")
    if block.encrypted:
        return _unlocked(value, passwords)
    return _loaded(block.der)


def _loaded(der: bytes) -> KeyFact:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:  # the arithmetic check of an RSA key takes 40 ms and says nothing about whose key it is
        return KeyFact(spki_of(load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)))
    except Exception as error:  # many exceptions of the parser, none of which may be quoted: they can hold input
        return KeyFact(why=UNREADABLE, detail=type(error).__name__)


def _unlocked(value: bytes, passwords: Sequence[bytes]) -> KeyFact:
    """Of an encrypted PEM key, with the first password that opens it."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    for password in passwords:
        try:
            return KeyFact(spki_of(load_pem_private_key(_from_key(value), password)))
        except Exception:  # a wrong password shows itself in many ways
            continue
    return KeyFact(why=ENCRYPTED, detail=_tried(passwords))


def _from_key(value: bytes) -> bytes:
    """The text from its private key on: the loader takes the first block there is."""
    at = value.find(_KEY)
    return value[value.rfind(_BEGIN, 0, at) :]


def _tried(passwords: Sequence[bytes]) -> str:
    return f"none of {len(passwords)} passwords opens it" if passwords else NO_PASSWORD


# -- PKCS#12 and DER ---------------------------------------------------------------------------------------------


def _pkcs12(value: bytes, passwords: Sequence[bytes]) -> Content:
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    for password in (None, b"", *passwords):
        try:
            store = load_pkcs12(value, password)
        except Exception:  # a wrong password shows itself in many ways
            continue
        return _opened(store)
    return Content(PKCS12, locked=True, error=f"the PKCS#12 store cannot be opened: {_tried(passwords)}")


def _opened(store: Any) -> Content:
    from cryptography.hazmat.primitives.serialization import Encoding

    entries = [entry for entry in (store.cert, *store.additional_certs) if entry is not None]
    found, problems = [], []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(read_der(entry.certificate.public_bytes(Encoding.DER)))
        except Exception as error:  # the parser has many exceptions of its own for broken input
            problems.append(f"entry {number}: not a certificate: {type(error).__name__}")
    key = KeyFact(spki_of(store.key)) if store.key is not None else None
    return Content(PKCS12, Chain(tuple(found), tuple(problems)), key)


def _der(value: bytes) -> Content:
    if value[:2] not in (b"\x30\x82", b"\x30\x83") or len(value) != _length(value):
        return NOTHING
    try:
        return Content(DER, Chain((read_der(value),)))
    except Exception:  # DER of another kind: not ours to judge
        return NOTHING


def _length(value: bytes) -> int:
    """Of the whole DER element that the value begins with."""
    size = value[1] & 0x7F
    return 2 + size + int.from_bytes(value[2 : 2 + size], "big")


def password_values(data: Iterable[tuple[str, bytes]]) -> tuple[bytes, ...]:
    """Values beside a store that are its password by their name, as operators write them (``ca.password``)."""
    words = ("password", "passphrase", "passwd")
    return tuple(value.strip() for name, value in data if any(word in name.lower() for word in words) and value.strip())
