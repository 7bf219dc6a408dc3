# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From drafts to findings: what all formats but SARIF share once their reader has said what stands there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .._core.clock import parse_time, rfc3339
from .._core.findings import Finding, Location, Scan, ScanStatus, Suppression
from . import secrets
from .counts import BASELINES, NOT_A_FINDING
from .cwe import effect_of
from .draft import Draft, Place, lines_in
from .finish import Finish
from .identity import Identifier, basis_of
from .paths import PathResolver
from .record import Record, ruleset_of, worst
from .source import Source
from .spool import Lines, Spool, opened

_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_KINDS = frozenset({"fail", "open", "review", "pass", "notApplicable", "informational"})
_CONFIDENCE = {
    "high": ("certain", "confirmed", "very high", "high", "3"),
    "medium": ("medium", "moderate", "firm", "normal", "2"),
    "low": ("low", "weak", "tentative", "experimental", "ignore", "very low", "1"),
}
_SURE = {word: level for level, words in _CONFIDENCE.items() for word in words}
_MOST_TAGS = 32
_MOST_FINGERPRINTS = 16
_MOST_SUPPRESSIONS = 16
# Repeats are looked for among so many ids; beyond, every entry stands for itself.
_MOST_KEYS = 500_000


Beside = Callable[[str], "Iterator[bytes] | None"]
"""Gives the bytes of another file that belongs to the report (``audit.xml`` of a Fortify project), if it is there."""


