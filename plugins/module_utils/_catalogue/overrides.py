# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code to go forward with: for each container of ours the newest image without a finding that counts.

Data and code are chosen apart: old data with the newest fixed image, never simply the old manifest.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .._core.plan import Json
from .._core.statements import RecoveryPoint
from .images import SOURCE, Source, repository, untagged
from .lineage import digest_of
from .presence import short
from .verdict import Judge


@dataclass(frozen=True, slots=True)
class Override:
    """The image that a container should run. ``digest`` is empty where there is none, and ``reason`` says why."""

    workload: str
    container: str
    digest: str
    commit: str
    image: str
    running: str
    reason: str

    def to_dict(self) -> dict[str, Json]:
        return {
            "workload": self.workload,
            "container": self.container,
            "digest": self.digest or None,
            "commit": self.commit or None,
            "image": self.image or None,
            "running": self.running or None,
            "reason": self.reason,
        }


def overrides(judge: Judge, points: Sequence[RecoveryPoint]) -> tuple[Override, ...]:
    """One for each container that runs an image of a declared source, as the newest point that saw it has it."""
    found = []
    repositories = _repositories(points)
    for (workload, container), (image, digest) in sorted(_last_seen(points).items()):
        fact, source = judge.images.fact(digest, image), judge.images.source_of(digest)
        if fact.role != SOURCE or source is None:
            continue
        found.append(_choose(judge, source, repositories, workload, container, image, digest, fact.commit))
    return tuple(found)


def by_workload(chosen: Iterable[Override]) -> dict[str, dict[str, str]]:
    """``{"Kind/name": {container: "repository@sha256:..."}}`` of those that have an image, as a restore takes them."""
    found: dict[str, dict[str, str]] = {}
    for override in chosen:
        if override.image:
            found.setdefault(override.workload, {})[override.container] = override.image
    return dict(sorted(found.items()))


def _choose(
    judge: Judge,
    source: Source,
    repositories: Mapping[str, frozenset[str]],
    workload: str,
    container: str,
    image: str,
    digest: str,
    commit: str,
) -> Override:
    def without(reason: str) -> Override:
        return Override(workload, container, "", "", "", digest, reason)

    if source.workloads and workload not in source.workloads:
        return without(f"{source.name} is declared for other workloads only")
    names = {name for known in source.digests for name in repositories.get(known, ())}
    if len(names) > 1:
        return without(
            f"{source.name} maps digests of several images ({', '.join(sorted(names))}): which are for {container} is "
            "not known; give each image an entry of its own"
        )
    fit = {known: found for known, found in source.digests.items() if not judge.review(found).unfit}
    if not fit:
        return without(f"no image of {source.name} is known to be without findings that count")
    best = judge.presences.graph.newest(fit.values())
    onward = [found for found in best if judge.presences.graph.is_ancestor(commit, found)] or best
    picked = onward[0]
    chosen = [known for known, found in fit.items() if found == picked][-1]
    why = f"{short(picked)} is the newest commit without findings that count whose image is known"
    if len(onward) > 1:
        why += f" (other branches: {', '.join(short(found) for found in onward[1:])})"
    name = untagged(image)
    return Override(workload, container, chosen, picked, f"{name}@{chosen}" if name else "", digest, why)


def _last_seen(points: Sequence[RecoveryPoint]) -> dict[tuple[str, str], tuple[str, str]]:
    """``{(workload, container): (image, digest)}`` as the newest point that saw it has it."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    for point in points:
        for workload, containers in point.images.items():
            for container, entry in containers.items():
                digest = digest_of(entry)
                if digest:
                    name = container.partition(" (")[0]  # "app (2)": another image of the same container, in a rollout
                    seen[(workload, name)] = (str(entry.get("image") or ""), digest)
    return seen


def _repositories(points: Sequence[RecoveryPoint]) -> dict[str, frozenset[str]]:
    """From which repositories each digest was started."""
    found: dict[str, set[str]] = {}
    for point in points:
        for containers in point.images.values():
            for entry in containers.values():
                digest, name = digest_of(entry), repository(str(entry.get("image") or ""))
                if digest and name:
                    found.setdefault(digest, set()).add(name)
    return {digest: frozenset(names) for digest, names in found.items()}
