# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Into a pod: run a command, or open a connection to a port.

A command's output can hold anything: callers redact what they pass on. A forwarded port arrives from 127.0.0.1 inside
the pod: its evidence path is ``port_forward``, never ``in_cluster``.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from .._core.errors import BadInput, Denied, KnownGoodError, NotFound, NotProven, TimedOut, Unreachable
from .._core.redact import redact_text
from .client import Cluster
from .kinds import KINDS, named

_STDOUT, _STDERR, _STATUS = 1, 2, 3
_EXCERPT = 300
# How websocket-client tells a refusal: status and reason, and in newer versions the headers and the body.
_HANDSHAKE = re.compile(r"Handshake status (\d{3}) ?(.*?)(?: -\+-\+- .*? -\+-\+- (.*))?", re.DOTALL)
_MESSAGE = re.compile(r'"message":"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ExecResult:
    """Exit code, and what was written (text, invalid UTF-8 replaced)."""

    rc: int
    stdout: str
    stderr: str


def run_in_pod(
    cluster: Cluster,
    namespace: str,
    pod: str,
    argv: Sequence[str],
    *,
    container: str = "",
    stdin: str = "",
    timeout_s: float = 60.0,
) -> ExecResult:
    """Runs ``argv`` (no shell) in a container. Raises TimedOut, NotFound (no such pod), Denied, Unreachable.

    The API has no way to kill what it started: a command that must not outlive the timeout is given as
    ``timeout -k 1 N command`` by the caller. A secret is passed by ``stdin``, not in ``argv``.
    """
    query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "true")]
    if container:
        query.append(("container", container))
    if stdin:
        query.append(("stdin", "true"))
    where = named("Pod", pod, namespace)
    stream = _websocket(cluster, KINDS["Pod"].path(namespace, pod, "exec"), query, where)
    out: dict[int, list[str]] = {_STDOUT: [], _STDERR: [], _STATUS: []}
    try:
        if stdin:
            _tell(stream, stdin)
        end = time.monotonic() + timeout_s
        while stream.is_open():
            left = end - time.monotonic()
            if left <= 0:
                raise TimedOut(f"command {argv[0]!r} did not end", where=where, why=f"{timeout_s:g} s are over")
            _receive(stream, out, min(left, 5.0))
        _drain(stream, out)
    finally:
        with suppress(Exception):
            stream.close()
    return ExecResult(_exit_code("".join(out[_STATUS]), where), "".join(out[_STDOUT]), "".join(out[_STDERR]))


class PodSession:
    """A command in a pod whose stream stays open: it is talked to line by line until it ends or is let go.

    Not for use by two threads at once. Losing the connection ends the session: ``alive`` is false from then on.
    """

    def __init__(self, stream: Any, where: str, command: str) -> None:
        self._stream = stream
        self._where = where
        self._command = command
        self._out: dict[int, list[str]] = {_STDOUT: [], _STDERR: [], _STATUS: []}
        self._text = ""

    def expect(self, token: str, timeout_s: float) -> str:
        """What was written on stdout up to and with the line that ``token`` is in, and not asked for before.

        Raises TimedOut, or NotProven when the command ended first (its output is not repeated).
        """
        end = time.monotonic() + timeout_s
        while True:
            found = self._take(token)
            if found is not None:
                return found
            left = end - time.monotonic()
            if not self._stream.is_open():
                raise NotProven(f"command {self._command!r} ended", where=self._where, why=self._ending())
            if left <= 0:
                why = f"{timeout_s:g} s are over"
                raise TimedOut(f"command {self._command!r} did not say that it is ready", where=self._where, why=why)
            self._update(min(left, 5.0))

    def send(self, text: str) -> None:
        """Writes to its stdin. Raises Unreachable when the connection is lost."""
        try:
            self._stream.write_stdin(text)
        except Exception as error:  # the client passes on whatever its socket raises
            raise Unreachable("the connection into the pod is lost", where=self._where, why=str(error)) from error

    def alive(self) -> bool:
        """Is the connection there and the command not ended, as far as is known here?"""
        self._update(0)
        return bool(self._stream.is_open())

    def said(self, token: str) -> bool:
        """Is there a line with ``token`` that was not taken yet?"""
        self._update(0)
        return token in self._text

    def end(self, timeout_s: float, text: str = "") -> int | None:
        """Sends ``text``, closes stdin and waits for the end. Its exit code, None where it did not end or tell."""
        _tell(self._stream, text)
        try:
            until = time.monotonic() + timeout_s
            while self._stream.is_open() and time.monotonic() < until:
                self._update(max(0.0, min(until - time.monotonic(), 1.0)))
            return _exit_code("".join(self._out[_STATUS]), self._where)
        except Exception:  # lost, or not ended: nobody knows its exit code
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Drops the connection: the command's stdin ends."""
        with suppress(Exception):
            self._stream.close()

    def _update(self, timeout_s: float) -> None:
        _receive(self._stream, self._out, timeout_s)
        self._text += "".join(self._out[_STDOUT])
        self._out[_STDOUT].clear()

    def _take(self, token: str) -> str | None:
        place = self._text.find(token)
        end = self._text.find("\n", place) if place >= 0 else -1
        if end < 0:
            return None
        found, self._text = self._text[: end + 1], self._text[end + 1 :]
        return found

    def _ending(self) -> str:
        try:
            return (
                f"exit code {_exit_code(''.join(self._out[_STATUS]), self._where)}: nothing that it printed is repeated"
            )
        except KnownGoodError as error:
            return error.why or error.what


