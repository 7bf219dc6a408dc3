# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SonarQube: issues and hotspots as its web API gives them, sonar-report, and the generic format that it imports.

It has two scales. The newer one rates an issue's impact on each quality of the software; the impact on security counts,
and the older word only where no such impact is given. The scales cannot be converted into each other. A hotspot is a
place to be reviewed: nobody, not even the tool, says that it is a weakness.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._core.findings import Severity, Suppression
from ..draft import Draft, Place, cwe_from
from ..look import JSON, Look
from ..recorder import Later, Recorder
from ..shape import as_dict, as_int, as_list, as_str
from ..window import Keep, Window
from .form import Form

_IMPACTS = {
    "BLOCKER": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
    "INFO": Severity.INFO,
}
_LEGACY = {
    "BLOCKER": Severity.CRITICAL,
    "CRITICAL": Severity.HIGH,
    "MAJOR": Severity.MEDIUM,
    "MINOR": Severity.LOW,
    "INFO": Severity.INFO,
}
_WORST_FIRST = tuple(_IMPACTS)
_HIDDEN = frozenset({"FALSE-POSITIVE", "FALSE_POSITIVE", "WONTFIX", "ACCEPTED", "SAFE"})
_GONE = frozenset({"FIXED", "REMOVED"})
_MITRE = re.compile(r"cwe\.mitre\.org/data/definitions/(\d{1,6})")
_REPORT_MARKS = ("sonarBaseURL", "sonarComponent", "hotspotKeys", "inNewCodePeriod")
_MOST_COMPONENTS = 200_000
_MOST_RULES = 50_000
_LONGEST = 1024
_NEEDED = frozenset(
    {
        "rule",
        "ruleKey",
        "ruleId",
        "key",
        "hash",
        "component",
        "project",
        "line",
        "textRange",
        "message",
        "description",
        "severity",
        "impacts",
        "type",
        "tags",
        "securityCategory",
        "vulnerabilityProbability",
        "resolution",
        "issueStatus",
        "primaryLocation",
        "secondaryLocations",
    }
)
_RULE: Keep = dict.fromkeys(("key", "id", "name", "severity", "htmlDesc", "impacts", "engineId"))


@dataclass(slots=True)
class _Seen:
    """What the report says around its issues. ``paths``: of components by key, "" for those that are no files.

    ``total``: how many issues the server has, when the report says so.
    """

    paths: dict[str, str] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    hotspots: set[str] = field(default_factory=set)
    engines: set[str] = field(default_factory=set)
    total: int | None = None

    def engine(self, entry: Mapping[str, Any]) -> None:
        """The tool that an imported issue comes from; two are as good as many."""
        name = as_str(entry.get("engineId"))
        if name and len(self.engines) < 2:
            self.engines.add(name[:200])


def _recognise(look: Look) -> str:
    outer = look.json
    issues = outer.at("issues")
    if outer.has("issues", "projectName") and any(outer.has(mark) for mark in _REPORT_MARKS):
        return "it is a sonar-report with projectName and issues"
    if outer.has("hotspots", "paging"):
        return "it has hotspots and paging"
    if issues.has("ruleId", "primaryLocation"):
        return "its issues have ruleId and primaryLocation"
    if outer.has("issues") and outer.at("rules").has("id", "engineId"):
        return "its rules have id and engineId"
    if issues.has("rule", "component"):
        return "its issues have rule and component"
    return "it has issues, components and paging" if outer.has("issues", "components", "paging") else ""


def _bare(look: Look) -> str:
    return "it has issues" if look.json.at("issues").type == "list" else ""


def _read(window: Window, out: Recorder) -> None:
    out.tool("SonarQube")
    seen, rows, lists = _Seen(), out.later(), 0
    for name in window.members():
        if name in ("issues", "hotspots") and window.peek() == "[":
            lists += 1
            for entry in window.entries():
                row = as_dict(entry)
                seen.engine(row)
                kept = {key: row[key] for key in row.keys() & _NEEDED}
                rows.put({**kept, "hotspot?": name == "hotspots"})
        elif name == "components" and window.peek() == "[":
            _components(window, seen, out)
        elif name == "rules" and window.peek() in ("{", "["):
            _rules(window, seen, out)
        elif name == "hotspotKeys":
            seen.hotspots.update(key for key in as_list(window.value()) if isinstance(key, str))
        elif name in ("paging", "total"):
            value = window.value()
            seen.total = as_int(as_dict(value).get("total") if name == "paging" else value) or seen.total
        else:
            window.skip()
    if not lists:
        out.failed("its issues are missing: the tool did not produce any")
    _finish(rows, seen, out)


