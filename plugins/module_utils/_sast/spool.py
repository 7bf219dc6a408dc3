# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A queue of byte records that moves from memory to an unnamed temporary file when it grows."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_BLOCK = 256 * 1024


def opened(record: Mapping[str, Any]) -> str:
    """A record as ``Lines`` wants it."""
    return ENCODE(record)[:-1]


def tail_of(sha256: str) -> str:
    """What closes a record: the hash of its file, which is known only when that was read to its end."""
    return f',"scan":"{sha256}"}}'


def _unnamed_file() -> IO[bytes]:
    """It stays open on purpose, until ``Spool.close``."""
    return tempfile.TemporaryFile(prefix="knowngood-")


class Spool:
    """Records in the order they were put, to be read as often as wanted. At most ``limit`` bytes stay in memory.

    The temporary file has no name, is readable by its owner only, and vanishes with the process.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._file: IO[bytes] | None = None
        # Of what is in the file.
        self._sizes = array("Q")
        self.count = 0

    @property
    def spilled(self) -> bool:
        return self._file is not None

    def put(self, record: bytes) -> None:
        self._held.append(record)
        self._held_bytes += len(record) + 64
        self.count += 1
        if self._held_bytes > self._limit:
            self.spill()

    def __iter__(self) -> Iterator[bytes]:
        if self._file is not None:
            yield from self._from_file(self._file, self._sizes)
        yield from self._held

    def close(self) -> None:
        self._held, self._held_bytes = [], 0
        if self._file is not None:
            self._file.close()
            self._file = None

    def spill(self) -> None:
        """Move what is held in memory to the file."""
        if not self._held:
            return
        if self._file is None:
            self._file = _unnamed_file()
        self._file.seek(0, 2)
        self._file.writelines(self._held)
        self._sizes.extend(map(len, self._held))
        self._held, self._held_bytes = [], 0

    @staticmethod
    def _from_file(file: IO[bytes], sizes: Iterable[int]) -> Iterator[bytes]:
        """The file's records; by absolute position, so that several readers do not disturb each other."""
        file.flush()
        handle, place, buffer, at = file.fileno(), 0, b"", 0
        for size in sizes:
            while len(buffer) - at < size:
                block = os.pread(handle, max(_BLOCK, size - len(buffer) + at), place)
                if not block:
                    raise OSError(errno.EIO, "a temporary file is shorter than what was written to it")
                place += len(block)
                buffer, at = buffer[at:] + block, 0
            # One that is as long as the buffer is given without being copied.
            yield buffer[at : at + size]
            at += size


class Lines:
    """JSON objects in ASCII, one a line, in a spool; many in one record, so that each line costs next to nothing.

    Lines are put without their closing brace, as what is to stand before it may be known only at the end; once it is
    known, whole (``whole_from_now_on``).
    """

    def __init__(self, limit: int) -> None:
        self._spool = Spool(limit)
        self._block: list[str] = []
        self._size = 0
        # So many records have lines without an end; None: all of them.
        self._open: int | None = None
        self.count = 0

    def whole_from_now_on(self) -> None:
        """What is put after this has its end."""
        if self._open is None:
            self._flush()
            self._open = self._spool.count

    def put(self, lines: Sequence[str]) -> None:
        """Lines without their line end; they must not hold one themselves."""
        self._block.extend(lines)
        self._size += sum(map(len, lines))
        self.count += len(lines)
        if self._size > _BLOCK:
            self._flush()

    def blocks(self, tail: bytes = b"}") -> Iterator[bytes]:
        """Whole lines with their ends, several at once, each that is open closed by ``tail``."""
        self._flush()
        end = tail + b"\n"
        for number, block in enumerate(self._spool):
            yield block.replace(b"\n", end) if self._open is None or number < self._open else block

    def close(self) -> None:
        self._block, self._size = [], 0
        self._spool.close()

    def _flush(self) -> None:
        if self._block:
            self._block.append("")
            self._spool.put("\n".join(self._block).encode("ascii"))
            self._block, self._size = [], 0
