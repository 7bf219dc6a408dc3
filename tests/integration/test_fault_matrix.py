# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample of the fault matrix: killed anywhere, failed by the API server and by the driver, nothing is lost.

The sample is the same in every run, so that a failure belongs to the change that was made. ``make matrix`` runs all of
it and draws its storms anew; ``KNOWNGOOD_SEED`` takes another sample here. The seed is printed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cluster.faults import Faults
from tests.cluster.handle import Cluster
from tests.matrix import driver, points, table
from tests.matrix.rows import Lane, side_by_side

pytestmark = pytest.mark.rig
LANES, SCHEDULES, CASES = 3, 8, 6
SEED = 20261121


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("KNOWNGOOD_SEED") or SEED)


@pytest.fixture
def say(seed: int, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints, whether the test fails or not."""

    def told(text: str) -> None:
        with capsys.disabled():
            print(f"\nseed {seed}\n{text}")

    return told


def test_killed_or_failed_anywhere_it_goes_on_or_back(
    cluster: Cluster, tmp_path: Path, seed: int, say: Callable[[str], None]
) -> None:
    """A kill in every scenario, one under Ansible, some schedules of API faults."""
    ansible = random.Random(seed).choice(points.by_ansible())
    chosen = [ansible, *points.some_kills(seed, 1), *points.storms(seed, SCHEDULES)]

    rows = side_by_side(cluster, tmp_path, LANES, chosen, lambda row: None)

    say(table.shown(rows))
    assert len(rows) == len(chosen)
    assert table.problems(rows) == []


def test_rotations_killed_or_failed_go_on_or_back_and_no_connection_fails(
    cluster: Cluster, tmp_path: Path, seed: int, say: Callable[[str], None]
) -> None:
    """A kill in the rotation of a leaf, one in its undo, and a schedule of API faults, under clients that count."""
    leaves = [points.scenario("rotation of a leaf"), points.scenario("undo of a leaf's rotation")]
    storm = next(one for one in points.tls_storms(seed, 3) if one.scenario is leaves[0])
    chosen = [*points.some_kills(seed, 1, leaves), storm]

    rows = side_by_side(cluster, tmp_path, LANES, chosen, lambda row: None)

    say(table.shown(rows))
    assert len(rows) == len(chosen)
    assert table.problems(rows) == []


def test_a_driver_that_fails_loses_nothing_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path, faults: Faults, seed: int, say: Callable[[str], None]
) -> None:
    every = driver.cases(driver.HYDRATION_S["short"])
    told, wrong = [], []
    with closing(Lane(cluster, tmp_path)) as lane:
        for number, case in enumerate(random.Random(seed).sample(every, CASES)):
            outcome, found = driver.look(lane.bench(points.scenario("prune")), faults, case, f"driver-{number}")
            told.append(f"  {case.name:<52} {outcome}")
            wrong += [f"{case.name}: {one}" for one in found]

    say("\n".join(told))
    assert len(told) == CASES
    assert wrong == []
