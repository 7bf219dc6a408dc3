# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.args import AUTH_ARGS, COMMON_ARGS
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame, run_door

Door = Callable[..., dict[str, Any]]


@pytest.fixture
def root() -> Path:
    """The collection's root."""
    return Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No credentials of whoever runs the tests, and the signal handlers as they were."""
    for name in AUTH_ARGS.values():
        monkeypatch.delenv(name["fallback"][1][0], raising=False)
    monkeypatch.delenv("KNOWNGOOD_PROGRESS_PATH", raising=False)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def door(capsys: pytest.CaptureFixture[str]) -> Door:
    """Runs a call behind a door with the given options; what the module prints, parsed, and its exit code as ``rc``."""

    def run(
        call: Callable[[Frame], dict[str, Any]], options: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        with patch_module_args(options or {}):
            module = AnsibleModule(argument_spec={**AUTH_ARGS, **COMMON_ARGS}, supports_check_mode=True)
            with pytest.raises(SystemExit) as exit_:
                run_door(module, call, **more)
        return {**json.loads(capsys.readouterr().out), "rc": exit_.value.code}

    return run
