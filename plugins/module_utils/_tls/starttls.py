# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step before the handshake, of protocols that begin in the clear.

PRIVATE to this collection.
"""

from __future__ import annotations

import socket
import struct

from .._core.errors import NotProven
from .handshake import Dial

POSTGRES = "postgresql"
_POSTGRES_PORTS = (5432,)
_POSTGRES_WORDS = ("postgres", "pgsql", "psql")
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's SSLRequest: its length and its code (PostgreSQL documentation, message formats)."""


def protocol_of(name: str, number: int) -> str:
    """What a port with this name and number speaks before TLS; empty for TLS at once."""
    if number in _POSTGRES_PORTS or any(word in name.lower() for word in _POSTGRES_WORDS):
        return POSTGRES
    return ""


def behind(dial: Dial, protocol: str, timeout_s: float) -> Dial:
    """The same dial with the connection led to where the handshake begins."""
    if protocol != POSTGRES:
        return dial

    def connect() -> socket.socket:
        channel = dial()
        try:
            channel.settimeout(timeout_s)
            channel.sendall(_SSL_REQUEST)
            answer = channel.recv(1)
        except OSError as error:
            channel.close()
            raise NotProven("PostgreSQL did not answer", why=str(error)) from error
        if answer != b"S":
            channel.close()
            raise NotProven("PostgreSQL does not offer TLS here" if answer == b"N" else "this is no PostgreSQL")
        return channel

    return connect
