# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read, decide, write: a change to one object that is made from what the object says, and only to that object.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Conflict, NotFound
from .._core.operation import Context
from .._core.plan import Step
from .client import Cluster, Object
from .kinds import Kind, named

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Ref:
    """One object that was seen: another one of the same name has another uid and is not meant.

    ``resource``: where its kind lives in the API, for kinds that are known by discovery only.
    """

    kind: str
    name: str
    namespace: str
    uid: str
    resource: Kind | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Ref:
        """From a step's parameters."""
        resource = Kind(**params["resource"]) if params.get("resource") else None
        return cls(params["kind"], params["name"], params["namespace"], params["uid"], resource)

    @property
    def api(self) -> str | Kind:
        """The kind, as the client takes it."""
        return self.resource or self.kind

    @property
    def where(self) -> str:
        return named(self.kind, self.name, self.namespace)


def read(cluster: Cluster, ref: Ref) -> Object:
    """The object. Raises NotFound when it is gone, Conflict when another one stands in its place."""
    obj = cluster.get(ref.api, ref.name, ref.namespace)
    if obj["metadata"]["uid"] != ref.uid:
        raise Conflict(
            f"{ref.kind}/{ref.name} is not the one that was planned for",
            where=ref.where,
            why="it was deleted and made anew in between",
            next="undo or abandon this operation, then start again",
        )
    return obj


def read_or_none(cluster: Cluster, ref: Ref) -> Object | None:
    """The object, None when it is gone or another one stands in its place."""
    try:
        return read(cluster, ref)
    except (Conflict, NotFound):
        return None


class OfOneObject:
    """For actions on the object that their parameters name: to one that is gone there is no way back."""

    __slots__ = ()
    cluster: Cluster

    def undoable(self, step: Step, context: Context) -> str | None:
        """Why the step cannot be put back; ``None`` while the object is the one that was planned for."""
        del context
        try:
            read(self.cluster, Ref.of(step.params))
        except NotFound:
            return f"{Ref.of(step.params).where} is gone"
        except Conflict as error:
            return f"{error.where}: {error.why}"
        return None


def amend(cluster: Cluster, ref: Ref, change: Callable[[Object], Object | None], seen: Object | None = None) -> Object:
    """Patches the object with what ``change`` makes of it (a merge patch; None: nothing to do); returns it.

    Each patch carries uid and resourceVersion, so it only meets the object that ``change`` saw; when a controller was
    faster, it is read and decided anew. ``seen``: the object as it was read a moment ago. Raises NotFound and Conflict
    as :func:`read`.
    """
    for attempt in range(_TRIES):
        obj = seen if seen and not attempt and seen["metadata"]["uid"] == ref.uid else read(cluster, ref)
        patch = change(obj)
        if patch is None:
            return obj
        version = obj["metadata"]["resourceVersion"]
        try:
            return cluster.patch(ref.api, ref.name, ref.namespace, patch, uid=ref.uid, resource_version=version)
        except Conflict:
            if attempt == _TRIES - 1:
                raise
    raise AssertionError("unreachable")
