# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the door ``sast_report`` does: select, read, compare, judge, store, and return what fits inline."""

from __future__ import annotations

import datetime as dt
import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .._core.clock import Clock, SystemClock
from .._core.errors import BadInput
from .._core.findings import Severity, State
from . import store
from .options import ReadOptions
from .read import ReadResult, read_report
from .request import OPENVEX, Output, Request
from .select import Selection, select
from .store import Written
from .tally import Tally

if TYPE_CHECKING:
    from .compare import Changes

_STATES = {state.value: rank for rank, state in enumerate(State)}
_SEVERITIES = {
    word.value: rank
    for rank, word in enumerate(
        (Severity.CRITICAL, Severity.HIGH, Severity.UNKNOWN, Severity.MEDIUM, Severity.LOW, Severity.INFO)
    )
}
# What a comparison says, in SARIF's words (2.1.0, 3.27.24). What may be new is new until somebody looked.
_BASELINE = {"new": "new", "uncertain": "new", "moved": "updated", "unchanged": "unchanged"}
_TOLD_CHANGES = ("new", "moved", "fixed", "uncertain")
_MOST_CHANGES = 100
_SMALLEST_SPOOL = 64 * 1024

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Reports:
    """Reports that were read, together."""

    results: tuple[ReadResult, ...]
    selection: Selection

    @property
    def scans(self) -> list[Record]:
        return [result.scan.to_dict() for result in self.results]

    @property
    def count(self) -> int:
        return sum(result.scan.totals.findings for result in self.results)

    @property
    def lines(self) -> int:
        """How many lines ``blocks`` gives."""
        return sum(result.count for result in self.results)

    def records(self) -> Iterator[Record]:
        for result in self.results:
            yield from result.records()

    def blocks(self) -> Iterator[bytes]:
        for result in self.results:
            yield from result.blocks()


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What became of the findings of ``before``."""

    changes: Changes
    before: _Reports

    @property
    def statuses(self) -> dict[str, str]:
        """Finding of now -> what it is, in our words."""
        return {change.id: change.status for change in self.changes.after}

    @property
    def fixed(self) -> set[str]:
        return {change.id for change in self.changes.gone if change.status == "fixed"} - set(self.statuses)

    def baseline(self) -> dict[str, str]:
        """The same and what is gone, in SARIF's words."""
        return {name: _BASELINE[status] for name, status in self.statuses.items()} | dict.fromkeys(self.fixed, "absent")

    def history(self) -> Iterator[Record]:
        """The records of what is fixed."""
        fixed = self.fixed
        return (record for record in self.before.records() if record["id"] in fixed)


def sast_report(params: Mapping[str, Any], *, check: bool = False, clock: Clock | None = None) -> dict[str, Any]:
    """Read the reports and write what was asked for. Nothing is written unless every report could be read.

    Gives ``changed``, ``scans`` (dictionaries, in the order of the files), ``findings`` (live before hidden, worst
    first, at most ``return_findings``), ``truncated`` (``what``, ``kept``, ``seen``), ``ignored`` (``count``,
    ``files``), ``dest`` (``path``, ``sha256``, ``findings``, or None), ``outputs``, ``changes``, ``waivers``, ``vex``,
    ``gate``, ``explained`` (each None unless asked for) and ``diff``. A gate that is not passed gives ``failed`` and
    ``msg``, and everything else all the same.
    """
    now = (clock or SystemClock()).now()
    request = Request.of(params, now)
    with ExitStack() as stack:
        reports = _read_all(request.paths, _reading(request, stack), stack, request.refuse_overwriting)
        compared = _compared(request, reports, stack) if request.baseline else None
        statuses = compared.statuses if compared else None
        verdict = request.gate.decide(reports.records(), reports.scans, statuses) if request.gate else None
        stored = store.write(request.dest, reports.blocks(), reports.lines, check=check) if request.dest else None
        written = [_published(one, request, reports, compared, now, check) for one in request.outputs]
        result = {
            **_told(request, reports),
            "changed": any(file.changed for file in _files(stored, written)),
            "dest": stored.to_dict() if stored else None,
            "outputs": [told for _file, told in written],
            "changes": compared.changes.to_dict(statuses=_TOLD_CHANGES, most=_MOST_CHANGES) if compared else None,
            "gate": verdict.to_dict() if verdict else None,
            "diff": [_diff(file) for file in _files(stored, written)] or None,
        }
    if verdict is not None and not verdict.passed:
        result |= {"failed": True, "msg": verdict.summary()}
    return result


def _told(request: Request, reports: _Reports) -> dict[str, Any]:
    """What is returned of the reports themselves."""
    inline = _worst(reports, request.inline)
    cut = {"what": "findings returned inline", "kept": len(inline), "seen": reports.count}
    return {
        "scans": reports.scans,
        "findings": inline,
        "truncated": [cut] if reports.count > len(inline) else [],
        "ignored": {"count": reports.selection.ignored_count, "files": list(reports.selection.ignored)},
        "waivers": request.waivers.report() if request.waivers else None,
        "vex": request.vex.report() if request.vex else None,
        "explained": _explained(request.explain, reports) if request.explain else None,
    }