def _components(window: Window, seen: _Seen, out: Recorder) -> None:
    for entry in window.entries():
        component = as_dict(entry)
        key = as_str(component.get("key"))
        if key and len(seen.paths) < _MOST_COMPONENTS and len(key) <= _LONGEST:
            seen.paths[key] = (as_str(component.get("path")) or "")[:_LONGEST]
        else:
            out.tally.cut("components of the report", 0, 1)


def _rules(window: Window, seen: _Seen, out: Recorder) -> None:
    """A list of rules with ``key`` or ``id``, or an object of rules by key."""
    for key, entry in _keyed_rules(window):
        if not key:
            continue
        if len(seen.rules) >= _MOST_RULES:
            out.tally.cut("rules of the report", 0, 1)
            continue
        described = _MITRE.findall(as_str(entry.get("htmlDesc")) or "")
        seen.rules[key[:_LONGEST]] = {
            "name": (as_str(entry.get("name")) or "")[:_LONGEST],
            "severity": (as_str(entry.get("severity")) or "")[:40],
            "impacts": as_list(entry.get("impacts"))[:20],
            "cwe": list(dict.fromkeys(described))[:20],
        }
        seen.engine(entry)


def _keyed_rules(window: Window) -> Iterator[tuple[str, dict[str, Any]]]:
    if window.peek() == "{":
        for key in window.members(unique=False):
            yield key, as_dict(window.value(_RULE))
        return
    for value in window.entries(_RULE):
        entry = as_dict(value)
        yield as_str(entry.get("key")) or as_str(entry.get("id")) or "", entry


def _finish(rows: Later, seen: _Seen, out: Recorder) -> None:
    if len(seen.engines) == 1:
        out.tool(next(iter(seen.engines)))
    count = 0
    for row in rows:
        count += 1
        _issue(row, seen, out)
    if seen.total is not None and seen.total > count:
        out.partial(f"it holds {count} of {seen.total} issues: only some pages were fetched")


# -- one issue ---------------------------------------------------------------------------------------------------


def _issue(row: dict[str, Any], seen: _Seen, out: Recorder) -> None:
    rule = as_str(row.get("rule")) or as_str(row.get("ruleKey")) or as_str(row.get("ruleId"))
    if not rule:
        out.dropped("result_without_rule", "an issue names no rule", row.get("key"))
        return
    key, described = as_str(row.get("key")) or "", seen.rules.get(rule, {})
    hotspot = row.get("hotspot?") is True or key in seen.hotspots or row.get("type") == "SECURITY_HOTSPOT"
    severity, source, native = _hotspot_severity(row) if hotspot else _severity(row, described)
    primary = as_dict(row.get("primaryLocation"))
    message = as_str(row.get("message")) or as_str(primary.get("message")) or as_str(row.get("description")) or ""
    tags = [tag for tag in as_list(row.get("tags")) if isinstance(tag, str)]
    resolution = _resolution(row)
    out.finding(
        Draft(
            rule=rule,
            rule_name=as_str(described.get("name")) or "",
            message=message,
            severity=severity,
            severity_source=source,
            native=native,
            kind="review" if hotspot and resolution != "ACKNOWLEDGED" else "fail",
            cwe=cwe_from(tags=[tag for tag in tags if tag.lower().startswith("cwe")], htmlDesc=described.get("cwe")),
            fingerprints=_stated(key=key, hash=as_str(row.get("hash")) or ""),
            key=key,
            baseline="absent" if resolution in _GONE else None,
            places=_places(row, primary, seen),
            tags=tuple(
                dict.fromkeys(filter(None, (as_str(row.get("type")), as_str(row.get("securityCategory")), *tags)))
            ),
            suppressions=(Suppression("external", "accepted", resolution),) if resolution in _HIDDEN else (),
        )
    )


