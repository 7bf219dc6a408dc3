# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a reader of a format says of one result, in the format's own terms; the recorder makes a finding of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.findings import Severity, Suppression
from .cwe import number_of

_LINES = re.compile(r"\s*(\d{1,9})\s*(?:[-:,]\s*(\d{1,9})\s*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A place as reported. ``path`` as written (absolute, ``file://``, backslashes); lines and columns from 1.

    Numbers may be integers or text (``"12"``, ``"12-15"``); what is no positive number counts as unknown.
    """

    path: str = ""
    line: Any = None
    column: Any = None
    end_line: Any = None
    end_column: Any = None
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """One result before anything was cleaned.

    ``severity`` with ``severity_source``, the field that decided it (``issue_severity``), and ``native``, the tool's
    own word as written ("" where it said nothing). ``cwe``: "CWE-n" -> fields that named it, see :func:`cwe_from`.
    ``fingerprints``: what the tool states to know the finding again, by name (``similarityId``). ``key``: an id that
    the format guarantees to be given once; two results with one key at one place are one. Most formats guarantee
    nothing: then it stays empty. ``kind`` as in SARIF: fail, open, review, pass, notApplicable, informational.
    ``snippet`` never leaves: it is for the hash and for taking secrets out of the texts. ``secret``: the rule is about
    secrets in code. ``confidence``: how sure the tool is, in its own word.
    """

    rule: str
    message: str
    severity: Severity
    severity_source: str
    native: str
    places: tuple[Place, ...] = ()
    rule_name: str = ""
    help_uri: str = ""
    cwe: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    kind: str = "fail"
    baseline: str | None = None
    suppressions: tuple[Suppression, ...] = ()
    tags: tuple[str, ...] = ()
    snippet: str = ""
    secret: bool = False
    confidence: str = ""


def cwe_from(**fields: Any) -> dict[str, tuple[str, ...]]:
    """CWE names in order, each with the fields that named it: ``cwe_from(cwe=89, tags=["CWE-79"])``."""
    found: dict[str, tuple[str, ...]] = {}
    for source, value in fields.items():
        for number in number_of(value):
            name = f"CWE-{number}"
            if source not in found.get(name, ()):
                found[name] = (*found.get(name, ()), source)
    return found


def lines_in(value: Any) -> tuple[int | None, int | None]:
    """First and last line of an integer or of text like ``"12"`` and ``"12-15"``; None for what is not there."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value if 0 < value < 2**31 else None), None
    found = _LINES.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None, None
    first, last = int(found[1]), int(found[2]) if found[2] else None
    return (first or None), (last or None)
