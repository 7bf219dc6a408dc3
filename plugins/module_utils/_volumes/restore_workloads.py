# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workloads around a restore: which are stopped and in what order, and the images they get. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._cluster.kinds import named
from .._cluster.scale import images_step
from .._core.application import Application, Workload
from .._core.errors import BadInput
from .._core.plan import Json, Step


def image_steps(app: Application, overrides: Mapping[str, Mapping[str, str]]) -> list[Step]:
    """One for each workload whose images are not the wanted ones yet."""
    steps = []
    for ref, wanted in overrides.items():
        workload = app.workload(ref)
        now = {container.name: container.image for container in workload.containers}
        if any(now[name] != image for name, image in wanted.items()):
            steps.append(images_step(workload, wanted))
    return steps


def to_stop(app: Application, claims: Sequence[str], isolated: Sequence[str]) -> tuple[list[Workload], list[Workload]]:
    """The workloads of the application that reach a claim that is restored: those that run, and those at rest.

    ``isolated`` are those that will be at rest when the plan runs. What a policy alone isolates runs, and is stopped.

    Raises BadInput naming whoever else has one of them mounted: nothing of ours could start that again.
    """
    known = {workload.ref: workload for workload in app.workloads}
    found: dict[str, Workload] = {}
    for volume in app.volumes:
        if volume.claim not in claims:
            continue
        for ref in volume.mounted_by:
            if ref not in known:
                raise BadInput(
                    f"claim {volume.claim} is mounted by {ref}, which is not of the application",
                    where=app.spec.target,
                    next="add it to app.workloads, or stop it yourself, then run the same task again",
                )
            found[ref] = known[ref]
    mounting = [workload for ref, workload in sorted(found.items())]
    resting = [workload for workload in mounting if rests(workload, isolated)]
    return [workload for workload in mounting if workload not in resting], resting


def rests(workload: Workload, isolated: Sequence[str]) -> bool:
    """Will it stand at zero when the plan runs?"""
    return workload.replicas == 0 or (workload.ref in isolated and not workload.quarantine)


def start_order(app: Application, workloads: Sequence[Workload]) -> list[Workload]:
    """As declared in ``app.workloads``; what is not declared follows, StatefulSets before those that use them."""
    declared = {ref: number for number, ref in enumerate(app.spec.workloads)}
    last = len(declared)
    return sorted(workloads, key=lambda w: (declared.get(w.ref, last), w.kind != "StatefulSet", w.ref))


def images_after(app: Application, overrides: Mapping[str, Mapping[str, str]]) -> dict[str, Json]:
    """What is set to write from then on, as a captured point names it; the digest is empty where nobody knows it."""
    running = {(pod.workload, container.name): container.digest for pod in app.pods for container in pod.containers}
    found: dict[str, Json] = {}
    for workload in app.workloads:
        for container in workload.containers:
            image = overrides.get(workload.ref, {}).get(container.name, container.image)
            known = running.get((workload.ref, container.name), "") if image == container.image else ""
            digest = image.rpartition("@")[2] if "@sha256:" in image else known
            found.setdefault(workload.ref, {})[container.name] = {"image": image, "digest": digest}
    return found


def notes(app: Application, stopped: Sequence[Workload]) -> tuple[str, ...]:
    """What a person should know about the workloads that are stopped."""
    found = list(app.notes)
    for workload in stopped:
        if workload.managed_by:
            found.append(f"{workload.ref} is managed by {workload.managed_by}, which may start it again too early")
        if workload.scaled_by:
            found.append(f"{workload.ref} is scaled by {workload.scaled_by}")
    return tuple(found)


def touched(workload: Workload) -> str:
    """How a plan names it."""
    return named(workload.kind, workload.name, workload.namespace)
