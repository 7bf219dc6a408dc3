# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The swap: the claim's name moves from the volume it has to the staged one, and back when it is undone.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from .._cluster.amend import Ref, amend, read
from .._core.clock import rfc3339
from .._core.operation import Context
from .._core.plan import Json, Step
from .binding import PV, PVC, bound_to
from .names import CLAIM, KEEP_UNTIL, KEPT, OPERATION
from .objects import Object, annotation, delete, label
from .rebind import WAIT_S, Move, free_volume, make_unbound, of_operation, rebind, release, unreserve
from .stage import staged
from .tools import Tools, in_parallel

_AT_ONCE = 32


class RetainVolumes:
    """``volumes.retain_volumes``: no volume goes with its claim, neither the old ones nor the staged ones.

    Params: ``old`` (volume by claim), ``stage`` (step). Result: ``policies``: what each volume had.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        refs = _volumes(step, context)
        found = in_parallel(lambda ref: self._tools.cluster.find(PV, ref.name), refs)
        policies = [v["spec"].get("persistentVolumeReclaimPolicy") if v else "" for v in found]
        return bool(refs) and all(policy == "Retain" for policy in policies)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        refs = _volumes(step, context)
        policies = in_parallel(lambda ref: self._retain(ref, context.operation_id), refs)
        in_parallel(lambda ref: free_volume(self._tools, ref.name, ref.uid), refs)
        return {"policies": {ref.name: policy for ref, policy in zip(refs, policies, strict=True)}}

    def _retain(self, ref: Ref, operation_id: str) -> str:
        """Sets it, and returns what it was before."""
        volume = read(self._tools.cluster, ref)
        # Written beside the policy: after a crash the volume itself still knows what it had.
        present = str(volume["spec"].get("persistentVolumeReclaimPolicy"))
        before = _noted(volume, operation_id) or present
        amend(self._tools.cluster, ref, _policy("Retain", {_BEFORE: f"{before} before {operation_id}"}))
        return before

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The volumes that are live again get back what they had; the others stay retained."""
        for old in filter(None, step.params["old"].values()):
            volume = self._tools.cluster.find(PV, old["name"])
            if volume is None or volume["metadata"]["uid"] != old["uid"]:
                continue
            before = _noted(volume, context.operation_id)
            if before and (volume.get("status") or {}).get("phase") == "Bound":
                amend(self._tools.cluster, Ref(PV, old["name"], "", old["uid"]), _policy(before, {_BEFORE: None}))
        return None


