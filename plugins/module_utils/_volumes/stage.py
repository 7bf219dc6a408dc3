# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Staging: a new volume from a snapshot, made while the application runs.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.amend import amend
from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._cluster.waits import wait_until
from .._core.errors import NotFound, NotProven, TimedOut
from .._core.operation import Context
from .._core.plan import Json, Step
from . import snapshot_state as state
from . import snapshots
from .claim_facts import from_snapshot, manifest
from .events import last_warning
from .helper_pods import consumer, template_of
from .names import OPERATION, RESTORED_FROM, suffixed, tail
from .objects import Object, create, delete, label, ref
from .quantity import in_bytes
from .tools import Tools

PVC, PV, POD = "PersistentVolumeClaim", "PersistentVolume", "Pod"


class Stage:
    """``volumes.stage``: a claim and its volume from the snapshot of a recovery point.

    Params: ``namespace``, ``claim``, ``name`` (of the new claim), ``final`` (it is the result, not to be swapped in),
    ``point``, ``source`` (the snapshot as the statement has it), ``again``, ``waits_for_consumer``, ``scheduled_like``,
    ``timeout_s``. Result: ``claim``, ``claim_uid``, ``volume``, ``volume_uid``, ``snapshot``, ``imported``.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        made = context.results.get(step.name, {})
        claim = self._tools.cluster.find(PVC, step.params["name"], step.params["namespace"])
        return bool(made.get("volume")) and claim is not None and _bound_to(claim) == made["volume"]

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params, namespace = step.params, step.params["namespace"]
        snapshot, imported = self._snapshot(params, context)
        claim = create(self._tools, self._manifest(params, snapshot, context))
        if (claim["spec"].get("dataSourceRef") or {}).get("name") != snapshot:
            raise NotProven(
                f"{named(PVC, params['name'], namespace)} is not made from the snapshot",
                why="the API server did not take its data source: the volume would come up empty",
            )
        claim = bind(
            self._tools,
            claim,
            context.operation_id,
            waits=params["waits_for_consumer"],
            scheduled_like=params["scheduled_like"],
            timeout_s=params["timeout_s"],
        )
        volume = bound_volume(self._tools, claim)
        _big_enough(volume, params["again"]["request"])
        return {
            "claim": params["name"],
            "claim_uid": claim["metadata"]["uid"],
            "volume": volume["metadata"]["name"],
            "volume_uid": volume["metadata"]["uid"],
            "snapshot": snapshot,
            "imported": imported,
        }

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Deletes the claim with its volume, when they are still what this step made; a volume swapped in is kept."""
        params, namespace = step.params, step.params["namespace"]
        self._drop_consumer(params["name"], namespace)
        claim = self._tools.cluster.find(PVC, params["name"], namespace)
        if claim is not None and label(claim, OPERATION) == context.operation_id:
            volume = self._tools.cluster.find(PV, _bound_to(claim)) if _bound_to(claim) else None
            if volume is not None and _names(volume, claim):
                amend(self._tools.cluster, ref(volume), _deleted_with_claim)
            delete(self._tools, PVC, params["name"], namespace, claim["metadata"]["uid"])
        snapshots.drop_pair(self._tools, namespace, _import_name(params, context), context.operation_id)
        return None

    def _snapshot(self, params: Mapping[str, Json], context: Context) -> tuple[str, str]:
        """The snapshot to restore from: the one that was captured, else its handle imported. With the import's name."""
        source, namespace = params["source"], params["namespace"]
        if self._original(source, namespace):
            return str(source["snapshot"]), ""
        name = _import_name(params, context)
        labels = owned_by(context.operation_id)
        snapshots.import_pair(self._tools, namespace, name, source, labels, timeout_s=params["timeout_s"])
        return name, name

    def _original(self, source: Mapping[str, Json], namespace: str) -> bool:
        """Is the snapshot object still there, bound both ways, and of the handle that the ledger knows?"""
        snapshot = self._tools.cluster.find(snapshots.SNAPSHOT, source.get("snapshot", ""), namespace)
        content = self._tools.cluster.find(snapshots.CONTENT, source.get("content", ""))
        if snapshot is None or content is None or snapshot["metadata"].get("deletionTimestamp"):
            return False
        same = content["spec"]["driver"] == source["driver"] and state.handle(content) == source["snapshot_handle"]
        return same and state.bound(snapshot, content) and state.is_ready(snapshot)

    def _manifest(self, params: Mapping[str, Json], snapshot: str, context: Context) -> Object:
        again = {
            **params["again"],
            "labels": owned_by(context.operation_id, role="restored" if params["final"] else "staged"),
            "annotations": {RESTORED_FROM: params["point"]},
            "owners": [],
        }
        return manifest(params["namespace"], params["name"], again, source=from_snapshot(snapshot))

    def _drop_consumer(self, claim: str, namespace: str) -> None:
        drop_pod(self._tools, namespace, suffixed(claim, "bind"))


