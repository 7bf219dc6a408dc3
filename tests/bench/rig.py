# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster under measure, plays with the time each task took, and what others say of the machine meanwhile."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.audit import AuditLog
from tests.cluster.faults import Faults
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim
from tests.cluster.users import grants

from .figures import Section

ROOT = Path(__file__).resolve().parents[2]
CORE = Path(os.environ.get("KNOWNGOOD_BENCH_PEERS") or ROOT / ".venv" / "bench")
"""The environment of the peers; ``make bench`` makes it."""
STATE_NAMESPACE = "knowngood"
USER = "bench"


@dataclass(frozen=True, slots=True)
class Timed:
    """A task's result, its seconds from the task's start to its end, and the largest memory of its process in MiB."""

    result: dict[str, Any]
    seconds: float
    peak_mib: float


class Bench:
    """Everything a measure needs. The modules work as a user of their own, so that the audit log tells them apart."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.image = cluster.image()
        self.faults = Faults(cluster.own.faults())
        self.faults.clear()
        self.audit = AuditLog(cluster.own.audit_log)
        cluster.kubectl("create", "namespace", STATE_NAMESPACE, check=False)
        self.kubeconfig = cluster.make_user(USER)
        cluster.apply(*grants(USER, cluster_roles=["cluster-admin"]))

    def namespace(self, prefix: str) -> str:
        name = f"{prefix}-{secrets.token_hex(3)}"
        self.cluster.kubectl("create", "namespace", name)
        self.cluster.wait("account", lambda: self.cluster.get("serviceaccount", "default", "-n", name), 60)
        return name

    def claims(self, namespace: str, count: int, storage_class: str = "local") -> list[str]:
        names = [f"data-{number:03}" for number in range(count)]
        self.cluster.apply(*(claim(name, storage_class) for name in names), namespace=namespace)

        def bound() -> bool:
            found = self.cluster.get("pvc", "-n", namespace)["items"]
            return len(found) == count and all(one["status"].get("phase") == "Bound" for one in found)

        self.cluster.wait(f"{count} claims", bound, 300)
        return names

    def task(self, module: str, options: Mapping[str, Any], *, collection: str = "knowngood.kube") -> Timed:
        """One task of the collection in a play of its own."""
        access = {"kubeconfig": str(self.kubeconfig)}
        wanted = {f"{collection}.{module}": {**access, **options}, "register": "answer"}
        with largest(f"AnsiballZ_{module}") as peak:
            seconds, answer = play([wanted], Path(sys.executable))
        return Timed(answer, seconds, peak[0])

    def empty_task(self) -> float:
        """Seconds of a task that does nothing: what Ansible and the machine take for any."""
        return play([{"ansible.builtin.ping": {}, "register": "answer"}], Path(sys.executable))[0]

    def delete(self, namespace: str) -> None:
        """Waited for: what is still being deleted would be measured with what comes next.

        Volumes and snapshots that are retained stay till the cluster goes.
        """
        self.cluster.kubectl("delete", "namespace", namespace, "--timeout=600s", check=False, limit_s=610)


def play(
    tasks: Sequence[Mapping[str, Any]], python: Path, *, paths: str = "", limit_s: float = 3600
) -> tuple[float, dict[str, Any]]:
    """Seconds from the first of the tasks to the end of the last, and what the last registered as ``answer``.

    Start and end of the program do not count: a playbook has them once, however much it does.
    """
    now = "{{ now(utc=true).timestamp() }}"
    with tempfile.TemporaryDirectory(prefix="kg-bench-") as folder:
        kept = Path(folder) / "answer.json"
        steps: list[Mapping[str, Any]] = [
            {"ansible.builtin.set_fact": {"begun": now}},
            *tasks,
            {"ansible.builtin.set_fact": {"ended": now}},
            {
                "ansible.builtin.copy": {
                    "dest": str(kept),
                    "content": "{{ {'begun': begun, 'ended': ended, 'answer': answer} | to_json }}",
                    "mode": "0600",
                }
            },
        ]
        book = Path(folder) / "play.yml"
        one = {
            "name": "bench",
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": str(python)},
            "tasks": steps,
        }
        book.write_text(json.dumps([one]))
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": paths or str(ROOT / ".ac"), "ANSIBLE_NOCOLOR": "true"}
        command = [str(python), "-m", "ansible", "playbook", str(book), "-i", "localhost,"]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, check=False, timeout=limit_s, cwd=folder
        )
        if not kept.exists():
            raise RuntimeError(f"the play failed:\n{done.stdout[-4000:]}\n{done.stderr[-2000:]}")
        found = json.loads(kept.read_text())
    return float(found["ended"]) - float(found["begun"]), found["answer"]


def collections() -> Path:
    """Where the ``ansible`` package of the peers' environment keeps its collections."""
    return next((CORE / "lib").glob("python3*")) / "site-packages"


@contextmanager
def largest(mark: str) -> Iterator[list[float]]:
    """The largest memory (MiB) that a process with ``mark`` in its command line had, in the list's only item.

    The kernel keeps a process's own peak, so looking often enough to see it once near its end is enough.
    """
    found, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            for entry in Path("/proc").glob("[0-9]*"):
                with suppress(OSError, ValueError):
                    if mark.encode() in (entry / "cmdline").read_bytes():
                        found[0] = max(found[0], _peak(entry))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


def _peak(process: Path) -> float:
    for line in (process / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


@contextmanager
def loads(section: Section) -> Iterator[None]:
    before = os.getloadavg()[0]
    yield
    section.load = (before, os.getloadavg()[0])


def poll(what: str, test: Any, limit_s: float, pause_s: float = 0.1) -> Any:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if found := test():
            return found
        time.sleep(pause_s)
    raise RuntimeError(f"{what}: not within {limit_s:.0f} s")


def velero(bench: Bench, kind: str, **spec: Any) -> tuple[str, float]:
    """A Backup or Restore from its creation to its end: its name and the seconds. Fails unless it completed."""
    name = f"bench-{secrets.token_hex(3)}"
    wanted = {
        "apiVersion": "velero.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "velero"},
        "spec": spec,
    }
    begin = time.monotonic()
    bench.cluster.apply(wanted)

    def phase() -> str:
        status = bench.cluster.get(f"{kind.lower()}s.velero.io", name, "-n", "velero").get("status", {})
        found: str = status.get("phase", "")
        return found if found in ("Completed", "PartiallyFailed", "Failed", "FailedValidation") else ""

    ended = poll(f"Velero's {kind}", phase, 3600)
    took = time.monotonic() - begin
    if ended != "Completed":
        raise RuntimeError(f"Velero's {kind} {name}: {ended}")
    return name, took


def ready_pods(items: Iterable[Mapping[str, Any]]) -> int:
    """Pods that serve: ready and not being deleted."""

    def serves(one: Mapping[str, Any]) -> bool:
        conditions = one.get("status", {}).get("conditions") or []
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        return ready and not one["metadata"].get("deletionTimestamp")

    return sum(serves(one) for one in items)
