# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The application that is captured and restored: it starts and stops at once, and its data is one word a claim.

Each pod copies the word it finds on its volume to ``seen`` as it starts: what a pod saw can be told from what lies on
the volume. What is on volumes is read and written where the driver keeps them, without a pod.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster as Client
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.deletes import delete_latest
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.ledger import LedgerStore
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import ConfigMapJournal
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotFound
from tests.cluster import lifecycle
from tests.cluster.handle import Cluster
from tests.cluster.objects import autoscaler, claim, recreated

Manifest = dict[str, Any]
NAME = "tiny"
# Shells end at once when they are told to; the copy says what this pod found.
_WRITER = "trap 'exit 0' TERM; for d in /data/*; do cp $d/word $d/seen 2>/dev/null; done; sleep infinity & wait"
_HELD = "held"


def manifests(image: str, claims: int) -> list[Manifest]:
    """One claim: Deployment ``web`` on ``c0``, with an HPA and a CronJob. Three: also ``side`` on ``c1`` and
    StatefulSet ``db`` on ``data-db-0``, whose claims would go when it is scaled to zero.
    """
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "yearly"},
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": {
                "spec": {"template": _template("yearly", image, {"c0": "c0"}, restart="Never", command="true")}
            },
        },
    }
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    scaler = autoscaler("Deployment", "web", metrics=[{"type": "Resource", "resource": cpu}])
    one = [claim("c0", "local"), _deployment("web", image, {"c0": "c0"}), cron, scaler]
    return (
        one
        if claims == 1
        else [*one, claim("c1", "local"), _deployment("side", image, {"c1": "c1"}), *_database(image)]
    )


def _database(image: str) -> list[Manifest]:
    spec = claim("data", "local")["spec"]
    stateful = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "replicas": 1,
            "selector": {"matchLabels": {"app": "db"}},
            "template": _template("db", image, {"data": ""}),
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Delete"},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": spec}],
        },
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "db"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}},
    }
    return [stateful, budget]


def _deployment(name: str, image: str, claims: dict[str, str]) -> Manifest:
    return recreated(name, _template(name, image, claims))


def _template(
    name: str, image: str, claims: dict[str, str], *, restart: str = "Always", command: str = _WRITER
) -> Manifest:
    """``claims``: claim by volume name; an empty claim is made by the StatefulSet."""
    mounts = [{"name": volume, "mountPath": f"/data/{volume}"} for volume in claims]
    volumes: list[Manifest] = [
        {"name": volume, "persistentVolumeClaim": {"claimName": one}} for volume, one in claims.items() if one
    ]
    container = {
        "name": "c",
        "image": image,
        "command": ["sh", "-c", command],
        "volumeMounts": [*mounts, {"name": _HELD, "mountPath": f"/{_HELD}"}],
    }
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "containers": [container],
            "restartPolicy": restart,
            "terminationGracePeriodSeconds": 1,
            "volumes": [*volumes, {"name": _HELD, "emptyDir": {}}],
        },
    }


HOOKS = {
    "pre": [{"name": "hold", "workload": "Deployment/web", "command": ["touch", f"/{_HELD}/it"], "holds": True}],
    "post": [{"name": "hold", "workload": "Deployment/web", "command": ["rm", "-f", f"/{_HELD}/it"]}],
}