class Tidy:
    """``volumes.tidy``: removes the imported snapshot objects; the physical snapshots stay with the recovery point."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        return "removed" in context.results.get(step.name, {})

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        imported = [context.results.get(stage, {}).get("imported") for stage in step.params["stages"].values()]
        names = [str(name) for name in imported if name]
        for name in names:
            snapshots.drop_pair(self._tools, step.params["namespace"], name, context.operation_id)
        return {"removed": names}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        del step, context
        return None


def bind(
    tools: Tools,
    claim: Object,
    operation_id: str,
    *,
    waits: bool,
    scheduled_like: Mapping[str, str] | None,
    timeout_s: float,
) -> Object:
    """Waits until the claim is bound. Where its volume is made for a pod only, a short-lived pod asks for it.

    Raises TimedOut with what the provisioner said last.
    """
    meta = claim["metadata"]
    name, namespace, pod = meta["name"], meta["namespace"], suffixed(meta["name"], "bind")
    if waits and not _bound_to(claim):
        template = _template(tools, namespace, scheduled_like)
        mode = claim["spec"].get("volumeMode") or "Filesystem"
        create(tools, consumer(namespace, pod, name, owned_by(operation_id, role="bind"), template, mode))
    try:
        bound = wait_bound(tools, namespace, name, timeout_s=timeout_s)
    except TimedOut as error:
        said = last_warning(tools, claim)
        error.why += f"; {said}" if said else ""
        raise
    drop_pod(tools, namespace, pod)
    return bound


def wait_bound(tools: Tools, namespace: str, name: str, *, timeout_s: float) -> Object:
    """The claim, once it is bound."""

    def check(claims: Mapping[str, Object]) -> str:
        claim = claims.get(name)
        phase = (claim.get("status") or {}).get("phase", "unknown") if claim else "gone"
        return "" if claim and phase == "Bound" else f"it is {phase}"

    found = wait_until(
        tools.cluster,
        PVC,
        namespace,
        check,
        what=f"{named(PVC, name, namespace)} to be bound",
        timeout_s=timeout_s,
        clock=tools.clock,
        field=f"metadata.name={name}",
        next=f"kubectl -n {namespace} describe pvc {name}",
    )
    return found[name]


def bound_volume(tools: Tools, claim: Object) -> Object:
    """The volume of a bound claim; binding is looked at from both sides. Raises NotProven."""
    meta = claim["metadata"]
    volume = tools.cluster.get(PV, _bound_to(claim))
    if not _names(volume, claim):
        back = volume["spec"].get("claimRef") or {}
        raise NotProven(
            f"{named(PVC, meta['name'], meta['namespace'])} and its volume do not name each other",
            why=f"{named(PV, volume['metadata']['name'])} names {back.get('namespace')}/{back.get('name')}",
        )
    return volume


def drop_pod(tools: Tools, namespace: str, name: str) -> None:
    """Removes one of our short-lived pods and waits: while it is there its claim cannot go."""
    pod = tools.cluster.find(POD, name, namespace)
    if pod is not None and label(pod, "app.kubernetes.io/managed-by") == "knowngood":
        delete(tools, POD, name, namespace, pod["metadata"]["uid"], grace_s=1)


def _names(volume: Object, claim: Object) -> bool:
    """Does the volume name this claim, uid included?"""
    back, meta = volume["spec"].get("claimRef") or {}, claim["metadata"]
    return (back.get("namespace"), back.get("name"), back.get("uid")) == (meta["namespace"], meta["name"], meta["uid"])


def _template(tools: Tools, namespace: str, scheduled_like: Mapping[str, str] | None) -> dict[str, Json] | None:
    if scheduled_like is None:
        return None
    try:
        return template_of(tools.cluster.get(scheduled_like["kind"], scheduled_like["name"], namespace))
    except (NotFound, KeyError):
        return None


def _deleted_with_claim(volume: Object) -> Object | None:
    wrong = volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete"
    return {"spec": {"persistentVolumeReclaimPolicy": "Delete"}} if wrong else None


def _big_enough(volume: Object, request: str) -> None:
    capacity = str(volume["spec"]["capacity"]["storage"])
    if in_bytes(capacity) < in_bytes(request):
        raise NotProven(
            f"{named(PV, volume['metadata']['name'])} is too small", why=f"{capacity}, the claim asks for {request}"
        )


def _bound_to(claim: Object) -> str:
    return str(claim["spec"].get("volumeName") or "")


def _import_name(params: Mapping[str, Json], context: Context) -> str:
    return suffixed(params["claim"], f"import-{tail(context.operation_id)}")
