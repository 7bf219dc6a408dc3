# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small cluster in memory: Secrets, a Deployment whose pods load a certificate when they start, and what they serve.

It keeps the API server's rules that matter here (uid and resourceVersion as preconditions, immutable Secrets, create
conflicts), and any write can be the last one of the process.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import ExecResult
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotFound, NotProven, Rejected
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._tls import inventory, proof, reload
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.handshake import Served
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Request, Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.rotation import rotate
from ansible_collections.knowngood.kube.plugins.module_utils._tls.secrets import read_secret
from ansible_collections.knowngood.kube.plugins.module_utils._tls.sights import Sight, TlsPort
from ansible_collections.knowngood.kube.plugins.module_utils._tls.source import Given

from ..core.memory import FakeClock, Fuse, MemoryJournal, OneLease
from . import pki

TARGET = Target("shop", "web-tls")
CA = pki.ca("shop-ca")


class Clock(FakeClock):
    def __init__(self) -> None:
        super().__init__()
        self.time = pki.NOW


def _word(kind: Any) -> str:
    return kind if isinstance(kind, str) else str(kind.kind)


@dataclass
class World:
    """The cluster, and what of it the pods have loaded."""

    fuse: Fuse = field(default_factory=Fuse)
    reloads: bool = False
    works_only: str = ""
    crashes: bool = False
    unreachable: bool = False
    no_image: bool = False
    signer: pki.Pair | None = None
    denies: bool = False
    kept_key: bool = False
    fails: bool = False
    deaf: bool = False
    objects: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    loaded: dict[str, str] = field(default_factory=dict)
    staged_keys: set[str] = field(default_factory=set)
    restarts: int = 0
    told: list[tuple[str, ...]] = field(default_factory=list)
    version: int = 100
    server: str = "https://memory"

    # -- the client's interface -------------------------------------------------------------------------------------

    def find(self, kind: Any, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        return copy.deepcopy(self.objects.get((_word(kind), namespace or "", name)))

    def get(self, kind: Any, name: str, namespace: str | None = None) -> dict[str, Any]:
        found = self.find(kind, name, namespace)
        if found is None:
            raise NotFound("not found", where=f"{_word(kind)} {namespace}/{name}")
        return found

    def list(
        self, kind: Any, namespace: str | None = None, *, selector: str = "", field: str = ""
    ) -> list[dict[str, Any]]:
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        found = [o for (k, n, name), o in self.objects.items() if k == _word(kind) and namespace in (None, n)]
        if field.startswith("metadata.name="):
            found = [o for o in found if o["metadata"]["name"] == field.partition("=")[2]]
        matching = [o for o in found if wanted.items() <= (o["metadata"].get("labels") or {}).items()]
        return copy.deepcopy(sorted(matching, key=lambda o: str(o["metadata"]["name"])))

    def each(self, kind: Any, namespace: str | None = None, **more: Any) -> Iterator[dict[str, Any]]:
        return iter(self.list(kind, namespace, **more))

    def list_at(self, kind: Any, namespace: str | None = None, **more: Any) -> tuple[list[dict[str, Any]], str]:
        return self.list(kind, namespace, **more), str(self.version)

    def watch(self, kind: Any, namespace: str | None = None, **more: Any) -> Iterator[Any]:
        """Nothing happens while one looks."""
        return iter(())

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        key = (obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if key in self.objects:
            raise Conflict("it exists already")
        return self._write(key, {**obj, "metadata": {**obj["metadata"], "uid": f"uid-{self.version}"}})

    def update(self, obj: dict[str, Any]) -> dict[str, Any]:
        key = (obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"])
        there = self.get(obj["kind"], key[2], key[1])
        if there["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise Conflict("somebody else changed it")
        if there.get("immutable"):
            raise Rejected("immutable")
        assert there["metadata"]["uid"] == obj["metadata"]["uid"]
        return self._write(key, obj)

    def patch(
        self, kind: Any, name: str, namespace: str | None, body: dict[str, Any], *, uid: str, **more: Any
    ) -> dict[str, Any]:
        there = self.get(kind, name, namespace)
        if there["metadata"]["uid"] != uid:
            raise Conflict("another one")
        return self._write((_word(kind), namespace or "", name), _merged(there, body))

    def delete(self, kind: Any, name: str, namespace: str | None, *, uid: str, **more: Any) -> None:
        there = self.find(kind, name, namespace)
        if there is None:
            return
        if there["metadata"]["uid"] != uid:
            raise Conflict("another one")
        self._burn(before=True)
        del self.objects[_word(kind), namespace or "", name]
        self._burn(before=False)

    def _write(self, key: tuple[str, str, str], obj: dict[str, Any]) -> dict[str, Any]:
        self._burn(before=True)
        obj = copy.deepcopy(obj)
        before = self.objects.get(key)
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = obj
        self._react(before, obj)
        self._burn(before=False)
        return copy.deepcopy(obj)

    def _burn(self, *, before: bool) -> None:
        if self.fuse.before is before:
            self.fuse.write()

    # -- controllers and processes ----------------------------------------------------------------------------------

    def _react(self, before: dict[str, Any] | None, obj: dict[str, Any]) -> None:
        if obj["kind"] == "Deployment" and before and before["spec"] != obj["spec"]:
            self.restarts += 1
            self.roll()
        if obj["kind"] == "Pod" and before and self.reloads:
            self.loaded[obj["metadata"]["name"]] = self.stored
        if obj["kind"] == "Secret" and "-next-" in obj["metadata"]["name"]:
            self.staged_keys.add(obj["data"]["tls.key"])
        if obj["kind"] == "CertificateSigningRequest" and self.signer:
            self.sign(obj)
        if obj["kind"] == "Certificate" and condition(obj, "Issuing"):
            self.renew(obj)

    def sign(self, request: dict[str, Any]) -> None:
        """The signer: what is approved gets a certificate, as asked for."""
        if self.denies:
            request["status"] = {
                "conditions": [{"type": "Denied", "status": "True", "reason": "Policy", "message": "no"}]
            }
        if condition(request, "Approved") and self.signer:
            made = pki.answer(base64.b64decode(request["spec"]["request"]), self.signer)
            request["status"]["certificate"] = base64.b64encode(made).decode()

    def renew(self, certificate: dict[str, Any]) -> None:
        """cert-manager: a new pair into its Secret, the next revision; or a failed issuance."""
        status = certificate["status"]
        if self.fails:
            failed = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "the issuer is not ready"}
            status["conditions"] = [failed]
            return
        private = ORIGINAL.key if self.kept_key else pki.key()
        made = pki.leaf(CA, ("DNS:web.shop.svc", "DNS:web"), private=private, end=pki.NOW + 90 * pki.DAY)
        self.secret["data"]["tls.crt"] = base64.b64encode(made.pem).decode()
        self.secret["data"]["tls.key"] = base64.b64encode(pki.key_pem(made.key)).decode()
        self.secret["metadata"]["resourceVersion"] = f"cm-{self.version}"
        status["revision"] = status.get("revision", 0) + 1
        status["conditions"] = [{"type": "Ready", "status": "True"}]

    def exec(self, cluster: Any, namespace: str, pod: str, argv: list[str], **more: Any) -> ExecResult:
        """A command in a pod: its file, which is the Secret's at once, or the reload."""
        del cluster, namespace, more
        if argv[0] == "cat":
            return ExecResult(0, base64.b64decode(self.secret["data"]["tls.crt"]).decode(), "")
        self.told.append((pod, *argv))
        if self.deaf:
            return ExecResult(1, "", "emerg: cannot load")
        self.loaded[pod] = self.stored
        return ExecResult(0, "", "")

    def roll(self) -> None:
        """New pods, which load what the Secret holds now."""
        deployment = self.objects["Deployment", "shop", "web"]
        for key in [k for k in self.objects if k[0] == "Pod"]:
            del self.objects[key]
        self.loaded.clear()
        for number in range(2):
            name = f"web-{self.restarts}-{number}"
            reference = {"kind": "Deployment", "name": "web", "uid": "d", "controller": True, "apiVersion": "apps/v1"}
            self.objects["Pod", "shop", name] = {
                "kind": "Pod",
                "apiVersion": "v1",
                "metadata": {
                    "name": name,
                    "uid": name,
                    "namespace": "shop",
                    "labels": {"app": "web"},
                    "ownerReferences": [reference],
                    "resourceVersion": "1",
                },
                "spec": deployment["spec"]["template"]["spec"],
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
            }
            self.loaded[name] = self.stored
        good = not self.crashes or self.stored == ORIGINAL.fingerprint
        for name in self.loaded:
            status = self.objects["Pod", "shop", name]["status"]
            status["conditions"] = [{"type": "Ready", "status": str(good)}]
        deployment["status"]["readyReplicas"] = 2 if good else 0

    # -- what can be seen -------------------------------------------------------------------------------------------

    @property
    def secret(self) -> dict[str, Any]:
        return self.objects["Secret", "shop", "web-tls"]

    @property
    def stored(self) -> str:
        leaf = read_chain(read_secret(self.secret).value("tls.crt")).leaf
        assert leaf is not None
        return leaf.fingerprint

    @property
    def copies(self) -> list[str]:
        return sorted(
            name
            for kind, namespace, name in self.objects
            if kind == "Secret" and ("-next-" in name or "-prev-" in name)
        )

    def see(self, cluster: Any, namespace: str, ports: Iterable[TlsPort], **given: Any) -> tuple[Sight, ...]:
        del cluster, namespace
        return tuple(Sight(port, self._serve(port.pod, bool(given.get("trust")))) for port in ports)

    def _serve(self, pod: str, trusted: bool) -> Served:
        if pod not in self.loaded:
            return Served(why="no such pod")
        if self.works_only and self.loaded[pod] != self.works_only:
            return Served(why="connection reset")
        return Served(self.loaded[pod], True if trusted else None, 10, "HTTP/1.1 200 OK")

    @contextmanager
    def probe_pod(self, *given: Any, **more: Any) -> Iterator[World]:
        del given, more
        if self.no_image:
            raise NotProven("the probe pod cannot run image 'tools'")
        yield self

    def run(self, argv: list[str], timeout_s: float = 0) -> ExecResult:
        """The probe's command, answered with what the first pod serves."""
        del argv, timeout_s
        seen = Served(why="refused") if self.unreachable else self._serve(next(iter(self.loaded), ""), True)
        verified = "true" if seen.fingerprint else "false"
        text = (
            f'{{"fingerprint": "{seen.fingerprint}", "verified": {verified}, "bytes": 9, "status": "HTTP/1.0 200 OK"}}'
        )
        return ExecResult(0, text, "")


def condition(obj: dict[str, Any], word: str) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(c["type"] == word and c["status"] == "True" for c in conditions)


def _merged(obj: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(obj, dict):
        return patch
    found = dict(obj)
    for key, value in patch.items():
        found[key] = _merged(obj.get(key, {}), value)
    return found


ORIGINAL = pki.leaf(CA, ("DNS:web.shop.svc", "DNS:web"))


def world(*, leaf: pki.Pair = ORIGINAL, sub_path: str = "", **fields: Any) -> World:
    """A web server of two pods behind a Service, with a certificate that its CA made."""
    made = World(**fields)
    mount = {"name": "tls", "mountPath": "/t", **({"subPath": sub_path} if sub_path else {})}
    container = {
        "name": "c",
        "image": "i",
        "ports": [{"name": "https", "containerPort": 8443}],
        "volumeMounts": [mount],
    }
    spec = {"containers": [container], "volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}]}
    deployment = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "web", "namespace": "shop", "uid": "d", "resourceVersion": "1", "generation": 1},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec}},
        "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
    }
    service = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "clusterIP": "10.96.0.9",
            "selector": {"app": "web"},
            "ports": [{"name": "https", "port": 443, "targetPort": "https"}],
        },
    }
    mine = pki.secret("web-tls", leaf.pem, pki.key_pem(leaf.key), more={"ca.crt": CA.pem, "extra": b"kept"})
    for obj in (deployment, service, mine, pki.secret("ca", CA.pem, pki.key_pem(CA.key))):
        made.objects[obj["kind"], "shop", obj["metadata"]["name"]] = obj
    made.roll()
    return made


