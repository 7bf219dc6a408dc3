# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Staging: new volumes from snapshots, made while the application runs. All are asked for at once and waited for with
one watch.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .._cluster.amend import amend
from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._core.errors import Conflict, NotFound, NotProven, TimedOut
from .._core.operation import AskedOfJournal, Context, NothingToUndo
from .._core.plan import Json, Step
from . import snapshot_state as state
from . import snapshots
from .binding import COPY_ROUTE, POD, PV, PVC, bound_to, bound_volume, drop_pod, names_claim, wait_all_bound
from .claim_facts import from_snapshot, manifest, mounting
from .helper_pods import consumer, template_of
from .kept import KEEP_S, keep
from .names import OPERATION, RESTORED_FROM, suffixed, tail
from .objects import Object, create, delete, label, ref
from .quantity import in_bytes
from .tools import Tools, in_parallel

Made = Mapping[str, Json]
TIDY = "tidy"
"""The name of the step after the last proof: from then on claims that are the result are their user's."""
_ROLES = {False: "staged", True: "restored"}


def staged(context: Context, stage: str) -> Mapping[str, Made]:
    """What a step of staging made, by claim; empty before it is done.

    Each: ``claim`` (its name), ``claim_uid``, ``volume``, ``volume_uid``, ``snapshot``, ``imported``.
    """
    made: Mapping[str, Made] = context.results.get(stage, {}).get("volumes") or {}
    return made


