# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Semgrep's JSON: of the command line (``results``), of dependency scans (``vulns``), of its service (``findings``).

The severity word decides; confidence, impact and likelihood of the rule's metadata are kept beside it. All three shapes
give the match based id under the name that Semgrep's SARIF has for it, so that one finding keeps one id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Recorder
from ..shape import as_dict, as_list, as_text
from ..window import Window
from .form import Form

_SEVERITIES = {
    "CRITICAL": Severity.CRITICAL,
    "ERROR": Severity.HIGH,
    "HIGH": Severity.HIGH,
    "WARNING": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "INFO": Severity.LOW,
    "LOW": Severity.LOW,
    "INVENTORY": Severity.INFO,
    "EXPERIMENT": Severity.INFO,
}
_MATCH = "matchBasedId/v1"
_LOGIN = "requires login"
# Files that somebody chose to leave out; all other reasons mean that a file should have been scanned and was not.
_CHOSEN = frozenset(
    {
        "always_skipped",
        "binary",
        "cli_exclude_flags_match",
        "cli_include_flags_do_not_match",
        "different_language",
        "dotfile",
        "excluded_by_config",
        "gitignore_patterns_match",
        "irrelevant_rule",
        "minified",
        "semgrepignore_patterns_match",
        "wrong_language",
    }
)
_CRASHES = frozenset({"fatal error", "semgreperror", "semgrep error", "internal error", "stack overflow"})
_ACCEPTED = frozenset({"ignored", "muted", "provisionally_ignored"})
_GONE = frozenset({"fixed", "removed"})


def _recognise(look: Look) -> str:
    outer = look.json
    if outer.at("results").type == "list" and outer.at("results").has("check_id", "path", "extra"):
        return "its results have check_id, path and extra"
    if outer.has("errors") and outer.at("paths").has("scanned"):
        return "it has errors and paths.scanned"
    if outer.at("vulns").has("advisory", "dependencyFileLocation"):
        return "its vulns have advisory and dependencyFileLocation"
    found = outer.at("findings")
    return "its findings have match_based_id and location" if found.has("match_based_id", "location") else ""


@dataclass(slots=True)
class _Run:
    """What the report says about the scan itself; ``scanned``: None where it lists nothing."""

    listed: bool = False
    errors: list[dict[str, Any]] = field(default_factory=list)
    scanned: int | None = None
    skipped: dict[str, int] = field(default_factory=dict)
    rules_skipped: int = 0


def _read(window: Window, out: Recorder) -> None:
    out.tool("Semgrep")
    run, version = _Run(), ""
    shapes = {"results": _result, "vulns": _dependency, "findings": _service}
    for name in window.members():
        if name in shapes and window.peek() == "[":
            run.listed = True
            for entry in window.entries():
                shapes[name](as_dict(entry), out)
        elif name == "errors":
            run.errors = [as_dict(entry) for entry in as_list(window.value())]
        elif name == "paths" and window.peek() == "{":
            _paths(window, run)
        elif name == "skipped_rules":
            run.rules_skipped = len(as_list(window.value()))
        elif name == "version":
            version = as_text(window.value())
        else:
            window.skip()
    out.tool("Semgrep", version)
    _status(run, out)


def _paths(window: Window, run: _Run) -> None:
    for name in window.members():
        if name == "scanned" and window.peek() == "[":
            run.scanned = sum(1 for _entry in window.entries())
        elif name == "skipped" and window.peek() == "[":
            for entry in window.entries():
                reason = as_text(as_dict(entry).get("reason")) or "no reason given"
                if reason in run.skipped or len(run.skipped) < 50:
                    run.skipped[reason] = run.skipped.get(reason, 0) + 1
        else:
            window.skip()


def _status(run: _Run, out: Recorder) -> None:
    out.artifacts(run.scanned or 0)
    if not run.listed:
        out.failed("its results are missing: the tool did not produce any")
    for (level, kind), (count, first) in _grouped(run.errors).items():
        text = f"{count} errors of level {level} and type {kind}, first {first}"
        if level == "info":
            out.tally.warn("tool_note", "the tool reports something at level info", out.cleaner.label(text, 200))
        elif run.scanned == 0 or (level == "error" and kind.lower() in _CRASHES):
            out.failed(text)
        else:
            out.partial(text)
    for reason, count in run.skipped.items():
        if reason not in _CHOSEN:
            out.partial(f"{count} files were skipped: {reason}")
    if run.rules_skipped:
        out.partial(f"{run.rules_skipped} rules were skipped")
    if run.scanned == 0 and not run.errors:
        out.empty("no file was scanned")


def _grouped(errors: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, str]]:
    """(level, type) -> how many and the first of them. The type is a word, or a list that begins with it."""
    groups: dict[tuple[str, str], tuple[int, str]] = {}
    for error in errors:
        kind = error.get("type")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        key = (as_text(error.get("level")).lower() or "unknown", as_text(kind) or "unknown")
        first = f"{as_text(error.get('path')) or 'without a file'}: {as_text(error.get('message'))}"
        known = groups.get(key, (0, first))
        groups[key] = (known[0] + 1, known[1])
    return groups