@dataclass
class Desk:
    """Where rotations are started from: what survives a crash of the process stays here."""

    world: World
    patch: pytest.MonkeyPatch
    clock: Clock = field(default_factory=Clock)
    given: dict[str, Given] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.journal = MemoryJournal(self.world.fuse)
        self.leases = OneLease()
        self.patch.setattr(proof, "see", self.world.see)
        self.patch.setattr(inventory, "see", self.world.see)
        self.patch.setattr(proof, "probe_pod", self.world.probe_pod)
        self.patch.setattr(reload, "run_in_pod", self.world.exec)

    def engine(self, holder: str = "one") -> Engine:
        self.leases.held_by = ""
        cluster: Any = self.world
        quiet = SilentReporter()
        known = actions(cluster, state_namespace="knowngood", clock=self.clock, reporter=quiet, given=self.given)
        return Engine(self.journal, self.leases, self.clock, SilentReporter(), known, holder)

    def rotate(
        self, *targets: Target, check_mode: bool = False, on_failure: str = "undo", holder: str = "one", **asked: Any
    ) -> dict[str, Any]:
        cluster: Any = self.world
        request = Request(targets or (TARGET,), "ca", **{"incident": "INC-1", "probe_image": "tools", **asked})
        engine = self.engine(holder)
        return rotate(cluster, request, engine, clock=self.clock, on_failure=on_failure, check_mode=check_mode)
