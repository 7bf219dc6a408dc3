# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step that makes content manifests of the staged volumes, each in a helper pod that mounts it read-only.

PRIVATE to this collection.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from .._cluster.client import owned_by
from .._cluster.kinds import named
from .._cluster.streams import ExecResult, run_in_pod
from .._core.application import Application
from .._core.errors import BadInput, NotProven
from .._core.operation import Context
from .._core.plan import Json, Step
from .._core.statements import RESTORED, RecoveryPoint
from .binding import PVC, drop_pod
from .content_manifest import ManifestWish, fetch, summarize
from .helper_pods import reader
from .names import short, tail
from .objects import create
from .pod_waits import wait_running
from .restore_seen import Seen
from .restore_volumes import Volumes, elsewhere
from .stage import staged
from .tools import Tools, in_parallel

_AT_ONCE = 4
_PATH = {True: "/dev/volume", False: "/volume"}


def manifest_step(
    name: str,
    seen: Seen,
    point: RecoveryPoint,
    wish: ManifestWish,
    volumes: Volumes,
    stage: str,
    timeout_s: float,
) -> Step:
    """The step for these volumes. Raises BadInput where no image is known for one. Pure."""
    claims = [str(volume["claim"]) for volume in volumes]
    params: dict[str, Json] = {
        "namespace": seen.there.namespace,
        "point": point.id,
        "stage": stage,
        "images": {claim: wish.image or _image(seen.app, claim) for claim in claims},
        "user": wish.user,
        "dest": wish.dest,
        "known": known(point),
        "timeout_s": timeout_s,
        **elsewhere(seen),
    }
    return Step(name, "volumes.manifest", (), params)


def known(point: RecoveryPoint) -> dict[str, str]:
    """SHA-256 of the manifests that earlier restores of the point have stated, by claim; the newest counts."""
    found: dict[str, str] = {}
    for statement in point.statements:
        if statement.kind == RESTORED:
            found |= {claim: row["sha256"] for claim, row in (statement.body.get("manifests") or {}).items()}
    return found


def _image(app: Application, claim: str) -> str:
    for workload in app.workloads:
        images = {container.name: container.image for container in workload.containers}
        for mount in workload.mounts:
            if mount.claim == claim and mount.container in images:
                return images[mount.container]
    raise BadInput(f"no image is known to read the content of claim {claim} with", next="give manifest.image")


class MakeManifests:
    """``volumes.manifest``. Params: ``namespace, point, stage, images`` (by claim), ``user, dest, known, timeout_s,
    where``.

    Result: ``manifests``: by claim ``sha256``, ``entries``, ``files``, ``bytes``, ``skipped``, ``path`` (of the file,
    empty for none). Raises NotProven where an earlier restore of the point had another content.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def done(self, step: Step, context: Context) -> bool:
        return bool(context.results.get(step.name, {}).get("manifests"))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        tools = self._tools.at(step.params)
        claims = sorted(staged(context, step.params["stage"]))
        rows = in_parallel(lambda claim: _manifest(tools, step.params, claim, context), claims, _AT_ONCE)
        return {"manifests": dict(zip(claims, rows, strict=True))}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        tools = self._tools.at(step.params)
        for claim in step.params["images"]:
            drop_pod(tools, step.params["namespace"], _pod_name(claim, context))
        return None


def _manifest(tools: Tools, params: Mapping[str, Json], claim: str, context: Context) -> dict[str, Json]:
    namespace, name = params["namespace"], _pod_name(claim, context)
    made = staged(context, params["stage"])[claim]
    block = tools.cluster.get(PVC, made["claim"], namespace)["spec"].get("volumeMode") == "Block"
    labels = owned_by(context.operation_id, role="manifest")

    def run(command: list[str]) -> ExecResult:
        return run_in_pod(tools.cluster, namespace, name, command, timeout_s=params["timeout_s"])

    try:
        image, path = params["images"][claim], _PATH[block]
        pod = create(tools, reader(namespace, name, labels, image, made["claim"], path, params["user"], block=block))
        wait_running(tools, pod, [made["claim"]], params["timeout_s"], "to read the staged volume")
        summary = summarize(run, path, block=block)
        before = params["known"].get(claim, summary.sha256)
        if before != summary.sha256:
            raise NotProven(
                f"the volume of {named(PVC, claim)} does not hold what an earlier restore of {params['point']} had",
                why=f"manifest sha256 {summary.sha256[:16]} now, {before[:16]} in the ledger",
                next="the snapshot was changed, or the volume is not made from it: look at the driver's storage",
            )
        target = os.path.join(params["dest"], f"{params['point']}-{claim}.manifest") if params["dest"] else ""
        if target:
            fetch(run, summary, target)
        return {**summary.to_dict(), "path": target}
    finally:
        drop_pod(tools, namespace, name)


def _pod_name(claim: str, context: Context) -> str:
    return f"kg-manifest-{short(claim)}-{tail(context.operation_id)}"
