# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Freeing the snapshots of a point that was given up.

A content that retains its snapshot never lets go of it by being deleted. Where its VolumeSnapshot is still there, the
policy is set to Delete and the VolumeSnapshot deleted; where it is gone, the handle is imported anew with Delete and
that pair deleted, which is the way the snapshot controller knows.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._core.errors import Conflict
from .._core.operation import Context
from .._core.plan import Json, Step
from . import snapshot_state as state
from . import snapshots
from .names import suffixed, tail
from .objects import Object, delete
from .tools import Tools


class Free:
    """``volumes.free``: params ``namespace``, ``point``, ``volumes`` (as the statement has them)."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        return bool(context.results.get(step.name, {}).get("freed"))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        volumes = step.params["volumes"]
        handles = {(v["driver"], v["snapshot_handle"]) for v in volumes}
        contents = [c for c in self._tools.cluster.list(snapshots.CONTENT) if _identity(c) in handles]
        for volume in volumes:
            same = [c for c in contents if _identity(c) == (volume["driver"], volume["snapshot_handle"])]
            self._free(step.params["namespace"], volume, same, context)
        return {"freed": [volume["snapshot_handle"] for volume in volumes]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """What was freed is gone for good; the plan said so before it ran."""
        del step, context
        return None

    def _free(self, namespace: str, volume: Mapping[str, Json], contents: list[Object], context: Context) -> None:
        tools = self._tools
        imported = suffixed(volume["claim"], f"free-{tail(context.operation_id)}")
        own = {volume["content"], imported}
        others = [c["metadata"]["name"] for c in contents if c["metadata"]["name"] not in own]
        if others:
            raise Conflict(
                f"the snapshot of claim {volume['claim']} is used by another content",
                where=", ".join(named(snapshots.CONTENT, name) for name in others),
                why="freeing it would take the data of that one as well",
                next="delete that content if it is not needed, then run the same task again",
            )
        for content in contents:
            snapshot = self._bound(content)
            if snapshot is not None:
                snapshots.free(tools, snapshot, content)
                return
        for content in contents:
            self._delete_shell(content)
        labels = owned_by(context.operation_id)
        made = snapshots.import_pair(tools, namespace, imported, volume, labels, policy=snapshots.DELETE, ready=False)
        snapshots.free(tools, made, tools.cluster.get(snapshots.CONTENT, imported))

    def _bound(self, content: Object) -> Object | None:
        ref = content["spec"].get("volumeSnapshotRef") or {}
        snapshot = self._tools.cluster.find(snapshots.SNAPSHOT, ref.get("name", ""), ref.get("namespace", ""))
        return snapshot if snapshot is not None and state.points_to(content, snapshot) else None

    def _delete_shell(self, content: Object) -> None:
        """Removes a content whose snapshot object is gone; the physical snapshot stays for the import that follows."""
        snapshots.set_policy(self._tools, content, snapshots.RETAIN)
        meta = content["metadata"]
        delete(self._tools, snapshots.CONTENT, meta["name"], None, meta["uid"])


def _identity(content: Object) -> tuple[str, str]:
    return content["spec"]["driver"], state.handle(content)
