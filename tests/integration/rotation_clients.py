# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients in the cluster that connect to the Service ``web`` all the time: fresh handshakes, full trust, an answer."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from tests.integration.rotation_app import Web

THREADS = 4
ASK_WEB = """
import hashlib, socket, ssl
context = ssl.create_default_context(cafile="/trust/ca.crt")
def ask():
    with socket.create_connection(("web", 443), 10) as raw:
        with context.wrap_socket(raw, server_hostname="web") as channel:
            channel.sendall(b"GET / HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n")
            answer = channel.recv(4096)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise ValueError(repr(answer[:40]))
            return "sha256:" + hashlib.sha256(channel.getpeercert(True)).hexdigest()
"""
"""A fresh connection to the Service with an answer; gives the fingerprint of what was served."""
ASKING = f"""{ASK_WEB}
import json, os, threading, time
while True:  # a Service turns away for a moment after its pods are ready
    try:
        socket.create_connection(("web", 443), 5).close()
        break
    except OSError:
        time.sleep(0.1)
seen, lock = {{"ok": 0, "failed": 0, "why": [], "served": {{}}}}, threading.Lock()
def go_on():
    while True:
        try:
            served, why = ask(), ""
        except Exception as error:
            served, why = "", repr(error)
        with lock:
            seen["failed" if why else "ok"] += 1
            if why:
                seen["why"] = [*seen["why"], "%.1f %s" % (time.time(), why)][-20:]
            else:
                seen["served"][served] = seen["served"].get(served, 0) + 1
        time.sleep(0.03)
for number in range({THREADS}):
    threading.Thread(target=go_on, daemon=True).start()
while True:
    time.sleep(0.2)
    with lock:
        text = json.dumps(seen)
    with open("/tmp/new.json", "w") as file:
        file.write(text)
    os.replace("/tmp/new.json", "/tmp/seen.json")
"""


@dataclass(frozen=True, slots=True)
class Clients:
    """A pod of :data:`THREADS` clients; what they saw: ``ok``, ``failed``, ``why`` and ``served`` by fingerprint."""

    web: Web

    @classmethod
    def start(cls, web: Web) -> Clients:
        trust = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trust"}}
        container = {
            "name": "asks",
            "image": web.cluster.image(),
            "command": ["python3", "-c", ASKING],
            "volumeMounts": [{"name": "trust", "mountPath": "/trust"}],
        }
        spec = {
            "containers": [container],
            "volumes": [{"name": "trust", "configMap": {"name": "trust"}}],
            "terminationGracePeriodSeconds": 0,
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "clients"}, "spec": spec}
        trust["data"] = {"ca.crt": web.ca.pem.decode()}
        web.cluster.apply(trust, pod, namespace=web.namespace)
        made = cls(web)
        made.wait(20)
        return made

    def seen(self) -> dict[str, Any]:
        ask = ["sh", "-c", "cat /tmp/seen.json 2>/dev/null || echo '{}'"]
        found: dict[str, Any] = json.loads(self.web.cluster.exec(self.web.namespace, "clients", *ask) or "{}")
        return {"ok": 0, "failed": 0, "why": [], "served": {}, **found}

    def wait(self, more: int, timeout_s: float = 120.0) -> dict[str, Any]:
        """Until that many more connections were made; what was seen in all."""
        end, first = time.monotonic() + timeout_s, -1
        while True:
            try:
                seen = self.seen()
            except Exception:  # the pod has not started yet
                seen = {"ok": 0, "failed": 0}
            made = seen["ok"] + seen["failed"]
            first = made if first < 0 else first
            if made >= first + more:
                return seen
            assert time.monotonic() < end, seen
            time.sleep(0.3)
