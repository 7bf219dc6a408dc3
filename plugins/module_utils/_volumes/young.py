# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is there a recovery point that is young enough, so that a capture has nothing to do?

Asked by every run of a scheduler, so it is cheap: three requests and no write, where the namespace holds no claims but
those of the point. Else only the application's graph tells which claims are its own.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from .._core.application import ApplicationSpec
from .._core.plan import Json
from .._core.statements import LedgerBroken, RecoveryPoint, fold
from . import snapshot_state as state
from . import snapshots
from .house import House
from .names import POINT, point_label
from .objects import Object

_PVC = "PersistentVolumeClaim"


def at_a_glance(house: House, spec: ApplicationSpec, limit_s: float) -> RecoveryPoint | None:
    """The newest point, where three requests show that it is all that is asked for. None means only: not seen so.

    The requests: ledger and unfinished operations, claims of the namespace, contents of the point.
    """
    try:
        chain, unfinished = house.store.standing(spec.target)
    except LedgerBroken:
        return None  # read in full it is found whole, or the error tells more
    if unfinished:
        return None
    point = next((p for p in reversed(fold(chain)) if not p.forensic and not p.pruned), None)
    if point is None or point.left_out or not fresh(point, house.clock.now(), limit_s):
        return None
    claims = house.cluster.list(_PVC, spec.namespace)
    if not _all_there(point, spec, claims):
        return None
    contents = house.cluster.list(snapshots.CONTENT, selector=f"{POINT}={point_label(point.id)}")
    return point if kept(point.volumes, contents) else None


def fresh(point: RecoveryPoint, now: dt.datetime, limit_s: float) -> bool:
    """Was all of it cut within that time? A cut in the future does not count."""
    if point.earliest is None:
        return False
    return dt.timedelta(0) <= now - point.earliest <= dt.timedelta(seconds=limit_s)


def kept(volumes: Sequence[Mapping[str, Json]], contents: Iterable[Object]) -> bool:
    """Is the snapshot of every volume in the cluster still? Pure."""
    there = {content["metadata"]["name"]: content for content in contents}
    for volume in volumes:
        content = there.get(volume["content"])
        if content is None or content["metadata"].get("deletionTimestamp"):
            return False
        if state.handle(content) != volume["snapshot_handle"]:
            return False
    return True


def _all_there(point: RecoveryPoint, spec: ApplicationSpec, claims: Sequence[Object]) -> bool:
    """Does the point hold exactly the claims that are declared, or else those that the namespace has?"""
    found = {claim["metadata"]["name"]: claim["metadata"] for claim in claims}
    wanted = set(spec.claims) or set(found)
    captured = {volume["claim"]: volume["claim_uid"] for volume in point.volumes}
    return wanted == set(captured) and all(
        claim in found and found[claim]["uid"] == uid and not found[claim].get("deletionTimestamp")
        for claim, uid in captured.items()
    )
