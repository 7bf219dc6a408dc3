# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call of this package works with: the cluster, the engine, the ledger; and how plans are run and shown.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._cluster import freezing, ledger, resting, scale
from .._cluster.client import Cluster
from .._cluster.ledger import LedgerStore
from .._cluster.state import engine as make_engine
from .._core.clock import Clock, SystemClock
from .._core.errors import BadInput, KnownGoodError, TakenOver
from .._core.operation import Engine, Outcome, Seen
from .._core.plan import Json, Plan
from .._core.ports import Operation
from .._core.progress import Reporter
from .actions import actions
from .other_cluster import OtherCluster

_HINT = "run the same task again to go on"


@dataclass(frozen=True, slots=True)
class House:
    """One call's tools. ``check_mode``: plans are made and shown, nothing is written.

    ``elsewhere``: a second cluster to restore into.
    """

    cluster: Cluster
    engine: Engine
    store: LedgerStore
    clock: Clock
    check_mode: bool
    elsewhere: OtherCluster | None = None


def house(
    cluster: Cluster,
    state_namespace: str,
    *,
    reporter: Reporter,
    stopping: Callable[[], bool],
    check_mode: bool,
    clock: Clock | None = None,
    elsewhere: OtherCluster | None = None,
) -> House:
    """The tools for this cluster."""
    ticking = clock or SystemClock()
    known = {
        **ledger.actions(cluster, state_namespace=state_namespace, clock=ticking, reporter=reporter),
        **scale.actions(cluster, state_namespace=state_namespace, clock=ticking, reporter=reporter),
        **freezing.actions(cluster, state_namespace=state_namespace, clock=ticking, reporter=reporter),
        **resting.actions(cluster, state_namespace=state_namespace, clock=ticking, reporter=reporter),
        **actions(
            cluster,
            state_namespace=state_namespace,
            clock=ticking,
            reporter=reporter,
            elsewhere=elsewhere.cluster if elsewhere else None,
        ),
    }
    engine = make_engine(cluster, state_namespace, known, reporter=reporter, stopping=stopping, clock=ticking)
    store = LedgerStore(cluster, state_namespace, clock=ticking)
    return House(cluster, engine, store, ticking, check_mode, elsewhere)


def need_snapshots(cluster: Cluster) -> None:
    """Raises BadInput where the cluster has no snapshot API."""
    missing = [kind for kind in ("VolumeSnapshot", "VolumeSnapshotContent") if not cluster.serves(kind)]
    if missing:
        raise BadInput(
            "the cluster cannot make volume snapshots",
            where=cluster.server,
            why=f"it does not serve {', '.join(missing)} of snapshot.storage.k8s.io/v1",
            next="install the CRDs and the snapshot controller of kubernetes-csi/external-snapshotter",
        )


def shown(plan: Plan, *, changed: bool, operation: Operation | None = None) -> dict[str, Json]:
    """The keys that every changing door returns. Steps that the operation has done are shown as done."""
    rows = plan.shown()
    if operation is not None:
        for row in rows:
            done = operation.entry(row["name"]).state == "done"
            row["state"] = "done" if done else row["state"]
    return {
        "changed": changed,
        "plan": rows,
        "plan_hash": plan.hash,
        "operation": operation.id if operation else "",
    }


def run(
    house: House,
    plan: Plan,
    facts: Mapping[str, Json],
    undo_after: Callable[[str, KnownGoodError], bool],
    seen: Seen | None = None,
) -> Outcome:
    """Runs a plan. Where it fails and ``undo_after(step, error)`` says so, what was done is put back at once.
    What another run has taken over meanwhile is left to that one.

    ``seen``: the operations there were before the plan was made (:meth:`Engine.run`).

    The error goes on to the caller and says which of the two it is.
    """
    try:
        return house.engine.run(plan, facts, seen=seen)
    except KnownGoodError as error:
        operation = str(error.details.get("operation") or "")
        if operation and not isinstance(error, TakenOver) and undo_after(str(error.details.get("step") or ""), error):
            _undo(house, operation, error)
        raise


def _undo(house: House, operation: str, error: KnownGoodError) -> None:
    try:
        house.engine.undo(operation, own=True)
    except TakenOver as other:
        error.why += f"; not put back: {other.what} ({other.why})"
        error.next = other.next
        return
    except KnownGoodError as second:
        error.why += f"; putting it back failed as well: {second.what} ({second.why})"
        again = "run the same task again: it puts everything back, then begins anew"
        error.next = f"{again}; or only put it back: knowngood.kube.operation id={operation} state=undone"
        return
    error.details = {**error.details, "undone": True}
    error.why += "; everything was put back"
    own = error.next.partition(_HINT)[0].removesuffix("; then ").strip()
    error.next = own or "mend the cause, then run the same task again"
