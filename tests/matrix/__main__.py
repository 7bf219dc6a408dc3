# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.matrix``: the whole matrix on the test cluster, which is started where it is not up.

``--kills N``: at most N points, drawn with the seed. ``--only TEXT``: scenarios with that text in their name.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster import lifecycle
from tests.cluster.handle import Cluster
from tests.cluster.instance import Instance
from tests.matrix import table
from tests.matrix.kills import Lane, Point, Row, all_points, side_by_side
from tests.matrix.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    instance = Instance.chosen()
    was_up = lifecycle.healthy(instance) is not None
    lifecycle.up(instance)
    cluster = Cluster(instance.kubeconfig(), instance)
    print(f"seed {given.seed}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = kills(cluster, Path(folder), given)
    finally:
        if not was_up:
            lifecycle.down(instance)
    print(table.shown(rows))
    wrong = table.problems(rows)
    print("\n".join(wrong) or f"{len(rows)} of {len(rows)} rows: nothing was lost")
    return 1 if wrong else 0


def kills(cluster: Cluster, folder: Path, given: argparse.Namespace) -> list[Row]:
    chosen = [scenario for scenario in SCENARIOS if given.only in scenario.name]
    points: list[Point] = []
    lane = Lane(cluster, folder / "count")
    for scenario in chosen:
        writes = lane.writes(scenario)
        print(f"{scenario.name}: {len(writes)} writes", flush=True)
        points += all_points(scenario, len(writes))
    lane.close()
    if given.kills and given.kills < len(points):
        points = sorted(random.Random(given.seed).sample(points, given.kills), key=points.index)
        print(f"a sample of {given.kills} points")
    began = time.monotonic()

    def told(row: Row) -> None:
        state = "ok" if row.ok else f"WRONG {row.problems[0]}"
        where = f"{row.point.scenario.name} {row.point.number} {row.point.way}"
        print(f"{time.monotonic() - began:7.1f} {where}: {row.outcome}: {state} ({row.seconds:.1f} s)", flush=True)

    return side_by_side(cluster, folder, given.lanes, points, told)


if __name__ == "__main__":
    sys.exit(main())
