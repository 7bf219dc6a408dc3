# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clearing away old journals: which of them nobody needs any more, and taking those off.

A journal is needed while its operation is unfinished or can still be undone, while a workload that it isolated is held,
while an object bears its note of what it froze and never put back, and while its incident goes on (asked again for the
same incident, what was done once must not be done twice). That of a restore that was abandoned half-way stays: it alone
tells that the volumes it kept must not be freed by their time.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .._core.clock import parse_time
from .._core.errors import Denied
from .._core.plan import Step
from .._core.ports import ABANDONED, FINISHED, Operation
from .amend import Ref, read_or_none
from .client import Cluster
from .holding import frozen_by
from .ledger import LedgerStore
from .owners import controller_of
from .quarantine_holds import Hold, holds
from .stopping import STOPPABLE
from .undo_order import undo_first

_FREEZES = ("workloads.freeze", "workloads.pause")
"""Actions that leave a note on the object that their parameters name."""


@dataclass(frozen=True, slots=True)
class Needed:
    """Operations that hold an object, and incidents that hold a workload or a recovery point."""

    operations: frozenset[str] = frozenset()
    incidents: frozenset[str] = frozenset()

    def covers(self, operation: Operation) -> bool:
        """Is the journal needed for one of these? An incident is part of the key of what was done for it."""
        return operation.id in self.operations or any(word in operation.plan.key for word in self.incidents if word)


def old(operations: Sequence[Operation], now: dt.datetime, older_than_s: float) -> list[Operation]:
    """Those that ended so long ago, and cannot be undone any more where that has an end. Newest first. Pure.

    The newest operation of each target is never among them: the ids of later ones follow from it.
    """
    ordered = sorted(operations, key=lambda op: (op.started, op.id), reverse=True)
    newest = {op.plan.target: op.id for op in reversed(ordered)}
    return [op for op in ordered if op.id != newest[op.plan.target] and _over(op, now, older_than_s)]


def _over(operation: Operation, now: dt.datetime, older_than_s: float) -> bool:
    if operation.unfinished or not operation.ended:
        return False
    if operation.state == ABANDONED and operation.plan.kind == "restore" and operation.left:
        return False
    until = str(operation.facts.get("undo_until") or "")
    if until and operation.state == FINISHED and parse_time(until) > now:
        return False
    return (now - parse_time(operation.ended)).total_seconds() > older_than_s


def clearable(operations: Sequence[Operation], candidates: Iterable[Operation], needed: Needed) -> list[Operation]:
    """Of the candidates those that are not needed, newest first. Pure.

    One that has to be undone before an earlier one stays as long as the earlier one does.
    """
    going = {op.id for op in candidates if not needed.covers(op)}
    for op in sorted(operations, key=lambda op: (op.started, op.id)):
        stays = op.id not in going and (op.unfinished or op.state == FINISHED)
        later = undo_first(op, [other for other in operations if other.id in going]) if stays else None
        while later is not None:
            going.discard(later.id)
            later = undo_first(op, [other for other in operations if other.id in going])
    return sorted((op for op in operations if op.id in going), key=lambda op: (op.started, op.id), reverse=True)


def find_needed(cluster: Cluster, state_namespace: str, targets: Iterable[str]) -> Needed:
    """What the ledgers and the workloads of these applications hold."""
    operations: set[str] = set()
    incidents: set[str] = set()
    chosen = sorted(set(targets))
    store = LedgerStore(cluster, state_namespace)
    for target in chosen:
        incidents.update(hold.incident for point in store.points(target) for hold in point.holds)
    for namespace in sorted({target.partition("/")[0] for target in chosen}):
        for hold in _held(cluster, namespace):
            operations.add(hold.operation)
            incidents.add(hold.incident)
    return Needed(frozenset(operations), frozenset(incidents))


def still_frozen(cluster: Cluster, operations: Iterable[Operation]) -> frozenset[str]:
    """The abandoned ones whose note an object bears, or may bear: every other one has put back what it froze."""
    given_up = [op for op in operations if op.state == ABANDONED]
    return frozenset(op.id for op in given_up for step in op.left if _bears_note(cluster, step, op.id))


def _bears_note(cluster: Cluster, step: Step, operation_id: str) -> bool:
    if step.action not in _FREEZES:
        return False
    try:
        obj = read_or_none(cluster, Ref.of(step.params))
    except Denied:
        return True
    return obj is not None and frozen_by(obj) == operation_id


def _held(cluster: Cluster, namespace: str) -> Iterator[Hold]:
    """The holders of workloads. What a workload makes is left out: marks are copied to it, and stay there."""
    for kind in (*STOPPABLE, "Pod"):
        for obj in cluster.list(kind, namespace):
            if (controller_of(obj) or {}).get("kind") not in STOPPABLE:
                yield from holds(obj)
