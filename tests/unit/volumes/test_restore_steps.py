# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps of a restore do to claims, volumes and snapshots, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Step
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import restore, restore_look
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_plan import plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import RestoreWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.snapshots import import_pair
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.stage import Stage
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.swap import RetainVolumes

from .store import OPERATION, Store, claim, pod, tools, volume
from .world import application, captured, point, seen, workload

ROW = {"claim": "data-kg", "claim_uid": "uid-data-kg", "volume": "pv-new", "volume_uid": "uid-pv-new", "imported": ""}


def context(**results: Any) -> Context:
    return Context(OPERATION, {"stage": {"volumes": {"data": ROW}}, **results})


class TestRetainVolumes:
    PARAMS: ClassVar[dict[str, Any]] = {"namespace": "shop", "old": {"data": None}, "stage": "stage", "keep_s": 3600.0}
    STEP = Step("retain", "volumes.retain_volumes", (), PARAMS)

    def test_is_not_done_while_the_staged_claims_hold_the_volumes(self) -> None:
        """A class may say Retain itself, and a claim that was deleted has no old volume that says anything."""
        store = Store(claim("data-kg", "pv-new"), volume("pv-new", "data-kg", "Retain"))
        action = RetainVolumes(tools(store))

        assert not action.done(self.STEP, context())
        action.apply(self.STEP, context())

        assert store.list("PersistentVolumeClaim") == []
        assert action.done(self.STEP, context())

    def test_a_claim_that_somebody_made_since_is_not_the_staged_one(self) -> None:
        store = Store(claim("data-kg", "pv-x", uid="uid-other"), volume("pv-new", "data-kg", "Retain"))

        assert RetainVolumes(tools(store)).done(self.STEP, context())

    def test_marks_the_old_volume_before_its_claim_goes_and_an_undo_takes_that_back(self) -> None:
        store = Store(
            *(claim("data", "pv-old"), volume("pv-old", "data", "Delete")),
            *(claim("data-kg", "pv-new"), volume("pv-new", "data-kg", "Delete")),
        )
        step = replace(self.STEP, params={**self.PARAMS, "old": {"data": {"name": "pv-old", "uid": "uid-pv-old"}}})
        action = RetainVolumes(tools(store))

        result = action.apply(step, context())

        kept = store.get("PersistentVolume", "pv-old")
        assert result["policies"] == {"pv-old": "Delete", "pv-new": "Delete"}
        assert kept["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert kept["metadata"]["labels"] == {"knowngood.io/kept": "true", "knowngood.io/operation": OPERATION}
        assert kept["metadata"]["annotations"]["knowngood.io/keep-until"] == result["kept_until"]["data"]
        assert action.done(step, context())

        action.undo(step, context())

        live = store.get("PersistentVolume", "pv-old")
        assert live["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        assert (live["metadata"]["labels"], live["metadata"]["annotations"]) == ({}, {})

    def test_gone_on_with_much_later_it_marks_anew(self) -> None:
        """Else the volume would be kept for a shorter time than was asked for, or for none."""
        store = Store(
            *(claim("data", "pv-old"), volume("pv-old", "data", "Delete")),
            *(claim("data-kg", "pv-new"), volume("pv-new", "data-kg", "Delete")),
        )
        step = replace(self.STEP, params={**self.PARAMS, "old": {"data": {"name": "pv-old", "uid": "uid-pv-old"}}})
        kit = tools(store)
        action = RetainVolumes(kit)
        first = action.apply(step, context())["kept_until"]["data"]

        kit.clock.sleep(3000)

        assert not action.done(step, context())
        assert action.apply(step, context())["kept_until"]["data"] > first
        assert action.done(step, context())


def ready(obj: dict[str, Any]) -> None:
    """What the snapshot controller and the driver's sidecar make of an imported pair."""
    name = obj["metadata"]["name"]
    if obj["kind"] == "VolumeSnapshotContent":
        obj["spec"]["volumeSnapshotRef"]["uid"] = "uid-1"
        obj["status"] = {"snapshotHandle": obj["spec"]["source"]["snapshotHandle"], "readyToUse": True}
    elif obj["kind"] == "VolumeSnapshot":
        obj["metadata"]["uid"] = "uid-1"
        obj["status"] = {"boundVolumeSnapshotContentName": name, "readyToUse": True}


class TestImportedSnapshot:
    @pytest.mark.parametrize(
        ("driver", "named"), [("csi.example", "snap"), ("csi.other", None), ("", None)], ids=["there", "other", "none"]
    )
    def test_names_its_class_only_where_the_driver_has_it_there(self, driver: str, named: str | None) -> None:
        """The sidecar makes no content ready whose class it does not find."""
        there = {"kind": "VolumeSnapshotClass", "metadata": {"name": "snap", "uid": "c"}, "driver": driver}
        store = Store(*([there] if driver else []), grows=ready)

        import_pair(tools(store), "shop", "import-1", captured(["data"])["volumes"][0], {"knowngood.io/operation": "o"})

        content = store.get("VolumeSnapshotContent", "import-1")
        assert content["spec"].get("volumeSnapshotClassName") == named


class TestSecondRun:
    def test_looks_for_nobody_who_would_start_the_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The claims hold the point already: whether others may be frozen is of no matter."""
        asked: list[Any] = []
        for place in (restore, restore_look):
            monkeypatch.setattr(place, "find", lambda *args: asked.append(args), raising=False)
        app = application([workload("StatefulSet/db", ["data"])])
        monkeypatch.setattr(restore_look, "resolve", lambda *args, **more: app)
        there = claim("data", "pv")
        there["metadata"]["annotations"] = {"knowngood.io/restored-from": point(["data"]).id}
        there["spec"].update(accessModes=["ReadWriteOnce"], resources={"requests": {"storage": "1Gi"}})
        house = cast(House, SimpleNamespace(cluster=Store(there, volume("pv", "data")), elsewhere=None))
        wish = RestoreWish(point(["data"]).id)

        looked = restore_look.look(house, app.spec, point(["data"]), wish)

        assert restore._with_reconcilers(house, looked, point(["data"]), wish) == looked
        assert asked == []
        restore._with_reconcilers(house, replace(looked, claims={}), point(["data"]), wish)
        assert len(asked) == 1


def final_stage(keep_s: float = 3600) -> Step:
    params = {"namespace": "shop", "final": True, "keep_s": keep_s, "claims": [{"claim": "data", "name": "look"}]}
    return Step("stage", "volumes.stage", (), params)


class TestUndoBeside:
    """The claims that a restore made beside the old ones, in another namespace or cluster, are the user's."""

    DONE = {"tidy": {"removed": []}, "record": {"seq": 3}}

    def test_is_refused_while_somebody_mounts_one(self) -> None:
        store = Store(claim("look", "pv-new"), volume("pv-new", "look"), pod("web-0", "look"))
        stage = Stage(tools(store))

        assert stage.undoable(final_stage(), context()) == (
            "PersistentVolumeClaim shop/look is mounted by web-0: stop them first"
        )
        with pytest.raises(Conflict, match="web-0"):
            stage.undo(final_stage(), context())
        assert store.get("PersistentVolume", "pv-new")["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        assert store.find("PersistentVolumeClaim", "look", "shop")

    @pytest.mark.parametrize(
        "mounting",
        [
            pod("kg-verify", "look", **{"knowngood.io/operation": OPERATION}),
            pod("ended", "look", phase="Succeeded"),
            pod("other", "another"),
        ],
        ids=lambda one: one["metadata"]["name"],
    )
    def test_our_own_pods_and_those_that_ended_are_not_in_the_way(self, mounting: dict[str, Any]) -> None:
        assert Stage(tools(Store(claim("look", "pv-new"), mounting))).undoable(final_stage(), context()) is None

    def test_somebody_elses_claim_of_the_name_is_not_asked_about(self) -> None:
        theirs = claim("look", "pv-x")
        theirs["metadata"]["labels"] = {}
        assert Stage(tools(Store(theirs, pod("web-0", "look")))).undoable(final_stage(), context()) is None

    def test_keeps_the_volumes_once_they_were_handed_over(self) -> None:
        store = Store(claim("look", "pv-new"), volume("pv-new", "look"))

        Stage(tools(store)).undo(final_stage(), context(**self.DONE))

        kept = store.get("PersistentVolume", "pv-new")
        assert store.list("PersistentVolumeClaim") == []
        assert kept["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        assert kept["metadata"]["labels"] == {"knowngood.io/kept": "true"}
        assert kept["metadata"]["annotations"] == {
            "knowngood.io/keep-until": "2026-01-01T01:00:01Z",
            "knowngood.io/claim": "shop/look",
            "knowngood.io/operation": OPERATION,
        }

    def test_takes_the_volumes_along_that_nobody_was_given(self) -> None:
        store = Store(claim("look", "pv-new"), volume("pv-new", "look", "Retain"))

        Stage(tools(store)).undo(final_stage(), context(manifest={"manifests": {}}))

        made = store.get("PersistentVolume", "pv-new")
        assert store.list("PersistentVolumeClaim") == []
        assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        assert "labels" not in made["metadata"]

    def test_the_plan_says_how_long_they_are_kept(self) -> None:
        world = seen(application([workload("StatefulSet/db", ["data"])]))
        wish = RestoreWish(point(["data"]).id, target="claim", names={"data": "look"}, keep_s=60)
        stage = plan(world, point(["data"]), wish).plan.steps[0]
        assert (stage.params["final"], stage.params["keep_s"]) == (True, 60)
