# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fortify's analysis results: ``<FVDL>``, alone or as ``audit.fvdl`` of a project (FPR) with ``audit.xml`` beside it.

The file holds no priority. It follows from numbers that stand in two places, the finding's own and those of its rule
further down: impact of 2.5 or more is critical or high, less is medium or low; likelihood, which is accuracy x
confidence x probability / 25, of 2.5 or more makes it the worse of the two. Where the rule's numbers are missing (they
may be in a file that is not part of the results) only the instance's severity is left, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import XML, Look
from ..markup import Markup
from ..recorder import Later, Recorder
from .form import Form

ANALYSIS = "87f2364f-dcd4-49e6-861d-f8d3f351686b"
"""The id of the tag "Analysis" in an audit; templates may add others."""

WORDS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}

_NUMBER = re.compile(r"\s*(\d(?:\.\d{1,6})?)\s*")
_BANDS = ((4.0, Severity.CRITICAL), (3.0, Severity.HIGH), (2.0, Severity.MEDIUM))
_MOST_AUDITED = 500_000
_MOST_NODES = 200_000
_MOST_RULES = 50_000
# Says which version of Java was assumed: every scan has it, and nothing is left out.
_HARMLESS = frozenset({"12003"})


@dataclass(slots=True)
class _Seen:
    """What the rows are judged by once the whole document was read. ``wanted``: nodes that rows refer to."""

    rules: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: dict[str, list[str]] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    audits: dict[str, tuple[bool, str, str]] = field(default_factory=dict)
    errors: int = 0
    first_error: str = ""
    listed: bool = False


def _recognise(look: Look) -> str:
    return "its root element is FVDL" if look.root == "FVDL" else ""


def _read(document: Markup, out: Recorder) -> None:
    out.tool("Fortify SCA")
    seen, rows = _Seen(), out.later()
    _read_audit(seen, out)
    for element in document.elements():
        if element.tag == "Vulnerability":
            row = _row_of(element)
            if "ref" in row:
                seen.wanted.add(row["ref"])
            rows.put(row)
        elif element.tag == "Vulnerabilities":
            seen.listed = True
        else:
            _aside(element, seen, out)
    out.tool("Fortify SCA", format_version=document.attributes.get("version"))
    if not seen.listed:
        out.failed("it has no list of vulnerabilities: the analysis did not finish")
    if seen.errors:
        out.partial(f"the analysis reports {seen.errors} problems, first {seen.first_error}")
    _finish(rows, seen, out)


def _aside(element: Element, seen: _Seen, out: Recorder) -> None:
    name = element.tag
    if name == "Rule":
        _keep(seen.rules, element.get("id") or "", groups_of(element), _MOST_RULES, "rules of the report", out)
    elif name == "Node":
        identifier, place = element.get("id") or "", _place_of(element.find("SourceLocation"))
        # In the usual order the vulnerabilities come first, and only their nodes have to be kept.
        if place and (identifier in seen.wanted or not seen.listed):
            _keep(seen.nodes, identifier, place, _MOST_NODES, "nodes of traces", out)
    elif name == "EngineVersion":
        out.tool("Fortify SCA", (element.text or "").strip())
    elif name == "File" and element.get("size"):
        out.artifacts(1)
    elif name == "Error" and element.get("code") not in (None, *_HARMLESS):
        seen.errors += 1
        seen.first_error = seen.first_error or f"{element.get('code')}: {(element.text or '').strip()}"[:200]
    elif name == "WriteDate" and (element.get("time") or "").endswith("Z"):
        out.time(f"{element.get('date')}T{element.get('time')}")


def _keep(bag: dict[str, Any], key: str, value: Any, most: int, what: str, out: Recorder) -> None:
    if not key:
        return
    if len(bag) >= most and key not in bag:
        out.tally.cut(what, 0, 1)
        return
    bag[key] = value


# -- one vulnerability -------------------------------------------------------------------------------------------


def _row_of(element: Element) -> dict[str, Any]:
    row: dict[str, Any] = {
        "rule": text_of(element, "ClassInfo/ClassID"),
        "name": ": ".join(filter(None, (text_of(element, f"ClassInfo/{part}") for part in ("Type", "Subtype")))),
        "tags": [text_of(element, "ClassInfo/Kingdom"), text_of(element, "ClassInfo/AnalyzerName")],
        "id": text_of(element, "InstanceInfo/InstanceID"),
        "severity": text_of(element, "InstanceInfo/InstanceSeverity"),
        "confidence": text_of(element, "InstanceInfo/Confidence"),
        "groups": {} if (info := element.find("InstanceInfo")) is None else groups_of(info),
    }
    function = element.find("AnalysisInfo/Unified/Context/Function")
    if function is not None:
        row["symbol"] = function.get("name")
    row.update(_end_of_trace(element))
    return row


def _end_of_trace(element: Element) -> dict[str, Any]:
    """``place`` of the last node of the first trace; ``ref`` if that one stands further down in the document."""
    found: dict[str, Any] = {}
    primary = element.find("AnalysisInfo/Unified/Trace/Primary")
    for entry in primary.iterfind("Entry") if primary is not None else ():
        place = _place_of(entry.find("Node/SourceLocation"))
        reference = entry.find("NodeRef")
        if place:
            found = {"place": place}
        elif reference is not None and reference.get("id"):
            found["ref"] = reference.get("id")
    if not found:
        place = _place_of(element.find("AnalysisInfo/Unified/Context/FunctionDeclarationSourceLocation"))
        return {"place": place} if place else {}
    return found


