# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings as a Code Climate report, the form that GitLab reads as code quality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..tally import Tally
from .escape import json_text, one_line, shown
from .words import Changes, Record, Records, Scans, places_of, positive, severity_of, state_of

# Unknown counts like medium here; the description says that it is unknown.
_SEVERITIES = {
    "critical": "blocker",
    "high": "critical",
    "medium": "major",
    "unknown": "major",
    "low": "minor",
    "info": "info",
}
_NOWHERE = "."


def write(
    scans: Scans, records: Records, changes: Changes | None = None, *, tally: Tally | None = None
) -> Iterator[bytes]:
    """A JSON list in pieces. Only live findings are issues; suppressed and absent ones are left out and counted.

    An issue must have a path in the repository and a line. A finding without stays an issue: its path is ".", its line
    1, its description begins with the place as it was reported, and it is counted.
    """
    tally = tally if tally is not None else Tally()
    before = b"[\n"
    for record in records():
        if state_of(record, changes) != "live":
            tally.warn("codeclimate_not_live", "a suppressed or absent finding is no issue and was left out")
            continue
        yield before + json_text(_issue(record, tally)).encode("ascii")
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _issue(record: Record, tally: Tally) -> dict[str, Any]:
    severity = severity_of(record)
    path, line, label = _where(record, tally)
    rule = one_line(record.get("rule"))
    description = shown(record.get("message")) or one_line(record.get("rule_name")) or rule or "(no text)"
    if label:
        description = f"{label}: {description}"
    if severity == "unknown":
        description = f"(severity unknown) {description}"
    return {
        "type": "issue",
        "check_name": rule or "unknown",
        "description": description,
        "categories": ["Security" if record.get("cwe") or record.get("security_severity") else "Bug Risk"],
        "severity": _SEVERITIES[severity],
        "fingerprint": shown(record.get("id")),
        "location": {"path": path, "lines": {"begin": line}},
    }


def _where(record: Record, tally: Tally) -> tuple[str, int, str]:
    """Path, line, and the place in words when it is not in the repository."""
    places = places_of(record)
    inside = next((place for place in places if place.get("place", "inside") == "inside" and place.get("path")), None)
    if inside is None:
        tally.warn("codeclimate_without_path", "a finding has no place in the repository; its path is written as .")
        first = places[0] if places else {}
        label = one_line(first.get("path")) or one_line(first.get("symbol"))
        line = positive(first.get("line"))
        return _NOWHERE, 1, f"{label}:{line}" if label and line else label
    line = positive(inside.get("line"))
    if line is None:
        tally.warn("codeclimate_without_line", "a finding has no line; it is written as line 1")
    return shown(inside["path"]), line or 1, ""
