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
from .names import CLAIM, KEEP_UNTIL, KEPT, OPERATION
from .objects import Object, annotation, delete, label
from .rebind import WAIT_S, Move, free_volume, of_operation, rebind, release
from .stage import PV, PVC
from .tools import Tools


class RetainVolumes:
    """``volumes.retain_volumes``: no volume goes with its claim, neither the old ones nor the staged ones.

    Params: ``old`` (volume by claim), ``stages`` (step by claim). Result: ``policies``: what each volume had.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        refs = _volumes(step, context)
        found = [self._tools.cluster.find(PV, ref.name) for ref in refs]
        policies = [v["spec"].get("persistentVolumeReclaimPolicy") if v else "" for v in found]
        return bool(refs) and all(policy == "Retain" for policy in policies)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        refs = _volumes(step, context)
        policies = {}
        for ref in refs:
            volume = read(self._tools.cluster, ref)
            # Written beside the policy: after a crash the volume itself still knows what it had.
            present = str(volume["spec"].get("persistentVolumeReclaimPolicy"))
            before = _noted(volume, context.operation_id) or present
            amend(self._tools.cluster, ref, _policy("Retain", {_BEFORE: f"{before} before {context.operation_id}"}))
            policies[ref.name] = before
        for ref in refs:
            free_volume(self._tools, ref.name, ref.uid)
        return {"policies": policies}

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
    """``volumes.swap``. Params: ``namespace``, ``claim``, ``claim_uid``, ``stage`` (step), ``old`` (volume or None),
    ``before`` and ``again`` (how the claim is made, old and new), ``keep_s``.

    Result: ``claim``, ``from``, ``to``, ``kept_until``, ``claim_uid``, ``ms``.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        staged = context.results.get(step.params["stage"], {})
        claim = self._tools.cluster.find(PVC, step.params["claim"], step.params["namespace"])
        bound = claim is not None and (claim.get("status") or {}).get("phase") == "Bound"
        return bool(claim and bound and staged and claim["spec"].get("volumeName") == staged["volume"])

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params, tools = step.params, self._tools
        began = tools.clock.monotonic()
        staged, old = context.results[params["stage"]], params["old"]
        move = Move(
            params["namespace"],
            params["claim"],
            staged["volume"],
            staged["volume_uid"],
            params["again"],
            context.operation_id,
            lambda claim: claim["metadata"]["uid"] == params["claim_uid"],
        )
        free_volume(tools, staged["volume"], staged["volume_uid"])
        until = ""
        if old:
            free_volume(tools, old["name"], old["uid"])
            until = keep(tools, old, f"{move.namespace}/{move.claim}", params["keep_s"], context.operation_id)
        delete(tools, PVC, staged["claim"], move.namespace, staged["claim_uid"], timeout_s=WAIT_S)
        claim = rebind(tools, move)
        return {
            "claim": params["claim"],
            "from": old["name"] if old else "",
            "to": staged["volume"],
            "kept_until": until,
            "claim_uid": claim["metadata"]["uid"],
            "ms": round((tools.clock.monotonic() - began) * 1000),
        }

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Binds the claim to the volume it had; the restored volume is kept as long as the other would have been."""
        params, tools = step.params, self._tools
        old, staged = params["old"], context.results.get(params["stage"], {})
        made_by_us = of_operation(context.operation_id)

        def mine(claim: Object) -> bool:
            """Made by this operation, or by the undo of a later one that brought our volume back."""
            return made_by_us(claim) or bool(staged and claim["spec"].get("volumeName") == staged["volume"])

        if old is None:
            release(tools, params["namespace"], params["claim"], mine)
        else:
            move = Move(
                params["namespace"],
                params["claim"],
                old["name"],
                old["uid"],
                params["before"],
                context.operation_id,
                mine,
            )
            rebind(tools, move)
            unkeep(tools, old)
        self._keep_restored(staged, f"{params['namespace']}/{params['claim']}", params["keep_s"], context)
        return {"back_to": old["name"] if old else ""}

    def _keep_restored(self, staged: Mapping[str, Json], claim: str, keep_s: float, context: Context) -> None:
        """Marks the restored volume, when it was swapped in: one that is still staged goes with its claim."""
        if not staged:
            return
        still_staged = self._tools.cluster.find(PVC, staged["claim"], claim.partition("/")[0])
        if still_staged is None:
            volume = {"name": staged["volume"], "uid": staged["volume_uid"]}
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
    old = [volume for volume in step.params["old"].values() if volume]
    refs = [Ref(PV, volume["name"], "", volume["uid"]) for volume in old]
    for stage in step.params["stages"].values():
        made = context.results.get(stage, {})
        if made:
            refs.append(Ref(PV, made["volume"], "", made["volume_uid"]))
    return refs
