# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTML that cannot be forgotten to be escaped.

A fragment is an :class:`Html`; every plain ``str`` handed to :func:`el` is text and gets escaped. Only this file makes
fragments, so text of others has no other way onto the page.

PRIVATE to this collection.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TypeAlias

from .text import visible

_VOID = frozenset({"meta", "br"})
# Braces as references: a page that somebody passes through a template engine must come out as it was.
_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;"})


@dataclass(frozen=True, slots=True)
class Html:
    """A fragment that is HTML already. Made by the functions of this file only."""

    source: str


Node: TypeAlias = "Html | str | None"
"""What may stand inside an element: a fragment, text (gets escaped), or nothing."""


def escape(text: str) -> str:
    """Text for an element or a quoted attribute: visible, and without a character that HTML gives a meaning."""
    return html.escape(visible(text), quote=True).translate(_BRACES)


def el(tag: str, *children: Node, **attributes: str | int | float | None) -> Html:
    """An element. ``class_`` is ``class``, other underscores become dashes; an attribute that is None is left out."""
    head = tag + "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{join(*children).source}</{tag}>")


def join(*children: Node) -> Html:
    """Fragments one after the other."""
    return Html("".join(child.source if isinstance(child, Html) else escape(child) for child in children if child))


def style(css: str) -> Html:
    """A style element around our own style sheet (``_report/style.py``); never given text of others."""
    if "<" in css:
        raise ValueError("a style sheet has no use for '<'")
    return Html(f"<style>{css}</style>")


def document(head: Html, body: Html) -> str:
    """A whole page."""
    return f'<!DOCTYPE html>\n<html lang="en">\n<head>{head.source}</head>\n{body.source}\n</html>\n'
