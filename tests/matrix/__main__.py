# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``python -m tests.matrix``: the whole matrix on the test cluster, which is started where it is not up.

Parts: ``kills`` (SIGKILL after every write), ``ansible`` (kills of real Ansible runs), ``storms`` (API faults),
``driver`` (driver faults), ``tls-kills`` and ``tls-storms`` (the same for rotations of certificates and CAs). All of
them, unless some are named.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster import lifecycle
from tests.cluster.faults import Faults
from tests.cluster.handle import Cluster
from tests.cluster.instance import Instance
from tests.matrix import driver, points, table
from tests.matrix.rows import Lane, Point, Row, side_by_side
from tests.matrix.scenarios import SCENARIOS
from tests.matrix.wire_scenarios import ROTATIONS

PARTS = ("kills", "ansible", "storms", "driver", "tls-kills", "tls-storms")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--lanes", type=int, default=4, help="applications side by side")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument(
        "--minutes", type=float, default=0, help="begin no row of a part after so long; drawn with the seed"
    )
    parser.add_argument(
        "--after", type=int, default=0, metavar="ROWS", help="leave out the first so many drawn: they ran before"
    )
    parser.add_argument("--storms", type=int, default=300, help="so many schedules")
    parser.add_argument("--tls-storms", type=int, default=60, help="so many schedules of rotations")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    given = parser.parse_args()
    given.parts = given.parts or list(PARTS)
    if wrong := sorted(set(given.parts) - set(PARTS)):
        parser.error(f"no such part: {', '.join(wrong)}")
    return given


def main() -> int:
    given = arguments()
    instance = Instance.chosen()
    was_up = lifecycle.healthy(instance) is not None
    lifecycle.up(instance)
    print(f"seed {given.seed}", flush=True)
    wrong: list[str] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for part in given.parts:
                wrong += run(part, Cluster(instance.kubeconfig(), instance), Path(folder) / part, given)
    finally:
        if not was_up:
            lifecycle.down(instance)
    print("\n".join(wrong) or "every row is as it should be: nothing was lost")
    return 1 if wrong else 0


def run(part: str, cluster: Cluster, folder: Path, given: argparse.Namespace) -> list[str]:
    """One part, with its table printed at the end. Returns what is wrong."""
    began = time.monotonic()
    if part == "driver":
        wrong = driver_faults(cluster, folder)
    else:
        chosen = [point for point in wanted(part, cluster, folder, given) if given.only in point.scenario.name]
        order = list(range(len(chosen)))
        if given.minutes or given.after:
            random.Random(given.seed).shuffle(order)
        limit_s = given.minutes * 60 or float("inf")
        order = order[given.after :]
        rows = side_by_side(cluster, folder, given.lanes, chosen, progress(), order=order, limit_s=limit_s)
        print(f"\n== {part}: {len(rows)} of {len(chosen)} rows\n\n{table.shown(rows)}")
        wrong = table.problems(rows)
    print(f"{part}: {time.monotonic() - began:.0f} s\n", flush=True)
    return wrong


def wanted(part: str, cluster: Cluster, folder: Path, given: argparse.Namespace) -> list[Point]:
    if part == "ansible":
        return points.by_ansible()
    if part == "storms":
        return points.storms(given.seed, given.storms)
    if part == "tls-storms":
        return points.tls_storms(given.seed, given.tls_storms)
    known = ROTATIONS if part == "tls-kills" else SCENARIOS
    chosen = [one for one in known if given.only in one.name]
    return points.kills(points.writes(cluster, folder, chosen))


def progress() -> Callable[[Row], None]:
    """Prints each row as it ends, on standard error: the matrix itself comes at the end."""
    began = time.monotonic()

    def told(row: Row) -> None:
        where = f"{row.point.scenario.name}, {row.point.trouble.title.strip()}, {row.point.way}"
        state = "ok" if row.ok else f"WRONG {row.problems[0]}"
        spent = f"{time.monotonic() - began:7.1f} ({row.seconds:.1f} s)"
        print(f"{spent} {where}: {row.outcome}: {state}", file=sys.stderr, flush=True)

    return told


def driver_faults(cluster: Cluster, folder: Path) -> list[str]:
    lane, faults = Lane(cluster, folder), Faults(cluster.own.faults())
    wrong: list[str] = []
    print("\n== driver\n")
    for number, case in enumerate(driver.cases(driver.HYDRATION_S["long"])):
        outcome, found = driver.look(lane.bench(points.scenario("prune")), faults, case, f"driver-{number}")
        print(f"  {case.name:<52} {outcome}{''.join(f'; WRONG: {one}' for one in found[:2])}", flush=True)
        wrong += [f"{case.name}: {one}" for one in found]
        if found:
            lane.drop()
    lane.close()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
