# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the rows of one run to findings: every row gets its rule, level, severity, place, state and id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..._core.findings import Effect, Finding, Severity
from .. import secrets
from ..counts import BASELINES, NOT_A_FINDING, Counts
from ..cwe import effect_of
from ..finish import Finish
from ..identity import Identifier, basis_of
from ..options import ReadOptions
from ..paths import Base, PathResolver
from ..shape import as_dict, as_index, as_int, as_list, as_str
from ..spool import Lines, opened
from ..tally import Tally
from ..text import Cleaner
from . import provenance, taxa
from .levels import Overrides, kind_of, level_of, severity_of
from .locations import Locator, snippet_of
from .messages import message_of
from .plain import HARMLESS, HARMLESS_KEY
from .quick import QuickLines
from .rows import EachResult, SortsOfResults
from .rules import Resolution, Rule, RuleBook
from .run import RawRun
from .suppressions import suppressions_of

_MOST_TAGS = 32
_MOST_FINGERPRINTS = 16
# A report with endless rules must not fill the memory, nor one with endless names of them.
_MOST_REMEMBERED = 20_000
_LONGEST_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class _RuleView:
    """What every finding of one rule shares, made fit to leave once."""

    rule: str
    name: str
    descriptor: str | None
    help_uri: str | None
    tags: tuple[str, ...]
    cwe: dict[str, tuple[str, ...]]
    secret: bool
    effect: tuple[Effect, str | None]


