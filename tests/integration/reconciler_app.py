# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application that everybody keeps: autoscalers, GitOps tools, a budget, and an operator of our own.

KEDA, Argo CD and Flux are here as their objects, on definitions made for the tests; their controllers do not run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster.handle import Cluster
from tests.cluster.objects import autoscaler
from tests.integration.small_app import template
from tests.integration.volumes_app import App

ANY = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
STOP = {"type": "object", "properties": {"stop": {"type": "boolean"}, "mode": {"type": "string"}}}


def definition(group: str, version: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A CustomResourceDefinition."""
    plural = f"{kind.lower()}s"
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": ANY}}}
    served = {"name": version, "served": True, "storage": True, "schema": schema}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [served],
        },
    }


DEFINITIONS = [
    definition("keda.sh", "v1alpha1", "ScaledObject", ANY),
    definition("argoproj.io", "v1alpha1", "Application", ANY),
    definition("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", ANY),
    definition("helm.toolkit.fluxcd.io", "v2", "HelmRelease", ANY),
    definition("test.knowngood.io", "v1", "Database", STOP),
]
KINDS = {
    "ScaledObject": "scaledobjects.keda.sh",
    "Application": "applications.argoproj.io",
    "Kustomization": "kustomizations.kustomize.toolkit.fluxcd.io",
    "HelmRelease": "helmreleases.helm.toolkit.fluxcd.io",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "CronJob": "cronjobs",
    "StatefulSet": "statefulsets",
    "Deployment": "deployments",
}
GITOPS = ("Application", "Kustomization", "HelmRelease")


def install(cluster: Cluster) -> None:
    """The definitions, and until they are served."""
    cluster.apply(*DEFINITIONS)
    names = [f"crd/{one['metadata']['name']}" for one in DEFINITIONS]
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
    for one in DEFINITIONS:
        cluster.wait(one["metadata"]["name"], lambda name=one["metadata"]["name"]: cluster.get(name, "-A") is not None)


def remove(cluster: Cluster) -> None:
    names = [one["metadata"]["name"] for one in DEFINITIONS]
    cluster.kubectl("delete", "crd", "--ignore-not-found", "--wait=false", *names, check=False)


def mounting(claim: str) -> dict[str, Any]:
    """A pod's part that mounts the claim."""
    return {
        "container": {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
    }


@dataclass(frozen=True, slots=True)
class Kept:
    """The application ``files`` and all that keeps it; GitOps objects are in a namespace of their own."""

    app: App
    ops: str

    @classmethod
    def deployed(cls, app: App, ops: str) -> Kept:
        kept, cluster, image = cls(app, ops), app.cluster, app.cluster.image("work")
        cluster.apply(*kept._workloads(image), *kept._autoscalers(), namespace=app.namespace)
        cluster.apply(*kept._gitops(), namespace=ops)
        cluster.wait_ready(app.namespace, "statefulset/db", "deployment/files", limit_s=120)
        return kept

    @classmethod
    def at_rest(cls, app: App, ops: str) -> Kept:
        """The same, but nothing runs: only who keeps it is there."""
        kept, cluster, image = cls(app, ops), app.cluster, app.cluster.image("work")
        wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "files"}}
        labels = {"app": "files"}
        made = template("files", image, **mounting("files"))
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": made}
        cluster.apply({**wanted, "spec": spec}, namespace=app.namespace)
        database, cron = kept._workloads(image)
        database["spec"]["replicas"] = 0
        cluster.apply(database, cron, *kept._autoscalers(), namespace=app.namespace)
        cluster.apply(*kept._gitops(), namespace=ops)
        return kept

    def _marks(self) -> dict[str, str]:
        labels = {"app.kubernetes.io/instance": "by-label"}
        for tool in ("kustomize", "helm"):
            labels |= {f"{tool}.toolkit.fluxcd.io/name": "shop", f"{tool}.toolkit.fluxcd.io/namespace": self.ops}
        return labels

    def _workloads(self, image: str) -> list[dict[str, Any]]:
        tracking = f"shop:apps/StatefulSet:{self.app.namespace}/db"
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
        database = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "annotations": {"argocd.argoproj.io/tracking-id": tracking}},
            "spec": {
                "serviceName": "db",
                "replicas": 1,
                "selector": {"matchLabels": {"app": "db"}},
                "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Delete"},
                "template": template("db", image, container={"volumeMounts": [{"name": "data", "mountPath": "/data"}]}),
                "volumeClaimTemplates": [
                    {"metadata": {"name": "data"}, "spec": {**claim, "storageClassName": "local"}}
                ],
            },
        }
        job = {"template": template("nightly", image, restartPolicy="Never", **mounting("files"))}
        cron = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "nightly"},
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}},
        }
        marks = (f"{key}={value}" for key, value in self._marks().items())
        self.app.cluster.kubectl("label", "deployment", "files", "-n", self.app.namespace, "--overwrite", *marks)
        return [database, cron]

    def _autoscalers(self) -> list[dict[str, Any]]:
        return [
            autoscaler("StatefulSet", "db", most=2),
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "ScaledObject",
                "metadata": {"name": "files", "annotations": {"autoscaling.keda.sh/paused-replicas": "1", "own": "x"}},
                "spec": {"scaleTargetRef": {"name": "files"}, "triggers": [{"type": "cron"}]},
            },
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "files"},
                "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "files"}}},
            },
        ]

    def _gitops(self) -> list[dict[str, Any]]:
        policy = {"automated": {"prune": True, "selfHeal": True}, "syncOptions": ["CreateNamespace=true"]}

        def managing(kind: str, name: str) -> dict[str, Any]:
            # By the name alone, an Application of another test that is still being deleted would make it unclear.
            managed = {"group": "apps", "kind": kind, "namespace": self.app.namespace, "name": name}
            return {"resources": [managed]}

        def application(name: str, spec: dict[str, Any], **more: Any) -> dict[str, Any]:
            meta = {"name": name}
            return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": meta, "spec": spec, **more}

        return [
            application("shop", {"project": "default", "syncPolicy": policy}, status=managing("StatefulSet", "db")),
            application(
                "by-label",
                {"project": "default", "syncPolicy": {"automated": {}}},
                status=managing("Deployment", "files"),
            ),
            application("bystander", {"project": "default", "syncPolicy": policy}),
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "metadata": {"name": "shop"},
                "spec": {"interval": "1m", "prune": True},
            },
            {
                "apiVersion": "helm.toolkit.fluxcd.io/v2",
                "kind": "HelmRelease",
                "metadata": {"name": "shop"},
                "spec": {"interval": "1m", "suspend": False},
            },
        ]

    def state(self) -> dict[str, Any]:
        """Everything of everybody that a restore could change: specs, annotations, labels, by kind and name."""
        found = {}
        for kind, resource in KINDS.items():
            namespace = self.ops if kind in GITOPS else self.app.namespace
            for item in self.app.cluster.get(resource, "-n", namespace)["items"]:
                meta = item["metadata"]
                marks = {key: meta.get(key) or {} for key in ("annotations", "labels")}
                found[f"{kind}/{meta['name']}"] = {"spec": item["spec"], **marks}
        return found


