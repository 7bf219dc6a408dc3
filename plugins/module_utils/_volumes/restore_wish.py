# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore is asked to do, checked. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._cluster.recipes import Recipe
from .._core.application import Application, Workload
from .._core.errors import BadInput
from .._core.plan import Json
from .._core.statements import RecoveryPoint
from .content_manifest import ManifestWish
from .kept import KEEP_S
from .names import suffixed
from .probes import Probe

IN_PLACE, CLAIM, NAMESPACE, CLUSTER = "in_place", "claim", "namespace", "cluster"
UNDO, HOLD = "undo", "hold"
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class RestoreWish:
    """``claims``: those to restore, none means all of the point; ``names``: beside the old ones, new name by claim.

    ``namespace``: where to, for the targets ``namespace`` and ``cluster`` (there it may be empty: the same);
    ``cluster``: what tells the other cluster from this one. ``storage_class`` replaces every claim's class,
    ``storage_classes`` one by another.

    ``images``: as :func:`images` reads them. ``keep_s``: how long the volume that was replaced is kept. ``isolated``:
    workloads that stand still by the time it runs. ``pause``: what makes operators let go. ``on_failure`` is about
    failures after the application was stopped.
    """

    point: str
    target: str = IN_PLACE
    claims: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""
    cluster: str = ""
    storage_class: str = ""
    storage_classes: Mapping[str, str] = field(default_factory=dict)
    images: Any = None
    verify: tuple[Probe, ...] = ()
    verify_from: str = "volume"
    manifest: ManifestWish | None = None
    keep_s: float = KEEP_S
    incident: str = ""
    isolated: tuple[str, ...] = ()
    pause: tuple[Recipe, ...] = ()
    on_failure: str = UNDO
    stage_timeout_s: float = 600.0
    stop_timeout_s: float = 300.0
    ready_timeout_s: float = 300.0

    @property
    def beside(self) -> bool:
        """Are new claims made, and nothing that is there touched?"""
        return self.target != IN_PLACE

    @property
    def key(self) -> str:
        """What makes asking again the same operation."""
        what = ",".join(sorted(self.claims)) or "*"
        names = ",".join(f"{claim}={name}" for claim, name in sorted(self.names.items()))
        classes = ",".join(f"{old}={new}" for old, new in sorted(self.storage_classes.items()))
        place = (self.namespace, self.cluster, self.storage_class, classes)
        return " ".join(filter(None, (self.point, self.target, what, names, *place, self.incident)))


def find_point(points: Sequence[RecoveryPoint], wanted: str, where: str) -> RecoveryPoint:
    """The point named, or the newest that was not taken as evidence for ``latest``.

    Raises BadInput where it is unknown or its data was given up.
    """
    usable = [point for point in points if not point.pruned]
    if wanted == LATEST:
        found = next((point for point in reversed(usable) if not point.forensic), None)
        if found is None:
            raise BadInput("there is no recovery point to restore", where=where, next="capture one: recovery_point")
        return found
    for point in points:
        if point.id == wanted:
            if point.pruned:
                raise BadInput(f"the recovery point {wanted} was given up", where=where, why=f"pruned {point.pruned}")
            return point
    there = ", ".join(point.id for point in usable[-10:]) or "none"
    app = where.rpartition("/")[2]
    other = "" if wanted.startswith(f"{app}-") else f"; by its name it is of another application than {app}"
    raise BadInput(
        f"no recovery point {wanted}",
        where=where,
        why=f"the newest there are: {there}{other}",
        next="knowngood.kube.recovery_point_info lists all of them",
    )


def chosen_volumes(point: RecoveryPoint, claims: Sequence[str]) -> list[Mapping[str, Json]]:
    """The point's volumes to restore. Raises BadInput for claims it does not hold, and without a snapshot handle."""
    by_claim = {volume["claim"]: volume for volume in point.volumes}
    _refuse_left_out(point, claims)
    unknown = sorted(set(claims) - set(by_claim))
    if unknown or not by_claim:
        why = f"it holds: {', '.join(sorted(by_claim)) or 'none'}"
        raise BadInput(f"the recovery point {point.id} does not hold {', '.join(unknown) or 'any claim'}", why=why)
    volumes = [by_claim[claim] for claim in (sorted(set(claims)) or sorted(by_claim))]
    for volume in volumes:
        missing = [key for key in ("snapshot_handle", "driver", "mode") if not volume.get(key)]
        if missing:
            raise BadInput(
                f"claim {volume['claim']} cannot be restored from {point.id}",
                why=f"its statement has no {', '.join(missing)}",
            )
    return volumes


def _refuse_left_out(point: RecoveryPoint, claims: Sequence[str]) -> None:
    """A partial point brings back what it holds only where that is asked for by name. Raises BadInput."""
    lacking = {claim: reason for claim, reason in point.left_out.items() if not claims or claim in claims}
    if lacking:
        raise BadInput(
            f"the recovery point {point.id} does not hold {', '.join(sorted(lacking))}",
            why="; ".join(f"{claim} was left out: {reason}" for claim, reason in sorted(lacking.items())),
            next=f"name the claims to restore (claims), or another point; it holds: {_held(point)}",
        )


def _held(point: RecoveryPoint) -> str:
    return ", ".join(sorted(volume["claim"] for volume in point.volumes)) or "none"


def new_names(point: RecoveryPoint, volumes: Sequence[Mapping[str, Json]], wish: RestoreWish) -> dict[str, str]:
    """The names of the claims that are made beside the old ones: those given, else ``<claim>-<date>-<time>-<hex>``, and
    in another namespace the names they have.
    """
    claims = [volume["claim"] for volume in volumes]
    unknown = sorted(set(wish.names) - set(claims))
    if unknown:
        raise BadInput("claim_names has claims that are not restored", why=", ".join(unknown))
    suffix = "-".join(point.id.split("-")[-3:])
    own = {claim: suffixed(claim, suffix) if wish.target == CLAIM else claim for claim in claims}
    names = {claim: wish.names.get(claim) or own[claim] for claim in claims}
    twice = sorted({name for name in names.values() if list(names.values()).count(name) > 1})
    if twice:
        raise BadInput("claim_names gives a name twice", why=", ".join(twice))
    return names


def images(given: Any, app: Application) -> dict[str, dict[str, str]]:
    """``image_overrides`` as image by container by workload. Raises BadInput naming the entry that is wrong.

    A workload with one container may be given the image alone.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise BadInput("image_overrides is not a dictionary", why=f"got {type(given).__name__}")
    return {str(ref): _images_of(app.workload(str(ref)), value) for ref, value in sorted(given.items())}


def _images_of(workload: Workload, value: Any) -> dict[str, str]:
    names = [container.name for container in workload.containers]
    if isinstance(value, str) and value:
        main = [container.name for container in workload.containers if not container.init]
        if len(main) != 1:
            hint = "give a dictionary: container to image"
            raise BadInput(f"image_overrides: {workload.ref} has several containers", why=", ".join(names), next=hint)
        return {main[0]: value}
    if not isinstance(value, Mapping) or not value or not all(isinstance(v, str) and v for v in value.values()):
        raise BadInput(f"image_overrides: {workload.ref} needs an image, or images by container", why=f"got {value!r}")
    unknown = sorted(str(name) for name in set(value) - set(names))
    if unknown:
        why = f"it has: {', '.join(names)}"
        raise BadInput(f"image_overrides: {workload.ref} has no container {', '.join(unknown)}", why=why)
    return {str(name): str(image) for name, image in sorted(value.items())}