def open_session(cluster: Cluster, namespace: str, pod: str, argv: Sequence[str], *, container: str = "") -> PodSession:
    """Starts ``argv`` (no shell) in a container with an open stdin. Raises NotFound (no such pod), Denied, BadInput."""
    query = [("command", word) for word in argv] + [("stdout", "true"), ("stderr", "true"), ("stdin", "true")]
    if container:
        query.append(("container", container))
    where = named("Pod", pod, namespace)
    return PodSession(_websocket(cluster, KINDS["Pod"].path(namespace, pod, "exec"), query, where), where, argv[0])


def dial(cluster: Cluster, namespace: str, pod: str, port: int) -> socket.socket:
    """A connected socket to a port of the pod, by port-forward. The caller closes it."""
    return dial_all(cluster, namespace, pod, (port,))[port]


def dial_all(cluster: Cluster, namespace: str, pod: str, ports: Collection[int]) -> dict[int, socket.socket]:
    """A connected socket to each of these ports of the pod, all through one port-forward. The caller closes each.

    At most 128 ports: the protocol numbers two channels a port with one byte. A port where nobody listens is a socket
    that ends at once.
    """
    from kubernetes.stream.ws_client import portforward_call

    numbers = ",".join(map(str, ports))
    where = f"{named('Pod', pod, namespace)} port {numbers}"
    url = cluster.server + KINDS["Pod"].path(namespace, pod, "portforward")
    query = [("ports", numbers)]
    try:
        forward = portforward_call(
            cluster.config, "GET", f"{url}?ports={numbers}", query_params=query, headers=_headers(cluster)
        )
    except Exception as error:  # the client wraps every cause in its own ApiException(0)
        raise _refused(error, where) from error
    return {port: forward.socket(port) for port in ports}


def _websocket(cluster: Cluster, path: str, query: list[tuple[str, str]], where: str) -> Any:
    from kubernetes.stream.ws_client import websocket_call

    url = f"{cluster.server}{path}?{urlencode(query)}"
    try:
        return websocket_call(
            cluster.config, "GET", url, headers=_headers(cluster), query_params=query, _preload_content=False
        )
    except Exception as error:  # as above
        raise _refused(error, where) from error


def _headers(cluster: Cluster) -> dict[str, str]:
    """The client's websocket takes a dictionary, and of it only ``authorization``."""
    return {name.lower(): value for name, value in cluster.headers()}


def _refused(error: Exception, where: str) -> KnownGoodError:
    text = redact_text(str(getattr(error, "reason", None) or error))
    shake = _HANDSHAKE.fullmatch(text)
    status, said = (shake.group(1), shake.group(3) or shake.group(2)) if shake else ("", text)
    message = _MESSAGE.search(said)
    why = message.group(1).replace('\\"', '"') if message else " ".join(said.split())[:_EXCERPT]
    if status == "403":
        return Denied("not allowed", where=where, why=why, next="grant create and get on pods/exec or pods/portforward")
    if status == "404":
        return NotFound("no such pod or container", where=where, why=why)
    if status == "400":
        return BadInput("the pod cannot take the connection", where=where, why=why)
    return Unreachable("no connection into the pod", where=where, why=why)


def _tell(stream: Any, text: str) -> None:
    """All of its stdin, as far as the command still reads it.

    One that ends by the text, or ended before it, closes the connection under what is still sent. What it said about
    its end lies there to be read; a connection that is lost ends without.
    """
    with suppress(Exception):
        if text:
            stream.write_stdin(text)
        _end_of_input(stream)


def _receive(stream: Any, out: dict[int, list[str]], timeout_s: float) -> None:
    """What comes within that time. A connection that broke is closed: what had come before that counts."""
    try:
        stream.update(timeout=timeout_s)
        _drain(stream, out)
    except Exception:  # it says so in as many ways as there are layers
        with suppress(Exception):
            stream.close()
        _drain(stream, out)


def _end_of_input(stream: Any) -> None:
    """Closes stdin. Older clients cannot (protocol v4): there a command must know by itself where its input ends."""
    close = getattr(stream, "close_channel", None)
    if close is not None:
        close(0)


def _drain(stream: Any, out: dict[int, list[str]]) -> None:
    for channel, parts in out.items():
        data = stream.read_channel(channel)
        if data:
            parts.append(data)


def _exit_code(status: str, where: str) -> int:
    """From the status object that ends an exec (channel 3)."""
    try:
        answer = json.loads(status)
    except ValueError as error:
        raise Unreachable("the command's connection ended without a status", where=where) from error
    if answer.get("status") == "Success":
        return 0
    for cause in (answer.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise BadInput("the command could not be started", where=where, why=str(answer.get("message", "")))
