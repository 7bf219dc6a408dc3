# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress bridge as a user meets it: a real play, a module that takes a moment, lines while it works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

MODULE = """\
#!/usr/bin/python
from __future__ import annotations
import os, time
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import run_door

def work(frame):
    frame.reporter.say(frame.params["name"])
    time.sleep(0.6)
    frame.reporter.say(frame.params["name"] + " goes on")
    return {"changed": True, "heard": "KNOWNGOOD_PROGRESS_PATH" in os.environ}

run_door(AnsibleModule(argument_spec={"name": {"type": "str"}}, supports_check_mode=True), work, requires=())
"""


PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - knowngood.kube.restore: {name: shown}
      register: shown
    - knowngood.kube.restore: {name: switched off}
      register: switched_off
      vars:
        knowngood_progress: false
    - knowngood.kube.restore: {name: in the background}
      register: in_the_background
      async: 30
      poll: 1
    - ansible.builtin.copy:
        content: "{{ dict(shown=shown, switched_off=switched_off, in_the_background=in_the_background) | to_json }}"
        dest: "{{ playbook_dir }}/results"
"""


@dataclass(frozen=True, slots=True)
class Played:
    """``seen``: each line of the play and the second it came in. ``results``: what the tasks registered."""

    seen: dict[str, float]
    results: dict[str, dict[str, object]]
    left: list[Path]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One play over our collection with a stand-in module: the bridge is tested, not the module's work."""
    root, place = Path(__file__).resolve().parents[3], tmp_path_factory.mktemp("progress")
    copy = place / "ansible_collections" / "knowngood" / "kube"
    for part in ("action", "plugin_utils", "module_utils"):
        shutil.copytree(root / "plugins" / part, copy / "plugins" / part, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "plugins" / "modules").mkdir()
    (copy / "plugins" / "modules" / "restore.py").write_text(MODULE)
    playbook = place / "play.yml"
    playbook.write_text(PLAY)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(place),
        "ANSIBLE_HOME": str(place / "home"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(place),
    }
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "ansible", "playbook", str(playbook)]
    with subprocess.Popen(
        command, env=environment, cwd=place, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        seen = {line.strip(): time.monotonic() for line in process.stdout}
    assert process.returncode == 0, "\n".join(seen)
    results = json.loads((place / "results").read_text())
    return Played(seen, results, list(place.glob("knowngood-progress-*")))


def test_lines_come_while_the_module_works(played: Played) -> None:
    assert played.results["shown"]["heard"] is True
    assert played.seen["[localhost] shown goes on"] - played.seen["[localhost] shown"] > 0.2


def test_nothing_is_left_behind(played: Played) -> None:
    assert played.left == []


@pytest.mark.parametrize("task", ["switched off", "in the background"])
def test_without_a_listener_the_module_works_all_the_same(played: Played, task: str) -> None:
    result = played.results[task.replace(" ", "_")]
    assert (result["heard"], result["changed"]) == (False, True)
    assert f"[localhost] {task}" not in played.seen
