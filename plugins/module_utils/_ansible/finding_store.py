# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans and findings as a play hands them over: what ``sast_report`` returned, and the files it wrote.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._core.errors import BadInput
from .._core.findings import Finding, Scan


def read_scans(given: Iterable[Any]) -> list[Scan]:
    """Scans as ``sast_report`` returns them. Raises BadInput naming the position."""
    scans = []
    for number, entry in enumerate(given):
        if not isinstance(entry, Mapping):
            raise BadInput(
                "a scan is not a dictionary", where=f"scans[{number}]", next="pass what sast_report returned"
            )
        try:
            scans.append(Scan.from_dict(entry))
        except BadInput as error:
            raise BadInput(error.what, where=f"scans[{number}]", why=error.why, next=error.next) from error
    return scans


def read_findings(given: Iterable[Any]) -> Iterator[Finding]:
    """Findings from a mixed list: paths of stores (NDJSON), and findings themselves. A store named twice is read once.

    Raises BadInput naming file and line, or the position.
    """
    seen: set[str] = set()
    for number, entry in enumerate(given):
        if isinstance(entry, Mapping):
            yield _finding(entry, f"findings[{number}]")
            continue
        if not isinstance(entry, str) or not entry:
            what = "an entry of findings is neither a path nor a finding"
            raise BadInput(what, where=f"findings[{number}]", next="give the dest of sast_report")
        path = os.path.expanduser(entry)
        if os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            yield from _lines(path)


def _lines(path: str) -> Iterator[Finding]:
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                where = f"{path}, line {number}"
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise BadInput("a line of the store of findings is not JSON", where=where) from error
                if not isinstance(record, Mapping):
                    raise BadInput("a line of the store of findings is not a finding", where=where)
                yield _finding(record, where)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadInput(
            "a store of findings cannot be read", where=path, why=why or "", next="run sast_report"
        ) from error


def _finding(entry: Mapping[str, Any], where: str) -> Finding:
    try:
        return Finding.from_dict(entry)
    except BadInput as error:
        raise BadInput(error.what, where=where, why=error.why, next=error.next) from error
