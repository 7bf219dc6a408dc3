# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every action of this package works with.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from .._cluster.client import Cluster
from .._core.clock import Clock
from .._core.plan import Json
from .._core.progress import Reporter
from .other_cluster import reach

AT_ONCE = 8

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Tools:
    """The cluster, where our own objects live, the time, and who listens.

    ``elsewhere``: another cluster that this call was given access to.
    """

    cluster: Cluster
    state_namespace: str
    clock: Clock
    reporter: Reporter
    elsewhere: Cluster | None = None

    def at(self, params: Mapping[str, Json]) -> Tools:
        """The tools on the cluster that a step works on: another one where its parameter ``where`` says so.

        Raises BadInput where that one cannot be reached from here.
        """
        where = params.get("where")
        return replace(self, cluster=reach(self.elsewhere, where)) if where else self


def in_parallel(work: Callable[[Item], Answer], items: Iterable[Item], at_once: int = AT_ONCE) -> list[Answer]:
    """The answers in the order of the items. All are tried; the first error (in that order) is raised afterwards."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(work, item) for item in items]
    return [future.result() for future in futures]
