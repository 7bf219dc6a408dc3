# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two scans: which findings are new, which are fixed, which are the same as before.

Three things are kept apart. A finding that is not there any more is ``fixed`` only when the later scan could have
reported it (``comparability``). A finding that is there for the first time is ``new``; when its rule is new as well it
was first reported now, which does not say that it was introduced now (``newly_reported``). And what cannot be told is
``uncertain`` on both sides, with the reason, never paired by guess.

Memory: about 0.8 KiB a finding of either side.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import BadInput
from .._core.findings import ScanStatus
from .collector import collector_paused
from .identity import basis_of, normalised, stable_rule
from .matching import PREFERRED, Matcher
from .pairing import Ambiguity, Row, unpaired

NEW, UNCHANGED, MOVED, UNCERTAIN, FIXED = "new", "unchanged", "moved", "uncertain", "fixed"
_ORDER = {word: rank for rank, word in enumerate((NEW, UNCERTAIN, MOVED, UNCHANGED))}
_KINDS = frozenset({"fail", "open", "review"})
_STATES = frozenset({"live", "suppressed"})
_VERSION = re.compile(r"[ /_-]v?\d+(?:\.\d+)+\S*$")
_KEY = re.compile(r"(.+)/v(\d{1,9})")
# Cuts that shorten a finding but do not hide one.
_HARMLESS_CUTS = frozenset(
    {
        "characters of long strings",
        "fingerprints of findings",
        "locations of findings",
        "rule ids of the coverage",
        "suppressions of findings",
    }
)
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Was:
    """The finding that a later one was before."""

    id: str
    rule: str
    path: str
    line: int | None
    state: str

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "rule": self.rule, "path": self.path, "line": self.line, "state": self.state}


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one finding.

    ``status`` of a finding of the later side: ``new``, ``uncertain``, ``moved`` (another file, or the rule under
    another prefix) or ``unchanged`` (same file, perhaps another line); of the earlier side: ``fixed`` or ``uncertain``.
    ``how`` is the stage that paired it (see matching). ``identity`` is what told it from its equals: ``unique`` (it has
    none), ``snippet``, ``line``, or ``count``: their number is certain, which of them this is is not. ``alike`` are ids
    of the other side that an uncertain one may be (the first few).
    """

    status: str
    id: str
    tool: str
    rule: str
    path: str
    line: int | None
    state: str
    how: str = ""
    identity: str = ""
    was: Was | None = None
    newly_reported: bool = False
    reasons: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "id": self.id,
            "tool": self.tool,
            "rule": self.rule,
            "path": self.path,
            "line": self.line,
            "state": self.state,
            "how": self.how,
            "identity": self.identity,
            "was": self.was.to_dict() if self.was else None,
            "newly_reported": self.newly_reported,
            "reasons": list(self.reasons),
            "alike": list(self.alike),
        }


@dataclass(frozen=True, slots=True)
class Changes:
    """``after``: one entry a finding of the later side; ``gone``: one a finding of the earlier side that has no mate.

    ``counts``: ``before`` and ``after`` (findings compared), ``history`` (records of either side that are no findings
    of now, left out), ``new``, ``unchanged``, ``moved``, ``fixed``, ``uncertain_new`` and ``uncertain_gone``,
    ``newly_reported`` (of the new and uncertain ones). ``before`` is unchanged + moved + fixed + uncertain_gone,
    ``after`` is unchanged + moved + new + uncertain_new. ``comparable``: why absence cannot be judged, or empty.
    Entries are ordered: new, uncertain, moved, unchanged (fixed, uncertain), then by file and line, whatever the order
    of the input was.
    """

    counts: Mapping[str, int]
    after: tuple[Change, ...]
    gone: tuple[Change, ...]
    comparable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def to_dict(self, *, statuses: Collection[str] | None = None, most: int | None = None) -> dict[str, Any]:
        """``counts``, ``comparable``, ``warnings``, ``findings``, ``gone`` and ``truncated`` (``what``, ``kept``,
        ``seen``). ``statuses``: only rows of these; ``most``: at most so many rows of each list."""
        lists = {"findings": self.after, "gone": self.gone}
        rows: dict[str, list[dict[str, Any]]] = {}
        truncated = []
        for what, changes in lists.items():
            wanted = [change for change in changes if statuses is None or change.status in statuses]
            kept = wanted if most is None else wanted[:most]
            rows[what] = [change.to_dict() for change in kept]
            if len(kept) < len(wanted):
                truncated.append({"what": what, "kept": len(kept), "seen": len(wanted)})
        return {
            "counts": dict(self.counts),
            "comparable": list(self.comparable),
            "warnings": list(self.warnings),
            **rows,
            "truncated": truncated,
        }


def compare(
    before: Iterable[Mapping[str, Any]],
    after: Iterable[Mapping[str, Any]],
    *,
    renames: Mapping[str, str] | None = None,
    comparable: Sequence[str] = (),
    known_rules: Collection[str] | None = None,
) -> Changes:
    """Compare two sets of findings, each record as ``Finding.to_dict`` gives it.

    Findings of kind fail, open or review that are live or suppressed take part. ``renames``: path before -> path after,
    as git tells them; None when it was not asked: then a single finding may raise the doubt that its file was renamed.
    ``comparable``: reasons why absence cannot be judged, from ``comparability``: with any, nothing is fixed.
    ``known_rules``: the rules of the earlier scans, from ``rules_of``; None when they are not known.
    Raises BadInput for a record that is no finding.
    """
    with collector_paused():
        return _compared(_Loader(), before, after, renames, tuple(comparable), known_rules)


def comparability(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the absence of a finding in ``after`` says nothing about it; empty when absence can be judged.

    Scans as ``Scan.to_dict`` gives them. Wanted: every later scan finished and lost nothing, every tool and category of
    before ran again in the same version, and every rule of before was there again (more rules do not hurt). A tool that
    lists no rules on either side is taken at its version.
    """
    reasons = ["there is no earlier scan"] if not before else []
    if not after:
        return [*reasons, "there is no later scan"]
    for scan in after:
        reasons.extend(_losses(scan))
    reasons.extend(_other_tools(before, after))
    reasons.extend(_missing_rules(before, after))
    return reasons


