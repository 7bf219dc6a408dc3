# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as text."""

from __future__ import annotations

from collections.abc import Sequence

from tests.matrix.rows import Row
from tests.matrix.tasks import WAYS

_WIDTH = 120


def shown(rows: Sequence[Row]) -> str:
    """One block a scenario: a line a point, with what happened there and what became of each way."""
    lines: list[str] = []
    for name in dict.fromkeys(row.point.scenario.name for row in rows):
        mine = [row for row in rows if row.point.scenario.name == name]
        lines += [summary(name, mine), ""]
        for title in dict.fromkeys(row.point.trouble.title for row in mine):
            of = {row.point.way: row for row in mine if row.point.trouble.title == title}
            cells = "  ".join(f"{way}: {_cell(of[way])}" for way in WAYS if way in of)
            lines.append(f"  {title}  {next(iter(of.values())).what[:_WIDTH]:<58} {cells}".rstrip())
        lines.append("")
    return "\n".join(lines)


def summary(name: str, rows: Sequence[Row]) -> str:
    """``<scenario>: resume 36 of 36 (100 %), undo ...``, with the rows in which nothing was hit."""
    parts = []
    for way in WAYS:
        mine = [row for row in rows if row.point.way == way]
        good = sum(row.ok for row in mine)
        if mine:
            missed = len(mine) - sum(row.hit for row in mine)
            aside = f", {missed} met nothing" if missed else ""
            parts.append(f"{way} {good} of {len(mine)} ({100 * good // len(mine)} %{aside})")
    return f"{name}: {', '.join(parts)}; looked at {sum(row.looks for row in rows)} times"


def problems(rows: Sequence[Row]) -> list[str]:
    """One line for everything that did not hold."""
    return [
        f"{row.point.scenario.name}, {row.point.trouble.title.strip()} ({row.what}), {row.point.way}: {problem}"
        for row in rows
        for problem in row.problems
    ]


def _cell(row: Row) -> str:
    text = row.outcome if row.hit else f"no hit, {row.outcome}"
    return f"{text:<24}" if row.ok else f"WRONG: {row.problems[0][:100]}"
