# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store of ConfigMaps in memory that behaves as the API server does where the ledger relies on it."""

from __future__ import annotations

import copy
import datetime as dt
import threading
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotFound

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
            self.objects[name] = copy.deepcopy(obj)
            return copy.deepcopy(obj)

    def list(self, kind: str, namespace: str, *, selector: str = "") -> list[Object]:
        with self._lock:
            key, _, value = selector.partition("=")
            found = [o for o in self.objects.values() if (o["metadata"].get("labels") or {}).get(key) == value]
            return copy.deepcopy(found)
