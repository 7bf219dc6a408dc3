# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of figures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from tests.load.scene import PROTOCOL_VERSIONS, Counts

HEAD = ("what", "connections", *PROTOCOL_VERSIONS, "old served", "new served", "failed", "longest gap", "took", "day")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run came to. ``naive`` and ``single``: failures are what is shown.

    ``news``: it has to have seen a new certificate.
    """

    what: str
    counts: Counts
    old: frozenset[str]
    seconds: float
    naive: bool = False
    single: bool = False
    news: bool = True

    @property
    def wrong(self) -> list[str]:
        """What speaks against it, one line each."""
        if self.naive:
            return [] if self.counts.failed else [f"{self.what}: the control did not fail"]
        if self.single:
            return []
        found = [f"{self.what}: {why}" for why in self.counts.why] if self.counts.failed else []
        seen = bool(set(self.counts.served) - self.old)
        return found if seen or not self.news else [*found, f"{self.what}: nothing new was served"]

    def cells(self) -> tuple[str, ...]:
        counts, served = self.counts, self.counts.served
        old = sum(count for fingerprint, count in served.items() if fingerprint in self.old)
        return (
            self.what,
            f"{counts.ok + counts.failed:,}",
            *(f"{counts.version(name):,}" for name in PROTOCOL_VERSIONS),
            f"{old:,}",
            f"{counts.ok - old:,}",
            f"{counts.failed:,}",
            f"{counts.gap_ms / 1000:.1f} s",
            f"{self.seconds:.0f} s",
            dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        )


def markdown(rows: Sequence[Figures], before: str = "") -> str:
    """The table. Of ``before``, an earlier one, the rows stay that were not measured again."""
    lines = {line.split(" | ")[0]: line for line in before.splitlines()[2:]}
    made = ["| " + " | ".join(row.cells()) + " |" for row in rows]
    lines |= {line.split(" | ")[0]: line for line in made}
    head = ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
    return "\n".join([*head, *lines.values()])
