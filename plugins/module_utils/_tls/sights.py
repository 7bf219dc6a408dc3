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
from typing import Any

from .._cluster.client import Cluster
from .._cluster.streams import dial
from .._core.errors import Denied, KnownGoodError
from .certificates import Certificate
from .handshake import TLS, Served, look
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
) -> tuple[Sight, ...]:
    """One look at each port, several at a time, in the order given. A pod that cannot be reached is a sight too.

    Raises Denied: without the right to forward ports nothing can be said about any pod.
    """

    def one(port: TlsPort) -> Sight:
        def connect() -> socket.socket:
            return dial(cluster, namespace, port.pod, port.port)

        begin = behind(connect, port.starttls, timeout_s)
        name = port.server_name or server_name
        try:
            served = look(begin, server_name=name, trust=trust, protocol=port.starttls or protocol, timeout_s=timeout_s)
        except Denied:
            raise
        except KnownGoodError as error:
            served = Served(why=f"{error.what}: {error.why}" if error.why else error.what)
        return Sight(port, served)

    wanted = list(ports)
    if not wanted:
        return ()
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(wanted))) as pool:
        return tuple(pool.map(one, wanted))
