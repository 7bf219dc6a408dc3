# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in front of the API server that does to a client what networks and servers do.

::

    with FaultProxy(cluster, person.kubeconfig, Seeded(42, rate=0.2)) as proxy:
        run_module(kubeconfig=proxy.kubeconfig)
    print(proxy.strikes)

The client shows the kubeconfig's token; the proxy goes to the API server as the user of ``user_kubeconfig`` (else as
the administrator), so audit log and RBAC see who is meant. HTTP/1.1 only. Watches are passed on piece by piece and
upgraded connections (exec, attach, port-forward) byte by byte.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from . import keys
from .errors import ClusterError
from .strikes import (
    CONFLICT,
    CUT_AFTER,
    CUT_BEFORE,
    DROP,
    EXPIRED,
    FAILED,
    GONE,
    HANG_AFTER,
    HANG_BEFORE,
    SLOW,
    THROTTLED,
    TIMEOUT_AFTER,
    UNAVAILABLE,
    Calm,
    Request,
    Schedule,
    Strike,
)

if TYPE_CHECKING:
    from .handle import Cluster

_PIECE = 1 << 16
_LONGEST_HEAD = 1 << 20
# Status, reason of the Status object, message.
_ANSWERS = {
    CONFLICT: (409, "Conflict", "the object has been modified; please apply your changes to the latest version"),
    GONE: (410, "Expired", "the provided resource version is too old"),
    THROTTLED: (429, "TooManyRequests", "too many requests, please try again later"),
    FAILED: (500, "InternalError", "an error on the server has prevented the request from succeeding"),
    UNAVAILABLE: (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    TIMEOUT_AFTER: (504, "Timeout", "the server was unable to return a response in the time allotted"),
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where requests go; ``context`` carries the client certificate, None speaks plain TCP."""

    host: str
    port: int
    context: ssl.SSLContext | None = None


@dataclass(slots=True)
class Entry:
    """One request of the log, there before its answer. ``status`` is what the client is told, 0 where it is told
    nothing (yet); ``reached`` whether the server was given the request; ``seconds`` is set when it is over."""

    request: Request
    strike: Strike | None
    status: int = 0
    reached: bool = False
    seconds: float = 0

    @property
    def is_struck(self) -> bool:
        return self.strike is not None

    def __str__(self) -> str:
        kind = self.strike.kind if self.strike else "-"
        return f"{self.request.number:4} {self.request.method:6} {self.status or '---'} {kind:13} {self.request.target}"


class _Cut(Exception):
    """The client's connection ends here, without another byte."""


@dataclass(frozen=True, slots=True)
class _Head:
    """First line and headers; ``raw`` as they came, the empty line included."""

    first: str
    headers: dict[str, str]
    raw: bytes

    @property
    def upgrade(self) -> bool:
        return "upgrade" in self.headers.get("connection", "").lower()

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    @property
    def status(self) -> int:
        return int(self.first.split(" ", 2)[1])


async def _head(reader: asyncio.StreamReader) -> _Head | None:
    """None where the peer closed instead of beginning."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return _Head(first, {name.strip().lower(): value.strip() for name, value in pairs}, raw)


async def _pieces(reader: asyncio.StreamReader, head: _Head, *, until_closed: bool = False) -> AsyncIterator[bytes]:
    """The body as it came, chunk marks included; a chunk is one piece."""
    if head.chunked:
        while True:
            mark = await reader.readuntil(b"\r\n")
            size = int(mark.split(b";")[0], 16)
            yield mark + await reader.readexactly(size + 2)
            if size == 0:
                return
    elif "content-length" in head.headers:
        left = head.length
        while left:
            piece = await reader.read(min(left, _PIECE))
            if not piece:
                raise ConnectionError("the body ended early")
            left -= len(piece)
            yield piece
    elif until_closed:
        while piece := await reader.read(_PIECE):
            yield piece


class Proxy:
    """The proxy itself: :meth:`start` serves on a free port of 127.0.0.1 from a thread of its own."""

    def __init__(
        self,
        upstream: Upstream,
        schedule: Schedule | None = None,
        *,
        context: ssl.SSLContext | None = None,
        token: str = "",
    ) -> None:
        self.upstream, self.context, self.token = upstream, context, token
        # May be exchanged at any time; the next request is the first to meet the new one.
        self.schedule: Schedule = schedule or Calm()
        self.log: list[Entry] = []
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faultproxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)

    def stop(self) -> None:
        """Every connection ends; returns when none is left."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    @property
    def strikes(self) -> list[Entry]:
        return [entry for entry in list(self.log) if entry.is_struck]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self.context, limit=_LONGEST_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        connection = _Connection(self, reader, writer)
        try:
            await connection.serve()
        except (_Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, TimeoutError, ssl.SSLError):
            # However it ends, cancelled by stop() too, the connection ends and nothing else.
            pass
        finally:
            self._tasks.discard(task)
            # abort, not close: a cut must look like one, and whatever was to arrive has been drained before.
            writer.transport.abort()
            connection.hang_up()

    def next_request(self, method: str, target: str, upgrade: bool) -> Entry:
        """Numbered, judged and logged."""
        request = Request(len(self.log) + 1, method, target, upgrade)
        entry = Entry(request, self.schedule.strike(request))
        self.log.append(entry)
        return entry


class _Connection:
    """One client connection, and the one to the server that its requests share."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.proxy, self.reader, self.writer = proxy, reader, writer
        self.server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def hang_up(self) -> None:
        if self.server:
            self.server[1].transport.abort()
            self.server = None

    async def serve(self) -> None:
        while head := await _head(self.reader):
            method, target, _protocol = head.first.split(" ", 2)
            body = b"".join([piece async for piece in _pieces(self.reader, head)])
            if self.proxy.token and head.headers.get("authorization") != f"Bearer {self.proxy.token}":
                await self._answer(401, "Unauthorized", "the token of the proxy's kubeconfig is needed")
                continue
            entry = self.proxy.next_request(method, target, head.upgrade)
            begin = time.monotonic()
            try:
                await self._one(head, body, entry)
            finally:
                entry.seconds = time.monotonic() - begin

    async def _one(self, head: _Head, body: bytes, entry: Entry) -> None:
        strike = entry.strike
        kind = strike.kind if strike else ""
        seconds = strike.seconds if strike else 0
        if kind == CUT_BEFORE:
            raise _Cut
        if kind == HANG_BEFORE:
            await asyncio.sleep(seconds)
            raise _Cut
        if kind in _ANSWERS and kind != TIMEOUT_AFTER:
            retry = max(1, round(seconds)) if kind == THROTTLED else 0
            entry.status = _ANSWERS[kind][0]
            await self._answer(*_ANSWERS[kind], retry_after_s=retry)
            return
        if kind == SLOW:
            await asyncio.sleep(seconds)
        entry.reached = True
        answer, reader = await self._forward(head, body)
        if kind in (CUT_AFTER, HANG_AFTER, TIMEOUT_AFTER):
            # Only once the whole answer is here has the server certainly done it.
            async for _piece in _pieces(reader, answer):
                pass
            if kind == TIMEOUT_AFTER:
                entry.status = _ANSWERS[kind][0]
                await self._answer(*_ANSWERS[kind])
                return
            await asyncio.sleep(seconds if kind == HANG_AFTER else 0)
            raise _Cut
        entry.status = answer.status
        self.writer.write(answer.raw)
        if answer.status == 101:
            await self._pipe(reader, seconds if kind == DROP else 0)
            raise _Cut
        if entry.request.method != "HEAD" and answer.status not in (204, 304):
            await self._body(reader, answer, strike if kind in (DROP, EXPIRED) else None)
        await self.writer.drain()
        if answer.headers.get("connection", "").lower() == "close":
            raise _Cut

    async def _forward(self, head: _Head, body: bytes) -> tuple[_Head, asyncio.StreamReader]:
        """The server's answer, its body unread. A kept connection that the server closed meanwhile is made anew."""
        lines = head.raw[:-4].split(b"\r\n")
        hidden = (b"authorization:",) if self.proxy.token else ()
        raw = b"\r\n".join(line for line in lines if not line.lower().startswith(hidden)) + b"\r\n\r\n" + body
        for attempt in (1, 2):
            fresh = self.server is None
            reader, writer = self.server or await self._dial()
            try:
                writer.write(raw)
                await writer.drain()
                answer = await _head(reader)
                while answer and answer.status == 100:
                    answer = await _head(reader)
            except ConnectionError:
                answer = None
            if answer:
                return answer, reader
            self.hang_up()
            if fresh or attempt == 2:
                break
        raise _Cut

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        upstream = self.proxy.upstream
        self.server = await asyncio.open_connection(
            upstream.host, upstream.port, ssl=upstream.context, limit=_LONGEST_HEAD
        )
        return self.server

    async def _body(self, reader: asyncio.StreamReader, answer: _Head, strike: Strike | None) -> None:
        """Pass the body on; ``strike`` ends it in the middle."""

        async def copy() -> None:
            passed = 0
            async for piece in _pieces(reader, answer, until_closed=True):
                self.writer.write(piece)
                await self.writer.drain()
                passed += 1
                # A server that ends a watch by itself does so between two events; one is sent in several pieces.
                between = strike is None or strike.kind != EXPIRED or piece.endswith(b"\n\r\n")
                if strike and strike.events and passed >= strike.events and between:
                    return

        if strike is None:
            await copy()
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(copy(), strike.seconds)
        self.hang_up()
        if strike.kind == EXPIRED and answer.chunked:
            event = json.dumps({"type": "ERROR", "object": _status(*_ANSWERS[GONE])}).encode() + b"\n"
            self.writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(event), event))
            await self.writer.drain()
            return
        raise _Cut

    async def _pipe(self, reader: asyncio.StreamReader, limit_s: float) -> None:
        """Bytes both ways until either side ends, or for ``limit_s`` seconds where above 0."""
        if self.server is None:
            return

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while piece := await source.read(_PIECE):
                target.write(piece)
                await target.drain()

        both = [
            asyncio.ensure_future(copy(self.reader, self.server[1])),
            asyncio.ensure_future(copy(reader, self.writer)),
        ]
        try:
            await asyncio.wait(both, timeout=limit_s or None, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _answer(self, code: int, reason: str, message: str, *, retry_after_s: int = 0) -> None:
        body = json.dumps(_status(code, reason, message, retry_after_s=retry_after_s)).encode()
        retry = f"Retry-After: {retry_after_s}\r\n" if retry_after_s else ""
        head = (
            f"HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\n{retry}Content-Length: {len(body)}\r\n\r\n"
        )
        self.writer.write(head.encode() + body)
        await self.writer.drain()


def _status(code: int, reason: str, message: str, *, retry_after_s: int = 0) -> dict[str, object]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"{message} (injected)",
        "reason": reason,
        "code": code,
        **({"details": {"retryAfterSeconds": retry_after_s}} if retry_after_s else {}),
    }


