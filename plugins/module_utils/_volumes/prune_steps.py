# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of giving a point up: marking it in the ledger, freeing its snapshots, stating that they are gone.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Sequence

from .._cluster.ledger import LedgerStore
from .._cluster.state import ConfigMapJournal
from .._core.errors import Conflict
from .._core.operation import Context, NothingToUndo
from .._core.plan import Json, Step
from .._core.statements import PRUNED, Draft, RecoveryPoint, Statement, fold
from .freeing import free_volumes
from .giving_up import GivingUp
from .tools import Tools
from .usage import Seen, usage


class _Wanted(Conflict):
    """The point is held, or needed, since it was decided to give it up."""


class MarkPruned(NothingToUndo):
    """``volumes.mark_pruned``: from here on nobody restores from the point.

    Params: ``target``, ``namespace``, ``point``, ``reason``. A plan may be older than a hold or a restore: a point that
    is held or in use by now is left alone, which the result says (``kept``).

    The ledger forgets nothing. What was marked and not freed is an orphan, and is found as one.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)

    def done(self, step: Step, context: Context) -> bool:
        del context
        point = _find(self._store.read(step.params["target"]), step.params["point"])
        return point is not None and bool(point.pruned)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params, name = step.params, step.params["point"]
        body = {"reason": params["reason"], "operation": context.operation_id}
        draft = Draft(PRUNED, name, body, f"{PRUNED}:{name}")
        try:
            (made,) = self._store.append_all(params["target"], [draft], check=lambda chain: self._check(chain, step))
        except _Wanted as error:
            return {"kept": error.why}
        return {"seq": made.seq, "hash": made.hash}

    def _check(self, chain: Sequence[Statement], step: Step) -> None:
        """Asked of the very chain that the mark is appended to. Raises _Wanted."""
        point = _find(chain, step.params["point"])
        if point is None or point.pruned:
            return
        if point.held:
            raise _Wanted(f"{point.id} is held", why="it was put on hold after this was planned")
        needs = _needs(self._tools, step.params["namespace"], point)
        if needs:
            raise _Wanted(f"{point.id} is in use", why="; ".join(needs))


class Free(GivingUp):
    """``volumes.free``: params ``target``, ``namespace``, ``point``, ``volumes`` (as the statement has them), ``mark``:
    the step that marked it. Its last act is to state what was freed.

    What was freed is gone for good; the plan said so before it ran.
    """

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params, name = step.params, step.params["point"]
        kept = context.results.get(params["mark"], {}).get("kept")
        if kept:
            return {"kept": kept}
        point = _find(self._store.read(params["target"]), name)
        if point is None or not point.pruned:
            raise Conflict(f"{name} is not marked as given up", why="nothing is freed that may still be restored")
        waiting = [why for why in _needs(self._tools, params["namespace"], point) if "is being made from it" in why]
        if waiting:
            raise Conflict(
                f"the snapshots of {name} are in use",
                why="; ".join(waiting),
                next="wait until those claims are bound, or delete them, then run the same task again",
            )
        free_volumes(self._tools, params["namespace"], params["volumes"], context.operation_id)
        freed = [volume["snapshot_handle"] for volume in params["volumes"]]
        body = {"freed": freed, "operation": context.operation_id}
        self._store.append(params["target"], PRUNED, name, body, key=f"freed:{name}")
        return {"freed": freed}


def _find(chain: Sequence[Statement], name: str) -> RecoveryPoint | None:
    return next((point for point in fold(chain) if point.id == name), None)


def _needs(tools: Tools, namespace: str, point: RecoveryPoint) -> tuple[str, ...]:
    """Who needs the snapshots of a point right now, whether it is marked or not."""
    seen = Seen.of(tools.cluster, ConfigMapJournal(tools.cluster, tools.state_namespace), namespace)
    unmarked = RecoveryPoint(point.id, point.captured)
    return usage(seen, namespace, [unmarked], tools.clock.now()).in_use.get(point.id, ())
