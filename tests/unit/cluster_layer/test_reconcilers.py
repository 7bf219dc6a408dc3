# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is found to keep an application, and what is said where it cannot be frozen."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.holding import FROZEN
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.kinds import Kind
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.recipes import parse
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.reconcilers import Found, find
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import (
    Application,
    ApplicationSpec,
    Mount,
    Workload,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    Denied,
    NotFound,
    Rejected,
)

from .objects import controller, owner, thing
from .test_stopping import merged

ARGO, FLUX, KEDA = "argoproj.io/v1alpha1", "kustomize.toolkit.fluxcd.io/v1", "keda.sh/v1alpha1"
TRACKED = {"argocd.argoproj.io/tracking-id": "shop:apps/StatefulSet:shop/db"}


class World:
    """As much of an API server as looking needs. ``denied``: kinds that may not be listed in all namespaces, or at all.

    ``unreadable``: those that may be listed, but not read one by one. ``drops`` and ``refuses``: what a dry run does to
    a patch.
    """

    server = "https://x"

    def __init__(self, *objects: dict[str, Any], served: tuple[str, ...] = (ARGO, FLUX, KEDA)) -> None:
        self.objects, self.served = list(objects), served
        self.unlistable: set[str] = set()
        self.denied: set[str] = set()
        self.unreadable: set[str] = set()
        self.drops, self.refuses = False, ""
        self.dry_runs: list[bool] = []

    def call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        del method, path, more
        groups: dict[str, list[str]] = {}
        for version in self.served:
            groups.setdefault(version.partition("/")[0], []).append(version)
        return {
            "groups": [
                {"name": name, "versions": [{"groupVersion": v} for v in found]} for name, found in groups.items()
            ]
        }

    def kind_of(self, api_version: str, kind: str) -> Kind | None:
        group, slash, version = api_version.partition("/")
        return Kind(kind, group, version, f"{kind.lower()}s") if api_version in self.served else None

    def find(self, kind: str | Kind, name: str, namespace: str) -> dict[str, Any] | None:
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def get(self, kind: str | Kind, name: str, namespace: str) -> dict[str, Any]:
        word = self._allowed(kind)
        if word in self.unreadable:
            raise Denied("not allowed", where=f"{word} {name} at https://x", why=f"get {word} forbidden")
        for obj in self.objects:
            meta = obj["metadata"]
            if (obj["kind"], meta["name"], meta["namespace"]) == (word, name, namespace):
                return obj
        raise NotFound("not found", why=f"no {word} {name}")

    def list(self, kind: str | Kind, namespace: str | None = None, *, field: str = "") -> list[dict[str, Any]]:
        word = self._allowed(kind)
        if namespace is None and word in self.unlistable:
            raise Denied("not allowed", where=f"{word} * at https://x", why="list forbidden")
        name = field.partition("=")[2]
        return [
            obj
            for obj in self.objects
            if obj["kind"] == word
            and namespace in (None, obj["metadata"]["namespace"])
            and name in ("", obj["metadata"]["name"])
        ]

    def patch(self, kind: str | Kind, name: str, namespace: str, body: Any, *, uid: str, dry_run: bool) -> Any:
        self.dry_runs.append(dry_run)
        if self.refuses:
            raise Rejected("the API server refused the object", why=self.refuses)
        there = self.get(kind, name, namespace)
        assert uid == there["metadata"]["uid"]
        return there if self.drops else merged(there, body)

    def _allowed(self, kind: str | Kind) -> str:
        word = kind if isinstance(kind, str) else kind.kind
        if word in self.denied:
            raise Denied("not allowed", where=f"{word} x at https://x", why="forbidden")
        return word


def database(**more: Any) -> dict[str, Any]:
    return controller("StatefulSet", "db", **more)


def argo(name: str = "shop", namespace: str = "argocd", **more: Any) -> dict[str, Any]:
    made = thing("Application", name, {"syncPolicy": {"automated": {}}}, api=ARGO, **more)
    made["metadata"].update(namespace=namespace, uid=f"uid-{namespace}-{name}")
    return made


