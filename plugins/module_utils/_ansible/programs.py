# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs on this machine, run by Ansible's own means (``subprocess`` has no place in module code), within a limit.

PRIVATE to this collection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

Run = Callable[[list[str], Mapping[str, str], float], tuple[int, str, str]]
"""Program with arguments, what is added to the environment, seconds at most; the shape of ``Frame.run``."""


class _Limit:
    """Ends a process after that many seconds; ``passed`` tells whether it did."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def watch(self, process: Any) -> None:
        self._timer = threading.Timer(self._seconds, self._end, [process])
        self._timer.daemon = True
        self._timer.start()

    def _end(self, process: Any) -> None:
        self.passed = True
        process.kill()

    def lift(self) -> None:
        if self._timer:
            self._timer.cancel()


def run(
    module: AnsibleModule, command: list[str], environment: Mapping[str, str], limit_s: float
) -> tuple[int, str, str]:
    """Exit status, output and error output of a program.

    Raises FileNotFoundError where there is no such program, TimeoutError when it was ended after ``limit_s`` seconds.
    """
    limit = _Limit(limit_s)
    try:
        status, out, err = module.run_command(
            command,
            environ_update=dict(environment),
            before_communicate_callback=limit.watch,
            handle_exceptions=False,
            errors="replace",
        )
    finally:
        limit.lift()
    if limit.passed:
        raise TimeoutError(f"{command[0]} was ended after {limit_s:g} s")
    return int(status), str(out), str(err)
