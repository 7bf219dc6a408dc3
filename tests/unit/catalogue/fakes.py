# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store of objects in memory that behaves as the API server does where ledger, journal and lease rely on it."""

from __future__ import annotations

import copy
import datetime as dt
import threading
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter

from .programs import run

Object = dict[str, Any]


class StoppedClock:
    """A clock that moves when it is told to."""

    def __init__(self, start: str = "2026-01-01T00:00:00+00:00") -> None:
        self.moment = dt.datetime.fromisoformat(start)

    def now(self) -> dt.datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.moment += dt.timedelta(seconds=seconds)


class FakeCluster:
    """Creates refuse a name that is taken, lists select by one label, and what is returned is a copy."""

    def __init__(self, namespaces: tuple[str, ...] = ("knowngood",)) -> None:
        self.objects: dict[str, Object] = {}
        self.namespaces = namespaces
        self.creates = 0
        self._version = 0
        self._lock = threading.Lock()

    def whoami(self) -> str:
        return "tester"

    def create(self, obj: Object) -> Object:
        with self._lock:
            name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
            if namespace not in self.namespaces:
                raise NotFound("not found", where=f"namespace {namespace}")
            if name in self.objects:
                raise Conflict("it exists already", where=name)
            self.creates += 1
            self.objects[name] = self._versioned(obj)
            return copy.deepcopy(self.objects[name])

    def find(self, kind: str, name: str, namespace: str) -> Object | None:
        with self._lock:
            return copy.deepcopy(self.objects.get(name))

    def update(self, obj: Object) -> Object:
        with self._lock:
            name = obj["metadata"]["name"]
            if self.objects[name]["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                raise Conflict("somebody else changed it", where=name)
            self.objects[name] = self._versioned(obj)
            return copy.deepcopy(self.objects[name])

    def _versioned(self, obj: Object) -> Object:
        self._version += 1
        fresh = copy.deepcopy(obj)
        fresh["metadata"]["resourceVersion"] = str(self._version)
        return fresh

    def list(self, kind: str, namespace: str, *, selector: str = "") -> list[Object]:
        with self._lock:
            found = [o for o in self.objects.values() if _selected(o["metadata"].get("labels") or {}, selector)]
            return copy.deepcopy(found)


def _selected(labels: dict[str, str], selector: str) -> bool:
    for part in selector.split(","):
        key, sign, value = part.partition("=")
        if (sign and labels.get(key) != value) or key not in labels:
            return False
    return True


class FakeFrame:
    """What a door's call gets, without Ansible."""

    state_namespace = "knowngood"

    def __init__(self, cluster: FakeCluster, check_mode: bool = False, **params: Any) -> None:
        self.params = params
        self.check_mode = check_mode
        self.warned: list[str] = []
        self.reporter = SilentReporter()
        self._cluster = cluster

    def connect(self) -> FakeCluster:
        return self._cluster

    def stopping(self) -> bool:
        return False

    def warn(self, text: str) -> None:
        self.warned.append(text)

    run = staticmethod(run)
