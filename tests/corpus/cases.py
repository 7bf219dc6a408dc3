# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The corpus of reports: each file stands beside what is the right answer to it, and why.

Described in ``sast/README.md``. Used by the unit test that reads all of it and by the table that compares readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent / "sast"
ENDING = ".expect.yml"
PARTS = "parts"
KEYS = frozenset({"about", "source", "scan", "findings", "error", "options"})


@dataclass(frozen=True, slots=True)
class Case:
    """One report. ``expected``: the content of its ``.expect.yml``."""

    path: Path
    expected: dict[str, Any]

    @property
    def name(self) -> str:
        """As in the tables: ``bandit/clean.json``."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def format(self) -> str:
        """The folder it lies in, which is the name of its format."""
        return self.path.relative_to(ROOT).parts[0]


def reports() -> list[Path]:
    """All reports. What lies in a folder ``parts`` belongs to a report beside it and is none itself."""
    return sorted(
        path
        for path in ROOT.glob("*/**/*")
        if path.is_file() and not path.name.endswith(ENDING) and PARTS not in path.relative_to(ROOT).parts
    )


def expectations() -> list[Path]:
    return sorted(ROOT.glob(f"*/**/*{ENDING}"))


def expectation_of(report: Path) -> Path:
    return report.with_name(report.name + ENDING)


def cases() -> list[Case]:
    """The reports that have an expectation, in the order of their names."""
    return [Case(path, loaded(expectation_of(path))) for path in reports() if expectation_of(path).is_file()]


def loaded(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
