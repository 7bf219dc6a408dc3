# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ESLint's JSON, plain and with metadata. A linter: only rules about security say something about security.

``severity`` is what a team configured (2 breaks the build), so 2 is high for the rules listed here and low for
the rest. A message that is ``fatal`` means that the file was not parsed, and a rule that is not found did not run:
neither is a finding, both make the scan partial.
"""

from __future__ import annotations

import re
from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_text
from ..window import Window
from .form import Form
from .nested import FileEntry

_PLUGINS = (
    "security/",
    "security-node/",
    "no-unsanitized/",
    "no-secrets/",
    "xss/",
    "scanjs-rules/",
    "no-wildcard-postmessage/",
    "@microsoft/sdl/",
    "sdl/",
    "@eslint-community/eslint-plugin-security/",
)
# Rules of the core and of well-known plugins, and what is known of the weakness behind a rule.
_CWES: dict[str, int] = {
    "no-eval": 95,
    "no-implied-eval": 95,
    "no-new-func": 95,
    "no-script-url": 79,
    "@typescript-eslint/no-implied-eval": 95,
    "react/no-danger": 79,
    "react/no-danger-with-children": 79,
    "react/jsx-no-script-url": 79,
    "react/jsx-no-target-blank": 1022,
    "vue/no-v-html": 79,
    "svelte/no-at-html-tags": 79,
    "regexp/no-super-linear-backtracking": 1333,
    "regexp/no-super-linear-move": 1333,
    "no-secrets/no-secrets": 798,
    "no-unsanitized/method": 79,
    "no-unsanitized/property": 79,
    "no-wildcard-postmessage/no-wildcard-postmessage": 346,
    "security/detect-bidi-characters": 1007,
    "security/detect-buffer-noassert": 119,
    "security/detect-child-process": 78,
    "security/detect-disable-mustache-escape": 79,
    "security/detect-eval-with-expression": 95,
    "security/detect-new-buffer": 665,
    "security/detect-no-csrf-before-method-override": 352,
    "security/detect-non-literal-fs-filename": 22,
    "security/detect-non-literal-regexp": 1333,
    "security/detect-non-literal-require": 829,
    "security/detect-object-injection": 1321,
    "security/detect-possible-timing-attacks": 208,
    "security/detect-pseudoRandomBytes": 338,
    "security/detect-unsafe-regex": 1333,
    "xss/no-mixed-html": 79,
    "xss/no-location-href-assign": 79,
}
_LEVELS = {2: "error", 1: "warning"}
_NO_SUCH_RULE = re.compile(r"Definition for rule .{1,300} not found\.?", re.DOTALL)
_IGNORED = re.compile(r"File ignored (?:because|by default)")


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.type == "list" and outer.has("filePath", "messages"):
        return "its entries have filePath and messages"
    if outer.has("results") and outer.at("metadata").has("rulesMeta"):
        return "it has results and metadata.rulesMeta"
    return "its results have filePath and messages" if outer.at("results").has("filePath", "messages") else ""


def _bare(look: Look) -> str:
    return "it is an empty list" if look.json.type == "list" and look.json.first is None else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("ESLint")
    if window.peek() == "[":
        _files(window, out)
        return
    listed = False
    for name in window.members():
        if name == "results" and window.peek() == "[":
            listed = True
            _files(window, out)
        elif name == "metadata":
            out.rules(as_dict(as_dict(window.value({"rulesMeta": None})).get("rulesMeta")))
        else:
            window.skip()
    if not listed:
        out.failed("its results are missing: the tool did not produce any")


def _files(window: Window, out: Recorder) -> None:
    count = 0
    for _position in window.items():
        count += 1
        file = FileEntry(window, path="filePath", lists=("messages", "suppressedMessages"))
        for message in file.entries():
            _message(file.path, as_dict(message), out)
        if "messages" not in file.listed:
            out.partial(f"a file has no messages: {file.path}")
    out.artifacts(count)
    if not count:
        out.empty("no file was linted")


def _message(path: str, message: dict[str, Any], out: Recorder) -> None:
    rule, text = as_text(message.get("ruleId")), as_text(message.get("message"))
    if message.get("fatal") is True:
        out.dropped("file_not_parsed", "a file could not be parsed and was not linted", path)
    elif _NO_SUCH_RULE.match(text):
        out.dropped("rule_not_found", "a rule that is configured does not exist and did not run", rule)
    elif not rule and _IGNORED.match(text):
        out.dropped("file_ignored", "a file that was named is ignored by the configuration", path)
    elif not rule and not text:
        out.dropped("message_without_rule", "a message has neither a rule nor a text", path)
    else:
        out.finding(_draft(path, rule, text, message))


def _draft(path: str, rule: str, text: str, message: dict[str, Any]) -> Draft:
    level = message.get("severity")
    word = _LEVELS.get(level, "") if isinstance(level, int) and not isinstance(level, bool) else ""
    about_security = rule.startswith(_PLUGINS) or rule in _CWES
    return Draft(
        rule=rule,
        message=text,
        severity=_severity(word, about_security),
        severity_source="severity of a security rule" if about_security else "severity of another rule",
        native=word or as_text(level),
        cwe=cwe_from(rule_table=_CWES.get(rule)),
        secret=rule.startswith("no-secrets/"),
        suppressions=tuple(_suppression(as_dict(one)) for one in as_list(message.get("suppressions"))),
        places=(
            Place(
                path,
                message.get("line"),
                column=message.get("column"),
                end_line=message.get("endLine"),
                end_column=message.get("endColumn"),
            ),
        ),
    )


def _severity(word: str, about_security: bool) -> Severity:
    if not word:
        return Severity.UNKNOWN
    if about_security:
        return Severity.HIGH if word == "error" else Severity.MEDIUM
    return Severity.LOW if word == "error" else Severity.INFO


def _suppression(stated: dict[str, Any]) -> Suppression:
    """ESLint knows one kind, a comment in the source ("directive")."""
    return Suppression("inSource", "accepted", as_text(stated.get("justification")))


ESLINT = Form("eslint", "ESLint", JSON, _recognise, _read, bare=_bare)
