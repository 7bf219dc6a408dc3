# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SARIF as the entry of all readers sees it: a document in, a scan record out."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

from ..._core.findings import Scan, ScanStatus
from ..identity import Identifier
from ..record import Record, ruleset_of
from ..source import Source
from ..spool import Lines, tail_of
from ..window import Window
from . import provenance, status
from .document import Document, OpenText, read_document
from .resolve import RunResolver
from .rows import EachResult
from .run import RawRun


class SarifReader:
    """One pass over one document."""

    def __init__(self, record: Record, lines: Lines) -> None:
        self._record = record
        self._lines = lines
        self._identifier = Identifier()

    def read(self, window: Window, source: Source) -> Scan:
        record = self._record
        with ExitStack() as stack:
            document = read_document(
                window,
                name=record.name,
                options=record.options,
                tally=record.tally,
                each_run=lambda run: self._run(run, source),
                open_text=self._beside(source, stack),
            )
        state, reasons = self._status(document)
        version = record.cleaner.label(document.version, 20) or "2.1.0"
        return record.scan(source, form="sarif", version=version, status=state, reasons=reasons)

    def _beside(self, source: Source, stack: ExitStack) -> OpenText | None:
        """How to open files in the report's own directory, if the options allow it."""
        options = self._record.options
        if not options.external_files or not isinstance(source.path, str):
            return None
        from ..checkout import Checkout

        folder = os.path.dirname(os.path.abspath(source.path))
        checkout = stack.enter_context(Checkout(folder, max_bytes=options.max_bytes))
        return lambda path: source.text(checkout.blocks(path))

    def _run(self, run: RawRun, source: Source) -> None:
        """Resolve one run and keep what the record says about it."""
        record = self._record
        commits = provenance.commits_of(run)
        commit = record.commit_of([stated for stated, _repository in commits], f"{record.name}, run {run.index}")
        resolver = RunResolver(
            run,
            record.options,
            commit,
            tally=record.tally,
            cleaner=record.cleaner,
            identifier=self._identifier,
            counts=record.counts,
        )
        before = record.counts.findings
        if isinstance(run.rows, EachResult):
            if source.complete:
                self._lines.whole_from_now_on()
            resolver.resolve_into(self._lines, run.rows, tail_of(source.sha256) if source.complete else "")
        else:
            resolver.count(run.rows)
        state, reasons = status.of_run(run, record.cleaner)
        record.statuses.append(state)
        record.reasons.extend(f"run {run.index} ({resolver.tool}): {reason}" for reason in reasons)
        entry = {"status": state.value, "commit": commit, "findings": record.counts.findings - before}
        repository = provenance.repository_label(commits[0][1], record.cleaner) if commits else None
        record.runs.append({**self._described(run, resolver), **entry, "repository": repository})

    def _described(self, run: RawRun, resolver: RunResolver) -> dict[str, Any]:
        """What the record says about a run, besides how it ended."""
        cleaner = self._record.cleaner
        rules = {cleaner.label(rule, 300) for rule in resolver.book.ids()}
        self._record.rules |= rules
        self._record.artifacts += len(run.artifacts)
        category, run_id = provenance.category_of(run, cleaner)
        return {
            "run": run.index,
            "tool": resolver.tool,
            "tool_version": resolver.tool_version,
            "converter": provenance.converter_of(run, cleaner),
            "category": category,
            "run_id": run_id,
            "time": provenance.ended_at(run),
            "ruleset": ruleset_of(rules),
            "rules_count": len(rules),
            "results": run.seen,
        }

    def _status(self, document: Document) -> tuple[ScanStatus | None, list[str]]:
        """What is true of the file beyond its runs."""
        record = self._record
        if document.runs == "null":
            return ScanStatus.FAILED, ["runs is null: the tool did not produce any"]
        if not record.statuses:
            return None, ["the file holds no run: nothing was scanned"]
        if record.counts.baselines.get("none") and len(record.counts.baselines) > 1:
            text = "only some results have a baselineState; the standard wants all or none"
            record.tally.warn("baseline_mixed", text)
        if document.left_over:
            reason = f"{document.left_over} inlineExternalProperties belong to no run by their guid and were not read"
            return ScanStatus.PARTIAL, [reason]
        return None, []
