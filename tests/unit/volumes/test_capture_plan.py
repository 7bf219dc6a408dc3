# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planning a capture: classes are chosen and claims looked at before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish, plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.classes import SnapshotClass, choose
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from tests.unit.volumes.world import DRIVER, application, volume, workload

CLASSES = [SnapshotClass("snap", DRIVER, True), SnapshotClass("other", "other.example", True)]


def wish(**more: Any) -> CaptureWish:
    return CaptureWish(**{"hooks": Hooks(), **more})


def shop(**more: Any) -> Any:
    return application([workload("StatefulSet/db", ["data-db-0"]), workload("Deployment/web", ["files"])], **more)


def test_all_claims_are_cut_in_one_step_then_kept_then_stated() -> None:
    made = plan(shop(), CLASSES, wish())

    assert [step.name for step in made.steps] == ["snapshot", "retain", "record"]
    assert made.steps[0].touches == ("PersistentVolumeClaim shop/data-db-0", "PersistentVolumeClaim shop/files")
    assert {v["snapshot_class"] for v in made.steps[0].params["volumes"]} == {"snap"}


def test_the_plan_of_check_mode_is_the_plan_that_runs() -> None:
    assert plan(shop(), CLASSES, wish()).hash == plan(shop(), CLASSES, wish()).hash


def test_the_declaration_survives_the_journal() -> None:
    app = shop(sources=({"path": "/src", "digests": {"sha256:1": "a" * 40}},))

    spec = plan(app, CLASSES, wish()).steps[0].params["spec"]

    assert ApplicationSpec.from_dict(spec) == app.spec


def test_one_operation_a_purpose_and_one_an_incident() -> None:
    assert wish().key == "scheduled"
    assert wish(purpose="forensic", incident="INC-1").key == "forensic:INC-1"


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"driver": ""}, "claim x is not on a CSI volume"),
        ({"phase": "Pending", "volume": ""}, "claim x is not bound .Pending."),
        ({"deleting": True}, "claim x is being deleted"),
        ({"claim_uid": "", "phase": "Missing"}, "claim x does not exist"),
        ({"driver": "nobody.example"}, "no VolumeSnapshotClass of nobody.example; the cluster has: other .* snap"),
    ],
)
def test_claims_that_cannot_be_captured_are_named(broken: dict[str, Any], why: str) -> None:
    app = shop(volumes=[volume("good"), volume("x", **broken)])

    with pytest.raises(BadInput, match=why):
        plan(app, CLASSES, wish())


def test_an_application_without_claims_is_refused() -> None:
    with pytest.raises(BadInput, match="no claims to capture"):
        plan(application([workload("Deployment/web")]), CLASSES, wish())


def test_hooks_name_workloads_that_are_there() -> None:
    hooks = Hooks.from_dict({"pre": [{"name": "h", "workload": "StatefulSet/gone", "command": ["true"]}]})

    with pytest.raises(BadInput, match="hook h: no workload StatefulSet/gone"):
        plan(shop(), CLASSES, wish(hooks=hooks))


class TestChoosingTheClass:
    def test_the_only_default_of_the_driver(self) -> None:
        assert choose(CLASSES, DRIVER).name == "snap"

    def test_the_one_that_is_wanted_though_it_is_no_default(self) -> None:
        assert choose([*CLASSES, SnapshotClass("keep", DRIVER)], DRIVER, "keep").name == "keep"

    @pytest.mark.parametrize(
        ("classes", "wanted", "problem"),
        [
            (CLASSES, "other", "is of other.example"),
            (CLASSES, "none", "there is no VolumeSnapshotClass none"),
            ([SnapshotClass("a", DRIVER, True), SnapshotClass("b", DRIVER, True)], "", "2 default .*: a, b"),
            ([SnapshotClass("a", DRIVER)], "", "none of the VolumeSnapshotClasses .* is the default: a"),
            ([], "", "the cluster has: none"),
        ],
    )
    def test_what_is_wrong_is_said_with_names(self, classes: list[SnapshotClass], wanted: str, problem: str) -> None:
        import re

        assert re.search(problem, choose(classes, DRIVER, wanted).problem)
