# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The instance's control group in every hierarchy (cgroup v1, v2 and both).

It limits nothing, but everything of ours is in it. That makes it the register of our processes: whatever died or was
lost, what is left is found and ended here.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def hierarchies(mountinfo: str) -> list[tuple[Path, bool]]:
    """Mount points in the text of ``/proc/self/mountinfo`` and whether each is version 2; bind mounts are left out."""
    found: dict[str, tuple[Path, bool]] = {}
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind or kind[0] not in ("cgroup", "cgroup2") or fields[3] != "/":
            continue
        found.setdefault(fields[2], (Path(fields[4]), kind[0] == "cgroup2"))
    return list(found.values())


def _roots() -> list[tuple[Path, bool]]:
    return hierarchies(Path("/proc/self/mountinfo").read_text())


def folders(name: str) -> list[Path]:
    """The instance's folder in each hierarchy, whether it exists or not."""
    return [root / name for root, unified in _roots()]


def make(name: str) -> list[Path]:
    """Make the group and a leaf ``system`` in it for our daemons; returns the leaves.

    A leaf, because version 2 allows no processes in a group that has controllers for its children.
    """
    leaves = []
    for root, unified in _roots():
        if unified:
            _enable(root)
        for folder in (root / name, root / name / "system"):
            folder.mkdir(exist_ok=True)
            _inherit_cpuset(folder)
            if unified and folder.name == name:
                _enable(folder)
        leaves.append(root / name / "system")
    return leaves


def _enable(folder: Path) -> None:
    for controller in _CONTROLLERS:
        # Not every kernel has every one, and some are owned by version 1.
        with suppress(OSError):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(folder: Path) -> None:
    """Version 1 starts a cpuset empty, and an empty one takes no processes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        own, parent = folder / name, folder.parent / name
        if own.exists() and parent.exists() and not own.read_text().strip():
            with suppress(OSError):
                own.write_text(parent.read_text())


def _tree(top: Path) -> Iterator[Path]:
    """Folders under ``top``, deepest first."""
    for folder, _folders, _files in os.walk(top, topdown=False):
        yield Path(folder)


def pids(name: str) -> set[int]:
    """Processes in any of the instance's groups, as host process ids."""
    found: set[int] = set()
    for top in folders(name):
        for folder in _tree(top):
            with suppress(OSError):
                found.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
    return found


def end_all(name: str, limit_s: float = 15) -> set[int]:
    """SIGKILL until nothing is left; returns what outlived the limit."""
    end = time.monotonic() + limit_s
    while left := pids(name):
        if time.monotonic() > end:
            return left
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    return set()


def remove(name: str, limit_s: float = 10) -> list[Path]:
    """Remove the empty groups; the kernel needs a moment after the last process. Returns what is left."""
    end = time.monotonic() + limit_s
    while True:
        for top in folders(name):
            for folder in _tree(top):
                with suppress(OSError):
                    folder.rmdir()
        left = [top for top in folders(name) if top.exists()]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)
