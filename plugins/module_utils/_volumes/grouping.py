# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the claims of a capture are cut by one group snapshot, and by which class.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._cluster.client import Cluster
from .._core.errors import BadInput
from .._core.plan import Json
from . import groups
from .classes import SnapshotClass, choose_group_class
from .groups import DEFAULT_CLASS

AUTO, NEVER, ALWAYS = "auto", "never", "always"
_REFUSED = "the claims cannot be cut as one group"


@dataclass(frozen=True, slots=True)
class Grouping:
    """``params`` for the plan (``api``, ``class``, ``atomic``: the driver, where declared), None for separate cuts.

    ``note``: why a group that would have been made is not.
    """

    params: dict[str, Json] | None = None
    note: str = ""


def wanted(drivers: Sequence[str], mode: str, atomic: Iterable[str]) -> str:
    """The driver whose group is wanted; empty for separate cuts. ``drivers``: one a claim. Pure.

    ``auto`` makes a group only where it makes a better point: the driver is declared to cut groups at one moment.
    Without that a group couples snapshots and proves nothing. Raises BadInput for ``always`` over several drivers.
    """
    kinds = sorted(set(drivers))
    if mode == NEVER or len(drivers) < 2:
        return ""
    if len(kinds) > 1:
        if mode == ALWAYS:
            why = f"the claims are on volumes of {', '.join(kinds)}, and a group has one driver"
            raise BadInput(
                "the claims cannot be cut as one group", why=why, next="name claims of one driver, or group: auto"
            )
        return ""
    return kinds[0] if mode == ALWAYS or kinds[0] in set(atomic) else ""


def group_for(cluster: Cluster, drivers: Sequence[str], mode: str, atomic: Sequence[str]) -> Grouping:
    """The group, asked of the cluster only where one is wanted. Raises BadInput where ``always`` cannot be."""
    driver = wanted(drivers, mode, atomic)
    if not driver:
        return Grouping()
    if mode == ALWAYS:
        api = groups.needed(cluster)
    else:
        found = groups.served(cluster)
        if found is None:
            return Grouping(note=f"no group snapshot: the cluster does not serve {groups.API_GROUP}")
        api = found
    classes = [SnapshotClass.of(item, DEFAULT_CLASS) for item in cluster.list(api.group_class)]
    choice = choose_group_class(classes, driver)
    if choice.problem:
        if mode == ALWAYS:
            raise BadInput(
                "the claims cannot be cut as one group", why=choice.problem, next="make such a class, or group: auto"
            )
        return Grouping(note=f"no group snapshot: {choice.problem}")
    declared = driver if driver in atomic else ""
    return Grouping({"api": api.version, "class": choice.name, "atomic": declared})
