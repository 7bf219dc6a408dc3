# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""nginx with a certificate from a CA in the cluster, for the tests of certificates; and the doors called on it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import connect
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import engine as make_engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._tls.actions import actions
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Request, Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.rotation import rotate
from ansible_collections.knowngood.kube.plugins.module_utils._tls.source import Source
from tests.cluster.handle import Cluster
from tests.unit.tls import pki

ROOT = Path(__file__).resolve().parents[2]
NGINX = """
pid /tmp/nginx.pid; error_log stderr; worker_processes 1; events {}
http {
  access_log off; client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
  uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
  server { listen 8443 ssl; ssl_certificate /etc/tls/tls.crt; ssl_certificate_key /etc/tls/tls.key;
           location / { return 200 "hello\\n"; } }
}
"""
RULES = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create", "update", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/exec", "pods/portforward"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list"]},
    {
        "apiGroups": ["apps"],
        "resources": ["deployments", "statefulsets", "daemonsets"],
        "verbs": ["get", "list", "watch", "patch"],
    },
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]},
    {"apiGroups": ["batch"], "resources": ["jobs", "cronjobs"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "update"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update"]},
]
"""What a rotation asks for, in the namespace of the application (here the state namespace as well)."""


@dataclass(frozen=True, slots=True)
class Web:
    """The server ``web``, its Secret ``web-tls`` and its CA ``web-ca`` in one namespace."""

    cluster: Cluster
    namespace: str
    ca: pki.Pair
    leaf: pki.Pair

    @classmethod
    def make(cls, cluster: Cluster, namespace: str, *, kind: str = "ECDSA-P-256") -> Web:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        ca = pki.ca("web-ca", begin=now - pki.DAY, end=now + 900 * pki.DAY)
        names = (f"DNS:web.{namespace}.svc", "DNS:web", "IP:127.0.0.1")
        leaf = pki.leaf(ca, names, kind=kind, begin=now - 60 * pki.DAY, end=now + 30 * pki.DAY)
        made = cls(cluster, namespace, ca, leaf)
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nginx"}, "data": {"nginx.conf": NGINX}}
        key = pki.key_pem(leaf.key, "old")
        secret = pki.secret("web-tls", leaf.pem, key, more={"ca.crt": ca.pem, "note": b"kept"}, labels={"app": "web"})
        signer = pki.secret("web-ca", ca.pem, pki.key_pem(ca.key))
        cluster.apply(pki.as_manifest(secret), pki.as_manifest(signer), config, namespace=namespace)
        return made

    # -- servers ----------------------------------------------------------------------------------------------------

    def deploy(
        self,
        kind: str = "Deployment",
        *,
        replicas: int = 2,
        before: str = "",
        sub_path: bool = False,
        image: str = "",
        strategy: str = "",
    ) -> Web:
        """nginx as a Deployment or StatefulSet behind the Service ``web``. ``before``: shell before it is started.

        With a ``strategy`` its pods end in peace: connections stop coming before the server does.
        """
        mounts: list[dict[str, Any]] = [{"name": "nginx", "mountPath": "/etc/web"}]
        if sub_path:
            mounts += [
                {"name": "tls", "mountPath": f"/etc/tls/{name}", "subPath": name} for name in ("tls.crt", "tls.key")
            ]
        else:
            mounts.append({"name": "tls", "mountPath": "/etc/tls"})
        container = {
            "name": "nginx",
            "image": image or self.cluster.image(),
            "command": ["sh", "-c", f"{before} exec nginx -c /etc/web/nginx.conf -g 'daemon off;'"],
            "ports": [{"name": "https", "containerPort": 8443}],
            "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
            "volumeMounts": mounts,
        }
        volumes = [
            {"name": "tls", "secret": {"secretName": "web-tls"}},
            {"name": "nginx", "configMap": {"name": "nginx"}},
        ]
        template = {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 3},
        }
        spec: dict[str, Any] = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        if kind == "StatefulSet":
            spec["serviceName"] = "web"
        if strategy:
            container["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "4"]}}}
            template["spec"]["terminationGracePeriodSeconds"] = 15
            rolling = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}} if strategy == "RollingUpdate" else {}
            spec["strategy"] = {"type": strategy, **rolling}
        ports = [{"name": "https", "port": 443, "targetPort": "https"}]
        self.cluster.apply(
            {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"}, "spec": spec},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web"},
                "spec": {"selector": {"app": "web"}, "ports": ports},
            },
            namespace=self.namespace,
        )
        self.cluster.wait_ready(self.namespace, f"{kind.lower()}/web")
        return self

    # -- rotations --------------------------------------------------------------------------------------------------

    def engine(self, source: Source | None = None) -> Engine:
        api, clock, quiet = self.api(), SystemClock(), SilentReporter()
        given = source.given if source else {}
        known = actions(api, state_namespace=self.namespace, clock=clock, reporter=quiet, given=given)
        return make_engine(api, self.namespace, known, reporter=quiet, stopping=lambda: False, clock=clock)

    def api(self) -> Any:
        return connect(AuthOptions(kubeconfig=str(self.cluster.kubeconfig)))

    def rotate(self, *, on_failure: str = "undo", check_mode: bool = False, **asked: Any) -> dict[str, Any]:
        given = {"incident": "INC-1", **asked}
        if "probe_image" not in given:
            given["probe_image"] = self.cluster.image()
        target = Target(self.namespace, "web-tls", **(asked.get("target") or {}))
        given.pop("target", None)
        request = Request((target,), "web-ca", state_namespace=self.namespace, **given)
        clock, engine = SystemClock(), self.engine(asked.get("source"))
        return rotate(self.api(), request, engine, clock=clock, on_failure=on_failure, check_mode=check_mode)

    def options(self, **more: Any) -> dict[str, Any]:
        """Options of the door."""
        return {
            "targets": [{"secret": "web-tls", "namespace": self.namespace}],
            "issuer": {"ca_secret": "web-ca"},
            "incident": "INC-1",
            "probe_image": self.cluster.image(),
            "state_namespace": self.namespace,
            **more,
        }

    def door(
        self, name: str, options: dict[str, Any], *arguments: str, kubeconfig: Path | None = None
    ) -> tuple[dict[str, Any], str]:
        """A module run by Ansible: its result (with ``failed``), and everything that was printed."""
        given = {"kubeconfig": str(kubeconfig or self.cluster.kubeconfig), **options}
        command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={sys.executable}", "-m", f"knowngood.kube.{name}"]
        command += ["-a", json.dumps(given), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        }
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)
        printed = done.stdout + done.stderr
        head, arrow, body = done.stdout.partition("=> ")
        assert body, printed
        result: dict[str, Any] = json.JSONDecoder().raw_decode(body)[0]
        return {**result, "failed": "FAILED" in head}, printed

    # -- what is there ----------------------------------------------------------------------------------------------

    def secret(self, name: str = "web-tls") -> dict[str, Any]:
        found: dict[str, Any] = self.cluster.get("secret", name, "-n", self.namespace)
        return found

    def stored(self) -> str:
        """The fingerprint in the Secret, by another library's reckoning than the one under test."""
        text = base64.b64decode(self.secret()["data"]["tls.crt"])
        return fingerprint(x509.load_pem_x509_certificates(text)[0])

    def copies(self) -> list[str]:
        found = self.cluster.get("secrets", "-n", self.namespace, "-l", "app.kubernetes.io/managed-by=knowngood")
        return sorted(item["metadata"]["name"] for item in found["items"])

    def pods(self) -> list[str]:
        found = self.cluster.get("pods", "-n", self.namespace, "-l", "app=web")["items"]
        return sorted(pod["metadata"]["name"] for pod in found if not pod["metadata"].get("deletionTimestamp"))

    def served(self) -> dict[str, str]:
        """What each pod serves, told by openssl inside that pod."""
        ask = (
            "openssl s_client -connect 127.0.0.1:8443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
        )
        return {pod: _plain(self.cluster.exec(self.namespace, pod, "sh", "-c", ask)) for pod in self.pods()}


def fingerprint(certificate: x509.Certificate) -> str:
    return "sha256:" + certificate.fingerprint(hashes.SHA256()).hex()


def _plain(text: str) -> str:
    """From openssl's ``sha256 Fingerprint=AB:CD...``."""
    found = re.search(r"Fingerprint=([0-9A-F:]+)", text)
    return "sha256:" + found.group(1).replace(":", "").lower() if found else ""
