# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an undo of a swap would run into is seen before it stops the application."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Step
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.swap import Swap
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools

OPERATION = "restore-shop-1"
MADE = {"claim": "data-kg", "claim_uid": "u-s", "volume": "pv-new", "volume_uid": "u-new"}
CONTEXT = Context(OPERATION, {"stage data": {"volumes": {"data": MADE}}})
OLD = {"name": "pv-old", "uid": "u-old"}
AGAIN = {"request": "1Gi"}


def volume(
    name: str, uid: str, policy: str = "Retain", *, bound: str = "", by: str = "shop", **meta: Any
) -> dict[str, Any]:
    back = {"claimRef": {"namespace": by, "name": bound, "uid": "u-c"}} if bound else {}
    return {
        "metadata": {"name": name, "uid": uid, **meta},
        "spec": {"persistentVolumeReclaimPolicy": policy, **back},
        "status": {"phase": "Bound" if bound else "Released"},
    }


def claim(bound_to: str, by: str = "") -> dict[str, Any]:
    notes = {"annotations": {"knowngood.io/operation": by}} if by else {}
    return {"metadata": {"name": "data", "namespace": "shop", "uid": "u-c", **notes}, "spec": {"volumeName": bound_to}}


NEW = volume("pv-new", "u-new", bound="data")
RESTORED = claim("pv-new", OPERATION)


def why(*there: dict[str, Any], **of_claim: Any) -> str | None:
    """What the swap says of its undo, where these objects are there."""
    found = {one["metadata"]["name"]: one for one in there}
    cluster = SimpleNamespace(find=lambda kind, name, namespace=None: found.get(name))
    item = {"claim": "data", "claim_uid": "u-b", "old": OLD, "before": AGAIN, "again": AGAIN, **of_claim}
    params = {"namespace": "shop", "stage": "stage data", "keep_s": 1, "claims": [item]}
    swap = Swap(cast(Tools, SimpleNamespace(cluster=cluster)))
    return swap.undoable(Step("swap", "volumes.swap", (), params), CONTEXT)


@pytest.mark.parametrize(
    "there",
    [
        (RESTORED, NEW, volume("pv-old", "u-old")),
        (volume("pv-old", "u-old"), NEW),
        (claim("pv-new"), NEW, volume("pv-old", "u-old")),
        (RESTORED, volume("pv-old", "u-old")),
        (claim("pv-old"), volume("pv-old", "u-old", "Delete", bound="data")),
    ],
    ids=["restored", "no claim", "brought back by a later undo", "its volume is lost", "back already"],
)
def test_nothing_is_said_against_what_rebinding_takes(there: tuple[dict[str, Any], ...]) -> None:
    assert why(*there) is None


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ((RESTORED, NEW), "the old volume pv-old of claim data is gone"),
        ((RESTORED, NEW, volume("pv-old", "u-2")), "the old volume pv-old of claim data was deleted and made anew"),
        (
            (claim("pv-other"), volume("pv-other", "u-3", bound="data"), volume("pv-old", "u-old")),
            "another claim data stands in the way, bound to pv-other",
        ),
        ((claim(""), volume("pv-old", "u-old")), "another claim data stands in the way, bound to nothing"),
        (
            (RESTORED, volume("pv-new", "u-new", "Delete", bound="data"), volume("pv-old", "u-old")),
            "the volume pv-new of claim data would go with it: its reclaim policy is Delete",
        ),
        (
            (RESTORED, NEW, volume("pv-old", "u-old", "Delete")),
            "the old volume pv-old of claim data would go with its claim: its reclaim policy is Delete",
        ),
        (
            (RESTORED, NEW, volume("pv-old", "u-old", deletionTimestamp="2026-11-21T10:00:00Z")),
            "the old volume pv-old of claim data is being deleted",
        ),
        (
            (RESTORED, NEW, volume("pv-old", "u-old", bound="look-at-it")),
            "the old volume pv-old of claim data is bound to shop/look-at-it",
        ),
        (
            (RESTORED, NEW, volume("pv-old", "u-old", bound="data", by="lab")),
            "the old volume pv-old of claim data is bound to lab/data",
        ),
    ],
)
def test_what_rebinding_would_be_refused_for(there: tuple[dict[str, Any], ...], told: str) -> None:
    assert why(*there) == told


class TestAClaimThatHadNoVolume:
    @pytest.mark.parametrize(
        "there", [(), (RESTORED, NEW), (claim("pv-other"),)], ids=["gone", "restored", "of before"]
    )
    def test_is_made_again_or_left(self, there: tuple[dict[str, Any], ...]) -> None:
        assert why(*there, old=None) is None

    def test_and_was_not_there_is_not_taken_from_others(self) -> None:
        assert why(RESTORED, NEW, old=None, before=None) is None
        assert why(claim("pv-other"), old=None, before=None) == (
            "another claim data stands in the way, bound to pv-other"
        )
