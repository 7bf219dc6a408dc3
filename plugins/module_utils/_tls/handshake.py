# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a server really serves: a handshake, and application bytes behind it.

A handshake alone proves little (in TLS 1.3 the client is done before the server has judged it), so a proof also asks
for a page and wants bytes back; any HTTP status line will do.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from .certificates import Certificate, bundle, sha256

HTTP, TLS = "http", "tls"
_ENOUGH = 4096
_LEAVE_S = 1.0

Dial = Callable[[], socket.socket]
Der = bytes


@dataclass(frozen=True, slots=True)
class Served:
    """What one connection showed. ``fingerprint`` empty: nothing was served, see ``why``.

    ``verified``: chain and host name held against the given trust; None where no trust was given. ``bytes`` is how
    much application data came back, None where none was asked for. ``status`` is the HTTP status line;
    ``der`` is the leaf.
    """

    fingerprint: str = ""
    verified: bool | None = None
    bytes: int | None = None
    status: str = ""
    why: str = ""
    der: Der = field(default=b"", repr=False, compare=False)


def look(
    dial: Dial,
    *,
    server_name: str = "",
    trust: Iterable[Certificate] = (),
    protocol: str = TLS,
    timeout_s: float = 10.0,
) -> Served:
    """One fresh connection; a second one, unverified, tells what is served where the first one's trust failed."""
    anchors = tuple(trust)
    if not anchors:
        return _attempt(dial, _context((), False), server_name, None, protocol, timeout_s)
    try:
        return _attempt(dial, _context(anchors, bool(server_name)), server_name, True, protocol, timeout_s)
    except ssl.SSLCertVerificationError as error:
        seen = _attempt(dial, _context((), False), server_name, False, protocol, timeout_s)
        return replace(seen, verified=False, why=seen.why or str(error.verify_message))


def _attempt(
    dial: Dial, context: ssl.SSLContext, server_name: str, verified: bool | None, protocol: str, timeout_s: float
) -> Served:
    answer, why = b"", ""
    channel = context.wrap_socket(dial(), server_hostname=server_name or None, do_handshake_on_connect=False)
    try:
        channel.settimeout(timeout_s)
        channel.do_handshake()
        der = channel.getpeercert(binary_form=True) or b""
        fingerprint = sha256(der)
        if protocol == HTTP:
            answer, why = _ask(channel, server_name)
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: closed under our hands
        return Served(why=_short(error))
    finally:
        _leave(channel)
    if protocol != HTTP:
        return Served(fingerprint, verified, der=der)
    line = answer.split(b"\r\n", 1)[0].decode("latin-1")
    if line.startswith("HTTP/"):
        return Served(fingerprint, verified, len(answer), line[:100], der=der)
    return Served(fingerprint, verified, len(answer), why=why or "what came back is not HTTP", der=der)


def _leave(channel: ssl.SSLSocket) -> None:
    """Ends the connection in order: what a forwarding thread still has for us is taken, so that it can end as well."""
    with contextlib.suppress(OSError, ValueError):
        channel.settimeout(_LEAVE_S)
        channel.shutdown(socket.SHUT_WR)
        while channel.recv(65536):
            pass
    channel.close()


def _ask(channel: ssl.SSLSocket, server_name: str) -> tuple[bytes, str]:
    """A request, and the first bytes of the answer; what went wrong when there are none."""
    request = f"GET / HTTP/1.1\r\nHost: {server_name or 'localhost'}\r\nConnection: close\r\n\r\n"
    answer = b""
    try:
        channel.sendall(request.encode())
        while len(answer) < _ENOUGH and b"\r\n" not in answer:
            part = channel.recv(_ENOUGH)
            if not part:
                break
            answer += part
    except OSError as error:
        return answer, _short(error)
    return answer, "" if answer else "the connection was closed without an answer"


def _context(anchors: tuple[Certificate, ...], check_name: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if not anchors:
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")  # only to look at what is served, however weak it is
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate may be all that is known of the CA
    context.load_verify_locations(cadata=bundle(anchors).decode())
    context.check_hostname = check_name
    return context


def _short(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    return " ".join(str(reason).split())[:200] or type(error).__name__
