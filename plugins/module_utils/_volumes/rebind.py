# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Binding a claim's name to another volume: the one move that a restore, and its undo, are made of.

The claim is deleted and made anew with the volume's name in it. Volumes are never deleted here: each that is let go of
has to say Retain first, and that is looked at again right before.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._cluster.amend import Ref, amend, read
from .._cluster.kinds import named
from .._cluster.waits import wait_until
from .._core.errors import Conflict, NotFound, NotProven, TimedOut
from .._core.plan import Json
from .binding import PV, PVC, bound_volume, wait_bound
from .claim_facts import manifest, mounting
from .names import OPERATION
from .objects import Object, annotation, delete
from .tools import Tools

WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Move:
    """``claim`` is to be bound to ``volume``. ``again``: what it takes to make the claim.

    ``replaces``: may a claim of that name, as it is found, be deleted for it?
    """

    namespace: str
    claim: str
    volume: str
    volume_uid: str
    again: Mapping[str, Json]
    operation_id: str
    replaces: Callable[[Object], bool]


def rebind(tools: Tools, move: Move) -> Object:
    """Makes the move and returns the bound claim. It can be called again after a crash at any line.

    Raises Conflict naming who mounts the claim, or who put another claim in its place.
    """
    there = tools.cluster.find(PVC, move.claim, move.namespace)
    if there is None or there["spec"].get("volumeName") != move.volume:
        free_volume(tools, move.volume, move.volume_uid)
        release(tools, move.namespace, move.claim, move.replaces)
        _reserve(tools, move)
        _make(tools, move)
    claim = wait_bound(tools, move.namespace, move.claim, timeout_s=WAIT_S)
    bound_volume(tools, claim)
    return claim


def free_volume(tools: Tools, name: str, uid: str) -> Object:
    """The volume, when it is retained. Raises NotFound, Conflict, NotProven."""
    volume = read(tools.cluster, Ref(PV, name, "", uid))
    if volume["spec"].get("persistentVolumeReclaimPolicy") != "Retain":
        raise NotProven(
            f"{named(PV, name)} would be deleted with its claim",
            why=f"its reclaim policy is {volume['spec'].get('persistentVolumeReclaimPolicy')}, not Retain",
            next="find out who changed it, then run the same task again",
        )
    return volume


def release(tools: Tools, namespace: str, claim: str, replaces: Callable[[Object], bool]) -> None:
    """Deletes the claim of that name, if there is one that may be replaced, and waits until it is gone.

    Before each try: nobody mounts it, and its volume says Retain.
    """
    there = tools.cluster.find(PVC, claim, namespace)
    if there is None:
        return
    if not replaces(there):
        raise Conflict(
            f"another {named(PVC, claim, namespace)} stands in the way",
            why=f"it is bound to {there['spec'].get('volumeName') or 'nothing'}, {_who_made(there)}",
            next="undo newer operations first; else pause what makes it (GitOps, operator), look at what it holds",
        )

    def check(obj: Object) -> None:
        pods = mounting(tools.cluster.list("Pod", namespace), claim)
        if pods:
            raise Conflict(
                f"{named(PVC, claim, namespace)} is in use",
                why=f"mounted by: {', '.join(pods)}",
                next="find out who started them, stop them, then run the same task again",
            )
        name = obj["spec"].get("volumeName")
        volume = tools.cluster.find(PV, name) if name else None
        if volume is not None:
            free_volume(tools, name, volume["metadata"]["uid"])

    try:
        delete(tools, PVC, claim, namespace, there["metadata"]["uid"], timeout_s=WAIT_S, check=check)
    except TimedOut as error:
        pods = mounting(tools.cluster.list("Pod", namespace), claim)
        error.why += f"; mounted by: {', '.join(pods)}" if pods else ""
        error.next = "a snapshot of it that is not ready, or a pod, holds it: kubectl describe pvc"
        raise


