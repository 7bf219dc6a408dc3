# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's end of the progress bridge: shows a module's lines while the module works.

The module appends JSON lines to a private file that is named in its environment
(``module_utils/_ansible/progress.py``); a thread reads them and displays each as one plain line. ansible-runner, and so
AWX, passes such lines on as they come.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.progress import PATH_VARIABLE

SWITCH = "knowngood_progress"
_EVERY_S = 0.25
_MOST_LINES_AT_ONCE = 20

display = Display()


class ProgressAction(ActionBase):
    """Runs the module of the same name, with live lines where the module runs on this machine."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        in_background = bool(self._task.async_val)
        if in_background or not self._is_local() or not self._is_wanted(variables):
            answer = self._execute_module(task_vars=variables, wrap_async=in_background)
        else:
            with self._lines(str(variables.get("inventory_hostname", "localhost"))):
                answer = self._execute_module(task_vars=variables)
        if not in_background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return merge_hash(result, answer)

    def _is_local(self) -> bool:
        return self._connection.transport.rpartition(".")[2] == "local"

    def _is_wanted(self, variables: dict[str, Any]) -> bool:
        return boolean(self._templar.template(variables.get(SWITCH, True)), strict=False)

    @contextmanager
    def _lines(self, host: str) -> Iterator[None]:
        directory = tempfile.mkdtemp(prefix="knowngood-progress-")
        path = os.path.join(directory, "lines")
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        tail = _Tail(path, host)
        self._task.environment.append({PATH_VARIABLE: path})
        tail.start()
        try:
            yield
        finally:
            self._task.environment.pop()
            tail.stop()
            shutil.rmtree(directory, ignore_errors=True)


class _Tail(threading.Thread):
    """Displays what is appended to a file, a few lines at a time."""

    def __init__(self, path: str, host: str) -> None:
        super().__init__(daemon=True)
        self._path = path
        self._host = host
        self._ended = threading.Event()

    def run(self) -> None:
        with open(self._path, encoding="utf-8", errors="replace") as lines:
            rest, last = "", ""
            while True:
                ended = self._ended.wait(_EVERY_S)
                *whole, rest = (rest + lines.read()).split("\n")
                texts = [text for text in map(_text, whole) if text]
                for text in _few(texts):
                    if text != last:
                        display.display(f"[{self._host}] {text}")
                    last = text
                if ended:
                    return

    def stop(self) -> None:
        self._ended.set()
        self.join(timeout=5)


def _few(texts: list[str]) -> list[str]:
    """A burst is shortened to its newest lines: who watches wants to know where it stands."""
    left_out = len(texts) - _MOST_LINES_AT_ONCE
    return texts if left_out <= 0 else [f"({left_out} lines left out)", *texts[left_out:]]


def _text(line: str) -> str:
    try:
        return str(json.loads(line)["text"])
    except (ValueError, KeyError, TypeError):
        return ""
