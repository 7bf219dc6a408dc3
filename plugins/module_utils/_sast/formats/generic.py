# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own simple report, for tools that nobody reads: JSON or CSV, described in docs/sast_generic.md.

It has to say that the scan finished, because silence is not success: JSON by ``status``, CSV by its last row, ``#end``.
"""

from __future__ import annotations

from typing import Any

from ..._core.errors import BadInput
from ..._core.findings import Severity, Suppression
from ..columns import Columns
from ..draft import Draft, Place, cwe_from
from ..look import CSV, JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_list, as_str
from ..window import Window
from .form import Form

VERSION = 1
END = "#end"

_TITLE = "knowngood's simple report"
_SCAN = frozenset({"knowngood", "tool", "status", "reason", "commit", "repository", "time", "artifacts", "findings"})
_PLACE = ("path", "line", "column", "end_line", "end_column", "symbol")
_FINDING = frozenset(
    {"rule", "rule_name", "message", "severity", "cwe", "confidence", "kind", "fingerprint", "help_uri", "tags"}
    | {"secret", "snippet", "suppressed", "locations", *_PLACE}
)
_COLUMNS = _FINDING - {"locations"}
_NEEDED = frozenset({"rule", "message", "severity", "path", "line"})


def _is_json(look: Look) -> str:
    return "it says knowngood" if look.json.at("knowngood").type == "number" else ""


def _read_json(window: Window, out: Recorder) -> None:
    out.tool("generic")
    told: dict[str, Any] = {}
    findings = "absent"
    for name in window.members():
        if name == "findings" and window.peek() == "[":
            findings = "list"
            for entry in window.entries():
                _finding(entry, out)
        elif name in _SCAN:
            told[name] = window.value()
        else:
            window.skip()
            _unknown(name, out)
    _scan(told, out)
    if findings == "absent":
        out.failed("its findings are missing")


def _scan(told: dict[str, Any], out: Recorder) -> None:
    if told.get("knowngood") != VERSION or told.get("knowngood") is True:
        why = f"supported is knowngood: {VERSION}"
        raise BadInput("this version of the simple report is not supported", where=out.name, why=why)
    tool = as_dict(told.get("tool"))
    out.tool(tool.get("name"), tool.get("version"), format_version=VERSION)
    out.rules(as_list(tool.get("rules")))
    out.commit(told.get("commit"), told.get("repository"))
    out.time(told.get("time"))
    out.artifacts(max(0, as_int(told.get("artifacts")) or 0))
    status, reason = told.get("status"), as_str(told.get("reason")) or ""
    if status == "partial":
        out.partial(reason or "it says that the scan is partial")
    elif status == "failed":
        out.failed(reason or "it says that the scan failed")
    elif status != "ok":
        out.failed("its status is missing or none of ok, partial, failed: nobody says that the scan finished")


def _finding(raw: Any, out: Recorder) -> None:
    entry = as_dict(raw)
    if not as_str(entry.get("rule")):
        out.dropped("result_without_rule", "a finding names no rule")
        return
    for name in entry:
        if name not in _FINDING:
            _unknown(name, out)
    places = [as_dict(place) for place in as_list(entry.get("locations"))] or [entry]
    secret = entry.get("secret") is True
    out.finding(_draft(entry, tuple(map(_place, places)), tuple(as_list(entry.get("tags"))), secret=secret))


def _draft(entry: dict[str, Any], places: tuple[Place, ...], tags: tuple[Any, ...], *, secret: bool) -> Draft:
    word, rule = as_str(entry.get("severity")) or "", as_str(entry.get("rule")) or ""
    own = as_str(entry.get("fingerprint"))
    return Draft(
        rule=rule,
        rule_name=as_str(entry.get("rule_name")) or "",
        message=as_str(entry.get("message")) or "",
        severity=_severity(word),
        severity_source="severity",
        native=word,
        kind=as_str(entry.get("kind")) or "fail",
        confidence=as_str(entry.get("confidence")) or "",
        cwe=cwe_from(cwe=entry.get("cwe")),
        help_uri=as_str(entry.get("help_uri")) or "",
        fingerprints={"fingerprint": own} if own else {},
        suppressions=_suppressed(entry.get("suppressed")),
        tags=tuple(filter(None, map(as_str, tags))),
        snippet=as_str(entry.get("snippet")) or "",
        secret=secret,
        places=places,
    )


def _severity(word: str) -> Severity:
    """Our own words only: what a tool calls an error is for whoever writes the report to judge."""
    try:
        return Severity(word.strip().lower())
    except ValueError:
        return Severity.UNKNOWN


def _place(raw: dict[str, Any]) -> Place:
    return Place(
        as_str(raw.get("path")) or "",
        raw.get("line"),
        raw.get("column"),
        raw.get("end_line"),
        raw.get("end_column"),
        as_str(raw.get("symbol")) or "",
    )


def _suppressed(raw: Any) -> tuple[Suppression, ...]:
    """``{"status": "accepted", "reason": "...", "by": "inSource"}``, or a reason alone; without a status it is one that
    nobody accepted."""
    if isinstance(raw, str) and raw.strip():
        return (Suppression("external", "accepted", raw),)
    entry = as_dict(raw)
    if not entry:
        return ()
    status = as_str(entry.get("status"))
    return (
        Suppression(
            "inSource" if entry.get("by") == "inSource" else "external",
            status if status in ("accepted", "underReview", "rejected") else "underReview",
            as_str(entry.get("reason")) or "",
        ),
    )


def _unknown(name: str, out: Recorder) -> None:
    out.tally.warn("name_unknown", "the simple report has no such name or column", out.cleaner.label(name, 40))


def _is_csv(look: Look) -> str:
    return "it has the columns rule, message, severity, path and line" if set(look.header) >= _NEEDED else ""


def _read_csv(columns: Columns, out: Recorder) -> None:
    out.tool("generic")
    for name in columns.header:
        if name not in _COLUMNS:
            _unknown(name, out)
    seen, said = 0, None
    for row in columns.rows():
        if row.get("rule", "").strip() == END:
            said = row.get("message", "").strip()
            continue
        seen += 1
        _row(row, out)
    if said is None:
        out.partial(f"there is no last row {END}: nobody says that the scan finished")
    elif said != str(seen):
        out.partial(f"its row {END} counts {said or 'nothing'}, there are {seen} rows")


def _row(row: dict[str, str], out: Recorder) -> None:
    entry: dict[str, Any] = {name: text.strip() for name, text in row.items()}
    if not entry.get("rule"):
        out.dropped("result_without_rule", "a row names no rule")
        return
    tags = tuple(str(entry.get("tags", "")).split())
    secret = str(entry.get("secret", "")).lower() in ("true", "yes", "1")
    out.finding(_draft(entry, (_place(entry),), tags, secret=secret))


GENERIC = Form("generic", _TITLE, JSON, _is_json, _read_json)
GENERIC_CSV = Form("generic", _TITLE, CSV, _is_csv, _read_csv)
