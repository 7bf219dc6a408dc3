# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a capture decides before and after the cut: group or not, left out or not, young enough or not."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import consistency, groups
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_body import body
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish, limits, plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.classes import (
    SnapshotClass,
    choose_group_class,
)
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.cutting import facts
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.grouping import ALWAYS, AUTO, NEVER, wanted
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.names import point_label
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import chosen_volumes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.young import fresh, kept
from tests.unit.volumes.world import DRIVER, application, point, volume, workload

CLASSES = [SnapshotClass("snap", DRIVER, True)]
NOW = dt.datetime(2026, 11, 21, 10, 30, tzinfo=dt.UTC)


class TestGroupOrNot:
    @pytest.mark.parametrize(
        ("drivers", "mode", "declared", "driver"),
        [
            (["a", "a"], AUTO, ["a"], "a"),
            (["a", "a"], AUTO, [], ""),
            (["a", "a"], ALWAYS, [], "a"),
            (["a", "a"], NEVER, ["a"], ""),
            (["a"], ALWAYS, ["a"], ""),
            (["a", "b"], AUTO, ["a", "b"], ""),
        ],
    )
    def test_only_where_it_is_worth_it_or_asked_for(
        self, drivers: list[str], mode: str, declared: list[str], driver: str
    ) -> None:
        assert wanted(drivers, mode, declared) == driver

    def test_always_over_two_drivers_is_refused(self) -> None:
        with pytest.raises(BadInput, match="volumes of a, b, and a group has one driver"):
            wanted(["a", "b"], ALWAYS, [])

    @pytest.mark.parametrize(
        ("classes", "name", "problem"),
        [
            ([SnapshotClass("only", "a")], "only", ""),
            ([SnapshotClass("x", "a"), SnapshotClass("y", "a", True)], "y", ""),
            ([SnapshotClass("x", "a"), SnapshotClass("y", "a")], "", "a has no default of its"),
            ([SnapshotClass("x", "b")], "", "no VolumeGroupSnapshotClass of a; the cluster has: x"),
        ],
    )
    def test_its_class(self, classes: list[SnapshotClass], name: str, problem: str) -> None:
        choice = choose_group_class(classes, "a")
        assert choice.name == name
        assert problem in choice.problem

    @pytest.mark.parametrize(
        ("versions", "spoken"),
        [(["v1beta1", "v1", "v1beta2"], "v1"), (["v1beta1", "v1beta2"], "v1beta2"), (["v1beta1"], "v1beta1")],
    )
    def test_the_newest_version_that_is_served(self, versions: list[str], spoken: str) -> None:
        class Server:
            def call(self, *_path: Any, **_options: Any) -> dict[str, Any]:
                return {"versions": [{"version": version} for version in versions]}

        api = groups.served(cast(Any, Server()))
        assert api is not None
        assert (api.version, api.group.path("shop")) == (
            spoken,
            f"/apis/groupsnapshot.storage.k8s.io/{spoken}/namespaces/shop/volumegroupsnapshots",
        )

    def test_one_moment_makes_a_crash_consistent_point_of_several_volumes(self) -> None:
        mounted = {"data": ("db-0",), "wal": ("db-0",)}
        common: dict[str, Any] = {"spread_s": 0.0, "hook_names": [], "failures": []}
        assert consistency.judge(mounted, set(), **common).level == "fuzzy"
        assert consistency.judge(mounted, set(), atomic="a", **common).level == "crash"
        assert consistency.judge(mounted, {"db-0"}, atomic="a", **common).level == "application"


class TestPartial:
    def shop(self) -> Any:
        broken = volume("scratch", driver="", volume="pv-scratch")
        return application([workload("StatefulSet/db", ["data"])], volumes=[volume("data"), broken])

    def test_what_cannot_be_captured_fails_the_point(self) -> None:
        with pytest.raises(BadInput, match=r"claim scratch is not on a CSI volume \(pv-scratch\).*allow_partial"):
            plan(self.shop(), CLASSES, CaptureWish(Hooks()))

    def test_where_it_is_allowed_it_is_left_out_and_stated(self) -> None:
        made = plan(self.shop(), CLASSES, CaptureWish(Hooks(), allow_partial=True))
        left_out = [{"claim": "scratch", "reason": "it is not on a CSI volume (pv-scratch)"}]
        assert made.steps[2].params["left_out"] == left_out
        assert [v["claim"] for v in made.steps[0].params["volumes"]] == ["data"]
        wave = {
            **dict.fromkeys(("consistency", "consistency_reason", "images", "commits", "hooks", "cluster_uid"), ""),
            "cuts": {"data": {"cut_at": "2026-11-21T10:00:00Z"}},
            "writers": {"data": ["StatefulSet/db"], "scratch": ["StatefulSet/db"]},
        }
        stated = body(made.steps[2].params, wave, operation="capture-shop-1")
        assert stated["left_out"] == left_out
        assert stated["writers"] == {"data": ["StatefulSet/db"]}

    def test_nothing_left_is_no_point(self) -> None:
        app = application([workload("StatefulSet/db", ["x"])], volumes=[volume("x", driver="")])
        with pytest.raises(BadInput, match="claim x is not on a CSI volume"):
            plan(app, CLASSES, CaptureWish(Hooks(), allow_partial=True))

    def test_it_comes_back_only_by_name(self) -> None:
        partial = point(["data"], left_out=[{"claim": "scratch", "reason": "it is not bound (Pending)"}])
        with pytest.raises(BadInput, match=r"does not hold scratch: scratch was left out: it is not bound"):
            chosen_volumes(partial, [])
        with pytest.raises(BadInput, match="does not hold scratch"):
            chosen_volumes(partial, ["data", "scratch"])
        assert [v["claim"] for v in chosen_volumes(partial, ["data"])] == ["data"]


