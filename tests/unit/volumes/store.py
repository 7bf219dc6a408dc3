# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""As much of an API server as the steps about claims, volumes and snapshots need: objects in memory."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster, Event
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.kinds import Kind
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from tests.unit.cluster_layer.test_stopping import merged
from tests.unit.core.memory import FakeClock

Object = dict[str, Any]
OPERATION = "restore-shop-0123456789"
NAMESPACED = ("PersistentVolumeClaim", "VolumeSnapshot", "VolumeGroupSnapshot", "Pod")


class Store:
    """``grows``: what controllers make of a new object. What is deleted is gone at once; volumes are released."""

    server = "https://x"

    def __init__(self, *objects: Object, grows: Callable[[Object], None] = lambda obj: None) -> None:
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._events: list[tuple[int, Event]] = []
        self._grows, self._version = grows, 0
        for obj in objects:
            self._put(obj)

    def find(self, kind: str | Kind, name: str, namespace: str | None = None) -> Object | None:
        return copy.deepcopy(self._objects.get(_key(kind, name, namespace)))

    def get(self, kind: str | Kind, name: str, namespace: str | None = None) -> Object:
        found = self.find(kind, name, namespace)
        if found is None:
            raise NotFound("not found", why=f"no {kind} {name}")
        return found

    def list(
        self, kind: str | Kind, namespace: str | None = None, *, selector: str = "", field: str = ""
    ) -> list[Object]:
        label, name = selector.partition("="), field.partition("=")[2]
        return [
            copy.deepcopy(obj)
            for (word, space, key), obj in self._objects.items()
            if word == kind
            and namespace in (None, space)
            and name in ("", key)
            and (not selector or (obj["metadata"].get("labels") or {}).get(label[0]) == label[2])
        ]

    def glance(self, kind: str | Kind, namespace: str | None = None) -> list[Object]:
        return self.list(kind, namespace)

    def list_at(self, kind: str | Kind, namespace: str | None = None, **more: str) -> tuple[list[Object], str]:
        return self.list(kind, namespace, **more), str(self._version)

    def watch(
        self, kind: str | Kind, namespace: str | None = None, *, resource_version: str = "", **more: Any
    ) -> Iterator[Event]:
        """What has changed since that version, and what other threads change within a second."""
        seen, until = int(resource_version), time.monotonic() + 1
        while time.monotonic() < until:
            for version, event in list(self._events):
                if version > seen and event.object["kind"] == kind:
                    seen = version
                    yield event
            time.sleep(0.001)
        raise AssertionError(f"nothing changes by itself: {kind} {namespace} {more}")

    def create(self, obj: Object) -> Object:
        self._put({**obj, "metadata": {**obj["metadata"], "uid": f"uid-{len(self._objects)}"}})
        meta = obj["metadata"]
        made = self._objects[_key(obj["kind"], meta["name"], meta.get("namespace"))]
        self._grows(made)
        self._tell("ADDED", made)
        return copy.deepcopy(made)

    def patch(self, kind: str, name: str, namespace: str | None, body: Object, *, uid: str, **more: str) -> Object:
        del more
        there = self.get(kind, name, namespace)
        assert uid == there["metadata"]["uid"]
        made = merged(there, body)
        if kind == "PersistentVolume" and not (made["spec"].get("claimRef") or {}).get("uid"):
            made["status"] = {"phase": "Available"}
        return self._put(made)

    def delete(self, kind: str, name: str, namespace: str | None, *, uid: str, **more: Any) -> None:
        del more
        gone = self._objects.pop(_key(kind, name, namespace))
        assert gone["metadata"]["uid"] == uid
        self._tell("DELETED", gone)
        released = self._objects.get(_key("PersistentVolume", (gone.get("spec") or {}).get("volumeName") or "", None))
        if released is not None:
            released["status"] = {"phase": "Released"}

    def _tell(self, word: str, obj: Object) -> None:
        self._version += 1
        self._events.append((self._version, Event(word, copy.deepcopy(obj))))

    def _put(self, obj: Object) -> Object:
        self._version += 1
        made = copy.deepcopy(obj)
        made["metadata"]["resourceVersion"] = str(self._version)
        meta = made["metadata"]
        self._objects[_key(made["kind"], meta["name"], meta.get("namespace"))] = made
        return copy.deepcopy(made)


def _key(kind: str | Kind, name: str, namespace: str | None) -> tuple[str, str, str]:
    word = kind if isinstance(kind, str) else kind.kind
    return word, (namespace or "") if word in NAMESPACED else "", name


def tools(store: Store) -> Tools:
    return Tools(cast(Cluster, store), "knowngood", FakeClock(), SilentReporter())


def claim(name: str, volume: str = "", uid: str = "") -> Object:
    """A claim that the operation has made; with ``volume`` it is bound."""
    meta = {"name": name, "namespace": "shop", "uid": uid or f"uid-{name}"}
    labels = {"knowngood.io/operation": OPERATION}
    spec = {"volumeName": volume} if volume else {}
    status = {"phase": "Bound" if volume else "Pending"}
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {**meta, "labels": labels},
        "spec": spec,
        "status": status,
    }


def volume(name: str, of: str, policy: str = "Delete") -> Object:
    """A volume that is bound to the claim."""
    back = {"namespace": "shop", "name": of, "uid": f"uid-{of}"}
    return {
        "kind": "PersistentVolume",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": back},
        "status": {"phase": "Bound"},
    }


def pod(name: str, claim_name: str, phase: str = "Running", **labels: str) -> Object:
    spec = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}]}
    meta = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": labels}
    return {"kind": "Pod", "metadata": meta, "spec": spec, "status": {"phase": phase}}
