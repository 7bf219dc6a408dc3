# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that belong into a restored volume and are not in its snapshot: the backup_label of a PostgreSQL base backup.

Without it PostgreSQL would start its recovery too late, at the last checkpoint that the data shows, and end up damaged
without a word. So such volumes are restored together or not at all.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._cluster.streams import run_in_pod
from .._core.errors import BadInput, NotProven
from .._core.operation import AskedOfJournal, Context
from .._core.plan import Json, Step
from .binding import POD
from .helper_pods import template_of
from .names import tail
from .objects import Object, create, delete
from .pod_waits import wait_running
from .restore_seen import Seen
from .restore_volumes import elsewhere, titled
from .restore_wish import RestoreWish
from .stage import staged
from .tools import Tools, in_parallel

_SNAPSHOT = "snapshot"
_AT = "/knowngood"
_POD_KEYS = ("securityContext", "imagePullSecrets", "nodeSelector", "affinity", "tolerations", "runtimeClassName")
_WRITE_S = 60.0
# $1: the file; $2: the file beside it that it has to be owned like; $3: the text.
_WRITE = f"""
cd {_AT} || exit 9
[ -f "$2" ] || exit 8
umask 077
printf '%s' "$3" >"$1.knowngood" || exit 7
chown --reference="$2" "$1.knowngood" 2>/dev/null
[ "$(stat -c %u:%g "$1.knowngood")" = "$(stat -c %u:%g "$2")" ] || exit 6
mv "$1.knowngood" "$1" && sync
"""
_WHY = {
    6: "it cannot be given the owner of the files beside it",
    7: "it cannot be written there",
    8: "the volume does not hold what it was captured with",
}


def write_step(
    seen: Seen, wish: RestoreWish, volumes: Sequence[Mapping[str, Json]], stage: str, *, verifies: bool
) -> Step | None:
    """The step that completes the staged volumes; None where nothing has to be written.

    ``verifies``: staged volumes are looked at by probes. Raises BadInput where the volumes would not fit each other.
    """
    chosen = {str(volume["claim"]) for volume in volumes}
    for volume in volumes:
        missing = sorted(set(volume.get("together") or ()) - chosen)
        if missing:
            raise BadInput(
                f"claim {volume['claim']} cannot be restored alone",
                where=seen.app.spec.target,
                why=f"its snapshot is part of a base backup with {', '.join(missing)}",
                next="restore them together",
            )
    items = [_item(seen, volume) for volume in volumes if volume.get("write_files")]
    if not items:
        return None
    if verifies and wish.verify_from == _SNAPSHOT:
        raise BadInput(
            "the volumes cannot be verified from their snapshots",
            why="a base backup is complete only with the files that are written into the staged volume",
            next="set verify_from: volume",
        )
    params: dict[str, Json] = {
        "namespace": seen.there.namespace,
        "workloads_in": seen.app.spec.namespace,
        "stage": stage,
        "items": items,
        "timeout_s": wish.stage_timeout_s,
        **elsewhere(seen),
    }
    claims = [str(item["claim"]) for item in items]
    return Step(titled("complete", claims), "volumes.write_files", (), params)


def _item(seen: Seen, volume: Mapping[str, Json]) -> dict[str, Json]:
    claim = str(volume["claim"])
    for workload in seen.app.workloads:
        mount = next((m for m in workload.mounts if m.claim == claim and not m.init), None)
        if mount is not None and workload.kind != "Pod":
            return {
                "claim": claim,
                "workload": workload.ref,
                "container": mount.container,
                "files": [dict(row) for row in volume["write_files"]],
            }
    raise BadInput(
        f"claim {claim} cannot be completed: no workload mounts it",
        where=seen.app.spec.target,
        why="backup_label is written by a pod with the image of the workload that uses the volume",
        next="create the workload first; it may have zero replicas",
    )


class WriteFiles(AskedOfJournal):
    """``volumes.write_files``: writes files into staged volumes before anybody looks at them.

    Params: ``namespace``, ``workloads_in``, ``stage`` (step), ``timeout_s``, ``where`` (another cluster), ``items``,
    a list of ``claim``, ``workload``, ``container`` and ``files`` (``path`` in the volume, ``text``, ``like``: the file
    whose owner it gets). Result: ``written``, the paths by claim.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        items: Sequence[Mapping[str, Json]] = step.params["items"]
        self._clear(step, context)
        try:
            in_parallel(lambda item: self._write(step, context, item), items)
        finally:
            self._clear(step, context)
        return {"written": {item["claim"]: [row["path"] for row in item["files"]] for item in items}}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """The staged volume goes with what was written; only a pod may be left."""
        self._clear(step, context)
        return None

    def _write(self, step: Step, context: Context, item: Mapping[str, Json]) -> None:
        tools, params = self._tools.at(step.params), step.params
        kind, name = str(item["workload"]).split("/")
        workload = {"kind": kind, **self._tools.cluster.get(kind, name, params["workloads_in"])}
        claim = str(staged(context, params["stage"])[item["claim"]]["claim"])
        pod = create(
            tools, _pod(params["namespace"], _name(item, context), claim, workload, item, context.operation_id)
        )
        wait_running(tools, pod, [claim], params["timeout_s"], "on the staged volume")
        for row in item["files"]:
            command = ("sh", "-c", _WRITE, "knowngood", row["path"], row["like"], row["text"])
            rc = run_in_pod(tools.cluster, params["namespace"], pod["metadata"]["name"], command, timeout_s=_WRITE_S).rc
            if rc:
                raise NotProven(
                    f"{row['path']} could not be written into the staged volume of {item['claim']}",
                    where=named(POD, pod["metadata"]["name"], params["namespace"]),
                    why=_WHY.get(rc, f"exit code {rc}"),
                )

    def _clear(self, step: Step, context: Context) -> None:
        tools, namespace = self._tools.at(step.params), step.params["namespace"]
        for item in step.params["items"]:
            found = tools.cluster.find(POD, _name(item, context), namespace)
            if found is not None:
                delete(tools, POD, found["metadata"]["name"], namespace, found["metadata"]["uid"], grace_s=1)


def _name(item: Mapping[str, Json], context: Context) -> str:
    return f"kg-complete-{str(item['claim'])[:30].rstrip('-.')}-{tail(context.operation_id)}"


def _pod(
    namespace: str, name: str, claim: str, workload: Object, item: Mapping[str, Json], operation_id: str
) -> Object:
    """A pod with the image and the user of the workload's container, which does nothing but wait."""
    template = template_of(workload)
    like = next((one for one in template["containers"] if one["name"] == item["container"]), template["containers"][0])
    container: Object = {
        "name": "write",
        "image": like["image"],
        "command": ["sleep", "3600"],
        "volumeMounts": [{"name": "data", "mountPath": _AT}],
        **{key: like[key] for key in ("securityContext", "imagePullPolicy") if key in like},
    }
    spec: Object = {
        **{key: template[key] for key in _POD_KEYS if key in template},
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }
    labels = owned_by(operation_id, role="complete")
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
