# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stating in the ledger that a point was restored, or that a restore was undone.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._cluster.ledger import LedgerStore
from .._core.operation import Context
from .._core.plan import Json, Step
from .._core.statements import RESTORED
from .tools import Tools


class RecordRestore:
    """``volumes.record_restore``. Params: ``target, point, incident, into, stages, swaps, images``."""

    def __init__(self, tools: Tools) -> None:
        self._store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)

    def done(self, step: Step, context: Context) -> bool:
        return self._stated(step, _key(context))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params = step.params
        body = {
            "operation": context.operation_id,
            "incident": params["incident"],
            "into": params["into"],
            "volumes": _volumes(step, context),
            **({"images": params["images"]} if params["images"] else {}),
        }
        statement = self._store.append(params["target"], RESTORED, params["point"], body, key=_key(context))
        return {"seq": statement.seq, "hash": statement.hash}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The ledger forgets nothing: that the restore was undone is stated as well."""
        if not self._stated(step, _key(context)):
            return None
        params = step.params
        body = {
            "operation": context.operation_id,
            "incident": params["incident"],
            "into": params["into"],
            "undone": True,
            "volumes": [{**v, "from": v["to"], "to": v["from"]} for v in _volumes(step, context)],
        }
        statement = self._store.append(params["target"], RESTORED, params["point"], body, key=f"undo:{_key(context)}")
        return {"undone_seq": statement.seq}

    def _stated(self, step: Step, key: str) -> bool:
        return any(statement.key == key for statement in self._store.read(step.params["target"]))


def _key(context: Context) -> str:
    return f"{RESTORED}:{context.operation_id}"


def _volumes(step: Step, context: Context) -> list[dict[str, Json]]:
    """``claim``, ``from`` and ``to`` (volumes); ``as`` is the claim that was made beside it."""
    found: list[dict[str, Json]] = []
    for claim, stage in step.params["stages"].items():
        swap = step.params["swaps"].get(claim)
        if swap:
            done = context.results[swap]
            found.append({"claim": claim, "from": done["from"], "to": done["to"]})
        else:
            made = context.results[stage]
            found.append({"claim": claim, "as": made["claim"], "from": "", "to": made["volume"]})
    return found
