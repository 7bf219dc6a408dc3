# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scanners for secrets: Gitleaks' JSON and the baseline of detect-secrets.

Neither states a severity; a secret in code is high, because whoever read the code may know it. The secret itself never
leaves: a short hash of it is what the finding is known again by.
"""

from __future__ import annotations

import re
from typing import Any

from ..._core.findings import Severity, Suppression
from ..._core.redact import fingerprint
from ..draft import Draft, Place
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_str
from ..window import Window
from .form import Form

SOURCE = "rule about secrets"
_CWE = {"CWE-798": (SOURCE,)}
# What Gitleaks writes in place of (the rest of) a secret when it redacts: it tells no two secrets apart.
_MASKED = re.compile(r"REDACTED|.*\.\.\.|.*\*{3,}.*", re.DOTALL)


def _is_gitleaks(look: Look) -> str:
    if look.json.type != "list":
        return ""
    if look.json.has("RuleID", "Secret", "Match") or look.json.has("RuleID", "Secret", "Fingerprint"):
        return "its entries have RuleID and Secret"
    return "its entries have offender and rule" if look.json.has("offender", "rule", "lineNumber") else ""


def _is_empty_list(look: Look) -> str:
    """Which is what Gitleaks writes when it found nothing, but other tools, too."""
    return "it is an empty list" if look.json.type == "list" and look.json.first is None else ""


def _read_gitleaks(window: Window, out: Recorder) -> None:
    out.tool("Gitleaks")
    for entry in window.entries():
        _leak(as_dict(entry), out)


def _leak(entry: dict[str, Any], out: Recorder) -> None:
    """An entry of version 8, or of version 7, which names the same things in small letters."""
    rule = as_str(entry.get("RuleID")) or as_str(entry.get("rule"))
    if not rule:
        out.dropped("result_without_rule", "an entry names no rule")
        return
    secret = as_str(entry.get("Secret")) or as_str(entry.get("offender")) or ""
    link = as_str(entry.get("Link")) or as_str(entry.get("leakURL")) or ""
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_str(entry.get("Description")) or "",
            message=as_str(entry.get("Description")) or f"A secret was found by the rule {rule}.",
            severity=Severity.HIGH,
            severity_source=SOURCE,
            native="",
            cwe=_CWE,
            help_uri=link,
            fingerprints=_fingerprints(entry, secret),
            tags=tuple(filter(None, map(as_str, as_list(entry.get("Tags"))))),
            snippet=secret,
            secret=True,
            places=(
                Place(
                    as_str(entry.get("File")) or as_str(entry.get("file")) or "",
                    entry.get("StartLine", entry.get("lineNumber")),
                    column=entry.get("StartColumn"),
                    end_line=entry.get("EndLine"),
                    end_column=entry.get("EndColumn"),
                ),
            ),
        )
    )


def _fingerprints(entry: dict[str, Any], secret: str) -> dict[str, str]:
    """The tool's own fingerprint holds a line number, which stands still only within a commit of the history."""
    found = {}
    own = as_str(entry.get("Fingerprint"))
    if own and as_str(entry.get("Commit")):
        found["Fingerprint"] = own
    if secret and not _MASKED.fullmatch(secret):
        found["Secret"] = fingerprint(secret)
    return found


def _is_detect_secrets(look: Look) -> str:
    outer = look.json
    if outer.has("plugins_used", "results") and outer.at("results").type in ("object", "null"):
        return "it has plugins_used and results by file"
    return "it has plugins_used and filters_used" if outer.has("plugins_used", "filters_used") else ""


def _read_detect_secrets(window: Window, out: Recorder) -> None:
    out.tool("detect-secrets")
    results = "absent"
    for name in window.members():
        if name == "results" and window.peek() == "{":
            results = "object"
            for file in window.members():
                _file(window, file, out)
        elif name == "version":
            out.tool("detect-secrets", window.value())
        elif name == "generated_at":
            out.time(window.value())
        elif name == "plugins_used":
            out.rules(as_str(as_dict(plugin).get("name")) for plugin in as_list(window.value()))
        else:
            window.skip()
    if results == "absent":
        out.failed("its results are missing: the tool did not produce any")


def _file(window: Window, file: str, out: Recorder) -> None:
    if window.peek() != "[":
        window.skip()
        out.dropped("file_without_list", "the entries of a file are no list", file)
        return
    for entry in window.entries():
        _potential(as_dict(entry), file, out)


def _potential(entry: dict[str, Any], file: str, out: Recorder) -> None:
    rule = as_str(entry.get("type"))
    if not rule:
        out.dropped("result_without_rule", "an entry has no type")
        return
    hashed = as_str(entry.get("hashed_secret"))
    known = entry.get("is_secret") is True or entry.get("is_verified") is True
    out.finding(
        Draft(
            rule=rule,
            rule_name=rule,
            message=f"A possible secret of the type {rule}.",
            severity=Severity.HIGH,
            severity_source=SOURCE,
            native="",
            confidence="confirmed" if known else "",
            cwe=_CWE,
            fingerprints={"hashed_secret": hashed} if hashed else {},
            # The audit of the tool: true a secret, false none, absent not looked at yet.
            suppressions=(
                (Suppression("external", "accepted", "audited: is_secret is false"),)
                if entry.get("is_secret") is False
                else ()
            ),
            secret=True,
            places=(Place(as_str(entry.get("filename")) or file, entry.get("line_number")),),
        )
    )


GITLEAKS = Form("gitleaks", "Gitleaks", JSON, _is_gitleaks, _read_gitleaks, bare=_is_empty_list)
DETECT_SECRETS = Form("detect_secrets", "detect-secrets", JSON, _is_detect_secrets, _read_detect_secrets)
