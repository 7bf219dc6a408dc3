# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Does a server accept a client's certificate? Told by application bytes, from a pod inside the cluster.

A handshake tells nothing here: in TLS 1.3 the client is done before the server has judged its certificate, and nginx
answers a client that it does not trust with status 400 behind a fine handshake.

The pair goes to the probe on its standard input and lives there in memory only (a memfd). The image needs Python 3.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._cluster.probe import ProbePod
from .._core.errors import KnownGoodError
from .._core.plan import Json
from .ca_issue import common_name
from .certificates import Certificate, bundle
from .handshake import HTTP
from .issue import Issued
from .starttls import PROBE

CONNECTIONS = 3
REFUSALS = (400, 401, 403, 495, 496)
"""HTTP statuses by which servers turn a client certificate away (495, 496: nginx's own)."""

_PROGRAM = (
    PROBE
    + """
import json, os, socket, ssl, sys
given = json.loads(sys.stdin.readline())
def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_verify_locations(cadata=given["ca"])
    pair = os.memfd_create("pair")
    os.write(pair, given["pair"].encode())
    made.load_cert_chain("/proc/self/fd/%d" % pair)
    os.close(pair)
    return made
def attempt():
    seen = {"connected": False, "trusted": None, "status": "", "bytes": 0, "why": ""}
    try:
        raw = socket.create_connection((given["address"], given["port"]), 10)
    except OSError as error:
        return dict(seen, why=str(error))
    seen["connected"] = True
    try:
        start_tls(raw, given["protocol"])
        with raw, context().wrap_socket(raw, server_hostname=given["name"]) as channel:
            seen["trusted"] = True
            if given["protocol"] == "postgresql":
                seen["status"], seen["bytes"] = start_postgresql(channel, given["user"], given["database"])
                return seen
            text = "GET / HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n" % given["name"]
            channel.sendall(text.encode())
            answer = channel.recv(4096)
            seen["bytes"] = len(answer)
            line = answer.split(b"\\r\\n")[0].decode("latin-1")
            seen["status"] = line[:100] if line.startswith("HTTP/") else ""
    except ssl.SSLCertVerificationError as error:
        seen.update(trusted=False, why=error.verify_message)
    except OSError as error:
        seen["why"] = str(error) or type(error).__name__
    return seen
print(json.dumps([attempt() for number in range(given["times"])]))
"""
)


@dataclass(frozen=True, slots=True)
class Mutual:
    """A server that asks clients for a certificate, and the Secret of one that it lets in.

    ``user`` and ``database`` are asked for of PostgreSQL; without a user, the common name of the certificate.
    """

    namespace: str
    service: str
    address: str
    port: int
    server_name: str
    client_secret: str
    protocol: str = HTTP
    user: str = ""
    database: str = "postgres"

    @property
    def ref(self) -> str:
        return f"Service {self.namespace}/{self.service}"

    def to_dict(self) -> dict[str, Json]:
        return {
            "namespace": self.namespace,
            "service": self.service,
            "address": self.address,
            "port": self.port,
            "server_name": self.server_name,
            "client_secret": self.client_secret,
            "protocol": self.protocol,
            "user": self.user,
            "database": self.database,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Mutual:
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Answer:
    """``accepted``: True, False, or None where that could not be told."""

    accepted: bool | None
    connections: int
    status: str = ""
    why: str = ""


def ask(pod: ProbePod, server: Mutual, client: Issued, trusted: Iterable[Certificate]) -> Answer:
    """Several fresh connections, each a handshake of its own, with the client's pair."""
    given = {
        "address": server.address,
        "port": server.port,
        "name": server.server_name,
        "times": CONNECTIONS,
        "protocol": server.protocol,
        "user": server.user or common_name(client.certificate),
        "database": server.database,
        "ca": bundle(trusted).decode(),
        "pair": (client.chain + client.key).decode(),
    }
    try:
        answer = pod.run(["python3", "-c", _PROGRAM], stdin=json.dumps(given) + "\n", timeout_s=60.0)
        seen = json.loads(answer.stdout)
    except KnownGoodError as error:
        return Answer(None, 0, why=error.what)
    except ValueError:
        return Answer(None, 0, why="the probe could not run (python3 is needed in probe_image)")
    return judged(seen)


def judged(seen: Iterable[Mapping[str, Any]]) -> Answer:
    """All accepted, all turned away, or neither. Pure."""
    rows = list(seen)
    verdicts = {_verdict(one) for one in rows}
    telling = next((one for one in rows if not _verdict(one)), rows[0] if rows else {})
    status, why = str(telling.get("status", "")), str(telling.get("why", ""))
    if len(verdicts) != 1:
        return Answer(None, len(rows), status, why or "some connections were let in and others were not")
    return Answer(verdicts.pop(), len(rows), status, why)


def _verdict(one: Mapping[str, Any]) -> bool | None:
    """An alert or an end without an answer is a refusal; that the server itself is not trusted tells nothing."""
    if not one.get("connected") or one.get("trusted") is False:
        return None
    words = str(one.get("status", "")).split()
    if words and words[0] == "PostgreSQL":
        return _postgresql(words[1:])
    if len(words) > 1 and words[1].isdecimal():
        return int(words[1]) not in REFUSALS
    return False if not one.get("bytes") else None


def _postgresql(words: list[str]) -> bool | None:
    """Certificates are judged before any other way to authenticate, and that before the database is looked for.

    SQLSTATE class 28 is an invalid authorization, 3D a catalog that is not there (PostgreSQL documentation, its error
    codes).
    """
    kind, told = words[0], words[1] if len(words) > 1 else ""
    if kind == "R" or told.startswith("3D"):
        return True
    return False if told.startswith("28") else None
