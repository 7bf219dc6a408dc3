# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix as text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tests.matrix.kills import WAYS, Row

_UNIQUE = re.compile(r"(?<=-)[0-9a-f]{6,}(?=\b|-)|m-[0-9a-f]{6}(-state)?")


def shown(rows: Sequence[Row]) -> str:
    """One block a scenario: a line a point, with the write it was killed after and what became of each way."""
    lines: list[str] = []
    for name in dict.fromkeys(row.point.scenario.name for row in rows):
        mine = [row for row in rows if row.point.scenario.name == name]
        lines += [summary(name, mine), ""]
        for number in sorted({row.point.number for row in mine}):
            of = {row.point.way: row for row in mine if row.point.number == number}
            cells = "  ".join(f"{way}: {_cell(of[way])}" for way in WAYS if way in of)
            lines.append(f"  {number:>3}  {_write(next(iter(of.values()))):<62} {cells}")
        lines.append("")
    return "\n".join(lines)


def summary(name: str, rows: Sequence[Row]) -> str:
    parts = []
    for way in WAYS:
        mine = [row for row in rows if row.point.way == way]
        good = sum(row.ok for row in mine)
        if mine:
            parts.append(f"{way} {good} of {len(mine)} ({100 * good // len(mine)} %)")
    looks = sum(row.looks for row in rows)
    return f"{name}: {', '.join(parts)}; volumes looked at {looks} times"


def problems(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row.point.scenario.name}, killed after write {row.point.number} ({_write(row)}), {row.point.way}: {problem}"
        for row in rows
        for problem in row.problems
    ]


def _cell(row: Row) -> str:
    text = row.outcome if row.killed else f"it had ended, {row.outcome}"
    return f"{text:<22}" if row.ok else f"WRONG: {row.problems[0][:120]}"


def _write(row: Row) -> str:
    """``PATCH persistentvolumes pvc-…`` of a path, without what differs from run to run."""
    method, blank, path = row.write.partition(" ")
    parts = path.split("/")
    kept = parts[5:] if "namespaces" in parts[:5] and parts[1] == "api" else parts[3:]
    if parts[1:2] == ["apis"]:
        kept = parts[6:] if "namespaces" in parts else parts[4:]
    text = "/".join(kept) or path
    return f"{method} {_UNIQUE.sub('…', text)}"[:62]
