# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PMD's XML, JSON and CSV. Priority 1 is the worst and 5 the least, as PMD documents it.

Files that PMD could not process and rules that it could not apply make the scan partial; CSV does not tell of them, and
that is said in a warning. Suppressed violations of the XML name neither rule nor priority.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element

from ..._core.findings import Severity, Suppression
from ..columns import Columns
from ..draft import Draft, Place, cwe_from
from ..look import CSV, JSON, XML, Look
from ..markup import Markup
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_str, as_text
from ..window import Window
from .form import Form

_SEVERITIES = {
    "1": Severity.HIGH,
    "2": Severity.HIGH,
    "3": Severity.MEDIUM,
    "4": Severity.LOW,
    "5": Severity.INFO,
}
_CWE = {
    "HardCodedCryptoKey": 321,
    "InsecureCryptoIv": 329,
    "ApexBadCrypto": 329,
    "ApexCRUDViolation": 862,
    "ApexCSRF": 352,
    "ApexInsecureEndpoint": 319,
    "ApexOpenRedirect": 601,
    "ApexSharingViolations": 863,
    "ApexSOQLInjection": 943,
    "ApexSuggestUsingNamedCred": 522,
    "ApexXSSFromEscapeFalse": 79,
    "ApexXSSFromURLParam": 79,
    "NoUnsanitizedJSPExpression": 79,
    "VfCsrf": 352,
    "VfHtmlStyleTagXss": 79,
    "VfUnescapeEl": 79,
}
"""PMD states no CWE; these are its rules about security, judged by their documentation."""

_COLUMNS = frozenset({"Problem", "File", "Priority", "Line", "Description", "Rule set", "Rule"})


