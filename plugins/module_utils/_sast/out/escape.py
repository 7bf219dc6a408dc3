# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one place where text of reports is made fit for a format: CSV, Markdown, JSON, URIs.

Records are clean when our reader made them; a store is a file that somebody may have changed since, so every string is
made visible again (``text.visible``) before it goes anywhere.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

from ..._core.errors import BadInput
from ..text import visible

# What spreadsheets take for the beginning of a formula, also in the full width of East Asian keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_SPACE = re.compile(r"[ \t\n\r]+")
# ASCII punctuation with a meaning in some dialect of Markdown, and what has one only at the beginning of a line. A
# backslash takes it away in all of them.
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#!|~&$=^]|(?<=\])\(|(?<=www)\.|^(?:[+-]|\d{1,9}[.)](?= |$))", re.IGNORECASE)
# Mentions and bare links are found after the markup was read, so a backslash does not stop them; code does.
_CALLS = re.compile(r"((?:@|://)+)")

# The middle of a link to anything but a web address.
_LINK = re.compile(r"\]\((?!https?://)", re.IGNORECASE)

_WEB = re.compile(
    r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?"
    r"(?:[/?#](?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*(?:#(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?)?"
)
_HALF_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DRIVE = re.compile(r"[A-Za-z]:/")
_IN_PATHS = "/-._~!$&'()*+,;=@"

# Escapes that JSON writes for what ``visible`` may have to change. A literal backslash in front of such a letter only
# costs a second look.
_PERHAPS_UNSAFE = re.compile(r"\\[ubfr]")
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def shown(value: object) -> str:
    """A value as visible text: nothing for None, numbers in figures, line breaks kept."""
    if isinstance(value, str):
        # Most texts are plain: that is told faster than each character is looked up.
        return value if value.isascii() and value.isprintable() else visible(value)
    return "" if value is None or isinstance(value, (dict, list, tuple)) else str(value)


def one_line(value: object) -> str:
    """A value as visible text, each run of white space one blank."""
    return _SPACE.sub(" ", shown(value)).strip(" ")


def shortened(text: str, longest: int) -> str:
    """At most ``longest`` characters; an ellipsis tells that there were more."""
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"


def disarmed(text: str) -> str:
    """A message whose links ("[text](target)" of SARIF 3.11.6) lead to web addresses only: others get a blank between
    the brackets, so that they are read as the text they are."""
    if "](" not in text:
        return text
    return _LINK.sub("] (", text)


def csv_cell(value: object) -> str:
    """A value as the content of a CSV cell (before quoting): text that a spreadsheet would compute gets an apostrophe.

    Numbers of ours are no text of a report and stay numbers.
    """
    text = shown(value)
    if isinstance(value, str) and text.lstrip(" ").startswith(_FORMULA):
        return f"'{text}"
    return text


def markdown_text(value: object, longest: int = 300) -> str:
    """A value as one line of Markdown in which nothing is markup, link, mention or the end of a table cell.

    ``longest`` counts characters of the text, before escaping.
    """
    pieces = _CALLS.split(shortened(one_line(value), longest))
    # Every second piece is one that splits: an odd position.
    return "".join(f"`{piece}`" if number % 2 else _MARKUP.sub(_escape, piece) for number, piece in enumerate(pieces))


def _escape(match: re.Match[str]) -> str:
    """A backslash before the sign; of "1." that is the point."""
    return f"{match.group()[:-1]}\\{match.group()[-1]}"


def json_text(value: Any) -> str:
    """A JSON value in ASCII, its strings visible. Raises BadInput for numbers that JSON does not know."""
    try:
        text = _ENCODE(value)
    except ValueError as error:
        raise BadInput("a finding or scan holds what JSON cannot say", why=str(error)) from error
    return _ENCODE(_visible_inside(value)) if _PERHAPS_UNSAFE.search(text) else text


def _visible_inside(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(name)): _visible_inside(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_visible_inside(entry) for entry in value]
    return value


def web_uri(value: object) -> str | None:
    """An http(s) address as a valid URI (RFC 3986); None for other schemes, credentials and broken hosts."""
    if not isinstance(value, str):
        return None
    text = _HALF_PERCENT.sub("%25", visible(value))
    text = quote(text, safe="%-._~!$&'()*+,;=:@/?#")
    return text if _WEB.fullmatch(text) else None


def relative_uri(path: str) -> str:
    """A path relative to the root as a relative reference: percent signs for all that is not plain.

    A colon is never left: before the first slash it would make a scheme.
    """
    return quote(visible(path), safe=_IN_PATHS)


def file_uri(path: str) -> str | None:
    """An absolute path ("/x" or "C:/x") as a file URI; None for what is no absolute path."""
    text = visible(path)
    if _DRIVE.match(text):
        return f"file:///{text[:2]}{quote(text[2:], safe=_IN_PATHS)}"
    if text.startswith("/") and not text.startswith("//"):
        return f"file://{quote(text, safe=_IN_PATHS)}"
    return None
