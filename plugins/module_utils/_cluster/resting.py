# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workloads that stand still while an operation goes on, and are not its to start: a quarantine or a person holds them.

They are looked at before and left alone after. Only the way back touches them: a workload that was started since is
stopped for the undo, and started again at its end, with the replicas that it had.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from .._core.application import Workload
from .._core.clock import Clock
from .._core.errors import NotProven
from .._core.operation import Action, Context, LooksAgain
from .._core.plan import Json, Step
from .._core.progress import Reporter
from .amend import Ref, read, read_or_none
from .client import Cluster, Object
from .kinds import named
from .pods import pods_of
from .scale import STOP_TIMEOUT_S, refuse_unstoppable, start, stop
from .stopping import STOPPED, is_stopped


def rest_steps(workload: Workload) -> tuple[Step, Step]:
    """The step before and the step after what needs the workload to stand still."""
    refuse_unstoppable(workload)
    touches = (named(workload.kind, workload.name, workload.namespace),)
    params: dict[str, Json] = {
        "kind": workload.kind,
        "name": workload.name,
        "namespace": workload.namespace,
        "uid": workload.uid,
    }
    after = Step(f"leave {workload.ref} at rest", "workloads.leave_at_rest", touches, params)
    return Step(f"see {workload.ref} at rest", "workloads.see_at_rest", touches, params, after.name), after


@dataclass(frozen=True, slots=True)
class SeeAtRest(LooksAgain):
    """``workloads.see_at_rest``: goes on only while no pod of the workload is there or wanted."""

    cluster: Cluster
    clock: Clock

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        ref = Ref.of(step.params)
        obj = read(self.cluster, ref)
        if not is_stopped(obj) or pods_of(self.cluster, ref):
            # No lost race but a gate: the operation puts itself back, so that it does not stand in isolation's way.
            raise NotProven(
                f"{ref.kind}/{ref.name} runs, though it was to stand still",
                where=ref.where,
                why="it was started, or was not isolated",
                next="isolate or stop it, then run the same task again",
            )
        return {}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Starts what the undo of the step after has stopped. An undo brings back what was, it does not judge it."""
        ref = Ref.of(step.params)
        obj = read_or_none(self.cluster, ref)
        replicas = _stopped_by(obj, context.operation_id) if obj else None
        if replicas is None:
            return None
        # It ran, whatever its marks said, until this very undo stopped it.
        return start(self.cluster, ref, replicas, release=True, ready_timeout_s=0, clock=self.clock)


@dataclass(frozen=True, slots=True)
class LeaveAtRest(LooksAgain):
    """``workloads.leave_at_rest``: whoever holds the workload starts it, not we."""

    cluster: Cluster
    clock: Clock

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del step, context
        return {}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Stops the workload if it runs by now; how many replicas it had is noted on it by the same write."""
        ref = Ref.of(step.params)
        if read_or_none(self.cluster, ref) is None:
            return None
        return stop(self.cluster, ref, context.operation_id, timeout_s=STOP_TIMEOUT_S, clock=self.clock)


def _stopped_by(obj: Object, operation_id: str) -> int | None:
    """How many replicas it had when this operation stopped it; None when this one did not."""
    try:
        kept = json.loads((obj["metadata"].get("annotations") or {}).get(STOPPED, "{}"))
    except ValueError:
        return None
    return int(kept.get("replicas", 1)) if kept.get("by") == operation_id else None


def actions(cluster: Cluster, *, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """``workloads.see_at_rest``, ``workloads.leave_at_rest``."""
    del state_namespace, reporter
    return {
        "workloads.see_at_rest": SeeAtRest(cluster, clock),
        "workloads.leave_at_rest": LeaveAtRest(cluster, clock),
    }
