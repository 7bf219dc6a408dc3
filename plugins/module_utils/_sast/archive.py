# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files inside of zip archives, read where they lie: nothing is unpacked to disk, no name inside is used as a path.

What an archive says of itself is not believed. Its directory is read with a cap; a file in it gives exactly as many
bytes as the directory says, with the checksum it says, or reading it is an error. So what the directory adds up to is
what can come out at most.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from .._core.errors import BadInput
from .options import MEBIBYTE, ReadOptions
from .text import one_line

MAGIC = b"PK\x03\x04"
_EMPTY = b"PK\x05\x06"
_DIRECTORY = 4 * MEBIBYTE
"""The most bytes of an archive's directory: 400 for each of the members that are allowed."""

_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
_UTF8 = 0x800


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside of an archive, as the archive's directory describes it.

    ``name`` is a label and never a path. ``offset``: where it begins; ``packed`` and ``size``: its bytes in the archive
    and unpacked; ``special``: it is a link or a device. As text it is ``archive!name``, as a path it is the archive.
    """

    archive: str
    name: str
    offset: int
    packed: int
    size: int
    checksum: int
    method: int
    flags: int
    special: bool

    def __str__(self) -> str:
        return f"{self.archive}!{self.name}"

    def __fspath__(self) -> str:
        return self.archive


class _Careful(io.BufferedReader):
    """A file that is never asked for more at once than the directory of an honest archive takes."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _DIRECTORY + 1 if size is None or size < 0 else size
        if wanted > _DIRECTORY + 1:
            raise zipfile.BadZipFile(f"its directory takes more than {_DIRECTORY} bytes")
        return super().read(wanted)


def is_archive(path: str) -> bool:
    """Whether a regular file begins like a zip archive. What cannot be read is none; reading it tells why."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return False
    try:
        return stat.S_ISREG(os.fstat(handle).st_mode) and os.read(handle, 4) in (MAGIC, _EMPTY)
    except OSError:
        return False
    finally:
        os.close(handle)


def members(path: str, options: ReadOptions) -> tuple[Member, ...]:
    """The files in an archive, in the order of its directory; folders are left out.

    Raises BadInput for a damaged archive, one with too many members, and one that names two of them alike.
    """
    name = one_line(path)
    try:
        with _Careful(io.FileIO(path)) as file, zipfile.ZipFile(file) as opened:
            entries = opened.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise BadInput("the archive is damaged or cut off", where=name, why=one_line(str(error))[:200]) from None
    if len(entries) > options.max_members:
        why = f"{len(entries)} members, {options.max_members} are allowed"
        raise BadInput("the archive has too many members", where=name, why=why, next="unpack it and name the reports")
    found: dict[str, Member] = {}
    for entry in entries:
        member = _member(path, entry)
        if member.name in found:
            raise BadInput(
                "the archive is ambiguous",
                where=one_line(str(member))[:400],
                why="two of its members have one name",
                next="pack it again",
            )
        found[member.name] = member
    return tuple(member for member in found.values() if not member.name.endswith("/"))


def probe(member: Member) -> None:
    """Raises BadInput for a member that cannot be read: encrypted, packed in an unusual way, or not where it should be.

    Whether it is whole is known only when it was read to its end.
    """
    try:
        with io.FileIO(member.archive) as file:
            next(iter(Content(member, file, 512)), b"")
    except OSError as error:
        raise BadInput("the archive cannot be read", where=one_line(member.archive), why=str(error)) from error


def _member(path: str, entry: zipfile.ZipInfo) -> Member:
    mode = entry.external_attr >> 16
    return Member(
        archive=path,
        name=entry.orig_filename,
        offset=entry.header_offset,
        packed=entry.compress_size,
        size=entry.file_size,
        checksum=entry.CRC,
        method=entry.compress_type,
        flags=entry.flag_bits,
        special=stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR),
    )


class Content:
    """The unpacked bytes of a member, in pieces of at most ``chunk``. ``taken``: bytes read of the archive so far."""

    def __init__(self, member: Member, file: io.FileIO, chunk: int) -> None:
        self.taken = 0
        self._member = member
        self._file = file
        self._chunk = chunk

    def __iter__(self) -> Iterator[bytes]:
        member = self._member
        if member.flags & _ENCRYPTED:
            raise self._refused("it is encrypted", "unpack it with its password and name what comes out")
        if member.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._refused(f"its compression method {member.method} is not supported", "pack it with deflate")
        self._to_the_data()
        pieces = self._packed() if member.method == zipfile.ZIP_STORED else self._inflated()
        size = checksum = 0
        for piece in pieces:
            size += len(piece)
            checksum = zlib.crc32(piece, checksum)
            if size > member.size:
                raise self._damaged(f"more than the {member.size} bytes that the archive's directory says come out")
            yield piece
        if size != member.size or checksum != member.checksum:
            raise self._damaged("its size or its checksum is not what the archive's directory says")

    def _to_the_data(self) -> None:
        member = self._member
        try:
            self._file.seek(member.offset)
            header = _LOCAL.unpack(self._file.read(_LOCAL.size) or b"")
        except (OSError, ValueError, struct.error):
            raise self._damaged("it is not where the archive's directory says") from None
        raw = self._file.read(header[-2]) or b""
        name = raw.decode("utf-8" if header[2] & _UTF8 else "cp437", "replace")
        if header[0] != MAGIC or name != member.name:
            raise self._damaged("the archive's directory gives it another name or place")
        self._file.seek(header[-1], os.SEEK_CUR)

    def _packed(self) -> Iterator[bytes]:
        while self.taken < self._member.packed:
            block = self._file.read(min(self._chunk, self._member.packed - self.taken))
            if not block:
                raise self._damaged("the archive is cut off")
            self.taken += len(block)
            yield block

    def _inflated(self) -> Iterator[bytes]:
        engine = zlib.decompressobj(wbits=-15)
        try:
            for block in self._packed():
                rest = block
                while rest and not engine.eof:
                    piece = engine.decompress(rest, self._chunk)
                    rest = engine.unconsumed_tail
                    while piece:
                        yield piece
                        piece = b"" if rest else engine.decompress(b"", self._chunk)
        except zlib.error as error:
            raise self._damaged(str(error)) from None
        if not engine.eof:
            raise self._damaged("its data end too early")

    def _damaged(self, why: str) -> BadInput:
        return BadInput("a member of the archive is damaged", where=one_line(str(self._member)), why=why)

    def _refused(self, why: str, advice: str) -> BadInput:
        return BadInput(
            "a member of the archive cannot be read", where=one_line(str(self._member)), why=why, next=advice
        )
