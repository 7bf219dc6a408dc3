# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects, rights, faults and rules that the cluster and its tests apply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import api, crds, manifests, traffic, users
from tests.cluster.faults import Fault, Faults, never_ready
from tests.cluster.instance import DRIVERS


def test_two_drivers_have_classes_and_one_class_of_each_kind_is_the_default() -> None:
    objects = [*manifests.core(), *manifests.snapshot_classes()]
    storage = {one["metadata"]["name"]: one for one in objects if one["kind"] == "StorageClass"}
    assert {name: one["volumeBindingMode"] for name, one in storage.items()} == {
        "local": "Immediate",
        "local-wait": "WaitForFirstConsumer",
        "local-ext4": "Immediate",
        "local-ext4-wait": "WaitForFirstConsumer",
        "other": "Immediate",
    }
    assert {name for name, one in storage.items() if one["parameters"]["backend"] == "image"} == {
        "local-ext4",
        "local-ext4-wait",
    }
    assert storage["other"]["provisioner"] == DRIVERS["other"] != storage["local"]["provisioner"]
    snapshots = {one["metadata"]["name"]: one for one in objects if one["kind"] == "VolumeSnapshotClass"}
    assert {name: one["deletionPolicy"] for name, one in snapshots.items()} == {
        "local": "Delete",
        "local-retain": "Retain",
        "other": "Delete",
    }
    defaults = [one for one in storage.values() if "annotations" in one["metadata"]]
    assert [one["metadata"]["name"] for one in defaults] == ["local"]


def test_every_object_has_a_path() -> None:
    for one in [*manifests.core(), *manifests.snapshot_classes(), *manifests.fake_nodes(["a"])]:
        assert api.path_of(one["kind"], one["metadata"]["name"]).endswith("/" + one["metadata"]["name"])
    assert api.path_of("Secret", "a", "n") == "/api/v1/namespaces/n/secrets/a"


def test_a_definition_s_name_is_its_own_not_a_later_one() -> None:
    text = (
        "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  annotations:\n"
        "    name: wrong\n  name: things.example.test\nspec:\n  names:\n    kind: Thing\n  name: later\n"
    )
    assert crds.name_of(text) == "things.example.test"
    with pytest.raises(ValueError, match=r"no metadata\.name"):
        crds.name_of("kind: CustomResourceDefinition\nspec:\n  name: x\n")


def test_grants_hold_exactly_what_was_given() -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    found = users.grants("alice", rules={"shop": [rule]}, cluster_rules=[rule], cluster_roles=["view"])
    assert [(one["kind"], one["metadata"].get("namespace", "")) for one in found] == [
        ("Role", "shop"),
        ("RoleBinding", "shop"),
        ("ClusterRole", ""),
        ("ClusterRoleBinding", ""),
        ("ClusterRoleBinding", ""),
    ]
    assert found[-1]["roleRef"]["name"] == "view"
    assert {one["subjects"][0]["name"] for one in found if "subjects" in one} == {"alice"}
    assert users.grants("bob") == []


def test_faults_are_written_as_the_driver_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    faults = Faults(path)
    faults.set(
        CreateSnapshot=Fault(code="UNAVAILABLE", message="later", delay_s=0.5, after_s=1, times=2, match="db"),
        CreateVolume=Fault(not_ready_s=2, source="snapshot"),
    )
    nothing = {
        **{"code": 0, "message": "", "delay_ns": 0, "after_ns": 0, "not_ready_ns": 0},
        **{"times": 0, "match": "", "from": ""},
    }
    hit = {
        "code": 14,
        "message": "later",
        "delay_ns": 500_000_000,
        "after_ns": 1_000_000_000,
        "times": 2,
        "match": "db",
    }
    assert json.loads(path.read_text()) == {
        "CreateSnapshot": {**nothing, **hit},
        "CreateVolume": {**nothing, "not_ready_ns": 2_000_000_000, "from": "snapshot"},
    }
    with faults.during(CreateSnapshot=never_ready()):
        assert json.loads(path.read_text())["CreateSnapshot"]["not_ready_ns"] == 2**63 - 1
    assert not path.exists()
    faults.clear()
    faults.clear()
    assert not path.exists()


@pytest.mark.parametrize("wrong", [{"code": "ON_FIRE"}, {"source": "elsewhere"}])
def test_a_fault_that_the_driver_would_not_know_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is none of"):
        Fault(**wrong)


def test_dropped_traffic_is_named_by_addresses_only() -> None:
    both = traffic.script(["10.244.1.2", "10.244.1.3"], ["10.244.1.9"])
    assert both.count("ip saddr { 10.244.1.9 } ip daddr { 10.244.1.2, 10.244.1.3 } drop") == 2
    assert "saddr" not in traffic.script(["10.244.1.2"])
    with pytest.raises(ValueError, match="decimal digits"):
        traffic.script(["10.244.1.2; flush ruleset"])
