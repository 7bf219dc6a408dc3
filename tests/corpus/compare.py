# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of docs/sast_comparison.md: every report of the corpus, the right answer, ours, and that of each peer.

``make sast-table`` runs it: all readers over all reports in one run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.policy import Policy
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report

from .cases import Case, cases
from .judge import faults, right_answer
from .match import differences
from .peers import Peer, peers

PAGE = Path(__file__).parents[2] / "docs" / "sast_comparison.md"
RIGHT, NOT_READ, NOT_ASKED = "right", "–", "not asked"

_INTRODUCTION = """\
# What readers make of the same reports

Made by `make sast-table`: every report of [tests/corpus/sast](../tests/corpus/sast/README.md), read by us and by the
peers that can be installed and run, in one run. The reports are made by hand; each stands for something that is easily
read wrong. What is right was written by hand, too, with the section that makes it right, and stands beside each report
as `<report>.expect.yml`. `tests/unit/sast/test_corpus.py` holds us to it.

A peer is judged by what it shows, in its own terms: SARIF levels, or impacts as InSpec documents them. What it does not
show (the scan's status apart) is not counted against it. "{not_read}" means that it has no reader for the format,
"{not_asked}" that the right answer depends on an option of ours. The look-alikes hold what their case needs; where a
peer says 0 findings it may miss a part that reports of the real tool always have (Fortify, Veracode).
"""


def options_of(case: Case) -> ReadOptions:
    given = dict(case.expected.get("options") or {})
    if "policy" in given:
        given["policy"] = Policy.from_dict(given["policy"])
    return ReadOptions(**given)


def ours(case: Case) -> list[str]:
    """Where our answer differs from the expectation."""
    wanted = case.expected
    try:
        with read_report(case.path, options=options_of(case)) as outcome:
            if "error" in wanted:
                return ["reads it"]
            found = differences(wanted["scan"], outcome.scan.to_dict(), "scan")
            if "findings" in wanted:
                found += differences(wanted["findings"], list(outcome.records()), "findings")
            return found
    except BadInput as error:
        return [] if wanted.get("error", "\0") in str(error) else [f"refuses it: {error}"]


def asked(peer: Peer, every: list[Case]) -> dict[str, str]:
    """The peer's cell for each report."""
    cells = dict.fromkeys((case.name for case in every), NOT_READ)
    taken = [(case, form) for case in every if (form := peer.takes(case))]
    cells.update((case.name, NOT_ASKED) for case, _form in taken if _by_option(case))
    taken = [(case, form) for case, form in taken if not _by_option(case)]
    for (case, _form), answer in zip(taken, peer.ask(taken), strict=True):
        told = "; ".join(faults(case, answer)).replace(str(case.path), case.path.name)
        cells[case.name] = told or RIGHT
    return cells


def _by_option(case: Case) -> bool:
    """Whether the right answer is right only by an option of ours."""
    return bool(set(case.expected.get("options") or {}) - {"format"})


def page(every: list[Case], columns: dict[str, dict[str, str]], known: list[Peer]) -> str:
    """``columns``: by reader, the cell of each report."""
    parts = [_INTRODUCTION.format(not_read=NOT_READ, not_asked=NOT_ASKED), _summary(every, columns, known)]
    for form in dict.fromkeys(case.format for case in every):
        parts.append(_section(form, [case for case in every if case.format == form], columns))
    return "\n".join(parts)


def _summary(every: list[Case], columns: dict[str, dict[str, str]], known: list[Peer]) -> str:
    about = {peer.name: peer.about for peer in known} | {"ours": "this collection"}
    lines = ["## In numbers", "", "| Reader | | Reports read | Right | Wrong |", "|---|---|--:|--:|--:|"]
    for name, cells in columns.items():
        read = [cell for cell in cells.values() if cell not in (NOT_READ, NOT_ASKED)]
        right = sum(cell == RIGHT for cell in read)
        lines.append(f"| {name} | {about[name]} | {len(read)} of {len(every)} | {right} | {len(read) - right} |")
    unread = [
        form
        for form in dict.fromkeys(case.format for case in every)
        if all(columns[peer.name][case.name] == NOT_READ for peer in known for case in every if case.format == form)
    ]
    return "\n".join([*lines, "", f"No peer has a reader for: {', '.join(unread)}.", ""])


def _section(form: str, some: list[Case], columns: dict[str, dict[str, str]]) -> str:
    shown = [name for name, cells in columns.items() if any(cells[case.name] != NOT_READ for case in some)]
    head = ["Report", "What is easily read wrong", "Right answer", "By", *shown]
    lines = [f"## {form}", "", _line(head), "|" + "---|" * len(head)]
    for case in some:
        said = (columns[name][case.name] for name in shown)
        name = case.name.partition("/")[2]
        lines.append(_line([name, case.expected["about"], right_answer(case), case.expected["source"], *said]))
    return "\n".join([*lines, ""])


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    """Text of reports and complaints of readers, harmless in a table."""
    flat = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in " ".join(text.split()))
    for char in "\\|<>`*_[]#":
        flat = flat.replace(char, "\\" + char)
    return flat if len(flat) <= 260 else flat[:257] + "..."


def main(home: Path, say: Callable[[str], object] = print) -> int:
    every, known = cases(), peers(home)
    columns = {"ours": {case.name: "; ".join(ours(case)) or RIGHT for case in every}}
    for peer in known:
        say(f"{peer.name} ...")
        columns[peer.name] = asked(peer, every)
    PAGE.write_text(page(every, columns, known), encoding="utf-8")
    wrong = [name for name, cell in columns["ours"].items() if cell != RIGHT]
    say(
        f"{len(every)} reports, {len(known)} peers: {PAGE.name}"
        + (f"; ours is wrong: {', '.join(wrong)}" if wrong else "")
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
