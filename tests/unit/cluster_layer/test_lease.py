# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lease whose answers get lost: the write was ours, and so is the lease."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import LeaseStore
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotFound, Unreachable
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import Held

Object = dict[str, Any]


class Leases:
    """An API server with one lease. ``lost``: so many updates are done, and their answers do not arrive."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.lost = 0
        self._lock = threading.Lock()

    def find(self, kind: str, name: str, namespace: str) -> Object | None:
        del kind, name, namespace
        return copy.deepcopy(self.lease)

    def get(self, kind: str, name: str, namespace: str) -> Object:
        found = self.find(kind, name, namespace)
        assert found is not None
        return found

    def create(self, obj: Object) -> Object:
        return self._store(obj, 1)

    def update(self, obj: Object) -> Object:
        with self._lock:
            if self.lease is None:
                raise NotFound("not found")
            version = self.lease["metadata"]["resourceVersion"]
            if obj["metadata"]["resourceVersion"] != version:
                raise Conflict("somebody else changed it")
            stored = self._store(obj, int(version) + 1)
            if self.lost:
                self.lost -= 1
                raise Unreachable("the answer did not arrive")
            return stored

    def take(self, holder: str) -> None:
        """Somebody else writes it."""
        assert self.lease is not None
        self._store({**self.lease, "spec": {**self.lease["spec"], "holderIdentity": holder}}, 99)

    def holder(self) -> str:
        assert self.lease is not None
        return str(self.lease["spec"]["holderIdentity"])

    def version(self) -> int:
        assert self.lease is not None
        return int(self.lease["metadata"]["resourceVersion"])

    def _store(self, obj: Object, version: int) -> Object:
        self.lease = {**copy.deepcopy(obj), "metadata": {**obj["metadata"], "resourceVersion": str(version)}}
        return copy.deepcopy(self.lease)


@pytest.fixture
def api() -> Leases:
    return Leases()


@pytest.fixture
def store(api: Leases) -> LeaseStore:
    # Renewed every tenth of a second.
    return LeaseStore(api, "state", duration_s=0.3, wait_s=1)  # a fake stands for the client


def until(test: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not test():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def test_an_answer_that_was_lost_does_not_lose_the_lease(api: Leases, store: LeaseStore) -> None:
    with store.hold("shop/app", "me") as held:
        begun = api.version()
        api.lost = 1
        until(lambda: api.version() >= begun + 4)
        held.check()
        assert api.lost == 0
    assert api.holder() == "", "and it is let go"


def test_it_is_let_go_although_the_last_answer_was_lost(api: Leases, store: LeaseStore) -> None:
    with store.hold("shop/app", "me"):
        begun = api.version()
        api.lost = 1
        until(lambda: api.version() > begun)
    assert api.holder() == ""


def test_one_that_somebody_took_is_lost_and_says_how_to_go_on(api: Leases, store: LeaseStore) -> None:
    with store.hold("shop/app", "me") as held:
        api.take("other")
        until(lambda: problem(held) is not None)
        lost = problem(held)
    assert lost is not None
    assert "held by other" in lost.why
    assert "run the same task again" in lost.next
    assert api.holder() == "other", "what is another's is left alone"


def problem(held: Held) -> Conflict | None:
    try:
        held.check()
    except Conflict as error:
        return error
    return None
