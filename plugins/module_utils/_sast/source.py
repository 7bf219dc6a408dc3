# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes of one report: opened safely, hashed as stored, unpacked, capped and decoded to text in pieces."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Callable, Iterator
from io import FileIO

from .._core.errors import BadInput
from . import archive
from .archive import Content, Member
from .options import ReadOptions
from .text import one_line

_GZIP = b"\x1f\x8b"
PROJECT = "audit.fvdl"
"""The member that makes a zip archive one report: a Fortify project, whose other members belong to it."""


class Source:
    """One file. ``sha256`` and ``size`` are complete once its blocks are exhausted: of the file as stored, of a member
    of an archive those of its unpacked bytes."""

    def __init__(self, path: str | Member, options: ReadOptions) -> None:
        self.path = path
        self.name = one_line(str(path))
        self._options = options
        self._hash = hashlib.sha256()
        self.size = 0
        self.complete = False
        """Whether all of it was read, so that ``sha256`` and ``size`` are those of all of it."""

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def blocks(self) -> Iterator[bytes]:
        """What the file holds, unpacked, in pieces."""
        with self._open() as file:
            head, blocks = _headed(self._content(file))
            if not head:
                raise BadInput("the report is empty", where=self.name, why="the file holds no bytes")
            yield head
            yield from blocks
        self.complete = True

    def text(self, blocks: Iterator[bytes], *, ends: bool = True) -> Iterator[str]:
        """The blocks decoded: UTF-8, UTF-16 or UTF-32. ``ends``: with the last block the text ends, too.

        Bytes that are no UTF-8 come out as lone surrogates; the cleaner replaces and counts them.
        """
        head, rest = _headed(blocks)
        encoding = json.detect_encoding(head[:4])
        handler = "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass"
        decoder = codecs.getincrementaldecoder(encoding)(handler)
        try:
            yield decoder.decode(head)
            for block in rest:
                yield decoder.decode(block)
            if ends:
                yield decoder.decode(b"", True)
        except UnicodeDecodeError as error:
            raise BadInput(
                "the report is cut off or not text", where=self.name, why=f"{encoding}: {error.reason}"
            ) from error

    def beside(self, name: str) -> Iterator[bytes] | None:
        """Another member of the same Fortify project; None where there is none."""
        if isinstance(self.path, Member) or not archive.is_archive(self.path):
            return None
        member = next((one for one in archive.members(self.path, self._options) if one.name == name), None)
        return self._beside(member) if member is not None else None

    def _beside(self, member: Member) -> Iterator[bytes]:
        with self._open() as file:
            yield from self._unpacked(member, file)

    def _open(self) -> FileIO:
        try:
            # O_NONBLOCK: opening a named pipe must not wait for a writer that never comes.
            handle = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise unreadable(self.name, error) from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise BadInput("the report is not a regular file", where=self.name, next="give a file or a directory")
        return FileIO(handle, "rb")

    def _blocks(self, file: FileIO) -> Iterator[bytes]:
        while True:
            try:
                block = file.read(self._options.chunk)
            except OSError as error:
                raise unreadable(self.name, error) from error
            if not block:
                return
            yield self._counted(block)

    def _counted(self, block: bytes) -> bytes:
        self._hash.update(block)
        self.size += len(block)
        return block

    def _content(self, file: FileIO) -> Iterator[bytes]:
        if isinstance(self.path, Member):
            return (self._counted(block) for block in self._unpacked(self.path, file))
        head, blocks = _headed(self._blocks(file))
        everything = _chain(head, blocks)
        if head.startswith(archive.MAGIC):
            return self._project(self.path, file, everything)
        if head.startswith(_GZIP):
            return self._capped(self._inflated(everything), lambda: self.size)
        return self._capped(everything)

    def _project(self, path: str, file: FileIO, stored: Iterator[bytes]) -> Iterator[bytes]:
        member = next((one for one in archive.members(path, self._options) if one.name == PROJECT), None)
        if member is None:
            raise BadInput(
                "the report is a zip archive of several files", where=self.name, next="name one of its members"
            )
        for _block in self._capped(stored):
            pass
        yield from self._unpacked(member, file)

    def _unpacked(self, member: Member, file: FileIO) -> Iterator[bytes]:
        content = Content(member, file, self._options.chunk)
        return self._capped(iter(content), lambda: content.taken)

    def _capped(self, everything: Iterator[bytes], packed: Callable[[], int] | None = None) -> Iterator[bytes]:
        """``packed``: how many bytes were unpacked so far, for what is packed."""
        total, options = 0, self._options
        for block in everything:
            total += len(block)
            if total > options.max_bytes:
                raise BadInput(
                    "the report is too large",
                    where=self.name,
                    why=f"more than {options.max_bytes} bytes of text",
                    next="raise max_bytes if you trust the file",
                )
            if packed and total > max(options.ratio_from, options.max_ratio * packed()):
                raise BadInput(
                    "the report looks like a decompression bomb",
                    where=self.name,
                    why=f"{packed()} bytes became more than {total}: over {options.max_ratio} to 1",
                    next="unpack it yourself if you trust the file",
                )
            yield block

    def _inflated(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """All members of a gzip file, in pieces of at most one chunk, so that a bomb never unfolds at once."""
        engine, unfinished, piece_size = zlib.decompressobj(wbits=31), False, self._options.chunk
        try:
            for block in blocks:
                # Padding with zeros after a member is allowed; anything else must be a further member.
                rest = block if unfinished else block.lstrip(b"\0")
                while rest:
                    unfinished = True
                    piece = engine.decompress(rest, piece_size)
                    rest = engine.unconsumed_tail
                    while piece:
                        yield piece
                        piece = b"" if rest else engine.decompress(b"", piece_size)
                    if engine.eof:
                        rest = engine.unused_data.lstrip(b"\0")
                        engine, unfinished = zlib.decompressobj(wbits=31), False
        except zlib.error as error:
            raise BadInput("the report is a damaged gzip file", where=self.name, why=str(error)) from error
        if unfinished:
            raise BadInput("the report is cut off", where=self.name, why="the gzip data ends too early")


def unreadable(path: str, error: OSError) -> BadInput:
    """The one sentence for a file that cannot be opened or read."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return BadInput("there is no such report", where=path, next="check the path, or produce the report first")
    return BadInput("the report cannot be read", where=path, why=os.strerror(error.errno or 0))


def _headed(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Enough of the beginning to tell what it is (4 bytes, unless there are fewer), and the rest."""
    head = b""
    while len(head) < 4:
        block = next(blocks, b"")
        if not block:
            break
        head += block
    return head, blocks


def _chain(head: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from blocks