def _stated(**fingerprints: str) -> dict[str, str]:
    return {name: text for name, text in fingerprints.items() if text}


def _resolution(row: Mapping[str, Any]) -> str:
    """What was decided: ``resolution``, in newer servers also ``issueStatus``; "" for nothing that ends it."""
    for name in ("resolution", "issueStatus"):
        word = (as_str(row.get(name)) or "").strip().upper()
        if word in _HIDDEN or word in _GONE or word == "ACKNOWLEDGED":
            return word
    return ""


def _severity(row: Mapping[str, Any], rule: Mapping[str, Any]) -> tuple[Severity, str, str]:
    """Of the issue, else of its rule; of each the impact on security, else the older word, else the worst impact."""
    for bag, prefix in ((row, ""), (rule, "rules.")):
        impacts = _impacts(bag.get("impacts"))
        if "SECURITY" in impacts:
            word = impacts["SECURITY"]
            return _IMPACTS.get(word.upper(), Severity.UNKNOWN), f"{prefix}impacts[SECURITY]", word
        stated = as_str(bag.get("severity"))
        if stated:
            return _LEGACY.get(stated.upper(), Severity.UNKNOWN), f"{prefix}severity", stated
        if impacts:
            quality = min(impacts, key=lambda name: _rank(impacts[name]))
            word = impacts[quality]
            return _IMPACTS.get(word.upper(), Severity.UNKNOWN), f"{prefix}impacts[{quality}]", word
    return Severity.UNKNOWN, "none", ""


def _rank(word: str) -> int:
    """A word that nobody knows goes first: what it means may be the worst."""
    return _WORST_FIRST.index(word.upper()) if word.upper() in _IMPACTS else -1


def _impacts(value: Any) -> dict[str, str]:
    found = {}
    for entry in map(as_dict, as_list(value)[:20]):
        quality, word = as_str(entry.get("softwareQuality")), as_str(entry.get("severity"))
        if quality and word:
            found[quality.upper()[:40]] = word
    return found


def _hotspot_severity(row: Mapping[str, Any]) -> tuple[Severity, str, str]:
    """How urgent the review is. sonar-report has only the older word in its place."""
    word = as_str(row.get("vulnerabilityProbability"))
    if word:
        return _IMPACTS.get(word.upper(), Severity.UNKNOWN), "vulnerabilityProbability", word
    stated = as_str(row.get("severity")) or ""
    return _LEGACY.get(stated.upper(), _IMPACTS.get(stated.upper(), Severity.UNKNOWN)), "severity", stated


# -- places ------------------------------------------------------------------------------------------------------


def _places(row: Mapping[str, Any], primary: Mapping[str, Any], seen: _Seen) -> tuple[Place, ...]:
    if primary:
        others = [as_dict(other) for other in as_list(row.get("secondaryLocations"))]
        return tuple(
            _place(as_str(one.get("filePath")) or "", one.get("textRange"), None) for one in (primary, *others)
        )
    path = _path(row, seen)
    return (_place(path, row.get("textRange"), row.get("line")),) if path else ()


def _path(row: Mapping[str, Any], seen: _Seen) -> str:
    """Of a component: as the list of components says, else what follows the last colon; a project is no file."""
    component = as_str(row.get("component")) or ""
    if component in seen.paths:
        return seen.paths[component]
    return "" if component == row.get("project") else component.rpartition(":")[2]


def _place(path: str, text_range: Any, line: Any) -> Place:
    """Lines count from 1, offsets and columns from 0."""
    span = as_dict(text_range)
    first, last = (span.get(f"{side}Offset", span.get(f"{side}Column")) for side in ("start", "end"))
    return Place(
        path,
        span.get("startLine", line),
        _column(first),
        end_line=span.get("endLine"),
        end_column=_column(last),
    )


def _column(offset: Any) -> int | None:
    number = as_int(offset)
    return number + 1 if number is not None and number >= 0 else None


SONARQUBE = Form("sonarqube", "SonarQube", JSON, _recognise, _read, bare=_bare)
