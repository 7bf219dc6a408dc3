# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brakeman's JSON. It states how sure it is and no severity: ours comes from the weakness, and says so.

The table below is a judgement of ours: how bad a weakness of that class is in a Rails application when it is real.
A ``Weak`` confidence takes it one step down; ``Medium`` does not, because Brakeman gives it to most real injections.
"""

from __future__ import annotations

import re
from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_list, as_text
from ..window import Window
from .form import Form

_BY_CWE: dict[Severity, str] = {
    Severity.CRITICAL: "77 78 94 95 502",
    Severity.HIGH: "22 73 74 89 90 91 98 99 284 285 287 288 306 434 470 639 798 862 863 915 918 1336",
    Severity.MEDIUM: "20 79 80 113 116 200 209 295 326 327 328 338 345 346 352 384 521 601 611 613 614 640 732 1004",
    Severity.LOW: "185 400 489 532 625 693 770 1022 1104 1333",
}
# Reports of versions before 5.3 have no cwe_id; the kinds of warnings as Brakeman's documentation lists them.
_BY_TYPE: dict[Severity, str] = {
    Severity.CRITICAL: "Command Injection|Dangerous Eval|Remote Code Execution|Unsafe Deserialization",
    Severity.HIGH: (
        "SQL Injection|File Access|Path Traversal|Dynamic Render Path|Mass Assignment|Attribute Restriction|"
        "Dangerous Send|Authentication|Nested Attributes|Template Injection|Unscoped Find"
    ),
    Severity.MEDIUM: (
        "Cross-Site Scripting|Cross Site Scripting|Cross-Site Request Forgery|Redirect|Session Setting|"
        "Session Manipulation|SSL Verification Bypass|Weak Cryptography|Weak Hash|Basic Auth|Information Disclosure|"
        "HTTP Verb Confusion|Default Routes|Response Splitting|Header Injection|Cookie Serialization"
    ),
    Severity.LOW: "Denial of Service|Format Validation|Unmaintained Dependency|Missing Encryption|Reverse Tabnabbing",
}
_WORST_FIRST = tuple(_BY_CWE)
_CWES = {int(number): severity for severity, numbers in _BY_CWE.items() for number in numbers.split()}
_TYPES = {name.lower(): severity for severity, names in _BY_TYPE.items() for name in names.split("|")}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d):?(\d\d)")


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.at("scan_info").has("brakeman_version"):
        return "its scan_info has brakeman_version"
    first = outer.at("warnings")
    return "its warnings have warning_code and check_name" if first.has("warning_code", "check_name") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Brakeman")
    listed = False
    for name in window.members():
        if name == "warnings" and window.peek() == "[":
            listed = True
            for entry in window.entries():
                _warning(as_dict(entry), out, ignored=False)
        elif name == "ignored_warnings" and window.peek() == "[":
            for entry in window.entries():
                _warning(as_dict(entry), out, ignored=True)
        elif name == "errors":
            _errors(as_list(window.value()), out)
        elif name == "obsolete":
            _obsolete(as_list(window.value()), out)
        elif name == "scan_info":
            _scan(as_dict(window.value()), out)
        else:
            window.skip()
    if not listed:
        out.failed("its warnings are missing: the tool did not produce any")


def _scan(info: dict[str, Any], out: Recorder) -> None:
    out.tool("Brakeman", info.get("brakeman_version"))
    out.rules(as_list(info.get("checks_performed")))
    ended = _TIME.fullmatch(as_text(info.get("end_time")))
    out.time(f"{ended[1]}T{ended[2]}{ended[3]}:{ended[4]}" if ended else info.get("end_time"))


def _errors(errors: list[Any], out: Recorder) -> None:
    if errors:
        first = as_dict(errors[0])
        out.partial(f"{len(errors)} errors, first {as_text(first.get('error'))} at {as_text(first.get('location'))}")


def _obsolete(fingerprints: list[Any], out: Recorder) -> None:
    for fingerprint in fingerprints:
        out.tally.warn(
            "ignore_obsolete",
            "an entry of the ignore file matches no warning any more",
            out.cleaner.label(as_text(fingerprint), 80),
        )


def _warning(entry: dict[str, Any], out: Recorder, *, ignored: bool) -> None:
    kind, check = as_text(entry.get("warning_type")), as_text(entry.get("check_name"))
    if not (kind or check):
        out.dropped("warning_without_check", "a warning names neither a check nor a type")
        return
    sure, cwe = as_text(entry.get("confidence")), cwe_from(cwe_id=entry.get("cwe_id"))
    severity, source = _severity(cwe, kind, sure)
    owner = as_dict(entry.get("location"))
    names = (as_text(owner.get(name)) for name in ("class", "method", "template", "model"))
    out.finding(
        Draft(
            rule=check or kind,
            rule_name=kind,
            message=as_text(entry.get("message")),
            severity=severity,
            severity_source=source,
            native="",
            confidence=sure,
            cwe=cwe,
            help_uri=as_text(entry.get("link")),
            snippet=as_text(entry.get("code")),
            fingerprints={"fingerprint": as_text(entry.get("fingerprint"))},
            suppressions=(Suppression("external", "accepted", as_text(entry.get("note"))),) if ignored else (),
            tags=_tags(entry),
            places=(
                Place(as_text(entry.get("file")), entry.get("line"), symbol=".".join(name for name in names if name)),
            ),
        )
    )


def _tags(entry: dict[str, Any]) -> tuple[str, ...]:
    code = as_int(entry.get("warning_code"))
    return (f"warning_code:{code}",) if code is not None else ()


def _severity(cwe: dict[str, tuple[str, ...]], kind: str, sure: str) -> tuple[Severity, str]:
    """The worst that the table has for the CWEs, else for the type of warning; unknown for what it does not have."""
    judged = [_CWES[number] for name in cwe if (number := int(name[4:])) in _CWES]
    if judged:
        return _weighed(min(judged, key=_WORST_FIRST.index), sure), "table:cwe_id x confidence"
    if kind.lower() in _TYPES:
        return _weighed(_TYPES[kind.lower()], sure), "table:warning_type x confidence"
    return Severity.UNKNOWN, "none"


def _weighed(severity: Severity, sure: str) -> Severity:
    step = 1 if sure.lower() in ("weak", "low") else 0
    return _WORST_FIRST[min(_WORST_FIRST.index(severity) + step, len(_WORST_FIRST) - 1)]


BRAKEMAN = Form("brakeman", "Brakeman", JSON, _recognise, _read)
