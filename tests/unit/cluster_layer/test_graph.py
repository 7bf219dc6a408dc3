# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From objects to an application: who belongs to it, what runs, which data it reaches."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.graph import Observed, assemble
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import Application, ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput

from .objects import A, B, claim, claim_volume, containers, controller, mount, owner, pod, thing, volume


def app(*objects: dict[str, Any], strict: bool = True, owners: Any = (), **spec: Any) -> Application:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for obj in objects:
        by_kind.setdefault(obj["kind"], []).append(obj)
    volumes = {v["metadata"]["name"]: v for v in by_kind.pop("PersistentVolume", [])}
    seen = Observed(by_kind, volumes, {o["metadata"]["uid"]: o for o in owners})
    return assemble(ApplicationSpec.from_dict({"name": "app", "namespace": "shop", **spec}), "cl", seen, strict=strict)


def refs(application: Application) -> list[str]:
    return [workload.ref for workload in application.workloads]


class TestMembership:
    def test_whole_namespace_without_selector_and_names(self) -> None:
        assert refs(app(controller("Deployment", "web"), controller("StatefulSet", "db"))) == [
            "Deployment/web",
            "StatefulSet/db",
        ]

    def test_selector_matches_workload_labels_or_pod_labels(self) -> None:
        labelled = controller("Deployment", "web", labels={"tier": "front"})
        by_template = controller("StatefulSet", "db")
        other = controller("Deployment", "other")
        assert refs(app(labelled, by_template, other, selector="tier=front")) == ["Deployment/web"]
        assert refs(app(labelled, by_template, other, selector="app in (db, web)")) == [
            "Deployment/web",
            "StatefulSet/db",
        ]

    def test_names_choose_exactly(self) -> None:
        found = app(controller("Deployment", "web"), controller("StatefulSet", "db"), workloads=["StatefulSet/db"])
        assert refs(found) == ["StatefulSet/db"]

    def test_a_named_workload_that_is_not_there_is_refused_with_those_there_are(self) -> None:
        with pytest.raises(BadInput, match=r"no workload Deployment/nope.*Deployment/web"):
            app(controller("Deployment", "web"), workloads=["Deployment/nope"])

    def test_not_strict_turns_what_is_missing_into_notes(self) -> None:
        found = app(strict=False, workloads=["Deployment/nope"], claims=["gone"])
        assert len(found.notes) == 2

    def test_our_own_pods_finished_jobs_and_ended_pods_are_left_out(self) -> None:
        ours = pod("probe", labels={"app.kubernetes.io/managed-by": "knowngood"})
        finished = controller("Job", "migrate", status={"conditions": [{"type": "Complete", "status": "True"}]})
        ended = pod("old", phase="Succeeded")
        assert refs(app(ours, finished, ended)) == []


