# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be seen of a file from its beginning: enough to tell the formats apart, by content and never by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .tally import Tally
from .text import one_line
from .window import Window

JSON, XML, CSV, TEXT = "json", "xml", "csv", "text"
HEAD = 1024 * 1024
"""Bytes of a file that are looked at."""

_DEPTH = 4
_TELLING = "runs"
"""Only SARIF has a list of them; most of a report stands in it and need not be looked at twice."""
_MOST_NAMES = 200
_SHOWN = 12
_CHILDREN = 20
_WORDS = {"{": "object", "[": "list", '"': "string", "t": "boolean", "f": "boolean", "n": "null"}


@dataclass(slots=True)
class Peek:
    """A JSON value as far as it was seen. ``type``: object, list, string, number, boolean or null, "" before it began.

    ``names``: of an object, its members. ``first``: of a list, its first entry, None when it has none (or none was
    seen). ``value``: of a string, a number or a boolean, the value.
    """

    type: str = ""
    names: dict[str, Peek] = field(default_factory=dict)
    first: Peek | None = None
    value: Any = None

    def at(self, *path: str) -> Peek:
        """What is at a path of names; a list stands for its first entry. An empty Peek where nothing is."""
        here = self
        for name in path:
            while here.type == "list" and here.first is not None:
                here = here.first
            here = here.names.get(name, _NOTHING)
        return here

    def has(self, *names: str) -> bool:
        """Whether the object at hand (or the first entry of the list at hand) has all these members."""
        inner = self.first if self.type == "list" else self
        return inner is not None and inner.type == "object" and all(name in inner.names for name in names)


_NOTHING = Peek()


@dataclass(frozen=True, slots=True)
class Look:
    """``container``: json, xml, csv or text. ``complete``: the whole file was seen.

    ``json``: the outermost value. ``root``, ``attributes``, ``children``: the name of the XML root element without its
    namespace, its attributes, and the names of its first children. ``header``: the columns of CSV.
    ``problem``: why a file that was seen whole cannot be read.
    """

    container: str
    complete: bool = True
    json: Peek = field(default_factory=Peek)
    root: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    problem: BadInput | None = None

    def told(self) -> str:
        """What was seen, in words for an error."""
        if self.container == JSON and self.json.type == "object":
            return f"a JSON object with {_listed('name', self.json.names)}"
        if self.container == JSON:
            inside = self.json.first
            of = f" of objects with {_listed('name', inside.names)}" if inside and inside.type == "object" else ""
            return f"a JSON {self.json.type or 'document'}{of}"
        if self.container == XML:
            return f"XML with the root element {one_line(self.root)[:60] or '(none)'}"
        if self.container == CSV:
            return f"a table with {_listed('column', self.header)}"
        return "text that is neither JSON, XML nor CSV"


def _listed(word: str, names: Any) -> str:
    shown = [one_line(str(name))[:40] for name in list(names)[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"the {word}s {', '.join(shown)}{more}" if shown else f"no {word}s"


def look(head: bytes, text: Iterator[str], *, complete: bool, name: str) -> Look:
    """``head``: the first bytes, at most HEAD of them; ``text``: the same decoded. ``complete``: there are no more."""
    decoded = "".join(text).lstrip("\ufeff")
    first = decoded.lstrip()[:1]
    if not first and complete:
        problem = BadInput("the report is empty", where=name, why="the file holds nothing but white space")
        return Look(TEXT, problem=problem)
    if first in ("{", "["):
        return _look_at_json(decoded, complete=complete, name=name)
    if first == "<":
        return _look_at_xml(head, complete=complete, name=name)
    header = _header(decoded)
    return Look(CSV if len(header) > 1 else TEXT, complete, header=header)


def _look_at_json(text: str, *, complete: bool, name: str) -> Look:
    window = Window(iter((text,)), name=name, tally=Tally(), limit=2 * HEAD)
    outer, problem = Peek(), None
    try:
        _peek(window, outer, _DEPTH)
        window.finish()
    except _Enough:
        complete = False
    except BadInput as error:
        problem = error if complete else None
    except RecursionError:
        problem = BadInput("the report is nested too deeply", where=name)
    return Look(JSON, complete, json=outer, problem=problem)


class _Enough(Exception):
    """What was seen tells the format."""


def _peek(window: Window, into: Peek, depth: int) -> None:
    """Fills ``into`` step by step, so that what was seen before the text ended is kept."""
    into.type = _WORDS.get(window.peek(), "number")
    if into.type == "object" and depth:
        for name in window.members(unique=False):
            if len(into.names) >= _MOST_NAMES:
                window.skip()
                continue
            into.names[name] = Peek()
            if depth == _DEPTH and name == _TELLING and window.peek() in ("[", "n"):
                into.names[name].type = _WORDS[window.peek()]
                raise _Enough
            _peek(window, into.names[name], depth - 1)
    elif into.type == "list" and depth:
        for position in window.items():
            if position:
                window.skip()
            else:
                into.first = Peek()
                _peek(window, into.first, depth - 1)
    elif into.type in ("object", "list"):
        window.skip()
    else:
        into.value = window.value()


def _look_at_xml(head: bytes, *, complete: bool, name: str) -> Look:
    from .markup import Markup

    markup = Markup(iter((head,)), wanted=(), name=name, tally=Tally(), limit=HEAD)
    children: list[str] = []
    problem = None
    try:
        for child in markup.outline():
            children.append(child)
            if len(children) >= _CHILDREN:
                break
    except BadInput as error:
        problem = error if complete or not markup.root else None
    return Look(
        XML, complete, root=markup.root, attributes=markup.attributes, children=tuple(children), problem=problem
    )


def _header(text: str) -> tuple[str, ...]:
    """The cells of the first line, when it can be a header: all of them short names."""
    import csv
    import io

    line = text.partition("\n")[0][:8192].strip("\r")
    try:
        cells = next(csv.reader(io.StringIO(line)), [])
    except csv.Error:
        return ()
    named = [cell.strip() for cell in cells]
    return tuple(named) if all(cell and len(cell) <= 60 for cell in named) else ()
