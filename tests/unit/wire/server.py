# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A scripted HTTP server on the loopback: answers are told beforehand, requests are kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster, connect


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, list[str]]
    body: Any


@dataclass
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)
    lines: list[Any] | None = None


@dataclass
class Script:
    """Answers in order; the last one is given again and again."""

    answers: list[Answer]
    seen: list[Request] = field(default_factory=list)

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def failure(code: int, reason: str = "", message: str = "no") -> Answer:
    return Answer(code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code})


def _line(given: Any) -> bytes:
    return given if isinstance(given, bytes) else json.dumps(given).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def _serve(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): self.headers.get_all(name) or [] for name in self.headers}
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = json.loads(raw) if raw else None
        self.script.seen.append(Request(self.command, url.path, query, headers, body))
        answer = self.script.next()
        lines = answer.lines
        data = b"".join(_line(x) + b"\n" for x in lines) if lines is not None else None
        data = json.dumps(answer.body).encode() if data is None else data
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@contextmanager
def serving(*answers: Answer, **auth: Any) -> Iterator[tuple[Cluster, Script]]:
    script = Script(list(answers))
    handler = type("Handler", (_Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield connect(AuthOptions(host=f"http://127.0.0.1:{server.server_port}", **auth)), script
    finally:
        server.shutdown()
        server.server_close()
