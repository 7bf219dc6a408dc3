# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The small parts that every section of the page is made of.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .html import Html, Node, el, join
from .text import clock_face, epoch, later_face

OK, WARN, BAD, NEUTRAL = "ok", "warn", "bad", "none"
_SIGNS = {OK: "✓", WARN: "!", BAD: "✕", NEUTRAL: "·"}
_TONES = {
    "clean": OK,
    "unverified": WARN,
    "exposed": WARN,
    "suspect": BAD,
    "compromised": BAD,
    "critical": BAD,
    "high": BAD,
    "medium": WARN,
    "ok": OK,
    "partial": WARN,
    "failed": BAD,
    "passed": OK,
    "empty": BAD,
    "done": OK,
    "already": OK,
    "planned": WARN,
    "skipped": WARN,
    "not_reported": WARN,
    "application": OK,
    "crash": NEUTRAL,
    "fuzzy": WARN,
    "unfinished": BAD,
    "undone": WARN,
    "undoing": BAD,
    "open": BAD,
    "abandoned": BAD,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and a class for its cells (``num``, ``time``, ``mono``)."""

    title: str
    class_: str | None = None


def tone(word: str | None) -> str:
    """The colour class of a state word; words that we do not know are neutral."""
    return _TONES.get(word or "", NEUTRAL)


def chip(word: str, kind: str | None = None) -> Html:
    """A state as sign and word; the colour only repeats what they say."""
    shade = kind or tone(word)
    return el("span", f"{_SIGNS[shade]} {word.replace('_', ' ')}", class_=f"chip {shade}")


def yes_no(value: bool | None, yes: str = "yes", no: str = "no") -> Html:
    if value is None:
        return chip("unknown", WARN)
    return chip(yes, OK) if value else chip(no, BAD)


def unknown(word: str = "unknown") -> Html:
    return el("span", word, class_="unknown")


def known(value: object, word: str = "unknown") -> Node:
    """The value as text; what is not known is said."""
    return unknown(word) if value is None or value == "" else str(value)


def code(value: object) -> Html:
    return unknown() if value is None or value == "" else el("code", str(value))


def listed(texts: Sequence[str], none: str = "none given") -> Html:
    return el("ul", *(el("li", line) for line in texts)) if texts else unknown(none)


def when(text: str | None) -> Html:
    """A time, readable for people and machines."""
    if epoch(text) is None:
        return el("span", clock_face(text), class_="unknown notime")
    return el("time", clock_face(text), datetime=text)


def period(first: str | None, last: str | None) -> Html:
    """A time, or a start and an end."""
    if not last or last == first:
        return when(first)
    return join(when(first), " ", el("time", f"– {later_face(first, last)}", datetime=last))


def table(
    caption: str, columns: Sequence[Column], body: Iterable[tuple[str | None, Sequence[Node]]], none: str
) -> Html:
    """Rows of cells, each row with a class or None; a row is a card on a phone. ``none``: said when empty."""
    lines = [
        el(
            "tr",
            *(
                el("td", el("div", cell), class_=column.class_, data_label=column.title, role="cell")
                for column, cell in zip(columns, cells, strict=True)
            ),
            class_=class_,
            role="row",
        )
        for class_, cells in body
    ]
    if not lines:
        return el("p", none, class_="unknown")
    head = el("tr", *(el("th", column.title, scope="col", role="columnheader") for column in columns), role="row")
    return el(
        "div",
        el(
            "table",
            el("caption", caption) if caption else None,
            el("thead", head, role="rowgroup"),
            el("tbody", *lines, role="rowgroup"),
            class_="cards",
            role="table",
        ),
        class_="wide",
    )


def facts(pairs: Iterable[tuple[str, Node]]) -> Html:
    return el("dl", *(join(el("dt", name), el("dd", value)) for name, value in pairs), class_="facts")


def section(anchor: str, title: str, *content: Node) -> Html:
    return el("section", el("h2", title, id=f"{anchor}-title"), *content, id=anchor, aria_labelledby=f"{anchor}-title")


def quiet(text: str) -> Html:
    return el("p", text, class_="quiet")
