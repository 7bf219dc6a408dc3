# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes that say which object is meant, and in which state it was seen.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable

from .._core.errors import Conflict
from .client import Cluster, Object
from .kinds import Kind

_TRIES = 5


def delete_as_read(cluster: Cluster, kind: str | Kind, obj: Object) -> None:
    """Deletes an object as it was read. Raises Conflict where it was changed since. One that is gone is fine."""
    meta = obj["metadata"]
    version = meta["resourceVersion"]
    cluster.delete(kind, meta["name"], meta.get("namespace"), uid=meta["uid"], resource_version=version)


def delete_latest(
    cluster: Cluster,
    kind: str | Kind,
    name: str,
    namespace: str | None,
    uid: str,
    *,
    grace_s: int | None = None,
    check: Callable[[Object], object] | None = None,
    seen: Object | None = None,
) -> bool:
    """Deletes the object with this uid though its status may move on; False where it is gone, another or going already.

    ``check`` is asked right before each try with the version that would be deleted, and may raise. ``seen``: the object
    as it was read a moment ago. Raises Conflict where it was changed under every try.
    """
    for attempt in range(_TRIES):
        obj = seen if seen and not attempt else cluster.find(kind, name, namespace)
        if obj is None or obj["metadata"]["uid"] != uid or obj["metadata"].get("deletionTimestamp"):
            return False
        if check:
            check(obj)
        version = obj["metadata"]["resourceVersion"]
        try:
            cluster.delete(kind, name, namespace, uid=uid, resource_version=version, grace_s=grace_s)
            return True
        except Conflict:
            if attempt == _TRIES - 1:
                raise
    return False
