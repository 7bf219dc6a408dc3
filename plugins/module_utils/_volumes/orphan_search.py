# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking for what was left behind in the cluster.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._core.application import ApplicationSpec
from . import snapshots
from .house import House
from .orphan_steps import live_handles
from .orphans import POD, PV, PVC, Found, Orphan, orphans


def find_orphans(house: House, spec: ApplicationSpec) -> tuple[Orphan, ...]:
    """What was left behind of an application. Reads only: seven requests and the ledgers."""
    cluster, namespace = house.cluster, spec.namespace
    found = Found(
        contents=cluster.list(snapshots.CONTENT),
        snapshots=cluster.list(snapshots.SNAPSHOT, namespace),
        claims=cluster.list(PVC, namespace),
        pods=cluster.list(POD, namespace),
        volumes=cluster.list(PV),
        operations=house.engine.journal.list(),
        live=live_handles(cluster, house.store, spec.target),
    )
    return orphans(spec, house.store.points(spec.target), found)
