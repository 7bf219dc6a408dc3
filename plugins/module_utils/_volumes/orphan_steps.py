# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step that removes one thing of what was left behind, and what it asks before it does.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.amend import Ref, amend, read_or_none
from .._cluster.client import Cluster
from .._cluster.ledger import LEDGER_LABEL, LedgerStore
from .._cluster.state import ConfigMapJournal
from .._core.operation import Context, NothingToUndo
from .._core.plan import Json, Step
from .._core.ports import Operation
from . import snapshot_state as state
from . import snapshots
from .binding import bound_to, names_claim
from .freeing import bound_snapshot, delete_shell, drop, free_volumes
from .objects import Object, delete
from .orphans import POD, PV, PVC, needed_elsewhere, strangers
from .tools import Tools
from .usage import Handle, handle_of, identity


def live_handles(cluster: Cluster, store: LedgerStore, target: str) -> frozenset[Handle]:
    """The snapshots that points of any application need. Raises LedgerBroken: nothing is freed on a ledger's doubt."""
    items = cluster.list("ConfigMap", store.namespace, selector=LEDGER_LABEL)
    targets = {_target(item) for item in items} | {target}
    return frozenset(
        handle_of(volume)
        for name in sorted(targets - {""})
        for point in store.points(name)
        if not point.pruned
        for volume in point.volumes
    )


def _target(item: Object) -> str:
    """``<namespace>.<application>-<six digits>``: a namespace has no dots."""
    namespace, dot, rest = str(item["metadata"]["name"]).partition(".")
    return f"{namespace}/{rest.rpartition('-')[0]}" if dot else ""


class RemoveOrphan(NothingToUndo):
    """``volumes.remove_orphan``. Params: ``kind``, ``name``, ``namespace``, ``uid``, ``operation`` (that left it),
    ``frees`` (its data goes with it), ``app_namespace``.

    It asks again whether the thing was left behind: the result says ``kept`` where it was not.

    What was removed is gone for good; the plan said so before it ran.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)

    def done(self, step: Step, context: Context) -> bool:
        result = context.results.get(step.name, {})
        return bool(result.get("removed") or result.get("kept"))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params = step.params
        left_by = ConfigMapJournal(self._tools.cluster, self._tools.state_namespace).get(params["operation"])
        if left_by is not None and left_by.unfinished:
            return {"kept": f"{left_by.id} is unfinished by now"}
        obj = read_or_none(self._tools.cluster, Ref(params["kind"], params["name"], params["namespace"], params["uid"]))
        if obj is None:
            return {"removed": params["name"]}
        why = ""
        if params["kind"] == POD:
            delete(self._tools, POD, params["name"], params["namespace"], params["uid"], grace_s=1)
        elif params["kind"] == PVC:
            why = self._remove_claim(obj)
        else:
            why = self._remove_snapshot(obj, step, context, left_by)
        return {"kept": why} if why else {"removed": params["name"]}

    def _remove_claim(self, claim: Object) -> str:
        """With its volume, when the two name each other. Why it was left alone; empty when it is gone."""
        tools, meta = self._tools, claim["metadata"]
        users = strangers(claim, tools.cluster.list(POD, meta["namespace"]))
        if users:
            return f"it is mounted by {', '.join(users)} by now"
        volume = tools.cluster.find(PV, bound_to(claim)) if bound_to(claim) else None
        if volume is not None and names_claim(volume, claim):
            ref = Ref(PV, volume["metadata"]["name"], "", volume["metadata"]["uid"])
            amend(tools.cluster, ref, _deleted_with_claim)
        delete(tools, PVC, meta["name"], meta["namespace"], meta["uid"])
        return ""

    def _remove_snapshot(self, obj: Object, step: Step, context: Context, left_by: Operation | None) -> str:
        """Why it was left alone; empty when it is gone."""
        tools, params = self._tools, step.params
        content = obj if params["kind"] == snapshots.CONTENT else self._content_of(obj)
        for one in (obj, content) if params["frees"] else ():
            needed = needed_elsewhere(one, left_by) if one is not None else ""
            if needed:
                return needed
        if content is None:
            delete(tools, snapshots.SNAPSHOT, params["name"], params["namespace"], params["uid"])
            return ""
        handle = identity(content)
        live = live_handles(tools.cluster, self._store, "")
        if params["frees"] and handle in live:
            return "a statement has its snapshot by now"
        if not params["frees"]:
            if handle not in live or self._alone(content, handle):
                return "no other content stands for its snapshot by now"
            snapshot = bound_snapshot(tools, content)
            if snapshot is not None:
                drop(tools, content, snapshot)
            else:
                delete_shell(tools, content)
            return ""
        self._free(content, handle, step, context)
        return ""

    def _content_of(self, snapshot: Object) -> Object | None:
        # The content of a dynamic snapshot has this name from the start; the snapshot learns it a moment later.
        meta = snapshot["metadata"]
        name = state.status(snapshot).get("boundVolumeSnapshotContentName") or f"snapcontent-{meta['uid']}"
        content = self._tools.cluster.find(snapshots.CONTENT, name)
        return content if content is not None and state.points_to(content, snapshot) else None

    def _alone(self, content: Object, handle: Handle) -> bool:
        there = self._tools.cluster.list(snapshots.CONTENT)
        return not any(c["metadata"]["uid"] != content["metadata"]["uid"] for c in there if identity(c) == handle)

    def _free(self, content: Object, handle: Handle, step: Step, context: Context) -> None:
        """By the snapshot's handle; one that was never cut has none, and goes with its VolumeSnapshot."""
        tools = self._tools
        snapshot = bound_snapshot(tools, content)
        if snapshot is not None:
            snapshots.free(tools, snapshot, content)
            return
        if not handle[1]:
            delete_shell(tools, content)
            return
        namespace = str((content["spec"].get("volumeSnapshotRef") or {}).get("namespace") or "")
        volume: Mapping[str, Json] = {
            "claim": step.params["name"],
            "driver": handle[0],
            "snapshot_handle": handle[1],
            "snapshot_class": content["spec"].get("volumeSnapshotClassName") or "",
            "mode": content["spec"].get("sourceVolumeMode") or "Filesystem",
            "content": content["metadata"]["name"],
            "deletion_secret": state.deletion_secret(content),
        }
        free_volumes(tools, namespace or step.params["app_namespace"], [volume], context.operation_id)


def _deleted_with_claim(volume: Object) -> Object | None:
    wrong = volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete"
    return {"spec": {"persistentVolumeReclaimPolicy": "Delete"}} if wrong else None