class Later:
    """Rows put aside until the rest of the report is known; in memory first, then in a temporary file."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def put(self, row: Any) -> None:
        self._spool.put(json.dumps(row).encode("ascii"))

    def __iter__(self) -> Iterator[Any]:
        return (json.loads(packed) for packed in self._spool)


class Recorder:
    """What a reader of a format talks to. It says what it sees; cleaning, ids, counting and writing happen here.

    Every entry of the report that could be a finding ends in exactly one of :meth:`finding` and :meth:`dropped`.
    A reader that sees that the scan did not finish says :meth:`failed`; that something was not scanned or not read,
    :meth:`partial`; that nothing was scanned at all, :meth:`empty`.
    """

    def __init__(self, record: Record, lines: Lines, *, beside: Beside = lambda _name: None) -> None:
        self.beside = beside
        self.options = record.options
        self.tally = record.tally
        self.cleaner = record.cleaner
        self.name = record.name
        self._record = record
        self._lines = lines
        self._laters: list[Spool] = []
        self._finish = Finish(record.options, record.tally)
        self._identifier = Identifier()
        self._resolver = PathResolver({}, source_root=record.options.source_root, tally=record.tally)
        self._tool, self._tool_version, self._version = "unknown", "", ""
        self._commits: list[tuple[str, str]] = []
        self._time: str | None = None
        self._status: list[ScanStatus] = []
        self._reasons: list[str] = []
        self._keys: dict[int, int] = {}

    # -- the scan --------------------------------------------------------------------------------------------

    def tool(self, name: Any, version: Any = "", *, format_version: Any = "") -> None:
        """Who made the report. Said again, what is given now replaces what was."""
        self._tool = self.cleaner.label(name, 200) or self._tool
        self._tool_version = self.cleaner.label(_text(version), 100) or self._tool_version
        self._version = self.cleaner.label(_text(format_version), 20) or self._version

    def commit(self, commit: Any, repository: Any = "") -> None:
        """A commit that the report says was scanned. What is no commit id is counted and left out."""
        if isinstance(commit, str) and _COMMIT.fullmatch(commit):
            pair = (commit.lower(), _text(repository))
            if pair not in self._commits:
                self._commits.append(pair)
        elif commit:
            self.tally.warn("commit_unreadable", "the report names a commit that is no commit id")

    def time(self, stated: Any) -> None:
        """The end of the scan. RFC 3339 with its zone; anything else is counted and left out: no zone is guessed."""
        try:
            self._time = rfc3339(parse_time(_text(stated)))
        except (ValueError, OverflowError):
            if stated:
                self.tally.warn("time_unreadable", "the report states a time that is not RFC 3339 with a zone")

    def rules(self, ids: Iterable[Any]) -> None:
        """Rules that the tool lists as applied, with or without results."""
        self._record.rules.update(self.cleaner.label(_text(one), 300) for one in ids if one)

    def artifacts(self, count: int) -> None:
        """So many more files that the tool lists as scanned."""
        self._record.artifacts += count

    def failed(self, reason: str) -> None:
        self._say(ScanStatus.FAILED, reason)

    def partial(self, reason: str) -> None:
        self._say(ScanStatus.PARTIAL, reason)

    def empty(self, reason: str) -> None:
        self._say(ScanStatus.EMPTY, reason)

    def _say(self, status: ScanStatus, reason: str) -> None:
        self._status.append(status)
        self._reasons.append(self.cleaner.label(reason, 300))

    def later(self) -> Later:
        """A place for rows whose meaning stands further down in the report."""
        spool = Spool(self.options.spool_bytes)
        self._laters.append(spool)
        return Later(spool)

    # -- the results -----------------------------------------------------------------------------------------

    def dropped(self, code: str, text: str, first: Any = "") -> None:
        """An entry that cannot be used. It is counted, and the scan is partial."""
        self._record.counts.results += 1
        self._record.counts.dropped += 1
        self.tally.warn(code, text, self.cleaner.label(_text(first), 80))

    def finding(self, draft: Draft) -> None:
        """An entry as the format's reader understood it; also one whose kind says that it is no finding."""
        counts = self._record.counts
        counts.results += 1
        kind = draft.kind if draft.kind in _KINDS else "fail"
        if counts.results > self.options.max_results:
            counts.dropped += 1
            return
        if draft.key and self._given_before(draft):
            counts.merged += 1
            self.tally.warn("merged", "an entry repeats one with the same id at the same place")
            return
        counts.kind(kind)
        if kind in NOT_A_FINDING:
            return
        if self.options.totals_only:
            self._count(draft, 1)
            return
        finding = self._made(draft, kind)
        counts.add(finding.state, finding.native, finding.baseline, finding.severity)
        record = finding.to_dict()
        # Known only at the end, see ReadResult.lines.
        del record["commit"], record["scan"]
        self._lines.put([opened(record)])

    def counted(self, draft: Draft, times: int) -> None:
        """So many entries that count alike, when only totals are asked for: findings, and without a key."""
        counts = self._record.counts
        counts.results += times
        over = min(times, max(counts.results - self.options.max_results, 0))
        counts.dropped += over
        if times > over:
            counts.kind("fail", times - over)
            self._count(draft, times - over)

    def _count(self, draft: Draft, times: int) -> None:
        baseline = self._baseline(draft)
        state = self._finish.state(baseline, draft.suppressions)
        self._record.counts.add(state, self._native(draft), baseline, draft.severity, times)

    def _given_before(self, draft: Draft) -> bool:
        """Whether a draft of this key was there, at the same place; elsewhere the id is not as unique as promised."""
        first = draft.places[0] if draft.places else Place()
        key, where = hash(draft.key), hash((draft.rule, first.path, str(first.line), first.symbol))
        known = self._keys.get(key)
        if known is None and len(self._keys) < _MOST_KEYS:
            self._keys[key] = where
        elif known is not None and known != where:
            self.tally.warn("id_not_unique", "an id that should be unique is given at several places: nothing merged")
        return known == where

    def _made(self, draft: Draft, kind: str) -> Finding:
        rule, baseline = self.cleaner.label(draft.rule, 300), self._baseline(draft)
        secret = self._about_secrets(draft)
        message = self._finish.redacted(self.cleaner.text(draft.message), draft.snippet, secret)
        fingerprints = self._fingerprints(draft.fingerprints, draft.snippet, secret)
        identity, basis = basis_of(fingerprints, {}, message)
        locations = self._locations(draft.places)
        path = locations[0].path or locations[0].symbol or "" if locations else ""
        identifier, occurrence = self._identifier.identify(self._tool, rule, path, basis)
        effect, effect_cwe = effect_of(draft.cwe)
        finding = Finding(
            id=identifier,
            tool=self._tool,
            rule=rule,
            rule_name=self._named(draft.rule_name, draft, secret),
            rule_resolution="id" if rule else "none",
            descriptor=rule or None,
            help_uri=self._link(draft, secret),
            severity=draft.severity,
            severity_source=self.cleaner.label(draft.severity_source, 100),
            native=self._native(draft),
            state=self._finish.state(baseline, draft.suppressions),
            kind=kind,
            baseline=baseline,
            message=message,
            locations=locations,
            cwe=tuple(draft.cwe),
            cwe_sources=draft.cwe,
            effect=effect,
            effect_cwe=effect_cwe,
            tags=tuple(self._named(tag, draft, secret) for tag in draft.tags[:_MOST_TAGS]),
            fingerprints=fingerprints,
            identity=identity,
            occurrence=occurrence,
            snippet_sha256=secrets.snippet_hash(draft.snippet),
            suppressions=self._suppressions(draft, secret),
            confidence=_SURE.get(draft.confidence.strip().lower()),
            commit=self._commit_so_far(),
        )
        return self._finish.judged(finding)

    def _about_secrets(self, draft: Draft) -> bool:
        words = (draft.rule, draft.rule_name, *draft.tags)
        return draft.secret or secrets.speaks_of_secrets(self._tool, words, draft.cwe)

    def _link(self, draft: Draft, secret: bool) -> str | None:
        uri = self._named(draft.help_uri, draft, secret, 512)
        return uri if uri.startswith(("https://", "http://")) else None

    def _named(self, text: str, draft: Draft, secret: bool, longest: int = 200) -> str:
        """A name, tag or link. Tools that look for secrets quote them there, too."""
        named = self.cleaner.label(text, longest)
        return self._finish.redacted(named, draft.snippet, secret) if secret and draft.snippet else named

    @staticmethod
    def _baseline(draft: Draft) -> str | None:
        return draft.baseline if draft.baseline in BASELINES else None

    def _commit_so_far(self) -> str | None:
        """For those who judge the finding; the record gets the one that the whole report leaves no doubt about."""
        given = self.options.commit.lower()
        return given if given != "auto" else next((commit for commit, _repository in self._commits), None)

    def _native(self, draft: Draft) -> str:
        return self.cleaner.label(draft.native, 40) or "none"

    def _suppressions(self, draft: Draft, secret: bool) -> tuple[Suppression, ...]:
        """Fit to leave: a justification is text of the report like any other, and may quote a secret."""
        given = draft.suppressions
        if len(given) > _MOST_SUPPRESSIONS:
            self.tally.cut("suppressions of findings", _MOST_SUPPRESSIONS, len(given))
        return tuple(
            Suppression(
                self.cleaner.label(entry.kind, 64),
                entry.status,
                self._finish.redacted(self.cleaner.text(entry.justification), draft.snippet, secret),
            )
            for entry in given[:_MOST_SUPPRESSIONS]
        )

    def _fingerprints(self, bag: Mapping[str, str], snippet: str, secret: bool) -> dict[str, str]:
        if len(bag) > _MOST_FINGERPRINTS:
            self.tally.cut("fingerprints of findings", _MOST_FINGERPRINTS, len(bag))
        kept = [(name, self.cleaner.label(bag[name], 512)) for name in sorted(bag)[:_MOST_FINGERPRINTS]]
        return {
            self.cleaner.label(name, 100): self._finish.redacted(text, snippet, secret) for name, text in kept if text
        }

    def _locations(self, places: tuple[Place, ...]) -> tuple[Location, ...]:
        most = self.options.max_locations
        if len(places) > most:
            self.tally.cut("locations of findings", most, len(places))
        return tuple(self._location(place) for place in places[:most] if place.path or place.symbol)

    def _location(self, place: Place) -> Location:
        path, kind = self._resolver.resolve(_text(place.path), None) if place.path else ("", "inside")
        line, last = lines_in(place.line)
        return Location(
            path=self.cleaner.label(path),
            place=kind,
            line=line,
            column=lines_in(place.column)[0],
            end_line=lines_in(place.end_line)[0] or last,
            end_column=lines_in(place.end_column)[0],
            symbol=self.cleaner.label(place.symbol) or None,
        )

    # -- the end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        for spool in self._laters:
            spool.close()

    def scan(self, source: Source, *, form: str) -> Scan:
        """The record of the one run that such a report is."""
        record, counts = self._record, self._record.counts
        commit = record.commit_of([stated for stated, _repository in self._commits], self.name)
        if counts.results > self.options.max_results:
            self.tally.cut("results", self.options.max_results, counts.results)
        if counts.dropped:
            self.partial(f"{counts.dropped} of {counts.results} results were not read")
        status = worst(self._status) if self._status else ScanStatus.OK
        record.statuses.append(status)
        record.reasons.extend(self._reasons)
        repository = next((url for _commit, url in self._commits if url), "")
        record.runs.append(
            {
                "run": 0,
                "tool": self._tool,
                "tool_version": self._tool_version,
                "category": "",
                "run_id": "",
                "status": status.value,
                "commit": commit,
                "repository": self.cleaner.label(secrets.without_credentials(repository), 512) or None,
                "time": self._time,
                "ruleset": ruleset_of(record.rules),
                "rules_count": len(record.rules),
                "results": counts.results,
                "findings": counts.findings,
            }
        )
        return record.scan(source, form=form, version=self._version)


def _text(value: Any) -> str:
    """A string, or a number as one; anything else counts as absent."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
