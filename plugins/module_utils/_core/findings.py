# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of static analysis that every part shares: finding, location, scan, totals, severity.

Plain frozen data. ``to_dict`` gives JSON values (the shape that modules return and that the NDJSON store holds, one
finding a line) and ``from_dict`` reads them back; ``from_dict`` raises BadInput when a required key is missing.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar, cast

from .errors import BadInput

_Word = TypeVar("_Word")


class Severity(StrEnum):
    """Our scale, worst first. ``unknown`` is a state of its own: gates count it as bad, never as harmless."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"
    UNKNOWN = "unknown"


class State(StrEnum):
    """What a finding counts as: live, hidden by an accepted suppression, or history of a baseline."""

    LIVE = "live"
    SUPPRESSED = "suppressed"
    ABSENT = "absent"


class Effect(StrEnum):
    """What a weakness does to the data of an application that ran it, worst first.

    ``taints``: somebody may have written to it. ``leaks``: secrets may be known to others (rotate). ``weakens``:
    protection at rest or on the wire is poor (re-encrypt). ``unknown``: no CWE was given, or none that we have judged.
    """

    TAINTS = "taints"
    LEAKS = "leaks"
    WEAKENS = "weakens"
    UNKNOWN = "unknown"
    NONE = "none"


class ScanStatus(StrEnum):
    """Whether a scan may speak about absence: only ``ok`` may.

    ``ok``: every run finished (zero results allowed). ``partial``: finished, but something was not scanned or not read.
    ``failed``: a run did not finish or its results are null. ``empty``: no run in the file, nothing was scanned.
    """

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Location:
    """One place. ``path`` uses "/" and is relative to the repository root when ``place`` is ``inside``.

    ``place``: ``inside``; ``absolute`` (a path of the scanning machine, root not known); ``outside_root`` (climbs out
    of the root, another root or another host: a label, never to be opened). Lines and columns count from 1; a place
    that the tool gave only as an offset has ``char_offset`` (from 0) and no line.
    """

    path: str
    place: str = "inside"
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    char_offset: int | None = None
    symbol: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "place": self.place,
            "line": self.line,
            "column": self.column,
            "end_line": self.end_line,
            "end_column": self.end_column,
            "char_offset": self.char_offset,
            "symbol": self.symbol,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Location:
        return _build(cls, data, required=("path",))


@dataclass(frozen=True, slots=True)
class Suppression:
    """One suppression as reported: ``status`` accepted, underReview or rejected (accepted when the tool is silent)."""

    kind: str
    status: str
    justification: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "status": self.status, "justification": self.justification}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Suppression:
        return _build(cls, data, required=("kind", "status"))


@dataclass(frozen=True, slots=True)
class Override:
    """A severity that a policy replaced: what it was, where that came from, and why it was changed."""

    before: Severity
    source_before: str
    match: str
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "before": self.before.value,
            "source_before": self.source_before,
            "match": self.match,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Override:
        return _build(cls, {**data, "before": Severity(data["before"])}, required=("before", "source_before", "match"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of one scan, with where each judgement came from.

    ``id`` is the same in every scan that finds the same thing (tool, rule, path, fingerprint or message, occurrence;
    no line numbers, no tool version, no commit). ``rule`` is the id as reported, ``descriptor`` the id of the rule
    that it resolved to. ``native`` is the tool's own word for the severity (the resolved SARIF level) and
    ``security_severity`` its own number or word, if any; ``confidence`` is how sure the tool is (``high``, ``medium``,
    ``low``, or None), which never decides the severity. ``kind`` ``open`` and ``review`` mean that the tool could not
    decide. ``scan`` is the sha256 of the report, ``run`` the position of the run in it.
    """

    id: str
    tool: str
    rule: str
    severity: Severity
    severity_source: str
    native: str
    state: State
    message: str
    scan: str = ""
    run: int = 0
    commit: str | None = None
    kind: str = "fail"
    baseline: str | None = None
    rule_name: str = ""
    rule_resolution: str = "none"
    descriptor: str | None = None
    help_uri: str | None = None
    security_severity: str | None = None
    override: Override | None = None
    locations: tuple[Location, ...] = ()
    cwe: tuple[str, ...] = ()
    cwe_sources: Mapping[str, tuple[str, ...]] | None = None
    effect: Effect = Effect.UNKNOWN
    effect_cwe: str | None = None
    tags: tuple[str, ...] = ()
    fingerprints: Mapping[str, str] | None = None
    identity: str = "message"
    occurrence: int = 0
    snippet_sha256: str | None = None
    suppressions: tuple[Suppression, ...] = ()
    rank: float | None = None
    confidence: str | None = None

    @property
    def path(self) -> str:
        """The first location's path, or an empty string when the tool named no place."""
        return self.locations[0].path if self.locations else ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; ``path`` and ``line`` repeat the first location for the reader's convenience."""
        first = self.locations[0] if self.locations else None
        return {
            "id": self.id,
            "tool": self.tool,
            "rule": self.rule,
            "rule_name": self.rule_name,
            "rule_resolution": self.rule_resolution,
            "descriptor": self.descriptor,
            "help_uri": self.help_uri,
            "severity": self.severity.value,
            "severity_source": self.severity_source,
            "native": self.native,
            "security_severity": self.security_severity,
            "override": self.override.to_dict() if self.override else None,
            "state": self.state.value,
            "kind": self.kind,
            "baseline": self.baseline,
            "message": self.message,
            "path": first.path if first else "",
            "line": first.line if first else None,
            "locations": [place.to_dict() for place in self.locations],
            "cwe": list(self.cwe),
            "cwe_sources": {name: list(where) for name, where in (self.cwe_sources or {}).items()},
            "effect": self.effect.value,
            "effect_cwe": self.effect_cwe,
            "tags": list(self.tags),
            "fingerprints": dict(self.fingerprints or {}),
            "identity": self.identity,
            "occurrence": self.occurrence,
            "snippet_sha256": self.snippet_sha256,
            "suppressions": [entry.to_dict() for entry in self.suppressions],
            "rank": self.rank,
            "confidence": self.confidence,
            "commit": self.commit,
            "scan": self.scan,
            "run": self.run,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """The finding of one line of the store. Unknown keys are ignored: newer stores stay readable."""
        ready = dict(data)
        try:
            ready["severity"] = Severity(data["severity"])
            ready["state"] = State(data["state"])
            ready["effect"] = Effect(data.get("effect", "unknown"))
            ready["override"] = Override.from_dict(data["override"]) if data.get("override") else None
            ready["locations"] = tuple(Location.from_dict(place) for place in data.get("locations") or ())
            ready["suppressions"] = tuple(Suppression.from_dict(entry) for entry in data.get("suppressions") or ())
            ready["cwe"] = tuple(data.get("cwe") or ())
            ready["tags"] = tuple(data.get("tags") or ())
            ready["cwe_sources"] = {name: tuple(where) for name, where in (data.get("cwe_sources") or {}).items()}
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadInput("this is not a finding as sast_report writes them", why=repr(error)) from error
        return _build(cls, ready, required=("id", "tool", "rule", "severity", "severity_source", "native", "message"))


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of one scan: ``results`` = ``findings`` + ``passed`` + ``merged`` + ``dropped``.

    ``findings`` are live, suppressed or absent.

    ``results``: entries read. ``passed``: entries of kind pass or notApplicable. ``merged``: entries that the report
    gives more than once, by an id that its format guarantees to be unique. ``dropped``: entries that could not be
    used or were beyond a cap (each is also named in the scan's warnings or truncated). ``by_severity``: live findings,
    all six words always present. ``by_native``: the tool's own word, of all findings. ``by_baseline``: all findings,
    ``none`` where the tool said nothing. ``by_kind``: all results that were used.
    """

    results: int
    findings: int
    live: int
    suppressed: int
    absent: int
    passed: int
    dropped: int
    by_severity: Mapping[str, int]
    by_native: Mapping[str, int]
    by_baseline: Mapping[str, int]
    by_kind: Mapping[str, int]
    merged: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "results": self.results,
            "findings": self.findings,
            "live": self.live,
            "suppressed": self.suppressed,
            "absent": self.absent,
            "passed": self.passed,
            "merged": self.merged,
            "dropped": self.dropped,
            "by_severity": dict(self.by_severity),
            "by_native": dict(self.by_native),
            "by_baseline": dict(self.by_baseline),
            "by_kind": dict(self.by_kind),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Totals:
        return _build(cls, data, required=("results", "findings", "live"))


@dataclass(frozen=True, slots=True)
class Scan:
    """One report file: who looked, at what, with which rules, whether it finished, and what came out.

    ``ruleset`` is ``sha256:`` of the sorted rule ids that the tool listed (None when it listed none): two scans are
    comparable only with the same tool, version and ruleset. ``coverage`` holds ``rules`` (ids, sorted, capped),
    ``rules_count`` and ``artifacts`` (files the tool listed). ``time`` is the end of the last invocation as the report
    states it, or None. ``runs`` has one entry a run with its own tool, version, status, category and commit.
    ``warnings``: ``code``, ``count``, ``text``, ``first``. ``truncated``: ``what``, ``kept``, ``seen``.
    """

    file: str
    sha256: str
    format: str
    tool: str
    tool_version: str
    commit: str | None
    status: ScanStatus
    totals: Totals
    status_reasons: tuple[str, ...] = ()
    format_version: str = ""
    bytes: int = 0
    digest: str | None = None
    digests: tuple[str, ...] = ()
    repository: str | None = None
    ruleset: str | None = None
    coverage: Mapping[str, Any] | None = None
    time: str | None = None
    runs: tuple[Mapping[str, Any], ...] = ()
    truncated: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "format": self.format,
            "format_version": self.format_version,
            "tool": self.tool,
            "tool_version": self.tool_version,
            "commit": self.commit,
            "repository": self.repository,
            "digest": self.digest,
            "digests": list(self.digests),
            "time": self.time,
            "ruleset": self.ruleset,
            "coverage": dict(self.coverage or {}),
            "status": self.status.value,
            "status_reasons": list(self.status_reasons),
            "totals": self.totals.to_dict(),
            "truncated": [dict(entry) for entry in self.truncated],
            "warnings": [dict(entry) for entry in self.warnings],
            "runs": [dict(entry) for entry in self.runs],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scan:
        ready = dict(data)
        try:
            ready["status"] = ScanStatus(data["status"])
            ready["totals"] = Totals.from_dict(data["totals"])
            for name in ("status_reasons", "digests", "runs", "truncated", "warnings"):
                ready[name] = tuple(data.get(name) or ())
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadInput("this is not a scan as sast_report returns them", why=repr(error)) from error
        return _build(cls, ready, required=("file", "sha256", "format", "tool", "tool_version", "commit"))


def _build(cls: type[_Word], data: Mapping[str, Any], *, required: tuple[str, ...]) -> _Word:
    """An instance from the keys that the class knows; a missing required key is one clear error."""
    missing = [name for name in required if name not in data]
    if missing:
        raise BadInput(f"a {cls.__name__.lower()} lacks {', '.join(missing)}", next="read the report again")
    known = {field.name for field in fields(cast(Any, cls))}
    try:
        return cls(**{name: value for name, value in data.items() if name in known})
    except TypeError as error:
        raise BadInput(f"this is not a {cls.__name__.lower()}", why=str(error)) from error
