# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The peers, each run as it is installed. None of their rules is written here: they say what they say.

An answer is ``{"rows": [...]}``, the findings that the peer shows as live, with what it shows of each (rule, level or
severity, path, line, message), or ``{"refused": "..."}`` with its complaint.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cases import Case

HERE = Path(__file__).parent
Answer = dict[str, Any]
_LIMIT = 120
_COLUMNS = "RuleId,Level,Location.Uri,Location.Region.StartLine,Message.Text,Kind"
_MULTITOOL = "node_modules/@microsoft/sarif-multitool-linux/Sarif.Multitool"


@dataclass(frozen=True, slots=True)
class Peer:
    """``takes``: what the peer is told to read a report as, "" when it has no reader for it. ``ask``: its answers."""

    name: str
    about: str
    takes: Callable[[Case], str]
    ask: Callable[[Sequence[tuple[Case, str]]], list[Answer]]


def peers(home: Path) -> list[Peer]:
    """Those that are installed below ``home``."""
    found = []
    if (home / "bin" / "sarif").exists():
        found.append(Peer("sarif-tools 3.0.5", "PyPI; `loader.load_sarif_file`", _sarif, _sarif_tools(home)))
    if shutil.which("node") and (home / _MULTITOOL).exists():
        about = "npm; `project`, after `convert` for its other formats"
        found.append(Peer("sarif-multitool 5.7.0", about, _converted, _multitool(home)))
    if shutil.which("node") and (home / "node_modules/@mitre/hdf-converters").exists():
        found.append(Peer("hdf-converters 2.12.6", "npm, of MITRE's Heimdall; `toHdf`", _mapped, _hdf(home)))
    return found


def _sarif(case: Case) -> str:
    return "sarif" if case.format == "sarif" else ""


def _converted(case: Case) -> str:
    """The name of the multitool's converter."""
    if case.format == "fortify" and case.path.suffix == ".fpr":
        return "FortifyFpr"
    if case.format == "fortify" and b"<ReportDefinition" in case.path.read_bytes():
        return "Fortify"
    return {"sarif": "sarif", "cppcheck": "CppCheck"}.get(case.format, "")


def _mapped(case: Case) -> str:
    """The name of Heimdall's mapper."""
    if case.format == "fortify":
        return "FortifyMapper" if case.path.suffix == ".fvdl" else ""
    if case.format == "veracode":
        return "VeracodeMapper" if case.path.suffix == ".xml" else ""
    return {"sarif": "SarifMapper", "gosec": "GosecMapper"}.get(case.format, "")


def _sarif_tools(home: Path) -> Callable[[Sequence[tuple[Case, str]]], list[Answer]]:
    command = [str(home / "bin" / "python"), str(HERE / "sarif_tools.py")]
    return lambda asked: _each_line(command, [str(case.path) for case, _form in asked])


def _hdf(home: Path) -> Callable[[Sequence[tuple[Case, str]]], list[Answer]]:
    command, modules = ["node", str(HERE / "hdf.js")], str(home / "node_modules")
    return lambda asked: _each_line(command, [f"{form} {case.path}" for case, form in asked], NODE_PATH=modules)


def _each_line(command: list[str], lines: list[str], **more: str) -> list[Answer]:
    """One answer a line. Where the process dies or hangs that report has none, and a new one goes on behind it."""
    answers: list[Answer] = []
    while len(answers) < len(lines):
        said = _run(command, "\n".join(lines[len(answers) :]) + "\n", **more)
        if isinstance(said, str):
            answers.append({"refused": said})
            continue
        told = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
        answers.extend(told)
        if len(answers) < len(lines):
            answers.append({"refused": f"it ended with {said.returncode}"})
    return answers


def _multitool(home: Path) -> Callable[[Sequence[tuple[Case, str]]], list[Answer]]:
    def ask(asked: Sequence[tuple[Case, str]]) -> list[Answer]:
        tool = str(home / _MULTITOOL)
        with tempfile.TemporaryDirectory() as folder:
            copies = (Path(folder) / f"{place}.sarif" for place in range(len(asked)))
            return [_projected(tool, case, form, copy) for (case, form), copy in zip(asked, copies, strict=True)]

    return ask


def _projected(tool: str, case: Case, form: str, copy: Path) -> Answer:
    path = case.path
    if form != "sarif":
        said = _run([tool, "convert", str(path), "-t", form, "-o", str(copy)], "")
        if isinstance(said, str) or not copy.exists():
            return {"refused": said if isinstance(said, str) else _complaint(said)}
        path = copy
    said = _run([tool, "project", str(path), "-c", _COLUMNS, "--format", "ndjson", "--first-location-only"], "")
    if isinstance(said, str):
        return {"refused": said}
    if said.returncode:
        return {"refused": _complaint(said)}
    return {"rows": [_row(json.loads(line)) for line in said.stdout.splitlines() if line.startswith("{")]}


def _row(told: dict[str, Any]) -> dict[str, Any]:
    return {
        "rule": told.get("RuleId"),
        "level": str(told.get("Level") or "").lower(),
        "path": told.get("Location.Uri"),
        "line": told.get("Location.Region.StartLine"),
        "message": told.get("Message.Text"),
    }


def _complaint(said: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (said.stderr + said.stdout).splitlines() if line.strip()]
    return next((line for line in lines if "xception" in line or "rror" in line), f"it ended with {said.returncode}")


def _run(command: list[str], text: str, **more: str) -> subprocess.CompletedProcess[str] | str:
    """What the process said; a text when it did not end in time or said what is no text."""
    environment = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **more}
    try:
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer after {_LIMIT} s"
