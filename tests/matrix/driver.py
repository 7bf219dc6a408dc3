# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver fails: each case is a task under a fault, with what has to come of it.

The faults are those of the one driver, so cases run one after the other. Whatever came of the task, once the fault is
over everything is at rest, nothing was lost and nothing is left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.faults import Fault, Faults
from tests.matrix import invariants
from tests.matrix.doors import Ran
from tests.matrix.invariants import Guard
from tests.matrix.scenarios import GOOD, HOOKS, Bench, prepare_prune, prepare_restore, settled
from tests.matrix.tasks import Task, again
from tests.matrix.troubles import clear_error

FIRE, AWAY, FULL = "disk on fire", "not now", "no room"
# How long a slow driver takes to fill a volume; the matrix takes the longer one.
HYDRATION_S = {"short": 6.0, "long": 30.0}


@dataclass(frozen=True, slots=True)
class Case:
    """``faults`` by call, while the task runs or until ``ends_after_s``. ``fails``: what its error says; empty: it
    succeeds. ``also`` says what is wrong with the result of a task that succeeded.
    """

    name: str
    task: str
    faults: dict[str, Fault]
    options: dict[str, Any] = field(default_factory=dict)
    ends_after_s: float = 0
    fails: str = ""
    also: Callable[[Ran], list[str]] = lambda ran: []


def _freeze_is_told(ran: Ran) -> list[str]:
    frozen = ran.result["recovery_points"][0]["freeze_ms"]["c0"]
    return [] if frozen >= 2000 else [f"the writers were held for 2 s at least, freeze_ms says {frozen}"]


def _let_go_at_the_cut(ran: Ran) -> list[str]:
    frozen = ran.result["recovery_points"][0]["freeze_ms"]["c0"]
    return [] if frozen < 3000 else [f"the writers were held until the snapshot was ready: {frozen} ms"]


def _downtime_below(limit_s: float) -> Callable[[Ran], list[str]]:
    def look(ran: Ran) -> list[str]:
        took = ran.result["downtime_s"]
        return [] if took is not None and took < limit_s else [f"the application stood still for {took} s"]

    return look


def cases(hydration_s: float) -> list[Case]:
    """``hydration_s``: how long the driver takes to fill a restored volume in the slow case."""
    cut, stage = {"cut_timeout": 3}, {"stage_timeout": 4}
    return [
        Case("cut: error", "capture", _on("CreateSnapshot", "INTERNAL", FIRE), cut, fails=FIRE),
        Case("cut: unavailable too long", "capture", _on("CreateSnapshot", "UNAVAILABLE", AWAY), cut, 8, AWAY),
        Case("cut: unavailable for a while", "capture", _on("CreateSnapshot", "UNAVAILABLE", AWAY), {}, 3),
        Case("cut: no room", "capture", _on("CreateSnapshot", "RESOURCE_EXHAUSTED", FULL), cut, 8, FULL),
        Case("cut: slow", "capture", {"CreateSnapshot": Fault(delay_s=2)}, also=_freeze_is_told),
        Case(
            "cut: never ready",
            "capture",
            {"CreateSnapshot": Fault(not_ready_s=3600)},
            {"ready_timeout": 4},
            fails="not ready yet",
        ),
        Case("cut: ready late", "capture", {"CreateSnapshot": Fault(not_ready_s=5)}, also=_let_go_at_the_cut),
        Case("restore: error", "restore", _on("CreateVolume", "INTERNAL", FIRE), stage, fails=FIRE),
        Case("restore: no room", "restore", _on("CreateVolume", "RESOURCE_EXHAUSTED", FULL), stage, fails=FULL),
        Case("restore: unavailable for a while", "restore", _on("CreateVolume", "UNAVAILABLE", AWAY), {}, 3),
        Case(
            f"restore: {hydration_s:g} s to fill the volume",
            "restore",
            {"CreateVolume": Fault(delay_s=hydration_s)},
            also=_downtime_below(hydration_s),
        ),
        Case(
            "restore: the new volume cannot be mounted",
            "restore",
            _on("NodePublishVolume", "INTERNAL", FIRE),
            {"ready_timeout": 6},
            14,
            fails="web",
        ),
        Case(
            "prune: the snapshot cannot be deleted for a while", "prune", _on("DeleteSnapshot", "INTERNAL", FIRE), {}, 3
        ),
    ]


def _on(call: str, code: str, message: str) -> dict[str, Fault]:
    return {call: Fault(code=code, message=message)}


def look(bench: Bench, faults: Faults, case: Case, mark: str) -> tuple[str, list[str]]:
    """Runs the case: what the task answered in short, and what is wrong."""
    task = _task(bench, case, mark)
    timer = threading.Timer(case.ends_after_s, faults.clear) if case.ends_after_s else None
    with Guard(bench.tiny, task.words) as guard:
        faults.set(**case.faults)
        if timer:
            timer.start()
        ran = again(bench, task)
        if timer:
            timer.join()
        faults.clear()
        wrong = _answer(case, ran)
        outcome = "it failed, everything was put back" if case.fails else "it succeeded"
        if case.fails and not ran.ok and not ran.result.get("undone"):
            outcome = "it failed, and was undone"
            begun = bench.begun(task)
            back = bench.doors.run("operation", _without_app(bench, begun.id)) if begun else ran
            wrong += [] if back.ok else [f"undo: {back.problem()}"]
        word = GOOD if case.task == "restore" and not case.fails else task.words[0]
        wrong += [*invariants.data_is(bench.tiny, word), *settled(bench, task, 30)]
    bench.tiny.clear()
    return outcome, wrong + guard.broken[:3]


def _without_app(bench: Bench, identity: str) -> dict[str, Any]:
    options = bench.tiny.options(state="undone", id=identity)
    options.pop("app")
    return options


def _task(bench: Bench, case: Case, mark: str) -> Task:
    if case.task == "restore":
        task = prepare_restore(bench, mark)
    elif case.task == "prune":
        task = prepare_prune(bench, mark)
    else:
        bench.tiny.write(mark)
        task = bench.task("recovery_point", (mark,), hooks=HOOKS)
    task.options.update(case.options)
    return task


def _answer(case: Case, ran: Ran) -> list[str]:
    """One clear error where it fails: what it says, that it is no surprise of ours, and what to do next."""
    if not case.fails:
        return case.also(ran) if ran.ok else [ran.problem()]
    return clear_error(ran, case.fails)
