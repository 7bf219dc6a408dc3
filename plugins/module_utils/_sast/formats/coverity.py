# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Coverity's JSON (``cov-format-errors --json-output-vN``). Its severity is the checker's impact, its identity the
merge key, which several occurrences of one defect share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_list, as_str
from ..window import Keep, Window
from .form import Form

_IMPACTS = {
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    # A place that somebody should look at, not a defect: see its kind.
    "audit": Severity.INFO,
}
_HIDDEN = frozenset({"false positive", "intentional"})
_UNDECIDED = frozenset({"", "unclassified", "pending"})
_EVENT: Keep = dict.fromkeys(("main", "eventDescription"))
_ISSUE: Keep = {
    "events": _EVENT,
    **dict.fromkeys(
        (
            "mergeKey",
            "checkerName",
            "subcategory",
            "mainEventFilePathname",
            "strippedMainEventFilePathname",
            "mainEventLineNumber",
            "mainEventColumnNumber",
            "functionDisplayName",
            "stateOnServer",
            "localTriage",
            "checkerProperties",
        )
    ),
}


def _recognise(look: Look) -> str:
    kind = look.json.at("type").value
    if isinstance(kind, str) and kind.lower() == "coverity issues":
        return "its type is Coverity issues"
    return "its issues have mergeKey and checkerName" if look.json.at("issues").has("mergeKey", "checkerName") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Coverity")
    issues = "absent"
    for name in window.members():
        if name == "issues" and window.peek() == "[":
            issues = "list"
            for entry in window.entries(_ISSUE):
                _issue(as_dict(entry), out)
        elif name == "formatVersion":
            out.tool("Coverity", format_version=window.value())
        elif name == "error":
            _error(window.value(), out)
        elif name == "warnings":
            _warnings(as_list(window.value()), out)
        elif name == "suppressedIssueCount":
            _left_out(as_int(window.value()) or 0, out)
        elif name == "desktopAnalysisSettings":
            out.time(as_dict(window.value({"analysisDateTime": None})).get("analysisDateTime"))
        else:
            window.skip()
    if issues == "absent":
        out.failed("its issues are missing: the tool did not produce any")


def _error(error: Any, out: Recorder) -> None:
    if error:
        out.failed(f"the analysis ended with an error: {_told(error)}")


def _warnings(warnings: list[Any], out: Recorder) -> None:
    if warnings:
        out.partial(f"the analysis warns {len(warnings)} times, first: {_told(warnings[0])}")


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)[:200]


def _left_out(count: int, out: Recorder) -> None:
    """Suppressed issues are only counted in the file, so nothing can be said about any of them."""
    if count > 0:
        out.tally.warn(
            "suppressed_not_listed", "issues were suppressed before the report was written", f"{count} issues"
        )


def _issue(entry: dict[str, Any], out: Recorder) -> None:
    rule = as_str(entry.get("checkerName"))
    if not rule:
        out.dropped("result_without_rule", "an issue names no checker", entry.get("mergeKey"))
        return
    checker, key = as_dict(entry.get("checkerProperties")), as_str(entry.get("mergeKey")) or ""
    word = as_str(checker.get("impact")) or ""
    tags = (as_str(checker.get("category")), *map(as_str, as_list(checker.get("issueKinds"))))
    short = as_str(checker.get("subcategoryShortDescription")) or ""
    out.finding(
        Draft(
            rule=rule,
            rule_name=short,
            message=_message(entry) or as_str(checker.get("subcategoryLongDescription")) or short or rule,
            severity=_IMPACTS.get(word.lower(), Severity.UNKNOWN),
            severity_source="checkerProperties.impact" if word else "none",
            native=word,
            kind="review" if word.lower() == "audit" else "fail",
            cwe=cwe_from(cweCategory=checker.get("cweCategory")),
            fingerprints={"mergeKey": key} if key else {},
            baseline=_baseline(as_dict(entry.get("stateOnServer"))),
            places=(_place(entry),),
            tags=tuple(tag for tag in tags if tag),
            suppressions=_suppressions(entry),
        )
    )


def _message(entry: Mapping[str, Any]) -> str:
    events = [as_dict(event) for event in as_list(entry.get("events"))]
    return next((as_str(event.get("eventDescription")) or "" for event in events if event.get("main") is True), "")


def _place(entry: Mapping[str, Any]) -> Place:
    """The stripped path is relative to the source tree; the other one names the machine that analysed."""
    path = as_str(entry.get("strippedMainEventFilePathname")) or as_str(entry.get("mainEventFilePathname")) or ""
    function = as_str(entry.get("functionDisplayName")) or ""
    return Place(path, entry.get("mainEventLineNumber"), entry.get("mainEventColumnNumber"), symbol=function)


def _baseline(server: Mapping[str, Any]) -> str | None:
    """Whether the snapshot that a desktop analysis is compared with has the issue, too."""
    present = server.get("presentInReferenceSnapshot")
    return ("unchanged" if present else "new") if isinstance(present, bool) else None


def _suppressions(entry: Mapping[str, Any]) -> tuple[Suppression, ...]:
    """What was decided here goes before what the server knows."""
    for triage in (as_dict(entry.get("localTriage")), as_dict(as_dict(entry.get("stateOnServer")).get("triage"))):
        word = as_str(triage.get("classification")) or ""
        if word.lower() in _HIDDEN:
            return (Suppression("external", "accepted", word),)
        if word.lower() not in _UNDECIDED:
            return ()
    return ()


COVERITY = Form("coverity", "Coverity", JSON, _recognise, _read)
