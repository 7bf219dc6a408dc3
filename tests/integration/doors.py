# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many doors in one play: a start of Ansible costs more than a second, so a test that calls twenty starts it once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = {
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
    "ANSIBLE_NOCOLOR": "true",
    # With -vvv the options of each task are printed, as before ansible-core 2.21 they always were.
    "ANSIBLE_INJECT_INVOCATION": "true",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One task: a module of the collection with its options. ``name`` says which it is among its play's."""

    name: str
    door: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a play: the tasks' results by name, and everything that was printed."""

    results: dict[str, dict[str, Any]]
    printed: str

    def __getitem__(self, name: str) -> dict[str, Any]:
        return self.results[name]


def play(
    work: Path, calls: Sequence[Call], *arguments: str, defaults: Mapping[str, Any] | None = None, limit_s: float = 400
) -> Played:
    """Runs the calls in order, each whatever became of the one before, as ``ansible-playbook`` does for a user.

    ``defaults`` are options of every module of the collection (``module_defaults``), ``arguments`` of the program
    (``-vvv``, ``--diff``, ``--check``). The playbook and the results are files in ``work``.
    """
    work.mkdir(parents=True, exist_ok=True)
    results = work / "results.json"
    results.unlink(missing_ok=True)
    names = [f"result_{number}" for number in range(len(calls))]
    tasks: list[dict[str, Any]] = [
        {
            "name": call.name,
            f"knowngood.kube.{call.door}": dict(call.options),
            "register": name,
            "ignore_errors": True,
        }
        for name, call in zip(names, calls, strict=True)
    ]
    content = "{{ [" + ", ".join(names) + "] | to_json }}"
    kept = {"dest": str(results), "content": content, "mode": "0600"}
    tasks.append({"name": "keep", "ansible.builtin.copy": kept, "check_mode": False, "diff": False, "no_log": True})
    book = work / "play.yml"
    book.write_text(
        json.dumps(
            [
                {
                    "name": "doors",
                    "hosts": "localhost",
                    "connection": "local",
                    "gather_facts": False,
                    "vars": {"ansible_python_interpreter": sys.executable},
                    "module_defaults": {"group/knowngood.kube.kube": dict(defaults or {})},
                    "tasks": tasks,
                }
            ]
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", str(book), "-i", "localhost,", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **_ENVIRONMENT},
        check=False,
        timeout=limit_s,
    )
    printed = done.stdout + done.stderr
    assert results.exists(), printed
    found = json.loads(results.read_text())
    return Played({call.name: result for call, result in zip(calls, found, strict=True)}, printed)
