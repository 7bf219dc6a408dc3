# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is staged for many Secrets lies together in a few: crates, which are written and removed as a whole.

Each step sees the staged Secrets one by one, as if they were there. What a step stages is in the cluster when it ends:
before that nothing was done with it, so a run that dies then has only made keys that nobody knows.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from .._cluster.client import Cluster, Object, owned_by
from .._cluster.deletes import delete_as_read
from .._cluster.kinds import named
from .._core.errors import Conflict
from .._core.plan import canonical
from .secrets import ROLE, STAGED, ours

_SECRET = "Secret"
_ROOM = 400 * 1024
"""Bytes of a crate's data. Kubernetes takes 1 MiB, decoded."""
Name = tuple[str, str]


class Crates:
    """A cluster as far as these staged Secrets (namespace and name) are concerned; everything else is passed on.

    ``beneath``: what is asked for all other Secrets.
    """

    def __init__(self, cluster: Cluster, beneath: Cluster, operation_id: str, staged: Iterable[Name]) -> None:
        self._cluster = cluster
        self._beneath = beneath
        self._operation = operation_id
        self._staged = frozenset(staged)
        self._lock = threading.Lock()
        self._crates: dict[str, list[Object]] = {}
        self._there: dict[Name, Object] = {}
        self._new: dict[Name, Object] = {}
        self._dropped: set[Name] = set()

    @property
    def cluster(self) -> Cluster:
        """For what asks for a cluster."""
        return cast("Cluster", self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._beneath, name)

    def find(self, kind: Any, name: str, namespace: str | None = None) -> Object | None:
        key = (namespace or "", name)
        if kind == _SECRET and key in self._staged:
            self._open(key[0])
            if key in self._dropped:
                return None
            kept = self._new.get(key) or self._there.get(key)
            if kept is not None:
                return kept
        return self._beneath.find(kind, name, namespace)

    def create(self, obj: Object) -> Object:
        key = (str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"]))
        if obj["kind"] != _SECRET or key not in self._staged:
            return self._beneath.create(obj)
        self._open(key[0])
        if key in self._there:
            raise Conflict("it is staged already", where=named(_SECRET, key[1], key[0]))
        made = {**obj, "metadata": {**obj["metadata"], "uid": "", "resourceVersion": ""}}
        self._new[key] = made
        return made

    def delete(self, kind: Any, name: str, namespace: str | None, **more: Any) -> None:
        key = (namespace or "", name)
        if kind == _SECRET and (key in self._there or key in self._new):
            self._dropped.add(key)
            return
        self._beneath.delete(kind, name, namespace, **more)

    def close(self) -> None:
        """Writes what was staged, removes the crates of which nothing is left. A step is not done before that.

        Raises Conflict where the name of a crate is taken by something else.
        """
        for namespace in sorted({namespace for namespace, _name in self._new}):
            mine = {key[1]: obj for key, obj in self._new.items() if key[0] == namespace and key not in self._dropped}
            for data in _packed(mine):
                self._write(namespace, data)
        for namespace, crates in self._crates.items():
            while crates and all((namespace, name) in self._dropped for name in crates[-1]["data"]):
                delete_as_read(self._cluster, _SECRET, crates.pop())

    def _open(self, namespace: str) -> None:
        """Reads the crates of a namespace, once."""
        with self._lock:
            if namespace in self._crates:
                return
            self._crates[namespace] = list(self._stored(namespace))
            for crate in self._crates[namespace]:
                meta = {"uid": crate["metadata"]["uid"], "resourceVersion": crate["metadata"]["resourceVersion"]}
                for name, packed in crate["data"].items():
                    obj = json.loads(b64decode(packed))
                    self._there[namespace, name] = {**obj, "metadata": {**obj["metadata"], **meta}}

    def _stored(self, namespace: str) -> Iterator[Object]:
        """The crates of the operation, numbered without a gap: made from the first on, removed from the last."""
        number = 0
        while (found := self._cluster.find(_SECRET, crate_name(self._operation, number), namespace)) is not None:
            yield ours(found, self._operation, STAGED)
            number += 1

    def _write(self, namespace: str, data: Mapping[str, str]) -> None:
        name = crate_name(self._operation, len(self._crates[namespace]))
        manifest: Object = {
            "apiVersion": "v1",
            "kind": _SECRET,
            "type": "knowngood.io/staged",
            "immutable": True,
            "metadata": {"name": name, "namespace": namespace, "labels": {**owned_by(self._operation), ROLE: STAGED}},
            "data": dict(data),
        }
        try:
            made = self._cluster.create(manifest)
        except Conflict:  # an answer was lost, and the write sent again
            made = ours(self._cluster.get(_SECRET, name, namespace), self._operation, STAGED)
            if made["data"] != manifest["data"]:
                raise
        self._crates[namespace].append(made)


def crate_name(operation_id: str, number: int) -> str:
    return f"knowngood-staged-{operation_id.rpartition('-')[2]}-{number}"


def _packed(objects: Mapping[str, Object]) -> Iterator[dict[str, str]]:
    """The data of crates that hold these, each below the limit."""
    data: dict[str, str] = {}
    room = _ROOM
    for name, obj in sorted(objects.items()):
        meta = {key: value for key, value in obj["metadata"].items() if key not in ("uid", "resourceVersion")}
        raw = canonical({**obj, "metadata": meta}).encode()
        if data and len(raw) > room:
            yield data
            data, room = {}, _ROOM
        data[name] = b64encode(raw).decode()
        room -= len(raw)
    if data:
        yield data
