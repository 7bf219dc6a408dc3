# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happened when, each entry with the evidence it rests on.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .decision import cut
from .fields import Row, lines, rows, text
from .intake import results
from .phases import TITLES, Phase
from .text import epoch, moment

_WORDS = {
    "done": "",
    "already": ": nothing was left to do",
    "planned": ": planned, not run",
    "skipped": ": skipped",
    "failed": ": FAILED",
    "undone": ": done and taken back",
    "unfinished": ": begun and not finished",
}


def timeline(steps: Mapping[str, Any], incident: Row, told: Mapping[str, Any], found: Mapping[str, Phase]) -> list[Row]:
    """Entries with ``at`` (None: the time is not known), ``until``, ``kind``, ``what``, ``evidence``; in order of time,
    entries of unknown time last in the order of the phases. ``told`` holds ``decision`` and ``findings`` of the report.
    """
    entries = [
        *_declared(incident),
        *_points(told["decision"]),
        *_forensic(steps),
        *_scans(told["findings"]),
        *(_phase(phase) for phase in found.values() if phase.state != "not_reported"),
        *_extra(steps),
    ]
    order = {id(entry): place for place, entry in enumerate(entries)}
    return sorted(entries, key=lambda entry: (epoch(entry["at"]) is None, epoch(entry["at"]) or 0.0, order[id(entry)]))


def _entry(at: str | None, kind: str, what: str, evidence: str | None = None, until: str | None = None) -> Row:
    return {"at": moment(at), "until": moment(until), "kind": kind, "what": what, "evidence": evidence}


def _declared(incident: Row) -> list[Row]:
    entries = [_entry(incident["time"], "incident", "Incident declared", incident["id"])]
    if incident["evidence_at"]:
        entries.append(
            _entry(incident["evidence_at"], "incident", "Earliest evidence of it", "stated with the incident")
        )
    return entries


def _points(decision: Row) -> list[Row]:
    return [
        _entry(
            point["cut_from"],
            "point",
            f"Recovery point {point['id']}, {point['verdict'] or 'verdict unknown'}"
            + (", chosen" if point["chosen"] else ""),
            f"cut as {point['consistency']}" if point["consistency"] else None,
            point["cut_to"] if point["cut_to"] != point["cut_from"] else None,
        )
        for point in decision["candidates"]
    ]


def _forensic(steps: Mapping[str, Any]) -> list[Row]:
    entries = []
    for result in results(steps.get("forensic")):
        for point in rows(result.get("recovery_points")):
            first, last = cut(point.get("cut_at"))
            snapshots = _snapshots(point.get("snapshots"))
            entries.append(
                _entry(
                    first,
                    "point",
                    f"Forensic point {text(point, 'id') or 'of unknown id'}",
                    f"snapshots {', '.join(snapshots)}" if snapshots else None,
                    last if last != first else None,
                )
            )
    return entries


def _snapshots(value: Any) -> list[str]:
    return [name for entry in rows(value) if (name := text(entry, "snapshot", "content"))] or lines(value)


def _scans(findings: Row) -> list[Row]:
    return [
        _entry(
            scan["time"],
            "scan",
            f"Scan of {(scan['commit'] or 'an unknown commit')[:12]} by {scan['tool'] or 'an unknown tool'}: "
            f"{scan['status'] or 'status unknown'}, {'unknown' if scan['live'] is None else scan['live']} live",
            f"sha256 {scan['sha256']}" if scan["sha256"] else None,
        )
        for scan in findings["scans"]
    ]


def _phase(phase: Phase) -> Row:
    evidence = f"operation {', '.join(phase.operations)}" if phase.operations else None
    return _entry(
        phase.started or phase.ended,
        phase.key,
        TITLES[phase.key] + _WORDS[phase.state] + (f" ({phase.note})" if phase.note else ""),
        evidence,
        phase.ended if phase.started else None,
    )


def _extra(steps: Mapping[str, Any]) -> list[Row]:
    return [
        _entry(
            text(entry, "at", "time"),
            text(entry, "kind") or "note",
            text(entry, "what", "text", "event") or "an entry without words",
            text(entry, "evidence"),
            text(entry, "until"),
        )
        for entry in rows(steps.get("timeline"))
    ]
