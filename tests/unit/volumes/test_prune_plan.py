# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving points up: marked first, freed then, never a held one."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.prune_plan import fitting, plan
from tests.unit.volumes.world import captured, points

SPEC = ApplicationSpec("shop", "shop")


def test_each_point_is_marked_before_its_data_goes() -> None:
    there = points(("p1", captured(["a"])), ("p2", captured(["a", "b"])))

    made = plan(SPEC, there, {"p1": "old", "p2": "older"})

    assert [step.name for step in made.steps] == ["mark p1", "free p1", "mark p2", "free p2"]
    assert made.steps[0].params["reason"] == "old"
    assert made.steps[3].touches == ("VolumeSnapshotContent snapcontent-a", "VolumeSnapshotContent snapcontent-b")


def test_nothing_to_give_up_is_an_empty_plan() -> None:
    assert plan(SPEC, (), {}).empty


def test_held_unknown_and_pruned_points_are_refused() -> None:
    there = points(("p1", captured(["a"])), ("p2", captured(["a"])), held=["p1"], pruned=["p2"])

    for name, why in (("p1", "is held.*INC-1"), ("p2", "given up already"), ("p3", "does not have it")):
        with pytest.raises(BadInput, match=why):
            plan(SPEC, there, {name: "old"})


def test_more_points_than_a_journal_holds_are_given_up_in_several_runs() -> None:
    claims = [f"claim-{number}" for number in range(200)]
    there = points(*((f"p{number}", captured(claims)) for number in range(8)))
    drop = {point.id: "old" for point in there}

    first = fitting(SPEC, there, drop)

    assert 1 <= len(first) < 8
    assert list(first) == list(drop)[: len(first)]
    assert len(str(plan(SPEC, there, first).to_dict())) < 256 * 1024
    assert fitting(SPEC, there[:1], {"p0": "old"}) == {"p0": "old"}
    assert fitting(SPEC, there[:2], {"p0": "old", "p1": "old"}) == {"p0": "old", "p1": "old"}
    assert fitting(SPEC, (), {}) == {}
