# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many Secrets read with one list a namespace instead of one request each, for as long as one step takes.

PRIVATE to this collection.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, cast

from .._cluster.client import Cluster, Object
from .._core.errors import Denied

_SECRET = "Secret"
_WORTH = 8
"""From so many on a list is cheaper than asking for each."""
Name = tuple[str, str]


class _Shelf:
    """A cluster as far as its Secrets are concerned; everything else is passed on.

    A write goes to the cluster with its preconditions; what it touched is what the cluster then said, or is read anew.
    So what is old here can make a write fail, never succeed.
    """

    def __init__(self, cluster: Cluster, wanted: Iterable[Name]) -> None:
        self._cluster = cluster
        self._wanted: dict[str, set[str]] = {}
        for namespace, name in wanted:
            self._wanted.setdefault(namespace, set()).add(name)
        self._kept: dict[Name, Object | None] = {}
        self._listed: set[str] = set()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def find(self, kind: Any, name: str, namespace: str | None = None) -> Object | None:
        if kind != _SECRET or namespace is None:
            return self._cluster.find(kind, name, namespace)
        self._fill(namespace)
        key = (namespace, name)
        if key not in self._kept:
            self._kept[key] = self._cluster.find(kind, name, namespace)
        return self._kept[key]

    def get(self, kind: Any, name: str, namespace: str | None = None) -> Object:
        found = self.find(kind, name, namespace) if kind == _SECRET else None
        return self._cluster.get(kind, name, namespace) if found is None else found

    def create(self, obj: Object) -> Object:
        return self._written(obj, self._cluster.create)

    def update(self, obj: Object) -> Object:
        return self._written(obj, self._cluster.update)

    def delete(self, kind: Any, name: str, namespace: str | None, **more: Any) -> None:
        key = (namespace or "", name)
        if kind == _SECRET:
            self._kept.pop(key, None)
        self._cluster.delete(kind, name, namespace, **more)
        if kind == _SECRET:
            self._kept[key] = None

    def _written(self, obj: Object, write: Any) -> Object:
        if obj["kind"] != _SECRET:
            return cast("Object", write(obj))
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        self._kept.pop(key, None)
        made = cast("Object", write(obj))
        self._kept[key] = {"apiVersion": "v1", "kind": _SECRET, **made}
        return made

    def _fill(self, namespace: str) -> None:
        """Lists the namespace, once, where enough of it is wanted and it may be listed."""
        with self._lock:
            wanted = self._wanted.get(namespace, set())
            if namespace in self._listed or len(wanted) < _WORTH:
                return
            self._listed.add(namespace)
            there: dict[Name, Object | None] = {(namespace, name): None for name in wanted}
            try:
                for obj in self._cluster.each(_SECRET, namespace):
                    if obj["metadata"]["name"] in wanted:
                        there[namespace, obj["metadata"]["name"]] = obj
            except Denied:
                return
            self._kept = {**there, **self._kept}


def shelf(cluster: Cluster, wanted: Iterable[Name]) -> Cluster:
    """The same cluster, with these Secrets (namespace and name) read at once when the first of them is asked for."""
    return cast("Cluster", _Shelf(cluster, wanted))
