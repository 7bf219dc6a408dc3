# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where freezing and putting back stand in the plan of a restore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.amend import Ref
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.holding import Change
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.kinds import Kind
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.reconcilers import Found, Reconciler
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import probes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_plan import plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_seen import Planned
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import RestoreWish
from tests.unit.volumes.world import application, point, seen, workload

CHECK = probes.parse([{"name": "count", "workload": "StatefulSet/db", "command": ["true"]}])
FLUX = Kind("Kustomization", "kustomize.toolkit.fluxcd.io", "v1", "kustomizations")
KEEPS_DB = Reconciler(
    Ref("Kustomization", "shop", "flux", "u-1", FLUX),
    ("StatefulSet/db",),
    (Change(("spec", "suspend"), True, None),),
    1,
)
OPERATOR = Reconciler(
    Ref("Cluster", "pg", "shop", "u-2", Kind("Cluster", "x", "v1", "clusters")),
    ("Cluster/pg",),
    (Change(("spec", "hibernate"), True, None),),
    2,
    stands_for="Cluster/pg",
)


def planned(found: Found, *refs: str, managed_by: str = "") -> Planned:
    workloads = [workload(ref, [f"data-{ref.partition('/')[2]}-0"], managed_by=managed_by) for ref in refs]
    looked = replace(seen(application(workloads)), reconcilers=found)
    claims = [mount.claim for one in workloads for mount in one.mounts]
    return plan(looked, point(claims), RestoreWish("shop-20261121-100000-abcd", verify=CHECK))


def names(made: Planned) -> list[str]:
    return [step.name for step in made.plan.steps]


def test_frozen_before_the_first_stop_and_put_back_after_the_last_proof() -> None:
    steps = names(planned(Found((KEEPS_DB,)), "StatefulSet/db"))
    wanted = ["retain volumes", "freeze Kustomization flux/shop", "stop StatefulSet/db"]
    assert steps[steps.index("retain volumes") :][:3] == wanted
    assert steps[steps.index("verify live") :][:2] == ["verify live", "put back Kustomization flux/shop"]


def test_who_is_frozen_is_not_warned_of_and_not_waited_for() -> None:
    warned = planned(Found(), "StatefulSet/db", managed_by="Flux Kustomization flux/shop")
    frozen = planned(Found((KEEPS_DB,)), "StatefulSet/db", managed_by="Flux Kustomization flux/shop")
    assert [note for note in warned.notes if "too early" in note]
    assert [note for note in frozen.notes if "too early" in note] == []
    settle = [
        [s.params["settle_s"] for s in made.plan.steps if s.action == "workloads.see_stopped"]
        for made in (warned, frozen)
    ]
    assert settle == [[3], [0]]


def test_a_foreign_kind_is_stopped_and_started_by_its_recipe() -> None:
    steps = names(planned(Found((OPERATOR,)), "Cluster/pg", "StatefulSet/db"))
    inside = steps[steps.index("stop StatefulSet/db") : steps.index("verify live")]
    assert [step for step in inside if not step.startswith("swap")] == [
        "stop StatefulSet/db",
        "pause Cluster shop/pg",
        "see that all of it stands still",
        "resume Cluster shop/pg",
        "start StatefulSet/db",
    ]


@pytest.mark.parametrize(
    ("ref", "told"), [("Pod/lone", "start a bare pod again"), ("Cluster/pg", "pause recipe for Cluster/pg")]
)
def test_what_nothing_could_start_again_is_refused(ref: str, told: str) -> None:
    with pytest.raises(BadInput) as caught:
        planned(Found(), ref, "StatefulSet/db")
    assert told in str(caught.value)


def test_notes_are_about_what_is_stopped() -> None:
    found = Found(notes=(("StatefulSet/db", "a budget"), ("Deployment/other", "another"), ("", "for all")))
    assert planned(found, "StatefulSet/db").notes[-2:] == ("a budget", "for all")
