# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Several volumes cut by one group snapshot: what the point claims, what it leaves, and how it is freed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import rbac
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, TimedOut
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import groups
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture import capture
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.freeing import free_volumes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from tests.cluster.faults import Fault, Faults
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod
from tests.integration.volumes_app import App, Killed, contents_of, dying_after, stored, with_a_late_controller

DRIVER = "local.csi.knowngood.test"
GROUPED: dict[str, Any] = {"atomic_drivers": (DRIVER,)}


@pytest.fixture
def pair(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    """One pod with two volumes."""
    app = App(cluster, make_namespace(), make_namespace(), cluster.kubeconfig)
    image = cluster.image()
    cluster.apply(claim("data", "local"), claim("wal", "local"), namespace=app.namespace)
    cluster.apply(pod("db", image, "sleep infinity", ("data", "wal")), namespace=app.namespace)
    cluster.wait_ready(app.namespace, "pod/db")
    return app


def marks(app: App) -> list[str]:
    claims = app.cluster.get("pvc", "-n", app.namespace)["items"]
    return [c["metadata"]["name"] for c in claims if "knowngood.io/capture" in (c["metadata"].get("labels") or {})]


def group_contents(app: App) -> list[dict[str, Any]]:
    items = app.cluster.get("volumegroupsnapshotcontents")["items"]
    return [item for item in items if item["spec"]["volumeGroupSnapshotRef"]["namespace"] == app.namespace]


def free(app: App, volumes: Any, operation: str, *, late: bool = False) -> None:
    at_work = app.house()
    if late:
        with_a_late_controller(at_work.cluster)
    tools = Tools(at_work.cluster, app.state, at_work.clock, at_work.engine.reporter)
    free_volumes(tools, app.namespace, volumes, operation)


def test_a_declared_driver_makes_one_group_and_the_point_is_crash(pair: App) -> None:
    (row,) = pair.capture(**GROUPED)["recovery_points"]

    assert row["consistency"] == "crash"
    assert "cut as one group (local.csi.knowngood.test)" in row["consistency_reason"]
    volumes = {v["claim"]: v for v in row["statements"][0]["body"]["volumes"]}
    assert len({v["group_handle"] for v in volumes.values()}) == 1
    assert len({v["snapshot_handle"] for v in volumes.values()}) == 2
    (content,) = group_contents(pair)
    assert content["metadata"]["name"] == volumes["data"]["group_content"]
    assert content["spec"]["deletionPolicy"] == "Retain"
    for volume in volumes.values():
        member = pair.cluster.get("volumesnapshotcontent", volume["content"])
        assert member["spec"]["deletionPolicy"] == "Retain"
        assert member["status"]["snapshotHandle"] == volume["snapshot_handle"]
        assert "knowngood.io/capture" not in volume["labels"]
    assert marks(pair) == [], "the claims are marked no longer than the cut takes"


def test_without_a_declaration_a_group_is_only_made_on_request_and_stays_fuzzy(pair: App) -> None:
    (single,) = pair.capture()["recovery_points"]
    (grouped,) = pair.capture(group="always")["recovery_points"]

    assert [item.get("group") for item in single["statements"][0]["body"]["volumes"]] == [None, None]
    assert (single["consistency"], grouped["consistency"]) == ("fuzzy", "fuzzy")
    assert all(item["group_handle"] for item in grouped["statements"][0]["body"]["volumes"])


def test_claims_of_two_drivers_are_no_group(pair: App) -> None:
    image = pair.cluster.image()
    pair.cluster.apply(
        claim("elsewhere", "other"), pod("more", image, "sleep infinity", ("elsewhere",)), namespace=pair.namespace
    )
    pair.cluster.wait_ready(pair.namespace, "pod/more")

    with pytest.raises(BadInput, match="cannot be cut as one group.*other.csi.knowngood.test"):
        pair.capture(group="always")
    assert group_contents(pair) == []


def test_it_survives_its_namespaces_objects_and_comes_back(pair: App) -> None:
    pair.cluster.exec(pair.namespace, "db", "sh", "-c", "echo kept > /data/note; echo log > /wal/note; sync")
    (row,) = pair.capture(**GROUPED)["recovery_points"]
    before = stored(pair)
    pair.cluster.kubectl("delete", "volumegroupsnapshot", "--all", "-n", pair.namespace)
    pair.cluster.kubectl("delete", "pod/db", "pvc/data", "pvc/wal", "-n", pair.namespace, "--timeout=60s")
    assert stored(pair) == before

    pair.restore(row["id"])

    image = pair.cluster.image()
    pair.cluster.apply(pod("db", image, "sleep infinity", ("data", "wal")), namespace=pair.namespace)
    pair.cluster.wait_ready(pair.namespace, "pod/db")
    assert pair.cluster.exec(pair.namespace, "db", "cat", "/data/note", "/wal/note").split() == ["kept", "log"]


@pytest.mark.rig
@pytest.mark.parametrize("left", ["everything", "contents", "nothing"])
def test_a_group_is_freed_with_its_members_whatever_is_left_of_its_objects(pair: App, left: str) -> None:
    (row,) = pair.capture(**GROUPED)["recovery_points"]
    volumes = row["statements"][0]["body"]["volumes"]
    handles = {volume["snapshot_handle"] for volume in volumes}
    if left != "everything":
        pair.cluster.kubectl("delete", "volumegroupsnapshot", "--all", "-n", pair.namespace)
    if left == "nothing":
        contents = [volume["content"] for volume in volumes]
        pair.cluster.kubectl("delete", "volumesnapshotcontent", *contents)
        pair.cluster.kubectl("delete", "volumegroupsnapshotcontent", volumes[0]["group_content"])
    assert handles <= stored(pair)

    operation = f"prune-shop-{pair.namespace.removeprefix('t-')}"

    free(pair, volumes, operation)

    assert not handles & stored(pair)
    assert group_contents(pair) == []
    free(pair, volumes, operation)


@pytest.mark.rig
def test_a_controller_that_is_late_leaves_nothing_of_a_group_behind(pair: App) -> None:
    (row,) = pair.capture(**GROUPED)["recovery_points"]
    volumes = row["statements"][0]["body"]["volumes"]

    free(pair, volumes, f"prune-shop-{pair.namespace.removeprefix('t-')}", late=True)

    assert not {volume["snapshot_handle"] for volume in volumes} & stored(pair)
    assert group_contents(pair) == []
    assert contents_of(pair.cluster, pair.namespace) == []


@pytest.mark.rig
def test_a_group_that_cannot_be_cut_leaves_nothing_behind(pair: App, faults: Faults) -> None:
    faults.set(CreateVolumeGroupSnapshot=Fault(code="INTERNAL", message="disk on fire"))

    with pytest.raises(TimedOut, match="group snapshot to be cut.*disk on fire") as caught:
        pair.capture(cut_timeout_s=5, **GROUPED)

    assert caught.value.details["undone"]
    faults.clear()
    assert marks(pair) == []
    assert group_contents(pair) == []
    assert pair.capture(**GROUPED)["changed"]


def test_the_newest_version_that_is_served_is_spoken(pair: App) -> None:
    there = groups.served(pair.house().cluster)
    assert there is not None
    assert there.version == "v1"


@pytest.mark.parametrize("number", [4, 6, 8, 11])
def test_a_run_that_died_is_gone_on_with_or_undone_without_a_trace(pair: App, number: int) -> None:
    """Dead between two marks, when the group was asked for, when one mark is gone, when its content is kept."""
    wish = CaptureWish(Hooks(), **GROUPED)
    with pytest.raises(Killed):
        capture(dying_after(pair.house(), number), pair.spec, wish, None)
    (row,) = pair.capture(**GROUPED)["recovery_points"]

    assert marks(pair) == []
    (kept,) = group_contents(pair)
    assert kept["metadata"]["name"] == row["statements"][0]["body"]["volumes"][0]["group_content"]
    with pytest.raises(Killed):
        capture(dying_after(pair.house(), number), pair.spec, wish, None)
    newest = pair.house().engine.journal.list(pair.spec.target)[0]
    pair.undo(newest.id)

    assert marks(pair) == []
    assert [item["metadata"]["name"] for item in group_contents(pair)] == [kept["metadata"]["name"]]


@pytest.mark.rig
def test_the_rights_that_are_shipped_are_enough(pair: App, user: Callable[..., Any]) -> None:
    someone = user(name=f"backup-{pair.namespace}")
    granted = rbac.manifests("backup", app_namespace=pair.namespace, state_namespace=pair.state, user=someone.name)
    pair.cluster.apply(*granted)
    pair.kubeconfig = someone.kubeconfig

    (row,) = pair.capture(**GROUPED)["recovery_points"]

    assert row["consistency"] == "crash"
    assert pair.capture(older_s=3600, **GROUPED)["recovery_points"][0]["id"] == row["id"]
