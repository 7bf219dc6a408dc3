# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx that asks clients for certificates, Python clients that never stop asking it, and who counts what they see.

Both sides trust by the ConfigMap ``trust`` and load it once, when they start; both have a leaf of the CA ``web-ca``.
Each connection is a fresh one: a handshake of its own, a request, an answer.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine as make_engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_plan import CLIENT, DONE, CaRequest, Leaf
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_rotation import rotate_ca
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Target
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import NGINX, Web
from tests.integration.rotation_clients import ASK_WEB
from tests.unit.tls import pki

COUNTS = "counts"
MUTUAL = NGINX.replace("location /", "ssl_client_certificate /trust/ca.crt; ssl_verify_client on; location /")
_FOREVER = """
import time, urllib.parse, urllib.request
while True:
    try:
        ask()
        said = "ok"
    except Exception as error:
        said = "failed/" + urllib.parse.quote(repr(error), safe="")
    urllib.request.urlopen("http://%s:8000/" + said, timeout=10).read()
    time.sleep(0.1)
"""


def asking(ask: str, counter: str = COUNTS) -> str:
    """A client that asks without end, and tells the counter how it went. ``ask``: what defines ``ask()``."""
    return ask + _FOREVER % counter


SHOW_LEAF = 'context.load_cert_chain("/etc/tls/tls.crt", "/etc/tls/tls.key")\n'
ASKING = asking(ASK_WEB + SHOW_LEAF)
COUNTING = """
import http.server, json, urllib.parse
seen = {"ok": 0, "failed": 0, "why": []}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        word, slash, why = self.path[1:].partition("/")
        if word in ("ok", "failed"):
            seen[word] += 1
        if why:
            seen["why"].append(urllib.parse.unquote(why))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(seen).encode())
    def log_message(self, *given):
        pass
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"""


def _volume(name: str, kind: str, path: str) -> dict[str, Any]:
    return {"volume": {"name": name, kind: {"name": name}}, "mount": {"name": name, "mountPath": path}}


TRUST = _volume("trust", "configMap", "/trust")


def leaf_volume(secret: str, mode: int = 0o644) -> dict[str, Any]:
    """A leaf under ``/etc/tls``."""
    source = {"secretName": secret, "defaultMode": mode}
    return {"volume": {"name": "tls", "secret": source}, "mount": {"name": "tls", "mountPath": "/etc/tls"}}


