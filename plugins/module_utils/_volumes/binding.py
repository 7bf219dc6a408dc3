# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims and volumes finding each other: waiting for it, and looking at it from both sides.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .._cluster.kinds import named
from .._cluster.waits import wait_until
from .._core.errors import KnownGoodError, NotProven, TimedOut
from .events import event_time, warning_text
from .names import OPERATION
from .objects import Object, delete, label
from .tools import Tools, in_parallel

PVC, PV, POD = "PersistentVolumeClaim", "PersistentVolume", "Pod"
COPY_ROUTE = "where the storage does not have this snapshot, restore from an off-cluster copy of the point"
_LOOK_S = 3.0
_SINGLE_READS = 8
# What a provisioner says of a snapshot that its storage does not have; no retry brings it back.
_FINAL = ("code = NotFound", "code = InvalidArgument", "requested volume mode")


def wait_all_bound(
    tools: Tools,
    namespace: str,
    names: Sequence[str],
    *,
    timeout_s: float,
    selector: str = "",
    field: str = "",
    provisioned: bool = False,
) -> dict[str, Object]:
    """The claims by name, once they all are bound: one watch for all of them.

    ``provisioned``: their volumes are being made, so what the provisioner says is looked at every few seconds. Raises
    TimedOut with what it said last of each claim that is left, NotProven for what no retry cures.
    """

    def check(claims: Mapping[str, Object]) -> str:
        phases = {
            name: (claims[name].get("status") or {}).get("phase", "?") if name in claims else "gone" for name in names
        }
        return ", ".join(f"{name} is {phase}" for name, phase in phases.items() if phase != "Bound")

    what = named(PVC, names[0], namespace) if len(names) == 1 else f"{len(names)} claims of {namespace}"
    deadline = tools.clock.monotonic() + timeout_s
    while True:
        left = deadline - tools.clock.monotonic()
        try:
            return wait_until(
                tools.cluster,
                PVC,
                namespace,
                check,
                what=f"{what} to be bound",
                timeout_s=max(0.0, min(_LOOK_S, left) if provisioned else left),
                clock=tools.clock,
                selector=selector,
                field=field,
                next=f"kubectl -n {namespace} describe pvc",
            )
        except TimedOut as error:
            said = _said(tools, namespace, names) if provisioned else {}
            _raise_final(namespace, said)
            if left <= _LOOK_S or not provisioned:
                tale = "; ".join(f"{name}: {text}" for name, text in said.items())
                error.why = f"after {timeout_s:g} s: {error.why.partition(': ')[2]}" + (f"; {tale}" if tale else "")
                raise


def _said(tools: Tools, namespace: str, names: Sequence[str]) -> dict[str, str]:
    """The newest warning about each claim; nothing where events may not be read."""
    newest: dict[str, Object] = {}
    try:
        events = tools.cluster.list("Event", namespace, field=f"type=Warning,involvedObject.kind={PVC}")
    except KnownGoodError:
        return {}
    for event in sorted(events, key=event_time):
        if event["involvedObject"].get("name") in names:
            newest[event["involvedObject"]["name"]] = event
    return {name: warning_text(event) for name, event in newest.items()}


def _raise_final(namespace: str, said: Mapping[str, str]) -> None:
    for name, text in said.items():
        if any(word in text for word in _FINAL):
            raise NotProven(
                f"the volume of {named(PVC, name, namespace)} cannot be made from the snapshot",
                why=text,
                next=COPY_ROUTE,
            )


def volumes_of(tools: Tools, names: Iterable[str], operation_id: str) -> dict[str, Object]:
    """The volumes of these names that exist: singly while they are few, else by one list of what the operation marked.

    All of the cluster would be too many to ask for while an application stands still.
    """
    wanted = set(names)
    marked = tools.cluster.list(PV, selector=f"{OPERATION}={operation_id}") if len(wanted) > _SINGLE_READS else []
    there = {volume["metadata"]["name"]: volume for volume in marked}
    left = sorted(wanted - set(there))
    there |= {n: v for n, v in zip(left, in_parallel(lambda n: tools.cluster.find(PV, n), left), strict=True) if v}
    return {name: there[name] for name in wanted if name in there}


def bound_volume(tools: Tools, claim: Object) -> Object:
    """The volume of a bound claim; binding is looked at from both sides. Raises NotProven."""
    volume = tools.cluster.get(PV, bound_to(claim))
    both_ways(volume, claim)
    return volume


def both_ways(volume: Object, claim: Object) -> None:
    """Raises NotProven for the volume of a bound claim that does not name the claim."""
    meta = claim["metadata"]
    if not names_claim(volume, claim):
        back = volume["spec"].get("claimRef") or {}
        raise NotProven(
            f"{named(PVC, meta['name'], meta['namespace'])} and its volume do not name each other",
            why=f"{named(PV, volume['metadata']['name'])} names {back.get('namespace')}/{back.get('name')}",
        )


def names_claim(volume: Object, claim: Object) -> bool:
    """Does the volume name this claim, uid included?"""
    back, meta = volume["spec"].get("claimRef") or {}, claim["metadata"]
    return (back.get("namespace"), back.get("name"), back.get("uid")) == (meta["namespace"], meta["name"], meta["uid"])


def bound_to(claim: Object) -> str:
    """The name of its volume; empty while it has none."""
    return str(claim["spec"].get("volumeName") or "")


def drop_pod(tools: Tools, namespace: str, name: str) -> None:
    """Removes one of our short-lived pods and waits: while it is there its claim cannot go."""
    pod = tools.cluster.find(POD, name, namespace)
    if pod is not None and label(pod, "app.kubernetes.io/managed-by") == "knowngood":
        delete(tools, POD, name, namespace, pod["metadata"]["uid"], grace_s=1)
