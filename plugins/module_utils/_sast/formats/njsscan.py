# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""njsscan's JSON: rule by rule, each with its metadata and the files it matched.

A rule without files reports that something is missing everywhere (a header that nobody sets): one finding, no place.
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

_SEVERITIES = {"ERROR": Severity.HIGH, "WARNING": Severity.MEDIUM, "INFO": Severity.LOW}
_SECTIONS = ("nodejs", "templates")


def _recognise(look: Look) -> str:
    return "it has njsscan_version" if look.json.has("njsscan_version") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("njsscan")
    sections, version = 0, ""
    for name in window.members():
        if name in _SECTIONS and window.peek() == "{":
            sections += 1
            for rule in window.members():
                _rule(rule, as_dict(window.value()), out)
        elif name == "errors":
            _errors(as_list(window.value()), out)
        elif name == "files":
            out.artifacts(len(as_list(window.value())))
        elif name == "njsscan_version":
            version = as_text(window.value())
        else:
            window.skip()
    out.tool("njsscan", version)
    if not sections:
        out.failed("its sections nodejs and templates are missing: the tool did not produce any")


def _errors(errors: list[Any], out: Recorder) -> None:
    if errors:
        first = as_dict(errors[0])
        text = as_text(first.get("message")) or as_text(first.get("type")) or as_text(errors[0])
        out.partial(f"{len(errors)} errors, first {as_text(first.get('path'))} {text}")


def _rule(rule: str, entry: dict[str, Any], out: Recorder) -> None:
    meta = as_dict(entry.get("metadata"))
    matches = [as_dict(match) for match in as_list(entry.get("files"))]
    if not rule or not (meta or matches):
        out.dropped("rule_without_content", "a rule has neither metadata nor files", rule)
        return
    for match in matches or [{}]:
        _match(rule, meta, match, out)


def _match(rule: str, meta: dict[str, Any], match: dict[str, Any], out: Recorder) -> None:
    word = as_text(meta.get("severity"))
    lines, columns = as_list(match.get("match_lines")), as_list(match.get("match_position"))
    owasp = as_text(meta.get("owasp-web")) or as_text(meta.get("owasp"))
    out.finding(
        Draft(
            rule=rule,
            message=as_text(meta.get("description")),
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="metadata.severity",
            native=word,
            cwe=cwe_from(**{"metadata.cwe": meta.get("cwe")}),
            snippet=as_text(match.get("match_string")),
            tags=(owasp,) if owasp else (),
            places=(
                Place(
                    as_text(match.get("file_path")),
                    lines[0] if lines else None,
                    column=columns[0] if columns else None,
                    end_line=lines[1] if len(lines) > 1 else None,
                    # Columns are of a match that may span lines; its end is of the last one only when there is one.
                    end_column=columns[1] if len(columns) > 1 and lines[:1] == lines[1:2] else None,
                ),
            ),
        )
    )


NJSSCAN = Form("njsscan", "njsscan", JSON, _recognise, _read)
