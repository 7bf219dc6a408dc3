# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Process 1 of the cluster's namespaces: starts components, reaps orphans, answers on a control socket.

One thread and one loop on purpose: waiting for any child and starting children do not race.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .components import Component
from .errors import StartFailed

_TAIL = 3000


@dataclass(slots=True)
class Running:
    component: Component
    process: subprocess.Popen[bytes]
    code: int | None = None


class Supervisor:
    """Starts components with a log file each and knows how each ended. Nothing is restarted behind a test's back."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.running: dict[str, Running] = {}
        self._begin = time.monotonic()

    def say(self, *words: object) -> None:
        print(f"{time.monotonic() - self._begin:7.2f}", *words, flush=True)

    def start(self, component: Component) -> None:
        log = (self.log / f"{component.name}.log").open("ab")
        with log:
            process = subprocess.Popen(
                component.argv,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **component.env},
            )
        self.running[component.name] = Running(component, process)

    def reap(self) -> None:
        """Collect ended components, and orphans that the kernel gave to process 1."""
        by_pid = {one.process.pid: one for one in self.running.values() if one.code is None}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:
                ended = by_pid[pid]
                ended.code = ended.process.returncode = os.waitstatus_to_exitcode(status)
                self.say(ended.component.name, "exited", ended.code)

    def wait(self, what: str, test: Callable[[], bool], limit_s: float = 60) -> None:
        """Poll until ``test`` holds; a component that ends meanwhile is the answer, with the tail of its log."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            self.reap()
            for one in self.running.values():
                if one.code is not None:
                    text = (self.log / f"{one.component.name}.log").read_text(errors="replace")[-_TAIL:]
                    raise StartFailed(f"{one.component.name} exited {one.code}:\n{text}")
            if test():
                self.say(what)
                return
            time.sleep(0.03)
        raise StartFailed(f"{what}: not within {limit_s:.0f} s")

    # Control

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """``status``, ``start`` (a component, or the name of one that ended) or ``signal`` (name, number)."""
        action, name = request.get("do"), str(request.get("name", ""))
        if action == "status":
            return {"components": {n: {"pid": r.process.pid, "code": r.code} for n, r in self.running.items()}}
        if action == "start":
            known = self.running.get(name)
            if known and known.code is None:
                return {"already": True}
            if "argv" in request:
                self.start(Component(name, tuple(request["argv"]), dict(request.get("env", {}))))
            elif known:
                self.start(known.component)
            else:
                return {"error": f"unknown component {name}"}
            return {"started": True}
        if action == "signal":
            known = self.running.get(name)
            if not known or known.code is not None:
                return {"error": f"{name} is not running"}
            os.kill(known.process.pid, int(request["signal"]))
            return {"sent": True}
        return {"error": f"unknown request {action}"}

    def serve(self, path: Path) -> None:
        """Answer one JSON line per connection until process 1 is killed."""
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
        wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            ready = select.select([listener.fileno(), wake], [], [], 5)[0]
            if wake in ready:
                os.read(wake, 4096)
            if listener.fileno() in ready:
                self._one(listener)
            self.reap()

    def _one(self, listener: socket.socket) -> None:
        connection = listener.accept()[0]
        with connection:
            connection.settimeout(2)
            try:
                with connection.makefile("rwb") as stream:
                    stream.write(json.dumps(self.answer(json.loads(stream.readline()))).encode() + b"\n")
            except (OSError, ValueError) as problem:
                if getattr(problem, "errno", None) not in (errno.EPIPE, errno.ECONNRESET):
                    self.say("control:", problem)


def ask(path: Path, request: dict[str, Any], limit_s: float = 10) -> dict[str, Any]:
    """Send one request to the supervisor listening on ``path``; OSError where nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(limit_s)
        connection.connect(str(path))
        with connection.makefile("rwb") as stream:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
            answer: dict[str, Any] = json.loads(stream.readline())
    if "error" in answer:
        raise StartFailed(answer["error"])
    return answer
