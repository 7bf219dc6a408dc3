# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a format is to the entry of the readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..look import JSON, Look

Says = Callable[[Look], str]
"""Gives the reason why a file looks like the format, "" when it does not."""


def _nothing(_look: Look) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Form:
    """One shape in which one tool (or a family) writes.

    ``name``: the word of the option ``format``; several forms may share it (a tool's XML and its CSV). ``title``: the
    tool's name for people. ``recognise``: reads the look of a file; strict enough that no other format's files answer.
    ``read``: takes a Window (json), Markup (xml) or Columns (csv) and the recorder, and consumes the whole document.
    ``elements``: of XML, the elements that ``read`` wants whole. ``around``: those around them that it wants to know of
    when they begin and end, with attributes alone (the file that results are in). ``counted``: those of ``elements``
    whose attributes say all that is needed to count them; when only totals are asked for, they come without what is
    inside.
    ``bare``: recognises a clean report of the tool that could be any tool's (``{}``): believed only when the user names
    the format.
    """

    name: str
    title: str
    container: str
    recognise: Says
    read: Callable[[Any, Any], None]
    elements: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    bare: Says = _nothing


def _sarif(look: Look) -> str:
    schema = look.json.at("$schema").value
    if isinstance(schema, str) and "sarif" in schema.lower():
        return "its $schema says SARIF"
    return "it has runs" if look.json.at("runs").type in ("list", "null") else ""


def _never(_document: Any, _recorder: Any) -> None:
    """SARIF has a reader of its own, with more than drafts can say."""


SARIF = Form("sarif", "SARIF 2.1.0", JSON, _sarif, _never)