def looked(world: World, *recipes: dict[str, Any]) -> Found:
    mount = (Mount("data-db-0", "main", "/data"),)
    workload = Workload("StatefulSet", "db", "shop", "uid-statefulset-db", "apps/v1", mounts=mount)
    app = Application(ApplicationSpec("shop", "shop"), "c", (workload,))
    return find(cast(Cluster, world), app, parse(recipes))


def titles(found: Found) -> list[str]:
    return [one.title for one in found.reconcilers]


class TestArgo:
    def test_by_tracking_id_in_whatever_namespace_it_is(self) -> None:
        world = World(database(annotations=TRACKED), argo(namespace="ops"), argo("other"))
        found = looked(world)
        assert titles(found) == ["Application ops/shop"]
        assert [change.path[-1] for change in found.reconcilers[0].changes] == [
            "argocd.argoproj.io/skip-reconcile",
            "automated",
        ]
        assert world.dry_runs == [True]

    def test_the_tracking_id_may_say_the_namespace(self) -> None:
        tracked = {"argocd.argoproj.io/tracking-id": "team_shop:apps/StatefulSet:shop/db"}
        world = World(database(annotations=tracked), argo(namespace="team"), argo())
        world.unlistable = {"Application"}
        assert titles(looked(world)) == ["Application team/shop"]

    def test_its_usual_namespace_is_tried_where_not_all_may_be_listed(self) -> None:
        world = World(database(annotations=TRACKED), argo())
        world.unlistable = {"Application"}
        assert titles(looked(world)) == ["Application argocd/shop"]

    def test_of_two_of_one_name_it_is_the_one_that_says_so(self) -> None:
        entry = {"group": "apps", "kind": "StatefulSet", "namespace": "shop", "name": "db"}
        world = World(
            database(annotations=TRACKED),
            argo(namespace="one"),
            argo(namespace="two", status={"resources": [entry]}),
        )
        assert titles(looked(world)) == ["Application two/shop"]

    def test_of_two_of_one_name_that_say_nothing_none_is_guessed(self) -> None:
        found = looked(World(database(annotations=TRACKED), argo(namespace="one"), argo(namespace="two")))
        assert titles(found) == []
        assert "Application shop is in one, two, and no status says which one manages it" in found.notes[0][1]

    @pytest.mark.parametrize("served", [(ARGO,), ()])
    def test_one_that_is_not_here_is_told_of(self, served: tuple[str, ...]) -> None:
        found = looked(World(database(annotations=TRACKED), served=served))
        assert titles(found) == []
        assert "Argo CD Application shop is not in this cluster" in found.notes[0][1]

    def test_a_label_of_helm_alone_proves_nothing(self) -> None:
        world = World(database(labels={"app.kubernetes.io/instance": "shop"}), argo())
        assert looked(world) == Found()
        world.denied = {"Application"}
        found = looked(world)
        assert titles(found) == []
        assert "may not be looked at" in found.notes[0][1]

    def test_who_made_it_is_told_of(self) -> None:
        by = thing("ApplicationSet", "all", api=ARGO)
        made = argo()
        made["metadata"]["ownerReferences"] = [owner(by)]
        found = looked(World(database(annotations=TRACKED), made))
        assert "made by ApplicationSet/all, which may take the pause back" in found.notes[0][1]


