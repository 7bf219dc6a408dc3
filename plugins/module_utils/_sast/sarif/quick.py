# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of plain results: what all results of a sort share is decided and written once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as encode_text
from operator import itemgetter
from typing import Any

from ..._core.findings import Finding, Location
from .. import secrets
from ..counts import NOT_A_FINDING, Counts
from ..finish import Finish
from ..identity import Identifier, chosen_key, common_of, normalised
from ..shape import as_index
from ..spool import ENCODE, opened
from ..tally import Counted, Tally
from ..text import Cleaner
from .levels import kind_of
from .locations import Locator, positive
from .messages import without_links
from .plain import Row, Shape, Tables

_SORT = ("ruleId", "ruleIndex", "kind", "level", "baselineState")
_OWN = ("id", "message", "path", "line", "locations", "fingerprints", "identity", "occurrence", "snippet_sha256")
_MOST_NUMBERS = 4096
_PLACE = ("path", "place", "line", "column", "end_line", "end_column", "char_offset")


@dataclass(slots=True)
class _Verdict:
    """What all results of a sort share. ``parts``: the line around the values of _OWN; none for what is no finding."""

    kind: str
    finding: Finding | None
    secret: bool
    common: str
    parts: tuple[str, ...]
    repeats: Counted = field(default_factory=dict)
    times: int = 0


@dataclass(frozen=True, slots=True)
class _Marks:
    """How fingerprints of one shape are written, and which of them identifies: ``before`` its value is its key."""

    text: str
    order: Callable[[Sequence[str]], Any] | None
    identity: str
    before: str = ""
    chosen: int = 0


class QuickLines:
    """Makes the lines of the plain rows of one run. ``judge`` gives what the general way would say of a result.

    ``tail``: what closes each line; empty where that is not known yet.
    """

    def __init__(
        self,
        tables: Tables,
        judge: Callable[[dict[str, Any], str], tuple[Finding, bool]],
        locator: Locator,
        finish: Finish,
        identifier: Identifier,
        cleaner: Cleaner,
        tally: Tally,
        tail: str,
    ) -> None:
        self._judge = judge
        self._tail = tail
        self._locator = locator
        self._finish = finish
        self._identifier = identifier
        self._cleaner = cleaner
        self._longest = cleaner.max_text + 2
        self._tally = tally
        self._sorts = list(tables.sorts)
        self._verdicts: list[_Verdict | None] = [None] * len(self._sorts)
        self._places: list[Any] = list(tables.places)
        self._paths: list[tuple[str, str, str] | None] = [None] * len(self._places)
        self._marks = [_marks_of(shape) for shape in tables.shapes]

    def lines(self, rows: Sequence[Row]) -> list[str]:
        """The lines of those of the results that are findings."""
        made: list[str] = []
        verdicts, paths, all_marks, numbered = self._verdicts, self._paths, self._marks, self._identifier.numbered
        for sort, place, shape, text, snippet, region, values in rows:
            verdict = verdicts[sort] or self._verdict(sort)
            verdict.times += 1
            if verdict.times == 2:
                self._repeat(verdict, sort)
            if not verdict.parts:
                continue
            message, quoted = self._message(text, snippet, verdict.secret)
            path, shown, before = paths[place] or self._path(place)
            line, located = _located(before, region) if path else ("null", "[]")
            marks = all_marks[shape]
            basis = f"{marks.before}{values[marks.chosen]}" if marks.before else normalised(message)
            identifier, occurrence = numbered(f"{verdict.common}{path}\x1f{basis}")
            fingerprints = marks.text % marks.order(values) if marks.order else "{}"
            hashed = f'"{secrets.snippet_hash(snippet)}"' if snippet and not snippet.isspace() else "null"
            a, b, c, d, e, f, g, h, i, j = verdict.parts
            made.append(
                f'{a}"{identifier}"{b}{quoted}{c}{shown}{d}{line}{e}{located}{f}{fingerprints}{g}'
                f"{marks.identity}{h}{occurrence}{i}{hashed}{j}"
            )
        return made

    def count_into(self, counts: Counts) -> None:
        """Add up what the lines were, once all are made."""
        for verdict in self._verdicts:
            if verdict is None:
                continue
            counts.kind(verdict.kind, verdict.times)
            # The first two were judged themselves.
            self._tally.repeat(verdict.repeats, max(verdict.times - 2, 0))
            if verdict.finding is not None:
                one = verdict.finding
                counts.add(one.state, one.native, one.baseline, one.severity, verdict.times)

    def _message(self, text: str, snippet: str, secret: bool) -> tuple[str, str]:
        """A message and its JSON."""
        quoted = encode_text(text)
        # Of what needs no escape in JSON, only DEL is not fit to be shown.
        plain = len(quoted) == len(text) + 2 <= self._longest and "\x7f" not in text and "](" not in text
        if plain and not secret and not secrets.may_hold_a_secret(text):
            return text, quoted
        message = self._finish.redacted(self._cleaner.text(without_links(text)), snippet, secret)
        return message, encode_text(message)

    def _verdict(self, number: int) -> _Verdict:
        kind, finding, secret = self._judged(number)
        parts: tuple[str, ...] = ()
        common = ""
        if finding is not None:
            record = finding.to_dict()
            del record["scan"]  # it is in the tail
            *parts_before, last = _parts(record, _OWN)
            parts, common = (*parts_before, last + self._tail), common_of(finding.tool, finding.rule)
        verdict = self._verdicts[number] = _Verdict(kind, finding, secret, common, parts)
        return verdict

    def _repeat(self, verdict: _Verdict, number: int) -> None:
        """Judge again: what is counted for the first result of a rule alone is not counted for the second."""
        marks = self._tally.marks()
        self._judged(number)
        verdict.repeats = self._tally.since(marks)

    def _judged(self, number: int) -> tuple[str, Finding | None, bool]:
        row = dict(zip(_SORT, self._sorts[number], strict=True))
        kind = kind_of(row["kind"], self._tally)
        if kind in NOT_A_FINDING:
            return kind, None, False
        return kind, *self._judge(row, kind)

    def _path(self, place: int) -> tuple[str, str, str]:
        """(path, path as JSON, list of locations as JSON up to the numbers); all but the last empty for no path."""
        path, where = self._locator.path(*self._places[place]) if place else ("", "")
        known = self._paths[place] = path, ENCODE(path), f"[{_P0}{ENCODE(path)}{_P1}{ENCODE(where)}{_P2}"
        return known


