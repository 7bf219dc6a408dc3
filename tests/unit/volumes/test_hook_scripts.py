# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that runs in pods, run by the shell of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._volumes import hook_scripts as scripts

MARK = f"unit/{os.getpid()}"
Started = subprocess.Popen[str]


@pytest.fixture
def thawed(tmp_path: Path) -> Path:
    """Where the thaw of a test leaves its trace."""
    return tmp_path / "thawed"


def started(command: tuple[str, ...]) -> Started:
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )


@pytest.fixture
def dead_man(thawed: Path) -> Iterator[Started]:
    process = started(scripts.dead_man(MARK, 60, ("touch", str(thawed))))
    assert process.stdout
    assert process.stdout.readline().strip() == scripts.ARMED
    yield process
    process.kill()
    process.wait()


class TestDeadMan:
    def test_told_that_all_is_done_it_thaws_nothing(self, dead_man: Started, thawed: Path) -> None:
        output = dead_man.communicate(scripts.DONE, timeout=20)[0]
        assert (dead_man.returncode, output, thawed.exists()) == (0, "", False)

    def test_when_its_stdin_ends_it_thaws_at_once(self, dead_man: Started, thawed: Path) -> None:
        output = dead_man.communicate("", timeout=20)[0]
        assert (output.strip(), thawed.exists()) == (f"{scripts.FIRED} 0", True)

    def test_when_its_time_is_over_it_thaws_though_its_stdin_is_open(self, thawed: Path) -> None:
        process = started(scripts.dead_man(MARK, 1, ("touch", str(thawed))))
        assert process.stdout
        lines = [process.stdout.readline().strip() for number in range(2)]
        assert (lines, thawed.exists()) == ([scripts.ARMED, f"{scripts.FIRED} 0"], True)
        process.communicate(timeout=20)

    def test_told_to_thaw_it_thaws_at_once_and_says_how_that_went(self, dead_man: Started, thawed: Path) -> None:
        output = dead_man.communicate(scripts.THAW, timeout=20)[0]
        assert (output.strip(), thawed.exists()) == (f"{scripts.FIRED} 0", True)

    def test_a_half_word_is_not_done(self, dead_man: Started, thawed: Path) -> None:
        dead_man.communicate("don", timeout=20)
        assert thawed.exists()

    def test_an_earlier_one_is_ended_by_its_mark_and_others_are_left(self, dead_man: Started) -> None:
        other = started(scripts.dead_man(f"{MARK}-not", 60, ("true",)))
        try:
            subprocess.run(scripts.clear(f"{MARK}-nobody"), check=True, timeout=60)
            assert dead_man.poll() is None
            subprocess.run(scripts.clear(f"{MARK}-not"), check=True, timeout=60)
            assert other.wait(20) != 0
            assert dead_man.poll() is None
        finally:
            other.kill()


class TestGate:
    def test_the_command_starts_when_it_is_told_to_and_has_the_rest_of_the_stdin(self) -> None:
        process = started(scripts.gated(MARK, ("cat",)))
        assert process.communicate(scripts.GO + "words\n", timeout=20)[0] == "words\n"

    @pytest.mark.parametrize("told", ["", "no\n"])
    def test_it_never_starts_when_it_is_not_told_to(self, told: str, thawed: Path) -> None:
        process = started(scripts.gated(MARK, ("touch", str(thawed))))
        process.communicate(told, timeout=20)
        assert (process.returncode, thawed.exists()) == (5, False)


class TestWithin:
    def test_the_command_has_the_stdin(self) -> None:
        process = started(scripts.within(MARK, 60, ("cat",)))
        assert process.communicate("words\n", timeout=20)[0] == "words\n"
        assert process.returncode == 0

    @pytest.mark.parametrize("has_timeout", [True, False])
    def test_the_command_ends_when_its_time_is_over(self, has_timeout: bool, tmp_path: Path) -> None:
        command = scripts.within(MARK, 1, ("sleep", "300"))
        environment = dict(os.environ)
        if not has_timeout:
            broken = tmp_path / "timeout"
            broken.write_text("#!/bin/sh\nexit 1\n")
            broken.chmod(0o700)
            environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False, timeout=30)
        assert done.returncode != 0


def test_a_command_is_killed_where_it_can_be() -> None:
    assert subprocess.run(scripts.CAN_LIMIT, check=False, timeout=20).returncode == 0
    done = subprocess.run(
        scripts.limited(0.2, (sys.executable, "-c", "import time; time.sleep(99)")), check=False, timeout=30
    )
    assert done.returncode == 124
