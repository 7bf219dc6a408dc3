# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of others on our page: nothing in it may act, and nothing in it may hide.

Reports quote tools, pods and attackers. Control characters can drive a terminal, bidirectional overrides can turn a
line around, zero-width ones can hide in a name: all of them are written out instead (``⟨U+202E⟩``).

PRIVATE to this collection.
"""

from __future__ import annotations

import unicodedata

from .._core.clock import parse_time, rfc3339

# Cc control, Cf format (bidi, zero width, tags), Cs surrogate, Co private use, Zl and Zp line separators.
_SPELLED_OUT = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str) -> str:
    """The text with every character that a reader could not see written as its code point; line ends stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char == "\n" or not _hidden(char) else f"⟨U+{ord(char):04X}⟩" for char in text)


def one_line(text: str) -> str:
    """The visible text on one line."""
    return visible(" ".join(text.split("\n")))


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in _SPELLED_OUT


def moment(text: str | None) -> str | None:
    """A time as RFC 3339 in UTC; what cannot be read as one (no zone, no time) stays as it came."""
    if not text:
        return None
    try:
        return rfc3339(parse_time(text))
    except (ValueError, OverflowError):
        return text


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from start to end; None when either is no time or they stand in the wrong order."""
    if not start or not end:
        return None
    try:
        seconds = (parse_time(end) - parse_time(start)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return round(seconds, 3) if seconds >= 0 else None


def epoch(text: str | None) -> float | None:
    """Seconds since 1970, or None when the text is no time."""
    try:
        return parse_time(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def clock_face(text: str | None) -> str:
    """A time for people: ``2026-11-21 14:03:05 UTC``, milliseconds only where they were given."""
    if not text:
        return "time unknown"
    try:
        stamp = parse_time(text)
    except (ValueError, OverflowError):
        return text
    fraction = f".{stamp.microsecond // 1000:03d}" if stamp.microsecond else ""
    return f"{stamp:%Y-%m-%d %H:%M:%S}{fraction} UTC"


def later_face(first: str | None, last: str | None) -> str:
    """The end of a period for people: without the date when that is the one of its start."""
    start, end = clock_face(first), clock_face(last)
    return end[11:] if start[:11] == end[:11] and end.endswith(" UTC") else end


def span(seconds: float | None) -> str:
    """A duration for people: ``8.4 s``, ``3 min 20 s``, ``5 h 02 min``, ``2 d 4 h``."""
    if seconds is None:
        return "unknown"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"
