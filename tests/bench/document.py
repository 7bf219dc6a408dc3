# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/benchmarks.md: the parts that a run makes stand between marks, the rest is written by hand."""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from .rig import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def facts(program: str, arguments: Sequence[str]) -> dict[str, str]:
    """With what and on what a run was made."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "command": f"`{' '.join(('python -m', program, *arguments))}`",
        "when": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {int(memory.split()[1]) >> 20} GiB",
        "Python": platform.python_version(),
    }


def write(part: str, text: str) -> None:
    """Put ``text`` between the marks of ``part``."""
    put(DOCUMENT, part, text)


def put(document: Path, part: str, text: str) -> None:
    """The same in another page."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, rest = document.read_text().split(begin)
    _old, after = rest.split(end)
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