class Swap:
    """``volumes.swap``: every claim in a thread of its own, as each mostly waits for controllers.

    Params: ``namespace``, ``stage`` (step), ``keep_s``, and ``claims``, a list of: ``claim``, ``claim_uid`` (empty
    where there is none), ``old`` (volume or None), ``before`` and ``again`` (how the claim is made, old and new).

    Result: ``volumes``: by claim ``from``, ``to``, ``kept_until``, ``claim_uid``, ``ms``; and ``ms`` of them all.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        made = staged(context, step.params["stage"])
        return bool(made) and all(
            in_parallel(
                lambda item: self._swapped(step.params["namespace"], item["claim"], made[item["claim"]]["volume"]),
                step.params["claims"],
            )
        )

    def _swapped(self, namespace: str, name: str, volume: str) -> bool:
        claim = self._tools.cluster.find(PVC, name, namespace)
        bound = claim is not None and (claim.get("status") or {}).get("phase") == "Bound"
        return bool(claim and bound and bound_to(claim) == volume)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        began, items = self._tools.clock.monotonic(), step.params["claims"]
        rows = in_parallel(lambda item: self._forth(step, item, context), items, _AT_ONCE)
        return {
            "volumes": {item["claim"]: row for item, row in zip(items, rows, strict=True)},
            "ms": round((self._tools.clock.monotonic() - began) * 1000),
        }

    def _forth(self, step: Step, item: Mapping[str, Json], context: Context) -> dict[str, Json]:
        tools, namespace = self._tools, step.params["namespace"]
        began = tools.clock.monotonic()
        made, old = staged(context, step.params["stage"])[item["claim"]], item["old"]
        move = Move(
            namespace,
            item["claim"],
            made["volume"],
            made["volume_uid"],
            item["again"],
            context.operation_id,
            lambda claim: claim["metadata"]["uid"] == item["claim_uid"],
        )
        free_volume(tools, made["volume"], made["volume_uid"])
        until = ""
        if old:
            free_volume(tools, old["name"], old["uid"])
            until = keep(tools, old, f"{namespace}/{move.claim}", step.params["keep_s"], context.operation_id)
        delete(tools, PVC, made["claim"], namespace, made["claim_uid"], timeout_s=WAIT_S)
        claim = rebind(tools, move)
        return {
            "from": old["name"] if old else "",
            "to": made["volume"],
            "kept_until": until,
            "claim_uid": claim["metadata"]["uid"],
            "ms": round((tools.clock.monotonic() - began) * 1000),
        }

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not without the volumes that the claims had."""
        del context
        return next(filter(None, in_parallel(self._lost, step.params["claims"])), None)

    def _lost(self, item: Mapping[str, Json]) -> str:
        old = item["old"]
        volume = self._tools.cluster.find(PV, old["name"]) if old else None
        if not old or (volume is not None and volume["metadata"]["uid"] == old["uid"]):
            return ""
        how = "is gone" if volume is None else "was deleted and made anew"
        return f"the old volume {old['name']} of claim {item['claim']} {how}"

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Binds the claims to the volumes they had; a restored volume is kept as long as the other would have been."""
        in_parallel(lambda item: self._back(step, item, context), step.params["claims"], _AT_ONCE)
        return {
            "back_to": {item["claim"]: item["old"]["name"] if item["old"] else "" for item in step.params["claims"]}
        }

    def _back(self, step: Step, item: Mapping[str, Json], context: Context) -> None:
        tools, namespace, old = self._tools, step.params["namespace"], item["old"]
        made = staged(context, step.params["stage"]).get(item["claim"], {})
        made_by_us = of_operation(context.operation_id)

        def mine(claim: Object) -> bool:
            """Made by this operation, or by the undo of a later one that brought our volume back."""
            return made_by_us(claim) or bool(made and claim["spec"].get("volumeName") == made["volume"])

        if old is not None:
            move = Move(namespace, item["claim"], old["name"], old["uid"], item["before"], context.operation_id, mine)
            rebind(tools, move)
            unkeep(tools, old)
        else:
            self._back_to_no_volume(namespace, item, made, context, mine)
        self._keep_restored(made, f"{namespace}/{item['claim']}", step.params["keep_s"], context)

    def _back_to_no_volume(
        self,
        namespace: str,
        item: Mapping[str, Json],
        made: Mapping[str, Json],
        context: Context,
        mine: Callable[[Object], bool],
    ) -> None:
        """The claim was not there, or there without a volume: then it is made again as it was."""
        there = self._tools.cluster.find(PVC, item["claim"], namespace)
        if there is not None and made and bound_to(there) != made["volume"] and item["before"]:
            return  # the one from before, or the one that this undo has made before it was killed
        release(self._tools, namespace, item["claim"], mine)
        if item["before"]:
            unreserve(self._tools, made, namespace, item["claim"])
            make_unbound(self._tools, namespace, item["claim"], item["before"], context.operation_id)

    def _keep_restored(self, made: Mapping[str, Json], claim: str, keep_s: float, context: Context) -> None:
        """Marks the restored volume, when it was swapped in: one that is still staged goes with its claim."""
        if not made:
            return
        still_staged = self._tools.cluster.find(PVC, made["claim"], claim.partition("/")[0])
        if still_staged is None:
            volume = {"name": made["volume"], "uid": made["volume_uid"]}
            keep(self._tools, volume, claim, keep_s, context.operation_id)


_BEFORE = "knowngood.io/reclaim-policy"


def _noted(volume: Object, operation_id: str) -> str:
    """The policy that this operation found; empty where another one wrote the note: what it found is not what was."""
    policy, dummy, by = annotation(volume, _BEFORE).partition(" before ")
    return policy if by == operation_id else ""


def keep(tools: Tools, volume: Mapping[str, str], claim: str, keep_s: float, operation_id: str) -> str:
    """Labels a volume that is kept, with its expiry; returns the expiry. The first time counts."""
    ref = Ref(PV, volume["name"], "", volume["uid"])
    until = rfc3339((tools.clock.now() + dt.timedelta(seconds=keep_s)).replace(microsecond=0))

    def change(obj: Object) -> Object | None:
        if label(obj, KEPT) and annotation(obj, OPERATION) == operation_id:
            return None
        annotations = {KEEP_UNTIL: until, CLAIM: claim, OPERATION: operation_id}
        return {"metadata": {"labels": {KEPT: "true"}, "annotations": annotations}}

    return annotation(amend(tools.cluster, ref, change), KEEP_UNTIL)


def unkeep(tools: Tools, volume: Mapping[str, str]) -> None:
    """Takes the marks of :func:`keep` off a volume that is live again."""

    def change(obj: Object) -> Object | None:
        if not label(obj, KEPT):
            return None
        return {"metadata": {"labels": {KEPT: None}, "annotations": {KEEP_UNTIL: None, CLAIM: None, OPERATION: None}}}

    amend(tools.cluster, Ref(PV, volume["name"], "", volume["uid"]), change)


def _policy(policy: str, annotations: Mapping[str, str | None]) -> Callable[[Object], Object | None]:
    def change(volume: Object) -> Object | None:
        right = volume["spec"].get("persistentVolumeReclaimPolicy") == policy
        noted = all((annotation(volume, key) or None) == value for key, value in annotations.items())
        if right and noted:
            return None
        return {"spec": {"persistentVolumeReclaimPolicy": policy}, "metadata": {"annotations": dict(annotations)}}

    return change


def _volumes(step: Step, context: Context) -> list[Ref]:
    """The old volumes and the staged ones."""
    old = [Ref(PV, volume["name"], "", volume["uid"]) for volume in step.params["old"].values() if volume]
    made = staged(context, step.params["stage"]).values()
    return old + [Ref(PV, row["volume"], "", row["volume_uid"]) for row in made]
