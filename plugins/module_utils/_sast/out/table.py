# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings as CSV (RFC 4180): a header, one finding a record, CRLF, UTF-8, no cell that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..tally import Tally
from .escape import csv_cell, shown
from .words import Changes, Record, Records, Scans, change_of, places_of, positive, severity_of, state_of

COLUMNS = (
    "id",
    "severity",
    "severity_source",
    "state",
    "change",
    "kind",
    "tool",
    "tool_version",
    "rule",
    "rule_name",
    "path",
    "place",
    "line",
    "column",
    "end_line",
    "end_column",
    "message",
    "cwe",
    "effect",
    "native",
    "security_severity",
    "confidence",
    "tags",
    "other_places",
    "suppressions",
    "help_uri",
    "commit",
    "file",
    "scan",
    "run",
)
_NUMBERS = ("line", "column", "end_line", "end_column")


def write(
    scans: Scans, records: Records, changes: Changes | None = None, *, tally: Tally | None = None
) -> Iterator[bytes]:
    """The table in pieces, a record each. Several values in one cell are joined by a blank (CWEs, tags) or "; "."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    by_hash = {str(scan.get("sha256")): scan for scan in scans}
    writer.writerow(COLUMNS)
    yield _taken(buffer)
    for record in records():
        row = _row(record, by_hash.get(str(record.get("scan")), {}), changes)
        writer.writerow([csv_cell(row.get(name)) for name in COLUMNS])
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8")


def _row(record: Record, scan: Mapping[str, Any], changes: Changes | None) -> dict[str, Any]:
    places = places_of(record)
    row: dict[str, Any] = {name: record.get(name) for name in COLUMNS}
    first = places[0] if places else {}
    row.update({name: first.get(name) for name in ("path", "place")})
    row.update({name: positive(first.get(name)) for name in _NUMBERS})
    row["severity"] = severity_of(record)
    row["state"] = state_of(record, changes)
    row["change"] = change_of(record, changes)
    row["file"] = scan.get("file")
    row["tool_version"] = scan.get("tool_version")
    row["cwe"] = _joined(record.get("cwe"), " ")
    row["tags"] = _joined(record.get("tags"), " ")
    row["other_places"] = _joined([_place(place) for place in places[1:]], "; ")
    row["suppressions"] = _joined([_suppression(entry) for entry in record.get("suppressions") or ()], "; ")
    return row


def _joined(values: Sequence[object] | None, by: str) -> str:
    return by.join(shown(value) for value in values or ())


def _place(place: Mapping[str, Any]) -> str:
    line = positive(place.get("line"))
    return f"{shown(place.get('path'))}:{line}" if line else shown(place.get("path"))


def _suppression(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return "unreadable"
    words = f"{shown(entry.get('kind'))} {shown(entry.get('status'))}"
    why = shown(entry.get("justification"))
    return f"{words}: {why}" if why else words