class FaultProxy:
    """A :class:`Proxy` before a test's own cluster, with the kubeconfig that leads through it."""

    def __init__(self, cluster: Cluster, user_kubeconfig: Path | None = None, schedule: Schedule | None = None) -> None:
        self._cluster, self._user = cluster, user_kubeconfig or cluster.kubeconfig
        instance = cluster.own
        self._name = f"faultproxy-{secrets.token_hex(4)}"
        keys.Authority(instance.pki).issue(self._name, self._name, sans=("127.0.0.1", "localhost"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(instance.pki / f"{self._name}.crt", instance.pki / f"{self._name}.key")
        upstream = Upstream(instance.ip, 6443, self._client_context())
        self._proxy = Proxy(upstream, schedule, context=context, token=secrets.token_hex(16))
        # The client's kubeconfig; there once the block is entered.
        self.kubeconfig = instance.kubeconfig(self._name)

    def _client_context(self) -> ssl.SSLContext:
        """TLS towards the API server as the user."""
        config = json.loads(self._user.read_text())
        user = config["users"][0]["user"]
        if "client-certificate-data" not in user:
            raise ClusterError(f"{self._user} has no client certificate; make the user with cluster.make_user")
        context = ssl.create_default_context(cafile=str(self._cluster.own.pki / "ca.crt"))
        with tempfile.TemporaryDirectory(prefix="kg-proxy-") as folder:
            for field in ("client-certificate-data", "client-key-data"):
                keys.private(Path(folder) / field, base64.b64decode(user[field]))
            context.load_cert_chain(Path(folder) / "client-certificate-data", Path(folder) / "client-key-data")
        return context

    def __enter__(self) -> FaultProxy:
        self._proxy.start()
        config = json.loads(keys.kubeconfig(self._cluster.own, "admin"))
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self._proxy.port}"
        config["users"][0] = {"name": "through-the-proxy", "user": {"token": self._proxy.token}}
        config["contexts"][0]["context"]["user"] = "through-the-proxy"
        keys.private(self.kubeconfig, json.dumps(config).encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._proxy.stop()
        for path in (self.kubeconfig, *self._cluster.own.pki.glob(f"{self._name}.*")):
            path.unlink(missing_ok=True)

    @property
    def schedule(self) -> Schedule:
        return self._proxy.schedule

    @schedule.setter
    def schedule(self, schedule: Schedule) -> None:
        """From the next request on."""
        self._proxy.schedule = schedule

    @property
    def log(self) -> list[Entry]:
        """Every request so far, running ones too."""
        return list(self._proxy.log)

    @property
    def strikes(self) -> list[Entry]:
        return self._proxy.strikes

    def told(self, test: Callable[[Entry], bool] = lambda entry: entry.is_struck) -> str:
        """The log as lines for a failed test's message."""
        return "\n".join(str(entry) for entry in self.log if test(entry))
