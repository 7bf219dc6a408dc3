# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""May the undo of a swap bind the claim to its old volume again? Seen before the undo stops anything. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .._core.plan import Json
from .binding import bound_to
from .objects import Object


@dataclass(frozen=True, slots=True)
class Facts:
    """One claim of a swap (in ``namespace``), as found: None is what is not there.

    ``old``: the volume that it had. ``claim``: what bears its name now, and ``volume``, what that is bound to.
    """

    namespace: str
    old: Object | None
    claim: Object | None
    volume: Object | None


def why_not_back(
    item: Mapping[str, Json], made: Mapping[str, Json], seen: Facts, ours: Callable[[Object], bool]
) -> str:
    """What rebinding would be refused for later; empty where nothing is known against it.

    ``item`` and ``made``: the claim in the swap's params, and what was staged for it. ``ours``: did the restore make
    the claim?
    """
    if not item["old"]:
        kept = seen.claim is not None and made and bound_to(seen.claim) != made["volume"] and item["before"]
        return "" if kept else _not_replaced(item["claim"], seen, ours)
    lost = _lost(item, seen.old)
    if lost or (seen.claim is not None and bound_to(seen.claim) == item["old"]["name"]):
        return lost
    return _not_replaced(item["claim"], seen, ours) or _not_bound_again(item, seen.namespace, seen.old)


def _lost(item: Mapping[str, Json], old: Object | None) -> str:
    if old is not None and old["metadata"]["uid"] == item["old"]["uid"]:
        return ""
    return f"{_the_old(item)} {'is gone' if old is None else 'was deleted and made anew'}"


def _not_replaced(claim: str, seen: Facts, ours: Callable[[Object], bool]) -> str:
    if seen.claim is None:
        return ""
    if not ours(seen.claim):
        return f"another claim {claim} stands in the way, bound to {bound_to(seen.claim) or 'nothing'}"
    policy = _policy(seen.volume) if seen.volume is not None else "Retain"
    if policy != "Retain":
        return f"the volume {bound_to(seen.claim)} of claim {claim} would go with it: its reclaim policy is {policy}"
    return ""


def _not_bound_again(item: Mapping[str, Json], namespace: str, old: Object | None) -> str:
    if old is None:
        return ""
    back = old["spec"].get("claimRef") or {}
    if old["metadata"].get("deletionTimestamp"):
        return f"{_the_old(item)} is being deleted"
    if _policy(old) != "Retain":
        return f"{_the_old(item)} would go with its claim: its reclaim policy is {_policy(old)}"
    elsewhere = (back.get("namespace"), back.get("name")) != (namespace, item["claim"])
    if elsewhere and (old.get("status") or {}).get("phase") == "Bound":
        return f"{_the_old(item)} is bound to {back.get('namespace')}/{back.get('name')}"
    return ""


def _the_old(item: Mapping[str, Json]) -> str:
    return f"the old volume {item['old']['name']} of claim {item['claim']}"


def _policy(volume: Object) -> str:
    return str(volume["spec"].get("persistentVolumeReclaimPolicy"))
