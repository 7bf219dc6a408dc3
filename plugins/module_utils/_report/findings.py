# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scans and findings: what was scanned, whether that scan may speak about absence, and what it found.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Row, lines, number, row, rows, text
from .intake import results
from .text import moment

_WORST_FIRST = ("critical", "high", "unknown", "medium", "low", "info")


def findings(steps: Mapping[str, Any], incident: Row) -> Row:
    """``scans``, ``rows`` (the findings that came in, worst first), ``live`` (what the scans count, None when no scan
    came in) and ``left_out`` (live findings that are not in ``rows``).
    """
    told = [result for result in results(steps.get("scans")) if result.get("failed") is not True]
    scans = [_scan(scan) for result in told for scan in rows(result.get("scans"))]
    wanted = row(incident.get("finding"))
    found = [_finding(entry, wanted) for result in told for entry in rows(result.get("findings"))]
    found.sort(key=_order)
    live = sum(int(scan["live"] or 0) for scan in scans) if scans else None
    shown = sum(entry["state"] in (None, "live") for entry in found)
    return {
        "scans": sorted(scans, key=lambda scan: (scan["time"] or "", scan["file"] or "", scan["sha256"] or "")),
        "rows": found,
        "live": live,
        "left_out": max(0, live - shown) if live is not None else None,
    }


def _scan(scan: Row) -> Row:
    totals = row(scan.get("totals"))
    return {
        "file": text(scan, "file"),
        "sha256": text(scan, "sha256"),
        "tool": text(scan, "tool"),
        "tool_version": text(scan, "tool_version"),
        "ruleset": text(scan, "ruleset"),
        "commit": text(scan, "commit"),
        "digests": lines(scan.get("digests")) or lines(scan.get("digest")),
        "time": moment(text(scan, "time")),
        "status": text(scan, "status"),
        "status_reasons": lines(scan.get("status_reasons")),
        "live": number(totals, "live"),
        "suppressed": number(totals, "suppressed"),
        "by_severity": {name: count for name, count in row(totals.get("by_severity")).items() if count},
        "truncated": bool(scan.get("truncated")),
        "warnings": lines(scan.get("warnings")),
    }


def _finding(entry: Row, wanted: Row) -> Row:
    return {
        "id": text(entry, "id"),
        "severity": text(entry, "severity"),
        "severity_source": text(entry, "severity_source"),
        "rule": text(entry, "rule"),
        "cwe": lines(entry.get("cwe")),
        "effect": text(entry, "effect"),
        "path": text(entry, "path"),
        "line": number(entry, "line"),
        "commit": text(entry, "commit"),
        "state": text(entry, "state"),
        "tool": text(entry, "tool"),
        "message": text(entry, "message"),
        "exploited": matches(entry, wanted),
    }


def matches(entry: Row, wanted: Row) -> bool:
    """Is it the finding that the incident names? Every key that the incident gives (rule, cwe, path, id) must agree."""
    given = {key: text(wanted, key) for key in ("id", "rule", "cwe", "path")}
    asked = {key: value for key, value in given.items() if value}
    return bool(asked) and all(
        value in lines(entry.get("cwe")) if key == "cwe" else text(entry, key) == value for key, value in asked.items()
    )


def _order(entry: Row) -> tuple[bool, int, str, str, float]:
    severity = entry["severity"] if entry["severity"] in _WORST_FIRST else "unknown"
    return (
        not entry["exploited"],
        _WORST_FIRST.index(severity),
        entry["commit"] or "",
        entry["path"] or "",
        entry["line"] or 0,
    )