@dataclass(slots=True)
class Tiny:
    """The application in a namespace of its own, its state in another."""

    cluster: Cluster
    claims: tuple[str, ...]
    namespace: str
    state: str
    api: Client
    _root: Path
    made: list[str] = field(default_factory=list)

    @classmethod
    def deployed(cls, cluster: Cluster, claims: int) -> Tiny:
        """``claims``: one or three."""
        mark = secrets.token_hex(3)
        namespace, state = f"m-{mark}", f"m-{mark}-state"
        api = connect(AuthOptions(kubeconfig=str(cluster.kubeconfig)))
        init = lifecycle.state_of(cluster.own).init.pid
        names = ("c0",) if claims == 1 else ("c0", "c1", "data-db-0")
        tiny = cls(cluster, names, namespace, state, api, Path(f"/proc/{init}/root"))
        for one in (namespace, state):
            api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}})
        tiny.until("service account", lambda: api.find("ServiceAccount", "default", namespace))
        cluster.apply(*manifests(cluster.image("work"), claims), namespace=namespace)
        tiny.until("claims", lambda: not tiny.pending())
        tiny.until("pods", tiny.running, 120)
        return tiny

    @property
    def target(self) -> str:
        return f"{self.namespace}/{NAME}"

    def options(self, **more: Any) -> dict[str, Any]:
        """What every door takes."""
        app = {"name": NAME, "namespace": self.namespace}
        return {"app": app, "kubeconfig": str(self.cluster.kubeconfig), "state_namespace": self.state, **more}

    @property
    def ledger(self) -> LedgerStore:
        return LedgerStore(self.api, self.state)

    @property
    def journal(self) -> ConfigMapJournal:
        return ConfigMapJournal(self.api, self.state)

    # -- the data

    def volume(self, name: str) -> Manifest:
        """The volume that the claim is bound to."""
        bound = self.api.get("PersistentVolumeClaim", name, self.namespace)["spec"].get("volumeName") or ""
        return self.api.get("PersistentVolume", bound)

    def volumes(self) -> list[Manifest]:
        """All volumes that were ever bound to a claim of this namespace and are still there."""
        found = self.api.list("PersistentVolume")
        return [v for v in found if (v["spec"].get("claimRef") or {}).get("namespace") == self.namespace]

    def write(self, word: str) -> None:
        """The word for every claim, on the volume that is live now."""
        for name in self.claims:
            self._data("volumes", _handle(self.volume(name))).joinpath("word").write_text(word)

    def word(self, volume: Manifest) -> str:
        """What is on a volume; empty where it is gone."""
        return self._read("volumes", _handle(volume), "word")

    def snapshot_word(self, handle: str) -> str:
        return self._read("snapshots", handle, "word")

    def words(self) -> dict[str, str]:
        """What is on the live volume, by claim."""
        return {name: self.word(self.volume(name)) for name in self.claims}

    def seen(self) -> dict[str, str]:
        """What the pods found when they started."""
        return {name: self._read("volumes", _handle(self.volume(name)), "seen") for name in self.claims}

    def stored_snapshots(self, handles: set[str]) -> set[str]:
        """Those of the handles that the driver still has."""
        return {handle for handle in handles if self._data("snapshots", handle).exists()}

    def _data(self, kind: str, handle: str) -> Path:
        pool = str(self.cluster.own.volumes).lstrip("/")
        return self._root / pool / "local" / kind / handle / "data"

    def _read(self, kind: str, handle: str, name: str) -> str:
        try:
            return self._data(kind, handle).joinpath(name).read_text()
        except OSError:
            return ""

    # -- the workloads

    def pods(self) -> list[Manifest]:
        return self.api.list("Pod", self.namespace)

    def pending(self) -> list[str]:
        """Claims that are not bound, and those that should be there and are not."""
        found = {c["metadata"]["name"]: c for c in self.api.list("PersistentVolumeClaim", self.namespace)}
        wrong = [n for n, c in found.items() if (c.get("status") or {}).get("phase") != "Bound"]
        return sorted({*wrong, *(name for name in self.claims if name not in found)})

    def running(self) -> bool:
        """Every workload has the pod it asks for, ready, and no other is left."""
        wanted = {"web"} if len(self.claims) == 1 else {"web", "side", "db"}
        ready = [p["metadata"]["labels"].get("app", "") for p in self.pods() if _ready(p)]
        return sorted(ready) == sorted(wanted) and len(self.pods()) == len(wanted)

    def frozen(self) -> list[str]:
        """Pods in which a hook still holds."""
        kubelet = self._root / str(self.cluster.own.run / "kl").lstrip("/")
        path = f"volumes/kubernetes.io~empty-dir/{_HELD}/it"
        uids = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in self.pods()}
        return [name for uid, name in uids.items() if (kubelet / "pods" / uid / path).exists()]

    def objects(self) -> dict[str, Any]:
        """Everything that a restore or its undo has to leave as it was: what its owner declared, not its status."""
        kinds = ["Deployment", "CronJob", "HorizontalPodAutoscaler"]
        kinds += ["StatefulSet", "PodDisruptionBudget"] if len(self.claims) > 1 else []
        found = {}
        for kind in kinds:
            for obj in self.api.list(kind, self.namespace):
                found[f"{kind}/{obj['metadata']['name']}"] = _declared(obj)
        for name in self.claims:
            meta = self.api.get("PersistentVolumeClaim", name, self.namespace)["metadata"]
            found[f"PersistentVolumeClaim/{name}"] = {"labels": meta.get("labels") or {}}
        return found

    # -- coming and going

    def until(self, what: str, test: Callable[[], Any], limit_s: float = 60) -> None:
        end = time.monotonic() + limit_s
        while not test():
            if time.monotonic() > end:
                raise AssertionError(f"{what}: not within {limit_s:.0f} s in {self.namespace}")
            time.sleep(0.05)

    def clear(self) -> None:
        """Deletes the volumes that were kept, so that rows do not pile up."""
        for volume in self.volumes():
            if (volume.get("status") or {}).get("phase") == "Released":
                self._delete_with(volume)

    def remove(self) -> None:
        """The namespaces, and what is retained for them."""
        kind = "VolumeSnapshotContent"
        for content in self.api.list(kind):
            if (content["spec"].get("volumeSnapshotRef") or {}).get("namespace") == self.namespace:
                meta = content["metadata"]
                self._set(kind, meta, {"deletionPolicy": "Delete"})
                delete_latest(self.api, kind, meta["name"], None, meta["uid"])
        for volume in self.volumes():
            self._delete_with(volume)
        for name in (self.namespace, self.state):
            found = self.api.get("Namespace", name)
            delete_latest(self.api, "Namespace", name, None, found["metadata"]["uid"], seen=found)

    def _delete_with(self, volume: Manifest) -> None:
        self._set("PersistentVolume", volume["metadata"], {"persistentVolumeReclaimPolicy": "Delete"})

    def _set(self, kind: str, meta: Manifest, spec: Manifest) -> None:
        """Patches one of the objects that are cleared up; one that is gone by itself is fine."""
        with suppress(NotFound):
            self.api.patch(kind, meta["name"], None, {"spec": spec}, uid=meta["uid"])


def _handle(volume: Manifest) -> str:
    return str((volume["spec"].get("csi") or {}).get("volumeHandle") or "-")


def _ready(pod: Manifest) -> bool:
    status = pod.get("status") or {}
    gone = pod["metadata"].get("deletionTimestamp")
    return not gone and any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])


def _declared(obj: Manifest) -> Manifest:
    """Labels, annotations and spec, without what controllers write for themselves."""
    meta = obj["metadata"]
    notes = {k: v for k, v in (meta.get("annotations") or {}).items() if k != "deployment.kubernetes.io/revision"}
    return {"labels": meta.get("labels") or {}, "annotations": notes, "spec": obj.get("spec")}
