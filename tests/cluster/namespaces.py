# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces of one cluster: made by ``unshare``, tied to the host by one veth link, removed without a trace."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import cgroups, loops, paths
from .errors import ClusterError, StartFailed
from .instance import Instance


@dataclass(frozen=True, slots=True)
class Process:
    """A process that a number alone does not name: ``started`` is its start time in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # The command in parentheses may hold spaces; field 22 is the 20th after it. A zombie is no process any more.
        fields = stat.rsplit(")", 1)[1].split()
        return None if fields[0] == "Z" else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def kill(self) -> None:
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@contextmanager
def locked(instance: Instance) -> Iterator[None]:
    """One ``up`` or ``down`` of an instance at a time."""
    instance.disk.parent.mkdir(parents=True, exist_ok=True)
    with (instance.disk.parent / f"{instance.number}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start(instance: Instance, extras: Sequence[str], storage: Instance | None = None) -> tuple[Process, Process]:
    """Start process 1 in namespaces of its own; returns ``unshare`` (the outer) and process 1 as the host sees them.

    ``unshare --kill-child`` makes the outer's death the end of everything inside.
    """
    leaves = cgroups.make(instance.cgroup)
    enter = "; ".join(f"echo $$ > {leaf}/cgroup.procs" for leaf in leaves)
    inner = [
        *("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--mount-proc"),
        *("--propagation", "private", sys.executable, "-m", f"{__package__}.node", str(instance.number)),
        *(str((storage or instance).number), *extras),
    ]
    with (instance.log / "node.log").open("ab") as log:
        outer = subprocess.Popen(
            ["sh", "-c", f'{enter}; exec "$@"', "sh", *inner],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=paths.ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    return _identify(outer), _child(outer)


def _identify(outer: subprocess.Popen[bytes]) -> Process:
    found = Process.of(outer.pid)
    if found is None:
        raise StartFailed("unshare ended at once")
    return found


def _child(outer: subprocess.Popen[bytes]) -> Process:
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    end = time.monotonic() + 10
    while time.monotonic() < end and outer.poll() is None:
        pids = children.read_text().split()
        # Before exec the shell has no children; the first one is process 1 of the new namespaces.
        found = Process.of(int(pids[0])) if pids else None
        if found and _has_own_network(found.pid):
            return found
        time.sleep(0.01)
    raise StartFailed("unshare made no namespaces; is this machine a container without CAP_SYS_ADMIN?")


def _has_own_network(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def connect(instance: Instance, init: Process) -> None:
    """One veth pair, an address on our end, routes to pods and services."""
    link, via = instance.link, ("via", instance.ip, "dev", instance.link)
    for words in (
        ("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(init.pid)),
        ("addr", "add", f"{instance.host_ip}/30", "dev", link),
        ("link", "set", link, "up"),
        ("route", "add", instance.pods, *via),
        ("route", "add", instance.services, *via),
    ):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StartFailed(f"ip {' '.join(words)}: {done.stderr.strip()}")


def enter(init: Process, command: Sequence[str]) -> list[str]:
    """``command`` as run inside the cluster's network, mount, PID, IPC and UTS namespaces."""
    return ["nsenter", "-t", str(init.pid), "-m", "-n", "-p", "-i", "-u", "--", *command]


def destroy(instance: Instance, outer: Process | None) -> None:
    """Everything of the instance goes, whatever state it is in; raises when something stays."""
    if outer:
        outer.kill()
    pool = instance.disk / "volumes.img"
    stuck = cgroups.end_all(instance.cgroup, 3)
    if stuck:
        loops.thaw_all(instance.node, pool)
        stuck = cgroups.end_all(instance.cgroup)
    subprocess.run(["ip", "link", "del", instance.link], capture_output=True, check=False)
    groups = cgroups.remove(instance.cgroup)
    devices = loops.free(instance.node, pool)
    for folder in (instance.run, instance.disk):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        instance.run.parent.rmdir()
    left = [f"process {pid}" for pid in sorted(stuck)] + [f"control group {group}" for group in groups]
    left += devices
    left += [str(folder) for folder in (instance.run, instance.disk) if folder.exists()]
    if left:
        raise ClusterError(f"instance {instance.number} left behind: {', '.join(left)}")