def _files(stored: store.Stored | None, written: Sequence[tuple[Written | None, Record]]) -> list[Written]:
    return [*([stored.file] if stored else []), *(file for file, _entry in written if file)]


def _reading(request: Request, stack: ExitStack) -> ReadOptions:
    source = None
    if request.source:
        from .checkout import Checkout, SourceLines

        source = SourceLines(stack.enter_context(Checkout(request.source)), Tally())
    return replace(request.options, totals_only=request.totals_only, source=source)


def _read_all(
    paths: Sequence[str],
    options: ReadOptions,
    stack: ExitStack,
    check: Callable[[Sequence[Any]], None] | None = None,
) -> _Reports:
    selection = select(paths, options)
    if check:
        check(selection.files)
    # All spools together may hold what one alone may.
    share = max(options.spool_bytes // len(selection.files), _SMALLEST_SPOOL)
    reading = replace(options, spool_bytes=share)
    results = tuple(stack.enter_context(read_report(file, options=reading)) for file in selection.files)
    return _Reports(results, selection)


def _compared(request: Request, reports: _Reports, stack: ExitStack) -> _Comparison:
    """With the reports of before, read by the same rules; what was waived then does not matter now."""
    from .compare import comparability, compare, rules_of

    options = replace(request.options, commit="auto", digests=None, judges=())
    before = _read_all(request.baseline, options, stack)
    changes = compare(
        before.records(),
        reports.records(),
        renames=request.renames,
        comparable=comparability(before.scans, reports.scans),
        known_rules=rules_of(before.scans),
    )
    return _Comparison(changes, before)


def _published(
    output: Output, request: Request, reports: _Reports, compared: _Comparison | None, now: dt.datetime, check: bool
) -> tuple[Written | None, dict[str, Any]]:
    """Writes one output. What had to be left out or changed for it is in its ``warnings`` and ``truncated``."""
    tally = Tally()
    if output.form == OPENVEX:
        pieces = _vex(output, request, reports, compared, now)
        if pieces is None:
            why = "no finding bears a CVE id, and a document needs a statement"
            return None, {"format": output.form, "path": output.path, "sha256": None, "warnings": [why]}
    else:
        from .out import WRITERS

        words = compared.baseline() if compared else None
        pieces = WRITERS[output.form](reports.scans, lambda: _with_history(reports, compared), words, tally=tally)
    file = store.write_file(output.path, pieces, what=f"the dest of {output.form}", check=check)
    told = {"format": output.form, "path": output.path, "sha256": file.sha256}
    return file, {**told, "warnings": list(tally.warnings), "truncated": list(tally.truncated)}


def _with_history(reports: _Reports, compared: _Comparison | None) -> Iterator[Record]:
    yield from reports.records()
    if compared is not None:
        yield from compared.history()


def _vex(
    output: Output, request: Request, reports: _Reports, compared: _Comparison | None, now: dt.datetime
) -> Iterator[bytes] | None:
    digests = sorted({digest for scan in reports.scans for digest in scan["digests"]})
    if not digests:
        raise BadInput(
            "an OpenVEX document is about images, and none is known",
            where=output.path,
            next="give the option digest: the image that was built from the scanned commit",
        )
    from . import openvex_out

    fixed = dict.fromkeys(compared.fixed, "fixed") if compared else None
    document = openvex_out.document(
        _with_history(reports, compared),
        author=output.author,
        digest=digests,
        now=now,
        waivers=request.waivers,
        changes=fixed,
    )
    return iter((json.dumps(document, indent=2).encode() + b"\n",)) if document else None


def _explained(wanted: str, reports: _Reports) -> dict[str, Any]:
    """The finding of an id, or of its first digits, and why it says what it says."""
    found = {record["id"]: record for record in reports.records() if record["id"].startswith(wanted.lower())}
    if len(found) != 1:
        many = f"{len(found)} findings begin with it" if found else "no finding has it"
        raise BadInput("explain names no one finding", where=wanted[:80], why=many, next="take an id of the findings")
    from .explain import explained

    ((_id, record),) = found.items()
    return {"finding": record, "derivation": explained(record)}


def _worst(reports: _Reports, limit: int) -> list[Record]:
    """The first findings to look at: live first, then by severity (unknown beside high)."""
    if not limit:
        return []
    ranked = (
        (_STATES[record["state"]], _SEVERITIES[record["severity"]], number, record)
        for number, record in enumerate(reports.records())
    )
    return [record for *_rank, record in heapq.nsmallest(limit, ranked)]


def _diff(file: Written) -> dict[str, str]:
    """Hashes only: the findings themselves would flood the screen."""
    before = f"sha256 {file.before}\n" if file.before else ""
    after = f"sha256 {file.sha256}\n"
    return {"before_header": file.path, "after_header": file.path, "before": before, "after": after}