def rules_of(scans: Sequence[Mapping[str, Any]]) -> frozenset[str] | None:
    """The rules that scans say they had, without what depends on the machine; None when a scan does not tell all."""
    found: set[str] = set()
    for scan in scans:
        coverage = scan.get("coverage") or {}
        listed = coverage.get("rules") or ()
        if not listed or coverage.get("rules_count", len(listed)) != len(listed):
            return None
        tools = _tools_of(scan)
        found |= {stable_rule(tool, str(rule)) for tool in tools for rule in listed}
    return frozenset(found) if scans else None


def _compared(
    loader: _Loader,
    before: Iterable[Mapping[str, Any]],
    after: Iterable[Mapping[str, Any]],
    renames: Mapping[str, str] | None,
    comparable: tuple[str, ...],
    known_rules: Collection[str] | None,
) -> Changes:
    ones, others = loader.rows(before), loader.rows(after)
    matcher = Matcher(ones, others, renames)
    doubts = _Doubts(matcher.run())
    warnings = []
    if matcher.left_out:
        warnings.append(f"{len(matcher.left_out)} kinds of fingerprints beyond the most common were not compared")
    rules = None if known_rules is None else frozenset(known_rules)
    later = sorted((_later(row, doubts, rules) for row in others), key=lambda change: _ORDER[change.status])
    gone = sorted(
        (_earlier(row, doubts, comparable) for row in unpaired(ones)), key=lambda change: change.status != FIXED
    )
    counts = _counts(len(ones), loader.history, later, gone)
    for row in others:
        # A pair is a circle, which only the collector would free.
        row.mate = None
    return Changes(counts, tuple(later), tuple(gone), comparable, tuple(warnings))