class TestYoungEnough:
    def test_from_the_first_cut_on_and_never_from_the_future(self) -> None:
        half_an_hour = point(["data"])
        assert fresh(half_an_hour, NOW, 1800)
        assert not fresh(half_an_hour, NOW, 1799)
        assert not fresh(half_an_hour, NOW - dt.timedelta(hours=1), 86400)

    @pytest.mark.parametrize(
        "change",
        [
            {"status": {"snapshotHandle": "another"}},
            {"metadata": {"name": "snapcontent-data", "deletionTimestamp": "now"}},
            {"metadata": {"name": "gone"}},
        ],
    )
    def test_only_with_every_snapshot_still_there(self, change: dict[str, Any]) -> None:
        volumes = point(["data"]).volumes
        content = {
            "metadata": {"name": "snapcontent-data"},
            "spec": {"source": {}},
            "status": {"snapshotHandle": "snap-data"},
        }
        assert kept(volumes, [content])
        assert not kept(volumes, [{**content, **change}])
        assert not kept(volumes, [])


class TestFacts:
    def pair(self) -> tuple[dict[str, Any], dict[str, Any]]:
        meta = {"name": "s", "namespace": "shop", "uid": "u"}
        snapshot = {
            "metadata": meta,
            "status": {"boundVolumeSnapshotContentName": "c", "restoreSize": "1Gi", "readyToUse": True},
        }
        content = {
            "metadata": {"name": "c", "uid": "v"},
            "spec": {"source": {}, "volumeSnapshotRef": meta},
            "status": {"snapshotHandle": "h", "creationTime": 1_700_000_000_123_456_789},
        }
        return snapshot, content

    def test_of_a_cut(self) -> None:
        found = facts(*self.pair())
        assert (found["snapshot_handle"], found["cut_at"]) == ("h", "2023-11-14T22:13:20.123456Z")
        assert found["restore_size"] == 1024**3, "the snapshot says it where the content does not"

    @pytest.mark.parametrize("side", ["snapshot", "content", "uid"])
    def test_bound_both_ways_or_not_at_all(self, side: str) -> None:
        snapshot, content = self.pair()
        if side == "snapshot":
            snapshot["status"]["boundVolumeSnapshotContentName"] = "other"
        elif side == "content":
            content["spec"]["volumeSnapshotRef"] = {**snapshot["metadata"], "name": "other"}
        else:
            content["spec"]["volumeSnapshotRef"] = {**snapshot["metadata"], "uid": "other"}
        with pytest.raises(NotProven, match="not bound both ways"):
            facts(snapshot, content)


def test_a_class_keeps_the_names_of_its_secrets_and_nothing_else() -> None:
    parameters = {
        "csi.storage.k8s.io/snapshotter-secret-name": "s-${volumesnapshotcontent.name}",
        "csi.storage.k8s.io/snapshotter-list-secret-namespace": "vault",
        "tier": "gold",
    }
    made = SnapshotClass.of({"metadata": {"name": "x"}, "driver": "d", "parameters": parameters})
    assert dict(made.secrets) == {key: value for key, value in parameters.items() if key != "tier"}


@pytest.mark.parametrize("value", [0, -1, "many", True, None])
def test_limits_are_numbers_above_zero(value: Any) -> None:
    assert limits({"a": "4", "b": 2}) == {"a": 4, "b": 2}
    with pytest.raises(BadInput, match=r"max_parallel\.a has to be a number above 0"):
        limits({"a": value})


def test_a_label_holds_63_characters() -> None:
    short, long = "shop-20261121-100000-abcd", f"{'a' * 60}-20261121-100000-abcd"
    assert point_label(short) == short
    assert len(point_label(long)) <= 63
    assert point_label(long) != point_label(long.replace("abcd", "abce"))
