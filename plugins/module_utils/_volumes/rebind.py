# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Binding a claim's name to another volume: the one move that a restore, and its undo, are made of.

The claim is deleted and made anew with the volume's name in it. Volumes are never deleted here: each that is let go of
has to say Retain first, and that is looked at again right before.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from .._cluster.amend import Ref, amend, read
from .._cluster.kinds import named
from .._cluster.waits import wait_until
from .._core.errors import Conflict, NotFound, NotProven, TimedOut
from .._core.plan import Json
from .binding import PV, PVC, both_ways, bound_to, volumes_of
from .claim_facts import manifest, mounting
from .exchange import AT_ONCE, WAIT_S, Listed, exchange
from .names import OPERATION
from .objects import Object, annotation, delete
from .tools import Tools, in_parallel

Bound = dict[str, Object]
_SEEN_S = 15.0


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


def rebind_all(tools: Tools, namespace: str, moves: Sequence[Move], *, looked: bool = False) -> Bound:
    """Makes the moves of one operation, all at once, and returns the bound claims by name. It can be called again after
    a crash at any line. ``looked``: it was made sure a moment ago that nobody mounts the claims: a glance is enough.

    Raises Conflict naming who mounts a claim, or who put another claim in its place.
    """
    listed = tools.cluster.list_at(PVC, namespace)
    there = {claim["metadata"]["name"]: claim for claim in listed[0]}
    todo = {m.claim: m for m in moves if m.claim not in there or bound_to(there[m.claim]) != m.volume}
    old = [bound_to(there[name]) for name in todo if name in there]
    operation_id = moves[0].operation_id
    volumes = volumes_of(tools, filter(None, [*old, *(move.volume for move in todo.values())]), operation_id)
    free = {name: _free(tools, move, volumes) for name, move in todo.items()}

    left = {name: move for name, move in todo.items() if not _reserved(free[name], move)}
    # A claim that waits for a volume would be bound to a reserved one at once: it has to go first.
    waiting = {name for name in left if name in there and not bound_to(there[name])}
    reserve_all(tools, [move for name, move in left.items() if name not in waiting])

    def make(name: str) -> None:
        if name in waiting:
            reserve_all(tools, [left[name]])
        _make(tools, todo[name])

    replaces = {name: move.replaces for name, move in todo.items()}
    going, drop = _letting_go(tools, namespace, replaces, there, volumes, looked)
    wanted = {move.claim: move.volume for move in moves}
    bound = exchange(tools, namespace, listed, going, drop, make, wanted)
    _look_back(tools, list(bound.values()), operation_id)
    return bound


def _free(tools: Tools, move: Move, volumes: Mapping[str, Object]) -> Object:
    """The volume that a claim is to have, as it was just read. Raises as :func:`free_volume`."""
    volume = volumes.get(move.volume)
    if volume is None or volume["metadata"]["uid"] != move.volume_uid:
        return free_volume(tools, move.volume, move.volume_uid)
    must_be_retained(volume)
    return volume


def _look_back(tools: Tools, claims: Sequence[Object], operation_id: str) -> None:
    """Does the volume of each claim name it? Raises NotProven."""
    volumes = volumes_of(tools, [bound_to(claim) for claim in claims], operation_id)
    for claim in claims:
        volume = volumes.get(bound_to(claim)) or tools.cluster.get(PV, bound_to(claim))
        both_ways(volume, claim)


def free_volume(tools: Tools, name: str, uid: str) -> Object:
    """The volume, when it is retained. Raises NotFound, Conflict, NotProven."""
    volume = read(tools.cluster, Ref(PV, name, "", uid))
    must_be_retained(volume)
    return volume


def must_be_retained(volume: Object) -> None:
    """Raises NotProven for a volume that would go with its claim."""
    if volume["spec"].get("persistentVolumeReclaimPolicy") != "Retain":
        raise NotProven(
            f"{named(PV, volume['metadata']['name'])} would be deleted with its claim",
            why=f"its reclaim policy is {volume['spec'].get('persistentVolumeReclaimPolicy')}, not Retain",
            next="find out who changed it, then run the same task again",
        )


