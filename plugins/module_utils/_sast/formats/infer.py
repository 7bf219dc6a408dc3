# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Infer's ``report.json``, a list. Its hash leaves the line out on purpose, so two findings may have one."""

from __future__ import annotations

from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_str
from ..window import Keep, Window
from .form import Form

_SEVERITIES = {
    "ERROR": Severity.HIGH,
    "WARNING": Severity.MEDIUM,
    "ADVICE": Severity.LOW,
    "INFO": Severity.INFO,
}
_ISSUE: Keep = dict.fromkeys(
    (
        "bug_type",
        "bug_type_hum",
        "qualifier",
        "severity",
        "category",
        "line",
        "column",
        "procedure",
        "file",
        "hash",
        "doc_url",
        "suppressed",
        "censored_reason",
    )
)


def _recognise(look: Look) -> str:
    named = look.json.type == "list" and look.json.has("bug_type", "hash", "qualifier")
    return "it is a list of objects with bug_type, hash and qualifier" if named else ""


def _bare(look: Look) -> str:
    return "it is an empty list" if look.json.type == "list" and look.json.first is None else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("Infer")
    for entry in window.entries(_ISSUE):
        _issue(as_dict(entry), out)


def _issue(entry: dict[str, Any], out: Recorder) -> None:
    rule = as_str(entry.get("bug_type"))
    if not rule:
        out.dropped("result_without_rule", "an issue names no bug_type", entry.get("hash"))
        return
    word, digest = as_str(entry.get("severity")) or "", as_str(entry.get("hash")) or ""
    category = as_str(entry.get("category"))
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_str(entry.get("bug_type_hum")) or "",
            message=as_str(entry.get("qualifier")) or "",
            severity=_SEVERITIES.get(word.upper(), Severity.UNKNOWN),
            severity_source="severity" if word else "none",
            native=word,
            help_uri=as_str(entry.get("doc_url")) or "",
            fingerprints={"hash": digest} if digest else {},
            places=(
                Place(
                    as_str(entry.get("file")) or "",
                    entry.get("line"),
                    entry.get("column"),
                    symbol=as_str(entry.get("procedure")) or "",
                ),
            ),
            tags=(category,) if category else (),
            suppressions=_suppressions(entry),
        )
    )


def _suppressions(entry: dict[str, Any]) -> tuple[Suppression, ...]:
    """A comment in the source hides (``suppressed``), or the configuration does (``censored_reason``)."""
    if entry.get("suppressed") is True:
        return (Suppression("inSource", "accepted"),)
    censored = as_str(entry.get("censored_reason")) or ""
    return (Suppression("external", "accepted", censored[:500]),) if censored else ()


INFER = Form("infer", "Infer", JSON, _recognise, _read, bare=_bare)
