# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA is rotated under load: servers of every kind, and clients that trust the old CA, the new one, and both.

Who trusts what is fixed for three clients, each of which runs while its trust must be enough: the old CA's until leaves
are issued anew, the new one's from then on, both throughout. The fourth follows the ConfigMap ``trust``, shows a
certificate of the CA itself, and is started anew by the rotation; it connects from the first moment to the last.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import (
    CLIENT,
    DONE,
    ISSUER_SWITCHED,
    OLD_UNUSED,
    TRUST_PROVEN,
    CaRequest,
    Leaf,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_rotation import rotate_ca
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from tests.cluster.handle import Cluster
from tests.integration.ca_app import Shop
from tests.load.scene import PAUSE_MS, Counts, Scene
from tests.load.servers import ENV, SUB_PATH, Server
from tests.load.table import Figures
from tests.unit.tls import pki

SERVERS = (
    Server("nginx", "nginx", trusts=True),
    Server("haproxy", "haproxy"),
    Server("postgres", "postgres"),
    Server("go", "go", ENV),
    Server("python", "python", SUB_PATH),
)
FOLLOWS, OLD, BOTH, NEW, LATE = "follows", "old", "both", "new", "late"


@dataclass(frozen=True, slots=True)
class Realm:
    """A CA with its leaves, the servers and clients that have them, and who rotates it."""

    scene: Scene
    shop: Shop
    ca: pki.Pair
    old: frozenset[str]
    servers: tuple[Server, ...]

    @classmethod
    def made(
        cls, cluster: Cluster, namespace: str, servers: tuple[Server, ...] = SERVERS, pause_ms: int = PAUSE_MS
    ) -> Realm:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        ca = pki.ca("web-ca", begin=now - pki.DAY, end=now + 900 * pki.DAY)
        times = {"begin": now - pki.DAY, "end": now + 30 * pki.DAY}
        leaves = {s.name: pki.leaf(ca, (f"DNS:{s.name}", f"DNS:{s.name}.{namespace}.svc"), **times) for s in servers}
        usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        extensions = [*pki.server_extensions("ECDSA-P-256")[:2], usage]
        leaves[CLIENT] = pki.leaf(ca, (), common="client", extensions=extensions, **times)
        secrets = [pki.secret(f"{name}-tls", leaf.pem, pki.key_pem(leaf.key)) for name, leaf in leaves.items()]
        secrets.append(pki.secret("web-ca", ca.pem, pki.key_pem(ca.key)))
        trust = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trust"}}
        cluster.apply(
            *(pki.as_manifest(one) for one in secrets),
            {**trust, "data": {"ca.crt": ca.pem.decode()}},
            namespace=namespace,
        )
        scene = Scene.make(cluster, namespace, pause_ms)
        scene.serve(*servers)
        old = frozenset(leaf.fingerprint for leaf in leaves.values())
        return cls(scene, Shop(cluster, namespace), ca, old, servers)

    def rotate(self, phase: str) -> None:
        namespace = self.scene.namespace
        asking = [server for server in self.servers if server.trusts]
        mutual = [{"service": s.name, "client_secret": "client-tls", "server_name": s.name} for s in asking]
        request = CaRequest(
            namespace,
            "web-ca",
            (namespace,),
            generation=2,
            webhooks=False,
            leaves=(Leaf(Target(namespace, "client-tls"), CLIENT),),
            mutual=tuple(mutual),
            probe_image=self.scene.cluster.image(),
            soak_s=1.0,
            reload_wait_s=1.0,
            wait_timeout_s=600.0,
        )
        engine, clock = self.shop.engine(), SystemClock()
        found = rotate_ca(self.shop.api(), request, engine, clock=clock, phase=phase, check_mode=False)
        assert found["phase"] == phase, found["phase"]

    def trust(self) -> list[bytes]:
        """PEM of each CA in the store ``trust``."""
        text = self.scene.cluster.get("configmap", "trust", "-n", self.scene.namespace)["data"]["ca.crt"]
        return [one.public_bytes(Encoding.PEM) for one in x509.load_pem_x509_certificates(text.encode())]


def rotated(cluster: Cluster, namespace: str, connections: int, servers: tuple[Server, ...] = SERVERS) -> list[Figures]:
    """The whole rotation, with at least so many connections: a row for each client, and the control afterwards."""
    began, threads = time.monotonic(), max(8, 2 * len(servers))
    realm = Realm.made(cluster, namespace, servers)
    scene = realm.scene

    def ask(name: str, trust: bytes) -> None:
        scene.ask(name, servers, trust, threads)

    def some(*names: str) -> None:
        for name in names:
            scene.wait_ok(scene.counts(name).ok + connections // 20, name)

    scene.follow(FOLLOWS, servers, "client-tls", threads)
    ask(OLD, realm.ca.pem)
    some(FOLLOWS, OLD)
    realm.rotate(TRUST_PROVEN)
    old, new = realm.trust()
    ask(BOTH, old + new)
    some(OLD, BOTH)
    realm.rotate(ISSUER_SWITCHED)
    some(OLD)
    scene.stop(OLD)
    realm.rotate(OLD_UNUSED)
    ask(NEW, new)
    some(FOLLOWS, BOTH, NEW)
    realm.rotate(DONE)
    some(FOLLOWS, BOTH, NEW)
    scene.wait_ok(connections)
    scene.stop(BOTH, NEW)
    scene.stop_following(FOLLOWS)
    took = time.monotonic() - began
    ask(LATE, old)
    scene.wait_failed(connections // 20, LATE)
    scene.stop(LATE)
    return [_figures(realm, name, took) for name in (FOLLOWS, OLD, BOTH, NEW, LATE)]


_TRUST = {
    FOLLOWS: "the ConfigMap, with a certificate of its own",
    OLD: "the old CA, until leaves are issued anew",
    BOTH: "both, once they are trusted",
    NEW: "the new CA, once all leaves are its own",
    LATE: "the old CA, after the end (control)",
}


def _figures(realm: Realm, name: str, took: float) -> Figures:
    counts: Counts = realm.scene.counts(name)
    return Figures(f"CA: {_TRUST[name]}", counts, realm.old, took, naive=name == LATE, news=name != OLD)