class TestOwners:
    def test_pod_to_deployment_through_its_replica_set(self) -> None:
        web = controller("Deployment", "web")
        rs = controller("ReplicaSet", "web-1", by=web)
        found = app(web, rs, pod("web-1-x", rs))
        assert refs(found) == ["Deployment/web"]
        assert [(p.name, p.workload) for p in found.pods] == [("web-1-x", "Deployment/web")]

    def test_pod_to_cron_job_through_its_job(self) -> None:
        cron = thing("CronJob", "nightly", {"jobTemplate": {"spec": {"template": {"spec": containers()}}}})
        job = controller("Job", "nightly-1", by=cron)
        found = app(cron, job, pod("nightly-1-x", job))
        assert refs(found) == ["CronJob/nightly"]
        assert found.workloads[0].containers[0].digest == A

    def test_a_bare_pod_is_a_workload(self) -> None:
        found = app(pod("lonely"))
        assert refs(found) == ["Pod/lonely"]
        assert found.pods[0].workload == ""

    def test_a_foreign_controller_is_the_top_of_its_pods(self) -> None:
        rollout = thing("Rollout", "web", {"replicas": 3}, api="argoproj.io/v1alpha1")
        rs = controller("ReplicaSet", "web-1", by=rollout, replicas=0)
        found = app(rs, owners=[rollout])
        assert [(w.ref, w.api_version, w.replicas) for w in found.workloads] == [
            ("Rollout/web", "argoproj.io/v1alpha1", 3)
        ]

    def test_a_foreign_controller_that_cannot_be_read_is_known_by_name(self) -> None:
        cluster = thing("Cluster", "pg", api="postgresql.cnpg.io/v1")
        found = app(pod("pg-1", cluster))
        assert refs(found) == ["Cluster/pg"]
        assert found.workloads[0].containers[0].digest == A

    def test_an_operator_behind_a_stateful_set_is_named_not_climbed(self) -> None:
        operator = thing("Postgres", "main", api="db.example/v1")
        found = app(controller("StatefulSet", "db", by=operator))
        assert refs(found) == ["StatefulSet/db"]
        assert found.workloads[0].managed_by == "Postgres/main (db.example)"

    def test_static_pods_are_bare(self) -> None:
        static = pod("etcd")
        static["metadata"]["ownerReferences"] = [owner(thing("Node", "n1"))]
        assert refs(app(static)) == ["Pod/etcd"]

    @pytest.mark.parametrize(
        ("labels", "annotations", "manager"),
        [
            ({}, {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}, "Argo CD application shop"),
            ({"argocd.argoproj.io/instance": "shop"}, {}, "Argo CD application shop"),
            (
                {"kustomize.toolkit.fluxcd.io/name": "k", "kustomize.toolkit.fluxcd.io/namespace": "flux"},
                {},
                "Flux Kustomization flux/k",
            ),
            (
                {},
                {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "shop"},
                "Helm release shop/r",
            ),
            ({}, {}, ""),
        ],
    )
    def test_who_manages_it(self, labels: dict[str, str], annotations: dict[str, str], manager: str) -> None:
        web = controller("Deployment", "web", labels=labels, annotations=annotations)
        assert app(web).workloads[0].managed_by == manager

    def test_autoscalers_are_named(self) -> None:
        hpa = thing("HorizontalPodAutoscaler", "web-hpa", {"scaleTargetRef": {"kind": "Deployment", "name": "web"}})
        assert app(controller("Deployment", "web"), hpa).workloads[0].scaled_by == "HorizontalPodAutoscaler/web-hpa"

    def test_a_scaled_object_counts_with_and_without_the_autoscaler_it_makes(self) -> None:
        scaled = thing("ScaledObject", "web-so", {"scaleTargetRef": {"name": "web"}}, api="keda.sh/v1alpha1")
        target = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}
        made = thing("HorizontalPodAutoscaler", "keda-hpa-web", target, by=scaled)
        for scalers in ([scaled], [scaled, made]):
            (web,) = app(controller("Deployment", "web"), *scalers).workloads
            assert web.scaled_by == "ScaledObject/web-so"
            assert ("autoscaler", "ScaledObject", "web-so", "keda.sh") in [
                (hand.role, hand.kind, hand.name, hand.group) for hand in web.hands
            ]

    def test_every_hand_on_a_workload_is_named(self) -> None:
        operator = thing("Postgres", "main", api="db.example/v1")
        marks = {"argocd.argoproj.io/tracking-id": "team_shop:apps/StatefulSet:shop/db"}
        labels = {"kustomize.toolkit.fluxcd.io/name": "k", "kustomize.toolkit.fluxcd.io/namespace": "flux"}
        (found,) = app(controller("StatefulSet", "db", by=operator, annotations=marks, labels=labels)).workloads
        assert [(hand.role, hand.kind, hand.namespace, hand.name) for hand in found.hands] == [
            ("gitops", "Application", "team", "shop"),
            ("gitops", "Kustomization", "flux", "k"),
            ("operator", "Postgres", "shop", "main"),
        ]


