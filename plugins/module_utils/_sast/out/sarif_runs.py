# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a SARIF run has to know before its first result is written: rules, taxa, what its results have in common.

SARIF wants ``ruleIndex`` to point into the run's rules, and ``suppressions`` and ``baselineState`` on all results of a
run or on none (3.27.23, 3.27.24). So the records are walked twice: once for this, once to be written.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._core.errors import BadInput
from ..spool import Spool
from ..tally import Tally
from .escape import one_line
from .words import Changes, Records, Scans, change_of

RuleKey = tuple[str, str, str]
RunKey = tuple[str, int]

MOST_RULES = 20_000
_CWE = re.compile(r"CWE-([1-9][0-9]{0,5})")
_SPOOLS = 64
_SPOOLED_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Run:
    """One run to be written. ``scan`` and ``facts`` are the dictionaries of the scan and of its run, empty when only
    the findings know them. ``rules``: (id, name, help URI) -> position; ``taxa``: CWE number -> position."""

    scan: Mapping[str, Any]
    facts: Mapping[str, Any]
    tool: str
    rules: dict[RuleKey, int] = field(default_factory=dict)
    taxa: dict[str, int] = field(default_factory=dict)
    suppressions: bool = False
    baselines: bool = False
    results: int = 0


class Plan:
    """All runs of a document, in the order of the scans; runs that only the findings know follow."""

    def __init__(self, scans: Scans, records: Records, changes: Changes | None, tally: Tally) -> None:
        self.runs: dict[RunKey, Run] = {}
        self._records = records
        self._changes = changes
        self._tally = tally
        self._first_of_tool: dict[str, RunKey] = {}
        self._known: set[str] = set()
        self._rules_kept = 0
        # Hashes only: a store with endless rules must not fill the memory.
        self._rules_left: set[int] = set()
        for scan in scans:
            self._add_scan(scan)
        self._in_order = self._walk()

    def groups(self) -> Iterator[tuple[Run, Iterator[dict[str, Any]]]]:
        """Each run with its records. Records that stand in the order of the runs are streamed, others spooled."""
        return self._streamed() if self._in_order else self._sorted()

    def _add_scan(self, scan: Mapping[str, Any]) -> None:
        """The scan's runs; a file without any run is one that did not finish, so that it cannot pass for clean."""
        sha256 = str(scan.get("sha256") or "")
        self._known.add(sha256)
        for facts in scan.get("runs") or ({"run": 0, "status": "empty"},):
            number = facts.get("run")
            tool = one_line(facts.get("tool") or scan.get("tool")) or "unknown"
            key = (sha256, number if isinstance(number, int) else 0)
            self.runs.setdefault(key, Run(scan, facts, tool))
            self._first_of_tool.setdefault(tool, key)

    def _walk(self) -> bool:
        """Look at every record once. Gives whether they stand in the order of the runs."""
        last, in_order = -1, True
        places: dict[RunKey, int] = {key: place for place, key in enumerate(self.runs)}
        for record in self._records():
            key = self._key_of(record)
            run = self.runs.get(key)
            if run is None:
                run = self.runs[key] = Run({}, {}, one_line(record.get("tool")) or "unknown")
            place = places.setdefault(key, len(places))
            in_order, last = in_order and place >= last, place
            self._look(run, record)
        self._tell_cut()
        return in_order

    def _key_of(self, record: Mapping[str, Any]) -> RunKey:
        """The run of a record. What a comparison brings along from an older scan belongs to the tool's new run."""
        scan, number = str(record.get("scan") or ""), record.get("run")
        if scan not in self._known and change_of(record, self._changes) == "absent":
            home = self._first_of_tool.get(one_line(record.get("tool")))
            if home is not None:
                return home
        return scan, number if isinstance(number, int) and not isinstance(number, bool) else 0

    def _look(self, run: Run, record: Mapping[str, Any]) -> None:
        run.results += 1
        key = rule_key(record)
        if key[0] and key not in run.rules:
            if self._rules_kept < MOST_RULES:
                self._rules_kept += 1
                run.rules[key] = len(run.rules)
            else:
                self._rules_left.add(hash((id(run), key)))
        for number in cwe_numbers(record):
            run.taxa.setdefault(number, len(run.taxa))
        run.suppressions = run.suppressions or bool(record.get("suppressions")) or record.get("state") == "suppressed"
        run.baselines = run.baselines or change_of(record, self._changes) is not None

    def _tell_cut(self) -> None:
        if self._rules_left:
            seen = self._rules_kept + len(self._rules_left)
            self._tally.cut("rules described in the SARIF document", self._rules_kept, seen)

    def _streamed(self) -> Iterator[tuple[Run, Iterator[dict[str, Any]]]]:
        groups = itertools.groupby(self._records(), key=self._key_of)
        group = next(groups, None)
        for key, run in self.runs.items():
            if group is not None and group[0] == key:
                yield run, group[1]
                group = next(groups, None)
            else:
                yield run, iter(())
        if group is not None:
            raise _changed()

    def _sorted(self) -> Iterator[tuple[Run, Iterator[dict[str, Any]]]]:
        """So many runs at a time; each time the records are walked and those of these runs put aside."""
        runs = iter(self.runs.items())
        while batch := dict(itertools.islice(runs, _SPOOLS)):
            spools = {key: Spool(_SPOOLED_BYTES // len(batch)) for key in batch}
            try:
                for record in self._records():
                    spool = spools.get(self._key_of(record))
                    if spool is not None:
                        spool.put(json.dumps(record).encode("ascii"))
                for key, run in batch.items():
                    yield run, map(json.loads, spools[key])
            finally:
                for spool in spools.values():
                    spool.close()


def rule_key(record: Mapping[str, Any]) -> RuleKey:
    """What is told of a rule: (id, name, help URI). The id is that of the descriptor where the reported one refines it
    ("CA5350/md5" of "CA5350", 3.27.5), else the reported one."""
    rule, descriptor = str(record.get("rule") or ""), record.get("descriptor")
    refines = isinstance(descriptor, str) and descriptor and rule.startswith(f"{descriptor}/")
    return (
        str(descriptor) if refines else rule,
        str(record.get("rule_name") or ""),
        str(record.get("help_uri") or ""),
    )


def cwe_numbers(record: Mapping[str, Any]) -> list[str]:
    """The numbers of a record's CWE names, each once; a name that is none is left out."""
    found = (_CWE.fullmatch(name) for name in record.get("cwe") or () if isinstance(name, str))
    return list(dict.fromkeys(match.group(1) for match in found if match is not None))


def changed_meanwhile(run: Run, written: int) -> None:
    """Refuse a run whose second walk gave other records than the first."""
    if written != run.results:
        raise _changed()


def _changed() -> BadInput:
    return BadInput(
        "the findings changed while they were written",
        why="they were walked twice and were not the same",
        next="run it again",
    )
