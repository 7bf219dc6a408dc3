# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""KICS' JSON: queries, each with the places it matched. A place is the result, not the query.

Severities: CRITICAL, HIGH, MEDIUM, LOW, INFO, and TRACE for entries of a bill of materials, which are no problems.
``similarity_id`` follows a result through line shifts; KICS itself says that two results may share one.
"""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_str
from ..window import Window
from .form import Form

_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
    "INFO": Severity.INFO,
    "TRACE": Severity.INFO,
}
_GAPS = {
    "files_failed_to_scan": "files could not be scanned",
    "queries_failed_to_execute": "queries could not be executed",
}
_BILL = "BillOfMaterials"


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.has("kics_version", "queries"):
        return "it has kics_version and queries"
    # Older versions do not say their version.
    return "it has queries and queries_total" if outer.has("queries", "queries_total", "files_scanned") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("KICS")
    results, seen, told = "absent", 0, dict[str, int]()
    for name in window.members():
        if name == "queries" and window.peek() == "[":
            results = "list"
            seen = sum(_query(as_dict(entry), out) for entry in window.entries())
        elif name == "kics_version":
            out.tool("KICS", window.value())
        elif name == "end":
            out.time(window.value())
        elif name in ("files_scanned", "files_parsed", "total_counter", "total_bom_resources", *_GAPS):
            told[name] = as_int(window.value()) or 0
        else:
            window.skip()
    if results == "absent":
        out.failed("its queries are missing: the tool did not produce any")
    _judge(told, seen, out)


def _judge(told: dict[str, int], seen: int, out: Recorder) -> None:
    """What its own counts say about the scan."""
    for name, text in _GAPS.items():
        if told.get(name, 0) > 0:
            out.partial(f"{told[name]} {text}")
    if told.get("files_scanned") == 0:
        out.empty("no file was scanned")
    out.artifacts(max(0, told.get("files_parsed", 0)))
    total = told.get("total_counter")
    if total is not None and seen not in (total, total + told.get("total_bom_resources", 0)):
        out.partial(f"it counts {total} results and lists {seen}")


def _query(query: dict[str, Any], out: Recorder) -> int:
    """The results of one query; gives how many entries it has."""
    places = query.get("files")
    if not isinstance(places, list):
        out.dropped("query_without_files", "a query does not list the files it matched")
        return 1
    for place in places:
        _result(query, as_dict(place), out)
    return len(places)


def _result(query: dict[str, Any], place: dict[str, Any], out: Recorder) -> None:
    rule = as_str(query.get("query_id")) or as_str(query.get("query_name"))
    if not rule:
        out.dropped("result_without_rule", "a query has neither id nor name")
        return
    word = as_str(query.get("severity")) or ""
    similarity = as_str(place.get("similarity_id"))
    bill = place.get("issue_type") == _BILL or word.upper() == "TRACE"
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_str(query.get("query_name")) or "",
            message=_message(query, place),
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            kind="informational" if bill else "fail",
            cwe=cwe_from(cwe=query.get("cwe")),
            help_uri=as_str(query.get("query_url")) or "",
            fingerprints={"similarity_id": similarity} if similarity else {},
            tags=tuple(filter(None, map(as_str, (query.get("platform"), query.get("category"))))),
            places=(
                Place(
                    as_str(place.get("file_name")) or "",
                    place.get("line"),
                    symbol=_symbol(place),
                ),
            ),
        )
    )


def _message(query: dict[str, Any], place: dict[str, Any]) -> str:
    general = as_str(query.get("description")) or as_str(query.get("query_name")) or ""
    actual = as_str(place.get("actual_value"))
    return f"{general} ({actual})" if actual else general


def _symbol(place: dict[str, Any]) -> str:
    return ".".join(filter(None, map(as_str, (place.get("resource_type"), place.get("resource_name")))))


KICS = Form("kics", "KICS", JSON, _recognise, _read)
