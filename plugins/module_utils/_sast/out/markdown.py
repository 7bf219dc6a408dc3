# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings as Markdown for a ticket or a merge request: figures, scans, and the worst live findings.

Nothing of a report is rendered: no markup, no link, no image, no mention; addresses are text.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..tally import Tally
from .escape import markdown_text, one_line
from .words import (
    CHANGES,
    SEVERITIES,
    Changes,
    Record,
    Records,
    Scans,
    change_of,
    places_of,
    positive,
    severity_of,
    state_of,
)

MOST_FINDINGS = 100
MOST_SCANS = 200
_LONGEST_TEXT = 300
_STATES = ("live", "suppressed", "absent")
_RANKS = {word: rank for rank, word in enumerate(SEVERITIES)}


@dataclass(slots=True)
class _Seen:
    """One walk over the records: counts, and the worst live ones."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    changes: dict[str, int] = field(default_factory=dict)
    live: int = 0
    worst: list[Record] = field(default_factory=list)


def write(
    scans: Scans, records: Records, changes: Changes | None = None, *, tally: Tally | None = None
) -> Iterator[bytes]:
    """The page in pieces. At most ``MOST_FINDINGS`` live findings are listed, worst first, and how many there are."""
    tally = tally if tally is not None else Tally()
    seen = _walk(records(), changes)
    if seen.live > len(seen.worst):
        tally.cut("findings listed in Markdown", len(seen.worst), seen.live)
    if len(scans) > MOST_SCANS:
        tally.cut("scans listed in Markdown", MOST_SCANS, len(scans))
    for part in _parts(scans, seen):
        yield (part + "\n").encode("utf-8")


def _walk(records: Iterable[Record], changes: Changes | None) -> _Seen:
    seen = _Seen()

    def live() -> Iterator[tuple[int, int, Record, str]]:
        for number, record in enumerate(records):
            severity, state = severity_of(record), state_of(record, changes)
            seen.counts[severity, state] = seen.counts.get((severity, state), 0) + 1
            word = change_of(record, changes)
            if word is not None:
                seen.changes[word] = seen.changes.get(word, 0) + 1
            if state == "live":
                seen.live += 1
                yield _RANKS[severity], number, record, word or ""

    worst = heapq.nsmallest(MOST_FINDINGS, live(), key=lambda entry: entry[:2])
    seen.worst = [{**record, "change": word} for _rank, _number, record, word in worst]
    return seen


def _parts(scans: Scans, seen: _Seen) -> Iterator[str]:
    yield "# Static analysis\n"
    yield from _table(("Severity", "Live", "Suppressed", "Absent"), _summary(seen))
    if seen.changes:
        yield "\n" + ", ".join(f"{seen.changes.get(word, 0)} {word}" for word in CHANGES)
    yield "\n## Scans\n"
    if scans:
        titles = ("Report", "Tool", "Version", "Commit", "Status", "Findings", "Why")
        yield from _table(titles, map(_scan_row, scans[:MOST_SCANS]))
    else:
        yield "No scan is known: nothing is said about what was looked at."
    if len(scans) > MOST_SCANS:
        yield f"\nand {len(scans) - MOST_SCANS} more scans"
    yield "\n## Worst live findings\n"
    if seen.worst:
        yield from _table(("Severity", "Change", "Rule", "Place", "CWE", "Message"), map(_finding_row, seen.worst))
    else:
        yield "None."
    if seen.live > len(seen.worst):
        yield f"\nand {seen.live - len(seen.worst)} more live findings"


def _summary(seen: _Seen) -> Iterator[list[str]]:
    for severity in SEVERITIES:
        yield [severity, *(str(seen.counts.get((severity, state), 0)) for state in _STATES)]
    yield ["all", *(str(sum(seen.counts.get((word, state), 0) for word in SEVERITIES)) for state in _STATES)]


def _scan_row(scan: Mapping[str, Any]) -> list[str]:
    totals = scan.get("totals")
    findings = totals.get("findings") if isinstance(totals, Mapping) else None
    reasons = "; ".join(one_line(reason) for reason in scan.get("status_reasons") or ())
    texts = (scan.get("file"), scan.get("tool"), scan.get("tool_version"), one_line(scan.get("commit")) or "unknown")
    return [
        *(markdown_text(text) for text in texts),
        markdown_text(scan.get("status")),
        str(findings or 0),
        _cell(reasons),
    ]


def _finding_row(record: Record) -> list[str]:
    places = places_of(record)
    cwe = " ".join(one_line(name) for name in record.get("cwe") or ())
    texts = (severity_of(record), record.get("change"), record.get("rule"), _place(places), cwe, record.get("message"))
    return [_cell(text) for text in texts]


def _cell(text: object) -> str:
    return markdown_text(text, _LONGEST_TEXT)


def _place(places: Sequence[Mapping[str, Any]]) -> str:
    """The first place, and how many more there are."""
    if not places:
        return ""
    first = places[0]
    text = one_line(first.get("path")) or one_line(first.get("symbol"))
    line = positive(first.get("line"))
    text = f"{text}:{line}" if line else text
    if first.get("place") == "outside_root":
        text += " (outside the root)"
    return f"{text} and {len(places) - 1} more" if len(places) > 1 else text


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (titles, ["---"] * len(titles)):
        yield f"| {' | '.join(cells)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
