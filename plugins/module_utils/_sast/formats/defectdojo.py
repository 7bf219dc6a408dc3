# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""DefectDojo's generic findings, JSON and CSV: what teams write for tools that have no reader of their own.

A severity that is none of the five words stays unknown. What a person decided about a finding (false positive, out of
scope, risk accepted, duplicate, not active) hides it and is said; what is mitigated is history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._core.findings import Severity, Suppression
from ..columns import Columns
from ..draft import Draft, Place, cwe_from
from ..look import CSV, JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_str
from ..window import Window
from .form import Form

_TITLE = "DefectDojo generic findings"
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.INFO,
}
_AROUND = frozenset({"findings", "name", "type", "version", "description", "static_tool", "dynamic_tool", "soc"})
_DECIDED = {
    "false_p": "false positive",
    "out_of_scope": "out of scope",
    "risk_accepted": "risk accepted",
    "duplicate": "duplicate",
}
_COLUMNS = {
    "FalsePositive": "false_p",
    "OutOfScope": "out_of_scope",
    "RiskAccepted": "risk_accepted",
    "Duplicate": "duplicate",
    "Active": "active",
    "IsMitigated": "is_mitigated",
}
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


def _is_json(look: Look) -> str:
    outer = look.json
    if outer.type != "object" or not set(outer.names) <= _AROUND:
        return ""
    findings = outer.at("findings")
    if findings.has("title", "severity"):
        return "its findings have title and severity"
    return "it has an empty list of findings" if findings.type == "list" and findings.first is None else ""


def _is_null(look: Look) -> str:
    outer = look.json
    return "its findings are null" if outer.at("findings").type == "null" and set(outer.names) <= _AROUND else ""


def _read_json(window: Window, out: Recorder) -> None:
    out.tool("generic findings")
    findings = "absent"
    for name in window.members():
        if name == "findings" and window.peek() == "[":
            findings = "list"
            for entry in window.entries():
                _entry(as_dict(entry), out)
        elif name in ("name", "type"):
            # The name is of one scan, the type of the tool.
            value = window.value()
            if name == "type" or findings == "absent":
                out.tool(value)
        else:
            window.skip()
    if findings == "absent":
        out.failed("its findings are missing")


def _entry(entry: dict[str, Any], out: Recorder) -> None:
    title = as_str(entry.get("title")) or ""
    rule = as_str(entry.get("vuln_id_from_tool")) or title
    if not rule:
        out.dropped("result_without_rule", "a finding has neither title nor vuln_id_from_tool")
        return
    word = as_str(entry.get("severity")) or ""
    own = as_str(entry.get("unique_id_from_tool"))
    known = {name: _flag(entry.get(name)) for name in (*_DECIDED, "active", "is_mitigated")}
    out.finding(
        Draft(
            rule=rule,
            rule_name=title,
            message=as_str(entry.get("description")) or title,
            severity=_SEVERITIES.get(word.strip().lower(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            cwe=cwe_from(cwe=entry.get("cwe")),
            fingerprints={"unique_id_from_tool": own} if own else {},
            baseline="absent" if known["is_mitigated"] else None,
            suppressions=_decisions(known),
            tags=tuple(filter(None, map(as_str, as_list(entry.get("tags"))))),
            places=_places(entry),
        )
    )


def _places(entry: dict[str, Any]) -> tuple[Place, ...]:
    component = as_str(entry.get("component_name")) or ""
    path = as_str(entry.get("file_path"))
    if path:
        return (Place(path, entry.get("line"), symbol=component),)
    hosts = [_endpoint(endpoint) for endpoint in as_list(entry.get("endpoints"))]
    return tuple(Place(symbol=host) for host in hosts if host) or (Place(symbol=component),)


def _endpoint(raw: Any) -> str:
    """An address, written as text or in parts."""
    parts = as_dict(raw)
    if not parts:
        return as_str(raw) or ""
    scheme, host, path = (as_str(parts.get(name)) or "" for name in ("protocol", "host", "path"))
    port = f":{parts['port']}" if isinstance(parts.get("port"), int) else ""
    return (f"{scheme}://" if scheme else "") + host + port + ("/" + path.lstrip("/") if path else "")


def _flag(value: Any) -> bool | None:
    """True or false, also as text; None for what says neither."""
    if isinstance(value, bool):
        return value
    word = (as_str(value) or "").strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _decisions(known: Mapping[str, bool | None]) -> tuple[Suppression, ...]:
    """What was decided about a finding. One that is just not active hides, too: somebody closed it."""
    said = [text for name, text in _DECIDED.items() if known.get(name)]
    if not said and known.get("active") is False and not known.get("is_mitigated"):
        said = ["not active"]
    return tuple(Suppression("external", "accepted", text) for text in said)


def _is_csv(look: Look) -> str:
    named = set(look.header)
    return "it has the columns Title, Severity and Description" if named >= {"Title", "Severity", "Description"} else ""


def _read_csv(columns: Columns, out: Recorder) -> None:
    out.tool("generic findings")
    for row in columns.rows():
        _row(row, out)


def _row(row: dict[str, str], out: Recorder) -> None:
    title = row.get("Title", "").strip()
    if not title:
        out.dropped("result_without_rule", "a row has no title")
        return
    word, address = row.get("Severity", "").strip(), row.get("Url", "").strip()
    known = {name: _flag(row.get(column)) for column, name in _COLUMNS.items()}
    out.finding(
        Draft(
            rule=title,
            rule_name=title,
            message=row.get("Description") or title,
            severity=_SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source="Severity",
            native=word,
            cwe=cwe_from(CweId=row.get("CweId"), CweIds=row.get("CweIds")),
            baseline="absent" if known["is_mitigated"] else None,
            suppressions=_decisions(known),
            places=(Place(symbol=address),),
        )
    )


DEFECTDOJO = Form("defectdojo", _TITLE, JSON, _is_json, _read_json, bare=_is_null)
DEFECTDOJO_CSV = Form("defectdojo", _TITLE, CSV, _is_csv, _read_csv)
