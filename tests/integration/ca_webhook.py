# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A validating webhook that the API server calls all the time, each time on a connection of its own.

It lets everything pass but what is labelled ``bad``; both are tried, so that a webhook that is not called is seen too.
"""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client, config

from tests.integration.ca_app import Shop, leaf_volume

_SERVER = """
import http.server, json, signal, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        good = "bad" not in (asked["object"]["metadata"].get("labels") or {})
        answer = {"uid": asked["uid"], "allowed": good, "status": {"message": "judged"}}
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(review).encode())
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
    def log_message(self, *given):
        pass
signal.signal(signal.SIGTERM, lambda *given: sys.exit(0))
class Server(http.server.ThreadingHTTPServer):
    def process_request_thread(self, request, address):
        try:
            super().process_request_thread(context.wrap_socket(request, server_side=True), address)
        except OSError:
            self.shutdown_request(request)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/etc/tls/tls.crt", "/etc/tls/tls.key")
Server(("", 8443), Handler).serve_forever()
"""
KIND = "ValidatingWebhookConfiguration"


@dataclass
class Admissions:
    """What came of the calls: how many were judged as they should be, and what else happened."""

    judged: int = 0
    failed: list[str] = field(default_factory=list)

    def wait(self, more: int, timeout_s: float = 120.0) -> None:
        """Until that many more were judged."""
        wanted, end = self.judged + more, time.monotonic() + timeout_s
        while self.judged < wanted:
            assert time.monotonic() < end, self
            time.sleep(0.1)


class Judge(Shop):
    """The webhook ``web``, in Python, which loads its certificate when it starts."""

    __slots__ = ()

    def deploy(self) -> Judge:
        files = [leaf_volume("web-tls")]
        self.run("web", ["python3", "-c", _SERVER], files, replicas=2, port=8443, service=443)
        text = self.cluster.get("configmap", "trust", "-n", self.namespace)["data"]["ca.crt"]
        self.cluster.apply(self.configuration(text))
        return self

    def configuration(self, trusted: str) -> dict[str, Any]:
        chosen = {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
        caller = {
            "service": {"name": "web", "namespace": self.namespace, "path": "/judge"},
            "caBundle": base64.b64encode(trusted.encode()).decode(),
        }
        one = {
            "name": "judge.example.com",
            "clientConfig": caller,
            "rules": [rule],
            "namespaceSelector": chosen,
            "objectSelector": {"matchLabels": {"judged": "yes"}},
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
            "admissionReviewVersions": ["v1"],
        }
        meta = {"name": self.namespace}
        return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": KIND, "metadata": meta, "webhooks": [one]}

    @contextlib.contextmanager
    def called(self) -> Iterator[Admissions]:
        """Calls from before to after: ConfigMaps that nobody keeps, a good one and a bad one in turn."""
        seen, over = Admissions(), threading.Event()
        api = client.CoreV1Api(config.new_client_from_config(str(self.cluster.kubeconfig)))

        def call() -> None:
            while not over.is_set():
                for label in ("good", "bad"):
                    self._call(api, label, seen)
                time.sleep(0.05)

        caller = threading.Thread(target=call)
        caller.start()
        try:
            yield seen
        finally:
            over.set()
            caller.join()

    def _call(self, api: client.CoreV1Api, label: str, seen: Admissions) -> None:
        body = {"metadata": {"generateName": "judged-", "labels": {"judged": "yes", label: "yes"}}}
        try:
            api.create_namespaced_config_map(self.namespace, body, dry_run="All", _request_timeout=30)
            came = "good"
        except client.ApiException as error:
            came = "bad" if "denied the request: judged" in str(error.body) else str(error.body)
        if came == label:
            seen.judged += 1
        else:
            seen.failed.append(came)
