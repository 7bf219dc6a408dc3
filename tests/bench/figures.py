# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was measured, against what was wanted, as a table. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Measure:
    """Repeated readings of one thing in one unit; the median counts."""

    name: str
    readings: tuple[float, ...]
    unit: str = "s"
    note: str = ""

    @property
    def value(self) -> float:
        return median(self.readings)

    def __str__(self) -> str:
        text = f"{_number(self.value)} {self.unit}"
        if len(self.readings) > 1:
            text += " (" + ", ".join(_number(one) for one in self.readings) + ")"
        return text


@dataclass(frozen=True, slots=True)
class Target:
    """A value and its bound: ``most`` or ``least``, whichever is given. A value of None was not measured."""

    name: str
    value: float | None
    most: float | None = None
    least: float | None = None
    unit: str = ""

    @property
    def met(self) -> str:
        if self.value is None:
            return "not measured"
        low = self.least is None or self.value >= self.least
        return "yes" if low and (self.most is None or self.value <= self.most) else "**no**"

    @property
    def wanted(self) -> str:
        bound = f"at most {_number(self.most)}" if self.most is not None else f"at least {_number(self.least or 0)}"
        return f"{bound} {self.unit}".strip()

    @property
    def shown(self) -> str:
        return "-" if self.value is None else f"{_number(self.value)} {self.unit}".strip()


@dataclass(slots=True)
class Section:
    """One question: what was measured and which targets it answers. ``load``: 1-minute average before and after."""

    title: str
    how: str
    measures: list[Measure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    load: tuple[float, float] = (0, 0)


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def section_text(section: Section) -> str:
    parts = [f"### {section.title}", section.how]
    if section.measures:
        rows = [(one.name, str(one), one.note) for one in section.measures]
        parts.append(table(("measured", "median (each)", ""), rows))
    if section.targets:
        parts.append(
            table(("target", "wanted", "is", "met"), [(t.name, t.wanted, t.shown, t.met) for t in section.targets])
        )
    parts += [f"- {note}" for note in section.notes]
    parts.append(
        f"Load average of the machine ({os.cpu_count()} cores) before and after: "
        f"{section.load[0]:.1f}, {section.load[1]:.1f}."
    )
    return "\n\n".join(parts)


def report(sections: Iterable[Section], facts: dict[str, str]) -> str:
    """The part of a document that a run makes."""
    return "\n\n".join([table(("", ""), list(facts.items())), *(section_text(one) for one in sections)]) + "\n"
