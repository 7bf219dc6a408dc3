# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA from a Secret: the one that signs, its chain, and what clients have to trust.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .certificates import Certificate, issuers_of, read_chain
from .keys import read_key, spki_of, weakness
from .path import ca_problems

_PAIRS = (("tls.crt", "tls.key"), ("ca.crt", "ca.key"))


@dataclass(frozen=True, slots=True)
class Authority:
    """``path``: the CA's certificate, then its issuers as far as known, root included. ``anchors``: what to trust."""

    where: str
    path: tuple[Certificate, ...]
    key: Any = field(repr=False)

    @property
    def certificate(self) -> Certificate:
        return self.path[0]

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """The root where it is known, else the highest CA that is."""
        return self.path[-1:]

    @property
    def intermediates(self) -> tuple[Certificate, ...]:
        """What a server sends between its leaf and the root: the path without a root."""
        return tuple(c for c in self.path if not (c.self_issued and c.signed_by(c)))

    @property
    def not_before(self) -> dt.datetime:
        return max(c.not_before for c in self.path)

    @property
    def not_after(self) -> dt.datetime:
        return min(c.not_after for c in self.path)


def authority(secret: Mapping[str, Any], now: dt.datetime, more: tuple[Certificate, ...] = ()) -> Authority:
    """The CA in a Secret with ``tls.crt`` and ``tls.key`` (or ``ca.crt`` and ``ca.key``).

    ``more``: certificates in which its issuers may be found. Raises BadInput: no certificate, no key, key of another
    certificate, no CA, no right to sign, expired, weak.
    """
    meta = secret["metadata"]
    where = f"CA Secret {meta['namespace']}/{meta['name']}"
    data = secret.get("data") or {}
    crt, key_name = _pair(data, where)
    chain = read_chain(decode(data[crt], f"{where} {crt}"))
    if chain.problems:
        raise BadInput("the CA's certificate cannot be read", where=f"{where} {crt}", why="; ".join(chain.problems))
    if not chain.certificates:
        raise BadInput("there is no certificate in the CA Secret", where=f"{where} {crt}")
    key, _format = read_key(decode(data[key_name], f"{where} {key_name}"), f"{where} {key_name}")
    ca = chain.certificates[0]
    if spki_of(key) != ca.spki:
        raise BadInput("the CA's key does not belong to its certificate", where=where, why=f"certificate {ca.subject}")
    path = (ca, *issuers_of(ca, (*chain.certificates[1:], *_trust(data), *more)))
    problems = [problem for certificate in path for problem in ca_problems(certificate, now)]
    weak = weakness(ca.key)
    if problems or weak:
        raise BadInput(
            "the CA cannot sign",
            where=where,
            why="; ".join([*problems, *([weak] if weak else [])]),
            next="renew or replace the CA first",
        )
    return Authority(where, path, key)


def _pair(data: Mapping[str, str], where: str) -> tuple[str, str]:
    for crt, key in _PAIRS:
        if data.get(crt) and data.get(key):
            return crt, key
    there = ", ".join(sorted(name for name, value in data.items() if value)) or "no data"
    if data.get("tls.crt") or data.get("ca.crt"):
        raise BadInput(
            "the CA Secret holds no private key",
            where=where,
            why=f"it has {there}; tls.key is wanted" + (" (it is empty)" if "tls.key" in data else ""),
            next="name the Secret that holds the CA's key in issuer.ca_secret",
        )
    raise BadInput("the Secret holds no CA", where=where, why=f"it has {there}; tls.crt is wanted")


def _trust(data: Mapping[str, str]) -> tuple[Certificate, ...]:
    return read_chain(decode(data.get("ca.crt", ""), "ca.crt")).certificates


def decode(text: str, where: str) -> bytes:
    """A value of Secret data. Raises BadInput."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("Secret data is not base64", where=where) from error