@dataclass(frozen=True, slots=True)
class Shop:
    """The server ``web``, the clients ``client`` and the counter ``counts`` in one namespace."""

    cluster: Cluster
    namespace: str
    kubeconfig: str = ""

    @classmethod
    def make(cls, cluster: Cluster, namespace: str, *, below: pki.Pair | None = None) -> Shop:
        """``below``: a root that signs the CA, that all trust in its place, and that lies in the Secret ``root``."""
        now = _now()
        ca = pki.ca("web-ca", below, begin=now - pki.DAY, end=now + 900 * pki.DAY)
        sent, root = (ca.pem, below) if below else (b"", ca)
        times = {"begin": now - pki.DAY, "end": now + 30 * pki.DAY}
        server = pki.leaf(ca, (f"DNS:web.{namespace}.svc", "DNS:web"), **times)
        usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        extensions = [*pki.server_extensions("ECDSA-P-256")[:2], usage]
        client = pki.leaf(ca, (), common="client", extensions=extensions, **times)
        made = cls(cluster, namespace)
        secrets = [
            pki.secret("web-ca", ca.pem, pki.key_pem(ca.key)),
            pki.secret("web-tls", server.pem + sent, pki.key_pem(server.key)),
            pki.secret("client-tls", client.pem + sent, pki.key_pem(client.key)),
            *([pki.secret("root", root.pem, pki.key_pem(root.key))] if below else []),
        ]
        maps = {"trust": {"ca.crt": root.pem.decode()}, "nginx": {"nginx.conf": MUTUAL}}
        configs = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
            for name, data in maps.items()
        ]
        cluster.apply(*(pki.as_manifest(one) for one in secrets), *configs, namespace=namespace)
        return made

    def deploy(self) -> Shop:
        self.count()
        nginx = _volume("nginx", "configMap", "/etc/web")
        server = ["nginx", "-c", "/etc/web/nginx.conf", "-g", "daemon off;"]
        self.run("web", server, [TRUST, leaf_volume("web-tls"), nginx], replicas=2, port=8443, service=443)
        self.wait_reached("web", 443)
        self.run("client", ["python3", "-c", ASKING], [TRUST, leaf_volume("client-tls")], replicas=2)
        return self

    def count(self, name: str = COUNTS) -> None:
        self.run(name, ["python3", "-c", COUNTING], [], replicas=1, port=8000)

    def run(
        self,
        name: str,
        command: list[str],
        volumes: list[Any],
        *,
        replicas: int,
        port: int = 0,
        service: int = 0,
        env: Mapping[str, str] = MappingProxyType({}),
        **pod: Any,
    ) -> None:
        """A Deployment, ready, behind a Service where it has a port. ``pod``: more of its pods' spec."""
        container: dict[str, Any] = {
            "name": name,
            "image": self.cluster.image(),
            "command": command,
            "env": [{"name": key, "value": value} for key, value in env.items()],
            "volumeMounts": [one["mount"] for one in volumes],
        }
        if port:
            container["ports"] = [{"name": "https" if service else "http", "containerPort": port}]
            container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
            # New connections stop coming a moment after a pod begins to end, not at once.
            container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "4"]}}}
        spec = {
            "containers": [container],
            "volumes": [one["volume"] for one in volumes],
            "terminationGracePeriodSeconds": 15 if port else 1,
            **pod,
        }
        template = {"metadata": {"labels": {"app": name}}, "spec": spec}
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        wanted = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
        manifests: list[dict[str, Any]] = [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name},
                "spec": {**wanted, "strategy": rolling},
            }
        ]
        if port:
            ports = [{"name": "https" if service else "http", "port": service or port, "targetPort": port}]
            behind = {"selector": {"app": name}, "ports": ports}
            manifests.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": behind})
        self.cluster.apply(*manifests, namespace=self.namespace)
        self.cluster.wait_ready(self.namespace, f"deployment/{name}")

    def wait_reached(self, service: str, port: int) -> None:
        """Until the Service leads to its pods: for a moment after they are ready it still turns connections away."""
        program = f"import socket; socket.create_connection(({service!r}, {port}), 5).close(); print('reached')"
        command = ("exec", "-n", self.namespace, f"deploy/{COUNTS}", "--", "python3", "-c", program)
        self.cluster.wait(f"Service {service} to be reached", lambda: self.cluster.kubectl(*command).stdout)

    # -- the rotation -----------------------------------------------------------------------------------------------

    def api(self) -> Any:
        return connect(AuthOptions(kubeconfig=self.kubeconfig or str(self.cluster.kubeconfig)))

    def engine(self) -> Engine:
        api, clock, quiet = self.api(), SystemClock(), SilentReporter()
        known = actions(api, state_namespace=self.namespace, clock=clock, reporter=quiet)
        return make_engine(api, self.namespace, known, reporter=quiet, stopping=lambda: False, clock=clock)

    def rotate(
        self, *, phase: str = DONE, check_mode: bool = False, webhooks: bool = False, **more: Any
    ) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "generation": 2,
            "webhooks": webhooks,
            "leaves": (Leaf(Target(self.namespace, "client-tls"), CLIENT),),
            "mutual": ({"service": "web", "client_secret": "client-tls", "server_name": "web"},),
            "probe_image": self.cluster.image(),
            "soak_s": 1.0,
            "reload_wait_s": 1.0,
            "state_namespace": self.namespace,
        }
        asked |= more
        home, namespaces = asked.pop("home", self.namespace), asked.pop("namespaces", (self.namespace,))
        request = CaRequest(home, "web-ca", namespaces, **asked)
        return rotate_ca(self.api(), request, self.engine(), clock=SystemClock(), phase=phase, check_mode=check_mode)

    def door(self, name: str, *arguments: str) -> dict[str, Any]:
        """The same by Ansible, with webhooks."""
        options = {
            "ca_secret": f"{self.namespace}/web-ca",
            "generation": 2,
            "leaves": [{"secret": "client-tls", "role": "client"}],
            "mutual_tls": [{"service": "web", "client_secret": "client-tls", "server_name": "web"}],
            "probe_image": self.cluster.image(),
            "soak": "1s",
            "reload_wait": "1s",
            "state_namespace": self.namespace,
        }
        nobody = pki.ca()
        found, printed = Web(self.cluster, self.namespace, nobody, nobody).door(name, options, *arguments)
        assert "PRIVATE KEY" not in printed
        return found

    def swap_without_overlap(self) -> None:
        """What this collection is there to spare: another CA's leaf put in place, and the server restarted."""
        other, old = pki.ca("web-ca", begin=_now() - pki.DAY, end=_now() + pki.DAY), self.leaf("web-tls")
        found = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(f"DNS:{name}" for name in found.get_values_for_type(x509.DNSName))
        leaf = pki.leaf(other, names, begin=_now() - pki.DAY, end=_now() + pki.DAY)
        secret = pki.secret("web-tls", leaf.pem, pki.key_pem(leaf.key))
        self.cluster.apply(pki.as_manifest(secret), namespace=self.namespace)
        self.cluster.kubectl("-n", self.namespace, "rollout", "restart", "deployment/web")

    # -- what is there ----------------------------------------------------------------------------------------------

    def counts(self, counter: str = COUNTS) -> dict[str, Any]:
        """What the clients of a counter saw so far: ``ok``, ``failed``, ``why``."""
        (pod,) = self.cluster.get("pods", "-n", self.namespace, "-l", f"app={counter}")["items"]
        name = pod["metadata"]["name"]
        answer = self.cluster.exec(self.namespace, name, "curl", "-s", "http://127.0.0.1:8000/counts")
        found: dict[str, Any] = json.loads(answer)
        return found

    def wait_counts(self, more: int, counter: str = COUNTS) -> dict[str, Any]:
        """Until its clients have been answered that many times more."""
        wanted, end = self.counts(counter)["ok"] + more, time.monotonic() + 120
        while True:
            found = self.counts(counter)
            if found["ok"] >= wanted:
                return found
            assert time.monotonic() < end, found
            time.sleep(0.5)

    def leaf(self, name: str) -> x509.Certificate:
        secret = self.cluster.get("secret", name, "-n", self.namespace)
        return x509.load_pem_x509_certificates(base64.b64decode(secret["data"]["tls.crt"]))[0]

    def trust(self) -> list[str]:
        """The names of the CAs in the trust store."""
        text = self.cluster.get("configmap", "trust", "-n", self.namespace)["data"]["ca.crt"]
        return [c.subject.rfc4514_string() for c in x509.load_pem_x509_certificates(text.encode())]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
