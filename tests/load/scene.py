# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients in the cluster that never stop connecting, and what they have counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.cluster import assets
from tests.cluster.handle import Cluster
from tests.load.servers import CONFIG, FILES, PROGRAM, Manifest, Server

COUNTER = "counts"
THREADS = 8
PROTOCOL_VERSIONS = ("TLS 1.2", "TLS 1.3")
# A load, not a flood that would starve the cluster's own parts on two cores.
PAUSE_MS = 20


@dataclass(frozen=True, slots=True)
class Counts:
    """What clients saw: ``rows`` by target, version of TLS and certificate; ``why``: the first failures, in words;
    ``gaps_ms``: the longest time of each target without a connection that succeeded."""

    rows: tuple[dict[str, Any], ...] = ()
    why: tuple[str, ...] = ()
    gaps_ms: tuple[tuple[str, int], ...] = ()

    @property
    def ok(self) -> int:
        return sum(int(row["ok"]) for row in self.rows)

    @property
    def failed(self) -> int:
        return sum(int(row["failed"]) for row in self.rows)

    @property
    def served(self) -> Counter[str]:
        """Connections that succeeded by the fingerprint that was served."""
        return Counter({f: self._sum("fingerprint", f) for f in {str(row["fingerprint"]) for row in self.rows} if f})

    @property
    def gap_ms(self) -> int:
        return max((ms for _target, ms in self.gaps_ms), default=0)

    def of(self, target: str) -> Counts:
        rows = tuple(row for row in self.rows if row["target"] == target)
        return Counts(rows, self.why, tuple(one for one in self.gaps_ms if one[0] == target))

    def version(self, name: str) -> int:
        return self._sum("version", name)

    def _sum(self, key: str, value: str) -> int:
        return sum(int(row["ok"]) for row in self.rows if row[key] == value)


@dataclass(frozen=True, slots=True)
class Scene:
    """A namespace with servers, clients and the counter. ``image`` is the work image with the load program.

    ``pause_ms``: of a thread between two connections.
    """

    cluster: Cluster
    namespace: str
    image: str
    pause_ms: int

    @classmethod
    def make(cls, cluster: Cluster, namespace: str, pause_ms: int = PAUSE_MS) -> Scene:
        program = assets.resolve(["tlsload"])["tlsload"].path.read_bytes()
        image = cluster.build_image("load", {PROGRAM: program}, executable=[PROGRAM])
        scene = cls(cluster, namespace, image, pause_ms)
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG}, "data": FILES}
        container = {"name": COUNTER, "image": scene.image, "command": [PROGRAM, "count"]}
        labels = {"app": COUNTER}
        pod = {"metadata": {"labels": labels}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}
        spec = {"selector": {"matchLabels": labels}, "template": pod}
        service = {"selector": labels, "ports": [{"port": 8000}]}
        meta = {"name": COUNTER}
        cluster.apply(
            config,
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
            {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
            namespace=namespace,
        )
        return scene

    def serve(self, *servers: Server) -> None:
        """Returns when all of their pods are ready."""
        self.cluster.apply(
            *(one for server in servers for one in server.manifests(self.image)), namespace=self.namespace
        )
        names = [COUNTER, *(server.name for server in servers)]
        self.cluster.wait_ready(self.namespace, *(f"deployment/{name}" for name in names), limit_s=180)

    # -- clients

    def ask(self, name: str, servers: Sequence[Server], trust: bytes, threads: int = THREADS) -> None:
        """A client that trusts that for as long as it runs. It is in no object that a rotation would look into."""
        container = self._client(servers, threads)
        container["env"] = [{"name": "TRUST", "value": trust.decode()}]
        spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 30}
        meta = {"name": name, "labels": {"app": "client"}}
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, namespace=self.namespace
        )
        self.cluster.wait_ready(self.namespace, f"pod/{name}", limit_s=120)

    def follow(self, name: str, servers: Sequence[Server], secret: str, threads: int = THREADS) -> None:
        """A client that trusts by the ConfigMap ``trust`` and shows that Secret's certificate, both read at its start:
        a rotation of the CA starts it anew."""
        pair = ("-ca", "/trust/ca.crt", "-cert", "/etc/tls/tls.crt", "-key", "/etc/tls/tls.key")
        container = self._client(servers, threads, *pair)
        container["volumeMounts"] = [
            {"name": "trust", "mountPath": "/trust"},
            {"name": "tls", "mountPath": "/etc/tls"},
        ]
        volumes: list[Manifest] = [
            {"name": "trust", "configMap": {"name": "trust"}},
            {"name": "tls", "secret": {"secretName": secret}},
        ]
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 30},
        }
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        meta = {"name": name}
        self.cluster.apply(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}, namespace=self.namespace
        )
        self.cluster.wait_ready(self.namespace, f"deployment/{name}", limit_s=120)

    def _client(self, servers: Sequence[Server], threads: int, *more: str) -> Manifest:
        command = [PROGRAM, "load", "-threads", str(threads), "-pause", f"{self.pause_ms}ms"]
        command += ["-counts", f"http://{COUNTER}:8000", *more, *(server.target for server in servers)]
        return {"name": "client", "image": self.image, "command": command}

    def stop(self, *names: str) -> None:
        """Ends clients; each has told its last counts then."""
        self.cluster.kubectl("delete", "pod", *names, "-n", self.namespace, "--timeout=60s")

    def stop_following(self, name: str) -> None:
        self.cluster.kubectl("scale", "-n", self.namespace, f"deployment/{name}", "--replicas=0")
        gone = ("wait", "-n", self.namespace, "pod", "-l", f"app={name}", "--for=delete", "--timeout=60s")
        self.cluster.kubectl(*gone)

    # -- counts

    def counts(self, client: str = "") -> Counts:
        """Of the clients whose name begins like that."""
        answer = self.cluster.exec(
            self.namespace, f"deployment/{COUNTER}", "curl", "-s", "--max-time", "20", "http://127.0.0.1:8000/"
        )
        told = [value for name, value in json.loads(answer).items() if name.startswith(client)]
        gaps: dict[str, int] = {}
        for one in told:
            for target, ms in one["gaps_ms"].items():
                gaps[target] = max(gaps.get(target, 0), ms)
        return Counts(
            tuple(row for one in told for row in one["rows"]),
            tuple(text for one in told for text in one["why"] or ()),
            tuple(sorted(gaps.items())),
        )

    def wait_ok(self, wanted: int, client: str = "", limit_s: float = 900) -> Counts:
        """Once that many connections have succeeded."""
        return self._wait(f"{wanted} connections", lambda found: found.ok >= wanted, client, limit_s)

    def wait_failed(self, wanted: int, client: str = "", limit_s: float = 300) -> Counts:
        """Once that many have failed."""
        return self._wait(f"{wanted} failures", lambda found: found.failed >= wanted, client, limit_s)

    def _wait(self, what: str, enough: Callable[[Counts], bool], client: str, limit_s: float) -> Counts:
        def look() -> Counts | None:
            found = self.counts(client)
            return found if enough(found) else None

        # Asking costs a process and a connection: not so often that it would be a load of its own.
        found: Counts = self.cluster.wait(what, look, limit_s, every_s=1)
        return found
