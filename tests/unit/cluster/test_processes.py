# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The supervisor: starts, reaps, answers."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.cluster.components import Component
from tests.cluster.errors import StartFailed
from tests.cluster.processes import Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path)


def shell(name: str, script: str, **env: str) -> Component:
    return Component(name, ("sh", "-c", script), env)


def settle(supervisor: Supervisor, name: str) -> int:
    end = time.monotonic() + 10
    while supervisor.running[name].code is None and time.monotonic() < end:
        supervisor.reap()
        time.sleep(0.01)
    code = supervisor.running[name].code
    assert code is not None
    return code


def test_each_component_has_a_log_and_an_end(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(shell("one", "echo $GREETING; exit 3", GREETING="hello"))
    assert settle(supervisor, "one") == 3
    assert (tmp_path / "one.log").read_text() == "hello\n"


def test_waiting_ends_with_the_log_of_what_died(supervisor: Supervisor) -> None:
    supervisor.start(shell("bad", "echo cannot bind; exit 1"))
    with pytest.raises(StartFailed, match=r"(?s)bad exited 1:.*cannot bind"):
        supervisor.wait("never", lambda: False, 10)


def test_waiting_has_a_limit(supervisor: Supervisor) -> None:
    with pytest.raises(StartFailed, match="never: not within"):
        supervisor.wait("never", lambda: False, 0.1)


def test_requests_start_signal_and_show(supervisor: Supervisor) -> None:
    sleeper = {"do": "start", "name": "s", "argv": ["sleep", "60"]}
    assert supervisor.answer(sleeper) == {"started": True}
    assert supervisor.answer(sleeper) == {"already": True}
    assert supervisor.answer({"do": "status"})["components"]["s"]["code"] is None
    assert supervisor.answer({"do": "signal", "name": "s", "signal": signal.SIGKILL}) == {"sent": True}
    assert settle(supervisor, "s") == -signal.SIGKILL
    assert "error" in supervisor.answer({"do": "signal", "name": "s", "signal": signal.SIGKILL})
    assert supervisor.answer({"do": "start", "name": "s"}) == {"started": True}
    supervisor.answer({"do": "signal", "name": "s", "signal": signal.SIGKILL})
    assert settle(supervisor, "s") == -signal.SIGKILL
    assert "error" in supervisor.answer({"do": "start", "name": "unknown"})
    assert "error" in supervisor.answer({"do": "dance"})
