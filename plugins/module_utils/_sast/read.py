# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading one report: ``read_report(path, options=...)`` gives the scan record and its findings.

The file is read once, in pieces; memory stays bounded by the window and the spools of the options however long the file
is. Formats: SARIF 2.1.0, in UTF-8 (with or without byte order mark), UTF-16 or UTF-32, plain or gzip.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadInput
from .._core.findings import Finding, Scan, ScanStatus, State, Totals
from .identity import Identifier
from .options import ReadOptions
from .sarif import provenance, status
from .sarif.document import Document, RawRun, read_document
from .sarif.resolve import Counts, RunResolver
from .source import Source
from .spool import Spool
from .tally import Tally
from .text import Cleaner
from .window import Window

_MOST_RULES = 5000


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A scan record and its findings, in the report's order. Close it (or use ``with``) to free a temporary file."""

    scan: Scan
    _lines: Spool

    def __enter__(self) -> ReadResult:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()

    def findings(self) -> Iterator[Finding]:
        """The findings; may be called again."""
        for record in self.records():
            yield Finding.from_dict(record)

    def records(self) -> Iterator[dict[str, Any]]:
        """The findings as dictionaries, as ``Finding.to_dict`` gives them."""
        for line in self.lines():
            yield json.loads(line)

    def lines(self) -> Iterator[bytes]:
        """The findings as lines of the store, without line ends."""
        end = b',"scan":"%s"}' % self.scan.sha256.encode("ascii")
        for line in self._lines:
            yield line[:-1] + end


def read_report(path: str | os.PathLike[str], *, options: ReadOptions | None = None) -> ReadResult:
    """Read the report at ``path``.

    Raises BadInput, once and clearly, for a file that is missing, unreadable, empty, cut off, not JSON, not SARIF 2.1,
    nested too deeply, larger than the caps, or made for another commit than the options say. A report of a scan that
    failed is no bad input: its scan record says so.
    """
    options = options or ReadOptions()
    if options.format not in ("auto", "sarif"):
        raise BadInput(f"there is no reader for the format {options.format!r}", next="use auto or sarif")
    lines = Spool(options.spool_bytes)
    try:
        with _collector_paused():
            scan = _Reader(os.fspath(path), options, lines).read()
    except BaseException:
        lines.close()
        raise
    return ReadResult(scan, lines)


