# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to a task: its process is killed after a write, Ansible is killed, the API server fails it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.cluster.handle import Cluster
from tests.integration.volumes_app import App
from tests.matrix.doors import Ran
from tests.matrix.proxy import Fault, Proxy, Request
from tests.matrix.scenarios import Bench, Task
from tests.matrix.weather import Weather, draw

Struck = tuple[bool, str, list[str]]
_UNIQUE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=-)[0-9a-f]{6,}\b")
# A request that hangs longer than this is given up by the client of a task in bad weather.
_PATIENCE_S = 5


class Trouble(Protocol):
    """``strike`` runs the task and troubles it: did it hit, what was it, and what is wrong already."""

    @property
    def title(self) -> str: ...

    def strike(self, site: Site, bench: Bench, task: Task) -> Struck: ...


class Site:
    """What troubles need beside the application: a proxy in front of the API server, made when it is asked for."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        self._proxy: Proxy | None = None

    def proxy(
        self,
        decide: Callable[[Request], Fault | None] = lambda request: None,
        answered: Callable[[Request, int], None] = lambda request, status: None,
    ) -> tuple[Proxy, str]:
        """The proxy and a kubeconfig that leads to it."""
        if self._proxy is None:
            self._proxy = Proxy(self.cluster.own)
        self._proxy.restart()
        self._proxy.decide, self._proxy.answered = decide, answered
        return self._proxy, str(self._proxy.kubeconfig(self.folder / "kubeconfig"))

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.close()


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL for the module's own process, right after its write with this number (from 1) was answered."""

    number: int

    @property
    def title(self) -> str:
        return f"{self.number:>3}"

    def strike(self, site: Site, bench: Bench, task: Task) -> Struck:
        del site
        ran = bench.doors.run(task.door, task.options, die_at=self.number)
        problems = [] if ran.killed or ran.ok else [f"it failed before it was killed: {ran.problem()}"]
        return ran.killed, short(ran.writes[-1] if ran.writes else ""), problems


@dataclass(frozen=True, slots=True)
class Storm:
    """The API server fails requests of the task by schedule ``number`` of the seed."""

    seed: int
    number: int

    @property
    def title(self) -> str:
        return f"schedule {self.number}"

    def strike(self, site: Site, bench: Bench, task: Task) -> Struck:
        weather = draw(self.seed, self.number)
        counted = _Counted(weather)
        _proxy, kubeconfig = site.proxy(decide=counted)
        options = {**task.options, "kubeconfig": kubeconfig}
        ran = bench.doors.run(task.door, options, timeout_s=_PATIENCE_S)
        problems = [] if ran.ok else clear_error(ran)
        code = "succeeded" if ran.ok else f"failed: {(ran.result.get('error') or {}).get('code', ran.status)}"
        return counted.hits > 0, f"{weather} | {counted.hits} hit, {code}", problems


class _Counted:
    """Weather that knows how often it hit."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self.hits = 0

    def __call__(self, request: Request) -> Fault | None:
        fault = self._weather(request)
        self.hits += fault is not None
        return fault


@dataclass(frozen=True, slots=True)
class AnsibleKill:
    """The task runs as Ansible runs it, and when write ``number`` (leases apart) was answered, SIGKILL comes.

    It comes for the module's process, or (``alone``) for Ansible's own: the module then goes on and ends in peace.
    """

    number: int
    alone: bool = False

    @property
    def title(self) -> str:
        return f"{self.number:>3} by Ansible, {'which' if self.alone else 'module'} is killed"

    def strike(self, site: Site, bench: Bench, task: Task) -> Struck:
        state = _Run(self)
        _proxy, kubeconfig = site.proxy(answered=state.answered)
        app = App(site.cluster, bench.tiny.namespace, bench.tiny.state, site.cluster.kubeconfig)
        state.ansible = app.module(task.door, **_without(task.options, "kubeconfig"), kubeconfig=kubeconfig)
        state.ansible.communicate(timeout=300)
        _gone(state.pid, 240)
        problems = [] if state.pid else ["the module's process was not found"]
        return bool(state.pid), short(state.write), problems


class _Run:
    """One run of Ansible; its writes are counted as the proxy answers them."""

    def __init__(self, kill: AnsibleKill) -> None:
        self._kill = kill
        self._lock, self._count = threading.Lock(), 0
        self.ansible: subprocess.Popen[str] | None = None
        self.pid, self.write = 0, ""

    def answered(self, request: Request, status: int) -> None:
        del status
        if not request.is_write or "/leases" in request.path:
            return
        with self._lock:
            self._count += 1
            if self._count != self._kill.number:
                return
        self.write = f"{request.method} {request.path}"
        self.pid = owner_of(request.port)
        victim = self.ansible.pid if self._kill.alone and self.ansible else self.pid
        if victim:
            os.kill(victim, signal.SIGKILL)


def owner_of(port: int) -> int:
    """The process on this machine whose connection to 127.0.0.1 comes from this port; 0 where there is none."""
    inode = ""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        address, number = fields[1].split(":")
        if address == "0100007F" and int(number, 16) == port:
            inode = fields[9]
    for folder in Path("/proc").iterdir():
        if inode and folder.name.isdigit():
            with suppress(OSError):
                if any(os.readlink(fd) == f"socket:[{inode}]" for fd in (folder / "fd").iterdir()):
                    return int(folder.name)
    return 0


def _gone(pid: int, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while pid and Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)


def _without(options: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != key}


def clear_error(ran: Ran, says: str = "") -> list[str]:
    """A module that failed: with one message, a known code, a way on, and no trace."""
    if ran.ok:
        return ["it succeeded where it had to fail"]
    error = ran.result.get("error") or {}
    wrong = []
    if not error or error.get("code") == "unexpected" or "Traceback" in ran.printed:
        wrong.append(f"the error is none of ours: {ran.problem()}")
    if says and not re.search(says, ran.problem()):
        wrong.append(f"the error does not say {says!r}: {ran.problem()}")
    if error and not error.get("next"):
        wrong.append(f"the error names no way on: {ran.problem()}")
    return wrong


def short(write: str) -> str:
    """``PATCH persistentvolumes/pvc-…`` of ``METHOD path``, without what differs from run to run."""
    method, _blank, path = write.partition(" ")
    parts = path.split("/")[3 if path.startswith("/api/") else 4 :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return f"{method} {_UNIQUE.sub('…', '/'.join(parts))}"
