# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An XML reader that holds one element at a time: memory stays bounded however long the document is.

Expat does the parsing. Declarations of types and entities are refused outright, wherever they stand, so nothing expands
and nothing is fetched. Names come without their namespace: the producers of reports disagree about it.

Inside an element that is wanted whole, the parser calls the tree builder without a detour through Python, which is what
makes it fast. How much that element holds is looked at after each block; once it is too much, the rest is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from .._core.errors import BadInput
from .tally import Tally

MAX_DEPTH = 200


class Markup:
    """A document that arrives in pieces. ``root`` and ``attributes`` are known once the first element was seen.

    ``wanted``: the names of the elements to be given whole. One inside another is a part of the outer one. What is
    below an element beyond ``limit`` bytes (and one block) is left out and counted in ``tally``. ``opened``: the names
    of elements around the wanted ones that are given when they begin, with their attributes and nothing else, and when
    they end, with a slash before the name.
    ``hollow``: the names of elements of which the attributes are all that is wanted; nothing inside is looked at.
    """

    def __init__(
        self,
        blocks: Iterator[bytes],
        *,
        wanted: Collection[str],
        opened: Collection[str] = (),
        hollow: Collection[str] = (),
        name: str,
        tally: Tally,
        limit: int,
    ) -> None:
        self.root = ""
        self.attributes: dict[str, str] = {}
        self._blocks = blocks
        self._wanted = frozenset(wanted)
        self._opened = frozenset(opened)
        self._hollow = frozenset(hollow)
        self._name = name
        self._tally = tally
        self._limit = limit
        self._fed = 0
        self._depth = 0
        self._builder = TreeBuilder()
        self._whole: Element | None = None
        self._shell = ""
        self._begins = 0
        self._nodes = 0
        self._passed = 0
        self._namespaces = False
        self._outlining = False
        self._ready: list[Element] = []
        self._seen: list[str] = []
        self._parser = self._make_parser()

    def elements(self) -> Iterator[Element]:
        """The wanted elements in the document's order, each when it is complete, and the opened ones around them."""
        for block in self._blocks:
            self._feed(block)
            if self._ready:
                ready, self._ready = self._ready, []
                yield from ready
        self._feed(b"", final=True)
        yield from self._ready

    def outline(self) -> Iterator[str]:
        """The names of the root's children; takes what there is and does not ask for the document's end."""
        self._outlining = True
        for block in self._blocks:
            self._feed(block)
            yield from self._seen
            self._seen.clear()

    def _make_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartNamespaceDeclHandler = self._declare
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
        self._fed += len(block)
        if self._fed - self._parser.CurrentByteIndex > self._limit + len(block):
            # The parser begins such a piece anew with every block, which would take forever.
            why = "a tag or a comment is longer than the window"
            raise BadInput("the report is not XML we can read", where=self._name, why=why)
        if self._whole is not None:
            self._look_at_open(self._whole)
        elif self._shell:
            self._parser.StartElementHandler = self._pass_start

    def _look_at_open(self, whole: Element) -> None:
        """What an element that goes on in the next block holds so far: neither too deep nor too much of it."""
        inner, depth = whole, self._depth
        while len(inner):
            inner, depth = inner[-1], depth + 1
            if depth > MAX_DEPTH:
                raise self._too_deep()
        if self._parser.CurrentByteIndex - self._begins > self._limit:
            self._parser.StartElementHandler = self._pass_start
            self._parser.EndElementHandler = self._pass_end
            self._parser.CharacterDataHandler = self._pass_text

    def _refuse(self, *_declaration: object) -> None:
        raise BadInput(
            "the report declares a document type or an entity",
            where=f"{self._name}, line {self._parser.CurrentLineNumber}",
            why="no report needs one, and attacks do",
            next="produce the report without a DOCTYPE",
        )

    def _too_deep(self) -> BadInput:
        return BadInput("the report is nested too deeply", where=self._name, why=f"more than {MAX_DEPTH} elements")

    def _declare(self, *_declaration: object) -> None:
        self._namespaces = True

    # -- around the wanted elements --------------------------------------------------------------------------

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        name = _local(tag)
        if self._depth > MAX_DEPTH:
            raise self._too_deep()
        if self._depth == 1:
            self.root, self.attributes = name, attributes
        elif self._depth == 2 and self._outlining:
            self._seen.append(name)
        if name in self._wanted:
            self._begin(name, attributes)
        elif name in self._hollow:
            self._ready.append(Element(name, attributes))
            self._shell, self._passed = tag, 0
            self._parser.StartElementHandler, self._parser.EndElementHandler = None, self._end_shell
        elif name in self._opened:
            self._ready.append(Element(name, attributes))

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if self._opened and _local(tag) in self._opened:
            self._ready.append(Element("/" + _local(tag)))

    # -- inside of one ---------------------------------------------------------------------------------------

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        parser, self._builder = self._parser, TreeBuilder()
        self._whole = self._builder.start(name, attributes)
        self._begins, self._nodes, self._passed = parser.CurrentByteIndex, 0, 0
        parser.StartElementHandler = self._builder.start
        parser.EndElementHandler = self._end_inside
        parser.CharacterDataHandler = self._builder.data

    def _end_inside(self, tag: str) -> None:
        self._nodes += 1
        closed = self._builder.end(tag)
        if closed is self._whole:
            self._complete(closed)

    def _complete(self, whole: Element) -> None:
        self._leave()
        if self._nodes > MAX_DEPTH - self._depth and _depth_of(whole) > MAX_DEPTH - self._depth:
            raise self._too_deep()
        if self._namespaces:
            for node in whole.iter():
                node.tag = _local(node.tag)
        self._ready.append(whole)

    def _end_shell(self, tag: str) -> None:
        """Elements of one name inside each other are not told apart here before a block ends: no report has them."""
        if self._passed:
            self._passed -= 1
        elif tag == self._shell:
            self._leave()

    def _leave(self) -> None:
        parser, self._whole, self._shell = self._parser, None, ""
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._end
        parser.CharacterDataHandler = None
        self._depth -= 1

    # -- and in what of it is too much -----------------------------------------------------------------------

    def _pass_start(self, _tag: str, _attributes: dict[str, str]) -> None:
        if not self._passed and self._whole is not None:
            self._tally.cut("parts of elements longer than the window", 0, 1)
        self._passed += 1
        if self._depth + self._passed > MAX_DEPTH:
            raise self._too_deep()

    def _pass_end(self, tag: str) -> None:
        if self._passed:
            self._passed -= 1
        else:
            self._end_inside(tag)

    def _pass_text(self, text: str) -> None:
        if not self._passed:
            self._tally.cut("characters of elements longer than the window", 0, len(text))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _depth_of(whole: Element) -> int:
    """How many levels an element has, itself included."""
    levels, row = 0, [whole]
    while row:
        levels, row = levels + 1, [child for node in row for child in node]
    return levels
