# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cppcheck's XML, version 2 (``<results><errors>``).

Messages about the analysis itself (a file that could not be parsed, a header that was not found) stand among the
findings in the file. They are none: they are counted as warnings and make the scan partial. Headers of the system are
an exception: Cppcheck documents that it does not need them.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ..._core.findings import Severity
from ..draft import Draft, Place, cwe_from
from ..look import XML, Look
from ..markup import Markup
from ..recorder import Recorder
from .form import Form

_SEVERITIES = {
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "style": Severity.LOW,
    "performance": Severity.LOW,
    "portability": Severity.LOW,
    "information": Severity.INFO,
}
_ABOUT_THE_ANALYSIS = frozenset(
    {
        "cppcheckError",
        "cppcheckLimit",
        "includeNestedTooDeeply",
        "instantiationError",
        "internalAstError",
        "internalError",
        "missingFile",
        "missingInclude",
        "noValidConfiguration",
        "preprocessorErrorDirective",
        "syntaxError",
        "toomanyconfigs",
        "unhandledChar",
        "unknownMacro",
        "premium-internalError",
        "premium-invalidArgument",
        "premium-invalidLicense",
    }
)


def _recognise(look: Look) -> str:
    if look.root != "results":
        return ""
    if "cppcheck" in look.children:
        return "its root element is results, with cppcheck in it"
    return "its root element is results of version 2, with errors in it" if _plain(look) else ""


def _plain(look: Look) -> bool:
    return look.attributes.get("version") == "2" and "errors" in look.children


def _read(markup: Markup, out: Recorder) -> None:
    out.tool("Cppcheck")
    listed, not_analysed, first = False, 0, ""
    for entry in markup.elements():
        if entry.tag == "cppcheck":
            out.tool(entry.get("product-name") or "Cppcheck", entry.get("version"))
        elif entry.tag == "errors":
            listed = True
        elif entry.tag == "error" and entry.get("id") in _ABOUT_THE_ANALYSIS:
            not_analysed += 1
            first = first or f"{entry.get('id')} {entry.get('file0') or ''}: {entry.get('msg') or ''}"
            out.tally.warn(
                "not_analysed", "a message says that something was not analysed", out.cleaner.label(first, 80)
            )
        elif entry.tag == "error":
            _result(entry, out)
    out.tool(None, format_version=markup.attributes.get("version"))
    if not listed:
        out.failed("its list of errors is missing")
    if not_analysed:
        out.partial(f"{not_analysed} messages say that something was not analysed, first: {first}")


def _result(entry: Element, out: Recorder) -> None:
    rule, word = entry.get("id"), entry.get("severity", "")
    if not rule:
        out.dropped("result_without_rule", "an error has no id")
        return
    out.finding(
        Draft(
            rule=rule,
            message=entry.get("msg") or entry.get("verbose") or "",
            severity=_SEVERITIES.get(word, Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            confidence="low" if entry.get("inconclusive") == "true" else "",
            cwe=cwe_from(cwe=entry.get("cwe")),
            places=_places(entry),
        )
    )


def _places(entry: Element) -> tuple[Place, ...]:
    """The first location is where it is; those after it are the way there."""
    node = entry.find("location")
    if node is None:
        return (Place(entry.get("file0", "")),)
    return (
        Place(node.get("file", ""), node.get("line"), column=node.get("column"), symbol=entry.findtext("symbol") or ""),
    )


CPPCHECK = Form(
    "cppcheck",
    "Cppcheck",
    XML,
    _recognise,
    _read,
    elements=("error",),
    around=("cppcheck", "errors"),
    counted=("error",),
)