class Stage:
    """``volumes.stage``: claims and their volumes from the snapshots of a recovery point.

    Params: ``namespace`` (where the claims are made), ``point``, ``final`` (they are the result, not to be swapped in),
    ``keep_s`` (how long an undo keeps volumes that may have been used), ``timeout_s``, ``where`` (another cluster), and
    ``claims``, a list of: ``claim``, ``name`` (of the new claim), ``source`` (the snapshot as the statement has it),
    ``again`` (how it is made), ``waits_for_consumer``, ``scheduled_like``. Result: ``volumes``, see :func:`staged`.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        made, tools = staged(context, step.name), self._tools.at(step.params)
        claims = in_parallel(
            lambda item: tools.cluster.find(PVC, item["name"], step.params["namespace"]) if made else None,
            step.params["claims"],
        )
        volumes = [made.get(item["claim"], {}).get("volume") for item in step.params["claims"]]
        return bool(made) and all(c and v and bound_to(c) == v for c, v in zip(claims, volumes, strict=True))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        params, tools = step.params, self._tools.at(step.params)
        items: Sequence[Mapping[str, Json]] = params["claims"]
        sources = in_parallel(lambda item: _snapshot(tools, params, item, context), items)
        asked = in_parallel(
            lambda pair: _ask(tools, params, pair[0], pair[1][0], context), zip(items, sources, strict=True)
        )
        bound = wait_all_bound(
            tools,
            params["namespace"],
            [claim["metadata"]["name"] for claim in asked],
            timeout_s=params["timeout_s"],
            selector=f"{OPERATION}={context.operation_id}",
            provisioned=True,
        )
        made = in_parallel(lambda pair: _made(tools, params, bound, *pair), zip(items, sources, strict=True))
        return {"volumes": {item["claim"]: result for item, result in zip(items, made, strict=True)}}

    def undoable(self, step: Step, context: Context) -> str | None:
        """Not while somebody uses a claim that is the result. (Those to be swapped in are nobody's.)"""
        if not step.params["final"]:
            return None
        tools, namespace = self._tools.at(step.params), step.params["namespace"]
        pods = [pod for pod in tools.cluster.list(POD, namespace) if label(pod, OPERATION) != context.operation_id]
        ours = tools.cluster.list(PVC, namespace, selector=f"{OPERATION}={context.operation_id}")
        there = {claim["metadata"]["name"] for claim in ours}
        names = [item["name"] for item in step.params["claims"] if item["name"] in there]
        used = {name: by for name in names if (by := mounting(pods, name))}
        tale = "; ".join(f"{named(PVC, name, namespace)} is mounted by {', '.join(by)}" for name, by in used.items())
        return f"{tale}: stop them first" if tale else None

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Deletes the claims, when they are still what this step made; one swapped in is kept.

        Their volumes go with them, unless somebody may have written to them: once a restore beside the old claims has
        proven itself they are kept for a while, as those that an undo in place takes out.
        """
        used = self.undoable(step, context)
        if used:
            raise Conflict("the restored claims are in use", why=used)
        tools, namespace = self._tools.at(step.params), step.params["namespace"]
        keeps = step.params["final"] and TIDY in context.results

        def drop(item: Mapping[str, Json]) -> None:
            drop_pod(tools, namespace, _consumer_name(item))
            claim = tools.cluster.find(PVC, item["name"], namespace)
            if claim is not None and label(claim, OPERATION) == context.operation_id:
                volume = tools.cluster.find(PV, bound_to(claim)) if bound_to(claim) else None
                if volume is not None and names_claim(volume, claim):
                    amend(tools.cluster, ref(volume), _reclaimed("Retain" if keeps else "Delete"))
                    if keeps:
                        _keep(tools, volume, claim, step, context)
                delete(tools, PVC, item["name"], namespace, claim["metadata"]["uid"])
            snapshots.drop_pair(tools, namespace, _import_name(item, context), context.operation_id)

        in_parallel(drop, step.params["claims"])
        return None


class Tidy(AskedOfJournal, NothingToUndo):
    """``volumes.tidy``: removes the imported snapshot objects; the physical snapshots stay with the recovery point.

    Params: ``namespace``, ``stage`` (step), ``where``. Result: ``removed``.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools, namespace = self._tools.at(step.params), step.params["namespace"]
        names = [str(made["imported"]) for made in staged(context, step.params["stage"]).values() if made["imported"]]
        in_parallel(lambda name: snapshots.drop_pair(tools, namespace, name, context.operation_id), names)
        return {"removed": names}


def _snapshot(tools: Tools, params: Mapping[str, Json], item: Mapping[str, Json], context: Context) -> tuple[str, str]:
    """The snapshot to restore from: the one that was captured, else its handle imported. With the import's name."""
    source, namespace = item["source"], params["namespace"]
    if _original(tools, source, namespace):
        return str(source["snapshot"]), ""
    name, labels = _import_name(item, context), owned_by(context.operation_id)
    try:
        snapshots.import_pair(tools, namespace, name, source, labels, timeout_s=params["timeout_s"])
    except (NotProven, TimedOut) as error:
        error.next = f"{error.next}; {COPY_ROUTE}" if error.next else COPY_ROUTE
        raise
    return name, name


def _original(tools: Tools, source: Mapping[str, Json], namespace: str) -> bool:
    """Is the snapshot object still there, bound both ways, and of the handle that the ledger knows?"""
    snapshot = tools.cluster.find(snapshots.SNAPSHOT, source.get("snapshot", ""), namespace)
    content = tools.cluster.find(snapshots.CONTENT, source.get("content", ""))
    if snapshot is None or content is None or snapshot["metadata"].get("deletionTimestamp"):
        return False
    same = content["spec"]["driver"] == source["driver"] and state.handle(content) == source["snapshot_handle"]
    return same and state.bound(snapshot, content) and state.is_ready(snapshot)


def _ask(tools: Tools, params: Mapping[str, Json], item: Mapping[str, Json], snapshot: str, context: Context) -> Object:
    """Creates the claim and, where its volume is made for a pod only, a short-lived pod that asks for it."""
    again, namespace = item["again"], params["namespace"]
    labels = owned_by(context.operation_id, role=_ROLES[params["final"]])
    wanted = {
        **again,
        "labels": {**(again["labels"] if params["final"] else {}), **labels},
        "annotations": {**(again["annotations"] if params["final"] else {}), RESTORED_FROM: params["point"]},
        "owners": [],
    }
    claim = create(tools, manifest(namespace, item["name"], wanted, source=from_snapshot(snapshot)))
    if (claim["spec"].get("dataSourceRef") or {}).get("name") != snapshot:
        raise NotProven(
            f"{named(PVC, item['name'], namespace)} is not made from the snapshot",
            why="the API server did not take its data source: the volume would come up empty",
        )
    if item["waits_for_consumer"] and not bound_to(claim):
        template = _template(tools, item["scheduled_like"])
        helper = owned_by(context.operation_id, role="bind")
        create(tools, consumer(namespace, _consumer_name(item), item["name"], helper, template, again["mode"]))
    return claim


def _made(
    tools: Tools,
    params: Mapping[str, Json],
    bound: Mapping[str, Object],
    item: Mapping[str, Json],
    source: tuple[str, str],
) -> dict[str, Json]:
    """The row of a claim that is bound, once its volume was looked at."""
    if item["waits_for_consumer"]:
        drop_pod(tools, params["namespace"], _consumer_name(item))
    claim = bound[item["name"]]
    volume = bound_volume(tools, claim)
    _big_enough(volume, item["again"]["request"])
    return {
        "claim": item["name"],
        "claim_uid": claim["metadata"]["uid"],
        "volume": volume["metadata"]["name"],
        "volume_uid": volume["metadata"]["uid"],
        "snapshot": source[0],
        "imported": source[1],
    }


def _template(tools: Tools, scheduled_like: Mapping[str, str] | None) -> dict[str, Json] | None:
    if scheduled_like is None:
        return None
    try:
        return template_of(
            tools.cluster.get(scheduled_like["kind"], scheduled_like["name"], scheduled_like["namespace"])
        )
    except (NotFound, KeyError):
        return None


def _reclaimed(policy: str) -> Callable[[Object], Object | None]:
    def change(volume: Object) -> Object | None:
        wrong = volume["spec"].get("persistentVolumeReclaimPolicy") != policy
        return {"spec": {"persistentVolumeReclaimPolicy": policy}} if wrong else None

    return change


def _keep(tools: Tools, volume: Object, claim: Object, step: Step, context: Context) -> None:
    """Marks the volume before its claim goes: a run that dies in between leaves none that nobody would find."""
    row = {"name": volume["metadata"]["name"], "uid": volume["metadata"]["uid"]}
    name = f"{step.params['namespace']}/{claim['metadata']['name']}"
    keep(tools, row, name, step.params.get("keep_s", KEEP_S), context.operation_id)


def _big_enough(volume: Object, request: str) -> None:
    capacity = str(volume["spec"]["capacity"]["storage"])
    if in_bytes(capacity) < in_bytes(request):
        raise NotProven(
            f"{named(PV, volume['metadata']['name'])} is too small", why=f"{capacity}, the claim asks for {request}"
        )


def _consumer_name(item: Mapping[str, Json]) -> str:
    return suffixed(item["name"], "bind")


def _import_name(item: Mapping[str, Json], context: Context) -> str:
    return suffixed(item["claim"], f"import-{tail(context.operation_id)}")
