# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""RuboCop's JSON. A linter: only the cops of the department Security say something about security.

The word of severity is a default of the department ("convention" for Security, too) or a team's configuration; a cop of
that department is high unless the team put it below. A file with a syntax error was not looked at.
"""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_text
from ..window import Window
from .form import Form
from .nested import FileEntry

_OF_SECURITY = {
    "info": Severity.LOW,
    "refactor": Severity.MEDIUM,
    "convention": Severity.HIGH,
    "warning": Severity.HIGH,
    "error": Severity.HIGH,
    "fatal": Severity.HIGH,
}
_OF_OTHERS = {
    "info": Severity.INFO,
    "refactor": Severity.INFO,
    "convention": Severity.INFO,
    "warning": Severity.LOW,
    "error": Severity.LOW,
    "fatal": Severity.LOW,
}
_CWES = {
    "Security/Eval": 95,
    "Security/IoMethods": 78,
    "Security/JSONLoad": 502,
    "Security/MarshalLoad": 502,
    "Security/Open": 78,
    "Security/YAMLLoad": 502,
}


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.at("metadata").has("rubocop_version"):
        return "its metadata has rubocop_version"
    return "its files have path and offenses" if outer.at("files").has("path", "offenses") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("RuboCop")
    listed = False
    for name in window.members():
        if name == "files" and window.peek() == "[":
            listed = True
            for _position in window.items():
                _file(FileEntry(window, path="path", lists=("offenses",)), out)
        elif name == "metadata":
            out.tool("RuboCop", as_text(as_dict(window.value()).get("rubocop_version")))
        elif name == "summary":
            _summary(as_dict(window.value()), out)
        else:
            window.skip()
    if not listed:
        out.failed("its files are missing: the tool did not produce any")


def _summary(summary: dict[str, Any], out: Recorder) -> None:
    wanted, done = as_int(summary.get("target_file_count")), as_int(summary.get("inspected_file_count"))
    out.artifacts(max(done or 0, 0))
    if wanted is not None and done is not None and done < wanted:
        out.partial(f"it inspected {done} of {wanted} files")
    elif done == 0:
        out.empty("no file was inspected")


def _file(file: FileEntry, out: Recorder) -> None:
    for offense in file.entries():
        _offense(file.path, as_dict(offense), out)
    if not file.listed:
        out.partial(f"a file has no offenses: {file.path}")


def _offense(path: str, offense: dict[str, Any], out: Recorder) -> None:
    cop, word = as_text(offense.get("cop_name")), as_text(offense.get("severity"))
    if not cop:
        out.dropped("offense_without_cop", "an offense names no cop", path)
        return
    if cop in ("Lint/Syntax", "Syntax"):
        out.dropped("file_not_parsed", "a file has a syntax error and was not inspected", path)
        return
    about_security = cop.startswith("Security/")
    levels = _OF_SECURITY if about_security else _OF_OTHERS
    where = as_dict(offense.get("location"))
    out.finding(
        Draft(
            rule=cop,
            message=as_text(offense.get("message")),
            severity=levels.get(word.lower(), Severity.UNKNOWN),
            severity_source="severity of a security cop" if about_security else "severity of another cop",
            native=word,
            cwe=cwe_from(cop_table=_CWES.get(cop)),
            # What RuboCop corrected in this run is not in the code any more.
            baseline="absent" if offense.get("corrected") is True else None,
            places=(
                Place(
                    path,
                    where.get("start_line") or where.get("line"),
                    column=where.get("start_column") or where.get("column"),
                    end_line=where.get("last_line"),
                    end_column=where.get("last_column"),
                ),
            ),
        )
    )


RUBOCOP = Form("rubocop", "RuboCop", JSON, _recognise, _read)