class _Loader:
    """Records as rows; equal strings are held once."""

    def __init__(self) -> None:
        self.history = 0
        self._held: dict[Any, Any] = {}

    def rows(self, records: Iterable[Mapping[str, Any]]) -> list[Row]:
        """The rows that take part, in the order of their places."""
        rows = list(self._read(records))
        rows.sort(key=lambda row: (row.path, row.line or 0, row.tool, row.rule, row.occurrence, row.id))
        return rows

    def _read(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
        for number, record in enumerate(records, 1):
            try:
                if record.get("kind", "fail") in _KINDS and record["state"] in _STATES:
                    yield self._row(record)
                else:
                    self.history += 1
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise BadInput(
                    "a record to be compared is not a finding",
                    where=f"record {number}",
                    why=repr(error)[:200],
                    next="give findings as sast_report stores them",
                ) from error

    def _row(self, record: Mapping[str, Any]) -> Row:
        tool, rule, message = str(record["tool"]), str(record["rule"]), str(record["message"])
        keys, values = self._prints(record.get("fingerprints") or {})
        text = hash(normalised(message))
        line, snippet = record.get("line"), record.get("snippet_sha256")
        return Row(
            id=str(record["id"]),
            tool=self._once(tool),
            rule=self._once(rule),
            tool_key=_tool_key(tool),
            rule_key=self._once(stable_rule(tool, rule)),
            path=self._once(_path_of(record)),
            line=line if isinstance(line, int) else None,
            state=self._once(str(record["state"])),
            message=text,
            snippet=None if snippet is None else str(snippet),
            basis=self._basis(record.get("identity"), keys, values, text),
            keys=keys,
            values=values,
            occurrence=int(record.get("occurrence") or 0),
        )

    def _prints(self, bag: Mapping[str, str]) -> tuple[tuple[tuple[str, int], ...], tuple[int, ...]]:
        """The fingerprints that say something about identity, as (name, version) and hashes of their values."""
        found = {key: hash(_without_occurrence(key[0], bag[name])) for name in bag if (key := _stable_key(name))}
        keys = tuple(sorted(found))
        return self._once(keys), tuple(found[key] for key in keys)

    def _basis(
        self, identity: Any, keys: Sequence[tuple[str, int]], values: Sequence[int], message: int
    ) -> tuple[str, int]:
        """What the id stands on, without the count of equal lines that the common line hash ends with."""
        kind, _colon, name = str(identity or "").partition(":")
        if kind == "fingerprint":
            # The keys are sorted: the last one of a name is its newest version.
            for key, value in zip(reversed(keys), reversed(values), strict=True):
                if key[0] == name:
                    return self._once(str(identity)), value
        return "message", message

    def _once(self, value: Any) -> Any:
        return self._held.setdefault(value, value)


class _Doubts:
    """What is ambiguous about which row."""

    def __init__(self, ambiguous: Iterable[Ambiguity]) -> None:
        self._of: dict[int, list[tuple[str, tuple[Row, ...]]]] = {}
        for entry in ambiguous:
            for rows, others in ((entry.before, entry.after), (entry.after, entry.before)):
                for row in rows:
                    self._of.setdefault(id(row), []).append((entry.reason, others))

    def about(self, row: Row) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Reasons, and ids of the rows that it may be."""
        found = self._of.get(id(row), ())
        alike = dict.fromkeys(other.id for _reason, others in found for other in others[:_MOST_NAMED])
        return tuple(dict.fromkeys(reason for reason, _others in found)), tuple(alike)[:_MOST_NAMED]


def _later(row: Row, doubts: _Doubts, known_rules: frozenset[str] | None) -> Change:
    mate = row.mate
    if mate is not None:
        status = UNCHANGED if (mate.path, mate.rule) == (row.path, row.rule) else MOVED
        was = Was(mate.id, mate.rule, mate.path, mate.line, mate.state)
        return Change(status, row.id, row.tool, row.rule, row.path, row.line, row.state, row.how, row.identity, was)
    reasons, alike = doubts.about(row)
    newly = known_rules is not None and not _known(row, known_rules)
    if newly:
        reasons = (*reasons, "its rule was not among the rules of the earlier scans")
    return Change(
        UNCERTAIN if alike else NEW,
        row.id,
        row.tool,
        row.rule,
        row.path,
        row.line,
        row.state,
        newly_reported=newly,
        reasons=reasons,
        alike=alike,
    )


def _earlier(row: Row, doubts: _Doubts, comparable: tuple[str, ...]) -> Change:
    reasons, alike = doubts.about(row)
    reasons = (*reasons, *comparable) if reasons else comparable
    return Change(
        UNCERTAIN if reasons else FIXED,
        row.id,
        row.tool,
        row.rule,
        row.path,
        row.line,
        row.state,
        reasons=reasons,
        alike=alike,
    )


def _counts(before: int, history: int, later: Sequence[Change], gone: Sequence[Change]) -> dict[str, int]:
    def number(changes: Sequence[Change], status: str) -> int:
        return sum(change.status == status for change in changes)

    return {
        "before": before,
        "after": len(later),
        "history": history,
        NEW: number(later, NEW),
        UNCHANGED: number(later, UNCHANGED),
        MOVED: number(later, MOVED),
        FIXED: number(gone, FIXED),
        "uncertain_new": number(later, UNCERTAIN),
        "uncertain_gone": number(gone, UNCERTAIN),
        "newly_reported": sum(change.newly_reported for change in later),
    }


def _known(row: Row, rules: frozenset[str]) -> bool:
    """A rule that was there, itself or as a part (``CA5350/md5``) of one that was."""
    parts = row.rule_key.split("/")
    return any("/".join(parts[:end]) in rules for end in range(len(parts), 0, -1))


def _losses(scan: Mapping[str, Any]) -> Iterator[str]:
    name = str(scan.get("file") or "the later scan")[:200]
    status = scan.get("status")
    if status != ScanStatus.OK.value:
        yield f"{name}: the status of the scan is {status}, not ok"
    for entry in scan.get("truncated") or ():
        if entry.get("what") not in _HARMLESS_CUTS:
            yield f"{name}: truncated, {entry.get('kept')} of {entry.get('seen')} {entry.get('what')} were read"
    dropped = (scan.get("totals") or {}).get("dropped")
    if dropped:
        yield f"{name}: {dropped} results were dropped"


def _other_tools(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    ones, others = _versions_of(before), _versions_of(after)
    for (tool, category), versions in sorted(ones.items()):
        shown = f"{tool} ({category})" if category else tool
        if (tool, category) not in others:
            elsewhere = any(tool == other for other, _category in others)
            yield f"{shown}: not run again" + (" for this category" if elsewhere else "")
        elif versions != others[tool, category]:
            change = f"{', '.join(sorted(versions))} before, {', '.join(sorted(others[tool, category]))} after"
            yield f"{shown}: another version, {change}"


def _missing_rules(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    sets = [{scan.get("ruleset") for scan in side} for side in (before, after)]
    if not before or sets[0] <= sets[1]:
        return
    ones, others = rules_of(before), rules_of(after)
    if ones is None or others is None:
        yield "another ruleset, and the reports do not list all of their rules"
    elif missing := sorted(ones - others):
        named = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
        yield f"another ruleset: {len(missing)} rules of before are missing: {named}"


def _versions_of(scans: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """The versions of each tool and category that ran."""
    found: dict[tuple[str, str], set[str]] = {}
    for scan in scans:
        for run in scan.get("runs") or [scan]:
            key = (_tool_key(str(run.get("tool") or "unknown")), str(run.get("category") or ""))
            found.setdefault(key, set()).add(str(run.get("tool_version") or "unknown"))
    return found


def _tools_of(scan: Mapping[str, Any]) -> set[str]:
    return {str(run.get("tool") or "") for run in scan.get("runs") or [scan]}


@functools.lru_cache(maxsize=1024)
def _tool_key(tool: str) -> str:
    """A tool whatever its edition or version: some write the version into the name."""
    name = tool.lower()
    return "semgrep" if name.startswith("semgrep") else _VERSION.sub("", name)


@functools.lru_cache(maxsize=1024)
def _stable_key(name: str) -> tuple[str, int] | None:
    """The key of a fingerprint as (name, version); None for those of lines and columns, which are no identity."""
    if basis_of({name: ""}, {}, "")[0] == "message":
        return None
    parts = _KEY.fullmatch(name)
    return (parts.group(1), int(parts.group(2))) if parts else (name, 0)


def _path_of(record: Mapping[str, Any]) -> str:
    """The file, or the symbol where the tool names only that: as the id has it."""
    path = record.get("path")
    if path:
        return str(path)
    places = record.get("locations") or ()
    return str(places[0].get("symbol") or "") if places else ""


def _without_occurrence(name: str, value: str) -> str:
    """The common line hash numbers equal lines of a file: the number shifts when one of them goes."""
    if name == PREFERRED:
        head, colon, count = str(value).rpartition(":")
        return head if colon and count.isdigit() else str(value)
    return str(value)
