# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps of a restore do to claims, volumes and snapshots, and what they leave alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Step
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import restore, restore_look
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import RestoreWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.snapshots import import_pair
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.swap import RetainVolumes

from .store import OPERATION, Store, claim, tools, volume
from .world import application, captured, point, workload

ROW = {"claim": "data-kg", "claim_uid": "uid-data-kg", "volume": "pv-new", "volume_uid": "uid-pv-new", "imported": ""}


def context(**results: Any) -> Context:
    return Context(OPERATION, {"stage": {"volumes": {"data": ROW}}, **results})


class TestRetainVolumes:
    STEP = Step("retain", "volumes.retain_volumes", (), {"namespace": "shop", "old": {"data": None}, "stage": "stage"})

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
