# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server whose certificate, or whose CA, is rotated, under clients that never stop connecting to it.

The clients are the guard of a row: whatever is done to the task, none of their connections may fail, from before the
trouble until everything is over. They trust what the phase allows: one CA that stays, or the ConfigMap ``trust``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import ConfigMapJournal
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import Operation
from tests.cluster.errors import ClusterError
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.load.authority import FOLLOWS, Realm
from tests.load.leaf import Stage
from tests.load.scene import Scene
from tests.load.servers import Server
from tests.matrix.doors import Doors, Ran
from tests.matrix.tasks import Task
from tests.unit.tls import pki

SOME = 100
"""So many connections are let through wherever a row stands still: at a kill, and at its end."""
# Rows run side by side, and what is looked for is not the one connection in ten thousand.
PAUSE_MS = 100
OURS = "app.kubernetes.io/managed-by=knowngood"


@dataclass(slots=True)
class Wire:
    """The server ``web`` with the Secret ``web-tls`` of the CA ``web-ca``, and its clients.

    ``kind``: of the operations that tasks make here. ``secrets``: what a rotation changes, and its undo puts back.
    """

    scene: Scene
    web: Web
    doors: Doors
    kind: str
    secrets: tuple[str, ...]

    @property
    def namespace(self) -> str:
        return self.scene.namespace

    @property
    def journal(self) -> ConfigMapJournal:
        return ConfigMapJournal(self.web.api(), self.namespace)

    def operations(self) -> list[Operation]:
        return [op for op in self.journal.list() if op.plan.kind == self.kind]

    def begun(self, task: Task) -> Operation | None:
        new = [op for op in self.operations() if op.id not in task.operations]
        return new[0] if new else None

    def options(self, **more: Any) -> dict[str, Any]:
        return {"kubeconfig": str(self.scene.cluster.kubeconfig), "state_namespace": self.namespace, **more}

    def operation(self, state: str, identity: str) -> Ran:
        return self.doors.run("operation", self.options(state=state, id=identity))

    def guard(self, task: Task) -> Clients:
        del task
        return Clients(self.scene)

    def task(self, door: str, facts: dict[str, Any], **options: Any) -> Task:
        known = frozenset(op.id for op in self.operations())
        return Task(door, self.options(**options), (), self.data(), known, facts)

    # -- what is there

    def data(self) -> dict[str, Any]:
        """The Secrets that a rotation writes."""
        return {name: self.web.secret(name)["data"] for name in self.secrets}

    def trusted(self) -> list[x509.Certificate]:
        """What is in the store ``trust``."""
        text = self.scene.cluster.get("configmap", "trust", "-n", self.namespace)["data"]["ca.crt"]
        return x509.load_pem_x509_certificates(text.encode())

    def left_over(self) -> list[str]:
        """Copies, requests and probes of ours that are no archive; operations that nobody works on any more."""
        found = self.scene.cluster.get("secrets,pods", "-n", self.namespace, "-l", OURS)["items"]
        names = [f"{one['kind']} {one['metadata']['name']}" for one in found]
        wrong = [f"{name} is left" for name in names if "-prev-" not in name]
        return wrong + [f"operation {op.id} is {op.state}" for op in self.journal.list() if op.unfinished]

    def until(self, test: Callable[[], list[str]], limit_s: float = 60) -> list[str]:
        """What is still wrong once pods had time to come and go."""
        wrong: list[str] = []

        def right() -> bool:
            wrong[:] = test()
            return not wrong

        with suppress(ClusterError):
            self.scene.cluster.wait("rest", right, limit_s)
        return wrong

    # -- coming and going

    def clear(self) -> None:
        """Archives: the next row is to find none."""
        self.scene.cluster.kubectl("delete", "secrets", "-n", self.namespace, "-l", OURS)

    def remove(self) -> None:
        self.scene.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")


@dataclass(slots=True)
class Clients:
    """The guard: connections that failed since it was entered. ``looked``: those that did not."""

    scene: Scene
    broken: list[str] = field(default_factory=list)
    looked: int = 0
    _ok: int = 0
    _failed: int = 0

    def __enter__(self) -> Clients:
        now = self.scene.counts()
        self._ok, self._failed = now.ok, now.failed
        return self

    def __exit__(self, *exception: object) -> None:
        now = let_through(self.scene)
        self.looked = now.ok - self._ok
        if now.failed > self._failed:
            self.broken.append(f"{now.failed - self._failed} connections failed, such as {', '.join(now.why[-2:])}")


def let_through(scene: Scene) -> Any:
    """Waits for some more connections; the counts."""
    return scene.wait_ok(scene.counts().ok + SOME, limit_s=120)


def _namespace(cluster: Cluster) -> str:
    name = f"m-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    cluster.wait("service account", lambda: cluster.get("serviceaccount", "default", "-n", name), 20)
    return name


def leaf(cluster: Cluster, doors: Doors) -> Wire:
    """Two pods of nginx with a mounted leaf; their clients trust its CA, which stays."""
    stage = Stage.made(cluster, _namespace(cluster), Server("web", "nginx"), PAUSE_MS)
    return Wire(stage.scene, stage.web, doors, "rotation", ("web-tls",))


def authority(cluster: Cluster, doors: Doors) -> Wire:
    """Two pods of nginx that ask clients for certificates, and clients that show one; both sides trust one store."""
    realm = Realm.made(cluster, _namespace(cluster), (Server("web", "nginx", trusts=True),), PAUSE_MS)
    realm.scene.follow(FOLLOWS, realm.servers, "client-tls")
    nobody = pki.ca()
    web = Web(cluster, realm.scene.namespace, nobody, nobody)
    return Wire(realm.scene, web, doors, "ca-rotation", ("web-ca", "web-tls", "client-tls"))
