# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workload graph of real objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.graph import resolve
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import manifests
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, NotFound
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod
from tests.integration.small_app import App, cron_job, daemon_set, deployment, job, service, stateful_set


@pytest.fixture
def app(cluster: Cluster, namespace: str) -> App:
    image = cluster.image()
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web"},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        },
    }
    everything = [
        deployment("web", image, 2),
        service("web"),
        hpa,
        stateful_set("db", image),
        daemon_set("agent", image),
    ]
    cluster.apply(*everything, cron_job("nightly", image), namespace=namespace)
    cluster.wait_ready(namespace, "deployment/web", "statefulset/db", "daemonset/agent")
    return App(cluster, namespace, namespace, cluster.kubeconfig)


def test_everything_of_the_namespace_with_what_really_runs(app: App) -> None:
    found = app.resolve()
    digest = app.cluster.image().partition("@")[2]
    assert [w.ref for w in found.workloads] == [
        "CronJob/nightly",
        "DaemonSet/agent",
        "Deployment/web",
        "StatefulSet/db",
    ]
    assert {w.containers[0].digest for w in found.workloads} == {digest}
    assert found.digests == {ref: [digest] for ref in ("DaemonSet/agent", "Deployment/web", "StatefulSet/db")}
    assert found.workload("Deployment/web").scaled_by == "HorizontalPodAutoscaler/web"
    assert len(found.pods_of("Deployment/web")) == 2
    (volume,) = found.volumes
    assert (volume.claim, volume.phase, volume.mounted_by) == ("data-db-0", "Bound", ("StatefulSet/db",))
    claimed = app.cluster.get("pvc", "data-db-0", "-n", app.namespace)["spec"]["volumeName"]
    assert volume.volume == claimed
    assert volume.handle == app.cluster.get("pv", claimed)["spec"]["csi"]["volumeHandle"]


def test_equal_clusters_give_equal_values(app: App) -> None:
    assert app.resolve().workloads == app.resolve().workloads


def test_a_job_of_a_cron_job_and_a_pod_with_an_owner_of_any_kind(app: App) -> None:
    image = app.cluster.image()
    cron = app.cluster.get("cronjob", "nightly", "-n", app.namespace)
    app.cluster.apply(job("nightly-1", image, cron), namespace=app.namespace)
    app.cluster.kubectl("create", "configmap", "keeper", "-n", app.namespace)
    keeper = app.cluster.get("configmap", "keeper", "-n", app.namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "keeper", "uid": keeper["metadata"]["uid"]}
    kept: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "kept", "ownerReferences": [{**reference, "controller": True}]},
        "spec": {"containers": [{"name": "main", "image": image, "command": ["sleep", "600"]}]},
    }
    app.cluster.apply(kept, namespace=app.namespace)
    app.cluster.wait("the job's pod", lambda: app.resolve().pods_of("CronJob/nightly"))
    assert [p.name for p in app.resolve().pods_of("ConfigMap/keeper")] == ["kept"]


def test_who_reaches_a_claim_and_how_up_to_the_top_of_unknown_owners(app: App) -> None:
    cluster, image = app.cluster, app.cluster.image()
    cluster.apply(claim("shared", "local"), namespace=app.namespace)
    above = ""
    for name in ("grandparent", "parent"):
        cluster.kubectl("create", "configmap", name, "-n", app.namespace)
        if above:
            owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "grandparent", "uid": above, "controller": True}
            patch = json.dumps({"metadata": {"ownerReferences": [owner]}})
            cluster.kubectl("patch", "configmap", name, "-n", app.namespace, "--type=merge", "-p", patch)
        above = cluster.get("configmap", name, "-n", app.namespace)["metadata"]["uid"]
    owned = pod("owned", image, "sleep infinity", ("shared",))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": above, "controller": True}
    owned["metadata"]["ownerReferences"] = [reference]

    def container(name: str, command: str, **mount: Any) -> dict[str, Any]:
        mounts = [{"name": "shared", "mountPath": "/at", **mount}]
        return {"name": name, "image": image, "command": ["sh", "-c", command], "volumeMounts": mounts}

    first = container("first", "true")
    beside = {**container("beside", "sleep infinity", subPath="logs"), "restartPolicy": "Always"}
    spec = {
        "containers": [container("main", "sleep infinity", readOnly=True)],
        "initContainers": [first, beside],
        "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}}],
        "terminationGracePeriodSeconds": 0,
    }
    template = {"metadata": {"labels": {"app": "solo"}}, "spec": spec}
    solo = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "solo"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "solo"}}, "template": template},
    }
    cluster.apply(solo, owned, pod("bare", image, "sleep infinity", ("shared",)), namespace=app.namespace)
    cluster.wait_ready(app.namespace, "pod/bare", "pod/owned")

    found = app.resolve()

    shared = next(volume for volume in found.volumes if volume.claim == "shared")
    assert shared.mounted_by == ("ConfigMap/grandparent", "Pod/bare", "ReplicaSet/solo")
    assert [pod.name for pod in found.pods_of("ConfigMap/grandparent")] == ["owned"]
    mounts = {m.container: m for m in found.workload("ReplicaSet/solo").mounts}
    assert (mounts["main"].read_only, mounts["main"].init, mounts["main"].sub_path) == (True, False, "")
    assert (mounts["first"].init, mounts["first"].sidecar) == (True, False)
    assert (mounts["beside"].sidecar, mounts["beside"].sub_path) == (True, "logs")


