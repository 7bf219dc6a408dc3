# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The count of everything that was dropped, defaulted, replaced or cut, so that nothing is silent."""

from __future__ import annotations

from typing import Any, TypeAlias

Counted: TypeAlias = "dict[str, tuple[int, int]]"


class Tally:
    """Warnings by code (with the first example) and truncations by what was cut."""

    def __init__(self) -> None:
        self.weight = 1
        """How many equal cases a warning stands for, while equal results are looked at once."""
        self._warnings: dict[str, list[Any]] = {}
        self._cuts: dict[str, list[int]] = {}

    def warn(self, code: str, text: str, first: str = "") -> None:
        """One more case of ``code``. ``first`` should already be fit to be shown; only the first one is kept."""
        entry = self._warnings.get(code)
        if entry is None:
            self._warnings[code] = [self.weight, text, first]
        else:
            entry[0] += self.weight

    def cut(self, what: str, kept: int, seen: int) -> None:
        """A cap was reached: of ``seen`` only ``kept`` were taken. Calls for the same ``what`` add up."""
        entry = self._cuts.setdefault(what, [0, 0])
        entry[0] += kept
        entry[1] += seen

    def marks(self) -> Counted:
        """Where all counts stand: code or what -> (warnings or kept, seen)."""
        counts = {f"warning {code}": (entry[0], 0) for code, entry in self._warnings.items()}
        return counts | {f"cut {what}": (kept, seen) for what, (kept, seen) in self._cuts.items()}

    def since(self, marks: Counted) -> Counted:
        """What was counted since the counts stood there."""
        found = {}
        for key, (one, two) in self.marks().items():
            was = marks.get(key, (0, 0))
            if (one, two) != was:
                found[key] = (one - was[0], two - was[1])
        return found

    def repeat(self, counted: Counted, times: int) -> None:
        """The same once more, so many times (fewer than none: that often too many)."""
        for key, (one, two) in counted.items():
            kind, name = key.split(" ", 1)
            if kind == "warning":
                self._warnings[name][0] += one * times
            else:
                self._cuts[name][0] += one * times
                self._cuts[name][1] += two * times

    @property
    def warnings(self) -> tuple[dict[str, Any], ...]:
        return tuple(
            {"code": code, "count": count, "text": text, "first": first}
            for code, (count, text, first) in sorted(self._warnings.items())
        )

    @property
    def truncated(self) -> tuple[dict[str, Any], ...]:
        return tuple({"what": what, "kept": kept, "seen": seen} for what, (kept, seen) in sorted(self._cuts.items()))