class TestOthers:
    def test_claims_are_protected_before_anybody_is_frozen(self) -> None:
        policy = {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"}}
        found = looked(World(database(annotations=TRACKED, spec=policy), argo()))
        assert titles(found) == ["StatefulSet shop/db", "Application argocd/shop"]
        assert [(c.path[-1], c.before) for c in found.reconcilers[0].changes] == [("whenScaled", "Delete")]

    def test_flux_that_is_suspended_already_is_left_alone(self) -> None:
        labels = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in (("name", "k"), ("namespace", "shop"))}
        keeper = thing("Kustomization", "k", {"suspend": True}, api=FLUX)
        assert titles(looked(World(database(labels=labels), keeper))) == []
        keeper["spec"] = {}
        assert titles(looked(World(database(labels=labels), keeper))) == ["Kustomization shop/k"]

    def test_keda_by_its_target(self) -> None:
        mine = thing("ScaledObject", "s", {"scaleTargetRef": {"kind": "StatefulSet", "name": "db"}}, api=KEDA)
        other = thing("ScaledObject", "o", {"scaleTargetRef": {"name": "db"}}, api=KEDA)
        its_own = thing(
            "HorizontalPodAutoscaler",
            "keda-hpa-s",
            {"scaleTargetRef": {"kind": "StatefulSet", "name": "db"}, "minReplicas": 0},
            by=mine,
        )
        assert titles(looked(World(database(), mine, other, its_own))) == ["ScaledObject shop/s"]

    def test_who_keeps_the_object_of_a_recipe_is_frozen_before_it(self) -> None:
        recipe = {"kind": "ScaledObject", "api_version": KEDA, "name": "cr", "patch": {"spec": {"stop": True}}}
        kept = thing("ScaledObject", "cr", annotations=TRACKED, api=KEDA)
        found = looked(World(database(), kept, argo()), recipe)
        assert titles(found) == ["Application argocd/shop", "ScaledObject shop/cr"]


class TestRefusals:
    def test_everything_that_may_not_be_frozen_is_in_one_error(self) -> None:
        labels = {f"kustomize.toolkit.fluxcd.io/{key}": value for key, value in (("name", "k"), ("namespace", "shop"))}
        world = World(database(annotations=TRACKED, labels=labels))
        world.denied = {"Application", "Kustomization", "ScaledObject"}
        with pytest.raises(Denied) as caught:
            looked(world)
        assert all(kind in caught.value.why for kind in world.denied)

    def test_autoscalers_that_may_only_be_listed_are_all_in_it(self) -> None:
        target = {"scaleTargetRef": {"kind": "StatefulSet", "name": "db"}, "minReplicas": 0}
        keeper = thing("ScaledObject", "s", {"scaleTargetRef": {"kind": "StatefulSet", "name": "db"}}, api=KEDA)
        world = World(database(), thing("HorizontalPodAutoscaler", "h", target), keeper)
        world.unreadable = {"HorizontalPodAutoscaler", "ScaledObject"}
        with pytest.raises(Denied) as caught:
            looked(world)
        assert all(kind in caught.value.why for kind in world.unreadable)

    def test_what_another_operation_holds(self) -> None:
        held = argo(annotations={FROZEN: json.dumps({"by": "restore-x", "before": []})})
        with pytest.raises(Conflict, match="frozen by operation restore-x") as caught:
            looked(World(database(annotations=TRACKED), held))
        assert "id=restore-x with state=resumed or state=undone" in caught.value.next
        assert f"by hand what the annotation {FROZEN} of Application argocd/shop has" in caught.value.next

    def test_values_that_the_server_drops(self) -> None:
        world = World(database(annotations=TRACKED), argo())
        world.drops = True
        with pytest.raises(BadInput, match=r"does not take metadata\.annotations"):
            looked(world)

    def test_a_webhook_that_refuses_and_one_that_knows_no_dry_run(self) -> None:
        world = World(database(annotations=TRACKED), argo())
        world.refuses = "policy says no"
        with pytest.raises(BadInput, match=r"cannot be frozen.*policy says no"):
            looked(world)
        world.refuses = 'admission webhook "x" does not support dry run'
        assert titles(looked(world)) == ["Application argocd/shop"]

    def test_recipes_for_what_is_not_there(self) -> None:
        recipe = {"kind": "ScaledObject", "api_version": KEDA, "name": "cr", "patch": {"spec": {"stop": True}}}
        with pytest.raises(BadInput, match="no object to pause"):
            looked(World(database()), recipe)
        with pytest.raises(BadInput, match="the server has no kind"):
            looked(World(database(), served=()), recipe)
        with pytest.raises(BadInput, match="pause: no workload StatefulSet/other"):
            looked(World(database()), {**recipe, "workloads": ["StatefulSet/other"]})
