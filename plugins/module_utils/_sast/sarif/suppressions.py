# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The suppressions of a result (SARIF 2.1.0, 3.27.23 and 3.35). A status that is absent is accepted, as it says."""

from __future__ import annotations

from typing import Any

from ..._core.findings import Suppression
from ..finish import ACCEPTED
from ..shape import as_dict, as_list, as_str
from ..tally import Tally
from ..text import Cleaner

UNREADABLE = "unreadable"
_STATUSES = (ACCEPTED, "underReview", "rejected")
_MOST = 16


def suppressions_of(raw: Any, cleaner: Cleaner, tally: Tally) -> tuple[Suppression, ...]:
    entries = as_list(raw)
    if len(entries) > _MOST:
        tally.cut("suppressions of findings", _MOST, len(entries))
    return tuple(_one(as_dict(entry), cleaner, tally) for entry in entries[:_MOST])


def _one(raw: dict[str, Any], cleaner: Cleaner, tally: Tally) -> Suppression:
    status = raw.get("status") or raw.get("state")
    if status is None and raw:
        status = ACCEPTED
    if status not in _STATUSES:
        tally.warn("suppression_unreadable", "a suppression without a known status does not hide its result")
        status = UNREADABLE
    return Suppression(
        kind=cleaner.label(as_str(raw.get("kind")) or "unknown", 64),
        status=status,
        justification=cleaner.text(raw.get("justification")),
    )
