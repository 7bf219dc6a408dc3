# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who keeps a workload, what a pause recipe may say, who fights, and where in a plan freezing stands."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.amend import Ref
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.budgets import budgets_of
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.fighters import fighter, fought
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.freezing import brackets, rest_step
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.gitops import argo_manages, keepers_of
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.holding import Change
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.kinds import Kind
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.recipes import parse
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.reconcilers import Found, Reconciler
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import (
    Application,
    ApplicationSpec,
    Mount,
    PodView,
    Workload,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput

from .objects import controller, thing

PROTECT, GITOPS, OPERATOR, SCALER = range(4)


def workload(ref: str, **more: Any) -> Workload:
    kind, slash, name = ref.partition("/")
    given = {"api_version": "x/v1", "mounts": (Mount(f"data-{name}", "main", "/data"),), **more}
    return Workload(kind=kind, name=name, namespace="shop", uid=f"uid-{name}", **given)


def reconciler(kind: str, name: str, of: str, rank: int, **more: Any) -> Reconciler:
    ref = Ref(kind, name, "ops", f"uid-{name}", Kind(kind, "g", "v1", f"{kind.lower()}s"))
    return Reconciler(ref, (of,), (Change(("spec", "suspend"), True, None),), rank, **more)


class TestKeepers:
    def told(self, **marks: Any) -> list[tuple[str, bool]]:
        return [(keeper.told, keeper.sure) for keeper in keepers_of(thing("StatefulSet", "db", **marks))]

    def test_argo_by_tracking_id(self) -> None:
        key = "argocd.argoproj.io/tracking-id"
        assert self.told(annotations={key: "shop:apps/StatefulSet:shop/db"}) == [("Argo CD Application shop", True)]
        assert self.told(annotations={key: "team_shop:apps/StatefulSet:shop/db"}) == [
            ("Argo CD Application team/shop", True)
        ]

    def test_argo_by_label(self) -> None:
        assert self.told(labels={"argocd.argoproj.io/instance": "shop"}) == [("Argo CD Application shop", True)]
        assert self.told(labels={"app.kubernetes.io/instance": "shop"}) == [("Argo CD Application shop", False)]

    def test_flux_by_labels(self) -> None:
        labels = {f"{tool}.toolkit.fluxcd.io/{key}": value for tool in ("kustomize", "helm")
                  for key, value in (("name", tool), ("namespace", "flux"))}  # fmt: skip
        assert self.told(labels=labels) == [
            ("Flux Kustomization flux/kustomize", True),
            ("Flux HelmRelease flux/helm", True),
        ]

    def test_nobody(self) -> None:
        assert self.told(labels={"app": "x"}) == []

    def test_an_application_says_what_it_manages(self) -> None:
        obj = controller("StatefulSet", "db")
        entry = {"group": "apps", "kind": "StatefulSet", "namespace": "shop", "name": "db"}
        assert argo_manages({"status": {"resources": [entry]}}, obj)
        assert not argo_manages({"status": {"resources": [{**entry, "namespace": "other"}]}}, obj)
        assert not argo_manages({}, obj)


class TestRecipes:
    GOOD = {"kind": "Db", "api_version": "x/v1", "name": "d", "patch": {"spec": {"stop": True}}}

    def test_a_whole_one(self) -> None:
        more = {"annotations": {"pause": True}, "workloads": ["Db/d"], "wait_for": "status.ok", "timeout": 5}
        (recipe,) = parse([{**self.GOOD, **more}])
        assert recipe.patch == {"spec": {"stop": True}, "metadata": {"annotations": {"pause": "True"}}}
        assert (recipe.workloads, recipe.timeout_s, recipe.namespace) == (("Db/d",), 5, "")

    def test_known_kinds_need_no_version(self) -> None:
        (recipe,) = parse([{"kind": "Deployment", "name": "operator", "patch": {"spec": {"replicas": 0}}}])
        assert recipe.api_version == "apps/v1"

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"kind": ""}, "needs kind and name"),
            ({"name": None}, "needs kind and name"),
            ({"name": 3}, "name of a pause recipe is not text"),
            ({"api_version": ""}, "needs api_version"),
            ({"patch": {}}, "needs patch or annotations"),
            ({"patch": "x"}, "are dictionaries"),
            ({"patch": {"status": {"x": 1}}}, "spec, annotations and labels only"),
            ({"patch": {"metadata": {"finalizers": []}}}, "spec, annotations and labels only"),
            ({"annotations": {"knowngood.io/frozen": "x"}}, "cannot set annotations of knowngood.io/"),
            ({"wait_for": "status ="}, "not a JMESPath expression"),
            ({"timeout": "soon"}, "not a number of seconds"),
            ({"workloads": "Db/d"}, "list of Kind/name"),
            ({"colour": "red"}, "keys that nothing reads"),
            ({"kind": "Secret"}, "cannot change a Secret"),
        ],
    )
    def test_bad_ones_are_named(self, change: dict[str, Any], told: str) -> None:
        with pytest.raises(BadInput, match=told) as caught:
            parse([{**self.GOOD, **change}])
        assert "pause[0]" in str(caught.value)

    def test_one_object_twice(self) -> None:
        with pytest.raises(BadInput, match=r"pause\[0\] and pause\[1\]"):
            parse([self.GOOD, self.GOOD])
        with pytest.raises(BadInput, match="not a dictionary"):
            parse(["x"])


