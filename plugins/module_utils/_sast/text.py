# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Strings of a report made fit to leave: nothing hidden, nothing that steers a terminal, nothing endless."""

from __future__ import annotations

import re
from typing import Any

from .tally import Tally

# C0 (tab and newline apart) and C1 controls, line and paragraph separators, zero-width, bidirectional and tag
# characters, byte order marks, lone surrogates: what a terminal obeys or an eye does not see.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS = re.compile("[\t\n]")
_LONGEST_LABEL = 1024


def visible(text: str) -> str:
    """Each unsafe character as its escape (``\\u001b``), a lone surrogate as U+FFFD, "\\r\\n" as a newline."""
    if not _UNSAFE.search(text):
        return text
    return _UNSAFE.sub(_escape, text.replace("\r\n", "\n"))


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """The same with its line breaks and tabs, for names in messages."""
    return _BREAKS.sub(_escape, visible(text))


class Cleaner:
    """Cleans strings and counts what it changed."""

    def __init__(self, tally: Tally, max_text: int) -> None:
        self._tally = tally
        self.max_text = max_text

    def text(self, value: Any) -> str:
        """A message: line breaks stay."""
        return self._clean(value, self.max_text)

    def label(self, value: Any, longest: int = _LONGEST_LABEL) -> str:
        """A name, path or id: one line."""
        cleaned = self._clean(value, longest)
        if "\n" in cleaned or "\t" in cleaned:
            return _BREAKS.sub(_escape, cleaned)
        return cleaned

    def _clean(self, raw: Any, longest: int) -> str:
        if not isinstance(raw, str):
            return ""
        value: str = raw
        # What Python calls printable holds none of the unsafe characters, and is told quickly.
        if not value.isprintable() and _UNSAFE.search(value):
            value = self._counted(value)
        if len(value) > longest:
            self._tally.cut("characters of long strings", longest, len(value))
            value = value[: longest - 1] + "\u2026"
        return value

    def _counted(self, value: str) -> str:
        if any("\ud800" <= char <= "\udfff" for char in value):
            self._tally.warn("bad_characters_replaced", "lone surrogates or bytes that are no UTF-8 became U+FFFD")
        shown = visible(value)
        if shown != value.replace("\r\n", "\n"):
            self._tally.warn("unsafe_characters_shown", "control, invisible or bidirectional characters became escapes")
        return shown