def _place_of(location: Element | None) -> list[str]:
    if location is None or not location.get("path"):
        return []
    return [(location.get(name) or "")[:1024] for name in ("path", "line", "colStart", "lineEnd", "colEnd")]


def groups_of(element: Element) -> dict[str, str]:
    """The numbers and categories of a rule or an instance, by name in lower case."""
    return {
        (group.get("name") or "").lower(): (group.text or "").strip() for group in element.iterfind("MetaInfo/Group")
    }


def text_of(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


# -- once everything was seen ------------------------------------------------------------------------------------


def _finish(rows: Later, seen: _Seen, out: Recorder) -> None:
    for row in rows:
        if not row["rule"]:
            out.dropped("result_without_rule", "a vulnerability names no class", row["name"])
            continue
        groups = {**seen.rules.get(row["rule"], {}), **row["groups"]}
        severity, source = _judged(row, groups, out)
        suppressed, analysis, comment = seen.audits.get(row["id"], (False, "", ""))
        out.finding(
            Draft(
                rule=row["rule"],
                rule_name=row["name"],
                message=row["name"],
                severity=severity,
                severity_source=source,
                native=row["severity"],
                cwe=cwe_from(altcategoryCWE=cwe_names(groups.get("altcategorycwe", ""))),
                fingerprints={"InstanceID": row["id"]} if row["id"] else {},
                key=row["id"],
                places=_places(row, seen, out),
                tags=tags_of(*row["tags"], analysis=analysis),
                suppressions=hidden(analysis, comment) if suppressed else (),
            )
        )


def _places(row: Mapping[str, Any], seen: _Seen, out: Recorder) -> tuple[Place, ...]:
    place = row.get("place")
    if "ref" in row:
        place = seen.nodes.get(row["ref"]) or place
        if row["ref"] not in seen.nodes:
            out.tally.warn("place_unresolved", "a trace ends in a node that the report does not hold")
    if not place:
        return ()
    path, line, column, end_line, end_column = place
    return (Place(path, line, column, end_line, end_column, symbol=row.get("symbol") or ""),)


def _judged(row: Mapping[str, Any], groups: Mapping[str, str], out: Recorder) -> tuple[Severity, str]:
    """The severity, and which numbers it follows from."""
    given = groups.get("friority") or groups.get("fortify priority order") or ""
    if given:
        return WORDS.get(given.lower(), Severity.UNKNOWN), "Friority"
    numbers = [_number(groups.get(name)) for name in ("impact", "accuracy", "probability")]
    impact, accuracy, probability, confidence = (*numbers, _number(row["confidence"]))
    if impact is not None and accuracy is not None and probability is not None and confidence is not None:
        likelihood = accuracy * confidence * probability / 25
        how = f"Accuracy {accuracy:g} x Confidence {confidence:g} x Probability {probability:g} / 25"
        return priority(impact, likelihood), f"Impact {impact:g}, likelihood {likelihood:g} = {how}"
    stated = _number(row["severity"])
    if stated is None:
        return Severity.UNKNOWN, "none"
    out.tally.warn("severity_approximate", "the rule's numbers are not in the report: InstanceSeverity stands for them")
    return next((word for least, word in _BANDS if stated >= least), Severity.LOW), "InstanceSeverity (approximate)"


def priority(impact: float, likelihood: float) -> Severity:
    """Fortify's priority order (its user guide, "Estimating Impact and Likelihood")."""
    if impact >= 2.5:
        return Severity.CRITICAL if likelihood >= 2.5 else Severity.HIGH
    return Severity.MEDIUM if likelihood >= 2.5 else Severity.LOW


def _number(text: str | None) -> float | None:
    """From 0 to 5; anything else is none."""
    found = _NUMBER.fullmatch(text or "")
    return float(found[1]) if found and float(found[1]) <= 5 else None


def cwe_names(text: str) -> str:
    """``CWE ID 259, CWE ID 798`` as others write it."""
    return re.sub(r"CWE ID\s*", "CWE-", text)


def tags_of(*names: str, analysis: str) -> tuple[str, ...]:
    return tuple(name for name in (*names, f"analysis: {analysis}" if analysis else "") if name)


def hidden(analysis: str, comment: str) -> tuple[Suppression, ...]:
    return (Suppression("external", "accepted", ": ".join(filter(None, (analysis, comment)))[:500]),)


# -- the audit ---------------------------------------------------------------------------------------------------


def _read_audit(seen: _Seen, out: Recorder) -> None:
    """What people decided. Only a suppression hides; the analysis "Not an Issue" alone does not, as in the product."""
    blocks = out.beside("audit.xml")
    if blocks is None:
        return
    name = f"{out.name}!audit.xml"
    audit = Markup(blocks, wanted=("Issue",), name=name, tally=out.tally, limit=out.options.window)
    for issue in audit.elements():
        suppressed = (issue.get("suppressed") or "").lower() == "true"
        tags = (tag for tag in issue.iterfind("Tag") if (tag.get("id") or "").lower() == ANALYSIS)
        analysis = next((text_of(tag, "Value") for tag in tags), "")
        comments = [text_of(comment, "Content") for comment in issue.iterfind("ThreadedComments/Comment")]
        if suppressed or analysis:
            decision = (
                suppressed,
                out.cleaner.label(analysis, 80),
                out.cleaner.label(comments[-1] if comments else ""),
            )
            _keep(seen.audits, issue.get("instanceId") or "", decision, _MOST_AUDITED, "decisions of the audit", out)


FORTIFY = Form(
    "fortify",
    "Fortify",
    XML,
    _recognise,
    _read,
    elements=("Vulnerability", "Rule", "Node", "EngineVersion", "File", "Error"),
    around=("Vulnerabilities", "WriteDate"),
)
