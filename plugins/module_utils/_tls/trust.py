# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a trust store: one CA appended, one taken out, and exactly put back. Pure; foreign text is left alone.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import BadInput
from .._core.plan import Json
from .certificates import Certificate, read_chain

LIMIT = 1024 * 1024
"""What all values of a ConfigMap or Secret may come to, in bytes (Kubernetes API validation)."""
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----[ \t]*\r?\n?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A certificate of a text, and where it stands there (the line end included)."""

    start: int
    end: int
    certificate: Certificate


def pieces(text: bytes) -> tuple[Piece, ...]:
    """The readable certificates of a text."""
    found = []
    for match in _BLOCK.finditer(text):
        chain = read_chain(match.group())
        if chain.leaf is not None:
            found.append(Piece(match.start(), match.end(), chain.leaf))
    return tuple(found)


def holds(text: bytes, spki: str) -> bool:
    """Is a CA with this key (fingerprint of its public half) in the text?"""
    return any(piece.certificate.spki == spki for piece in pieces(text))


def grown(text: bytes, new: Certificate) -> bytes:
    """The text with the certificate at its end; as it was where it holds that key under that name already."""
    if any((p.certificate.spki, p.certificate.subject) == (new.spki, new.subject) for p in pieces(text)):
        return text
    return text + (b"" if not text or text.endswith(b"\n") else b"\n") + new.pem()


def shrunk(text: bytes, spki: str) -> tuple[bytes, list[Mapping[str, Json]]]:
    """The text without the certificates of that key, and what was cut where, for :func:`put_back`.

    Raises BadInput where no certificate would be left: who trusts nobody is cut off.
    """
    found = pieces(text)
    out = [piece for piece in found if piece.certificate.spki == spki]
    if out and len(out) == len(found):
        raise BadInput("the trust store would be left empty", next="nothing was changed in it")
    cuts: list[Mapping[str, Json]] = []
    kept, at = b"", 0
    for piece in out:
        kept += text[at : piece.start]
        cuts.append({"at": piece.start, "text": text[piece.start : piece.end].decode("latin-1")})
        at = piece.end
    return kept + text[at:], cuts


def put_back(text: bytes, cuts: Sequence[Mapping[str, Json]]) -> bytes:
    """The text with the cuts where they were; at its end where it has become too short for that."""
    for cut in cuts:
        block = str(cut["text"]).encode("latin-1")
        (certificate,) = (piece.certificate for piece in pieces(block))
        if any(piece.certificate == certificate for piece in pieces(text)):
            continue
        at = int(cut["at"])
        between = at <= len(text) and not any(piece.start < at < piece.end for piece in pieces(text))
        text = text[:at] + block + text[at:] if between else grown(text, certificate)
    return text
