# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM, block by block: one bad block is named by its number and does not hide the others.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9][A-Z0-9 ]*)-----")


@dataclass(frozen=True, slots=True)
class Block:
    """One block. ``number`` counts from 1; ``error`` says why ``der`` is empty; ``encrypted`` tells of keys."""

    number: int
    label: str
    der: bytes = field(default=b"", repr=False)
    error: str = ""
    encrypted: bool = False

    @property
    def private(self) -> bool:
        return self.label.endswith("PRIVATE KEY")


def blocks(data: bytes) -> tuple[Block, ...]:
    """Every ``BEGIN`` of the text as a block, readable or not (RFC 7468; text between blocks is skipped)."""
    starts = list(_BEGIN.finditer(data))
    ends = [start.start() for start in starts[1:]] + [len(data)]
    return tuple(
        _block(number, start.group(1).decode(), data[start.end() : ends[number - 1]])
        for number, start in enumerate(starts, 1)
    )


def _block(number: int, label: str, rest: bytes) -> Block:
    body, found, _after = rest.partition(f"-----END {label}-----".encode())
    if not found:
        return Block(number, label, error="no END line")
    header, blank, payload = body.replace(b"\r\n", b"\n").partition(b"\n\n")
    if not (blank and b":" in header):
        header, payload = b"", body
    try:
        der = base64.b64decode(b"".join(payload.split()), validate=True)
    except (binascii.Error, ValueError):
        return Block(number, label, error="not base64")
    if not der:
        return Block(number, label, error="empty")
    return Block(number, label, der, encrypted=b"ENCRYPTED" in header or label == "ENCRYPTED PRIVATE KEY")


def pem(label: str, der: bytes) -> bytes:
    """One block, 64 columns, LF, one newline at the end."""
    text = base64.b64encode(der)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join([f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode(), b""])
