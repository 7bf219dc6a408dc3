# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bandit's JSON. ``issue_severity`` is the severity; ``issue_confidence`` is how sure it is and stays apart."""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_str
from ..window import Window
from .form import Form

_SEVERITIES = {
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
}


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.at("results").has("test_id", "issue_severity"):
        return "its results have test_id and issue_severity"
    return "it has errors, generated_at and metrics" if outer.has("errors", "generated_at", "metrics") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Bandit")
    results = "absent"
    for name in window.members():
        if name == "results" and window.peek() == "[":
            results = "list"
            for entry in window.entries():
                _result(as_dict(entry), out)
        elif name == "errors":
            _errors(as_list(window.value()), out)
        elif name == "generated_at":
            out.time(window.value())
        elif name == "metrics":
            out.artifacts(sum(1 for file in as_dict(window.value()) if file != "_totals"))
        else:
            window.skip()
    if results == "absent":
        out.failed("its results are missing: the tool did not produce any")


def _errors(errors: list[Any], out: Recorder) -> None:
    if errors:
        first = as_dict(errors[0])
        out.partial(f"not scanned: {len(errors)}, first {first.get('filename')}: {first.get('reason')}")


def _result(entry: dict[str, Any], out: Recorder) -> None:
    rule = as_str(entry.get("test_id"))
    if not rule:
        out.dropped("result_without_rule", "a result names no test")
        return
    word = as_str(entry.get("issue_severity")) or ""
    span = as_list(entry.get("line_range"))
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_str(entry.get("test_name")) or "",
            message=as_str(entry.get("issue_text")) or "",
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="issue_severity",
            native=word,
            confidence=as_str(entry.get("issue_confidence")) or "",
            cwe=cwe_from(issue_cwe=entry.get("issue_cwe")),
            help_uri=as_str(entry.get("more_info")) or "",
            snippet=as_str(entry.get("code")) or "",
            places=(
                Place(
                    as_str(entry.get("filename")) or "",
                    entry.get("line_number"),
                    column=_column(entry.get("col_offset")),
                    end_line=span[-1] if len(span) > 1 else None,
                ),
            ),
        )
    )


def _column(offset: Any) -> int | None:
    """Bandit counts columns from 0 and writes -1 for none."""
    return offset + 1 if isinstance(offset, int) and not isinstance(offset, bool) and offset >= 0 else None


BANDIT = Form("bandit", "Bandit", JSON, _recognise, _read)
