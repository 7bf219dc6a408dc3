# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster in memory in which clients trust a CA by a ConfigMap and a server serves a leaf of it.

Files of a pod are as old as its last look at them; what a process trusts is what its file held when it was started. At
every write, whoever makes it, the first invariant is asked for: each client trusts what each server serves.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import ExecResult
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._tls import (
    ca_probes,
    certificates,
    inventory,
    proof,
    trust_proof,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import ca_actions, leaf_actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import DONE, CaRequest
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_rotation import rotate_ca
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.mutual import Answer, Mutual
from ansible_collections.knowngood.kube.plugins.module_utils._tls.subject import Tools

from ..core.memory import Died, MemoryJournal
from . import pki
from .world import Clock, World, world

CA = pki.ca("shop-ca")
LEAF = pki.leaf(CA, ("DNS:web.shop.svc", "DNS:web"))
CLIENT = pki.leaf(CA, (), common="client")


@lru_cache(maxsize=1000)
def trusted(text: str, leaf: Certificate) -> bool:
    return any(leaf.signed_by(one) for one in read_chain(text.encode()).certificates)


@dataclass
class CaWorld(World):
    """The server ``web`` (which asks clients for certificates of CAs that it trusts) and the client ``client``."""

    frozen: bool = False
    broken_trust: bool = False
    files: dict[str, str] = field(default_factory=dict)
    trusting: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    silent: bool = False

    @property
    def trust(self) -> str:
        return str(self.objects["ConfigMap", "shop", "trust"]["data"]["ca.crt"])

    def roll(self, name: str = "") -> None:
        """New pods, which load what their files hold, and these hold what the objects do."""
        for workload in ("web", "client"):
            if name in ("", workload) and ("Deployment", "shop", workload) in self.objects:
                self._renew(workload)

    def _renew(self, workload: str) -> None:
        deployment = self.objects["Deployment", "shop", workload]
        template = deployment["spec"]["template"]
        for key in [k for k in self.objects if k[0] == "Pod" and k[2].startswith(f"{workload}-")]:
            del self.objects[key]
            for kept in (self.loaded, self.files, self.trusting):
                kept.pop(key[2], None)
        for number in range(2):
            name = f"{workload}-{self.restarts}-{number}"
            owner = {"kind": "Deployment", "name": workload, "uid": f"d-{workload}", "controller": True}
            ready = "False" if self.broken_trust and CA.pem.decode() not in self.trust else "True"
            self.objects["Pod", "shop", name] = {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": name,
                    "uid": name,
                    "namespace": "shop",
                    "labels": {"app": workload},
                    "annotations": dict(template["metadata"].get("annotations") or {}),
                    "ownerReferences": [{**owner, "apiVersion": "apps/v1"}],
                    "resourceVersion": "1",
                },
                "spec": template["spec"],
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
            }
            self.files[name] = self.trusting[name] = self.trust
            if workload == "web":
                self.loaded[name] = self.stored
        deployment["status"]["readyReplicas"] = 2 if ready == "True" else 0

    def _react(self, before: dict[str, Any] | None, obj: dict[str, Any]) -> None:
        name = obj["metadata"]["name"]
        if obj["kind"] == "Deployment" and before and before["spec"] != obj["spec"]:
            self.restarts += 1
            self.roll(name)
        if obj["kind"] == "Pod" and before and not self.frozen:
            self.files[name] = self.trust
        if obj["kind"] == "Secret" and "-next-" in name:
            self.staged_keys.add(obj["data"]["tls.key"])
        self.look_for_cut_off()

    # -- the invariant ----------------------------------------------------------------------------------------------

    def certificates(self) -> dict[str, Certificate]:
        """Every leaf that a Secret holds or held, by fingerprint."""
        for kind, _namespace, name in list(self.objects):
            if kind == "Secret" and name == "web-tls":
                leaf = read_chain(base64.b64decode(self.objects[kind, "shop", name]["data"]["tls.crt"])).leaf
                assert leaf is not None
                self.known[leaf.fingerprint] = leaf
        return self.known

    known: dict[str, Certificate] = field(default_factory=dict)

    def trusts(self, pod: str, leaf: Certificate) -> bool:
        return trusted(self.trusting[pod], leaf)

    def look_for_cut_off(self) -> None:
        known = self.certificates()
        for client in self.trusting:
            for server, fingerprint in self.loaded.items():
                if not self.trusts(client, known[fingerprint]):
                    self.broken.append(f"{client} does not trust what {server} serves")

    # -- what the collection asks pods ------------------------------------------------------------------------------

    def run_in_pod(self, cluster: Any, namespace: str, pod: str, argv: list[str], **more: Any) -> ExecResult:
        if self.silent:
            return ExecResult(127, "", "cat: not found")
        if argv == ["cat", "/t/ca.crt"]:
            return ExecResult(0, base64.b64decode(self.secret["data"]["ca.crt"]).decode(), "")
        assert argv == ["cat", "/trust/ca.crt"]
        return ExecResult(0, self.files[pod], "")

    def ask(self, pod: Any, server: Mutual, client: Any, trusted: Any) -> Answer:
        accepted = all(self.trusts(name, client.certificate) for name in self.loaded)
        return Answer(accepted, 3, "HTTP/1.1 200 OK" if accepted else "HTTP/1.1 400 Bad Request")


