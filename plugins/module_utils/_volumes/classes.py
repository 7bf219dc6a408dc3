# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which VolumeSnapshotClass a volume is captured with.

Left to itself the snapshot controller picks the default class of the driver when the snapshot is made, and fails later
where there is none or two. Here it is picked before anything is made, and recorded. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .._core.plan import Json

DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"
SECRETS = tuple(
    f"csi.storage.k8s.io/{use}-secret-{part}"
    for use in ("snapshotter", "snapshotter-list")
    for part in ("name", "namespace")
)
"""Parameters of a class that name Secrets (external-snapshotter); they hold names, or templates of names, no data."""


@dataclass(frozen=True, slots=True)
class SnapshotClass:
    """A VolumeSnapshotClass (or VolumeGroupSnapshotClass), as far as choosing and importing again go.

    ``secrets``: names and namespaces of the Secrets that the driver needs, as the class's parameters spell them.
    """

    name: str
    driver: str
    default: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, obj: Mapping[str, Json], default: str = DEFAULT) -> SnapshotClass:
        """``default``: the annotation that makes a class of this kind the default."""
        meta, parameters = obj["metadata"], obj.get("parameters") or {}
        secrets = {key: str(parameters[key]) for key in SECRETS if parameters.get(key)}
        return cls(meta["name"], obj["driver"], (meta.get("annotations") or {}).get(default) == "true", secrets)


@dataclass(frozen=True, slots=True)
class Choice:
    """``name`` of the class, or ``problem``: why there is none."""

    name: str = ""
    problem: str = ""


def choose(classes: Iterable[SnapshotClass], driver: str, wanted: str = "") -> Choice:
    """The class for a volume of this driver: the one wanted, else the driver's only default."""
    there = sorted(classes, key=lambda c: c.name)
    own = [c for c in there if c.driver == driver]
    names = _names(own)
    if wanted:
        found = next((c for c in there if c.name == wanted), None)
        if found is None:
            return Choice(problem=f"there is no VolumeSnapshotClass {wanted}; those of {driver}: {names}")
        if found.driver != driver:
            why = f"VolumeSnapshotClass {wanted} is of {found.driver}, the volume of {driver}; its classes: {names}"
            return Choice(problem=why)
        return Choice(wanted)
    defaults = [c for c in own if c.default]
    if len(defaults) == 1:
        return Choice(defaults[0].name)
    if defaults:
        return Choice(problem=f"{driver} has {len(defaults)} default VolumeSnapshotClasses: {_names(defaults)}")
    if own:
        return Choice(problem=f"none of the VolumeSnapshotClasses of {driver} is the default: {names}")
    others = ", ".join(f"{c.name} ({c.driver})" for c in there) or "none"
    return Choice(problem=f"there is no VolumeSnapshotClass of {driver}; the cluster has: {others}")


def choose_group_class(classes: Iterable[SnapshotClass], driver: str) -> Choice:
    """The VolumeGroupSnapshotClass for a driver: its only one, else its only default."""
    there = sorted(classes, key=lambda c: c.name)
    own = [c for c in there if c.driver == driver]
    chosen = own if len(own) == 1 else [c for c in own if c.default]
    if len(chosen) == 1:
        return Choice(chosen[0].name)
    if own:
        few = f"{len(chosen)} default" if chosen else "no default"
        return Choice(problem=f"{driver} has {few} of its VolumeGroupSnapshotClasses: {_names(own)}")
    return Choice(problem=f"there is no VolumeGroupSnapshotClass of {driver}; the cluster has: {_names(there)}")


def _names(classes: Iterable[SnapshotClass]) -> str:
    return ", ".join(c.name for c in classes) or "none"