class RunResolver:
    """Resolves the rows of one run, which looked at ``commit``."""

    def __init__(
        self,
        run: RawRun,
        options: ReadOptions,
        commit: str | None,
        *,
        tally: Tally,
        cleaner: Cleaner,
        identifier: Identifier,
        counts: Counts,
    ) -> None:
        self._run = run
        self._options = options
        self._commit = commit
        self._tally = tally
        self._cleaner = cleaner
        self._identifier = identifier
        self._counts = counts
        self._finish = Finish(options, tally)
        self._taxonomies = taxa.Taxonomies.of(run.taxonomies, run.tool)
        self.book = RuleBook.of(run.tool, self._taxonomies)
        self._overrides = Overrides.of(run.invocations, self.book)
        self._locator = self._make_locator()
        self._note = Severity(options.note_severity)
        self._views: dict[tuple[Any, str], _RuleView] = {}
        self._resolutions: dict[tuple[str, int | None], Resolution] = {}
        driver = self.book.components[0]
        self.tool = cleaner.label(driver.name, 200) or "unknown"
        self.tool_version = cleaner.label(driver.version, 100)

    def resolve_into(self, sink: Lines, rows: EachResult, tail: str) -> None:
        """Resolve all rows and put each finding as one line of JSON into ``sink``.

        ``tail`` closes it and holds ``scan``, the hash of the file. Empty: that is known only at the end of the file.
        """
        self._count_entries()
        quick = QuickLines(
            rows.tables,
            self._judged,
            self._locator,
            finish=self._finish,
            identifier=self._identifier,
            cleaner=self._cleaner,
            tally=self._tally,
            tail=tail,
        )
        for entry in rows:
            if isinstance(entry, list):
                sink.put(quick.lines(entry))
            elif (line := self._line(entry)) is not None:
                sink.put([line + tail])
        quick.count_into(self._counts)

    def _line(self, row: dict[str, Any]) -> str | None:
        """The line of one result, None when it is no finding."""
        kind = kind_of(row.get("kind"), self._tally)
        self._counts.kind(kind)
        if kind in NOT_A_FINDING:
            return None
        finding = self._finding(row, kind)
        self._counts.add(finding.state, finding.native, finding.baseline, finding.severity)
        record = finding.to_dict()
        del record["scan"]  # it is in the tail
        return opened(record)

    def count(self, rows: SortsOfResults) -> None:
        """Count all rows and keep none."""
        self._count_entries()
        for row, times in rows:
            self._tally.weight = times
            kind = kind_of(row.get("kind"), self._tally)
            self._counts.kind(kind, times)
            if kind in NOT_A_FINDING:
                continue
            resolution = self._resolution(row)
            configuration = self._overrides.configuration(row.get("provenance"), resolution)
            level = level_of(row.get("level"), kind, configuration, resolution.rule, self._tally)
            properties = as_dict(row.get("properties"))
            severity, *_why = severity_of(properties, resolution.rule, kind, level, self._note, self._tally)
            suppressions = suppressions_of(row.get("suppressions"), self._cleaner, self._tally)
            baseline = self._baseline(row.get("baselineState"))
            self._counts.add(self._finish.state(baseline, suppressions), level[0], baseline, severity, times)
        self._tally.weight = 1

    def _count_entries(self) -> None:
        self._counts.results += self._run.seen
        self._counts.dropped += self._run.dropped

    def _finding(self, row: dict[str, Any], kind: str) -> Finding:
        shared, secret, rule = self._shared(row, kind)
        snippet = snippet_of(row.get("locations"))
        locations = self._locator.all_of(row.get("locations")) or self._locator.requested(row.get("webRequest"))
        message = self._message(row.get("message"), rule, snippet, secret)
        full = self._fingerprints(row.get("fingerprints"), snippet, secret)
        partial = self._fingerprints(row.get("partialFingerprints"), snippet, secret)
        if not full and not partial and "correlationGuid" in row:
            # Who gives the same guid to the same result of several runs has told them apart by means of its own.
            partial = self._fingerprints({"correlationGuid": row["correlationGuid"]}, snippet, secret)
        if as_int(row.get("occurrenceCount")) not in (None, 0, 1):
            self._tally.warn("occurrences_counted", "a result stands for several occurrences and is one finding")
        identity, basis = basis_of(full, partial, message)
        path = locations[0].path or locations[0].symbol or "" if locations else ""
        identifier, occurrence = self._identifier.identify(self.tool, shared["rule"], path, basis)
        finding = Finding(
            id=identifier,
            message=message,
            locations=locations,
            fingerprints={**partial, **full},
            identity=identity,
            occurrence=occurrence,
            snippet_sha256=secrets.snippet_hash(snippet),
            **shared,
        )
        return self._finish.judged(finding)

    def _judged(self, row: dict[str, Any], kind: str) -> tuple[Finding, bool]:
        """A finding as far as rule, level and state of a result decide it, and whether it speaks of secrets."""
        shared, secret, _rule = self._shared(row, kind)
        return Finding(id="", message="", **shared), secret

    def _shared(self, row: dict[str, Any], kind: str) -> tuple[dict[str, Any], bool, Rule | None]:
        """Fields of a finding that its text and place have no part in; whether it is about secrets; its rule."""
        properties = as_dict(row.get("properties"))
        resolution = self._resolution(row)
        rule, view = resolution.rule, self._view(resolution)
        configuration = self._overrides.configuration(row.get("provenance"), resolution)
        level = level_of(row.get("level"), kind, configuration, rule, self._tally)
        severity, source, native = severity_of(properties, rule, kind, level, self._note, self._tally)
        cwe, secret, (effect, effect_cwe) = view.cwe, view.secret, view.effect
        own = taxa.of_result(row.get("taxa"), properties, self._taxonomies) if properties or "taxa" in row else {}
        if own:
            cwe = taxa.merged(own, cwe)
            secret = secret or secrets.speaks_of_secrets("", (), own)
            effect, effect_cwe = effect_of(cwe)
        suppressions = suppressions_of(row.get("suppressions"), self._cleaner, self._tally)
        shared = {
            "tool": self.tool,
            "rule": view.rule,
            "rule_name": view.name,
            "rule_resolution": resolution.how,
            "descriptor": view.descriptor,
            "help_uri": view.help_uri,
            "severity": severity,
            "severity_source": source,
            "native": level[0],
            "security_severity": None if native is None else self._cleaner.label(str(native), 40),
            "baseline": (baseline := self._baseline(row.get("baselineState"))),
            "state": self._finish.state(baseline, suppressions),
            "kind": kind,
            "cwe": tuple(cwe),
            "cwe_sources": cwe,
            "effect": effect,
            "effect_cwe": effect_cwe,
            "tags": self._tags(view.tags, properties),
            "suppressions": suppressions,
            "rank": self._rank(row.get("rank"), configuration, rule),
            "run": self._run.index,
            "commit": self._commit,
        }
        return shared, secret, rule

    def _resolution(self, row: dict[str, Any]) -> Resolution:
        rule_id, rule_index = row.get("ruleId"), row.get("ruleIndex")
        if "rule" not in row and isinstance(rule_id, str):
            # The two together decide, so what most results do is looked up once a rule.
            key = (rule_id, as_index(rule_index))
            resolution = self._resolutions.get(key) or self.book.resolve(rule_id, rule_index, None)
            if len(self._resolutions) < _MOST_REMEMBERED and len(rule_id) <= _LONGEST_REMEMBERED:
                self._resolutions[key] = resolution
        else:
            resolution = self.book.resolve(rule_id, rule_index, row.get("rule"))
        if resolution.rule is None:
            if resolution.id:
                first = self._cleaner.label(resolution.id, 80)
                self._tally.warn("rule_unknown", "a result names a rule that the report does not describe", first)
            else:
                self._tally.warn("rule_missing", "a result names no rule")
        if resolution.conflict:
            self._tally.warn(
                "rule_id_index_conflict",
                "a result's rule index leads to a rule of another id; a rule of the stated id was preferred",
                self._cleaner.label(resolution.id, 80),
            )
        return resolution

    def _view(self, resolution: Resolution) -> _RuleView:
        key = (resolution.rule.key if resolution.rule is not None else None, resolution.id)
        view = self._views.get(key)
        if view is None:
            view = self._make_view(resolution.rule, resolution.id)
            if len(self._views) < _MOST_REMEMBERED and len(resolution.id) <= _LONGEST_REMEMBERED:
                self._views[key] = view
        return view

    def _make_view(self, rule: Rule | None, stated: str) -> _RuleView:
        label = self._cleaner.label
        identifier = label(stated, 300)
        if rule is None:
            secret = secrets.speaks_of_secrets(self.tool, (identifier,), ())
            return _RuleView(identifier, "", None, None, (), {}, secret, effect_of(()))
        tags = tuple(label(tag, 200) for tag in as_list(rule.properties.get("tags")) if isinstance(tag, str))
        name = label(rule.name or rule.text, 200)
        uri = label(rule.help_uri, 512)
        secret = secrets.speaks_of_secrets(self.tool, (identifier, rule.id, rule.name, *tags), rule.cwe)
        return _RuleView(
            rule=identifier,
            name=name,
            descriptor=label(rule.id, 300) or None,
            help_uri=uri if uri.startswith(("https://", "http://")) else None,
            tags=tags[:_MOST_TAGS],
            cwe=rule.cwe,
            secret=secret,
            effect=effect_of(rule.cwe),
        )

    def _message(self, raw: Any, rule: Rule | None, snippet: str, secret: bool) -> str:
        text = message_of(raw, rule, self.book.components, self._tally)
        return self._finish.redacted(self._cleaner.text(text), snippet, secret)

    def _fingerprints(self, raw: Any, snippet: str, secret: bool) -> dict[str, str]:
        """Key -> value. Some tools wrap values in an object or write numbers; both are read."""
        bag = as_dict(raw)
        if not bag:
            return {}
        if len(bag) > _MOST_FINGERPRINTS:
            self._tally.cut("fingerprints of findings", _MOST_FINGERPRINTS, len(bag))
        found: dict[str, str] = {}
        for key in sorted(bag)[:_MOST_FINGERPRINTS]:
            value = bag[key]
            if isinstance(value, dict):
                value = value.get("value")
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and HARMLESS.fullmatch(value):
                found[key if HARMLESS_KEY.fullmatch(key) else self._cleaner.label(key, 100)] = value
                continue
            text = self._cleaner.label(value, 512)
            if text:
                found[self._cleaner.label(key, 100)] = self._finish.redacted(text, snippet, secret)
            else:
                self._tally.warn("fingerprint_unreadable", "a fingerprint that is no text was left out")
        return found

    def _baseline(self, raw: Any) -> str | None:
        if raw is None:
            return None
        if isinstance(raw, str) and raw in BASELINES:
            return raw
        self._tally.warn("baseline_unknown", "a baselineState that SARIF does not know counts as none")
        return None

    def _tags(self, of_rule: tuple[str, ...], properties: dict[str, Any]) -> tuple[str, ...]:
        stated = as_list(properties.get("tags"))[:_MOST_TAGS]
        own = [self._cleaner.label(tag, 200) for tag in stated if isinstance(tag, str)]
        return tuple(dict.fromkeys((*of_rule, *own))) if own else of_rule

    @staticmethod
    def _rank(own: Any, configuration: dict[str, Any], rule: Rule | None) -> float | None:
        """0 to 100 by the same walk as the level; None when nobody states one. Not comparable between tools."""
        for value in (own, configuration.get("rank"), rule.rank if rule is not None else None):
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 100:
                return float(value)
        return None

    def _make_locator(self) -> Locator:
        resolver = PathResolver(
            _bases(self._run.values.get("originalUriBaseIds")),
            roots=provenance.root_bases(self._run),
            overrides=self._options.uri_bases,
            source_root=self._options.source_root,
            tally=self._tally,
        )
        return Locator(
            resolver,
            self._run.artifacts,
            self._run.symbols,
            cleaner=self._cleaner,
            tally=self._tally,
            most=self._options.max_locations,
            requests=as_list(self._run.values.get("webRequests")),
        )


def _bases(raw: Any) -> Mapping[str, Base]:
    return {
        name: Base(as_str(as_dict(entry).get("uri")), as_str(as_dict(entry).get("uriBaseId")))
        for name, entry in as_dict(raw).items()
    }