def ca_world(**fields: Any) -> CaWorld:
    """Two servers and two clients of one CA, which everybody trusts by the ConfigMap ``trust``."""
    plain = world(leaf=LEAF)
    made = CaWorld(**fields)
    made.objects = {k: v for k, v in plain.objects.items() if k[0] != "Pod"}
    made.objects["Secret", "shop", "ca"] = pki.secret("ca", CA.pem, pki.key_pem(CA.key))
    made.objects["Secret", "shop", "web-tls"] = pki.secret("web-tls", LEAF.pem, pki.key_pem(LEAF.key))
    made.objects["Secret", "shop", "client-tls"] = pki.secret("client-tls", CLIENT.pem, pki.key_pem(CLIENT.key))
    made.objects["ConfigMap", "shop", "trust"] = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "trust", "namespace": "shop", "uid": "uid-trust", "resourceVersion": "3"},
        "data": {"ca.crt": CA.pem.decode(), "note": "kept"},
    }
    server = made.objects["Deployment", "shop", "web"]
    server["metadata"]["uid"] = "d-web"
    pod = server["spec"]["template"]["spec"]
    pod["volumes"].append({"name": "trust", "configMap": {"name": "trust"}})
    pod["containers"][0]["volumeMounts"].append({"name": "trust", "mountPath": "/trust"})
    spec = {
        "containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "trust", "mountPath": "/trust"}]}],
        "volumes": [{"name": "trust", "configMap": {"name": "trust"}}],
    }
    template = {"metadata": {"labels": {"app": "client"}}, "spec": spec}
    made.objects["Deployment", "shop", "client"] = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": "client",
            "namespace": "shop",
            "uid": "d-client",
            "resourceVersion": "1",
            "generation": 1,
        },
        "spec": {"replicas": 2, "template": template},
        "status": dict(server["status"]),
    }
    made.roll()
    return made


@dataclass
class Leases:
    """One writer a target."""

    held: set[str] = field(default_factory=set)

    @contextmanager
    def hold(self, target: str, holder: str) -> Iterator[Leases]:
        if target in self.held:
            raise Conflict(f"{target} is being worked on")
        self.held.add(target)
        try:
            yield self
        finally:
            self.held.discard(target)

    def check(self) -> None:
        """Never lost here."""


MUTUAL = {"service": "web", "client_secret": "client-tls", "server_name": "web"}


@dataclass
class CaDesk:
    """Where rotations are started from: what survives a crash of the process stays here."""

    world: CaWorld
    patch: pytest.MonkeyPatch
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.journal = MemoryJournal(self.world.fuse)
        for module in (proof, inventory):
            self.patch.setattr(module, "see", self.world.see)
        for module in (proof, ca_probes):
            self.patch.setattr(module, "probe_pod", self.world.probe_pod)
        self.patch.setattr(ca_probes, "ask", self.world.ask)
        if not hasattr(certificates.read_der, "cache_info"):  # parsing is most of what a run costs here
            self.patch.setattr(certificates, "read_der", lru_cache(maxsize=1000)(certificates.read_der))
        self.patch.setattr(trust_proof, "run_in_pod", self.world.run_in_pod)

    def engine(self, holder: str = "one") -> Engine:
        cluster: Any = self.world
        tools, leases = Tools(cluster, self.clock, SilentReporter(), "knowngood"), Leases()
        leaf = leaf_actions(tools)

        def leaves() -> Engine:
            return Engine(self.journal, leases, self.clock, SilentReporter(), leaf, holder)

        known = {**leaf, **ca_actions(tools, leaves)}
        return Engine(self.journal, leases, self.clock, SilentReporter(), known, holder)

    def rotate(
        self, *, phase: str = DONE, check_mode: bool = False, holder: str = "one", **asked: Any
    ) -> dict[str, Any]:
        cluster: Any = self.world
        given: dict[str, Any] = {"generation": 2, "probe_image": "tools", "webhooks": False, "mutual": (MUTUAL,)}
        namespace = asked.pop("namespace", "shop")
        request = CaRequest(namespace, "ca", ("shop",), **{**given, "state_namespace": "knowngood", **asked})
        return rotate_ca(cluster, request, self.engine(holder), clock=self.clock, phase=phase, check_mode=check_mode)

    def killed(self, writes: int, rotate: Callable[[], object]) -> str:
        """Runs until that write is made and dies there; the operation's id, empty where none was begun."""
        self.world.fuse.left = writes
        with pytest.raises(Died):
            rotate()
        self.world.fuse.left = 10**9
        return next((op.id for op in self.journal.list() if op.plan.kind == "ca-rotation"), "")

    def undo(self, operation: str, holder: str = "undoer") -> None:
        self.engine(holder).undo(operation)


def writes_of(**asked: Any) -> int:
    """How many writes a rotation makes from beginning to end."""
    with pytest.MonkeyPatch.context() as patch:
        at = CaDesk(ca_world(), patch)
        at.rotate(**asked)
        return at.world.fuse.writes
