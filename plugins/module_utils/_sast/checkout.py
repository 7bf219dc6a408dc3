# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Source files of a checkout, opened by the paths that a report names: never anything outside of the declared root.

A report may come from anybody, and so may the content of the checkout (links in it are the author's). Each path is
walked name by name from an open directory, no link is followed, ``..`` is refused, and only regular files of a bounded
size are opened: no pipe that waits, no device that acts. What stays to the owner of the root: hard links and mounts
inside of it cannot be told from its own files. ``.git`` is not source and is not opened.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from typing import BinaryIO

from .._core.errors import BadInput
from .linehash import LineHashes, hash_lines
from .options import MEBIBYTE
from .tally import Tally
from .text import one_line

_BLOCK = 128 * 1024
_MOST_PARTS = 256
# Lines of hashed files that are remembered: 12 bytes each.
_REMEMBERED_LINES = 2_000_000
_BREAKS = re.compile(r"\r\n|\r|\n")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK, O_NOCTTY: should a file become a pipe or a terminal between the look and the opening, nothing happens.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Checkout:
    """The files below ``root``, each of at most ``max_bytes``. Close it, or use ``with``.

    ``root`` itself may be a link: it is the caller's word. Raises BadInput when it is no directory that can be read.
    """

    def __init__(self, root: str | os.PathLike[str], *, max_bytes: int = 16 * MEBIBYTE) -> None:
        self.root = os.fspath(root)
        self._max_bytes = max_bytes
        try:
            self._handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            why = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
            raise BadInput(
                "the checkout cannot be read", where=one_line(str(self.root)), why=why, next="name a directory"
            ) from error

    def __enter__(self) -> Checkout:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def open(self, path: str) -> BinaryIO:
        """A regular file, by its path relative to the root with "/". Raises BadInput for everything else."""
        *folders, name = _parts(path)
        handle = os.dup(self._handle)
        try:
            for folder in folders:
                inner = os.open(folder, _DIRECTORY, dir_fd=handle)
                os.close(handle)
                handle = inner
            return os.fdopen(self._opened(path, name, handle), "rb", buffering=0)
        except OSError as error:
            raise _refused(path, _why(error)) from error
        finally:
            os.close(handle)

    def blocks(self, path: str) -> Iterator[bytes]:
        """The bytes of a file, in blocks; a file that grows beyond the cap while it is read is refused as well."""
        total = 0
        with self.open(path) as file:
            while block := self._read(path, file):
                total += len(block)
                if total > self._max_bytes:
                    raise self._too_large(path)
                yield block

    def lines(self, path: str) -> list[str]:
        """The lines without their ends, as editors and SARIF count them; bytes that are no UTF-8 become U+FFFD."""
        return _BREAKS.split(b"".join(self.blocks(path)).decode("utf-8", "replace"))

    def _opened(self, path: str, name: bytes, folder: int) -> int:
        # Looked at before it is opened: opening some devices acts on them.
        self._check(path, os.stat(name, dir_fd=folder, follow_symlinks=False))
        handle = os.open(name, _FILE, dir_fd=folder)
        try:
            self._check(path, os.fstat(handle))
        except BaseException:
            os.close(handle)
            raise
        return handle

    def _check(self, path: str, seen: os.stat_result) -> None:
        if stat.S_ISLNK(seen.st_mode):
            raise _refused(path, "it is a link")
        if not stat.S_ISREG(seen.st_mode):
            raise _refused(path, "it is not a regular file")
        if seen.st_size > self._max_bytes:
            raise self._too_large(path)

    def _read(self, path: str, file: BinaryIO) -> bytes:
        try:
            return file.read(_BLOCK)
        except OSError as error:
            raise _refused(path, _why(error)) from error

    def _too_large(self, path: str) -> BadInput:
        return _refused(path, f"it is larger than {self._max_bytes} bytes")


class SourceLines:
    """Line hashes of the files of a checkout: each file is hashed once, the last used ones are remembered.

    A file that cannot be opened gives no hashes; each is counted once in ``tally`` as ``source_not_read``.
    """

    def __init__(self, checkout: Checkout, tally: Tally) -> None:
        self._checkout = checkout
        self._tally = tally
        self._known: dict[str, LineHashes | None] = {}
        self._held = 0

    def hash(self, path: str, line: int | None) -> str | None:
        """The hash of one line, or None when the file or the line is not there."""
        hashes = self._of(path)
        return hashes.get(line) if hashes is not None else None

    def _of(self, path: str) -> LineHashes | None:
        if path in self._known:
            # Put last: the first are the next to be forgotten.
            hashes = self._known.pop(path)
        else:
            hashes = self._hashed(path)
            self._held += _weight(hashes)
        self._known[path] = hashes
        while self._held > _REMEMBERED_LINES and len(self._known) > 1:
            self._held -= _weight(self._known.pop(next(iter(self._known))))
        return hashes

    def _hashed(self, path: str) -> LineHashes | None:
        try:
            return hash_lines(self._checkout.blocks(path))
        except BadInput as error:
            first = f"{one_line(path)[:200]}: {error.why}"
            self._tally.warn("source_not_read", "a source file that a finding names could not be read", first)
            return None


def line_hashes(checkout: Checkout, path: str, lines: Collection[int], *, tally: Tally | None = None) -> dict[int, str]:
    """The hashes of some lines of one file. Lines that the file does not have, or all of a file that cannot be opened,
    are left out (the latter is counted in ``tally``)."""
    source = SourceLines(checkout, tally or Tally())
    found = {line: source.hash(path, line) for line in lines}
    return {line: value for line, value in found.items() if value is not None}


def _weight(hashes: LineHashes | None) -> int:
    """A file costs something even without lines."""
    return 20 + (len(hashes) if hashes is not None else 0)


def _parts(path: str) -> list[bytes]:
    """The names on the way to a file. Refuses what leads out, what is no name, and what is absurdly long."""
    if not path or "\0" in path:
        raise _refused(path, "it is empty" if not path else "it holds a NUL character")
    if path.startswith("/"):
        raise _refused(path, "it is absolute")
    try:
        names = [name for name in os.fsencode(path).split(b"/") if name not in (b"", b".")]
    except UnicodeEncodeError:
        raise _refused(path, "it holds characters that no file name has") from None
    if b".." in names:
        raise _refused(path, "it climbs out of a directory")
    if not names or path.endswith("/"):
        raise _refused(path, "it names a directory")
    if len(names) > _MOST_PARTS:
        raise _refused(path, f"it has more than {_MOST_PARTS} parts")
    if any(name.lower() == b".git" for name in names):
        raise _refused(path, "it belongs to git, not to the source")
    return names


def _why(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link is on the way"
    if error.errno == errno.ENOTDIR:
        return "a part of it is a link or a file, not a directory"
    return os.strerror(error.errno or 0)


def _refused(path: str, why: str) -> BadInput:
    return BadInput(
        "a source file is not opened", where=one_line(path)[:300], why=why, next="give a path inside the checkout"
    )
