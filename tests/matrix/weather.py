# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bad weather: schedules of API faults, drawn from a seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.matrix.proxy import Fault, Request

# A task of the tiny application asks the API server about this often.
_REQUESTS = 130


@dataclass(frozen=True, slots=True)
class Weather:
    """``faults`` by the number of the request; ``bursts``: from, to (inclusive) and what all requests suffer there."""

    faults: Mapping[int, Fault]
    bursts: tuple[tuple[int, int, Fault], ...]

    def __call__(self, request: Request) -> Fault | None:
        fault = self.faults.get(request.number)
        if fault is None:
            fault = next((f for begin, end, f in self.bursts if begin <= request.number <= end), None)
        return fault if fault and _possible(fault, request) else None

    def __str__(self) -> str:
        single = [f"{number}: {fault}" for number, fault in sorted(self.faults.items())]
        return ", ".join(single + [f"{begin}-{end}: {fault}" for begin, end, fault in self.bursts])


def _possible(fault: Fault, request: Request) -> bool:
    """A server answers 409 to writes, and 410 to what names a version."""
    if fault.code == 409:
        return request.is_write
    if fault.code == 410:
        return "resourceVersion" in request.query or "continue" in request.query
    return True


def draw(seed: int, number: int) -> Weather:
    """Weather ``number`` of a seed: one to six single faults, and in one of three a burst that outlasts a retry."""
    chance = random.Random(f"{seed}:{number}")
    faults = {chance.randint(1, _REQUESTS): _fault(chance) for dummy in range(chance.randint(1, 6))}
    bursts = []
    if chance.random() < 1 / 3:
        begin = chance.randint(1, _REQUESTS)
        fault = chance.choice(
            [Fault("status", 503), Fault("status", 429, retry_after=1), Fault("refuse"), Fault("lose")]
        )
        bursts.append((begin, begin + chance.randint(2, 30), fault))
    return Weather(faults, tuple(bursts))


def _fault(chance: random.Random) -> Fault:
    return chance.choice(
        [
            Fault("status", 409),
            Fault("status", 409),
            Fault("status", 410),
            Fault("status", 429, retry_after=1),
            Fault("status", chance.choice([500, 502, 503, 504])),
            Fault("refuse"),
            Fault("lose"),
            Fault("lose"),
            Fault("halve"),
            Fault("hang", seconds=chance.choice([1.0, 8.0])),
            Fault("slow", seconds=chance.choice([0.3, 2.0])),
        ]
    )
