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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.probe import pod_manifest
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

from ..core.memory import Died, FakeClock, Fuse, MemoryJournal, OneLease
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
    started: int = 0
    after: Callable[[], None] = lambda: None
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
        if _word(kind) == "EndpointSlice":
            return [self.endpoints(wanted["kubernetes.io/service-name"])]
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
        """Nothing happens while one looks, but that what is ending is gone."""
        for key in [k for k, o in self.objects.items() if o["metadata"].get("deletionTimestamp")]:
            del self.objects[key]
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
        self._same(there, uid, more)
        return self._write((_word(kind), namespace or "", name), _merged(there, body))

    def delete(self, kind: Any, name: str, namespace: str | None, *, uid: str, **more: Any) -> None:
        there = self.find(kind, name, namespace)
        if there is None:
            return
        self._same(there, uid, more)
        self._burn(before=True)
        del self.objects[_word(kind), namespace or "", name]
        self.loaded.pop(name, None)
        if _word(kind) == "Deployment":
            self._end_pods(name)
        self.after()
        self._burn(before=False)

    def _same(self, there: dict[str, Any], uid: str, more: dict[str, Any]) -> None:
        meta = there["metadata"]
        if meta["uid"] != uid or more.get("resource_version") not in (None, "", meta["resourceVersion"]):
            raise Conflict("another one")

    def _write(self, key: tuple[str, str, str], obj: dict[str, Any]) -> dict[str, Any]:
        self._burn(before=True)
        obj = copy.deepcopy(obj)
        before = self.objects.get(key)
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = obj
        self._react(before, obj)
        self.after()
        self._burn(before=False)
        return copy.deepcopy(obj)

    def _burn(self, *, before: bool) -> None:
        if self.fuse.before is before:
            self.fuse.write()

    # -- controllers and processes ----------------------------------------------------------------------------------

    def _react(self, before: dict[str, Any] | None, obj: dict[str, Any]) -> None:
        if obj["kind"] == "Deployment" and before and before["spec"] != obj["spec"]:
            self.restarts += 1
            name = obj["metadata"]["name"]
            self.roll(*([] if name == "web" else [name]))
        if obj["kind"] == "Deployment" and not before:
            for number in range(obj["spec"]["replicas"]):
                self._start(f"{obj['metadata']['name']}-{number}", obj["spec"]["template"], obj)
        if obj["kind"] == "Pod" and not before and "volumes" in obj["spec"]:  # a probe serves nothing
            self._run(obj)
        if obj["kind"] == "Pod" and before:
            if self.reloads and obj["metadata"]["name"] in self.loaded:
                self.loaded[obj["metadata"]["name"]] = self._held(obj)
            self._judge(obj)
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

    def roll(self, name: str = "web") -> None:
        """New pods, which load what the Secret holds now."""
        deployment = self.objects["Deployment", "shop", name]
        self._end_pods(name)
        for number in range(2):
            self._start(f"{name}-{self.restarts}-{number}", deployment["spec"]["template"], deployment)
        good = not self.crashes or self.stored == ORIGINAL.fingerprint
        deployment["status"]["readyReplicas"] = 2 if good else 0

    def _end_pods(self, deployment: str) -> None:
        for key, pod in list(self.objects.items()):
            owners = pod["metadata"].get("ownerReferences") or [{}]
            if key[0] == "Pod" and owners[0].get("name") == deployment:
                del self.objects[key]
                self.loaded.pop(key[2], None)

    def _start(self, name: str, template: dict[str, Any], owner: dict[str, Any]) -> None:
        """A pod of a Deployment."""
        meta = {"kind": "Deployment", "controller": True, "apiVersion": "apps/v1"}
        reference = {**meta, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        self.started += 1
        pod: dict[str, Any] = {
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                **copy.deepcopy(template.get("metadata") or {}),
                "name": name,
                "uid": f"{name}.{self.started}",
                "namespace": "shop",
                "ownerReferences": [reference],
                "resourceVersion": "1",
            },
            "spec": copy.deepcopy(template["spec"]),
        }
        self.objects["Pod", "shop", name] = pod
        self._run(pod)

    def _run(self, pod: dict[str, Any]) -> None:
        """The kubelet: the process loads what its Secret holds at this moment."""
        name = pod["metadata"]["name"]
        self.loaded[name] = self._held(pod)
        good = not self.crashes or self.loaded[name] == ORIGINAL.fingerprint
        pod["status"] = {
            "phase": "Running",
            "podIP": f"10.0.0.{name}",
            "containerStatuses": [{"name": "c", "restartCount": 0}],
            "conditions": [{"type": "ContainersReady", "status": str(good)}],
        }
        self._judge(pod)

    def _judge(self, pod: dict[str, Any]) -> None:
        """Ready is who has good containers and all of its gates open."""
        conditions = [c for c in pod["status"]["conditions"] if c["type"] != "Ready"]
        wanted = ["ContainersReady", *(gate["conditionType"] for gate in pod["spec"].get("readinessGates") or [])]
        ready = all(condition(pod, word) for word in wanted)
        pod["status"]["conditions"] = [*conditions, {"type": "Ready", "status": str(ready)}]

    def _held(self, pod: dict[str, Any]) -> str:
        """The certificate in the Secret that the pod mounts."""
        name = pod["spec"]["volumes"][0]["secret"]["secretName"]
        leaf = read_chain(read_secret(self.objects["Secret", "shop", name]).value("tls.crt")).leaf
        assert leaf is not None
        return leaf.fingerprint

    def endpoints(self, service: str) -> dict[str, Any]:
        """The ready pods that the Service chooses, as one slice."""
        selector = self.objects["Service", "shop", service]["spec"]["selector"]
        pods = [o for (kind, _n, _name), o in self.objects.items() if kind == "Pod"]
        chosen = [p for p in pods if selector.items() <= (p["metadata"].get("labels") or {}).items()]
        rows = [
            {
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
                "conditions": {"ready": condition(pod, "Ready")},
            }
            for pod in chosen
        ]
        return {"kind": "EndpointSlice", "metadata": {"name": f"{service}-x", "namespace": "shop"}, "endpoints": rows}

    def behind(self, service: str = "web") -> list[str]:
        """Names of the pods that get the connections of clients."""
        rows = self.endpoints(service)["endpoints"]
        return [row["targetRef"]["name"] for row in rows if row["conditions"]["ready"]]

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
        """What is left of rotations: copies of Secrets, and probe pods."""
        marks = {"Secret": ("-next-", "-prev-"), "Pod": ("knowngood-probe-",)}
        return sorted(name for kind, _ns, name in self.objects if any(m in name for m in marks.get(kind, ())))

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
    def probe_pod(
        self, cluster: Any, namespace: str, image: str, operation_id: str, *, purpose: str = "probe", **more: Any
    ) -> Iterator[World]:
        """One that a killed run left is replaced; a killed run leaves its own."""
        del cluster, more
        if self.no_image:
            raise NotProven("the probe pod cannot run image 'tools'")
        manifest = pod_manifest(namespace, image, operation_id, {}, (), purpose)
        name = manifest["metadata"]["name"]
        if (left := self.find("Pod", name, namespace)) is not None:
            self.delete("Pod", name, namespace, uid=left["metadata"]["uid"])
        made = self.create(manifest)
        try:
            yield self
        except Died:
            raise
        except BaseException:
            self.delete("Pod", name, namespace, uid=made["metadata"]["uid"])
            raise
        self.delete("Pod", name, namespace, uid=made["metadata"]["uid"])

    def run(self, argv: list[str], timeout_s: float = 0) -> ExecResult:
        """The probe's command, answered by the first pod behind the Service, or by the pod of that address."""
        del timeout_s
        pod = argv[5].removeprefix("10.0.0.") if argv[5].startswith("10.0.0.") else next(iter(self.behind()), "")
        seen = Served(why="refused") if self.unreachable else self._serve(pod, True)
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
    return {key: value for key, value in found.items() if value is not None}


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
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": spec},
        },
        "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
    }
    service = {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "web", "namespace": "shop", "uid": "s", "resourceVersion": "1"},
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


def unmade(at: World) -> list[str]:
    """What a trial may have left: pods and Deployments that are not the application's."""
    return sorted(
        name
        for kind, _namespace, name in at.objects
        if kind in ("Pod", "Deployment") and ("canary" in name or "green" in name)
    )


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
        self.patch.setattr(proof, "see", self._see)
        self.patch.setattr(inventory, "see", self.world.see)
        self.patch.setattr(proof, "probe_pod", self.world.probe_pod)
        self.patch.setattr(reload, "run_in_pod", self.world.exec)

    def _see(self, *given: Any, **more: Any) -> Any:
        """As the world sees it at that moment; tests change how."""
        return self.world.see(*given, **more)

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
