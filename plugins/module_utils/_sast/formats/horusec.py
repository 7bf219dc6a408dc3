# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Horusec's JSON. ``type`` tells what a team decided; commits and their authors are not taken over.

Its list is null when nothing was found (a Go list that was never filled): believed when the status is success. The
status is error as soon as one of the tools behind it failed; what the others found is in the list.
"""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity, Suppression
from ..cwe import numbers_in
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_text
from ..window import Window
from .form import Form

_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
    "INFO": Severity.INFO,
}
_DECIDED = frozenset({"false positive", "risk accepted"})
_SECRETS = frozenset({"gitleaks", "leaks"})


def _recognise(look: Look) -> str:
    return "it has analysisVulnerabilities" if look.json.has("analysisVulnerabilities") else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Horusec")
    said: dict[str, Any] = {}
    listed = ""
    for name in window.members():
        if name == "analysisVulnerabilities":
            listed = window.peek()
        if name == "analysisVulnerabilities" and listed == "[":
            for entry in window.entries():
                # The finding lies inside of the record that joins it to its analysis.
                _vulnerability(as_dict(as_dict(entry).get("vulnerabilities")), out)
        elif name in ("version", "status", "errors", "finishedAt"):
            said[name] = window.value()
        else:
            window.skip()
    out.tool("Horusec", as_text(said.get("version")))
    out.time(said.get("finishedAt"))
    _status(listed, as_text(said.get("status")).lower(), as_text(said.get("errors")).strip(), out)


def _status(listed: str, status: str, errors: str, out: Recorder) -> None:
    """``listed``: how the list begins, "n" for null."""
    if listed != "[" and not (listed == "n" and status == "success"):
        out.failed("its analysisVulnerabilities are missing: the tool did not produce any")
    if status != "success" and not (status == "error" and errors):
        out.failed(f"its status is {status or 'missing'}, not success")
    if errors:
        out.partial(f"it reports errors: {errors}")


def _vulnerability(entry: dict[str, Any], out: Recorder) -> None:
    tool, text = as_text(entry.get("securityTool")), as_text(entry.get("details"))
    # Old versions have no rule_id; the tool behind it is all that tells one kind from another.
    rule = as_text(entry.get("rule_id")) or tool
    if not rule:
        out.dropped("vulnerability_without_rule", "a vulnerability names neither a rule nor a tool")
        return
    word, decision = as_text(entry.get("severity")), as_text(entry.get("type"))
    language = as_text(entry.get("language"))
    out.finding(
        Draft(
            rule=rule,
            message=text,
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            confidence=as_text(entry.get("confidence")),
            cwe=cwe_from(details=numbers_in(text)),
            snippet=as_text(entry.get("code")),
            secret=language.lower() in _SECRETS or tool.lower() in _SECRETS,
            fingerprints={"vulnHash": as_text(entry.get("vulnHash"))},
            baseline="absent" if decision.lower() == "corrected" else None,
            suppressions=(Suppression("external", "accepted", decision),) if decision.lower() in _DECIDED else (),
            tags=tuple(f"{name}:{value}" for name, value in (("tool", tool), ("language", language)) if value),
            places=(Place(as_text(entry.get("file")), entry.get("line"), column=entry.get("column")),),
        )
    )


HORUSEC = Form("horusec", "Horusec", JSON, _recognise, _read)