def _reserve(tools: Tools, move: Move) -> None:
    """Writes the claim's name into the volume, once its last claim is gone."""
    ref = Ref(PV, move.volume, "", move.volume_uid)
    wait_until(
        tools.cluster,
        PV,
        None,
        lambda seen: _why_taken(seen.get(move.volume), move),
        what=f"{named(PV, move.volume)} to be free",
        timeout_s=WAIT_S,
        clock=tools.clock,
        field=f"metadata.name={move.volume}",
    )

    def change(volume: Object) -> Object | None:
        taken = _why_taken(volume, move)
        if taken:
            raise Conflict(f"{named(PV, move.volume)} is taken", why=taken)
        if _reserved(volume, move):
            return None
        return {
            "spec": {
                "claimRef": {
                    "apiVersion": "v1",
                    "kind": PVC,
                    "namespace": move.namespace,
                    "name": move.claim,
                    "uid": None,
                    "resourceVersion": None,
                }
            }
        }

    amend(tools.cluster, ref, change)


def _why_taken(volume: Object | None, move: Move) -> str:
    if volume is None:
        return "it is gone"
    if _reserved(volume, move) or (volume.get("status") or {}).get("phase") in ("Released", "Available"):
        return ""
    back = volume["spec"].get("claimRef") or {}
    return f"it is {(volume.get('status') or {}).get('phase')} to {back.get('namespace')}/{back.get('name')}"


def _reserved(volume: Object, move: Move) -> bool:
    back = volume["spec"].get("claimRef") or {}
    return (back.get("namespace"), back.get("name"), back.get("uid")) == (move.namespace, move.claim, None)


def unreserve(tools: Tools, made: Mapping[str, Json], namespace: str, claim: str) -> None:
    """Where a run died after it had reserved the staged volume (``made``) for the claim, the volume forgets that.

    Else a claim of that name that is made without a volume would be given it. It names its staged claim again, which
    is gone, so that it is released and nobody's.
    """

    def change(volume: Object) -> Object | None:
        back = volume["spec"].get("claimRef") or {}
        if (back.get("namespace"), back.get("name"), back.get("uid")) != (namespace, claim, None):
            return None
        return {"spec": {"claimRef": {"name": made["claim"], "namespace": namespace, "uid": made["claim_uid"]}}}

    if made and tools.cluster.find(PV, made["volume"]) is not None:
        amend(tools.cluster, Ref(PV, made["volume"], "", made["volume_uid"]), change)


def make_unbound(tools: Tools, namespace: str, claim: str, again: Mapping[str, Json], operation_id: str) -> None:
    """A claim that had no volume, as it was. One of that name that is there by then is left alone."""
    wanted = manifest(namespace, claim, again)
    wanted["metadata"]["annotations"][OPERATION] = operation_id
    try:
        tools.cluster.create(wanted)
    except Conflict:
        tools.cluster.get(PVC, claim, namespace)


def _make(tools: Tools, move: Move) -> None:
    wanted = manifest(move.namespace, move.claim, move.again, volume=move.volume)
    wanted["metadata"]["annotations"][OPERATION] = move.operation_id
    try:
        tools.cluster.create(wanted)
    except Conflict as error:
        try:
            there = tools.cluster.get(PVC, move.claim, move.namespace)
        except NotFound:
            raise error from None
        if there["spec"].get("volumeName") != move.volume:
            raise Conflict(
                f"somebody made {named(PVC, move.claim, move.namespace)} in the meantime",
                why=_who_made(there),
                next="pause what makes it (GitOps, operator), look at what it holds",
            ) from error


def _who_made(claim: Object) -> str:
    meta = claim["metadata"]
    owners = [f"{owner['kind']}/{owner['name']}" for owner in meta.get("ownerReferences") or []]
    managers = list(dict.fromkeys(str(f.get("manager", "?")) for f in meta.get("managedFields") or []))
    return f"made {meta.get('creationTimestamp')} by {', '.join(owners or managers) or 'somebody'}"


def of_operation(operation_id: str) -> Callable[[Object], bool]:
    """A claim that this operation made."""
    return lambda claim: annotation(claim, OPERATION) == operation_id
