# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting, as patches; and the steps that ask for them."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine_holds import (
    NETWORK_POLICY,
    SCALE_DOWN,
    Hold,
    hold_patch,
)
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.resting import SeeAtRest, rest_steps
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.scale import (
    images_patch,
    images_step,
    start_step,
    stop_step,
)
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.stopping import (
    STOPPED,
    is_stopped,
    protected_from,
    readiness,
    start_patch,
    stop_patch,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import Container, Workload
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from tests.unit.core.memory import FakeClock

from .objects import containers, controller, thing


def merged(obj: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def cron(**spec: Any) -> dict[str, Any]:
    return thing("CronJob", "nightly", {"jobTemplate": {"spec": {"template": {"spec": containers()}}}, **spec})


def workload(kind: str = "StatefulSet", **more: Any) -> Workload:
    return Workload(**{"kind": kind, "name": "db", "namespace": "shop", "uid": "u", "api_version": "apps/v1", **more})


class One:
    """An API server with one object."""

    def __init__(self, obj: dict[str, Any]) -> None:
        self.obj = obj

    def get(self, kind: str, name: str, namespace: str) -> dict[str, Any]:
        assert (kind, name, namespace) == (self.obj["kind"], self.obj["metadata"]["name"], "shop")
        return self.obj

    def patch(self, kind: str, name: str, namespace: str, body: Any, **more: str) -> dict[str, Any]:
        del more
        self.obj = merged(self.get(kind, name, namespace), body)
        return self.obj


EACH = [
    controller("Deployment", "a", replicas=3),
    controller("StatefulSet", "a", replicas=2),
    controller("ReplicaSet", "a"),
    controller("DaemonSet", "a", replicas=None),
    controller("Job", "a", replicas=None),
    cron(),
]


@pytest.mark.parametrize("obj", EACH, ids=lambda o: o["kind"])
class TestEveryKind:
    def test_stop_then_start_brings_back_what_was(self, obj: dict[str, Any]) -> None:
        stopped = merged(obj, stop_patch(obj, "op-1"))
        assert is_stopped(stopped)
        started = merged(stopped, start_patch(stopped, obj["spec"].get("replicas")))
        started["spec"].pop("suspend", None)
        template = started["spec"].get("template", {}).get("spec", {})
        if template.get("nodeSelector") == {}:
            del template["nodeSelector"]
        assert started == obj

    def test_what_is_stopped_is_not_patched_again(self, obj: dict[str, Any]) -> None:
        stopped = merged(obj, stop_patch(obj, "op-1"))
        assert stop_patch(stopped, "op-2") is None

    def test_what_was_not_stopped_is_not_started(self, obj: dict[str, Any]) -> None:
        assert start_patch(obj, obj["spec"].get("replicas")) is None


class TestClaimsAreProtected:
    SET = controller(
        "StatefulSet", "db", replicas=2, spec={"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}
    )

    def test_in_the_very_patch_that_scales_down(self) -> None:
        patch = stop_patch(self.SET, "op-1")
        assert patch is not None
        assert patch["spec"] == {"replicas": 0, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain"}}

    def test_and_the_old_policy_is_kept_on_the_object(self) -> None:
        stopped = merged(self.SET, stop_patch(self.SET, "op-1"))
        assert protected_from(stopped) == "Delete"
        assert merged(stopped, start_patch(stopped, 2)) == self.SET

    def test_as_long_as_it_stands_at_zero_they_stay_protected(self) -> None:
        stopped = merged(self.SET, stop_patch(self.SET, "op-1"))
        assert start_patch(stopped, 0) is None


class TestQuarantinedStaysQuarantined:
    def test_another_operation_does_not_let_it_go(self) -> None:
        for obj in (cron(), controller("DaemonSet", "a", replicas=None)):
            stopped = merged(obj, stop_patch(obj, "quarantine-1"))
            assert start_patch(stopped, None) is not None
            held = merged(stopped, {"metadata": {"annotations": {"knowngood.io/quarantine": "quarantine-1"}}})
            assert start_patch(held, None) is None
            assert start_patch(held, None, release=True) is not None

    @pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
    def test_nor_does_the_undo_of_one_that_came_before(self, kind: str) -> None:
        """Restored, then scaled down by a quarantine, then the restore is undone: the replicas stay at zero."""
        obj = controller(kind, "a", replicas=2)
        held = merged(obj, hold_patch(obj, Hold("quarantine-1", "INC-1", SCALE_DOWN), 2))
        stopped = merged(held, stop_patch(held, "quarantine-1"))
        assert start_patch(stopped, 2) is None
        released = start_patch(stopped, 2, release=True)
        assert released is not None
        assert released["spec"] == {"replicas": 2}

    def test_what_ran_all_the_same_until_an_undo_stopped_it_runs_again(self) -> None:
        obj = controller("StatefulSet", "a", replicas=2)
        held = merged(obj, hold_patch(obj, Hold("quarantine-1", "INC-1", SCALE_DOWN), 2))
        one = One(merged(held, stop_patch(held, "restore-1")))
        step = rest_steps(workload(name="a", uid="uid-statefulset-a"))[0]
        for operation, replicas in (("restore-2", 0), ("restore-1", 2)):
            SeeAtRest(cast(Cluster, one), FakeClock()).undo(step, Context(operation, {}))
            assert one.obj["spec"]["replicas"] == replicas

    @pytest.mark.parametrize("obj", EACH, ids=lambda o: o["kind"])
    def test_what_only_a_policy_isolates_runs_again(self, obj: dict[str, Any]) -> None:
        held = merged(obj, hold_patch(obj, Hold("quarantine-1", "INC-1", NETWORK_POLICY), 2))
        stopped = merged(held, stop_patch(held, "restore-1"))
        assert not is_stopped(merged(stopped, start_patch(stopped, obj["spec"].get("replicas"))))

    def test_a_restore_plans_with_the_replicas_that_stand(self) -> None:
        step = start_step(workload(replicas=0, resting_replicas=3, quarantine="quarantine-1"))
        assert step.params["replicas"] == 0


class TestNotes:
    def test_a_broken_note_is_no_obstacle(self) -> None:
        obj = controller("Deployment", "a", replicas=0, annotations={STOPPED: "{"})
        patch = start_patch(obj, 2)
        assert patch is not None
        assert patch["spec"] == {"replicas": 2}

    @given(st.integers(1, 50), st.integers(1, 50))
    def test_the_first_stop_decides_what_is_remembered(self, first: int, second: int) -> None:
        obj = controller("Deployment", "a", replicas=first)
        stopped = merged(obj, stop_patch(obj, "op-1"))
        fought = merged(stopped, {"spec": {"replicas": second}})
        again = merged(fought, stop_patch(fought, "op-2"))
        assert json.loads(again["metadata"]["annotations"][STOPPED])["replicas"] == first


class TestReadiness:
    def test_a_controller_that_has_not_looked_is_not_ready(self) -> None:
        obj = controller("Deployment", "a", status={"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1})
        obj["metadata"]["generation"] = 2
        assert "not looked" in readiness(obj)

    def test_old_pods_beside_the_new_ones_are_not_ready(self) -> None:
        status = {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1}
        assert readiness(controller("Deployment", "a", status=status)) == "1 old pods are still there"

    def test_a_set_that_updates_on_delete_only_needs_ready_pods(self) -> None:
        spec = {"updateStrategy": {"type": "OnDelete"}}
        assert readiness(controller("StatefulSet", "a", spec=spec, status={"readyReplicas": 1})) == ""

    def test_zero_is_ready(self) -> None:
        assert readiness(controller("StatefulSet", "a", replicas=0)) == ""

    def test_all_pods_of_the_newest_template(self) -> None:
        status = {"readyReplicas": 1, "updatedReplicas": 0}
        assert "newest template" in readiness(controller("StatefulSet", "a", status=status))


class TestSteps:
    def test_a_bare_pod_is_refused(self) -> None:
        with pytest.raises(BadInput, match="bare pod"):
            stop_step(workload("Pod"))

    def test_a_foreign_controller_is_refused(self) -> None:
        with pytest.raises(BadInput, match="controller of its own"):
            stop_step(workload("Rollout"))

    def test_what_is_found_before_is_in_the_parameters(self) -> None:
        step = stop_step(workload(replicas=2, scaled_by="HorizontalPodAutoscaler/h"), until="start StatefulSet/db")
        assert (step.params["replicas"], step.params["uid"], step.params["scaled_by"], step.until) == (
            2,
            "u",
            "HorizontalPodAutoscaler/h",
            "start StatefulSet/db",
        )

    def test_images_of_containers_that_are_not_there_are_refused(self) -> None:
        with pytest.raises(BadInput, match="no container nope"):
            images_step(workload(containers=(Container("main", "a:1"),)), {"nope": "b"})

    def test_images_keep_what_was_before(self) -> None:
        step = images_step(workload(containers=(Container("main", "a:1"), Container("x", "x:1"))), {"main": "a:2"})
        assert (step.params["images"], step.params["before"]) == ({"main": "a:2"}, {"main": "a:1"})


class TestImages:
    def test_lists_are_whole_and_other_containers_stay(self) -> None:
        obj = controller(
            "Deployment", "a", {"containers": [{"name": "m", "image": "a:1", "env": []}, {"name": "s", "image": "s:1"}]}
        )
        patch = images_patch("Deployment", obj, {"m": "a:2"})
        assert patch is not None
        assert merged(obj, patch)["spec"]["template"]["spec"]["containers"] == [
            {"name": "m", "image": "a:2", "env": []},
            {"name": "s", "image": "s:1"},
        ]

    def test_nothing_to_do_where_they_are_set(self) -> None:
        assert images_patch("CronJob", cron(), {"main": "shop/app:1"}) is None
        assert images_patch("CronJob", cron(), {"main": "shop/app:2"}) is not None
