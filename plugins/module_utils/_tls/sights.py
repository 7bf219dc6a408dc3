# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What pods serve, asked of each through a forwarded port.

The connection arrives from 127.0.0.1 inside the pod, past Services and policies: good for the served fingerprint, and
named as such (``path: port_forward``).

PRIVATE to this collection.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

from .._cluster.client import Cluster
from .._cluster.streams import dial, dial_all
from .._core.errors import Denied, KnownGoodError
from .certificates import Certificate
from .handshake import TLS, Dial, Served, look
from .starttls import behind

PORT_FORWARD, IN_CLUSTER = "port_forward", "in_cluster"
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class TlsPort:
    """A port of a pod behind which TLS is expected.

    ``starttls``: what it speaks before TLS (``postgresql``); ``server_name``: the name to ask this one for.
    """

    pod: str
    port: int
    starttls: str = ""
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen at a port."""

    port: TlsPort
    served: Served

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {
            "pod": self.port.pod,
            "port": self.port.port,
            "path": PORT_FORWARD,
            "fingerprint": self.served.fingerprint,
            "verified": bool(self.served.verified),
        }
        if self.port.starttls:
            row["starttls"] = self.port.starttls
        return {**row, "why": self.served.why} if self.served.why else row


def see(
    cluster: Cluster,
    namespace: str,
    ports: Iterable[TlsPort],
    *,
    server_name: str = "",
    trust: Sequence[Certificate] = (),
    protocol: str = TLS,
    timeout_s: float = 10.0,
    share: bool = False,
) -> tuple[Sight, ...]:
    """One look at each port, several at a time, in the order given. A pod that cannot be reached is a sight too.

    ``share``: the ports of a pod are asked through one forward, which is much quicker. One that shows nothing is asked
    once more by itself, so a connection that failed is not told: for what is served, not for proofs.
    Raises Denied: without the right to forward ports nothing can be said about any pod.
    """

    def attempt(port: TlsPort, connect: Dial) -> Served:
        begin = behind(connect, port.starttls, timeout_s)
        name = port.server_name or server_name
        try:
            return look(begin, server_name=name, trust=trust, protocol=port.starttls or protocol, timeout_s=timeout_s)
        except Denied:
            raise
        except KnownGoodError as error:
            return Served(why=f"{error.what}: {error.why}" if error.why else error.what)

    wanted = list(ports)
    if not wanted:
        return ()
    lines = _lines(cluster, namespace, wanted) if share else {}

    def one(port: TlsPort) -> Sight:
        line = lines.get((port.pod, port.port))
        served = attempt(port, partial(line.connect, port.port)) if line else None
        if not (served and served.fingerprint):
            served = attempt(port, partial(dial, cluster, namespace, port.pod, port.port))
        return Sight(port, served)

    try:
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(wanted))) as pool:
            return tuple(pool.map(one, wanted))
    finally:
        for line in lines.values():
            line.close()


class _Line:
    """One forward to several ports of a pod, made when the first is asked. Each port has one connection of it."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, ports: Sequence[int]) -> None:
        self._open = partial(dial_all, cluster, namespace, pod, ports)
        self._again = partial(dial, cluster, namespace, pod)
        self._lock = Lock()
        self._sockets: dict[int, socket.socket] | None = None

    def connect(self, port: int) -> socket.socket:
        """The connection that is there for the port; another forward's where it was taken before."""
        with self._lock:
            if self._sockets is None:
                self._sockets = self._open()
            channel = self._sockets.pop(port, None)
        return channel or self._again(port)

    def close(self) -> None:
        """Lets go of what nobody asked for."""
        for channel in (self._sockets or {}).values():
            channel.close()


def _lines(cluster: Cluster, namespace: str, wanted: Iterable[TlsPort]) -> dict[tuple[str, int], _Line]:
    """By pod and port: what pods with several ports are asked through, as many ports a line as are asked at once."""
    ports: dict[str, list[int]] = {}
    for pod, number in dict.fromkeys((port.pod, port.port) for port in wanted):
        ports.setdefault(pod, []).append(number)
    lines = {}
    for pod, numbers in ports.items():
        for begin in range(0, len(numbers), _AT_ONCE):
            some = numbers[begin : begin + _AT_ONCE]
            if len(some) > 1:
                line = _Line(cluster, namespace, pod, some)
                lines.update({(pod, number): line for number in some})
    return lines