def test_what_is_named_and_not_there_is_one_clear_error(app: App) -> None:
    with pytest.raises(BadInput, match=r"no workload Deployment/nope.*StatefulSet/db"):
        app.resolve(workloads=["Deployment/nope"])
    with pytest.raises(BadInput, match=r"no claim nope.*data-db-0"):
        app.resolve(claims=["nope"])
    with pytest.raises(NotFound, match="no namespace not-there"):
        resolve(app.api, app.spec(namespace="not-there"))


def definition(group: str, version: str, kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


@pytest.fixture
def kinds_of_others(cluster: Cluster) -> Iterator[None]:
    """KEDA's ScaledObject and an operator's kind, without anybody who acts on them. What was there is left there."""
    there = {item["metadata"]["name"] for item in cluster.get("crds")["items"]}
    wanted = [definition("keda.sh", "v1alpha1", "ScaledObject"), definition("db.test", "v1", "Postgres")]
    made = [item for item in wanted if item["metadata"]["name"] not in there]
    names = [f"crd/{item['metadata']['name']}" for item in wanted]
    if made:
        cluster.apply(*made)
    cluster.kubectl("wait", *names, "--for=condition=Established", "--timeout=60s")
    yield
    for item in made:
        cluster.kubectl("delete", "crd", item["metadata"]["name"], "--wait=false")


@pytest.mark.rig
def test_who_else_has_a_hand_on_it_is_seen_from_the_objects_alone(app: App, kinds_of_others: None) -> None:
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "by-queue"},
        "spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 0},
    }
    operator = {"apiVersion": "db.test/v1", "kind": "Postgres", "metadata": {"name": "main"}, "spec": {}}
    app.cluster.wait("the kinds", lambda: app.api.kind_of("db.test/v1", "Postgres"))
    app.cluster.apply(scaled, operator, namespace=app.namespace)
    uid = app.cluster.get("postgress.db.test", "main", "-n", app.namespace)["metadata"]["uid"]
    reference = {"apiVersion": "db.test/v1", "kind": "Postgres", "name": "main", "uid": uid, "controller": True}
    own = json.dumps({"metadata": {"ownerReferences": [reference]}})
    app.cluster.kubectl("patch", "statefulset", "db", "-n", app.namespace, "--type=merge", "-p", own)
    mark = f"shop:apps/DaemonSet:{app.namespace}/agent"
    app.cluster.kubectl("annotate", "ds", "agent", "-n", app.namespace, f"argocd.argoproj.io/tracking-id={mark}")
    flux = ("helm.toolkit.fluxcd.io/name=web", "helm.toolkit.fluxcd.io/namespace=flux-system")
    app.cluster.kubectl("label", "deployment", "web", "-n", app.namespace, *flux)

    told = app.door("app_info", app={"name": "app", "namespace": app.namespace})["app"]["workloads"]

    hands = {
        f"{item['kind']}/{item['name']}": [(hand["role"], hand["kind"], hand["name"]) for hand in item["hands"]]
        for item in told
    }
    assert hands == {
        "CronJob/nightly": [],
        "DaemonSet/agent": [("gitops", "Application", "shop")],
        "Deployment/web": [
            ("autoscaler", "HorizontalPodAutoscaler", "web"),
            ("autoscaler", "ScaledObject", "by-queue"),
            ("gitops", "HelmRelease", "web"),
        ],
        "StatefulSet/db": [("operator", "Postgres", "main")],
    }
    assert app.resolve().workload("Deployment/web").scaled_by == "ScaledObject/by-queue"


@pytest.mark.rig
def test_few_requests_and_none_that_writes(app: App, user: Callable[..., Any], audit: AuditLog) -> None:
    looker = user(name="looker")
    app.cluster.apply(
        *manifests("preflight", app_namespace=app.namespace, state_namespace=app.namespace, user="looker")
    )
    audit.mark()
    app.as_user(looker.kubeconfig).resolve()
    asked = audit.requests("looker")
    assert audit.writes("looker") == []
    assert {request.code for request in asked} == {200}
    assert len(asked) <= 14


def test_the_door(app: App) -> None:
    told = app.door("app_info", app={"name": "app", "namespace": app.namespace, "selector": "app=web"})
    assert told["changed"] is False
    assert [w["name"] for w in told["app"]["workloads"]] == ["web"]
    wrong = app.door("app_info", app={"name": "app", "namespace": app.namespace, "select": "app=web"})
    assert wrong["failed"]
    assert "select" in wrong["msg"]
