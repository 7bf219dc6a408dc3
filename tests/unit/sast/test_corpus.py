# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The corpus: every report is answered right, and none of them, cut off or damaged, is ever read as clean."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import time
from pathlib import Path

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.formats import known
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.policy import Policy
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import ReadResult, read_report
from tests.corpus import cases
from tests.corpus.damage import damaged
from tests.corpus.match import differences

CASES = cases.cases()
FEWEST = 4
EACH = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
# All cuts and many more mutations: KNOWNGOOD_CORPUS=whole (minutes).
WHOLE = os.environ.get("KNOWNGOOD_CORPUS") == "whole"
MUTANTS = 2000 if WHOLE else 8
LONGEST = 5.0
"""Seconds that a report of a few kB may take at the very most, on a busy machine."""


def options_of(case: cases.Case) -> ReadOptions:
    given = dict(case.expected.get("options") or {})
    if "policy" in given:
        given["policy"] = Policy.from_dict(given["policy"])
    return ReadOptions(**given)


def warned(outcome: ReadResult) -> set[str]:
    return {warning["code"] for warning in outcome.scan.warnings}


def test_each_report_has_an_answer_and_each_answer_a_report():
    assert [str(path) for path in cases.reports() if not cases.expectation_of(path).is_file()] == []
    known = {cases.expectation_of(path) for path in cases.reports()}
    assert [str(path) for path in cases.expectations() if path not in known] == []


def test_each_format_has_its_files():
    count = collections.Counter(case.format for case in CASES)
    assert {name: count[name] for name in known.NAMES if count[name] < FEWEST} == {}
    assert sorted(set(count) - set(known.NAMES) - {"none"}) == [], "folders that are no format's"


@EACH
def test_the_expectation_says_what_and_why(case):
    assert set(case.expected) <= cases.KEYS
    assert case.expected["about"]
    assert case.expected["source"]
    assert ("scan" in case.expected) != ("error" in case.expected), "a scan or an error"


@EACH
def test_the_right_answer(case):
    if "error" in case.expected:
        with pytest.raises(BadInput) as raised, read_report(case.path, options=options_of(case)):
            pass
        assert case.expected["error"] in str(raised.value)
        return
    with read_report(case.path, options=options_of(case)) as outcome:
        wrong = differences(case.expected["scan"], outcome.scan.to_dict(), "scan")
        if "findings" in case.expected:
            wrong += differences(case.expected["findings"], list(outcome.records()), "findings")
    assert not wrong, "\n".join([case.name, *wrong])


@EACH
def test_the_numbers_add_up(case):
    """Each entry is a finding, passed, merged or dropped; each finding live, suppressed or absent."""
    if "error" in case.expected:
        return
    with read_report(case.path, options=options_of(case)) as outcome:
        totals = outcome.scan.totals
        findings = list(outcome.findings())
    assert totals.results == totals.findings + totals.passed + totals.merged + totals.dropped
    assert totals.findings == totals.live + totals.suppressed + totals.absent == len(findings)
    assert len({finding.id for finding in findings}) == len(findings), "no two findings share an id"
    assert sum(totals.by_severity.values()) == totals.live


@EACH
def test_counting_alone_gives_the_same_numbers(case):
    given = case.expected.get("options") or {}
    if "error" in case.expected or "policy" in given or "totals_only" in given:
        return
    with read_report(case.path, options=options_of(case)) as whole:
        pass
    with read_report(case.path, options=ReadOptions(**{**given, "totals_only": True})) as counted:
        pass
    assert counted.scan.totals == whole.scan.totals
    assert counted.scan.status == whole.scan.status


def cuts_of(content: bytes) -> list[int]:
    """Where a report is cut off; the short run takes as many places of each file, spread evenly, and its last bytes."""
    every = list(range(0, len(content), 1 if len(content) < 3000 else 7))
    if WHOLE or len(every) <= 32:
        return every
    step = len(every) // 24 + 1
    return sorted({*every[::step], *range(len(content) - 8, len(content))})


@EACH
def test_cut_off_anywhere_it_is_never_clean(case, tmp_path):
    """Cut off, a report is an error; only in a table and after the end of a document can a cut be of no matter.

    A table that ends where a row ends looks whole: nobody can see that rows are missing. Ending inside a row it is
    an error, or there is a warning, or a row was dropped.
    """
    if "error" in case.expected:
        return
    content = case.path.read_bytes()
    options, copy = options_of(case), tmp_path / case.path.name
    with read_report(case.path, options=options) as outcome:
        whole = outcome.scan.totals
    copy.write_bytes(content)
    for end in reversed(cuts_of(content)):
        os.truncate(copy, end)
        try:
            outcome = read_report(copy, options=options)
        except BadInput:
            continue
        outcome.close()
        if not content[end:].strip(b"\0 \t\r\n"):
            assert outcome.scan.totals == whole, f"cut off at byte {end}"
            continue
        assert is_table(case), f"cut off at byte {end} it is still read"
        if content[:end].endswith(b"\n"):
            assert outcome.scan.totals.results <= whole.results
        else:
            assert "no_line_end" in warned(outcome), f"cut off at byte {end}"


def is_table(case: cases.Case) -> bool:
    return case.path.suffix == ".csv"


@EACH
def test_damaged_it_is_an_error_or_an_answer(case, tmp_path):
    """Flipped bytes, deleted and doubled parts, values of other types: never another exception, never endless."""
    content, chance = case.path.read_bytes(), random.Random(case.name)
    copy, options = tmp_path / case.path.name, options_of(case)
    for number in range(MUTANTS):
        mutant = damaged(content, chance)
        copy.write_bytes(mutant)
        started = time.monotonic()
        try:
            answered(copy, options)
        except Exception as error:
            pytest.fail(f"{case.name}, mutant {number}: {error!r} for {kept(mutant, tmp_path)}")
        assert time.monotonic() - started < LONGEST, f"{case.name}, mutant {number}"


def answered(path: Path, options: ReadOptions) -> None:
    """Refused, or answered with numbers that add up."""
    with contextlib.suppress(BadInput), read_report(path, options=options) as outcome:
        totals = outcome.scan.totals
        assert totals.results == totals.findings + totals.passed + totals.merged + totals.dropped
        assert sum(1 for _finding in outcome.findings()) == (0 if options.totals_only else totals.findings)


def kept(mutant: bytes, folder: Path) -> Path:
    path = folder / "mutant"
    path.write_bytes(mutant)
    return path
