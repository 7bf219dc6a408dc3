# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step that frees a volume which was kept long enough.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._cluster.amend import Ref, amend, read_or_none
from .._cluster.kinds import named
from .._cluster.state import ConfigMapJournal
from .._cluster.waits import wait_gone
from .._core.clock import parse_time
from .._core.errors import Conflict, TimedOut
from .._core.operation import Context
from .._core.plan import Json, Step
from .._core.ports import ABANDONED
from .._core.statements import EXPIRED
from .giving_up import GivingUp
from .names import KEEP_UNTIL, KEPT
from .objects import Object, annotation, label

PV = "PersistentVolume"
LOOK = "was abandoned: look at what the volume holds, then delete it yourself"
_WAIT_S = 300.0


class _Needed(Conflict):
    """Somebody needs the volume since it was planned to free it."""


class Expire(GivingUp):
    """``volumes.expire``. Params: ``target``, ``point``, ``volume``, ``uid``, ``claim``, ``operation``, ``kept_until``.

    Everything is asked again of the volume as it is now, and the write that lets it go carries its uid and
    resourceVersion. The volume is not deleted here: with the policy Delete the cluster asks the driver to, and takes
    the object away only when the driver has done it.

    What was freed is gone for good; the plan said so before it ran.
    """

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params, tools = step.params, self._tools
        ref = Ref(PV, params["volume"], "", params["uid"])
        if read_or_none(tools.cluster, ref) is not None:
            try:
                self._refuse_used(step)
                amend(tools.cluster, ref, lambda volume: self._let_go(volume, step, context))
            except _Needed as error:
                return {"kept": error.why}
            self._wait_gone(step)
        if params["point"]:
            body = {
                "operation": params["operation"],
                "volume": params["volume"],
                "claim": params["claim"],
                "kept_until": params["kept_until"],
                "by_operation": context.operation_id,
            }
            key = f"{EXPIRED}:{params['uid']}"
            self._store.append(params["target"], EXPIRED, params["point"], body, key=key)
        return {"freed": params["volume"]}

    def _refuse_used(self, step: Step) -> None:
        """Raises _Needed naming the operation that is unfinished or abandoned, or the node that has the volume."""
        tools, params = self._tools, step.params
        operation = ConfigMapJournal(tools.cluster, tools.state_namespace).get(params["operation"])
        if operation is not None and operation.unfinished:
            raise _Needed("the volume is needed", why=f"{operation.id} is unfinished")
        if operation is not None and operation.state == ABANDONED:
            raise _Needed("the volume is in doubt", why=f"{operation.id} {LOOK}")
        for attachment in tools.cluster.list("VolumeAttachment"):
            if (attachment["spec"].get("source") or {}).get("persistentVolumeName") == params["volume"]:
                raise _Needed("the volume is attached", why=f"it is attached to node {attachment['spec']['nodeName']}")

    def _let_go(self, volume: Object, step: Step, context: Context) -> Object | None:
        """The patch that makes the cluster delete it. Raises _Needed for what changed since it was planned."""
        spec, phase = volume["spec"], (volume.get("status") or {}).get("phase")
        if volume["metadata"].get("deletionTimestamp"):
            return None
        mine = annotation(volume, _BY) == context.operation_id
        if not label(volume, KEPT) and not mine:
            raise _Needed("the volume is kept no more", why="it is live again, or somebody took the mark off")
        until = annotation(volume, KEEP_UNTIL)
        if until != step.params["kept_until"] or parse_time(until) > self._tools.clock.now():
            raise _Needed("the volume is kept longer", why=f"it is kept until {until or 'somebody frees it'} by now")
        if phase not in ("Released", "Available", "Failed"):
            raise _Needed("the volume is in use", why=f"it is {phase} by now")
        patch: Object = {
            "spec": {"persistentVolumeReclaimPolicy": "Delete"},
            "metadata": {"annotations": {_BY: context.operation_id}},
        }
        back = spec.get("claimRef") or {}
        if not back.get("uid"):
            # Nothing reclaims a volume that never had a claim; with a claim that is not there it counts as released.
            namespace, dummy, name = step.params["claim"].partition("/")
            patch["spec"]["claimRef"] = {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": back.get("namespace") or namespace,
                "name": back.get("name") or name,
                "uid": step.params["uid"],
            }
        elif mine and spec.get("persistentVolumeReclaimPolicy") == "Delete":
            return None
        return patch

    def _wait_gone(self, step: Step) -> None:
        params, tools = step.params, self._tools
        try:
            wait_gone(tools.cluster, PV, params["volume"], None, params["uid"], timeout_s=_WAIT_S, clock=tools.clock)
        except TimedOut as error:
            error.next = f"see what the driver says: kubectl describe pv {params['volume']}"
            error.where = named(PV, params["volume"])
            raise


_BY = "knowngood.io/expired-by"
