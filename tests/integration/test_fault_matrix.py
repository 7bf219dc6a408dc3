# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A sample of the fault matrix: killed anywhere, failed by the API server, nothing is lost. ``make matrix`` runs all.

``KNOWNGOOD_SEED`` repeats a sample; the seed is printed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.handle import Cluster
from tests.matrix import points, table
from tests.matrix.rows import Point, side_by_side

pytestmark = pytest.mark.rig
LANES = 3


@pytest.fixture(scope="module")
def seed() -> int:
    return int(os.environ.get("KNOWNGOOD_SEED") or random.SystemRandom().randrange(2**32))


@pytest.fixture
def wrong(
    cluster: Cluster, tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> Callable[[list[Point]], list[str]]:
    """Runs the points, prints their part of the matrix, and gives what does not hold."""

    def run(chosen: list[Point]) -> list[str]:
        rows = side_by_side(cluster, tmp_path, LANES, chosen, lambda row: None)
        with capsys.disabled():
            print(f"\nseed {seed}\n{table.shown(rows)}")
        assert len(rows) == len(chosen)
        return table.problems(rows)

    return run


def test_killed_after_a_write_it_goes_on_or_back(wrong: Callable[[list[Point]], list[str]], seed: int) -> None:
    assert wrong(points.some_kills(seed, 2)) == []


def test_killed_as_ansible_runs_it(wrong: Callable[[list[Point]], list[str]]) -> None:
    every = points.by_ansible()
    module = [point for point in every if not point.trouble.alone]
    alone = [point for point in every if point.trouble.alone]
    assert wrong([module[5], alone[1]]) == []


def test_in_bad_weather_it_succeeds_or_says_what_is_wrong(wrong: Callable[[list[Point]], list[str]], seed: int) -> None:
    assert wrong(points.storms(seed, 8)) == []
