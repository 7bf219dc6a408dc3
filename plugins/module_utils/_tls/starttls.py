# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step before the handshake, of protocols that begin in the clear.

PRIVATE to this collection.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from .._core.errors import NotProven
from .consumers import Port
from .handshake import Dial

POSTGRES = "postgresql"
PROBE = """
import struct
def message(raw, count):
    found = b""
    while len(found) < count:
        part = raw.recv(count - len(found))
        if not part:
            break
        found += part
    return found
def start_tls(raw, protocol):
    if protocol == "postgresql":
        raw.sendall(struct.pack("!ii", 8, 80877103))
        if raw.recv(1) != b"S":
            raise OSError("PostgreSQL does not offer TLS here")
def start_postgresql(channel, user, database):
    words = b"\\0".join([b"user", user.encode(), b"database", database.encode(), b"", b""])
    channel.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
    head = message(channel, 5)
    if len(head) < 5:
        return "", len(head)
    kind, length = chr(head[0]), struct.unpack("!i", head[1:])[0]
    body = message(channel, min(length - 4, 4096))
    told = str(struct.unpack("!i", body[:4])[0]) if kind == "R" else ""
    for field in body.split(b"\\0") if kind == "E" else ():
        if field[:1] == b"C":
            told = field[1:].decode("latin-1")
    return "PostgreSQL %s %s" % (kind, told), len(head) + len(body)
"""
"""For programs that run in probe pods: what comes before the handshake, and the first message behind it.

The answer to PostgreSQL's StartupMessage is told as ``PostgreSQL R <kind of authentication>`` or ``PostgreSQL E
<SQLSTATE>`` (PostgreSQL documentation, message formats).
"""
_POSTGRES_PORTS = (5432,)
_POSTGRES_WORDS = ("postgres", "pgsql", "psql")
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's SSLRequest: its length and its code (PostgreSQL documentation, message formats)."""


def protocol_of(name: str, number: int) -> str:
    """What a port with this name and number speaks before TLS; empty for TLS at once."""
    if number in _POSTGRES_PORTS or any(word in name.lower() for word in _POSTGRES_WORDS):
        return POSTGRES
    return ""


def before_tls(ports: Iterable[Port], number: int) -> str:
    """As :func:`protocol_of`, of a port of a pod that declares these."""
    return protocol_of(next((port.name for port in ports if port.number == number), ""), number)


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
