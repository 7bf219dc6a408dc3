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
from pathlib import Path

import pytest

MODULE = """\
#!/usr/bin/python
from __future__ import annotations
import os, time
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import run_door

def work(frame):
    frame.reporter.say("first line")
    time.sleep(1)
    frame.reporter.say("second line")
    return {"changed": True, "heard": "KNOWNGOOD_PROGRESS_PATH" in os.environ}

run_door(AnsibleModule(argument_spec={"more": {"type": "str"}}, supports_check_mode=True), work, requires=())
"""


@pytest.fixture
def collections(tmp_path: Path, root: Path) -> Path:
    """Our collection with one stand-in module, so that the bridge is tested and not the module's work."""
    copy = tmp_path / "ansible_collections" / "knowngood" / "kube"
    for part in ("action", "plugin_utils", "module_utils"):
        shutil.copytree(root / "plugins" / part, copy / "plugins" / part, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "plugins" / "modules").mkdir()
    (copy / "plugins" / "modules" / "restore.py").write_text(MODULE)
    return tmp_path


def play(collections: Path, task: str) -> tuple[list[tuple[float, str]], dict[str, object]]:
    """The lines of the play with the second each came in, and the module's result."""
    playbook = collections / "play.yml"
    playbook.write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        f"    - knowngood.kube.restore: {{}}\n      register: result\n{task}"
        "    - ansible.builtin.copy:\n        content: '{{ result | to_json }}'\n"
        "        dest: '{{ playbook_dir }}/result'\n"
    )
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(collections / "home"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": str(collections),
    }
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "ansible", "playbook", str(playbook)]
    with subprocess.Popen(
        command, env=environment, cwd=collections, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        lines = [(time.monotonic(), line.strip()) for line in process.stdout]
    assert process.returncode == 0, "\n".join(line for _when, line in lines)
    return lines, json.loads((collections / "result").read_text())


def test_lines_come_while_the_module_works(collections: Path) -> None:
    lines, result = play(collections, "")
    when = {line: moment for moment, line in lines}
    assert result["heard"] is True
    assert result["changed"] is True
    assert when["[localhost] second line"] - when["[localhost] first line"] > 0.4
    assert not list(collections.glob("knowngood-progress-*"))


@pytest.mark.parametrize(
    "setting",
    ["      vars:\n        knowngood_progress: false\n", "      async: 30\n      poll: 1\n"],
    ids=["switched off", "in the background"],
)
def test_without_a_listener_the_module_works_all_the_same(collections: Path, setting: str) -> None:
    lines, result = play(collections, setting)
    assert result["heard"] is False
    assert result["changed"] is True
    assert not [line for _when, line in lines if "first line" in line]
