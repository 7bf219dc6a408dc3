# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes that are kept for a while after an operation: how they are marked, so that they can be found and freed.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from .._cluster.amend import Ref, amend
from .._core.clock import rfc3339
from .binding import PV
from .names import CLAIM, KEEP_UNTIL, KEPT, OPERATION
from .objects import Object, annotation, label
from .tools import Tools

KEEP_S = 72 * 3600.0


def keep(
    tools: Tools, volume: Mapping[str, str], claim: str, keep_s: float, operation_id: str, seen: Object | None = None
) -> str:
    """Labels a volume that is kept, with its expiry; returns the expiry. The first time counts.

    ``seen``: the volume as it was read a moment ago.
    """
    ref = Ref(PV, volume["name"], "", volume["uid"])
    until = rfc3339((tools.clock.now() + dt.timedelta(seconds=keep_s)).replace(microsecond=0))

    def change(obj: Object) -> Object | None:
        if label(obj, KEPT) and annotation(obj, OPERATION) == operation_id:
            return None
        annotations = {KEEP_UNTIL: until, CLAIM: claim, OPERATION: operation_id}
        return {"metadata": {"labels": {KEPT: "true"}, "annotations": annotations}}

    return annotation(amend(tools.cluster, ref, change, seen), KEEP_UNTIL)


def unkeep(tools: Tools, volume: Mapping[str, str]) -> None:
    """Takes the marks of :func:`keep` off a volume that is live again."""

    def change(obj: Object) -> Object | None:
        if not label(obj, KEPT):
            return None
        return {"metadata": {"labels": {KEPT: None}, "annotations": {KEEP_UNTIL: None, CLAIM: None, OPERATION: None}}}

    amend(tools.cluster, Ref(PV, volume["name"], "", volume["uid"]), change)