class TestDigests:
    def test_the_repository_digest_that_runs_wins_over_the_template(self) -> None:
        db = controller("StatefulSet", "db", containers("shop/app:latest"))
        assert app(db, pod("db-0", db)).workloads[0].containers[0].digest == A

    def test_a_configuration_digest_alone_is_not_an_image_digest(self) -> None:
        db = controller("StatefulSet", "db")
        found = app(db, pod("db-0", db, image_id="sha256:" + "c" * 64))
        assert found.workloads[0].containers[0].digest == ""

    def test_then_the_pin_of_the_reference_is_used(self) -> None:
        spec = containers(f"shop/app@{B}")
        db = controller("StatefulSet", "db", spec)
        found = app(db, pod("db-0", db, spec, image_id="sha256:" + "c" * 64))
        assert found.digests == {"StatefulSet/db": [B]}

    def test_pods_that_disagree_leave_it_unknown_and_say_so(self) -> None:
        db = controller("StatefulSet", "db", replicas=2)
        found = app(db, pod("db-0", db), pod("db-1", db, image_id=f"shop/app@{B}"))
        assert found.workloads[0].containers[0].digest == ""
        assert any("different images" in note for note in found.notes)
        assert found.digests == {"StatefulSet/db": [A, B]}

    def test_without_pods_the_pin_of_the_template_is_what_would_run(self) -> None:
        db = controller("StatefulSet", "db", containers(f"shop/app@{B}"), replicas=0)
        assert app(db).workloads[0].containers[0].digest == B


class TestVolumes:
    def test_claim_volume_and_driver(self) -> None:
        spec = containers(volumes=[claim_volume("up", "uploads")])
        spec["containers"][0]["volumeMounts"] = [mount("up", "/uploads", subPath="a")]
        found = app(controller("Deployment", "web", spec), claim("uploads", "pv1"), volume("pv1"))
        (vol,) = found.volumes
        assert (vol.claim, vol.volume, vol.handle, vol.driver) == ("uploads", "pv1", "h-pv1", "btrfs.csi.example")
        assert vol.mounted_by == ("Deployment/web",)
        assert [(m.path, m.sub_path, m.read_only) for m in found.workloads[0].mounts] == [("/uploads", "a", False)]

    def test_claim_templates_of_a_scaled_down_set_are_found_by_name(self) -> None:
        spec = containers()
        spec["containers"][0]["volumeMounts"] = [mount("data", "/data")]
        db = controller(
            "StatefulSet",
            "db",
            spec,
            replicas=0,
            spec={"ordinals": {"start": 3}, "volumeClaimTemplates": [{"metadata": {"name": "data"}}]},
        )
        others = [claim("data-db-extra"), claim("data-db-0-1"), claim("xdata-db-3")]
        found = app(db, claim("data-db-3", "pv"), claim("data-db-4"), volume("pv"), *others)
        assert [v.claim for v in found.volumes] == ["data-db-3", "data-db-4"]
        assert [n for n in found.notes if "left out" in n] == [
            f"claim {name} is mounted by no workload and is left out; claims can name it"
            for name in ("data-db-0-1", "data-db-extra", "xdata-db-3")
        ]

    def test_a_mounted_claim_that_does_not_exist_is_shown_as_missing(self) -> None:
        spec = containers(volumes=[claim_volume("up", "uploads", readOnly=True)])
        spec["containers"][0]["volumeMounts"] = [mount("up", "/uploads")]
        found = app(controller("Deployment", "web", spec))
        assert [(v.claim, v.phase, v.claim_uid) for v in found.volumes] == [("uploads", "Missing", "")]
        assert found.workloads[0].mounts[0].read_only

    def test_a_volume_that_is_not_csi_has_no_driver(self) -> None:
        found = app(claim("data", "pv"), volume("pv", driver=""), claims=["data"])
        assert found.volumes[0].driver == ""

    def test_a_named_claim_that_is_not_there_is_refused(self) -> None:
        with pytest.raises(BadInput, match=r"no claim nope.*data"):
            app(claim("data"), claims=["nope"])

    def test_pods_outside_the_application_count_as_mounting(self) -> None:
        spec = containers(volumes=[claim_volume("d", "data")])
        other = pod("debug", spec=spec, labels={"app.kubernetes.io/managed-by": "knowngood"})
        assert app(claim("data"), other, claims=["data"]).volumes[0].mounted_by == ("Pod/debug",)

    def test_ephemeral_volumes_have_claims_named_after_the_pod(self) -> None:
        spec = containers(volumes=[{"name": "tmp", "ephemeral": {}}])
        web = controller("Deployment", "web", spec)
        assert [v.claim for v in app(web, pod("web-x", web, spec), claim("web-x-tmp")).volumes] == ["web-x-tmp"]

    def test_an_ephemeral_claim_says_so(self) -> None:
        by_pod = claim("web-x-tmp", by=pod("web-x"))
        assert [v.ephemeral for v in app(by_pod, claim("data"), claims=["web-x-tmp", "data"]).volumes] == [False, True]

    def test_who_mounts_it_and_how(self) -> None:
        spec = containers(volumes=[claim_volume("d", "data"), claim_volume("raw", "disk", readOnly=True)])
        spec["containers"][0]["volumeMounts"] = [mount("d", "/data", subPath="a")]
        spec["containers"][0]["volumeDevices"] = [{"name": "raw", "devicePath": "/dev/x"}]
        spec["initContainers"] = [
            {"name": "prepare", "image": "i", "volumeMounts": [mount("d", "/in")]},
            {
                "name": "ship",
                "image": "i",
                "restartPolicy": "Always",
                "volumeMounts": [mount("d", "/o", readOnly=True)],
            },
        ]
        (web,) = app(controller("Deployment", "web", spec)).workloads
        seen = {
            (m.claim, m.container, m.path): (m.init, m.sidecar, m.read_only, m.sub_path, m.device) for m in web.mounts
        }
        assert seen == {
            ("data", "main", "/data"): (False, False, False, "a", False),
            ("data", "prepare", "/in"): (True, False, False, "", False),
            ("data", "ship", "/o"): (False, True, True, "", False),
            ("disk", "main", "/dev/x"): (False, False, True, "", True),
        }
        assert [(c.name, c.init, c.sidecar) for c in web.containers] == [
            ("prepare", True, False),
            ("ship", False, True),
            ("main", False, False),
        ]

    def test_where_a_claim_was_restored_from(self) -> None:
        from_snapshot = claim("a")
        from_snapshot["spec"]["dataSourceRef"] = {"kind": "VolumeSnapshot", "name": "s1"}
        from_point = claim("b", annotations={"knowngood.io/restored-from": "app-20260101-000000-abcd"})
        found = app(from_snapshot, from_point, claims=["a", "b"])
        assert [v.restored_from for v in found.volumes] == ["VolumeSnapshot/s1", "app-20260101-000000-abcd"]


