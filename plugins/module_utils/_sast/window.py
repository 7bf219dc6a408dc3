# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A JSON reader over a sliding window of text: memory stays bounded however long the document is.

The outer structure is walked by hand; each value that fits into the window is decoded by the C scanner of the standard
library. A bigger value is walked too and pruned to the keys that the caller wants. What is passed over is still parsed,
so a malformed document is an error wherever it is malformed (inside a string longer than the window only its end is
looked for).

Policy: NaN and Infinity are refused, so are numbers that do not fit, text after the document, nesting deeper than the
recursion limit of the scanner or than MAX_DEPTH walked levels, and names that occur twice in a walked object whose
names matter. Inside values decoded in one piece the last of two equal names wins, as in ``json``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from .._core.errors import BadInput
from .tally import Tally

MAX_DEPTH = 64
LIST_CAP = 1000

Keep: TypeAlias = "dict[str, Keep] | None"
"""Which keys of a value too big for the window are kept, level by level; None keeps all."""

_SPACE = re.compile(r"[ \t\n\r]*")
# A comma and the brace of the next object: whatever follows, one more entry has to be read.
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*\{")
_STRING_BODY = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_HALF_NUMBER = re.compile(r"[.eE+-]{0,2}")
_HALF_TOKEN = re.compile(r"[-+.eE]{1,3}|\\?u?[0-9a-fA-F]{0,4}")
_AT_ONCE = 64
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where what the pattern takes from there ends."""
    found = pattern.match(text, at)
    return found.end() if found else at


class _TooLong(Exception):
    """The value at hand is longer than the window."""


class _BadNumber(ValueError):
    pass


def _refuse_constant(name: str) -> Any:
    raise _BadNumber(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _BadNumber(f"{text[:40]} does not fit a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_DECODE = _DECODER.raw_decode
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]


class Window:
    """A cursor over a JSON document that arrives in pieces.

    ``members`` and ``items`` are generators: at each step the caller consumes exactly one value with ``value``,
    ``skip``, ``members`` or ``items``. ``name`` is the file's name for error messages.
    """

    def __init__(self, chunks: Iterator[str], *, name: str, tally: Tally, limit: int) -> None:
        self._chunks = chunks
        self._name = name
        self._tally = tally
        self._limit = limit
        self._text = ""
        self._pos = 0
        self._base = 0
        self._depth = 0

    def peek(self) -> str:
        """The next character that is not white space, or an empty string at the end."""
        while True:
            if self._pos < len(self._text):
                char = self._text[self._pos]
                if char not in " \t\n\r":
                    return char
                self._pos = _end(_SPACE, self._text, self._pos)
            elif not self._grow():
                return ""

    def value(self, keep: Keep = None) -> Any:
        """The next value. One longer than the window is pruned to ``keep``, lists capped, long strings emptied."""
        try:
            return self._whole()
        except _TooLong:
            return self._pruned(keep)

    def skip(self) -> None:
        """Pass over the next value, whatever its length."""
        try:
            self._whole()
            return
        except _TooLong:
            first = self.peek()
        if first == "{":
            for _name in self.members(unique=False):
                self.skip()
        elif first == "[":
            for _position in self.items():
                while self._objects():
                    pass
                self.skip()
        else:
            self._pass_string()

    def members(self, *, unique: bool = True) -> Iterator[str]:
        """The names of the object at hand. ``unique``: a name that occurs twice is an error."""
        self._enter("{", "an object")
        seen: set[str] = set()
        if self.peek() == "}":
            self._leave()
            return
        while True:
            name = self._name_of_member()
            if unique:
                if name in seen:
                    raise self._problem("the report is ambiguous", f"{ascii(name[:40])} occurs twice in one object")
                seen.add(name)
            yield name
            if self._next_or_end("}"):
                return

    def items(self) -> Iterator[int]:
        """The positions of the list at hand."""
        self._enter("[", "a list")
        if self.peek() == "]":
            self._leave()
            return
        position = 0
        while True:
            yield position
            position += 1
            if self._next_or_end("]"):
                return

    def entries(self, keep: Keep = None) -> Iterator[Any]:
        """The values of the list at hand, as ``items`` with ``value`` would give them."""
        for batch in self.batches(keep):
            yield from batch

    def batches(self, keep: Keep = None) -> Iterator[list[Any]]:
        """The same, several at once where they are small.

        Lists of small objects are most of a report. While an object and the comma behind it lie in the window, nothing
        has to be asked twice; all else goes the long way.
        """
        for _position in self.items():
            while batch := self._objects():
                yield batch
            yield [self.value(keep)]

    def _objects(self) -> list[Any]:
        """Objects that lie in the window, each with the comma behind it and another one after that."""
        found: list[Any] = []
        text, at = self._text, _end(_SPACE, self._text, self._pos)
        # What stands between two objects is nearly always the same.
        between, step = ",{", 1
        if not text.startswith("{", at):
            return found
        try:
            while len(found) < _AT_ONCE:
                value, end = _SCAN(text, at)
                if not text.startswith(between, end):
                    comma = _COMMA.match(text, end)
                    if comma is None:
                        break
                    between = comma.group()
                    step = len(between) - 1
                at = end + step
                found.append(value)
        except (ValueError, StopIteration, RecursionError):
            # Malformed, which the long way tells, or cut off by the window: then it need not fail there once more. One
            # that is too long for the window anyway is for the long way as well.
            self._pos = at
            if len(text) - at < self._limit:
                self._grow()
            return found
        self._pos = at
        return found

    def finish(self) -> None:
        """Check that nothing but white space follows, and read the source to its end."""
        if self.peek():
            raise self._problem("there is text after the end of the report", "a second document or a damaged file")

    def _grow(self) -> bool:
        """Drop what was consumed and at least double what is left; false at the end of the source."""
        rest = self._text[self._pos :]
        pieces, gained = [rest], 0
        for piece in self._chunks:
            pieces.append(piece)
            gained += len(piece)
            if gained > len(rest):
                break
        if not gained:
            return False
        self._base += self._pos
        self._pos = 0
        self._text = "".join(pieces)
        return True

    def _whole(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _DECODE(self._text, self._pos)
            except json.JSONDecodeError as error:
                if len(self._text) - self._pos >= self._limit:
                    raise _TooLong from None
                if not self._grow():
                    raise self._broken(error) from None
            except RecursionError:
                raise self._too_deep() from None
            except ValueError as error:
                why = str(error) if isinstance(error, _BadNumber) else "an integer of thousands of digits"
                raise self._problem("the report is not JSON", why) from None
            else:
                # A number may go on in the next piece, also after a point or an exponent sign.
                if len(self._text) - end <= 2 and _HALF_NUMBER.fullmatch(self._text, end) and self._grow():
                    continue
                self._pos = end
                return value

    def _pruned(self, keep: Keep) -> Any:
        first = self.peek()
        if first == "{":
            found = {}
            for name in self.members(unique=False):
                if keep is None or name in keep:
                    found[name] = self.value(None if keep is None else keep[name])
                else:
                    self.skip()
            return found
        if first == "[":
            return self._pruned_list(keep)
        self._tally.cut("characters of strings longer than the window", 0, self._pass_string())
        return ""

    def _pruned_list(self, keep: Keep) -> list[Any]:
        found: list[Any] = []
        seen = 0
        for _position in self.items():
            seen += 1
            if seen <= LIST_CAP:
                found.append(self.value(keep))
            else:
                self.skip()
        if seen > LIST_CAP:
            self._tally.cut("entries of lists longer than the window", LIST_CAP, seen)
        return found

    def _pass_string(self) -> int:
        """Find the end of a string without holding it; gives its length as written."""
        if self.peek() != '"':
            raise self._problem("the report is not JSON", "a number or word without end")
        start = self._base + self._pos
        self._pos += 1
        while True:
            self._pos = _end(_STRING_BODY, self._text, self._pos)
            if self._pos < len(self._text) and self._text[self._pos] == '"':
                self._pos += 1
                return self._base + self._pos - start - 2
            # Here the piece ends, perhaps right after a backslash; that one stays for the next round.
            if not self._grow():
                raise self._cut_off("a string does not end")

    def _name_of_member(self) -> str:
        if self.peek() != '"':
            raise self._unexpected("a name in quotes")
        try:
            name = self._whole()
        except _TooLong:
            raise self._problem("the report is not JSON we can read", "a name longer than the window") from None
        if self.peek() != ":":
            raise self._unexpected("a colon")
        self._pos += 1
        return str(name)

    def _enter(self, bracket: str, what: str) -> None:
        if self.peek() != bracket:
            raise self._unexpected(what)
        if self._depth >= MAX_DEPTH:
            raise self._too_deep()
        self._depth += 1
        self._pos += 1

    def _leave(self) -> None:
        self._pos += 1
        self._depth -= 1

    def _next_or_end(self, bracket: str) -> bool:
        """Step over a comma (false) or the closing bracket (true)."""
        char = self.peek()
        if char == bracket:
            self._leave()
            return True
        if char != ",":
            raise self._unexpected(f"a comma or {bracket}")
        self._pos += 1
        return False

    def _broken(self, error: json.JSONDecodeError) -> BadInput:
        """Cut off (the text ends inside a value) or malformed, told from the decoder's last complaint."""
        left = self._text[error.pos :].strip()
        half_word = _HALF_TOKEN.fullmatch(left) or any(word.startswith(left) for word in _LITERALS)
        if half_word or error.msg.startswith("Unterminated"):
            return self._cut_off(error.msg.lower())
        return self._problem("the report is not JSON", error.msg.lower(), error.pos - self._pos)

    def _unexpected(self, wanted: str) -> BadInput:
        self.peek()
        ends_here = len(self._text) - self._pos <= 2 and not self._grow()
        if ends_here and _HALF_NUMBER.fullmatch(self._text, self._pos):
            return self._cut_off(f"{wanted} should follow")
        return self._problem("the report is not JSON", f"{wanted} should stand here")

    def _cut_off(self, why: str) -> BadInput:
        return self._problem("the report is cut off", why, len(self._text) - self._pos)

    def _too_deep(self) -> BadInput:
        return self._problem("the report is nested too deeply", "no report needs that; the file is damaged or hostile")

    def _problem(self, what: str, why: str, offset: int = 0) -> BadInput:
        where = f"{self._name}, character {self._base + self._pos + offset + 1}"
        return BadInput(what, where=where, why=why, next="produce the report again")
