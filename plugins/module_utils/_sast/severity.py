# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a tool's words and numbers to our scale, always with the name of the field that decided."""

from __future__ import annotations

import re
from typing import Any

from .._core.findings import Severity

LEVELS = ("none", "note", "warning", "error")
KEYS = ("security-severity", "securitySeverity", "cybersecuritySeverity", "cybersecurity-severity")

_NUMBER = re.compile(r"\s*[+-]?\d{1,12}(?:\.\d{1,12})?\s*")
_WORDS = {
    "critical": Severity.CRITICAL,
    "blocker": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "error": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "warning": Severity.MEDIUM,
    "low": Severity.LOW,
    "minor": Severity.LOW,
    "note": Severity.LOW,
    "info": Severity.INFO,
    "informational": Severity.INFO,
    "none": Severity.INFO,
    "unknown": Severity.UNKNOWN,
}
_BANDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))


def stated(properties: dict[str, Any]) -> Any:
    """The security severity that a property bag holds, whatever its spelling; None when there is none."""
    for key in KEYS:
        if properties.get(key) is not None:
            return properties[key]
    return None


def security_severity(raw: Any) -> tuple[Severity | None, str]:
    """A number (CVSS bands, 9.0 is critical) or a word. Gives the severity and a warning code, each may be missing.

    0 means "no security severity" and so does a number outside 0..10 (with a warning); a value that is neither number
    nor known word is ``unknown`` (with a warning).
    """
    if isinstance(raw, bool) or not isinstance(raw, (int, float, str)):
        return Severity.UNKNOWN, "security_severity_unreadable"
    if isinstance(raw, str):
        word = _WORDS.get(raw.strip().lower())
        if word is not None:
            return word, ""
        if not _NUMBER.fullmatch(raw):
            return Severity.UNKNOWN, "security_severity_unreadable"
    number = float(raw)
    if number == 0:
        return None, ""
    if not 0 < number <= 10:
        return None, "security_severity_out_of_range"
    for least, severity in _BANDS:
        if number >= least:
            return severity, ""
    return Severity.LOW, ""


def of_level(level: str, note: Severity) -> Severity:
    """Our word for a SARIF level: error high, warning medium, note as the knob says, none info, else unknown."""
    if level == "note":
        return note
    return {"error": Severity.HIGH, "warning": Severity.MEDIUM, "none": Severity.INFO}.get(level, Severity.UNKNOWN)
