# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rows there are."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.cluster.handle import Cluster
from tests.matrix.rows import Lane, Point
from tests.matrix.scenarios import SCENARIOS
from tests.matrix.tasks import RESUME, UNDO, WAYS, Scenario
from tests.matrix.troubles import AnsibleKill, Kill, Storm
from tests.matrix.wire_scenarios import ROTATIONS

# Scenarios that bad weather comes over, in turn.
STORMY = ("capture, three claims", "restore, one claim", "restore, three claims")
# After which writes Ansible's own runs are killed: in the staging, while it is stopped, in the swap, at the end.
_BY_ANSIBLE = (3, 9, 17, 22, 25, 29)
_ALONE = (3, 17, 25)
# Rotations that it comes over, in turn, with about how many requests each makes.
_ROTATING = (("rotation of a CA", 600), ("rotation of a leaf", 150), ("undo of a leaf's rotation", 120))


def scenario(name: str) -> Scenario:
    return next(one for one in (*SCENARIOS, *ROTATIONS) if one.name == name)


def writes(cluster: Cluster, folder: Path, chosen: Iterable[Scenario]) -> Iterator[tuple[Scenario, int]]:
    """How many writes each task has, found by running it."""
    lane = Lane(cluster, folder / "count")
    try:
        for one in chosen:
            yield one, len(lane.writes(one))
    finally:
        lane.close()


def kills(counted: Iterable[tuple[Scenario, int]]) -> list[Point]:
    """Every write of every scenario, both ways."""
    return [Point(one, Kill(number), way) for one, count in counted for number in range(1, count + 1) for way in WAYS]


def by_ansible() -> list[Point]:
    """Real runs of Ansible: a restore that is killed with its module, or alone; a capture, too."""
    restore, capture = scenario("restore, one claim"), scenario("capture, three claims")
    found = [Point(restore, AnsibleKill(number), way) for number in _BY_ANSIBLE for way in WAYS]
    found += [Point(restore, AnsibleKill(number, alone=True), RESUME) for number in _ALONE]
    return [*found, Point(capture, AnsibleKill(4), RESUME), Point(capture, AnsibleKill(4), UNDO)]


def storms(seed: int, count: int) -> list[Point]:
    """Schedules 1 to ``count``."""
    return [Point(scenario(STORMY[n % 3]), Storm(seed, n), WAYS[n // 3 % 2]) for n in range(1, count + 1)]


def tls_storms(seed: int, count: int) -> list[Point]:
    """The same over rotations."""
    found = []
    for number in range(1, count + 1):
        name, requests = _ROTATING[number % 3]
        found.append(Point(scenario(name), Storm(seed, number, requests), WAYS[number // 3 % 2]))
    return found


def some_kills(seed: int, each: int, scenarios: Sequence[Scenario] = SCENARIOS) -> list[Point]:
    """``each`` kills of every scenario at points that the seed draws, the ways in turn."""
    chance = random.Random(seed)
    return [
        Point(one, Kill(chance.randint(1, one.writes)), WAYS[(index + number) % 2])
        for index, one in enumerate(scenarios)
        for number in range(each)
    ]
