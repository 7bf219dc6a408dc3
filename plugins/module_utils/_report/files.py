# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of a report: compared first, replaced in one move, readable by their owner only.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from .._core.errors import BadInput

_MODE = 0o600
_LARGEST = 1 << 28


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def differing(dest: Path, contents: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """Names of the files that are not as wanted (content or mode), each with what is there now (None: nothing).

    Raises BadInput when ``dest`` or a file in it is something else than a directory and plain files.
    """
    if os.path.lexists(dest) and not dest.is_dir():
        raise BadInput("dest is not a directory", where=str(dest), next="name a directory; it is made when missing")
    found: dict[str, bytes | None] = {}
    for name, content in contents.items():
        there, mode = _read(dest / name)
        if there != content or mode != _MODE:
            found[name] = there
    return found


def _read(path: Path) -> tuple[bytes | None, int]:
    try:
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
            raise BadInput("something else stands where the report goes", where=str(path), next="move it away")
        return path.read_bytes(), stat.S_IMODE(facts.st_mode)
    except FileNotFoundError:
        return None, 0
    except OSError as error:
        raise BadInput(
            "the earlier report cannot be read", where=str(path), why=error.strerror or str(error)
        ) from error


def write(dest: Path, contents: Mapping[str, bytes]) -> None:
    """Writes each file in one move: a reader sees the old file or the new one. Raises BadInput."""
    written = 0
    try:
        dest.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in contents.items():
            _replace(dest, name, content)
            written += 1
        _flush(dest)
    except OSError as error:
        raise BadInput(
            "the report cannot be written",
            where=str(dest),
            why=error.strerror or str(error),
            next="give a directory that this user may write to",
            changed=written > 0,
        ) from error


def _replace(dest: Path, name: str, content: bytes) -> None:
    fresh = dest / f".{name}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(fresh, dest / name)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
