# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checkmarx SAST: its XML (``CxXMLResults``) and what CxFlow makes of it (JSON, ``xissues``).

Each result is a finding of its own, at the last node of its path: there the data does harm. A result that was judged
not exploitable (state 1) is suppressed; one for which that was only proposed (state 4) is not. The severity of a result
goes before the one of its query: people may have changed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, XML, Look
from ..markup import Markup
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_text
from ..window import Window
from .form import Form

SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.INFO,
    "information": Severity.INFO,
}
_STATES = {
    "1": "accepted",
    "NOT_EXPLOITABLE": "accepted",
    "4": "underReview",
    "PROPOSED_NOT_EXPLOITABLE": "underReview",
}
_BASELINES = {
    "NEW": "new",
    "RECURRENT": "unchanged",
    "REOCCURED": "unchanged",
    "FIXED": "absent",
    "RESOLVED": "absent",
}


def word_of(value: Any) -> str:
    """A state or a status in one spelling: "Not Exploitable" is NOT_EXPLOITABLE."""
    return as_text(value).strip().upper().replace(" ", "_")


def judged(state: Any, remark: Any, out: Recorder) -> tuple[Suppression, ...]:
    """The suppression that a state of the triage is; none for a state that hides nothing, or that nobody knows."""
    status = _STATES.get(word_of(state))
    return (Suppression("external", status, out.cleaner.label(as_text(remark), 512)),) if status else ()


def baseline_of(status: Any) -> str | None:
    return _BASELINES.get(word_of(status))


def titled(name: str, source: str, sink: str) -> str:
    """What the reports do not say in a sentence."""
    title = name.replace("_", " ")
    return f"{title}: from {source} to {sink}" if source and sink and source != sink else title


# -- XML ---------------------------------------------------------------------------------------------------------


def _recognise_xml(look: Look) -> str:
    return "its root element is CxXMLResults" if look.root == "CxXMLResults" else ""


def _read_xml(markup: Markup, out: Recorder) -> None:
    query: Mapping[str, str] = {}
    for entry in markup.elements():
        if entry.tag == "Query":
            query = entry.attrib
        elif entry.tag == "/Query":
            query = {}
        elif entry.tag == "Result":
            _result(entry, query, out)
    root = markup.attributes
    out.tool("Checkmarx", root.get("CheckmarxVersion"))
    out.time(root.get("ScanStart"))
    files = root.get("FilesScanned", "")
    if files.isascii() and files.isdigit() and len(files) < 10:
        out.artifacts(int(files))
        if not int(files):
            out.empty("no file was scanned")
    if root.get("ScanType", "").lower() == "incremental":
        out.partial("it is an incremental scan: only what had changed was analysed")


def _result(entry: Element, query: Mapping[str, str], out: Recorder) -> None:
    rule = query.get("name", "")
    if not rule:
        out.dropped("result_without_query", "a result stands outside of a query, or the query has no name")
        return
    word = entry.get("Severity") or query.get("Severity", "")
    path = entry.find("Path")
    nodes = path.findall("PathNode") if path is not None else []
    first, last = (nodes[0], nodes[-1]) if nodes else (None, None)
    similarity = path.get("SimilarityId", "") if path is not None else ""
    state = "1" if entry.get("FalsePositive") == "True" else entry.get("state")
    out.finding(
        Draft(
            rule=rule,
            rule_name=rule.replace("_", " "),
            message=titled(rule, _said(first, "Name"), _said(last, "Name")),
            severity=SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source="Severity",
            native=word,
            cwe=cwe_from(cweId=query.get("cweId")),
            fingerprints={"SimilarityId": similarity} if similarity else {},
            baseline=baseline_of(entry.get("Status")),
            suppressions=judged(state, entry.get("Remark"), out),
            tags=tuple(tag for tag in (query.get("group"), query.get("Language")) if tag),
            snippet=_said(last, "Snippet/Line/Code"),
            places=(_sink(entry, last),),
        )
    )


def _sink(entry: Element, node: Element | None) -> Place:
    if node is None:
        return Place(entry.get("FileName", ""), entry.get("Line"), column=entry.get("Column"))
    return Place(_said(node, "FileName"), _said(node, "Line"), column=_said(node, "Column"), symbol=_said(node, "Name"))


def _said(node: Element | None, what: str) -> str:
    return (node.findtext(what) or "").strip() if node is not None else ""


# -- CxFlow ------------------------------------------------------------------------------------------------------


def _recognise_flow(look: Look) -> str:
    return "it has xissues" if look.json.at("xissues").type in ("list", "null") else ""


def _read_flow(window: Window, out: Recorder) -> None:
    out.tool("Checkmarx")
    listed, kept, seen = False, 0, 0
    for name in window.members():
        if name == "xissues" and window.peek() == "[":
            listed = True
            for entry in window.entries():
                kept += 1
                _issue(as_dict(entry), out)
        elif name == "unFilteredIssues" and window.peek() == "[":
            for _position in window.items():
                seen += 1
                window.skip()
        elif name == "version":
            out.tool("Checkmarx", window.value())
        elif name == "additionalDetails":
            out.time(as_dict(window.value()).get("scanStartDate"))
        else:
            window.skip()
    if not listed:
        out.failed("its list of issues is missing")
    if seen > kept:
        out.tally.warn("issues_filtered", f"CxFlow was told to leave out {seen - kept} of {seen} issues")


def _issue(entry: dict[str, Any], out: Recorder) -> None:
    """One issue holds all results of one kind in one file; each of them counts."""
    rule = as_text(entry.get("vulnerability"))
    if not rule:
        out.dropped("issue_without_name", "an issue names no vulnerability")
        return
    details = as_dict(entry.get("details"))
    results = [as_dict(one) for one in as_list(as_dict(entry.get("additionalDetails")).get("results"))]
    if not results:
        file = entry.get("filename")
        results = [{"sink": {"file": file, "line": line}, "source": {"line": line}} for line in details or ("",)]
    for result in results:
        source = as_dict(result.get("source"))
        detail = as_dict(details.get(as_text(source.get("line"))))
        _flow(entry, rule, result, detail, out)


def _flow(entry: dict[str, Any], rule: str, result: dict[str, Any], detail: dict[str, Any], out: Recorder) -> None:
    source, sink = as_dict(result.get("source")), as_dict(result.get("sink"))
    word, similarity = as_text(entry.get("severity")), as_text(entry.get("similarityId"))
    dismissed = detail.get("falsePositive") is True or entry.get("allFalsePositive") is True
    out.finding(
        Draft(
            rule=rule,
            rule_name=rule.replace("_", " "),
            message=titled(rule, as_text(source.get("object")), as_text(sink.get("object"))),
            severity=SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            cwe=cwe_from(cwe=entry.get("cwe")),
            fingerprints={"similarityId": similarity} if similarity else {},
            suppressions=judged("1" if dismissed else result.get("state"), detail.get("comment"), out),
            tags=tuple(tag for tag in (as_text(entry.get("language")),) if tag),
            snippet=as_text(sink.get("snippet")),
            places=(
                Place(
                    as_text(sink.get("file")) or as_text(entry.get("filename")),
                    sink.get("line"),
                    column=sink.get("column"),
                    symbol=as_text(sink.get("object")),
                ),
            ),
        )
    )


CHECKMARX_XML = Form(
    "checkmarx",
    "Checkmarx",
    XML,
    _recognise_xml,
    _read_xml,
    elements=("Result",),
    around=("Query",),
    counted=("Result",),
)
CHECKMARX_FLOW = Form("checkmarx", "Checkmarx", JSON, _recognise_flow, _read_flow)
