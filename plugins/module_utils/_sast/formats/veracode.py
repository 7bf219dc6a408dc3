# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Veracode's detailed report (XML) and the result of its pipeline scan (JSON).

Severity counts from 5 (very high) to 0 (informational). Flaws that are fixed stay in the XML: they are history. A
mitigation hides a flaw only when it was accepted, not when it was proposed. ``issue_id`` of a pipeline scan is given to
several flaws; ``flaw_match`` identifies. Known vulnerabilities of components are another subject: counted, not read.
"""

from __future__ import annotations

import html
import re
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

_SEVERITIES = {
    "5": Severity.CRITICAL,
    "4": Severity.HIGH,
    "3": Severity.MEDIUM,
    "2": Severity.LOW,
    "1": Severity.INFO,
    "0": Severity.INFO,
}
_MITIGATIONS = {
    "accepted": "accepted",
    "proposed": "underReview",
    "deferred": "underReview",
    "rejected": "rejected",
}
_ANALYSES = frozenset({"static-analysis", "dynamic-analysis", "manual-analysis"})
_MARK = re.compile(r"<[^<>]{0,300}>")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC")


def _plain(text: str) -> str:
    """A text that the vendor writes with HTML in it, without."""
    return " ".join(html.unescape(_MARK.sub(" ", text)).split())


def _rule(cwe: str) -> str:
    """Veracode names its rules by the weakness alone, in both of its formats."""
    return f"CWE-{cwe}" if cwe else ""


# -- the detailed report -----------------------------------------------------------------------------------------


def _recognise_xml(look: Look) -> str:
    return "its root element is detailedreport" if look.root == "detailedreport" else ""


def _read_xml(markup: Markup, out: Recorder) -> None:
    analysed, modules, version = False, 0, ""
    for entry in markup.elements():
        if entry.tag == "flaw":
            _flaw(entry, out)
        elif entry.tag in _ANALYSES:
            analysed = True
            version = version or entry.get("engine_version", "")
        elif entry.tag == "module":
            modules += 1
        elif entry.tag == "vulnerability":
            out.tally.warn("components_not_read", "known vulnerabilities of components are not read from this report")
    root = markup.attributes
    out.tool("Veracode", version, format_version=root.get("report_format_version"))
    out.time(_STAMP.sub(r"\1T\2Z", root.get("generation_date", "")))
    out.artifacts(modules)
    if not analysed:
        out.empty("it has the results of no analysis")


def _flaw(entry: Element, out: Recorder) -> None:
    cwe, native = entry.get("cweid", ""), entry.get("severity", "")
    category = entry.get("categoryname", "")
    if not (cwe or category):
        out.dropped("flaw_without_category", "a flaw has neither a CWE nor a category", entry.get("issueid"))
        return
    issue = entry.get("issueid", "")
    out.finding(
        Draft(
            rule=_rule(cwe) or category,
            rule_name=category,
            message=_plain(entry.get("description", "")) or entry.get("type", "") or category,
            severity=_SEVERITIES.get(native, Severity.UNKNOWN),
            severity_source="severity",
            native=native,
            cwe=cwe_from(cweid=cwe),
            fingerprints={"issueid": issue} if issue else {},
            baseline="absent" if entry.get("remediation_status", "").lower() == "fixed" else None,
            suppressions=_mitigated(entry, out),
            tags=tuple(tag for tag in (entry.get("type"), entry.get("module")) if tag),
            places=(_place(entry),),
        )
    )


def _mitigated(entry: Element, out: Recorder) -> tuple[Suppression, ...]:
    status = _MITIGATIONS.get(entry.get("mitigation_status", "").lower())
    if status is None:
        return ()
    notes = [node.get("description", "") for node in entry.iter("mitigation")]
    return (Suppression("external", status, out.cleaner.label(notes[-1] if notes else "", 512)),)


def _place(entry: Element) -> Place:
    if entry.get("url"):
        return Place(entry.get("url", ""), symbol=entry.get("vuln_parameter", ""))
    folder, name = entry.get("sourcefilepath", ""), entry.get("sourcefile", "")
    path = f"{folder.rstrip('/')}/{name}" if folder else name
    return Place(path, entry.get("line"), symbol=entry.get("scope", ""))


# -- the pipeline scan -------------------------------------------------------------------------------------------


def _recognise_json(look: Look) -> str:
    outer = look.json
    if outer.at("findings").has("issue_type_id") or outer.at("findings").has("flaw_match", "cwe_id"):
        return "its findings have issue_type_id or flaw_match"
    if outer.has("pipeline_scan", "findings"):
        return "it has pipeline_scan and findings"
    return "it has scan_id, scan_status and modules" if outer.has("scan_id", "scan_status", "modules") else ""


def _read_json(window: Window, out: Recorder) -> None:
    out.tool("Veracode")
    listed, status, message = False, None, None
    for name in window.members():
        if name == "findings" and window.peek() == "[":
            listed = True
            for entry in window.entries():
                _issue(as_dict(entry), out)
        elif name == "scan_status":
            status = window.value()
        elif name == "message":
            message = window.value()
        elif name == "pipeline_scan":
            out.tool("Veracode", window.value())
        elif name == "modules":
            modules = as_list(window.value())
            out.artifacts(len(modules))
            if not modules:
                out.empty("it lists no module that was analysed")
        else:
            window.skip()
    if status not in (None, "SUCCESS"):
        out.failed(f"scan_status is {as_text(status) or 'no word'}: {as_text(message)}")
    elif not listed:
        out.failed("its list of findings is missing")


def _issue(entry: dict[str, Any], out: Recorder) -> None:
    cwe, native = as_text(entry.get("cwe_id")), as_text(entry.get("severity"))
    kind = as_text(entry.get("issue_type")) or as_text(entry.get("issue_type_id"))
    if not (cwe or kind):
        out.dropped("flaw_without_category", "a flaw has neither a CWE nor a type", entry.get("issue_id"))
        return
    file = as_dict(as_dict(entry.get("files")).get("source_file"))
    flaw = as_text(as_dict(entry.get("flaw_match")).get("flaw_hash"))
    out.finding(
        Draft(
            rule=_rule(cwe) or kind,
            rule_name=kind,
            message=_plain(as_text(entry.get("display_text"))) or as_text(entry.get("title")) or kind,
            severity=_SEVERITIES.get(native, Severity.UNKNOWN),
            severity_source="severity",
            native=native,
            cwe=cwe_from(cwe_id=cwe),
            fingerprints={"flaw_hash": flaw} if flaw else {},
            tags=tuple(tag for tag in (as_text(entry.get("title")),) if tag),
            places=(
                Place(
                    as_text(file.get("file")),
                    file.get("line"),
                    symbol=as_text(file.get("qualified_function_name")) or as_text(file.get("function_name")),
                ),
            ),
        )
    )


VERACODE_XML = Form(
    "veracode",
    "Veracode",
    XML,
    _recognise_xml,
    _read_xml,
    elements=("flaw",),
    around=("static-analysis", "dynamic-analysis", "manual-analysis", "module", "vulnerability"),
    counted=("flaw",),
)
VERACODE_JSON = Form("veracode", "Veracode", JSON, _recognise_json, _read_json)
