# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CodeChecker's JSON (``CodeChecker parse --export json``). A report hash stands for a defect, not for a place: the
same one is given wherever the defect shows up."""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_str
from ..window import Keep, Window
from .form import Form

_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
    "STYLE": Severity.INFO,
}
_OUTER = frozenset({"version", "reports"})
_HIDDEN = frozenset({"false_positive", "intentional", "suppress"})
_REPORT: Keep = dict.fromkeys(
    (
        "file",
        "line",
        "column",
        "message",
        "checker_name",
        "severity",
        "report_hash",
        "analyzer_name",
        "category",
        "type",
        "source_code_comments",
        "review_status",
    )
)


def _recognise(look: Look) -> str:
    outer, reports = look.json, look.json.at("reports")
    if reports.has("report_hash", "checker_name"):
        return "its reports have report_hash and checker_name"
    without = reports.type == "null" or (reports.type == "list" and reports.first is None)
    return "it has version and reports, of which there are none" if without and set(outer.names) == _OUTER else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("CodeChecker")
    reports = "absent"
    for name in window.members():
        if name == "reports" and window.peek() == "[":
            reports = "list"
            for entry in window.entries(_REPORT):
                _report(as_dict(entry), out)
        elif name == "version":
            out.tool("CodeChecker", format_version=window.value())
        else:
            window.skip()
    if reports == "absent":
        out.failed("its reports are missing: the tool did not produce any")


def _report(entry: dict[str, Any], out: Recorder) -> None:
    rule = as_str(entry.get("checker_name"))
    if not rule:
        out.dropped("result_without_rule", "a report names no checker", entry.get("report_hash"))
        return
    word, digest = as_str(entry.get("severity")) or "", as_str(entry.get("report_hash")) or ""
    file = as_dict(entry.get("file"))
    tags = (as_str(entry.get("analyzer_name")), as_str(entry.get("category")), as_str(entry.get("type")))
    out.finding(
        Draft(
            rule=rule,
            message=as_str(entry.get("message")) or "",
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="severity" if word else "none",
            native=word,
            fingerprints={"report_hash": digest} if digest else {},
            places=(
                Place(
                    as_str(file.get("path")) or as_str(file.get("original_path")) or "",
                    entry.get("line"),
                    entry.get("column"),
                ),
            ),
            tags=tuple(dict.fromkeys(tag for tag in tags if tag)),
            suppressions=_suppressions(entry),
        )
    )


def _suppressions(entry: dict[str, Any]) -> tuple[Suppression, ...]:
    """``unreviewed`` and ``confirmed`` hide nothing. Who decided shows in whether a comment in the source says so."""
    status = (as_str(entry.get("review_status")) or "").lower()
    if status not in _HIDDEN:
        return ()
    comments = [as_dict(comment) for comment in as_list(entry.get("source_code_comments"))]
    said = next((text for text in (as_str(comment.get("message")) for comment in comments) if text), "")
    justification = ": ".join(part for part in (status, said[:500]) if part)
    return (Suppression("inSource" if comments else "external", "accepted", justification),)


CODECHECKER = Form("codechecker", "CodeChecker", JSON, _recognise, _read)
