# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of a message: looked up, filled in, without link syntax (SARIF 2.1.0, 3.11)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..shape import as_dict, as_list, as_str
from ..tally import Tally
from .rules import Component, Rule

_PLACE = re.compile(r"\{\{|\}\}|\{(\d{1,6})\}")
# A link whose target is a number points to a related location of the same result.
_INNER_LINK = re.compile(r"\[((?:[^\[\]\\]|\\.)*)\]\(\d+\)")
_ESCAPED_BRACKET = re.compile(r"\\([\[\]\\])")


def message_of(raw: Any, rule: Rule | None, components: Sequence[Component], tally: Tally) -> str:
    """Plain text. Without any text of its own a result gets its rule's description (counted)."""
    message = as_dict(raw)
    text = as_str(message.get("text"))
    arguments = [entry if isinstance(entry, str) else "" for entry in as_list(message.get("arguments"))]
    if text is None:
        text = _looked_up(as_str(message.get("id")), rule, components)
        if text is not None:
            return without_links(_filled(text, arguments))
        text = as_str(message.get("markdown"))
    if text is None:
        tally.warn("message_missing", "a result has no text that could be found; its rule's description stands in")
        return rule.text or rule.name or rule.id if rule is not None else ""
    return without_links(_filled(text, arguments) if arguments else text)


def _looked_up(identifier: str | None, rule: Rule | None, components: Sequence[Component]) -> str | None:
    if not identifier:
        return None
    places = [rule.messages] if rule is not None else []
    if rule is not None:
        places.append(components[rule.key[0]].messages)
    places.extend(component.messages for component in components)
    for place in places:
        entry = as_dict(place.get(identifier))
        text = as_str(entry.get("text")) or as_str(entry.get("markdown"))
        if text is not None:
            return text
    return None


def _filled(text: str, arguments: Sequence[str]) -> str:
    """Placeholders replaced; one without argument stays as it is. Doubled braces are single ones."""

    def fill(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group()[0]
        number = int(match.group(1))
        return arguments[number] if number < len(arguments) else match.group()

    return _PLACE.sub(fill, text)


def without_links(text: str) -> str:
    if "](" not in text:
        return text
    return _INNER_LINK.sub(lambda match: _ESCAPED_BRACKET.sub(r"\1", match.group(1)), text)
