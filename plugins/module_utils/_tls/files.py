# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on this machine: replaced at once or not at all, and believed only where nobody else can write them.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from .._core.errors import BadInput

PRIVATE = 0o600
_OTHERS = 0o077


def replace(target: Path, content: bytes, mode: int) -> None:
    """Beside it, then renamed over it: a reader sees the old file or the new one. Raises OSError."""
    handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.chmod(beside, mode)
        os.replace(beside, target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


def private_directory(path: str, option: str) -> Path:
    """The directory, made where it is missing. Raises BadInput where others can look into it or write to it."""
    found = Path(path).expanduser()
    try:
        with contextlib.suppress(FileExistsError):
            found.mkdir(mode=0o700)
        facts = os.lstat(found)
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"the directory of {option} cannot be used", where=str(found), why=why) from error
    if not stat.S_ISDIR(facts.st_mode):
        raise BadInput(f"{option} is not a directory", where=str(found), next="name a directory of your own")
    if facts.st_uid != os.geteuid() or facts.st_mode & _OTHERS:
        why = f"it belongs to user {facts.st_uid} and has mode {stat.S_IMODE(facts.st_mode):04o}"
        raise BadInput(f"the directory of {option} is not private", where=str(found), why=why, next="chmod 0700 it")
    return found


def read_private(path: Path) -> bytes | None:
    """A file that nobody else could have written; None where there is none. Raises ValueError with what is wrong."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError("it is not a plain file")
        if facts.st_uid != os.geteuid() or facts.st_mode & _OTHERS:
            raise ValueError(f"it belongs to user {facts.st_uid} with mode {stat.S_IMODE(facts.st_mode):04o}")
        return file.read()