def release_all(
    tools: Tools,
    namespace: str,
    replaces: Mapping[str, Callable[[Object], bool]],
    listed: Listed,
    operation_id: str,
) -> None:
    """Deletes the claims of these names, where there is one that may be replaced, and waits until they are gone.

    ``replaces``: by name, may the claim as it is found be deleted? ``listed``: the claims of the namespace, as read,
    with the version of that.
    """
    there = {claim["metadata"]["name"]: claim for claim in listed[0]}
    found = [bound_to(there[name]) for name in replaces if name in there]
    going, drop = _letting_go(tools, namespace, replaces, there, volumes_of(tools, filter(None, found), operation_id))
    if going:
        exchange(tools, namespace, listed, going, drop)


def _letting_go(
    tools: Tools,
    namespace: str,
    replaces: Mapping[str, Callable[[Object], bool]],
    there: Mapping[str, Object],
    volumes: Mapping[str, Object],
    looked: bool = False,
) -> tuple[dict[str, str], Callable[[str], None]]:
    """The uids of the claims that are to go, by name, and what asks for it. Nobody mounts them.

    ``volumes``: those of the claims, as just read. Each has to say Retain when its claim is deleted. The cluster itself
    takes no claim away that a pod mounts: what is looked at here is that none has to wait for that.
    """
    found = {name: there[name] for name in replaces if name in there}
    for name, claim in found.items():
        if not replaces[name](claim):
            raise Conflict(
                f"another {named(PVC, name, namespace)} stands in the way",
                why=f"it is bound to {bound_to(claim) or 'nothing'}, {_who_made(claim)}",
                next="undo newer operations first; else pause what makes it (GitOps, operator), look at what it holds",
            )
        if bound_to(claim) in volumes:
            must_be_retained(volumes[bound_to(claim)])
    pods = (tools.cluster.glance if looked else tools.cluster.list)("Pod", namespace) if found else []
    for name in found:
        _not_mounted(pods, namespace, name)
    fresh = dict(volumes)

    def last_look(claim: Object) -> None:
        name = bound_to(claim)
        volume = fresh.pop(name, None) or (tools.cluster.find(PV, name) if name else None)
        if volume is not None:
            must_be_retained(volume)

    def drop(name: str) -> None:
        claim = found[name]
        delete(tools, PVC, name, namespace, claim["metadata"]["uid"], wait=False, check=last_look, seen=claim)

    return {name: claim["metadata"]["uid"] for name, claim in found.items()}, drop


def _not_mounted(pods: Sequence[Object], namespace: str, claim: str) -> None:
    using = mounting(pods, claim)
    if using:
        raise Conflict(
            f"{named(PVC, claim, namespace)} is in use",
            why=f"mounted by: {', '.join(using)}",
            next="find out who started them, stop them, then run the same task again",
        )


def reserve_all(tools: Tools, moves: Sequence[Move]) -> None:
    """Writes the names of the claims into the volumes, and waits until the controller that binds claims has seen it.

    It looks at a claim once, when that is made: where it does not know of the volume yet it would come back to it only
    15 seconds later.
    """
    in_parallel(lambda move: _reserve(tools, move), moves, AT_ONCE)

    def check(volumes: Mapping[str, Object]) -> str:
        phases = {m.volume: (volumes[m.volume].get("status") or {}).get("phase") for m in moves if m.volume in volumes}
        return ", ".join(f"{name} is {phase}" for name, phase in phases.items() if phase == "Released")

    if moves:
        # One that nobody looks after may still be bound later, and that is waited for.
        with suppress(TimedOut):
            wait_until(
                tools.cluster,
                PV,
                None,
                check,
                what="reserved volumes to be available",
                timeout_s=_SEEN_S,
                clock=tools.clock,
                selector=f"{OPERATION}={moves[0].operation_id}",
            )


def _reserve(tools: Tools, move: Move) -> None:
    """Once the volume's last claim is gone."""
    ref = Ref(PV, move.volume, "", move.volume_uid)

    def change(volume: Object) -> Object | None:
        must_be_retained(volume)
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

    seen = tools.cluster.find(PV, move.volume)
    if _why_taken(seen, move):
        seen = None
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
    amend(tools.cluster, ref, change, seen)


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
