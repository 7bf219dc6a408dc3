# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""GitHub's ``primaryLocationLineHash`` of the lines of a source file: an identity that survives shifts of lines.

The hash of a line is a polynomial of base 37 modulo 2**64 over the 100 code units that follow the line's start, spaces
and tabs left out, in lower case hex without leading zeros, then ``:`` and the how-many-eth line (from 1) of the file
with that hash this is. Code units are those of UTF-16, bytes that are no UTF-8 count as U+FFFD, a byte order mark is a
character like others. ``\\r\\n`` and ``\\r`` count as ``\\n``. One unit 65535 ends the file and zeros follow it; a file
that ends with a line break so has a last line that holds nothing else.

Rule and expected values: github/codeql-action, src/fingerprints.ts and its tests.
"""

from __future__ import annotations

import codecs
import sys
from array import array
from collections.abc import Iterable, Iterator

from .._core.errors import BadInput

_UNITS = 100
_BASE = 37
_MASK = 2**64 - 1
_LEAVING = pow(_BASE, _UNITS, 2**64)
_END = 65535
_BREAK = 10
_NATIVE = "utf-16-le" if sys.byteorder == "little" else "utf-16-be"
_BLANKS = str.maketrans("", "", " \t")
MOST_LINES = 500_000
"""Lines of one file: while a file is hashed, each costs about 120 bytes."""


class LineHashes:
    """The hashes of one file: 12 bytes a line."""

    def __init__(self, hashes: array[int]) -> None:
        self._hashes = hashes
        self._occurrences = array("I", _occurrences(hashes))

    def __len__(self) -> int:
        return len(self._hashes)

    def get(self, line: int | None) -> str | None:
        """The hash of a line, counted from 1; None for a line that the file does not have."""
        if line is None or not 1 <= line <= len(self._hashes):
            return None
        return f"{self._hashes[line - 1]:x}:{self._occurrences[line - 1]}"


def hash_lines(blocks: Iterable[bytes], *, most_lines: int = MOST_LINES) -> LineHashes:
    """The hashes of all lines of a file that comes in blocks of any size. Raises BadInput for too many lines."""
    hashes = array("Q")
    for value in _rolled(_units(blocks)):
        if len(hashes) >= most_lines:
            raise BadInput("a source file has too many lines to be hashed", why=f"more than {most_lines}")
        hashes.append(value)
    return LineHashes(hashes)


def _occurrences(hashes: array[int]) -> Iterator[int]:
    seen: dict[int, int] = {}
    for value in hashes:
        seen[value] = count = seen.get(value, 0) + 1
        yield count


def _units(blocks: Iterable[bytes]) -> Iterator[array[int]]:
    """The code units that count, in pieces; the last piece holds the end mark and the zeros after it."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    held = ""
    for block in blocks:
        text = held + decoder.decode(block)
        # What follows decides whether a carriage return at the end of a piece is a break of its own.
        held = "\r" if text.endswith("\r") else ""
        yield _counted(text[:-1] if held else text)
    yield _counted(held + decoder.decode(b"", True))
    yield array("H", [_END] + [0] * (_UNITS - 1))


def _counted(text: str) -> array[int]:
    units = array("H")
    plain = text.replace("\r\n", "\n").replace("\r", "\n").translate(_BLANKS)
    units.frombytes(plain.encode(_NATIVE))
    return units


def _rolled(pieces: Iterable[array[int]]) -> Iterator[int]:
    """The hash of each line, in order: of the 100 units after each break, and of the first 100.

    The window starts as if a break stood before the file. Only one piece and one window are held.
    """
    window = array("H", [0] * (_UNITS - 1) + [_BREAK])
    value = _BREAK
    for piece in pieces:
        held = window + piece
        for entering, leaving in zip(piece, held, strict=False):
            value = (value * _BASE + entering - leaving * _LEAVING) & _MASK
            if leaving == _BREAK:
                yield value
        window = held[len(held) - _UNITS :]
