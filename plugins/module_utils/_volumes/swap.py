# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The swap: the claim's name moves from the volume it has to the staged one, and back when it is undone.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._cluster.amend import Ref, amend, read, read_or_none
from .._core.operation import Context
from .._core.plan import Json, Step
from .binding import PV, PVC, bound_to
from .exchange import AT_ONCE
from .kept import keep, kept_by, marks, no_marks, until_from
from .names import KEEP_UNTIL, KEPT, OPERATION
from .objects import Object, annotation, label
from .rebind import (
    Move,
    make_unbound,
    must_be_retained,
    of_operation,
    rebind_all,
    release_all,
    reserve_all,
    unreserve,
)
from .stage import staged
from .swap_back import Facts, why_not_back
from .tools import Tools, in_parallel


class RetainVolumes:
    """``volumes.retain_volumes``: no volume goes with its claim, neither the old ones nor the staged ones; the old ones
    are marked as kept, the staged ones are let go of and reserved for the claims that they are meant for. All that
    while the application runs.

    Params: ``namespace``, ``old`` (volume by claim), ``stage`` (step), ``keep_s``. Result: ``policies``: what each
    volume had; ``kept_until`` of the old ones, by claim.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        refs = [*_old(step).values(), *_staged(step, context)]
        found = in_parallel(lambda ref: self._tools.cluster.find(PV, ref.name), refs, AT_ONCE)
        there = {volume["metadata"]["name"]: volume for volume in found if volume}
        policies = [v["spec"].get("persistentVolumeReclaimPolicy") if v else "" for v in found]
        meant = {move.volume: move.claim for move in self._moves(step, context)}
        names = {name: (volume["spec"].get("claimRef") or {}).get("name") for name, volume in there.items()}
        reserved = all(names.get(volume) == claim for volume, claim in meant.items())
        retained = all(policy == "Retain" for policy in policies)
        # A run that is gone on with much later keeps them as long as one that was never stopped.
        enough = until_from(self._tools, step.params["keep_s"] - _STALE_S)
        old = [there[ref.name] for ref in _old(step).values() if ref.name in there]
        marked = all(kept_by(v, context.operation_id) and annotation(v, KEEP_UNTIL) >= enough for v in old)
        return bool(refs) and reserved and retained and marked and self._let_go(step, context)

    def _let_go(self, step: Step, context: Context) -> bool:
        """Are the staged claims gone? Volumes that were never anything but Retain tell nothing of it."""
        rows = list(staged(context, step.params["stage"]).values())
        where = step.params["namespace"]
        claims = in_parallel(lambda row: self._tools.cluster.find(PVC, row["claim"], where), rows, AT_ONCE)
        return not any(c and c["metadata"]["uid"] == row["claim_uid"] for c, row in zip(claims, rows, strict=True))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools, namespace, old = self._tools, step.params["namespace"], _old(step)
        until = until_from(tools, step.params["keep_s"])
        marked = [(ref, marks(until, f"{namespace}/{claim}", context.operation_id)) for claim, ref in old.items()]
        todo = marked + [(ref, {}) for ref in _staged(step, context)]
        policies = in_parallel(lambda item: self._retain(*item, context.operation_id), todo, AT_ONCE)
        rows = staged(context, step.params["stage"])
        mine = {row["claim"]: _with_uid(row["claim_uid"]) for row in rows.values()}
        release_all(tools, namespace, mine, tools.cluster.list_at(PVC, namespace), context.operation_id)
        reserve_all(tools, self._moves(step, context))
        return {
            "policies": {ref.name: policy for (ref, meta), policy in zip(todo, policies, strict=True)},
            "kept_until": dict.fromkeys(old, until),
        }

    def _moves(self, step: Step, context: Context) -> list[Move]:
        """Only of claims that have a volume: one that waits for a volume would be bound to a reserved one at once."""
        rows = {c: row for c, row in staged(context, step.params["stage"]).items() if step.params["old"].get(c)}
        return [
            Move(step.params["namespace"], claim, row["volume"], row["volume_uid"], {}, context.operation_id, _nobody)
            for claim, row in rows.items()
        ]

    def _retain(self, ref: Ref, meta: Object, operation_id: str) -> str:
        """Sets it with that metadata, and returns what it was before."""
        volume = read(self._tools.cluster, ref)
        # Written beside the policy: after a crash the volume itself still knows what it had.
        present = str(volume["spec"].get("persistentVolumeReclaimPolicy"))
        before = _noted(volume, operation_id) or present
        noted = {
            "labels": {**meta.get("labels", {}), OPERATION: operation_id},
            "annotations": {**meta.get("annotations", {}), _BEFORE: f"{before} before {operation_id}"},
        }
        must_be_retained(amend(self._tools.cluster, ref, _policy("Retain", noted), volume))
        return before

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The volumes that are live again get back what they had; a staged one that was never live is given up."""
        in_parallel(lambda ref: self._live_again(ref, context), _old(step).values(), AT_ONCE)
        for claim, made in staged(context, step.params["stage"]).items():
            self._give_up(step.params["namespace"], claim, made)
        return None

    def _live_again(self, ref: Ref, context: Context) -> None:
        """A volume that is not bound again stays kept."""
        volume = read_or_none(self._tools.cluster, ref)
        if volume is None or (volume.get("status") or {}).get("phase") != "Bound":
            return
        before = _noted(volume, context.operation_id)
        meta = no_marks() if kept_by(volume, context.operation_id) else {}
        if before:
            meta = {
                "labels": {**meta.get("labels", {}), OPERATION: None},
                "annotations": {**meta.get("annotations", {}), _BEFORE: None},
            }
        policy = before or str(volume["spec"].get("persistentVolumeReclaimPolicy"))
        amend(self._tools.cluster, ref, _policy(policy, meta), volume)

    def _give_up(self, namespace: str, claim: str, made: Mapping[str, Json]) -> None:
        """A volume that was staged and never swapped in goes: nobody has written to it. Others stay as they are."""
        volume = self._tools.cluster.find(PV, made["volume"])
        if volume is None or volume["metadata"]["uid"] != made["volume_uid"] or label(volume, KEPT):
            return
        unreserve(self._tools, made, namespace, claim)
        back = self._tools.cluster.get(PV, made["volume"])["spec"].get("claimRef") or {}
        if back.get("uid") == made["claim_uid"] and self._tools.cluster.find(PVC, made["claim"], namespace) is None:
            # Its claim is gone, so that the driver deletes it once it may.
            amend(self._tools.cluster, Ref(PV, made["volume"], "", made["volume_uid"]), _policy("Delete", {}))


