# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of the matrix, run side by side: each troubles one task and looks at what became of it."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.handle import Cluster
from tests.matrix.doors import Doors
from tests.matrix.tasks import RESUME, Place, Scenario
from tests.matrix.troubles import Site, Trouble


@dataclass(frozen=True, slots=True)
class Point:
    """Have ``trouble`` in ``scenario``, then take this way."""

    scenario: Scenario
    trouble: Trouble
    way: str


@dataclass(frozen=True, slots=True)
class Row:
    """``hit``: the trouble came before the task had ended. ``problems`` is empty when every invariant held."""

    point: Point
    hit: bool
    what: str
    outcome: str
    problems: tuple[str, ...]
    looks: int
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.problems


class Lane:
    """One application of each kind, in namespaces of their own, and the processes that work on them."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._doors = Doors(folder)
        self._site = Site(cluster)
        self._benches: dict[Callable[[Cluster, Doors], Any], Any] = {}

    def bench(self, scenario: Scenario) -> Any:
        """The application for the scenario (a :class:`Place`); rows of one kind share one."""
        if scenario.made not in self._benches:
            self._benches[scenario.made] = scenario.made(self._cluster, self._doors)
        return self._benches[scenario.made]

    def drop(self) -> None:
        """A row went wrong: the next one finds new applications."""
        while self._benches:
            self._benches.popitem()[1].remove()

    def close(self) -> None:
        try:
            self.drop()
        finally:
            self._site.close()
            self._doors.close()

    def writes(self, scenario: Scenario) -> tuple[str, ...]:
        """The writes of the task when nobody troubles it."""
        bench = self.bench(scenario)
        task = scenario.prepare(bench, _mark())
        ran = bench.doors.run(task.door, task.options)
        assert ran.ok, f"{scenario.name}: {ran.problem()}"
        return ran.writes

    def row(self, point: Point) -> Row:
        began = time.monotonic()
        hit, what, outcome, looks = False, "", "", 0
        try:
            bench: Place = self.bench(point.scenario)
            task = point.scenario.prepare(bench, _mark())
            with bench.guard(task) as guard:
                hit, what, problems = point.trouble.strike(self._site, bench, task)
                way = point.scenario.resumed if point.way == RESUME else point.scenario.undone
                outcome, wrong = way(bench, task)
            problems = [*problems, *wrong, *guard.broken[:3]]
            looks = guard.looked
            bench.clear()
        except Exception as error:
            problems = [f"{type(error).__name__}: {error}"]
        if problems:
            self.drop()
        return Row(point, hit, what, outcome, tuple(problems), looks, time.monotonic() - began)


def _mark() -> str:
    return f"w-{secrets.token_hex(4)}"


def side_by_side(
    cluster: Cluster,
    folder: Path,
    lanes: int,
    points: Sequence[Point],
    told: Callable[[Row], None],
    *,
    order: Sequence[int] | None = None,
    limit_s: float = float("inf"),
) -> list[Row]:
    """Every point, in ``lanes`` applications at once; rows in the order of the points.

    ``order``: indexes in the order they are begun in. None is begun after ``limit_s``: those have no row.
    """
    left = deque(range(len(points)) if order is None else order)
    rows: dict[int, Row] = {}
    lock = threading.Lock()
    end = time.monotonic() + limit_s

    def work(number: int) -> None:
        with closing(Lane(cluster, folder / f"lane-{number}")) as lane:
            while True:
                with lock:
                    if not left or time.monotonic() > end:
                        return
                    index = left.popleft()
                row = lane.row(points[index])
                with lock:
                    rows[index] = row
                    told(row)

    with ThreadPoolExecutor(lanes) as pool:
        for future in [pool.submit(work, number) for number in range(lanes)]:
            future.result()
    return [rows[index] for index in sorted(rows)]
