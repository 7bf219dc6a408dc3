# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules' own processes: each job is a forked child that runs a module's ``main`` and may be killed in it.

``python -m tests.matrix.worker`` reads one job a line (JSON) and answers each with ``{"status": ...}``, the child's
exit status as ``os.waitstatus_to_exitcode`` gives it (-9: killed). What a start of Python and its imports cost is paid
once; the child runs the module as it is, but for this: its writes are counted, the lease of a dead holder runs out
sooner, and a request may be given up sooner.

A job: ``door`` (module), ``options``, ``die_at`` (0: never), ``out`` and ``log`` (files for what the module prints and
for its writes), ``lease_s``, ``timeout_s`` (of a request), ``limit_s``.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ansible.module_utils.testing import patch_module_args

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import LeaseStore

DOORS = ("recovery_point", "restore", "operation", "certificate_rotation", "ca_rotation")
_MODULES = "ansible_collections.knowngood.kube.plugins.modules"
_WRITING = ("POST", "PUT", "PATCH", "DELETE")
# Its renewals come with the clock, not with the work: they would make the count of a run a matter of luck.
_RENEWAL = "knowngood-lease"


class Counter:
    """Writes each answered write to the log, and kills the process right after the one with number ``die_at``."""

    def __init__(self, log: Path, die_at: int) -> None:
        self._out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._die_at = die_at
        self._count = 0
        self._lock = threading.Lock()

    def answered(self, method: str, path: str, query: Any) -> None:
        if method not in _WRITING or path.endswith("reviews") or (query or {}).get("dryRun"):
            return
        if threading.current_thread().name == _RENEWAL:
            return
        with self._lock:
            self._count += 1
            os.write(self._out, f"{method} {path}\n".encode())
            if self._count == self._die_at:
                os.kill(os.getpid(), signal.SIGKILL)


def counted(counter: Counter) -> None:
    """From now on every write of this process that was answered is told to the counter."""
    send = Cluster._send

    @functools.wraps(send)
    def sending(self: Cluster, method: str, path: str, query: Any, *rest: Any, **named: Any) -> Any:
        answer = send(self, method, path, query, *rest, **named)
        counter.answered(method, path, query)
        return answer

    Cluster._send = sending


def run(job: dict[str, Any]) -> None:
    """The child: it never returns to the loop of the parent."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(job["limit_s"]))
    defaults = LeaseStore.__init__.__kwdefaults__
    defaults["duration_s"] = job["lease_s"]
    Cluster.__init__.__kwdefaults__["timeout_s"] = job["timeout_s"]
    out = os.open(job["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    counted(Counter(Path(job["log"]), job["die_at"]))
    module = importlib.import_module(f"{_MODULES}.{job['door']}")
    with patch_module_args(job["options"]):
        module.main()


def child(job: dict[str, Any]) -> None:
    code = 70
    try:
        run(job)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    for door in DOORS:
        importlib.import_module(f"{_MODULES}.{door}")
    importlib.import_module("kubernetes.client.rest")
    importlib.import_module("kubernetes.stream.ws_client")
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(job)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.write(json.dumps({"status": status, "pid": pid}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
