# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A group is not deleted before the snapshot controller holds it: what it stands for would stay behind."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import TimedOut
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import groups

from .store import Store, tools

API = groups.GroupApi("v1")
FINALIZER = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-bound-protection"
AFTER_S = 0.1
CONTENT = "groupsnapcontent-uid-group"
BOUND = {"boundVolumeGroupSnapshotContentName": CONTENT}


class Server(Store):
    """Has one group and its content. A group that nobody holds is gone at once and takes nothing along."""

    def __init__(self, **status: Any) -> None:
        meta = {"name": "shop-free-1", "namespace": "shop", "uid": "uid-group"}
        self.group = {"kind": API.group.kind, "metadata": meta, "spec": {}, "status": status}
        content = {
            "kind": API.content.kind,
            "metadata": {"name": CONTENT, "uid": "uid-content"},
            "spec": {"deletionPolicy": "Retain"},
        }
        super().__init__(self.group, content)
        self.held_when_deleted = False

    def become(self, finalizers: list[str], **status: Any) -> None:
        self.group = {**self.group, "metadata": {**self.group["metadata"], "finalizers": finalizers}, "status": status}
        self._put(self.group)
        self._tell("MODIFIED", self.group)

    def list(self, kind: Any, *args: Any, **more: Any) -> list[dict[str, Any]]:
        return super().list(getattr(kind, "kind", kind), *args, **more)

    def watch(self, kind: Any, *args: Any, **more: Any) -> Any:
        return super().watch(getattr(kind, "kind", kind), *args, **more)

    def delete(self, kind: Any, name: str, namespace: str | None, **more: Any) -> None:
        if kind == API.group:
            self.held_when_deleted = FINALIZER in self.group["metadata"].get("finalizers", [])
        super().delete(kind, name, namespace, **more)


@pytest.mark.parametrize("at_first", [{}, BOUND])
def test_it_is_bound_and_held_before_it_is_deleted(at_first: dict[str, str]) -> None:
    server = Server(**at_first)
    controller = threading.Timer(AFTER_S, lambda: server.become([FINALIZER], **BOUND))
    controller.start()

    groups.free(tools(server), API, server.group)

    controller.join()
    assert server.held_when_deleted
    assert (server.list(API.group), server.list(API.content)) == ([], [])


def test_one_that_nobody_holds_stays_and_that_is_said() -> None:
    server = Server(**BOUND)

    with pytest.raises(TimedOut, match="to be bound and held") as caught:
        groups.free(tools(server), API, server.group, timeout_s=0)

    assert FINALIZER in str(caught.value)
    assert len(server.list(API.group)) == len(server.list(API.content)) == 1