class Swap:
    """``volumes.swap``: all claims at once, with one watch for all of them.

    Params: ``namespace``, ``stage`` and ``retain`` (steps), ``keep_s``, ``looked`` (does the step before see that
    nobody mounts the claims?), and ``claims``, a list of: ``claim``, ``claim_uid`` (empty where there is none), ``old``
    (volume or None), ``before`` and ``again`` (how the claim is made, old and new).

    Result: ``volumes``: by claim ``from``, ``to``, ``kept_until``, ``claim_uid``; ``ms``; and ``kept_volumes``, rows
    of ``claim``, ``volume``, ``kept_until``: the old ones, once it is undone the restored ones.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        made = staged(context, step.params["stage"])
        # One after the other: while the application stands still, the first answers for all.
        return bool(made) and all(
            self._swapped(step.params["namespace"], claim, row["volume"]) for claim, row in made.items()
        )

    def _swapped(self, namespace: str, name: str, volume: str) -> bool:
        claim = self._tools.cluster.find(PVC, name, namespace)
        bound = claim is not None and (claim.get("status") or {}).get("phase") == "Bound"
        return bool(claim and bound and bound_to(claim) == volume)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools, namespace = self._tools, step.params["namespace"]
        began, items = tools.clock.monotonic(), step.params["claims"]
        made = staged(context, step.params["stage"])
        moves = [
            Move(
                namespace,
                item["claim"],
                made[item["claim"]]["volume"],
                made[item["claim"]]["volume_uid"],
                item["again"],
                context.operation_id,
                _with_uid(item["claim_uid"]),
            )
            for item in items
        ]
        bound = rebind_all(tools, namespace, moves, looked=step.params["looked"])
        until = context.results.get(step.params["retain"], {}).get("kept_until") or {}
        rows = {
            item["claim"]: {
                "from": item["old"]["name"] if item["old"] else "",
                "to": move.volume,
                "kept_until": until.get(item["claim"], ""),
                "claim_uid": bound[item["claim"]]["metadata"]["uid"],
            }
            for item, move in zip(items, moves, strict=True)
        }
        old = [_kept(claim, row["from"], row["kept_until"]) for claim, row in rows.items() if row["from"]]
        return {"volumes": rows, "ms": round((tools.clock.monotonic() - began) * 1000), "kept_volumes": old}

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not without the volumes that the claims had, and not over what others have put in their place."""
        made = staged(context, step.params["stage"])

        def why_not(item: Mapping[str, Json]) -> str:
            mine = made.get(item["claim"], {})
            seen = self._facts(step.params["namespace"], item)
            return why_not_back(item, mine, seen, _made_here(context.operation_id, mine))

        return next(filter(None, in_parallel(why_not, step.params["claims"])), None)

    def _facts(self, namespace: str, item: Mapping[str, Json]) -> Facts:
        cluster, old = self._tools.cluster, item["old"]
        claim = cluster.find(PVC, item["claim"], namespace)
        volume = cluster.find(PV, bound_to(claim)) if claim is not None and bound_to(claim) else None
        return Facts(namespace, cluster.find(PV, old["name"]) if old else None, claim, volume)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Binds the claims to the volumes they had; a restored volume is kept as long as the other would have been."""
        tools, params, made = self._tools, step.params, staged(context, step.params["stage"])
        namespace, items = params["namespace"], params["claims"]
        moves = [
            Move(
                namespace,
                item["claim"],
                item["old"]["name"],
                item["old"]["uid"],
                item["before"],
                context.operation_id,
                _made_here(context.operation_id, made.get(item["claim"], {})),
            )
            for item in items
            if item["old"]
        ]
        if moves:
            rebind_all(tools, namespace, moves)
        for item in items:
            if not item["old"]:
                self._back_to_no_volume(namespace, item, made.get(item["claim"], {}), context)
        kept = in_parallel(
            lambda name: self._keep_restored(made.get(name, {}), namespace, name, params["keep_s"], context),
            [item["claim"] for item in items],
            AT_ONCE,
        )
        back_to = {item["claim"]: item["old"]["name"] if item["old"] else "" for item in items}
        return {"back_to": back_to, "kept_volumes": [row for row in kept if row]}

    def _back_to_no_volume(
        self, namespace: str, item: Mapping[str, Json], made: Mapping[str, Json], context: Context
    ) -> None:
        """The claim was not there, or there without a volume: then it is made again as it was."""
        name = item["claim"]
        there = self._tools.cluster.find(PVC, name, namespace)
        if there is not None and made and bound_to(there) != made["volume"] and item["before"]:
            return  # the one from before, or the one that this undo has made before it was killed
        listed = self._tools.cluster.list_at(PVC, namespace)
        replaces = {name: _made_here(context.operation_id, made)}
        release_all(self._tools, namespace, replaces, listed, context.operation_id)
        if item["before"]:
            unreserve(self._tools, made, namespace, name)
            make_unbound(self._tools, namespace, name, item["before"], context.operation_id)

    def _keep_restored(
        self, made: Mapping[str, Json], namespace: str, claim: str, keep_s: float, context: Context
    ) -> dict[str, Json] | None:
        """Marks the restored volume when it was the claim's: somebody may have written to it. Returns its row."""
        volume = self._tools.cluster.find(PV, made["volume"]) if made else None
        back = (volume["spec"].get("claimRef") or {}) if volume else {}
        if (back.get("namespace"), back.get("name")) != (namespace, claim) or not back.get("uid"):
            return None
        row = {"name": made["volume"], "uid": made["volume_uid"]}
        until = keep(self._tools, row, f"{namespace}/{claim}", keep_s, context.operation_id)
        return _kept(claim, made["volume"], until)


