# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checkmarx One: the results of its API and command line (``results[].similarityId``) and its report in JSON.

Both tell how many results there are; a page that holds fewer is no whole report. Paths begin with a slash and count
from the root of the repository. The form for GitLab that it can write is GitLab's and read as that.
"""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_list, as_text
from ..window import Window
from .checkmarx import SEVERITIES, baseline_of, judged, titled, word_of
from .form import Form

_TITLE = "Checkmarx One"


def _from_root(path: Any) -> str:
    return as_text(path).lstrip("/")


def _fewer(kept: int, stated: int | None, out: Recorder) -> None:
    if stated is not None and stated > kept:
        out.tally.cut("results that the report holds", kept, stated)
        out.partial(f"it holds {kept} of {stated} results")


# -- results -----------------------------------------------------------------------------------------------------


def _recognise_results(look: Look) -> str:
    outer = look.json
    if outer.at("results").has("similarityId", "type") or outer.at("results").has("similarityId", "state"):
        return "its results have similarityId"
    return "it has results, totalCount and scanID" if outer.has("results", "totalCount", "scanID") else ""


def _read_results(window: Window, out: Recorder) -> None:
    out.tool(_TITLE)
    listed, kept, total = "absent", 0, None
    for name in window.members():
        if name == "results" and window.peek() == "[":
            listed = "list"
            for entry in window.entries():
                kept += 1
                _result(as_dict(entry), out)
        elif name == "results":
            listed = "null" if window.value() is None else "absent"
        elif name == "totalCount":
            total = as_int(window.value())
        else:
            window.skip()
    # Its command line writes null for a list without entries; then the count must say so.
    if listed == "absent" or (listed == "null" and total != 0):
        out.failed("its results are missing")
    else:
        _fewer(kept, total, out)


def _result(entry: dict[str, Any], out: Recorder) -> None:
    data, details = as_dict(entry.get("data")), as_dict(entry.get("vulnerabilityDetails"))
    named = (data.get("queryName"), data.get("ruleName"), details.get("cveName"), entry.get("cveId"))
    rule = next((as_text(name) for name in named if as_text(name)), "")
    if not rule:
        out.dropped("result_without_rule", "a result names neither a query nor a CVE", entry.get("id"))
        return
    nodes = [as_dict(node) for node in as_list(data.get("nodes"))]
    source, sink = (nodes[0], nodes[-1]) if nodes else ({}, {})
    file = sink.get("fileName") or data.get("filename") or data.get("fileName")
    word, similarity = as_text(entry.get("severity")), as_text(entry.get("similarityId"))
    message = as_text(entry.get("description")).strip()
    out.finding(
        Draft(
            rule=rule,
            rule_name=rule.replace("_", " "),
            message=message or titled(rule, as_text(source.get("name")), as_text(sink.get("name"))),
            severity=SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            cwe=cwe_from(cweId=details.get("cweId")),
            fingerprints={"similarityId": similarity} if similarity else {},
            baseline=baseline_of(entry.get("status")),
            suppressions=judged(entry.get("state"), as_dict(entry.get("comments")).get("comments"), out),
            tags=tuple(tag for tag in (as_text(entry.get("type")), as_text(data.get("group"))) if tag),
            places=(
                Place(
                    _from_root(file),
                    sink.get("line") or data.get("line"),
                    column=sink.get("column"),
                    symbol=as_text(sink.get("fullName")) or as_text(sink.get("name")),
                ),
            ),
        )
    )


# -- the report --------------------------------------------------------------------------------------------------


def _recognise_report(look: Look) -> str:
    outer = look.json
    if outer.at("scanResults").has("resultsList"):
        return "its scanResults have a resultsList"
    return "it has reportHeader and scanInformation" if outer.has("reportHeader", "scanInformation") else ""


def _read_report(window: Window, out: Recorder) -> None:
    out.tool(_TITLE)
    kept, stated, listed = 0, None, False
    for name in window.members():
        if name == "scanResults" and window.peek() == "{":
            count = _listed(window, "resultsList", _query, out)
            kept, listed = kept + (count or 0), listed or count is not None
        elif name == "iacScanResults" and window.peek() == "{":
            count = _listed(window, "technology", _technology, out)
            kept, listed = kept + (count or 0), listed or count is not None
        elif name == "scaScanResults":
            for _package in as_list(as_dict(window.value()).get("packages")):
                out.tally.warn("components_not_read", "vulnerable packages are not read from this report")
        elif name == "scannerOverview":
            stated = _stated(as_dict(window.value()))
        elif name == "scanInformation":
            _information(as_dict(window.value()), out)
        elif name == "reportFilters":
            _filters(as_dict(window.value()), out)
        elif name == "reportHeader":
            out.time(as_dict(window.value()).get("scanDate"))
        else:
            window.skip()
    if listed:
        _fewer(kept, stated, out)
    elif stated != 0:
        out.failed("it has neither scanResults nor iacScanResults")


def _listed(window: Window, wanted: str, read: Any, out: Recorder) -> int | None:
    """How many results a section has; None when its list is not there."""
    count = None
    for name in window.members():
        if name == wanted and window.peek() == "[":
            count = sum(read(as_dict(entry), out) for entry in window.entries())
        else:
            window.skip()
    return count


def _stated(overview: dict[str, Any]) -> int | None:
    counts = [as_int(as_dict(overview.get(name)).get("value")) for name in ("sastResults", "iacResults")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _information(scan: dict[str, Any], out: Recorder) -> None:
    out.artifacts(as_int(scan.get("totalScannedFiles")) or 0)
    for scanner in as_list(scan.get("scannerStatus")):
        name, status = as_text(as_dict(scanner).get("name")), as_text(as_dict(scanner).get("status"))
        if name.upper() == "SCA" or word_of(status) == "COMPLETED":
            continue
        say = out.failed if word_of(status) in ("FAILED", "CANCELED", "CANCELLED") else out.partial
        say(f"the scanner {name} ended as {status or 'nothing'}")


def _filters(filters: dict[str, Any], out: Recorder) -> None:
    for entry in as_list(filters.get("filters")):
        left_out = [as_text(word) for word in as_list(as_dict(entry).get("excluded"))]
        if left_out:
            out.partial(f"a filter left out: {as_text(as_dict(entry).get('filterName'))} {', '.join(left_out[:10])}")


def _query(query: dict[str, Any], out: Recorder) -> int:
    rule = as_text(query.get("queryName")) or as_text(query.get("queryPath"))
    entries = as_list(query.get("vulnerabilities"))
    for entry in map(as_dict, entries):
        nodes = [as_dict(node) for node in as_list(entry.get("nodes"))]
        sink = nodes[-1] if nodes else {}
        place = Place(
            _from_root(entry.get("destinationFileName") or sink.get("fileName")),
            entry.get("destinationLine") or sink.get("line"),
            symbol=as_text(sink.get("method")),
        )
        _instance(entry, rule, as_text(query.get("description")), query.get("cweId"), "sast", place, out)
    return len(entries)


def _technology(technology: dict[str, Any], out: Recorder) -> int:
    count = 0
    for query in map(as_dict, as_list(technology.get("queries"))):
        rule = as_text(query.get("queryName"))
        for entry in map(as_dict, as_list(query.get("resultsList"))):
            count += 1
            place = Place(_from_root(entry.get("fileName")), entry.get("line"))
            _instance(entry, rule, as_text(query.get("description")), query.get("cweId"), "kics", place, out)
    return count


def _instance(entry: dict[str, Any], rule: str, text: str, cwe: Any, kind: str, place: Place, out: Recorder) -> None:
    if not rule:
        out.dropped("result_without_rule", "a result names no query")
        return
    word, similarity = as_text(entry.get("severity")), as_text(entry.get("similarityId"))
    out.finding(
        Draft(
            rule=rule,
            rule_name=rule.replace("_", " "),
            message=text.strip() or titled(rule, "", ""),
            severity=SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            cwe=cwe_from(cweId=cwe),
            fingerprints={"similarityId": similarity} if similarity else {},
            baseline=baseline_of(entry.get("status")),
            suppressions=judged(entry.get("state"), entry.get("comments"), out),
            tags=(kind,),
            places=(place,),
        )
    )


CHECKMARX_ONE = Form("checkmarx", _TITLE, JSON, _recognise_results, _read_results)
CHECKMARX_ONE_REPORT = Form("checkmarx", _TITLE, JSON, _recognise_report, _read_report)
