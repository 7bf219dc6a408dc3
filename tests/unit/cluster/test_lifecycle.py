# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands before anything is started."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cluster import extras, lifecycle
from tests.cluster.__main__ import main
from tests.cluster.errors import ClusterError, NotRoot, NotUp
from tests.cluster.instance import Instance
from tests.cluster.lifecycle import State
from tests.cluster.namespaces import Process


def test_state_survives_being_stored_and_nonsense_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state = State(Process(1, 2), Process(3, 4), ("s3",))
    state.write(path)
    assert State.read(path) == state
    for nonsense in ("", "{}", "[]", json.dumps({"outer": [1], "init": [3, 4], "extras": []})):
        path.write_text(nonsense)
        assert State.read(path) is None
    assert State.read(tmp_path / "missing") is None


def test_extras_come_in_order_with_what_they_stand_on() -> None:
    assert extras.normalize(("kwok", "velero")) == ("s3", "velero", "kwok")
    assert extras.normalize(()) == ()


def test_a_user_s_own_cluster_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(lifecycle, "up", _never)
    monkeypatch.setattr(lifecycle, "down", _never)
    assert main(["up"]) == main(["down"]) == main(["env"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"export KUBECONFIG={kubeconfig}\n"
    assert "nothing is started or stopped" in shown.err


def _never(*_: object) -> None:
    raise AssertionError("a user's own cluster must not be touched")


def test_an_existing_cluster_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_EXISTING_CLUSTER", "true")
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(ClusterError, match="needs KUBECONFIG"):
        lifecycle.existing_cluster()


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USE_EXISTING_CLUSTER", raising=False)


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("command", ["build", "up", "down"])
def test_without_root_one_sentence_and_a_code_of_its_own(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main([command, "--instance", "15"]) == NotRoot.exit_code
    said = capsys.readouterr().err.strip()
    assert said.endswith("run this as root.")
    assert "\n" not in said


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("command", [["env"], ["status"], ["image", "--name", "a"]])
def test_what_needs_a_running_cluster_says_how_to_start_one(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.cluster.paths.RUN", tmp_path)
    assert main([*command, "--instance", "15"]) == NotUp.exit_code
    assert "python -m tests.cluster up" in capsys.readouterr().err


@pytest.mark.usefixtures("ours")
def test_image_options_are_checked_before_anything_is_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["image", "--name", "a", "--add", "nothing"]) == 1
    assert "'nothing' is not of the form A:B" in capsys.readouterr().err
    assert main(["image", "--name", "a", "--add", f"{tmp_path}/missing:/srv/a"]) == 1
    assert "missing: no such file" in capsys.readouterr().err


def test_paths_of_a_run_carry_the_instance() -> None:
    assert Instance(2).kubeconfig("alice").parts[-3:] == ("2", "kubeconfig", "alice")
