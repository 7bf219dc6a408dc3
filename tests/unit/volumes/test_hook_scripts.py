# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell that runs in pods, run by the shell of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._volumes import hook_scripts as scripts

MARK = f"unit/{os.getpid()}"
GATE = f"gate-{os.getpid()}"
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
Started = subprocess.Popen[str]


@pytest.fixture
def thawed(tmp_path: Path) -> Path:
    """Where the thaw of a test leaves its trace."""
    return tmp_path / "thawed"


def dead_man_of(gate: str, seconds: float, *thaw: str, mark: str = MARK, unseen_s: float = 1) -> tuple[str, ...]:
    return scripts.dead_man(mark, gate, seconds, thaw, unseen_s)


def started(command: tuple[str, ...]) -> Started:
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
    )


@pytest.fixture
def dead_man(thawed: Path) -> Iterator[Started]:
    process = started(dead_man_of(GATE, 60, "touch", str(thawed)))
    assert process.stdout
    assert process.stdout.readline().strip() == scripts.ARMED
    yield process
    process.kill()
    process.wait()


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``sh`` in the pod is this one; busybox brings its own tools as well."""
    path = str(shutil.which(request.param))
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "grep", "sleep", "env") if request.param == "busybox" else ("sh",):
        (folder / name).symlink_to(path)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


class TestDeadMan:
    def test_told_that_all_is_done_it_thaws_nothing(self, dead_man: Started, thawed: Path) -> None:
        output = dead_man.communicate(scripts.DONE, timeout=20)[0]
        assert (dead_man.returncode, output, thawed.exists()) == (0, "", False)

    def test_when_its_stdin_ends_it_thaws_at_once(self, dead_man: Started, thawed: Path) -> None:
        output = dead_man.communicate("", timeout=20)[0]
        assert (output.strip(), thawed.exists()) == (f"{scripts.FIRED} 0", True)

    def test_when_its_time_is_over_it_thaws_though_its_stdin_is_open(self, thawed: Path) -> None:
        process = started(dead_man_of(GATE, 1, "touch", str(thawed)))
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

    @pytest.mark.usefixtures("sh")
    def test_an_earlier_one_is_ended_by_its_mark_and_others_are_left(self, dead_man: Started) -> None:
        other = started(dead_man_of(GATE, 60, "true", mark=f"{MARK}-not"))
        try:
            subprocess.run(scripts.clear(f"{MARK}-nobody"), check=True, timeout=60)
            assert dead_man.poll() is None
            subprocess.run(scripts.clear(f"{MARK}-not"), check=True, timeout=60)
            assert other.wait(20) != 0
            assert dead_man.poll() is None
            stubborn = started(scripts.gated(f"{MARK}-not", ("sh", "-c", "trap '' TERM; echo on; sleep 60; sleep 60")))
            assert stubborn.stdin
            assert stubborn.stdout
            stubborn.stdin.write(scripts.GO)
            assert stubborn.stdout.readline() == "on\n"
            subprocess.run(scripts.clear(f"{MARK}-not"), check=True, timeout=60)
            assert stubborn.wait(5) == -9
            subprocess.run(scripts.clear(MARK[:-1]), check=True, timeout=60)
            assert dead_man.poll() is None, "the mark of another one may begin like its own"
        finally:
            other.kill()


class TestFreezeThatIsStillAtWork:
    """However the thaw came to be: no freeze may come after it."""

    @pytest.mark.usefixtures("sh")
    @pytest.mark.parametrize("told", ["", scripts.STOP])
    def test_it_is_killed_before_the_thaw(self, told: str, tmp_path: Path) -> None:
        frozen, begun, log = tmp_path / "frozen", tmp_path / "begun", tmp_path / "log"
        slow = f"trap '' TERM; touch {begun}; sleep 3; touch {frozen}; echo froze >>{log}"
        gate = started(scripts.freezing(MARK, GATE, ("sh", "-c", slow)))
        assert gate.stdout
        assert gate.stdout.readline().strip() == scripts.WAITING
        thaw = f"rm -f {frozen}; echo thawed >>{log}"
        guard = started(scripts.dead_man(MARK, GATE, 60, ("sh", "-c", thaw)))
        assert guard.stdin
        assert guard.stdout
        assert guard.stdout.readline().strip() == scripts.ARMED
        assert gate.stdin
        gate.stdin.write(scripts.GO)
        end = time.monotonic() + 20
        while not begun.exists() and time.monotonic() < end:
            time.sleep(0.01)
        output = guard.communicate(told, timeout=30)[0]
        assert output.strip() == f"{scripts.FIRED} 0"
        assert gate.wait(20) == -9
        assert not frozen.exists()
        assert set(log.read_text().split()) == {"thawed"}

    @pytest.mark.usefixtures("sh")
    def test_told_that_the_freeze_ended_well_it_kills_nothing_that_this_has_left(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        gate = started(scripts.freezing(MARK, GATE, ("sleep", "60")))
        assert gate.stdin
        assert gate.stdout
        assert gate.stdout.readline().strip() == scripts.WAITING
        try:
            guard = started(scripts.dead_man(MARK, GATE, 60, ("sh", "-c", f"echo thawed >>{log}")))
            assert guard.communicate(scripts.THAW, timeout=20)[0].split() == [scripts.ARMED, scripts.FIRED, "0"]
            assert (gate.poll(), log.read_text()) == (None, "thawed\n")
        finally:
            gate.kill()
            gate.wait()

    @pytest.mark.usefixtures("sh")
    def test_where_it_could_not_be_ended_the_dead_man_refuses(self, thawed: Path) -> None:
        guard = started(dead_man_of(f"{GATE}-elsewhere", 60, "touch", str(thawed), unseen_s=0))
        output = guard.communicate("", timeout=20)[0]
        assert (guard.returncode, output.startswith(scripts.REFUSED), thawed.exists()) == (9, True, False)

    @pytest.mark.usefixtures("sh")
    def test_what_is_only_known_to_end_by_itself_is_thawed_again_after_that(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        guard = started(dead_man_of(f"{GATE}-elsewhere", 60, "sh", "-c", f"echo thawed >>{log}"))
        guard.communicate("", timeout=20)
        assert log.read_text().split() == ["thawed", "thawed"]


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


@pytest.mark.usefixtures("sh")
@pytest.mark.parametrize(("thaw", "how"), [(False, "--freeze"), (True, "--unfreeze")])
def test_mounts_are_frozen_side_by_side_and_one_that_cannot_be_fails_the_whole(
    thaw: bool, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "fsfreeze"
    # Each waits for the other to have begun: one after the other they would never end.
    tool.write_text(
        f'#!/bin/sh\necho "$1" > "{tmp_path}/began$2"\n'
        f'until [ -e "{tmp_path}/began-a" ] && [ -e "{tmp_path}/began-b" ]; do sleep 0.05; done\n[ "$2" != "$BAD" ]\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for bad, right in (("", True), ("-a", False), ("-b", False)):
        monkeypatch.setenv("BAD", bad)
        done = subprocess.run(scripts.fsfreeze(("-a", "-b"), thaw=thaw), timeout=30, check=False)
        assert (done.returncode == 0) is right
    assert (tmp_path / "began-b").read_text() == f"{how}\n"
    assert scripts.fsfreeze(("/data",), thaw=thaw) == ("fsfreeze", how, "/data"), "one needs no shell"


def test_a_command_is_killed_where_it_can_be() -> None:
    assert subprocess.run(scripts.CAN_LIMIT, check=False, timeout=20).returncode == 0
    done = subprocess.run(
        scripts.limited(0.2, (sys.executable, "-c", "import time; time.sleep(99)")), check=False, timeout=30
    )
    assert done.returncode == 124
