# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stating in the ledger that a point was restored, or that a restore was undone.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.ledger import LedgerStore
from .._core.operation import Context, UndoneLast
from .._core.plan import Json, Step
from .._core.statements import RESTORED
from .restore_wish import CLUSTER, NAMESPACE
from .stage import staged
from .tools import Tools


class RecordRestore(UndoneLast):
    """``volumes.record_restore``. Params: ``target, point, incident, into, namespace, cluster,
    stage, swap, manifest, images``."""

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
            **_place(params),
            "volumes": _volumes(step, context),
            **_manifests(step, context),
            **({"images": params["images"]} if params["images"] else {}),
        }
        statement = self._store.append(params["target"], RESTORED, params["point"], body, key=_key(context))
        return {"seq": statement.seq, "hash": statement.hash}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The ledger forgets nothing: that the restore was undone is stated as well, once the volumes are back."""
        if not self._stated(step, _key(context)):
            return None
        params = step.params
        body = {
            "operation": context.operation_id,
            "incident": params["incident"],
            "into": params["into"],
            **_place(params),
            "undone": True,
            "volumes": [{**v, "from": v["to"], "to": v["from"]} for v in _volumes(step, context)],
        }
        statement = self._store.append(params["target"], RESTORED, params["point"], body, key=f"undo:{_key(context)}")
        return {"undone_seq": statement.seq}

    def _stated(self, step: Step, key: str) -> bool:
        return any(statement.key == key for statement in self._store.read(step.params["target"]))


def _key(context: Context) -> str:
    return f"{RESTORED}:{context.operation_id}"


def _place(params: Mapping[str, Json]) -> dict[str, Json]:
    """Where to, when that was another namespace or another cluster (its uid)."""
    if params["into"] not in (NAMESPACE, CLUSTER):
        return {}
    return {"namespace": params["namespace"], **({"cluster": params["cluster"]} if params["cluster"] else {})}


def _manifests(step: Step, context: Context) -> dict[str, Json]:
    """By claim, without the path on the controller."""
    made = context.results.get(step.params["manifest"], {}).get("manifests") or {}
    rows = {claim: {k: v for k, v in row.items() if k != "path"} for claim, row in made.items()}
    return {"manifests": rows} if rows else {}


def _volumes(step: Step, context: Context) -> list[dict[str, Json]]:
    """``claim``, ``from`` and ``to`` (volumes); ``as`` is the claim that was made beside it."""
    swap = step.params["swap"]
    if swap:
        swapped: Mapping[str, Mapping[str, Json]] = context.results[swap]["volumes"]
        return [{"claim": claim, "from": row["from"], "to": row["to"]} for claim, row in swapped.items()]
    made = staged(context, step.params["stage"])
    return [{"claim": claim, "as": row["claim"], "from": "", "to": row["volume"]} for claim, row in made.items()]
