# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs doors in processes of their own, one after the other; several of these run side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
# A holder that was killed holds its lease this long, here.
LEASE_S = 2


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one process. ``status`` 0: the module succeeded, 1: it failed, negative: a signal.

    ``result`` is what it answered (empty when it was killed), ``writes`` its answered writes (``METHOD path``).
    """

    status: int
    result: dict[str, Any]
    writes: tuple[str, ...]
    printed: str

    @property
    def killed(self) -> bool:
        return self.status == KILLED

    @property
    def ok(self) -> bool:
        return self.status == 0 and not self.result.get("failed")

    def problem(self) -> str:
        """One line for a process that was to succeed and did not."""
        return str(self.result.get("msg") or f"status {self.status}: {self.printed[-400:]}")


class Doors:
    """One lane's processes. ``close`` ends them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        path = os.pathsep.join([str(ROOT / ".ac"), str(ROOT)])
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.matrix.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
        )

    def run(
        self, door: str, options: dict[str, Any], *, die_at: int = 0, timeout_s: float = 30, limit_s: int = 600
    ) -> Ran:
        """``timeout_s``: after which a request is given up; ``limit_s``: after which the process is ended."""
        out, log = self._folder / "out", self._folder / "log"
        job = {"door": door, "options": options, "die_at": die_at, "out": str(out), "log": str(log)}
        job |= {"timeout_s": timeout_s, "lease_s": LEASE_S, "limit_s": limit_s}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        status = int(json.loads(self._server.stdout.readline())["status"])
        printed = out.read_text(errors="replace") if out.exists() else ""
        writes = tuple(log.read_text().splitlines()) if log.exists() else ()
        return Ran(status, _answer(printed), writes, printed)

    def close(self) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(30)


def _answer(printed: str) -> dict[str, Any]:
    for line in reversed(printed.splitlines()):
        if line.startswith("{"):
            try:
                return dict(json.loads(line))
            except ValueError:
                continue
    return {}
