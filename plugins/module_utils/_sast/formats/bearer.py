# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bearer's JSON, both shapes: findings below the word of their severity, and a list whose entries state it.

Its fingerprint is a hash of rule and file and, behind it, a position among the findings, which moves when one comes or
goes: the position is left out, and nothing is merged. A clean report of the first shape is ``{}``, which could be
anything: it is believed only when the user names the format. The list of the second shape is null when it was never
filled.
"""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_text
from ..window import Window
from .form import Form

_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "warning": Severity.INFO,
}


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.at("source").value == "Bearer" and outer.has("version"):
        return "its source is Bearer"
    known = [outer.at(word) for word in _SEVERITIES if outer.has(word)]
    if outer.type == "object" and any(_is_finding(entries) for entries in known):
        return "below words of severity it has findings with cwe_ids and a fingerprint"
    return "its findings have cwe_ids and a fingerprint" if _is_finding(outer.at("findings")) else ""


def _is_finding(entries: Any) -> bool:
    return bool(entries.has("id", "fingerprint", "line_number") and entries.has("cwe_ids"))


def _bare(look: Look) -> str:
    outer = look.json
    known = outer.type == "object" and all(name in _SEVERITIES for name in outer.names)
    return "it holds only words of severity" if known else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Bearer")
    version, wrong, listed, other = "", "", False, False
    for name in window.members():
        first = window.peek()
        listed = listed or name in _SEVERITIES or name == "findings"
        if name in _SEVERITIES and first == "[":
            for entry in window.entries():
                _finding(as_dict(entry), name, "group", out)
        elif name == "findings" and first == "[":
            for entry in window.entries():
                finding = as_dict(entry)
                _finding(finding, as_text(finding.get("severity")), "severity", out)
        elif name == "errors":
            _errors(as_list(window.value()), out)
        elif name == "version":
            version = as_text(window.value())
        else:
            wrong = name if name in _SEVERITIES or (name == "findings" and first != "n") else wrong
            other = other or name == "source"
            window.skip()
    out.tool("Bearer", version)
    if wrong:
        out.failed(f"its {wrong} is no list: the tool did not produce any")
    if other and not listed:
        out.failed("its findings are missing: the tool did not produce any")


def _errors(errors: list[Any], out: Recorder) -> None:
    if errors:
        first = as_dict(errors[0])
        where, why = as_text(first.get("filename")), as_text(first.get("error"))
        out.partial(f"{len(errors)} files were not scanned, first {where}: {why}")


def _finding(entry: dict[str, Any], word: str, source: str, out: Recorder) -> None:
    rule = as_text(entry.get("id"))
    if not rule:
        out.dropped("finding_without_rule", "a finding names no rule")
        return
    sink = as_dict(entry.get("sink"))
    columns = as_dict(sink.get("column"))
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_text(entry.get("title")),
            message=as_text(entry.get("title")) or as_text(entry.get("description")),
            severity=_SEVERITIES.get(word.lower(), Severity.UNKNOWN),
            severity_source=source,
            native=word,
            cwe=cwe_from(cwe_ids=entry.get("cwe_ids")),
            help_uri=as_text(entry.get("documentation_url")),
            snippet=as_text(entry.get("snippet")) or as_text(entry.get("code_extract")) or as_text(sink.get("content")),
            fingerprints={"fingerprint": as_text(entry.get("fingerprint")).partition("_")[0]},
            tags=tuple(as_text(group) for group in as_list(entry.get("category_groups")) if as_text(group)),
            places=(
                Place(
                    _path(entry),
                    entry.get("line_number") or sink.get("start"),
                    column=columns.get("start"),
                    end_line=sink.get("end"),
                    end_column=columns.get("end"),
                ),
            ),
        )
    )


def _path(entry: dict[str, Any]) -> str:
    """``full_filename`` begins where Bearer ran, ``filename`` in the scanned folder; absolute helps less."""
    full, short = as_text(entry.get("full_filename")), as_text(entry.get("filename"))
    return short if short and (full.startswith("/") or full[1:2] == ":" or not full) else full


BEARER = Form("bearer", "Bearer", JSON, _recognise, _read, bare=_bare)
