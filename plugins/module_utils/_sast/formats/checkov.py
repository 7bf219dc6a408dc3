# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checkov's JSON: one object, or a list with one a framework; only a summary when there was nothing to scan.

Without a licence key ``severity`` is null: then nobody judged it, and it is unknown. Paths begin with a slash that
stands for the root of what was scanned, not for the machine's.
"""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_list, as_str
from ..window import Window
from .form import Form

_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "IMPORTANT": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "MODERATE": Severity.MEDIUM,
    "LOW": Severity.LOW,
    "INFO": Severity.INFO,
}
_KINDS = {"failed_checks": "fail", "skipped_checks": "fail", "passed_checks": "pass"}


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.has("check_type", "results"):
        return "it has check_type and results"
    if outer.has("passed", "failed", "checkov_version"):
        return "it is a summary with checkov_version"
    return "its results have failed_checks" if outer.at("results").has("failed_checks") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Checkov")
    if window.peek() == "[":
        for _position in window.items():
            _framework(window, out)
    else:
        _framework(window, out)


def _framework(window: Window, out: Recorder) -> None:
    if window.peek() != "{":
        window.skip()
        out.dropped("framework_unreadable", "an entry of the report is not an object")
        return
    listed, errors, names = False, 0, set[str]()
    told: dict[str, Any] = {}
    for name in window.members():
        names.add(name)
        if name == "results" and window.peek() == "{":
            listed, errors = _results(window, out)
        elif name == "summary":
            told = as_dict(window.value())
        elif name in ("checkov_version", "parsing_errors", "failed"):
            told.setdefault(name, window.value())
        else:
            window.skip()
    out.tool("Checkov", told.get("checkov_version"))
    _judge(names, listed, max(errors, as_int(told.get("parsing_errors")) or 0), told, out)


def _judge(names: set[str], listed: bool, errors: int, told: dict[str, Any], out: Recorder) -> None:
    if errors:
        out.partial(f"{errors} files could not be parsed")
    if listed:
        return
    if told.get("failed") == 0 and not names & {"check_type", "results"}:
        out.empty("there was nothing that it can scan")
    else:
        out.failed("its failed checks are missing: the tool did not come to its end")


def _results(window: Window, out: Recorder) -> tuple[bool, int]:
    """Whether failed checks are listed, and how many files could not be parsed."""
    listed, errors = False, 0
    for name in window.members():
        if name in _KINDS and window.peek() == "[":
            listed = listed or name == "failed_checks"
            for entry in window.entries():
                _check(as_dict(entry), _KINDS[name], name == "skipped_checks", out)
        elif name == "parsing_errors":
            errors = len(as_list(window.value()))
        else:
            window.skip()
    return listed, errors


def _check(check: dict[str, Any], kind: str, skipped: bool, out: Recorder) -> None:
    rule = as_str(check.get("check_id"))
    if not rule:
        out.dropped("result_without_rule", "a check has no id")
        return
    word = as_str(check.get("severity")) or ""
    resource = as_str(check.get("resource")) or ""
    lines = as_list(check.get("file_line_range"))
    text = as_str(check.get("check_name")) or as_str(check.get("short_description")) or rule
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_str(check.get("check_name")) or "",
            message=f"{text} ({resource})" if resource else text,
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            kind=kind,
            cwe=cwe_from(cwe=check.get("cwe")),
            help_uri=as_str(check.get("guideline")) or "",
            fingerprints={"resource": resource} if resource else {},
            suppressions=_skip_of(check) if skipped else (),
            snippet=_code(check.get("code_block")),
            places=(
                Place(
                    _path(check),
                    lines[0] if lines else None,
                    end_line=lines[-1] if len(lines) > 1 else None,
                    symbol=resource,
                ),
            ),
        )
    )


def _skip_of(check: dict[str, Any]) -> tuple[Suppression, ...]:
    comment = as_str(as_dict(check.get("check_result")).get("suppress_comment"))
    return (Suppression("inSource", "accepted", comment or ""),)


def _path(check: dict[str, Any]) -> str:
    """Relative to the repository where Checkov knows it, else to what was scanned."""
    path = as_str(check.get("repo_file_path")) or as_str(check.get("file_path")) or ""
    return path.lstrip("/")


def _code(block: Any) -> str:
    """The lines of a code block, which are pairs of number and text."""
    return "".join(
        line[1] for line in as_list(block) if isinstance(line, list) and len(line) == 2 and isinstance(line[1], str)
    )


CHECKOV = Form("checkov", "Checkov", JSON, _recognise, _read)
