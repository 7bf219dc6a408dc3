# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CSV reader with one policy: a header, unique column names, no row longer than the window."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from .._core.errors import BadInput
from .tally import Tally


class Columns:
    """A table that arrives in pieces. ``header``: the names of the columns, without white space around them."""

    def __init__(self, text: Iterator[str], *, name: str, tally: Tally, limit: int) -> None:
        self._name = name
        self._tally = tally
        self._reader = csv.reader(self._lines(text, limit), strict=True)
        self.header = tuple(cell.strip().lstrip("\ufeff") for cell in self._next() or ())
        if len(set(self.header)) != len(self.header):
            raise BadInput("the report is ambiguous", where=name, why="two columns have one name")

    def rows(self) -> Iterator[dict[str, str]]:
        """The rows by column. One that is shorter or longer than the header is counted; what it has is given."""
        while (cells := self._next()) is not None:
            if not cells:
                continue
            if len(cells) != len(self.header):
                self._tally.warn("row_of_other_length", "a row has more or fewer cells than the header")
            yield dict(zip(self.header, cells, strict=False))

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            where = f"{self._name}, line {self._reader.line_num}"
            raise BadInput("the report is not CSV", where=where, why=str(error)) from None

    def _lines(self, text: Iterator[str], limit: int) -> Iterator[str]:
        rest = ""
        for piece in text:
            # Only a line feed ends a line: other separators occur inside of cells.
            *lines, rest = (rest + piece).split("\n")
            for line in lines:
                yield line + "\n"
            if len(rest) > limit:
                why = "a line longer than the window"
                raise BadInput("the report is not CSV we can read", where=self._name, why=why)
        if rest:
            # All that can be seen of a table that is cut off; where a row ends, not even that.
            self._tally.warn("no_line_end", "the last line has no end: the report may be cut off there")
            yield rest
