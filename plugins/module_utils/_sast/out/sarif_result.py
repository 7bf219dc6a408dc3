# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One finding as a SARIF 2.1.0 result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tally import Tally
from .escape import disarmed, file_uri, relative_uri, shown
from .sarif_runs import Run, cwe_numbers, rule_key
from .words import Changes, Record, change_of, places_of, positive, severity_of

ROOT = "%SRCROOT%"
OURS = "knowngood/"

_KINDS = ("open", "review", "informational")
_LEVELS = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "unknown": "warning",
    "low": "note",
    "info": "note",
}
_MEANT = {"error": "high", "warning": "medium", "note": "low", "none": "info"}
_STATUSES = ("accepted", "underReview", "rejected")
# What of a record is told as a property under our own name, besides its id and severity.
_TOLD = ("severity_source", "native", "effect", "effect_cwe", "state", "confidence", "rule_resolution", "override")


def result_of(record: Record, run: Run, changes: Changes | None, tally: Tally) -> dict[str, Any]:
    """A record as a result of its run. Nothing is left out silently: what SARIF cannot say is a property of ours."""
    rule, index = str(record.get("rule") or ""), run.rules.get(rule_key(record))
    kind, rank = record.get("kind"), record.get("rank")
    text = shown(record.get("message"))
    safe = disarmed(text)
    if safe != text:
        tally.warn(
            "sarif_link_disarmed", "a message has a link that is no web address; a blank keeps it from being one"
        )
    result: dict[str, Any] = {"ruleId": rule} if rule else {}
    if index is not None:
        result["ruleIndex"] = index
    if kind in _KINDS:
        result["kind"] = kind
    result["level"] = level_of(record)
    result["message"] = {"text": safe}
    result.update(_when_any("locations", [_location(place, tally) for place in places_of(record)]))
    result.update(_when_any("partialFingerprints", _fingerprints(record)))
    if run.baselines:
        result["baselineState"] = _baseline(record, changes, tally)
    if run.suppressions:
        result["suppressions"] = _suppressions(record, tally)
    if isinstance(rank, (int, float)) and not isinstance(rank, bool) and 0 <= rank <= 100:
        result["rank"] = rank
    result.update(_when_any("taxa", _taxa(record, run)))
    result["properties"] = _properties(record)
    return result


def level_of(record: Record) -> str:
    """The tool's own level where it means the same as our severity, else the level of our severity.

    A result that is no failure has the level none (3.27.10).
    """
    if record.get("kind") in _KINDS:
        return "none"
    severity, native = severity_of(record), record.get("native")
    return str(native) if _MEANT.get(str(native)) == severity else _LEVELS[severity]


def _when_any(name: str, value: Any) -> dict[str, Any]:
    return {name: value} if value else {}


def _location(place: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """A place. One outside the root (or on no known path) is a logical name: no viewer may try to open it."""
    path, kind = shown(place.get("path")), place.get("place") or "inside"
    logical, told = [], {}
    uri = _artifact(path, str(kind))
    region = _region(place, tally)
    location: dict[str, Any] = {}
    if uri is not None:
        location["physicalLocation"] = {"artifactLocation": uri, **_when_any("region", region)}
    else:
        told = {f"{OURS}region": region} if region else {}
        if path:
            logical.append({"fullyQualifiedName": path, "kind": "outside_root"})
    if place.get("symbol"):
        logical.append({"fullyQualifiedName": shown(place["symbol"])})
    return {**location, **_when_any("logicalLocations", logical), **_when_any("properties", told)}


def _artifact(path: str, kind: str) -> dict[str, Any] | None:
    if not path:
        return None
    if kind == "inside" and not path.startswith("/"):
        return {"uri": relative_uri(path), "uriBaseId": ROOT}
    uri = file_uri(path) if kind == "absolute" else None
    return {"uri": uri} if uri else None


def _region(place: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """Only what is known; an end before its start says nothing and is left out (counted)."""
    line, column = positive(place.get("line")), positive(place.get("column"))
    end_line, end_column = positive(place.get("end_line")), positive(place.get("end_column"))
    offset = place.get("char_offset")
    region: dict[str, Any] = {}
    if isinstance(offset, int) and not isinstance(offset, bool) and offset >= 0:
        region["charOffset"] = offset
    if line is None:
        return region
    if (end_line or line, end_column or column or 0) < (line, column or 0):
        tally.warn("sarif_region_end", "a region ends before it begins; its end was left out")
        end_line = end_column = None
    named = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    return {**region, **{name: value for name, value in named.items() if value is not None}}


def _fingerprints(record: Record) -> dict[str, str]:
    bag = record.get("fingerprints")
    return {str(key): str(value) for key, value in bag.items()} if isinstance(bag, Mapping) else {}


def _baseline(record: Record, changes: Changes | None, tally: Tally) -> str:
    """All results of a run have one or none has. Of what nobody compared we do not know that it was there before."""
    word = change_of(record, changes)
    if word is None:
        tally.warn("sarif_baseline_filled", "a finding without a baselineState among others with one is written as new")
        return "new"
    return word


def _suppressions(record: Record, tally: Tally) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for raw in record.get("suppressions") or ():
        entry = _suppression(raw)
        if entry not in found:
            found.append(entry)
        else:
            tally.warn("sarif_suppression_twice", "a finding has the same suppression twice; it is written once")
    if not found and record.get("state") == "suppressed":
        tally.warn(
            "sarif_suppression_made", "a finding is suppressed and does not say by what; it is written as external"
        )
        found.append({"kind": "external", "status": "accepted"})
    return found


def _suppression(raw: Any) -> dict[str, Any]:
    """SARIF knows two kinds and three statuses. A status that is none of them must not become accepted."""
    entry = raw if isinstance(raw, Mapping) else {}
    kind, status = shown(entry.get("kind")), shown(entry.get("status"))
    told = {}
    if kind not in ("inSource", "external"):
        told[f"{OURS}kind"] = kind
    if status not in _STATUSES:
        told[f"{OURS}status"] = status
    return {
        "kind": "external" if f"{OURS}kind" in told else kind,
        "status": "underReview" if f"{OURS}status" in told else status,
        **_when_any("justification", shown(entry.get("justification"))),
        **_when_any("properties", told),
    }


def _taxa(record: Record, run: Run) -> list[dict[str, Any]]:
    component = {"name": "CWE", "index": 0}
    return [
        {"id": number, "index": run.taxa[number], "toolComponent": component}
        for number in cwe_numbers(record)
        if number in run.taxa
    ]


def _properties(record: Record) -> dict[str, Any]:
    properties: dict[str, Any] = {f"{OURS}id": shown(record.get("id")), f"{OURS}severity": severity_of(record)}
    properties.update({f"{OURS}{name}": record[name] for name in _TOLD if record.get(name) not in (None, "", {})})
    if record.get("security_severity") is not None:
        properties["security-severity"] = shown(record["security_severity"])
    tags = list(dict.fromkeys(shown(tag) for tag in record.get("tags") or ()))
    return {**properties, **_when_any("tags", tags)}