class _Failures:
    """What PMD could not do, told once at the end, however much it was."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Any]] = {}

    def add(self, what: str, about: Any, why: Any) -> None:
        entry = self._seen.setdefault(what, [0, f"{as_text(about)}: {as_text(why)}"])
        entry[0] += 1

    def tell(self, out: Recorder) -> None:
        for what, (count, first) in self._seen.items():
            out.partial(f"{count} {what}, first {first}")

    def file(self, about: Any, why: Any) -> None:
        self.add("files were not processed", about, why)

    def rule(self, about: Any, why: Any) -> None:
        self.add("rules were not applied", about, why)


def _violation(out: Recorder, of: Mapping[str, Any], text: Any, path: Any, *hidden: Suppression) -> None:
    rule, native = as_text(of.get("rule")), as_text(of.get("priority"))
    if not rule and not hidden:
        out.dropped("violation_without_rule", "a violation names no rule")
        return
    out.finding(
        Draft(
            rule=rule,
            message=(as_str(text) or "").strip(),
            severity=_SEVERITIES.get(native, Severity.UNKNOWN),
            severity_source="priority",
            native=native,
            cwe=cwe_from(rule=_CWE.get(rule)),
            help_uri=as_str(of.get("externalInfoUrl")) or "",
            tags=tuple(tag for tag in (as_str(of.get("ruleset")),) if tag),
            suppressions=hidden,
            places=(
                Place(
                    as_str(path) or "",
                    of.get("beginline"),
                    column=of.get("begincolumn"),
                    end_line=of.get("endline"),
                    end_column=of.get("endcolumn"),
                    symbol=_symbol(of),
                ),
            ),
        )
    )


def _symbol(of: Mapping[str, Any]) -> str:
    return ".".join(part for part in (as_str(of.get(name)) for name in ("package", "class", "method")) if part)


def _hidden(said: Any) -> Suppression:
    return Suppression("inSource", "accepted", as_str(said) or "")


# -- XML ---------------------------------------------------------------------------------------------------------


def _recognise_xml(look: Look) -> str:
    return "its root element is pmd" if look.root == "pmd" else ""


def _read_xml(markup: Markup, out: Recorder) -> None:
    failures, path = _Failures(), ""
    for entry in markup.elements():
        if entry.tag == "file":
            path = entry.get("name", "")
        elif entry.tag == "violation":
            _violation(out, entry.attrib, entry.text, path)
        elif entry.tag == "suppressedviolation":
            _violation(out, entry.attrib, entry.get("msg"), entry.get("filename"), _hidden_in(entry, out))
        elif entry.tag == "error":
            failures.file(entry.get("filename"), entry.get("msg"))
        elif entry.tag == "configerror":
            failures.rule(entry.get("rule"), entry.get("msg"))
    out.tool("PMD", markup.attributes.get("version"))
    out.time(markup.attributes.get("timestamp"))
    failures.tell(out)


def _hidden_in(entry: Element, out: Recorder) -> Suppression:
    return _hidden(out.cleaner.label(entry.get("usermsg"), 512))


# -- JSON --------------------------------------------------------------------------------------------------------


def _recognise_json(look: Look) -> str:
    outer = look.json
    if outer.has("pmdVersion", "files"):
        return "it has pmdVersion and files"
    return "it has pmdVersion and processingErrors" if outer.has("pmdVersion", "processingErrors") else ""


def _read_json(window: Window, out: Recorder) -> None:
    failures, listed = _Failures(), False
    out.tool("PMD")
    for name in window.members():
        if name == "files" and window.peek() == "[":
            listed = True
            _files(window, out)
        elif name == "suppressedViolations" and window.peek() == "[":
            _files(window, out, hidden=True)
        elif name == "processingErrors":
            for entry in as_list(window.value()):
                failures.file(as_dict(entry).get("filename"), as_dict(entry).get("message"))
        elif name == "configurationErrors":
            for entry in as_list(window.value()):
                failures.rule(as_dict(entry).get("rule"), as_dict(entry).get("message"))
        elif name == "pmdVersion":
            out.tool("PMD", window.value())
        elif name == "formatVersion":
            out.tool(None, format_version=window.value())
        elif name == "timestamp":
            out.time(window.value())
        else:
            window.skip()
    if not listed:
        out.failed("its list of files is missing")
    failures.tell(out)


def _files(window: Window, out: Recorder, *, hidden: bool = False) -> None:
    """The violations by file. PMD writes the file's name first; then they are read one by one, however many."""
    for _position in window.items():
        if window.peek() != "{":
            window.skip()
            out.dropped("file_unreadable", "an entry of the files is no object")
            continue
        path, waiting = None, []
        for name in window.members(unique=False):
            if name == "filename":
                path = window.value()
            elif name == "violations" and path is None:
                waiting = as_list(window.value())
            elif name == "violations" and window.peek() == "[":
                for entry in window.entries():
                    _entry(entry, path, out, hidden)
            else:
                window.skip()
        for entry in waiting:
            _entry(entry, path, out, hidden)


def _entry(entry: Any, path: Any, out: Recorder, hidden: bool) -> None:
    of = as_dict(entry)
    said = (_hidden(out.cleaner.label(of.get("usermsg"), 512)),) if hidden else ()
    _violation(out, of, of.get("description"), path, *said)


# -- CSV ---------------------------------------------------------------------------------------------------------


def _recognise_csv(look: Look) -> str:
    return "it has the columns Problem, Priority and Rule set" if set(look.header) >= _COLUMNS else ""


def _read_csv(columns: Columns, out: Recorder) -> None:
    out.tool("PMD")
    out.tally.warn("errors_not_told", "the CSV of PMD does not tell of files that it could not process")
    for row in columns.rows():
        of = {
            "rule": row.get("Rule"),
            "ruleset": row.get("Rule set"),
            "priority": row.get("Priority"),
            "package": row.get("Package"),
            "beginline": row.get("Line"),
        }
        _violation(out, of, row.get("Description"), row.get("File"))


PMD_XML = Form(
    "pmd",
    "PMD",
    XML,
    _recognise_xml,
    _read_xml,
    elements=("violation", "suppressedviolation", "error", "configerror"),
    around=("file",),
    counted=("violation", "suppressedviolation"),
)
PMD_JSON = Form("pmd", "PMD", JSON, _recognise_json, _read_json)
PMD_CSV = Form("pmd", "PMD", CSV, _recognise_csv, _read_csv)
