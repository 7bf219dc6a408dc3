# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making and deleting single objects safely: each write says which object it means and which version of it was read.

Controllers write status and annotations into the same objects all the time. Where only that changed, a delete is tried
again on the newer version; the uid and what the caller checks never change under it.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable

from .._cluster.amend import Ref
from .._cluster.deletes import delete_latest
from .._cluster.kinds import Kind, named
from .._cluster.waits import wait_gone
from .._core.errors import Conflict
from .._core.plan import Json
from .names import OPERATION
from .tools import Tools

Object = dict[str, Json]
_TRIES = 6


def label(obj: Object, key: str) -> str:
    """A label's value, empty where there is none."""
    return str((obj["metadata"].get("labels") or {}).get(key, ""))


def annotation(obj: Object, key: str) -> str:
    """An annotation's value, empty where there is none."""
    return str((obj["metadata"].get("annotations") or {}).get(key, ""))


def create(tools: Tools, manifest: Object) -> Object:
    """Creates the object; one of that name that this operation made before is taken as it is. Raises Conflict."""
    kind, meta = manifest["kind"], manifest["metadata"]
    try:
        return tools.cluster.create(manifest)
    except Conflict:
        there = tools.cluster.get(kind, meta["name"], meta.get("namespace"))
        mine = meta["labels"][OPERATION]
        if label(there, OPERATION) != mine or there["metadata"].get("deletionTimestamp"):
            raise Conflict(
                f"{named(kind, meta['name'], meta.get('namespace'))} exists and is not of {mine}",
                next="remove or rename it, then run the same task again",
            ) from None
        return there


def ref(obj: Object) -> Ref:
    """The object that was read, and no other of its name."""
    meta = obj["metadata"]
    return Ref(obj["kind"], meta["name"], meta.get("namespace") or "", meta["uid"])


def delete(
    tools: Tools,
    kind: str | Kind,
    name: str,
    namespace: str | None,
    uid: str,
    *,
    timeout_s: float = 120.0,
    wait: bool = True,
    grace_s: int | None = None,
    check: Callable[[Object], object] | None = None,
    seen: Object | None = None,
) -> None:
    """Deletes the object with this uid and waits until it is gone; another one of the name is left alone.

    ``check`` is asked right before each try with the version that would be deleted, and may raise. ``seen``: the object
    as it was read a moment ago.
    """
    delete_latest(tools.cluster, kind, name, namespace, uid, grace_s=grace_s, check=check, seen=seen)
    if wait:
        wait_gone(tools.cluster, kind, name, namespace, uid, timeout_s=timeout_s, clock=tools.clock)
