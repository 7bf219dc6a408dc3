# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP proxy in front of the API server that fails requests on a schedule, or tells when one was answered.

It speaks plain HTTP to its clients, on 127.0.0.1, and acts as the cluster's administrator: for tests only.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.cluster.instance import Instance

WRITING = ("POST", "PUT", "PATCH", "DELETE")
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass(frozen=True, slots=True)
class Request:
    """``number`` counts from 1 in the order of arrival; ``port`` is the client's."""

    number: int
    method: str
    path: str
    query: dict[str, list[str]]
    port: int

    @property
    def is_write(self) -> bool:
        """As the journal of a run counts them: neither dry runs nor reviews, and no stream."""
        return (
            self.method in WRITING
            and "dryRun" not in self.query
            and not self.path.endswith(("reviews", "/exec", "/portforward"))
        )

    @property
    def is_watch(self) -> bool:
        return "watch" in self.query


@dataclass(frozen=True, slots=True)
class Fault:
    """What a request suffers. ``kind``:

    - ``status``: it is not passed on, the answer is ``code`` (``retry_after`` seconds in the header where given);
    - ``refuse``: the connection is closed and nothing was passed on;
    - ``lose``: it is passed on and done, and the connection is closed before the answer;
    - ``halve``: half of the answer arrives, or of a watch its first line;
    - ``hang``: nothing arrives for ``seconds``, then the connection is closed; it was passed on;
    - ``slow``: the answer takes ``seconds`` longer.
    """

    kind: str
    code: int = 0
    retry_after: int = 0
    seconds: float = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.code or ''}{f'{self.seconds:g} s' if self.seconds else ''}".strip()


_REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
Decide = Callable[[Request], Fault | None]
Answered = Callable[[Request, int], None]


class Proxy:
    """``decide`` names the fault of a request; ``answered`` hears of each answer (its status) before the client does.

    Both are called from many threads.
    """

    def __init__(
        self,
        instance: Instance,
        decide: Decide = lambda request: None,
        answered: Answered = lambda request, status: None,
    ) -> None:
        self.decide, self.answered = decide, answered
        self._instance = instance
        self._context = ssl.create_default_context(cafile=str(instance.pki / "ca.crt"))
        self._context.load_cert_chain(instance.pki / "admin.crt", instance.pki / "admin.key")
        self._count, self._lock = 0, threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def kubeconfig(self, path: Path) -> Path:
        """Writes a kubeconfig that leads here."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "proxy", "user": {}}],
        }
        path.write_text(json.dumps(config))
        return path

    def restart(self) -> None:
        """Counts requests from 1 again."""
        with self._lock:
            self._count = 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def upstream(self) -> ssl.SSLSocket:
        raw = socket.create_connection((self._instance.ip, 6443), timeout=60)
        return self._context.wrap_socket(raw, server_hostname=self._instance.ip)

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._instance.ip, 6443, timeout=300, context=self._context)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Proxy

    def log_message(self, format: str, *arguments: Any) -> None:
        del format, arguments

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def _any(self) -> None:
        split = urlsplit(self.path)
        number = self.owner.number()
        query = parse_qs(split.query, keep_blank_values=True)
        request = Request(number, self.command, split.path, query, int(self.client_address[1]))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Upgrade"):
            self._tunnel()
            return
        fault = self.owner.decide(request)
        if fault is None:
            self._forward(request, body)
        elif fault.kind == "status":
            self._refuse(fault)
        elif fault.kind == "refuse":
            self._hang_up()
        else:
            self._forward(request, body, fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _any

    def _forward(self, request: Request, body: bytes, fault: Fault | None = None) -> None:
        kind, wait = (fault.kind, fault.seconds) if fault else ("", 0.0)
        connection = self.owner.connection()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {*_HOP, "host"}}
        headers["Host"] = "kubernetes"
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            if request.is_watch and kind != "lose" and answer.status == 200:
                self._stream(answer, fault)
                return
            data = answer.read()
            self.owner.answered(request, answer.status)
            time.sleep(wait)
            if kind in ("lose", "hang"):
                self._hang_up()
                return
            self._answer(answer, data, half=kind == "halve")
        finally:
            connection.close()

    def _answer(self, answer: http.client.HTTPResponse, data: bytes, *, half: bool) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if half else data)
        if half:
            self._hang_up()

    def _stream(self, answer: http.client.HTTPResponse, fault: Fault | None) -> None:
        """A watch, line by line. Its faults: cut after the first line, silent and then cut, every line late."""
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in iter(answer.readline, b""):
            if fault and fault.kind in ("hang", "slow"):
                time.sleep(fault.seconds)
            if fault and fault.kind == "hang":
                self._hang_up()
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            if fault and fault.kind == "halve":
                self._hang_up()
                return
        self.wfile.write(b"0\r\n\r\n")

    def _refuse(self, fault: Fault) -> None:
        reason = _REASONS.get(fault.code, "InternalError")
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": f"injected {fault.code}",
            "reason": reason,
            "code": fault.code,
        }
        data = json.dumps(status).encode()
        self.send_response(fault.code)
        if fault.retry_after:
            self.send_header("Retry-After", str(fault.retry_after))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _tunnel(self) -> None:
        """A command in a pod: bytes both ways until one side ends."""
        self.close_connection = True
        upstream = self.owner.upstream()
        lines = [f"{self.command} {self.path} HTTP/1.1"]
        lines += [f"{n}: {v}" for n, v in self.headers.items() if n.lower() != "host"] + ["Host: kubernetes", "", ""]
        upstream.sendall("\r\n".join(lines).encode())
        back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
        back.start()
        _pump(self.connection, upstream)
        back.join(30)
        upstream.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for data in _chunks(source):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _chunks(source: socket.socket) -> Iterator[bytes]:
    while data := source.recv(65536):
        yield data
