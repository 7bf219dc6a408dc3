# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the door ``sast_report`` does: select, read, store, and return what fits inline."""

from __future__ import annotations

import heapq
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core.errors import BadInput
from .._core.findings import Severity, State
from . import store
from .options import ReadOptions
from .policy import Policy
from .read import ReadResult, read_report
from .select import select

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_STATES = {state.value: rank for rank, state in enumerate(State)}
_SEVERITIES = {
    word.value: rank
    for rank, word in enumerate(
        (Severity.CRITICAL, Severity.HIGH, Severity.UNKNOWN, Severity.MEDIUM, Severity.LOW, Severity.INFO)
    )
}


def options_of(params: Mapping[str, Any]) -> ReadOptions:
    """Reader options from the door's parameters. Raises BadInput for values that no report could meet."""
    commit = str(params.get("commit") or "auto").strip().lower()
    if commit != "auto" and not _COMMIT.fullmatch(commit):
        raise BadInput("commit is not a commit id", where=commit[:80], next="give 7 to 64 hex digits, or auto")
    defaults = ReadOptions()
    return ReadOptions(
        format=params.get("format") or "auto",
        commit=commit,
        digests=_digests_of(params.get("digest")),
        suppressions=params.get("suppressions") or "strict",
        note_severity=params.get("note_severity") or "low",
        policy=Policy.from_dict(params.get("policy")),
        source_root=params.get("source_root") or "",
        uri_bases={str(name): str(path) for name, path in (params.get("uri_bases") or {}).items()},
        max_bytes=_positive(params, "max_bytes", defaults.max_bytes),
        max_results=_positive(params, "max_results", defaults.max_results),
    )


def sast_report(params: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
    """Read the reports and write the store. Nothing is written unless every report could be read.

    Gives ``changed``, ``scans`` (dictionaries, in the order of the files), ``findings`` (live before hidden, worst
    first, at most ``return_findings``), ``truncated`` (``what``, ``kept``, ``seen``), ``ignored`` (``count``,
    ``files``), ``dest`` (``path``, ``sha256``, ``findings``, or None) and ``diff``.
    """
    options = options_of(params)
    paths = [str(path) for path in params.get("path") or ()]
    limit = params.get("return_findings")
    limit = 100 if limit is None else int(limit)
    if limit < 0:
        raise BadInput("return_findings must not be negative", next="0 returns none")
    selection = select(paths, options)
    dest = params.get("dest") or None
    if dest and os.path.realpath(dest) in {os.path.realpath(file) for file in selection.files}:
        raise BadInput("dest is one of the reports", where=dest, next="write the findings to another file")
    results: list[ReadResult] = []
    try:
        # All spools together may hold what one alone may.
        share = max(options.spool_bytes // len(selection.files), 64 * 1024)
        # A policy judges whole findings, so they have to be made.
        totals_only = not dest and not limit and not options.policy.severity
        reading = replace(options, spool_bytes=share, totals_only=totals_only)
        for file in selection.files:
            results.append(read_report(file, options=reading))
        stored = store.write(dest, _lines(results), check=check) if dest else None
        inline, total = _worst(results, limit)
    finally:
        for result in results:
            result.close()
    cut = {"what": "findings returned inline", "kept": len(inline), "seen": total}
    return {
        "changed": stored.changed if stored else False,
        "scans": [result.scan.to_dict() for result in results],
        "findings": inline,
        "truncated": [cut] if total > len(inline) else [],
        "ignored": {"count": selection.ignored_count, "files": list(selection.ignored)},
        "dest": stored.to_dict() if stored else None,
        "diff": _diff(stored) if stored else None,
    }


def _worst(results: Sequence[ReadResult], limit: int) -> tuple[list[dict[str, Any]], int]:
    """The first findings to look at, and how many there are: live first, then by severity (unknown beside high)."""
    total = sum(result.scan.totals.findings for result in results)
    if not limit:
        return [], total
    numbered = enumerate(record for result in results for record in result.records())
    ranked = ((_STATES[it["state"]], _SEVERITIES[it["severity"]], number, it) for number, it in numbered)
    return [record for *_rank, record in heapq.nsmallest(limit, ranked)], total


def _lines(results: Sequence[ReadResult]) -> Iterator[bytes]:
    for result in results:
        yield from result.lines()


def _diff(stored: store.Stored) -> dict[str, str]:
    """Hashes and counts only: the findings themselves would flood the screen."""
    before = f"sha256 {stored.before}\n" if stored.before else ""
    after = f"sha256 {stored.sha256}\n"
    return {"before_header": stored.path, "after_header": stored.path, "before": before, "after": after}


def _digests_of(given: Any) -> Mapping[str, str] | str | None:
    """One digest for all reports, or a dictionary of image digest -> commit as in ``sources[].digests``."""
    if isinstance(given, str) and given.strip().startswith("{"):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise BadInput("digest is neither a digest nor a dictionary", why=str(error)) from error
    if not given:
        return None
    if isinstance(given, Mapping):
        for digest, commit in given.items():
            _check_digest(str(digest))
            if not _COMMIT.fullmatch(str(commit).lower()):
                where = f"{digest}: {commit}"[:200]
                raise BadInput("digest maps an image to something that is no commit id", where=where)
        return {str(digest): str(commit).lower() for digest, commit in given.items()}
    _check_digest(str(given))
    return str(given)


def _check_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest.rpartition("@")[2]):
        raise BadInput("this is not an image digest", where=digest[:200], next="give sha256: and 64 hex digits")


def _positive(params: Mapping[str, Any], name: str, default: int) -> int:
    value = params.get(name)
    if value is None:
        return default
    if int(value) < 1:
        raise BadInput(f"{name} must be at least 1", where=str(value))
    return int(value)
