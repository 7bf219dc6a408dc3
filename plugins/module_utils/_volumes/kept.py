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


def keep(tools: Tools, volume: Mapping[str, str], claim: str, keep_s: float, operation_id: str) -> str:
    """Labels a volume that is kept, with its expiry; returns the expiry. The first time counts."""
    ref = Ref(PV, volume["name"], "", volume["uid"])
    until = until_from(tools, keep_s)

    def change(obj: Object) -> Object | None:
        return None if kept_by(obj, operation_id) else {"metadata": marks(until, claim, operation_id)}

    return annotation(amend(tools.cluster, ref, change), KEEP_UNTIL)


def until_from(tools: Tools, keep_s: float) -> str:
    """When that time is over that begins now."""
    return rfc3339((tools.clock.now() + dt.timedelta(seconds=keep_s)).replace(microsecond=0))


def kept_by(volume: Object, operation_id: str) -> bool:
    return bool(label(volume, KEPT)) and annotation(volume, OPERATION) == operation_id


def marks(until: str, claim: str, operation_id: str) -> Object:
    """The metadata of a patch that marks a volume as kept."""
    return {"labels": {KEPT: "true"}, "annotations": {KEEP_UNTIL: until, CLAIM: claim, OPERATION: operation_id}}


def no_marks() -> Object:
    """The metadata of a patch that takes the marks off a volume that is live again."""
    return {"labels": {KEPT: None}, "annotations": {KEEP_UNTIL: None, CLAIM: None, OPERATION: None}}
