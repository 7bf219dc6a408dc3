# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who reads a trust store: workloads by their templates and living pods, with the file on which it reaches them.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.owners import top_of
from .._core.plan import Json
from .consumers import ENV, INIT, SUB_PATH, VOLUME
from .rollout import RESTARTED_FOR
from .trust_stores import Store
from .workloads import LISTED, TEMPLATED, listed, pod_spec_of, ref_of


@dataclass(frozen=True, slots=True)
class TrustUse:
    """One way on which a store reaches a container. ``path``: the file, empty for an environment variable."""

    store: str
    container: str
    delivery: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Truster:
    """A workload and its uses of trust stores. ``rereads``: its user says that it reads the files anew by itself.

    ``reload``: how it is told to do so (``signal`` or ``command``, and a ``container``).
    """

    ref: str
    namespace: str
    uid: str
    uses: tuple[TrustUse, ...]
    rereads: bool = False
    reload: Mapping[str, Json] | None = None

    @property
    def kind(self) -> str:
        return self.ref.partition("/")[0]

    @property
    def name(self) -> str:
        return self.ref.partition("/")[2]

    @property
    def where(self) -> str:
        return f"{self.namespace}/{self.ref}"

    @property
    def restarts(self) -> bool:
        """Does it need a new process to load another trust?"""
        looks_again = self.rereads or self.reload is not None
        return not (looks_again and all(use.delivery == VOLUME for use in self.uses))

    def to_dict(self) -> dict[str, Json]:
        uses = [[use.store, use.container, use.delivery, use.path] for use in self.uses]
        return {
            "ref": self.ref,
            "namespace": self.namespace,
            "uid": self.uid,
            "uses": uses,
            "rereads": self.rereads,
            "reload": None if self.reload is None else dict(self.reload),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Truster:
        uses = tuple(TrustUse(*use) for use in data["uses"])
        return cls(data["ref"], data["namespace"], data["uid"], uses, data["rereads"], data.get("reload"))


@dataclass(frozen=True, slots=True)
class TrustPod:
    """A living pod. ``mark``: the restart that made it, as its template was marked for it."""

    name: str
    uid: str
    workload: str
    ready: bool
    leaving: bool
    mark: str
    spec: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """The templates and living pods of a namespace."""

    namespace: str
    templates: Mapping[str, tuple[str, Mapping[str, Any]]]
    pods: tuple[TrustPod, ...]

    def trusters(self, stores: Sequence[Store]) -> tuple[Truster, ...]:
        """Workloads that use one of the stores by their template or by a living pod, sorted."""
        near = [store for store in stores if store.namespace == self.namespace]
        found: dict[str, tuple[str, set[TrustUse]]] = {}
        specs = [(ref, uid, spec) for ref, (uid, spec) in self.templates.items()]
        for pod in self.pods:
            uid = self.templates[pod.workload][0] if pod.workload in self.templates else pod.uid
            specs.append((pod.workload, uid, pod.spec))
        for ref, uid, spec in specs:
            uses = {use for store in near for use in uses_of(spec, store)}
            if uses:
                found.setdefault(ref, (uid, set()))[1].update(uses)
        return tuple(
            Truster(ref, self.namespace, uid, tuple(sorted(uses, key=lambda u: (u.store, u.container, u.path))))
            for ref, (uid, uses) in sorted(found.items())
        )

    def pods_of(self, ref: str) -> tuple[TrustPod, ...]:
        return tuple(pod for pod in self.pods if pod.workload == ref)


def scene(cluster: Cluster, namespace: str) -> Scene:
    """Reads a namespace: one list a kind. Jobs may be denied, pods and what makes them may not."""
    objects = [obj for kind in LISTED for obj in listed(cluster, kind, namespace)]
    by_uid = {obj["metadata"]["uid"]: obj for obj in objects}
    templates = {ref_of(obj): (obj["metadata"]["uid"], pod_spec_of(obj)) for obj in objects if obj["kind"] in TEMPLATED}
    living = [p for p in cluster.list("Pod", namespace) if _phase(p) not in ("Succeeded", "Failed")]
    return Scene(namespace, templates, tuple(_pod(pod, by_uid) for pod in living))


def _phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _pod(pod: Object, by_uid: Mapping[str, Object]) -> TrustPod:
    meta, status = pod["metadata"], pod.get("status") or {}
    pod.setdefault("kind", "Pod")
    return TrustPod(
        name=meta["name"],
        uid=meta["uid"],
        workload=ref_of(top_of(pod, by_uid)),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or []),
        leaving=bool(meta.get("deletionTimestamp")),
        mark=str((meta.get("annotations") or {}).get(RESTARTED_FOR, "")),
        spec=pod.get("spec") or {},
        labels=dict(meta.get("labels") or {}),
    )


def uses_of(spec: Mapping[str, Any], store: Store) -> tuple[TrustUse, ...]:
    """How a pod's containers get the store. Pure."""
    files = {volume["name"]: _file(volume, store) for volume in spec.get("volumes") or []}
    found: list[TrustUse] = []
    for container, copying in _containers(spec):
        for mount in container.get("volumeMounts") or []:
            use = _mounted(container["name"], mount, files.get(mount["name"], ""), store)
            if use:
                found.append(use)
        if _in_environment(container, store):
            found.append(TrustUse(store.ref, container["name"], ENV))
        if copying:
            found = [
                TrustUse(use.store, use.container, INIT, use.path) if use.container == container["name"] else use
                for use in found
            ]
    return tuple(found)


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Each container, and whether what it read is gone with it: an init container may have copied it."""
    for container in spec.get("initContainers") or []:
        yield container, container.get("restartPolicy") != "Always"
    for container in spec.get("containers") or []:
        yield container, False


def _file(volume: Mapping[str, Any], store: Store) -> str:
    """The file of the store within a volume, empty where the volume does not hold it."""
    sources: Iterable[Mapping[str, Any]] = [volume, *((volume.get("projected") or {}).get("sources") or [])]
    for source in sources:
        if store.kind == "ConfigMap":
            given = source.get("configMap") or {}
            name = given.get("name")
        else:
            given = source.get("secret") or {}
            name = given.get("secretName") or given.get("name")
        if name != store.name:
            continue
        items = given.get("items")
        if not items:
            return store.key
        for item in items:
            if item["key"] == store.key:
                return str(item["path"])
    return ""


def _mounted(container: str, mount: Mapping[str, Any], file: str, store: Store) -> TrustUse | None:
    if not file:
        return None
    root, part = str(mount["mountPath"]).rstrip("/"), str(mount.get("subPath") or "").strip("/")
    if mount.get("subPathExpr"):
        return TrustUse(store.ref, container, SUB_PATH)
    if not part:
        return TrustUse(store.ref, container, VOLUME, f"{root}/{file}")
    if part == file:
        return TrustUse(store.ref, container, SUB_PATH, root)
    if file.startswith(f"{part}/"):
        return TrustUse(store.ref, container, SUB_PATH, f"{root}/{file[len(part) + 1 :]}")
    return None


def _in_environment(container: Mapping[str, Any], store: Store) -> bool:
    word = "configMap" if store.kind == "ConfigMap" else "secret"
    for variable in container.get("env") or []:
        given = (variable.get("valueFrom") or {}).get(f"{word}KeyRef") or {}
        if (given.get("name"), given.get("key")) == (store.name, store.key):
            return True
    return any((source.get(f"{word}Ref") or {}).get("name") == store.name for source in container.get("envFrom") or [])
