# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster shows of recovery points: who needs one right now, and which have lost their snapshots.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .._cluster.client import Cluster
from .._cluster.kinds import named
from .._core.application import ApplicationSpec
from .._core.clock import parse_time
from .._core.plan import Json
from .._core.ports import FINISHED, Journal, Operation
from .._core.statements import RecoveryPoint
from . import snapshot_state as state
from . import snapshots
from .names import OPERATION
from .objects import Object, label

Handle = tuple[str, str]
"""Driver and its id of the snapshot."""

# Their steps name points because they give them up, or make them.
_NOT_USING = ("prune", "capture", "mark", "expire")


@dataclass(frozen=True, slots=True)
class Usage:
    """By point id: who needs it (``in_use``); and the points of which a snapshot has no content any more (``lost``)."""

    in_use: Mapping[str, tuple[str, ...]]
    lost: frozenset[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects that tell it. ``claims``: those of the application's namespace."""

    contents: Sequence[Object]
    claims: Sequence[Object]
    operations: Sequence[Operation]

    @classmethod
    def of(cls, cluster: Cluster, journal: Journal, namespace: str) -> Seen:
        """Three requests. Operations of all applications: one may restore the points of another."""
        claims = cluster.list("PersistentVolumeClaim", namespace)
        return cls(cluster.list(snapshots.CONTENT), claims, journal.list())


def usage(seen: Seen, namespace: str, points: Iterable[RecoveryPoint], now: dt.datetime) -> Usage:
    """Pure. Points that were given up are left out."""
    contents: dict[Handle, list[Object]] = {}
    for content in seen.contents:
        contents.setdefault(identity(content), []).append(content)
    users: dict[str, list[str]] = {}
    for operation in seen.operations:
        why = _why(operation, now)
        for name in points_of(operation) if why else ():
            users.setdefault(name, []).append(why)
    in_use, lost = {}, set()
    for point in points:
        if point.pruned:
            continue
        reasons = list(users.get(point.id, ()))
        for volume in point.volumes:
            there = contents.get(handle_of(volume), [])
            reasons += _claims_from(volume, there, seen.claims, namespace) + _foreign(volume, there)
            lost |= set() if there else {point.id}
        if reasons:
            in_use[point.id] = tuple(dict.fromkeys(reasons))
    return Usage(in_use, frozenset(lost))


class Whose:
    """Tells whether an object that carries an operation's id, in this namespace, is of this application.

    The journal knows; where it was cleared away, the name of the operation tells the application.
    """

    def __init__(self, spec: ApplicationSpec, operations: Iterable[Operation]) -> None:
        self._spec = spec
        self.operations = {operation.id: operation for operation in operations}

    def __call__(self, operation_id: str, namespace: str) -> bool:
        known = self.operations.get(operation_id)
        if known is not None:
            return known.plan.target == self._spec.target
        dummy, dash, rest = operation_id.partition("-")
        name = self._spec.name[:40].rstrip("-.")
        return namespace == self._spec.namespace and bool(dash) and rest.rpartition("-")[0] == name

    def busy(self, operation_id: str) -> bool:
        """Is that operation unfinished?"""
        known = self.operations.get(operation_id)
        return known is not None and known.unfinished


def identity(content: Object) -> Handle:
    """What a content stands for; the handle is empty while it is not cut."""
    return content["spec"]["driver"], state.handle(content)


def handle_of(volume: Mapping[str, Json]) -> Handle:
    """The same of a volume as a statement has it."""
    return str(volume.get("driver") or ""), str(volume.get("snapshot_handle") or "")


def points_of(operation: Operation) -> frozenset[str]:
    """The points that the steps of an operation name."""
    if operation.plan.kind in _NOT_USING:
        return frozenset()
    return frozenset(point for step in operation.plan.steps for point in _named_in(step.params))


def _named_in(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "point" and isinstance(item, str):
                yield item
            else:
                yield from _named_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named_in(item)


def _why(operation: Operation, now: dt.datetime) -> str:
    """Why what an operation names must stay; empty where it needs nothing any more."""
    if operation.unfinished:
        return f"{operation.id} is unfinished"
    until = str(operation.facts.get("undo_until") or "")
    if operation.state == FINISHED and until and parse_time(until) > now:
        return f"{operation.id} can be undone until {until}"
    return ""


def _claims_from(
    volume: Mapping[str, Json], there: Sequence[Object], claims: Sequence[Object], namespace: str
) -> list[str]:
    """Claims that wait for their volume to be made from the snapshot (one of its VolumeSnapshots, imported or not)."""
    names = {str(volume.get("snapshot") or "")}
    for content in there:
        ref = content["spec"].get("volumeSnapshotRef") or {}
        names |= {str(ref.get("name"))} if ref.get("namespace") == namespace else set()
    return [
        f"{named('PersistentVolumeClaim', claim['metadata']['name'], namespace)} is being made from it"
        for claim in claims
        if (claim.get("status") or {}).get("phase") != "Bound" and _source(claim) in names - {""}
    ]


def _source(claim: Object) -> str:
    """The VolumeSnapshot that a claim is made from; empty for none."""
    found = claim["spec"].get("dataSourceRef") or claim["spec"].get("dataSource") or {}
    return str(found.get("name") or "") if found.get("kind") == snapshots.SNAPSHOT else ""


def _foreign(volume: Mapping[str, Json], there: Sequence[Object]) -> list[str]:
    """Contents of others that stand for the same snapshot: it would be taken from them as well."""
    return [
        f"{named(snapshots.CONTENT, content['metadata']['name'])} of somebody else has the same snapshot"
        for content in there
        if not label(content, OPERATION) and content["metadata"]["name"] != volume.get("content")
    ]
