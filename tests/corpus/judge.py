# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is right about a peer's answer, judged in the peer's own terms against what was written by hand.

A peer that shows SARIF levels is asked for levels, one that shows an impact for severities. What the right answer does
not name, or the peer does not show, is not judged.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import unquote

from .cases import Case

_LEVELS = {"high": "error", "medium": "warning", "low": "note", "info": "none"}
_HIDDEN = ("suppressed", "absent")
_NUMBERS = ("security-severity", "securitySeverity")


def right_answer(case: Case) -> str:
    """The right answer in a few words, from the expectation alone."""
    if "error" in case.expected:
        return f"refused: {case.expected['error']}"
    scan = case.expected["scan"]
    parts = [str(scan["status"])] if "status" in scan else []
    count = live_of(case)
    if count is not None:
        parts.append(f"{count} live")
    counted = Counter(finding["severity"] for finding in _live(case) or () if "severity" in finding)
    if counted:
        parts.append(", ".join(f"{number} {word}" for word, number in counted.items()))
    return "; ".join(parts) or "as described"


def live_of(case: Case) -> int | None:
    """How many findings are live; None when the expectation does not say."""
    totals = case.expected["scan"].get("totals", {})
    if "live" in totals:
        return int(totals["live"])
    live = _live(case)
    if live is not None:
        return len(live)
    if "findings" in totals:
        return int(totals["findings"]) - int(totals.get("suppressed", 0)) - int(totals.get("absent", 0))
    return 0 if totals.get("results") == 0 else None


def _live(case: Case) -> list[dict[str, Any]] | None:
    findings = case.expected.get("findings")
    return None if findings is None else [entry for entry in findings if entry.get("state") not in _HIDDEN]


def faults(case: Case, answer: dict[str, Any]) -> list[str]:
    """What is wrong with an answer; empty when all of it that can be judged is right."""
    refused, rows = answer.get("refused"), answer.get("rows") or []
    if "error" in case.expected:
        return [] if refused else [f"reads it, {_told(len(rows))}"]
    status = case.expected["scan"].get("status", "ok")
    if refused:
        return [] if status in ("failed", "empty") else [f"fails: {refused}"]
    if status != "ok":
        return [f"{_told(len(rows))}, not that the scan is {status}"]
    wanted = live_of(case)
    if wanted is not None and wanted != len(rows):
        return [f"{_told(len(rows))}, {wanted} are live"]
    names = ("severity", "level", "rule", "path", "line", "message")
    return [fault for name in names for fault in _field(case, name, rows)] + _steering(case, rows)


def _told(number: int) -> str:
    return f"says {number} finding{'' if number == 1 else 's'}"


def _field(case: Case, name: str, rows: list[dict[str, Any]]) -> list[str]:
    """One column of all rows against the same column of the right answer, in any order."""
    wanted = [_wanted(case, finding, name) for finding in _live(case) or ()]
    given = [_given(row, name) for row in rows]
    if not wanted or None in wanted or None in given:
        return []
    lacking, surplus = Counter(wanted) - Counter(given), Counter(given) - Counter(wanted)
    if not lacking:
        return []
    return [f"{name} {_listed(surplus)} for {_listed(lacking)}"]


def _wanted(case: Case, finding: dict[str, Any], name: str) -> str | None:
    """As text; None when it is not named, or cannot be said in the peer's terms."""
    if name == "level":
        if case.format != "sarif":
            return None
        # Where a number decides the severity, the level is another matter: only one that is named is judged.
        numbered = any(word.encode() in case.path.read_bytes() for word in _NUMBERS)
        level = finding.get("native") if "native" in finding else None
        return level if level or numbered else _LEVELS.get(finding.get("severity", ""))
    if name == "path" and any(place.get("place", "inside") != "inside" for place in finding.get("locations", [])):
        return None
    value = finding.get(name)
    if name == "message" and ("\\u" in str(value) or "\ufffd" in str(value)):
        return None
    return None if value is None or value == "" else str(value)


def _given(row: dict[str, Any], name: str) -> str | None:
    if name == "severity":
        return _of_impact(row["impact"]) if isinstance(row.get("impact"), (int, float)) else None
    if name not in row:
        return None
    if name == "path":
        # A peer may show the URI as it stands there: that is the same place.
        return unquote(str(row[name] or "")) or "(none)"
    return "(none)" if row[name] in (None, "") else str(row[name])


def _steering(case: Case, rows: list[dict[str, Any]]) -> list[str]:
    """How harmful characters are made visible is everybody's own choice; that they are is not."""
    harmless = not any("\\u" in str(finding.get("message")) for finding in _live(case) or ())
    handed_on = any(not char.isprintable() for row in rows for char in str(row.get("message") or ""))
    return ["hands on characters that steer a terminal"] if handed_on and not harmless else []


def _of_impact(impact: float) -> str:
    """The words that InSpec documents for its impacts."""
    for least, word in ((0.9, "critical"), (0.7, "high"), (0.4, "medium"), (0.01, "low")):
        if impact >= least:
            return word
    return "info"


def _listed(counted: Counter[str]) -> str:
    words = [f"{word!a}" if len(word) <= 40 else f"{word[:37]!a}..." for word in sorted(counted)]
    return ", ".join(words[:3]) + (", ..." if len(words) > 3 else "") or "none"
