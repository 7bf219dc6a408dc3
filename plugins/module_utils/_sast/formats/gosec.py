# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gosec's JSON. Severity and confidence are two axes; what ``#nosec`` hides is only counted unless it was tracked."""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_int, as_list, as_text
from ..window import Window
from .form import Form

_SEVERITIES = {"HIGH": Severity.HIGH, "MEDIUM": Severity.MEDIUM, "LOW": Severity.LOW}


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.has("Golang errors"):
        return "it has Golang errors"
    return "it has Issues and Stats" if outer.has("Issues", "Stats") and outer.at("Stats").type == "object" else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("gosec")
    version, listed, count = "", False, 0
    stats: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    for name in window.members():
        if name == "Issues" and window.peek() == "[":
            listed = True
            for entry in window.entries():
                count += 1
                _issue(as_dict(entry), out)
        elif name == "Golang errors":
            errors = as_dict(window.value())
        elif name == "Stats":
            stats = as_dict(window.value())
        elif name == "GosecVersion":
            version = as_text(window.value())
        else:
            window.skip()
    out.tool("gosec", version)
    if not listed:
        out.failed("its Issues are missing: the tool did not produce any")
    _status(stats, errors, count, out)


def _status(stats: dict[str, Any], errors: dict[str, Any], listed: int, out: Recorder) -> None:
    files, found, hidden = (as_int(stats.get(name)) for name in ("files", "found", "nosec"))
    out.artifacts(max(files or 0, 0))
    for path, problems in list(errors.items())[:1]:
        first = next((as_text(as_dict(one).get("error")) for one in as_list(problems)), "")
        text = f"{len(errors)} files or packages were not read, first {path}: {first}"
        if files == 0:
            out.failed(f"no file was scanned; {text}")
        else:
            out.partial(text)
    if files == 0 and not errors:
        out.empty("no file was scanned")
    # Some versions count what a comment hides as found, others do not.
    if found is not None and found > listed + max(hidden or 0, 0):
        out.partial(f"it counts {found} issues and lists {listed}: a filter or a cut took the others")
    if hidden is not None and hidden > 0:
        out.tally.warn(
            "hidden_suppressions", "#nosec comments hide code from the tool, see first for how many", str(hidden)
        )


def _issue(entry: dict[str, Any], out: Recorder) -> None:
    rule = as_text(entry.get("rule_id"))
    if not rule:
        out.dropped("issue_without_rule", "an issue names no rule")
        return
    word = as_text(entry.get("severity"))
    out.finding(
        Draft(
            rule=rule,
            message=as_text(entry.get("details")),
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="severity",
            native=word,
            confidence=as_text(entry.get("confidence")),
            cwe=cwe_from(cwe=_cwe(as_dict(entry.get("cwe")))),
            snippet=as_text(entry.get("code")),
            suppressions=_suppressions(entry),
            places=(Place(as_text(entry.get("file")), entry.get("line"), column=entry.get("column")),),
        )
    )


def _cwe(stated: dict[str, Any]) -> Any:
    """Older versions write the names of the Go structure: ``ID``."""
    return stated.get("id") or stated.get("ID")


def _suppressions(entry: dict[str, Any]) -> tuple[Suppression, ...]:
    stated = [as_dict(one) for one in as_list(entry.get("suppressions"))]
    if not stated and entry.get("nosec") is True:
        return (Suppression("inSource", "accepted"),)
    return tuple(
        Suppression(
            "external" if as_text(one.get("kind")) == "external" else "inSource",
            "accepted",
            as_text(one.get("justification")),
        )
        for one in stated
    )


GOSEC = Form("gosec", "gosec", JSON, _recognise, _read)
