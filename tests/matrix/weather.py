# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad weather: one schedule of API faults after the other, drawn from a seed."""

from __future__ import annotations

import random

from tests.cluster.strikes import KINDS, Request, Seeded, Strike

# A capture asks the API server about half as often as this, a restore of three claims twice as often.
REQUESTS = 80


class Weather:
    """Fine for the first ``fine`` requests, then as ``seeded`` has it: so that it also comes over tasks half done."""

    def __init__(self, fine: int, seeded: Seeded) -> None:
        self.fine, self.seeded = fine, seeded
        self._seen = 0

    def strike(self, request: Request) -> Strike | None:
        self._seen += 1
        return self.seeded.strike(request) if self._seen > self.fine else None


def draw(seed: int, number: int, requests: int = REQUESTS) -> Weather:
    """Schedule ``number`` of a seed: a drizzle of all kinds, a shower of few, or a storm that outlasts every retry."""
    chance = random.Random(f"{seed}:{number}")
    kinds = KINDS if chance.random() < 0.5 else tuple(chance.sample(KINDS, chance.randint(1, 4)))
    rate = chance.choice([0.02, 0.05, 0.1, 0.2])
    # What hangs longer than the client's patience is rare, for it is slow.
    seconds = chance.choice([0.3, 1, 8]) if rate < 0.1 else chance.choice([0.2, 1])
    seeded = Seeded(
        chance.randrange(2**32),
        rate=rate,
        kinds=kinds,
        streak=chance.choice([1, 2, 8]),
        most=chance.choice([0, 0, 4]),
        seconds=seconds,
    )
    return Weather(chance.choice([0, chance.randint(0, requests)]), seeded)
