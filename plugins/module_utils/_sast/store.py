# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store of findings: newline-delimited JSON, one finding a line, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .._core.errors import BadInput
from .._core.findings import Finding
from .source import unreadable

_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """``sha256`` of the content; ``before`` is the sha256 of what was there (None: nothing)."""

    path: str
    sha256: str
    changed: bool
    before: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """The file of a store, and how many findings it holds."""

    file: Written
    lines: int

    def to_dict(self) -> dict[str, object]:
        return {"path": self.file.path, "sha256": self.file.sha256, "findings": self.lines}


def write(path: str, blocks: Iterable[bytes], lines: int, *, check: bool = False) -> Stored:
    """Make ``path`` a store, as ``write_file`` does it. ``blocks``: ``lines`` of it, several at once."""
    return Stored(write_file(path, blocks, check=check), lines)


def write_file(path: str, pieces: Iterable[bytes], *, what: str = "dest", check: bool = False) -> Written:
    """Make ``path`` hold ``pieces``. The file (mode 0600) appears by one rename; equal content is left alone.

    With ``check`` nothing is written, only compared. Raises BadInput when the place cannot be written; ``what`` is the
    option that named it.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path) or not os.path.isdir(folder):
        why = f"{what} is a directory" if os.path.isdir(path) else f"the directory of {what} does not exist"
        raise BadInput(why, where=path, next="give the path of a file in a directory that exists")
    before = _hash_of(path, what)
    if check:
        digest = _hashed(pieces)
        return Written(path, digest, digest != before, before)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=".knowngood-", dir=folder)
        with os.fdopen(handle, "wb") as file:
            digest = _hashed(pieces, file.write)
            file.flush()
            if digest != before:
                os.fsync(file.fileno())
        if digest != before:
            os.replace(temporary, path)
            temporary = ""
    except OSError as error:
        raise BadInput(f"{what} cannot be written", where=path, why=os.strerror(error.errno or 0)) from error
    finally:
        if temporary:
            os.unlink(temporary)
    return Written(path, digest, digest != before, before)


def read(path: str) -> Iterator[Finding]:
    """The findings of a store. Raises BadInput for a missing file or a line that is no finding."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise BadInput("a line of the store is not JSON", where=f"{path}, line {number}") from error
                if not isinstance(record, dict):
                    raise BadInput("a line of the store is not a finding", where=f"{path}, line {number}")
                yield Finding.from_dict(record)
    except OSError as error:
        raise unreadable(path, error) from error


def _hashed(pieces: Iterable[bytes], write: Callable[[bytes], object] | None = None) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        if write is not None:
            write(piece)
    return digest.hexdigest()


def _hash_of(path: str, what: str) -> str | None:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{what} cannot be read", where=path, why=os.strerror(error.errno or 0)) from error
    return digest.hexdigest()