class TestSecrets:
    def test_each_way_to_a_secret(self) -> None:
        spec = containers(
            volumes=[
                {"name": "tls", "secret": {"secretName": "shop-tls"}},
                {"name": "all", "projected": {"sources": [{"secret": {"name": "proj"}}, {"configMap": {"name": "c"}}]}},
                {"name": "unused", "secret": {"secretName": "unused"}},
            ]
        )
        spec["containers"][0] |= {
            "volumeMounts": [mount("tls", "/tls"), mount("tls", "/one", subPath="tls.crt"), mount("all", "/all")],
            "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "pw", "key": "k"}}}],
            "envFrom": [{"secretRef": {"name": "envs"}}],
        }
        found = app(controller("Deployment", "web", spec)).workloads[0].secrets
        assert {(u.secret, u.delivery, u.path) for u in found} == {
            ("shop-tls", "volume", "/tls"),
            ("shop-tls", "sub_path", "/one"),
            ("proj", "volume", "/all"),
            ("pw", "env", ""),
            ("envs", "env", ""),
        }


class TestQuarantine:
    def test_a_held_workload_remembers_where_it_goes_back_to(self) -> None:
        held = controller(
            "Deployment",
            "web",
            replicas=0,
            annotations={"knowngood.io/quarantine": "quarantine-app-1", "knowngood.io/resting-replicas": "3"},
        )
        workload = app(held).workloads[0]
        assert (workload.replicas, workload.resting_replicas, workload.quarantine) == (0, 3, "quarantine-app-1")

    def test_without_quarantine_it_rests_where_it_is(self) -> None:
        workload = app(controller("Deployment", "web", replicas=2)).workloads[0]
        assert (workload.replicas, workload.resting_replicas, workload.quarantine) == (2, 2, "")