def _kept(claim: str, volume: str, until: str) -> dict[str, Json]:
    return {"claim": claim, "volume": volume, "kept_until": until}


def _with_uid(uid: str) -> Callable[[Object], bool]:
    return lambda claim: bool(claim["metadata"]["uid"] == uid)


def _nobody(claim: Object) -> bool:
    del claim
    return False


def _made_here(operation_id: str, made: Mapping[str, Json]) -> Callable[[Object], bool]:
    """Made by this operation, or by the undo of a later one that brought our volume back."""
    made_by_us = of_operation(operation_id)
    return lambda claim: made_by_us(claim) or bool(made and bound_to(claim) == made["volume"])


_BEFORE = "knowngood.io/reclaim-policy"
_STALE_S = 600.0


def _noted(volume: Object, operation_id: str) -> str:
    """The policy that this operation found; empty where another one wrote the note: what it found is not what was."""
    policy, dummy, by = annotation(volume, _BEFORE).partition(" before ")
    return policy if by == operation_id else ""


def _policy(policy: str, meta: Object) -> Callable[[Object], Object | None]:
    """A patch of the policy together with labels and annotations (None: gone)."""

    def change(volume: Object) -> Object | None:
        right = volume["spec"].get("persistentVolumeReclaimPolicy") == policy
        for part, wanted in meta.items():
            there = volume["metadata"].get(part) or {}
            right = right and all(there.get(key) == value for key, value in wanted.items())
        return None if right else {"spec": {"persistentVolumeReclaimPolicy": policy}, "metadata": meta}

    return change


def _old(step: Step) -> dict[str, Ref]:
    """The volumes that the claims have, by claim."""
    old = step.params["old"]
    return {claim: Ref(PV, volume["name"], "", volume["uid"]) for claim, volume in old.items() if volume}


def _staged(step: Step, context: Context) -> list[Ref]:
    rows = staged(context, step.params["stage"]).values()
    return [Ref(PV, row["volume"], "", row["volume_uid"]) for row in rows]