class _Reader:
    """One pass over one file."""

    def __init__(self, path: str, options: ReadOptions, lines: Spool) -> None:
        self._path = path
        self._options = options
        self._lines = lines
        self._tally = Tally()
        self._cleaner = Cleaner(self._tally, options.max_text)
        self._name = self._cleaner.label(path, 4096)
        self._identifier = Identifier()
        self._counts = Counts()
        self._runs: list[dict[str, Any]] = []
        self._statuses: list[ScanStatus] = []
        self._reasons: list[str] = []
        self._rules: set[str] = set()
        self._artifacts = 0

    def read(self) -> Scan:
        source = Source(self._path, self._options)
        window = Window(source.chunks(), name=self._name, tally=self._tally, limit=self._options.window)
        try:
            document = read_document(
                window, name=self._name, options=self._options, tally=self._tally, each_run=self._run
            )
        except RecursionError:
            raise BadInput("the report is nested too deeply", where=self._name) from None
        return self._scan(source, document)

    def _run(self, run: RawRun) -> None:
        """Resolve one run and keep what the record says about it."""
        commits = provenance.commits_of(run)
        commit = self._commit_of(commits, run.index)
        resolver = RunResolver(
            run,
            self._options,
            commit,
            tally=self._tally,
            cleaner=self._cleaner,
            identifier=self._identifier,
            counts=self._counts,
        )
        before = self._counts.findings
        if self._options.totals_only:
            resolver.count()
        else:
            resolver.resolve_into(self._lines)
        state, reasons = status.of_run(run, self._cleaner)
        self._statuses.append(state)
        self._reasons.extend(f"run {run.index} ({resolver.tool}): {reason}" for reason in reasons)
        rules = {self._cleaner.label(rule, 300) for rule in resolver.book.ids()}
        self._rules |= rules
        self._artifacts += len(run.artifacts)
        category, run_id = provenance.category_of(run, self._cleaner)
        self._runs.append(
            {
                "run": run.index,
                "tool": resolver.tool,
                "tool_version": resolver.tool_version,
                "category": category,
                "run_id": run_id,
                "status": state.value,
                "commit": commit,
                "repository": provenance.repository_label(commits[0][1], self._cleaner) if commits else None,
                "time": provenance.ended_at(run),
                "ruleset": ruleset_of(rules),
                "rules_count": len(rules),
                "results": run.seen,
                "findings": self._counts.findings - before,
            }
        )

    def _commit_of(self, commits: list[tuple[str, str]], index: int) -> str | None:
        """The commit of a run: what the report and the option agree on. A contradiction is an error."""
        stated = [commit for commit, _repository in commits]
        wanted = self._options.commit.lower()
        if wanted == "auto":
            if len(set(stated)) > 1:
                self._tally.warn("commit_ambiguous", "a run names several commits; name one with the option commit")
                return None
            return stated[0] if stated else None
        for commit in stated:
            if commit.startswith(wanted) or wanted.startswith(commit):
                return max(commit, wanted, key=len)
        if stated:
            raise BadInput(
                "the report was made for another commit",
                where=f"{self._name}, run {index}",
                why=f"it says {', '.join(sorted(set(stated)))[:200]}, the option commit says {wanted}",
                next="give the report of that commit, or leave the option at auto",
            )
        return wanted

    def _scan(self, source: Source, document: Document) -> Scan:
        options, counts = self._options, self._counts
        state, reasons = self._status(document)
        commit = self._only_commit()
        digest, digests = _digests(options.digests, commit)
        tools = list(dict.fromkeys(run["tool"] for run in self._runs))
        versions = list(dict.fromkeys(run["tool_version"] for run in self._runs if run["tool_version"]))
        rules = sorted(self._rules)
        if len(rules) > _MOST_RULES:
            self._tally.cut("rule ids of the coverage", _MOST_RULES, len(rules))
        return Scan(
            file=self._name,
            sha256=source.sha256,
            bytes=source.size,
            format="sarif",
            format_version=self._cleaner.label(document.version, 20) or "2.1.0",
            tool=" + ".join(tools[:5]),
            tool_version=" + ".join(versions[:5]),
            commit=commit,
            repository=next((run["repository"] for run in self._runs if run["repository"]), None),
            digest=digest,
            digests=digests,
            time=max((run["time"] for run in self._runs if run["time"]), default=None),
            ruleset=ruleset_of(self._rules),
            coverage={"rules": rules[:_MOST_RULES], "rules_count": len(rules), "artifacts": self._artifacts},
            status=state,
            status_reasons=tuple(status.shortened(reasons)),
            totals=Totals(
                results=counts.results,
                findings=counts.findings,
                live=counts.states.get(State.LIVE, 0),
                suppressed=counts.states.get(State.SUPPRESSED, 0),
                absent=counts.states.get(State.ABSENT, 0),
                passed=counts.passed,
                dropped=counts.dropped,
                by_severity=dict(counts.severities),
                by_native=dict(sorted(counts.natives.items())),
                by_baseline=dict(sorted(counts.baselines.items())),
                by_kind=dict(sorted(counts.kinds.items())),
            ),
            truncated=self._tally.truncated,
            warnings=self._tally.warnings,
            runs=tuple(self._runs),
        )

    def _status(self, document: Document) -> tuple[ScanStatus, list[str]]:
        if document.runs == "null":
            return ScanStatus.FAILED, ["runs is null: the tool did not produce any"]
        state, reasons = status.combined(self._statuses), list(self._reasons)
        if state is ScanStatus.EMPTY:
            return state, ["the file holds no run: nothing was scanned"]
        if document.inline_properties:
            reasons.append("the report has inlineExternalProperties, which are not merged into its runs")
            state = ScanStatus.PARTIAL if state is ScanStatus.OK else state
        if self._counts.baselines.get("none") and len(self._counts.baselines) > 1:
            self._tally.warn("baseline_mixed", "only some results have a baselineState; the standard wants all or none")
        return state, reasons

    def _only_commit(self) -> str | None:
        """The file's commit: the one its runs share. A run that names none does not contradict the others."""
        commits = {run["commit"] for run in self._runs if run["commit"]}
        if len(commits) == 1:
            return str(next(iter(commits)))
        if len(commits) > 1:
            self._tally.warn("commit_ambiguous", "the runs of the file name different commits")
        elif self._options.commit != "auto":
            return self._options.commit.lower()
        elif self._runs:
            self._tally.warn("commit_unknown", "neither the report nor the options say which commit was scanned")
        return None


def ruleset_of(rules: set[str]) -> str | None:
    """The identity of a set of rule ids: ``sha256:`` of the sorted ids, one a line; None for no rules."""
    if not rules:
        return None
    return "sha256:" + hashlib.sha256("\n".join(sorted(rules)).encode("utf-8", "replace")).hexdigest()


def _digests(given: Mapping[str, str] | str | None, commit: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The image digest that this scan speaks about (when there is exactly one) and all of them."""
    if isinstance(given, str):
        return given, (given,)
    if not given or not commit:
        return None, ()
    found = sorted(digest for digest, built_from in given.items() if _same_commit(str(built_from).lower(), commit))
    return (found[0] if len(found) == 1 else None), tuple(found)


def _same_commit(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= 7 and (one.startswith(other) or other.startswith(one))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Decoded JSON has no cycles: the cyclic collector would only walk it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
