# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The body of a ``captured`` statement: what a recovery point is, as far as it was seen. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._core.application import Application, ApplicationSpec
from .._core.clock import parse_time
from .._core.plan import Json


def images(app: Application) -> dict[str, dict[str, dict[str, str]]]:
    """``{"Kind/name": {container: {"image": reference, "digest": "sha256:..." or ""}}}`` of the pods that run.

    Where pods of a workload run different images of a container, each has its line: ``app``, ``app (2)``.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for pod in app.pods:
        lines = found.setdefault(pod.workload or f"Pod/{pod.name}", {})
        for container in pod.containers:
            line = {"image": container.image, "digest": container.digest}
            name, number = container.name, 1
            while name in lines and lines[name] != line:
                number += 1
                name = f"{container.name} ({number})"
            lines[name] = line
    return {ref: dict(sorted(found[ref].items())) for ref in sorted(found)}


def commits(spec: ApplicationSpec, running: Mapping[str, Mapping[str, Mapping[str, str]]]) -> dict[str, str | None]:
    """``{digest: commit}`` of every digest that runs, as the sources declare it; None where none does."""
    declared: dict[str, str] = {}
    for source in spec.sources:
        declared |= {str(digest): str(commit) for digest, commit in (source.get("digests") or {}).items()}
    digests = {line["digest"] for lines in running.values() for line in lines.values() if line["digest"]}
    return {digest: declared.get(digest) for digest in sorted(digests)}


def writers(app: Application) -> dict[str, list[str]]:
    """``{claim: ["Kind/name", ...]}``: the declared writers, else every workload of the application.

    Whoever mounts nothing may still write through the network, as an API server writes through its database.
    """
    everybody = [workload.ref for workload in app.workloads]
    declared = app.spec.writers
    return {
        volume.claim: sorted(declared[volume.claim]) if volume.claim in declared else everybody
        for volume in app.volumes
    }


def spread_s(cuts: Mapping[str, str]) -> float:
    """Seconds from the first cut to the last."""
    moments = [parse_time(cut) for cut in cuts.values() if cut]
    return (max(moments) - min(moments)).total_seconds() if moments else 0.0


def body(planned: Mapping[str, Json], wave: Mapping[str, Json], *, operation: str) -> dict[str, Json]:
    """``planned``: the parameters of the step that records; ``wave``: the result of the step that cut."""
    cuts: Mapping[str, Mapping[str, Json]] = wave["cuts"]
    volumes: Sequence[Mapping[str, Json]] = planned["volumes"]
    return {
        "cut_at": {claim: cut["cut_at"] for claim, cut in cuts.items()},
        "consistency": wave["consistency"],
        "consistency_reason": wave["consistency_reason"],
        "volumes": [{**volume, **cuts[volume["claim"]]} for volume in volumes],
        "images": wave["images"],
        "commits": wave["commits"],
        "writers": {claim: refs for claim, refs in wave["writers"].items() if claim in cuts},
        "hooks": wave["hooks"],
        "purpose": planned["purpose"],
        "incident": planned["incident"],
        "operation": operation,
        "cluster_uid": wave["cluster_uid"],
        "namespace": planned["namespace"],
        **({"left_out": list(planned["left_out"])} if planned.get("left_out") else {}),
    }
