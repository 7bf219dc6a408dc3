# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import lifecycle, loops
from tests.cluster.errors import ClusterError, NotUp
from tests.cluster.instance import Instance
from tests.cluster.lifecycle import State
from tests.cluster.loops import Loop
from tests.cluster.namespaces import Process


def test_a_node_s_devices_are_found_by_name_each_after_what_stands_on_it() -> None:
    disk, other, on_disk, on_other = (
        Loop("/dev/loop1", "rig-1 aaa", 71, 0),
        Loop("/dev/loop2", "rig-11 bbb", 72, 0),
        Loop("/dev/loop3", "/dev/loop1", 73, 71),
        Loop("/dev/loop4", "/dev/loop2", 74, 72),
    )
    assert loops.of_node("rig-1", [disk, other, on_disk, on_other]) == [on_disk, disk]
    assert loops.of_node("rig-2", [disk, other]) == []


def test_only_what_a_file_holds_is_its_device(tmp_path: Path) -> None:
    assert loops.of_file(tmp_path / "missing.img") == []


def test_whose_storage_is_used_is_remembered(tmp_path: Path) -> None:
    state = State(Process(1, 2), Process(3, 4), ("s3",), 7)
    state.write(tmp_path / "state.json")
    assert State.read(tmp_path / "state.json") == state


def test_storage_to_share_must_be_another_running_cluster_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "healthy", lambda instance: None)
    for storage in (Instance(1), Instance(2)):
        with pytest.raises(NotUp, match=f"storage of instance {storage.number}"):
            lifecycle.up(Instance(1), storage=storage)


def test_a_machine_without_room_for_watches_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lifecycle.require_watches()

    class Full:
        def inotify_init(self) -> int:
            ctypes.set_errno(24)
            return -1

    def library(*arguments: Any, **options: Any) -> Full:
        return Full()

    monkeypatch.setattr(ctypes, "CDLL", library)
    with pytest.raises(ClusterError, match="max_user_instances"):
        lifecycle.require_watches()
