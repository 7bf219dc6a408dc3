# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loop devices of one cluster. They belong to the whole machine: only what is certainly ours is ever let go of.

The pool's device is known by its file. A volume's device carries ``<node> <volume>`` as its name, which outlives the
paths of a dead mount namespace; the kubelet puts one more device on top of each block volume.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# struct loop_info64 of linux/loop.h: device, inode, rdevice, offset, size limit; four numbers; file name; the rest.
_GET_STATUS64 = 0x4C05
_INFO = struct.Struct("5Q4I64s64s32s2Q")


@dataclass(frozen=True, slots=True)
class Loop:
    """``device`` is its number, ``behind`` that of the block device it stands on (0: it stands on a file)."""

    path: str
    name: str
    device: int
    behind: int


def attached() -> list[Loop]:
    """Every loop device of the machine that is in use."""
    found = []
    for entry in Path("/sys/block").glob("loop*/loop"):
        path = f"/dev/{entry.parent.name}"
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fields = _INFO.unpack(fcntl.ioctl(descriptor, _GET_STATUS64, bytes(_INFO.size)))
                name = fields[9].split(b"\0")[0].decode(errors="replace")
                found.append(Loop(path, name, os.fstat(descriptor).st_rdev, fields[2]))
            finally:
                os.close(descriptor)
    return found


def of_node(node: str, all_attached: Iterable[Loop]) -> list[Loop]:
    """The node's devices, each after what stands on it."""
    known = list(all_attached)
    own = [loop for loop in known if loop.name.startswith(f"{node} ")]
    found: list[Loop] = []
    while own:
        found = [*own, *found]
        devices = {loop.device for loop in own}
        own = [loop for loop in known if loop.behind in devices]
    return found


def of_file(image: Path) -> list[str]:
    """Paths of the devices that hold this very file."""
    if not image.exists():
        return []
    command = ["losetup", "-n", "-O", "NAME", "-j", str(image)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()


def thaw(path: str) -> None:
    """A file system frozen by somebody who died stays so, holds its device and blocks who writes: mounted again, it
    is the same one, and can be thawed."""
    with tempfile.TemporaryDirectory(prefix="kg-thaw-") as folder:
        script = 'mount "$1" "$2" && { fsfreeze --unfreeze "$2"; umount "$2"; }'
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", path, folder]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(command, capture_output=True, check=False, timeout=10)


def left_of(node: str, pool: Path) -> list[str]:
    """Paths of the node's devices in the order in which they can be freed."""
    return [*(loop.path for loop in of_node(node, attached())), *of_file(pool)]


def thaw_all(node: str, pool: Path) -> None:
    """For writers that cannot even be killed, because what they write to is frozen."""
    for path in left_of(node, pool):
        thaw(path)


def free(node: str, pool: Path) -> list[str]:
    """Let go of what a dead cluster left; returns what stays. Autoclear frees most with the last mount, in a moment."""
    if _left_after(node, pool, 2):
        thaw_all(node, pool)
        for path in left_of(node, pool):
            subprocess.run(["losetup", "-d", path], capture_output=True, check=False)
    return _left_after(node, pool, 5)


def _left_after(node: str, pool: Path, limit_s: float) -> list[str]:
    end = time.monotonic() + limit_s
    while (left := left_of(node, pool)) and time.monotonic() < end:
        time.sleep(0.05)
    return left