def _result(entry: dict[str, Any], out: Recorder) -> None:
    rule, extra = as_text(entry.get("check_id")), as_dict(entry.get("extra"))
    if not rule:
        out.dropped("result_without_rule", "a result names no rule")
        return
    meta, word = as_dict(extra.get("metadata")), as_text(extra.get("severity"))
    start, end = as_dict(entry.get("start")), as_dict(entry.get("end"))
    ignored = Suppression("inSource", "accepted", "nosemgrep") if extra.get("is_ignored") is True else None
    out.finding(
        Draft(
            rule=rule,
            message=as_text(extra.get("message")),
            severity=_severity(word),
            severity_source="extra.severity",
            native=word,
            confidence=as_text(meta.get("confidence")),
            cwe=cwe_from(**{"metadata.cwe": meta.get("cwe")}),
            help_uri=_first_link(meta.get("source"), meta.get("shortlink"), meta.get("references")),
            snippet=_stated(extra.get("lines")),
            # The engine writes NO_VALIDATOR beside every result; another word stands only beside secrets.
            secret=as_text(extra.get("validation_state")) not in ("", "NO_VALIDATOR"),
            fingerprints={_MATCH: _stated(extra.get("fingerprint"))},
            suppressions=(ignored,) if ignored else (),
            tags=tuple(_tags(meta, as_dict(extra.get("sca_info")))),
            places=(
                Place(
                    as_text(entry.get("path")),
                    start.get("line"),
                    column=start.get("col"),
                    end_line=end.get("line"),
                    end_column=end.get("col"),
                ),
            ),
        )
    )


def _dependency(entry: dict[str, Any], out: Recorder) -> None:
    advice, where = as_dict(entry.get("advisory")), as_dict(entry.get("dependencyFileLocation"))
    title = as_text(entry.get("title")) or as_text(advice.get("title"))
    rule = as_text(advice.get("ruleId")) or title
    if not rule:
        out.dropped("result_without_rule", "a vulnerable dependency names neither a rule nor a title")
        return
    links, word = as_dict(advice.get("references")), as_text(advice.get("severity"))
    package = as_dict(entry.get("matchedDependency"))
    tags = [as_text(one) for one in as_list(links.get("cveIds"))]
    if as_text(package.get("name")):
        tags.append(f"package:{as_text(package['name'])} {as_text(package.get('versionSpecifier'))}".strip())
    if as_text(entry.get("exposureType")):
        tags.append(f"exposure:{as_text(entry['exposureType'])}")
    out.finding(
        Draft(
            rule=rule,
            rule_name=title,
            message=as_text(advice.get("description")) or title,
            severity=_severity(word),
            severity_source="advisory.severity",
            native=word,
            cwe=cwe_from(**{"advisory.references.cweIds": links.get("cweIds")}),
            help_uri=_first_link(links.get("urls")),
            tags=tuple(tag for tag in tags if tag),
            places=(Place(as_text(where.get("path")), where.get("startLine"), end_line=where.get("endLine")),),
        )
    )


def _service(entry: dict[str, Any], out: Recorder) -> None:
    about, where = as_dict(entry.get("rule")), as_dict(entry.get("location"))
    rule = as_text(entry.get("rule_name")) or as_text(about.get("name")) or as_text(entry.get("check_id"))
    if not rule:
        out.dropped("result_without_rule", "a finding names no rule")
        return
    word = as_text(entry.get("severity"))
    out.finding(
        Draft(
            rule=rule,
            message=as_text(entry.get("rule_message")) or as_text(about.get("message")),
            severity=_severity(word),
            severity_source="severity",
            native=word,
            confidence=as_text(entry.get("confidence")) or as_text(about.get("confidence")),
            cwe=cwe_from(**{"rule.cwe_names": about.get("cwe_names")}),
            baseline=_baseline(entry),
            suppressions=tuple(_triaged(entry)),
            fingerprints={_MATCH: _stated(entry.get("match_based_id"))},
            tags=tuple(as_text(one) for one in as_list(entry.get("categories")) if as_text(one)),
            places=(
                Place(
                    as_text(where.get("file_path")),
                    where.get("line"),
                    column=where.get("column"),
                    end_line=where.get("end_line"),
                    end_column=where.get("end_column"),
                ),
            ),
        )
    )


def _baseline(entry: dict[str, Any]) -> str | None:
    """``state`` is what the service saw in the code, ``triage_state`` what somebody clicked: only the first counts."""
    return "absent" if as_text(entry.get("state")).lower() in _GONE else None


def _triaged(entry: dict[str, Any]) -> Iterator[Suppression]:
    words = {as_text(entry.get(name)).lower() for name in ("state", "triage_state", "status")}
    why = as_text(entry.get("triage_comment")) or as_text(entry.get("triage_reason"))
    if words & _ACCEPTED:
        yield Suppression("external", "accepted", why)
    elif "reviewing" in words:
        yield Suppression("external", "underReview", why)


def _severity(word: str) -> Severity:
    return _SEVERITIES.get(word.upper(), Severity.UNKNOWN)


def _stated(value: Any) -> str:
    """Text that the tool gives; it writes "requires login" where it does not."""
    text = as_text(value)
    return "" if text.strip().lower() == _LOGIN else text


def _first_link(*given: Any) -> str:
    for value in given:
        for link in value if isinstance(value, list) else [value]:
            if as_text(link):
                return as_text(link)
    return ""


def _tags(meta: dict[str, Any], dependency: dict[str, Any]) -> Iterator[str]:
    for name in ("category", "impact", "likelihood"):
        if as_text(meta.get(name)):
            yield f"{name}:{as_text(meta[name])}"
    if isinstance(dependency.get("reachable"), bool):
        yield f"reachable:{str(dependency['reachable']).lower()}"
    match = as_dict(as_dict(dependency.get("dependency_match")).get("found_dependency"))
    if as_text(match.get("package")):
        yield f"package:{as_text(match['package'])} {as_text(match.get('version'))}".strip()


SEMGREP = Form("semgrep", "Semgrep", JSON, _recognise, _read)
