# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Label selectors as text (``app=shop,tier in (db,api),!canary``), matched here.

A workload is chosen by its own labels or by those of its pods, which no single request to the API server can ask.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .._core.errors import BadInput

Labels = Mapping[str, str]
Matcher = Callable[[Labels], bool]

_KEY = r"[A-Za-z0-9]([A-Za-z0-9_.\-/]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([A-Za-z0-9_.\-]*[A-Za-z0-9])?)?"
_EQUALITY = re.compile(rf"(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{_VALUE})")
_SET = re.compile(rf"(?P<key>{_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EXISTS = re.compile(rf"(?P<negation>!?)\s*(?P<key>{_KEY})")


def matcher(selector: str) -> Matcher:
    """A function that tells whether labels match. Raises BadInput for a text that is no selector."""
    parts = [_requirement(part.strip(), selector) for part in _split(selector)]
    return lambda labels: all(part(labels) for part in parts)


def _split(selector: str) -> list[str]:
    """At commas that are not inside brackets."""
    return re.split(r",(?![^(]*\))", selector)


def _requirement(text: str, selector: str) -> Matcher:
    found = _EQUALITY.fullmatch(text)
    if found:
        return _one_of(found["key"], {found["value"]}, negated=found["op"] == "!=")
    found = _SET.fullmatch(text)
    if found:
        values = {value.strip() for value in found["values"].split(",")}
        return _one_of(found["key"], values, negated=found["op"] == "notin")
    found = _EXISTS.fullmatch(text)
    if found:
        key, wanted = found["key"], not found["negation"]
        return lambda labels: (key in labels) == wanted
    raise BadInput(
        "the label selector cannot be read",
        where="app.selector",
        why=f"{text!r} in {selector!r}",
        next="for example app=shop or app in (shop,cart),!canary",
    )


def _one_of(key: str, values: set[str], *, negated: bool) -> Matcher:
    # As the API server: a missing label satisfies "is not".
    return lambda labels: (labels.get(key) in values) != negated