def _located(before: str, region: tuple[Any, ...]) -> tuple[str, str]:
    """(line, list of locations) as JSON."""
    if not region:
        return "null", f"{before}null{_P3}null{_P4}null{_P5}null{_P6}null{_P7}}}]"
    start, column, end, end_column, offset = region
    line = _POSITIVE[start]
    return line, (
        f"{before}{line}{_P3}{_POSITIVE[column]}{_P4}{_POSITIVE[end]}{_P5}{_POSITIVE[end_column]}{_P6}{_INDEX[offset]}"
        f"{_P7}}}]"
    )


class _Numbers(dict[Any, str]):
    """Numbers as JSON after ``reading``, the usual ones kept."""

    def __init__(self, reading: Callable[[Any], int | None]) -> None:
        super().__init__()
        self._reading = reading

    def __missing__(self, number: Any) -> str:
        text = ENCODE(self._reading(number))
        if len(self) < _MOST_NUMBERS:
            self[number] = text
        return text


_POSITIVE, _INDEX = _Numbers(positive), _Numbers(as_index)


def _marks_of(shape: Shape) -> _Marks:
    """Keys stand in the order of the alphabet, the full fingerprints after the partial ones, each key once."""
    full, partial = shape
    where = {key: len(full) + partial.index(key) for key in sorted(partial)}
    where |= {key: full.index(key) for key in sorted(full)}
    text = "{" + ",".join(f'"{key}":"%s"' for key in where) + "}"
    for keys, offset in ((full, 0), (partial, len(full))):
        chosen = chosen_key(sorted(keys))
        if chosen is not None:
            key, name = chosen
            identity = ENCODE(f"fingerprint:{key}")
            return _Marks(text, itemgetter(*where.values()), identity, f"{key}=", keys.index(name) + offset)
    return _Marks(text, itemgetter(*where.values()) if where else None, '"message"')


def _parts(record: dict[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    """The JSON of a record around the values of ``names``, in this order; it stays open at its end."""
    text, parts = opened({**record, **{name: f"\0{name}" for name in names}}), []
    for name in names:
        before, _mark, text = text.partition(ENCODE(f"\0{name}"))
        parts.append(before)
    return (*parts, text)


_P0, _P1, _P2, _P3, _P4, _P5, _P6, _P7 = _parts(Location("").to_dict(), _PLACE)
