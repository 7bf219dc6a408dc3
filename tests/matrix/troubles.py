# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to a task: its process is killed after a write, Ansible is killed, the API server fails it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster.faultproxy import FaultProxy
from tests.cluster.handle import Cluster
from tests.cluster.strikes import Calm, Request, Schedule, Strike
from tests.integration.volumes_app import App
from tests.matrix.doors import Ran
from tests.matrix.scenarios import Bench, Task
from tests.matrix.weather import draw

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

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._proxy: FaultProxy | None = None

    def proxy(self, schedule: Schedule) -> FaultProxy:
        if self._proxy is None:
            self._proxy = FaultProxy(self.cluster).__enter__()
        self._proxy.schedule = schedule
        return self._proxy

    def close(self) -> None:
        if self._proxy is not None:
            self._proxy.__exit__(None, None, None)


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
        proxy = site.proxy(draw(self.seed, self.number))
        known, before = len(proxy.log), len(proxy.strikes)
        options = {**task.options, "kubeconfig": str(proxy.kubeconfig)}
        ran = bench.doors.run(task.door, options, timeout_s=_PATIENCE_S)
        proxy.schedule = Calm()
        _arrived(proxy, known)
        struck = Counter(entry.strike.kind for entry in proxy.strikes[before:] if entry.strike)
        problems = [] if ran.ok else clear_error(ran)
        code = "it succeeded" if ran.ok else f"it failed: {(ran.result.get('error') or {}).get('code', ran.status)}"
        told = ", ".join(f"{kind} {count}" if count > 1 else kind for kind, count in sorted(struck.items()))
        return bool(struck), f"{told}: {code}", problems


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
        app = App(site.cluster, bench.tiny.namespace, bench.tiny.state, site.cluster.kubeconfig)
        killer = _Killer(self, bench)
        proxy = site.proxy(killer)
        options = {name: value for name, value in task.options.items() if name != "kubeconfig"}
        killer.ansible = app.module(task.door, **options, kubeconfig=str(proxy.kubeconfig))
        killer.ansible.communicate(timeout=300)
        _gone(killer.pid, 240)
        proxy.schedule = Calm()
        return bool(killer.pid), short(killer.write), [] if killer.pid else ["it ended before it was killed"]


class _Killer:
    """A schedule that strikes nothing. It kills at the first request after the write: that one was answered."""

    def __init__(self, kill: AnsibleKill, bench: Bench) -> None:
        self._kill, self._bench = kill, bench
        self._count = 0
        self.ansible: subprocess.Popen[str] | None = None
        self.pid, self.write = 0, ""

    def strike(self, request: Request) -> Strike | None:
        if self.pid:
            return None
        if self._count == self._kill.number:
            self.pid = self._module()
            victim = self.ansible.pid if self._kill.alone and self.ansible else self.pid
            os.kill(victim, signal.SIGKILL)
        elif _counts(request):
            self._count += 1
            self.write = f"{request.method} {request.path}"
        return None

    def _module(self) -> int:
        """The module's process: who holds the lease says so."""
        (lease,) = self._bench.tiny.api.list("Lease", self._bench.tiny.state)
        return int(lease["spec"]["holderIdentity"].split("/")[1])


def _counts(request: Request) -> bool:
    """A write, leases apart: their renewals come with the clock."""
    if request.method not in ("POST", "PUT", "PATCH", "DELETE") or request.upgrade or request.dry_run:
        return False
    return not request.path.endswith("reviews") and "/leases" not in request.path


def _arrived(proxy: FaultProxy, known: int, limit_s: float = 20) -> None:
    """What the task had sent and given up has come to its end.

    What a network delivers after an undo is an orphan: `test_retention` has a test of its own that it is found.
    """
    end = time.monotonic() + limit_s
    while any(not entry.seconds for entry in proxy.log[known:]) and time.monotonic() < end:
        time.sleep(0.1)


def _gone(pid: int, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while pid and Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)


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
