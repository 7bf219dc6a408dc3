# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy over plain TCP, before a server that does what it is told."""

from __future__ import annotations

import http.client
import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.cluster import strikes
from tests.cluster.faultproxy import Proxy, Upstream
from tests.cluster.strikes import Rule, Schedule, Script, Strike

TOKEN = "t"


@dataclass
class Seen:
    """What reached the server: (method, path, body, Authorization)."""

    requests: list[tuple[str, str, bytes, str | None]] = field(default_factory=list)


class Server(http.server.BaseHTTPRequestHandler):
    """Echoes bodies; a watch sends five chunks; an upgrade echoes in capitals. Keeps connections."""

    protocol_version = "HTTP/1.1"
    seen: Seen

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.seen.requests.append((self.command, self.path, body, self.headers.get("Authorization")))
        if self.headers.get("Connection", "").lower() == "upgrade":
            self.send_response(101)
            self.end_headers()
            while piece := self.connection.recv(100):
                self.connection.sendall(piece.upper())
            self.close_connection = True
            return
        self.send_response(200)
        if "watch=true" in self.path:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number in range(5):
                line = json.dumps({"type": "ADDED", "object": number}).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
                time.sleep(0.02)
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        pass


class Listening(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that break off are what is tested here."""


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def make(seen: Seen) -> Iterator[Callable[[Schedule | None], Proxy]]:
    handler = type("Handler", (Server,), {"seen": seen})
    server = Listening(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    made: list[Proxy] = []

    def start(schedule: Schedule | None = None) -> Proxy:
        proxy = Proxy(Upstream("127.0.0.1", server.server_port), schedule, token=TOKEN)
        proxy.start()
        made.append(proxy)
        return proxy

    yield start
    for proxy in made:
        proxy.stop()
    server.shutdown()
    server.server_close()


def client(proxy: Proxy) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)


def ask(
    connection: http.client.HTTPConnection, method: str = "GET", path: str = "/api/v1/pods", body: bytes = b""
) -> http.client.HTTPResponse:
    connection.request(method, path, body or None, {"Authorization": f"Bearer {TOKEN}"})
    return connection.getresponse()


def always(kind: str, seconds: float = 0.1, events: int = 0) -> Script:
    return Script(Rule(lambda request: True, Strike(kind, seconds, events), last=1000))


def test_requests_pass_over_one_connection_without_the_token(make: Callable[..., Proxy], seen: Seen) -> None:
    proxy = make()
    connection = client(proxy)
    for number in range(3):
        answer = ask(connection, "POST", body=b"x" * number * 100_000)
        assert (answer.status, len(answer.read())) == (200, number * 100_000)
    assert [one[:2] for one in seen.requests] == [("POST", "/api/v1/pods")] * 3
    assert {one[3] for one in seen.requests} == {None}
    assert [(one.status, one.reached, one.strike) for one in proxy.log] == [(200, True, None)] * 3


def test_nobody_comes_in_without_the_token(make: Callable[..., Proxy], seen: Seen) -> None:
    connection = client(make())
    connection.request("GET", "/api/v1/secrets")
    assert connection.getresponse().status == 401
    assert seen.requests == []


@pytest.mark.parametrize(
    ("kind", "status", "reached"),
    [
        (strikes.CONFLICT, 409, False),
        (strikes.GONE, 410, False),
        (strikes.THROTTLED, 429, False),
        (strikes.FAILED, 500, False),
        (strikes.UNAVAILABLE, 503, False),
        (strikes.TIMEOUT_AFTER, 504, True),
    ],
)
def test_an_answer_that_the_server_did_not_give(
    make: Callable[..., Proxy], seen: Seen, kind: str, status: int, reached: bool
) -> None:
    proxy = make(always(kind, seconds=2))
    connection = client(proxy)
    answer = ask(connection, "POST", body=b"{}")
    said = json.loads(answer.read())
    assert (answer.status, said["kind"], said["code"]) == (status, "Status", status)
    assert (answer.headers["Retry-After"] == "2") == (kind == strikes.THROTTLED)
    assert bool(seen.requests) == reached
    assert [(one.status, one.reached) for one in proxy.strikes] == [(status, reached)]
    proxy.schedule = Script()
    assert ask(connection).status == 200, "the connection lives on"


@pytest.mark.parametrize(
    ("kind", "reached"),
    [
        (strikes.CUT_BEFORE, False),
        (strikes.HANG_BEFORE, False),
        (strikes.CUT_AFTER, True),
        (strikes.HANG_AFTER, True),
    ],
)
def test_a_connection_that_ends_before_or_after_the_server_did_it(
    make: Callable[..., Proxy], seen: Seen, kind: str, reached: bool
) -> None:
    proxy = make(always(kind, seconds=0.3))
    begin = time.monotonic()
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        ask(client(proxy), "POST", body=b"{}")
    assert (time.monotonic() - begin >= 0.3) == kind.startswith("hang")
    assert bool(seen.requests) == reached
    assert [(one.status, one.reached) for one in proxy.strikes] == [(0, reached)]


def test_a_slow_answer_is_the_server_s(make: Callable[..., Proxy]) -> None:
    begin = time.monotonic()
    answer = ask(client(make(always(strikes.SLOW, seconds=0.3))), "POST", body=b"hello")
    assert answer.read() == b"hello"
    assert time.monotonic() - begin >= 0.3


def test_a_watch_passes_piece_by_piece_and_is_dropped_in_the_middle(make: Callable[..., Proxy]) -> None:
    proxy = make()
    path = "/api/v1/pods?watch=true"
    whole = ask(client(proxy), path=path).read().splitlines()
    assert [json.loads(line)["object"] for line in whole] == [0, 1, 2, 3, 4]
    proxy.schedule = always(strikes.DROP, seconds=5, events=2)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)) as problem:
        ask(client(proxy), path=path).read()
    if isinstance(problem.value, http.client.IncompleteRead):
        assert problem.value.partial.count(b"ADDED") <= 2
    assert proxy.strikes[-1].status == 200


def test_a_watch_whose_version_expires_ends_with_an_event(make: Callable[..., Proxy]) -> None:
    proxy = make(always(strikes.EXPIRED, seconds=5, events=2))
    lines = [json.loads(line) for line in ask(client(proxy), path="/api/v1/pods?watch=true").read().splitlines()]
    assert [line["type"] for line in lines] == ["ADDED", "ADDED", "ERROR"]
    assert lines[-1]["object"]["code"] == 410


def test_an_upgraded_connection_passes_byte_by_byte(make: Callable[..., Proxy]) -> None:
    proxy = make()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as raw:
        head = f"POST /api/v1/namespaces/n/pods/p/exec HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        raw.sendall((head + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n").encode())
        with raw.makefile("rb") as stream:
            assert b"101" in stream.readline()
            while stream.readline().strip():
                pass
            raw.sendall(b"hello")
            assert stream.read(5) == b"HELLO"
    assert [(one.request.upgrade, one.status) for one in proxy.log] == [(True, 101)]