def frozen(state: dict[str, Any]) -> dict[str, Any]:
    """The values that say that it is frozen."""

    def spec(name: str, *path: str) -> Any:
        value = state[name]["spec"]
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    notes = state["ScaledObject/files"]["annotations"]
    return {
        "argo": [spec(f"Application/{name}", "syncPolicy", "automated") for name in ("shop", "by-label")],
        "skipped": ["argocd.argoproj.io/skip-reconcile" in state[f"Application/{name}"]["annotations"]
                    for name in ("shop", "by-label", "bystander")],
        "flux": [spec("Kustomization/shop", "suspend"), spec("HelmRelease/shop", "suspend")],
        "keda": [notes.get("autoscaling.keda.sh/paused"), notes.get("autoscaling.keda.sh/paused-replicas")],
        "cron": spec("CronJob/nightly", "suspend"),
        "claims": spec("StatefulSet/db", "persistentVolumeClaimRetentionPolicy"),
        "replicas": [spec("StatefulSet/db", "replicas"), spec("Deployment/files", "replicas")],
    }  # fmt: skip


ALL_FROZEN = {
    "argo": [None, None],
    "skipped": [True, True, False],
    "flux": [True, True],
    "keda": ["true", None],
    "cron": True,
    "claims": {"whenScaled": "Retain", "whenDeleted": "Retain"},
    "replicas": [0, 0],
}


class Seeing:
    """An action that notes what it sees right before it works, forwards and backwards."""

    def __init__(self, action: Any, see: Any) -> None:
        self.action, self.see = action, see
        self.seen: list[Any] = []

    def done(self, step: Any, context: Any) -> bool:
        return bool(self.action.done(step, context))

    def apply(self, step: Any, context: Any) -> Any:
        self.seen.append(self.see())
        return self.action.apply(step, context)

    def undo(self, step: Any, context: Any) -> Any:
        self.seen.append(self.see())
        return self.action.undo(step, context)


@contextmanager
def fighting(app: App, workload: str, every_s: float = 2.0) -> Iterator[list[str]]:
    """Somebody's controller, ``rogue-operator``: sets one replica every two seconds. Gives the times it did."""
    stop, times = threading.Event(), []

    def fight() -> None:
        while not stop.wait(every_s):
            patch = '{"spec": {"replicas": 1}}'
            app.cluster.kubectl(
                "patch", workload, "-n", app.namespace, "--type=merge", "--field-manager=rogue-operator", "-p", patch,
                check=False,
            )  # fmt: skip
            times.append(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    thread = threading.Thread(target=fight)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


@contextmanager
def operating(app: App, name: str) -> Iterator[None]:
    """The operator of a ``Database``: one pod on the claim ``files`` while it is not told to stop."""
    stop = threading.Event()
    cluster, namespace = app.cluster, app.namespace
    owner = cluster.get("databases.test.knowngood.io", name, "-n", namespace)["metadata"]["uid"]
    reference = {"apiVersion": "test.knowngood.io/v1", "kind": "Database", "name": name, "uid": owner}
    made = template(name, cluster.image("work"), restartPolicy="Never", **mounting("files"))
    meta = {"name": f"{name}-0", "ownerReferences": [{**reference, "controller": True}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": made["spec"]}

    def operate() -> None:
        while not stop.wait(0.3):
            wanted = not cluster.get("databases.test.knowngood.io", name, "-n", namespace)["spec"].get("stop")
            there = cluster.get("pods", "-n", namespace, "--field-selector", f"metadata.name={name}-0")["items"]
            if wanted and not there:
                cluster.apply(pod, namespace=namespace)
            elif there and not wanted and not there[0]["metadata"].get("deletionTimestamp"):
                cluster.kubectl("delete", "pod", f"{name}-0", "-n", namespace, "--wait=false", check=False)

    thread = threading.Thread(target=operate)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
