# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A leaf is rotated under load: each kind of server, delivery and rollout; and what the naive way comes to."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.load.scene import PAUSE_MS, Scene
from tests.load.servers import ENV, SUB_PATH, VOLUME, Server
from tests.load.table import Figures
from tests.unit.tls import pki

RELOAD, RESTART = "reload", "restart"
CLIENT = "client"
RECREATE = {"type": "Recreate"}


@dataclass(frozen=True, slots=True)
class Case:
    kind: str
    delivery: str
    rollout: str

    @property
    def name(self) -> str:
        return f"{self.kind}, {self.delivery}, {self.rollout}"


CASES = (
    Case("nginx", VOLUME, RELOAD),
    Case("nginx", VOLUME, RESTART),
    Case("nginx", SUB_PATH, RESTART),
    Case("haproxy", VOLUME, RELOAD),
    Case("haproxy", VOLUME, RESTART),
    Case("postgres", VOLUME, RELOAD),
    Case("postgres", VOLUME, RESTART),
    Case("go", VOLUME, RESTART),
    Case("go", ENV, RESTART),
    Case("python", VOLUME, RESTART),
    Case("python", SUB_PATH, RESTART),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A server behind its Service, clients on it, and who rotates its certificate."""

    scene: Scene
    web: Web
    server: Server

    @classmethod
    def made(cls, cluster: Cluster, namespace: str, server: Server, pause_ms: int = PAUSE_MS) -> Stage:
        web, scene = Web.make(cluster, namespace), Scene.make(cluster, namespace, pause_ms)
        scene.serve(server)
        scene.ask(CLIENT, [server], web.ca.pem)
        return cls(scene, web, server)

    def rotate(self, rollout: str, **more: object) -> None:
        reload = self.server.program.reload if rollout == RELOAD else None
        self.web.rotate(target={"reload": reload}, rollout=rollout, wait_timeout_s=600.0, **more)

    def swap_naively(self) -> None:
        """What this collection is there to spare: another CA's leaf put in place, and the server restarted."""
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        times = {"begin": now - pki.DAY, "end": now + pki.DAY}
        leaf = pki.leaf(pki.ca("other-ca", **times), ("DNS:web",), **times)
        secret = pki.secret("web-tls", leaf.pem, pki.key_pem(leaf.key))
        self.web.cluster.apply(pki.as_manifest(secret), namespace=self.web.namespace)
        self.web.cluster.kubectl("-n", self.web.namespace, "rollout", "restart", "deployment/web")

    def figures(self, what: str, began: float, *, naive: bool = False, single: bool = False) -> Figures:
        """Ends the clients and gives what they have counted."""
        self.scene.stop(CLIENT)
        old, took = frozenset({self.web.leaf.fingerprint}), time.monotonic() - began
        return Figures(what, self.scene.counts(), old, took, naive, single)


def rotated(cluster: Cluster, namespace: str, case: Case, connections: int) -> Figures:
    """One case, with at least so many connections, some before and some after the rotation."""
    began = time.monotonic()
    stage = Stage.made(cluster, namespace, Server("web", case.kind, case.delivery))
    stage.scene.wait_ok(connections // 10)
    stage.rotate(case.rollout)
    after = stage.scene.counts().ok
    stage.scene.wait_ok(max(connections, after + connections // 10))
    return stage.figures(case.name, began)


def naive(cluster: Cluster, namespace: str, connections: int) -> Figures:
    """The control: the same harness sees the failures of a swap without overlap."""
    began = time.monotonic()
    stage = Stage.made(cluster, namespace, Server("web", "nginx"))
    stage.scene.wait_ok(connections // 10)
    stage.swap_naively()
    stage.scene.wait_failed(connections // 10)
    return stage.figures("control: another CA's leaf swapped in, restarted", began, naive=True)


def single(cluster: Cluster, namespace: str, kind: str, connections: int) -> Figures:
    """One replica that ends before its successor starts: how long nobody answers."""
    began = time.monotonic()
    stage = Stage.made(cluster, namespace, Server("web", kind, replicas=1, strategy=RECREATE))
    stage.scene.wait_ok(connections // 10)
    stage.rotate(RESTART, accept_downtime=True)
    stage.scene.wait_ok(stage.scene.counts().ok + connections // 10)
    return stage.figures(f"one replica of {kind}, Recreate, restart", began, single=True)


SINGLES = ("nginx", "postgres")