class TestFighters:
    def written(self, kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
        obj = controller(kind, "web", replicas=3)
        obj["metadata"]["managedFields"] = list(entries)
        return obj

    SCALED = {"f:spec": {"f:replicas": {}}}

    def test_who_owns_the_replicas_is_named(self) -> None:
        obj = self.written(
            "Deployment",
            {"manager": "kubectl", "time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:metadata": {}}},
            {"manager": "bot", "time": "2026-01-01T00:00:05Z", "subresource": "scale", "fieldsV1": self.SCALED},
            {"manager": "knowngood", "time": "2026-01-01T00:00:10Z", "fieldsV1": {"f:metadata": {}}},
        )
        error = fought(obj, "operator x")
        assert "bot wrote spec.replicas through the subresource scale at 2026-01-01T00:00:05Z" in error.why
        assert "asks for 3 replicas" in error.why
        assert "operator x" in error.why
        assert error.details["fighter"]["manager"] == "bot"

    def test_where_the_field_is_gone_it_is_the_last_writer(self) -> None:
        obj = self.written(
            "DaemonSet",
            {"manager": "early", "time": "2026-01-01T00:00:01Z", "fieldsV1": {}},
            {"manager": "late", "time": "2026-01-01T00:00:02Z", "fieldsV1": {}},
            {"manager": "kcm", "time": "2026-01-01T00:00:03Z", "subresource": "status", "fieldsV1": {}},
        )
        assert fighter(obj).told == "late wrote it last at 2026-01-01T00:00:02Z"

    def test_nobody_known(self) -> None:
        assert fighter(controller("Job", "j")).manager == "somebody unknown"


class TestBudgets:
    def budget(self, name: str, selector: Any) -> dict[str, Any]:
        return thing("PodDisruptionBudget", name, {"selector": selector})

    def test_those_that_select_its_pods(self) -> None:
        budgets = [
            self.budget("all", {}),
            self.budget("none", None),
            self.budget("labels", {"matchLabels": {"app": "db"}}),
            self.budget("other", {"matchLabels": {"app": "web"}}),
            self.budget("in", {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db"]}]}),
            self.budget("not", {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}),
            self.budget("has", {"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
            self.budget("hasnt", {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
        ]
        assert budgets_of(controller("StatefulSet", "db"), budgets) == ["all", "has", "in", "labels"]


class TestSteps:
    DB, CR = workload("StatefulSet/db"), workload("Db/main")
    APP = Application(
        ApplicationSpec("shop", "shop"), "c", (CR, DB), (PodView("main-1", "u", "Db/main", "Running", True),)
    )
    FOUND = Found(
        (
            reconciler("StatefulSet", "db", "StatefulSet/db", PROTECT),
            reconciler("Kustomization", "k", "StatefulSet/db", GITOPS),
            reconciler("Db", "main", "Db/main", OPERATOR, stands_for="Db/main"),
            reconciler("ScaledObject", "s", "Deployment/other", SCALER),
        )
    )

    def test_first_frozen_is_last_put_back(self) -> None:
        held = brackets(self.FOUND, self.APP, [self.DB], ready_timeout_s=9)
        assert [step.name for step in held.before] == [
            "retain the claims of StatefulSet ops/db",
            "freeze Kustomization ops/k",
        ]
        assert [step.name for step in held.after] == [
            "put back Kustomization ops/k",
            "put back the claim policy of StatefulSet ops/db",
        ]
        assert [step.until for step in held.before] == [step.name for step in reversed(held.after)]
        assert (held.stops, held.starts, held.paused) == ((), (), ())

    def test_what_is_found_before_is_in_the_parameters(self) -> None:
        step = brackets(self.FOUND, self.APP, [self.DB], ready_timeout_s=9).before[1]
        assert step.params["changes"] == [{"path": ["spec", "suspend"], "value": True, "before": None}]
        assert Ref.of(step.params).resource == Kind("Kustomization", "g", "v1", "kustomizations")

    def test_a_foreign_workload_is_stopped_by_its_recipe(self) -> None:
        held = brackets(self.FOUND, self.APP, [self.CR, self.DB], ready_timeout_s=9)
        (stop,), (start,) = held.stops, held.starts
        assert (stop.name, stop.action) == ("pause Db ops/main", "workloads.pause")
        assert (start.name, start.action) == ("resume Db ops/main", "workloads.resume")
        assert (stop.params["claims"], stop.params["pods"]) == (["data-main"], 1)
        assert held.paused == ("Db/main",)

    @pytest.mark.parametrize(
        ("more", "seconds"),
        [
            ({}, 0),
            ({"managed_by": "Helm release shop/db"}, 0),
            ({"scaled_by": "HorizontalPodAutoscaler/db"}, 0),
            ({"managed_by": "PostgresCluster/db (x)"}, 3),
        ],
    )
    def test_who_is_kept_by_somebody_unfrozen_is_watched(self, more: dict[str, str], seconds: int) -> None:
        db = workload("StatefulSet/db", **more)
        app = Application(ApplicationSpec("shop", "shop"), "c", (db,))
        alone = brackets(Found(), app, [db], ready_timeout_s=9)
        assert rest_step(app, [db], ["data-db"], alone, until="start").params["settle_s"] == seconds
        frozen = brackets(self.FOUND, app, [db], ready_timeout_s=9)
        assert rest_step(app, [db], ["data-db"], frozen, until="start").params["settle_s"] == 0
