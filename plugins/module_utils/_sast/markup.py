# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An XML reader that holds one element at a time: memory stays bounded however long the document is.

Expat does the parsing. Declarations of types and entities are refused outright, wherever they stand, so nothing expands
and nothing is fetched. Names come without their namespace: the producers of reports disagree about it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from .._core.errors import BadInput
from .tally import Tally

MAX_DEPTH = 200
_NODE = 100
"""What an element counts for besides its text, in characters."""


class Markup:
    """A document that arrives in pieces. ``root`` and ``attributes`` are known once the first element was seen.

    ``wanted``: the names of the elements to be given whole. One inside another is a part of the outer one. What is
    below an element beyond ``limit`` characters is left out and counted in ``tally``.
    """

    def __init__(
        self, blocks: Iterator[bytes], *, wanted: Collection[str], name: str, tally: Tally, limit: int
    ) -> None:
        self.root = ""
        self.attributes: dict[str, str] = {}
        self._blocks = blocks
        self._wanted = frozenset(wanted)
        self._name = name
        self._tally = tally
        self._limit = limit
        self._depth = 0
        self._builder: TreeBuilder | None = None
        self._opened_at = 0
        self._size = 0
        self._skipping = 0
        self._ready: list[Element] = []
        self._seen: list[str] = []
        self._parser = self._make_parser()

    def elements(self) -> Iterator[Element]:
        """The wanted elements in the document's order, each when it is complete."""
        for block in self._blocks:
            self._feed(block)
            if self._ready:
                ready, self._ready = self._ready, []
                yield from ready
        self._feed(b"", final=True)
        yield from self._ready

    def outline(self) -> Iterator[str]:
        """The names of the root's children; takes what there is and does not ask for the document's end."""
        for block in self._blocks:
            self._feed(block)
            yield from self._seen
            self._seen.clear()

    def _make_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        return parser

    def _feed(self, block: bytes, *, final: bool = False) -> None:
        try:
            self._parser.Parse(block, final)
        except expat.ExpatError as error:
            where = f"{self._name}, line {error.lineno}, column {error.offset + 1}"
            why = expat.ErrorString(error.code)
            if why in ("no element found", "unclosed token", "partial character"):
                raise BadInput("the report is cut off", where=where, why=why) from None
            raise BadInput("the report is not XML", where=where, why=why, next="produce the report again") from None
        except (ValueError, LookupError) as error:
            raise BadInput("the report is not XML we can read", where=self._name, why=str(error)) from None

    def _refuse(self, *_declaration: object) -> None:
        raise BadInput(
            "the report declares a document type or an entity",
            where=f"{self._name}, line {self._parser.CurrentLineNumber}",
            why="no report needs one, and attacks do",
            next="produce the report without a DOCTYPE",
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        name = tag.rpartition("}")[2]
        if self._depth > MAX_DEPTH:
            raise BadInput("the report is nested too deeply", where=self._name, why=f"more than {MAX_DEPTH} elements")
        if self._builder is None:
            if self._depth == 1:
                self.root, self.attributes = name, attributes
            elif self._depth == 2 and not self._wanted:
                self._seen.append(name)
            if name in self._wanted:
                self._builder, self._opened_at, self._size = TreeBuilder(), self._depth, 0
                self._parser.CharacterDataHandler = self._text
                self._builder.start(name, attributes)
            return
        if self._skipping:
            return
        self._size += _NODE + sum(map(len, attributes.values()))
        if self._size > self._limit:
            self._skipping = self._depth
            self._tally.cut("parts of elements longer than the window", 0, 1)
            return
        self._builder.start(name, attributes)

    def _end(self, tag: str) -> None:
        depth, self._depth = self._depth, self._depth - 1
        builder = self._builder
        if builder is None:
            return
        if self._skipping:
            if depth == self._skipping:
                self._skipping = 0
            return
        builder.end(tag.rpartition("}")[2])
        if depth == self._opened_at:
            self._ready.append(builder.close())
            self._builder = self._parser.CharacterDataHandler = None

    def _text(self, text: str) -> None:
        if self._skipping or self._builder is None:
            return
        self._size += len(text)
        if self._size > self._limit:
            self._tally.cut("characters of elements longer than the window", 0, len(text))
        else:
            self._builder.data(text)
