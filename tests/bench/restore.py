# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long an application is down: restored in place, and deleted and restored by Velero."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError

from tests.cluster.faults import slow

from .figures import Measure, Section, Target
from .freeze import deployment
from .rig import Bench, loads, ready_pods, velero


class Downtime:
    """The time in which no pod of the namespace serves, as one watch sees it."""

    def __init__(self, bench: Bench, namespace: str) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(bench.cluster.kubeconfig), client_configuration=settings)
        self._list = client.CoreV1Api(client.ApiClient(settings)).list_namespaced_pod
        self._namespace = namespace
        self._pods: dict[str, dict[str, Any]] = {}
        self.down_since = 0.0
        self.longest = 0.0
        self._watch, self._over = watch.Watch(), False
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self) -> None:
        while not self._over:
            # A watch that ends early begins anew; what it lists again are the pods that are there.
            with suppress(HTTPError, client.ApiException):
                self._pods.clear()
                self._once()

    def _once(self) -> None:
        api = client.ApiClient()
        for event in self._watch.stream(self._list, self._namespace, label_selector="app=app", timeout_seconds=1800):
            pod = api.sanitize_for_serialization(event["object"])
            if event["type"] == "DELETED":
                self._pods.pop(pod["metadata"]["name"], None)
            else:
                self._pods[pod["metadata"]["name"]] = pod
            now = time.monotonic()
            if not ready_pods(self._pods.values()):
                self.down_since = self.down_since or now
            elif self.down_since:
                self.longest = max(self.longest, now - self.down_since)
                self.down_since = 0.0

    def start(self, bench: Bench) -> None:
        self._thread.start()
        bench.cluster.wait("the watch sees a pod", lambda: ready_pods(self._pods.values()), 120)
        self.longest = 0.0

    def end(self, bench: Bench) -> float:
        """Once a pod serves again."""
        bench.cluster.wait("a pod serves again", lambda: self.longest and not self.down_since, 300)
        self._over = True
        self._watch.stop()
        return self.longest


@contextmanager
def downtime(bench: Bench, namespace: str) -> Iterator[list[float]]:
    """Seconds of the longest time without a serving pod, in the list's only item when the block is over."""
    found, seen = [0.0], Downtime(bench, namespace)
    seen.start(bench)
    yield found
    found[0] = seen.end(bench)


def _app(bench: Bench, namespace: str, count: int) -> dict[str, Any]:
    claims = bench.claims(namespace, count)
    container: dict[str, object] = {
        "name": "app",
        "image": bench.image,
        "command": ["sh", "-c", "for d in /data-*; do [ -e $d/f ] || echo before > $d/f; done; exec sleep infinity"],
        "volumeMounts": [{"name": one, "mountPath": f"/{one}"} for one in claims],
    }
    bench.cluster.apply(deployment("app", container, claims), namespace=namespace)
    bench.cluster.wait_ready(namespace, "deployment/app", limit_s=180)
    return {"name": "app", "namespace": namespace}


def _stop_and_start(bench: Bench, namespace: str) -> float:
    """What the pods' own end and start cost: a scale to zero, gone, a scale to one, ready."""
    with downtime(bench, namespace) as found:
        bench.cluster.kubectl("scale", "-n", namespace, "deployment/app", "--replicas=0")
        bench.cluster.wait("no pod", lambda: not bench.cluster.get("pods", "-n", namespace)["items"], 120)
        bench.cluster.kubectl("scale", "-n", namespace, "deployment/app", "--replicas=1")
    return found[0]


def _in_place(bench: Bench, application: dict[str, Any]) -> tuple[float, float]:
    """Seconds of downtime, and of the swap alone as the journal has it."""
    namespace = application["namespace"]
    bench.task("recovery_point", {"app": application, "snapshot_class": "local"})
    bench.cluster.exec(namespace, "deploy/app", "sh", "-c", "for d in /data-*; do echo after > $d/f; done")
    with downtime(bench, namespace) as found:
        done = bench.task("restore", {"app": application, "recovery_point": "latest"})
        if not done.result.get("changed"):
            raise RuntimeError(f"nothing was restored: {done.result.get('msg')}")
    if bench.cluster.exec(namespace, "deploy/app", "cat", "/data-000/f") != "before\n":
        raise RuntimeError("the data is not that of the point")
    bench.cluster.exec(namespace, "deploy/app", "sh", "-c", "for d in /data-*; do echo before > $d/f; done")
    return found[0], _swap_s(bench, done.result["operation"])


def _swap_s(bench: Bench, operation: str) -> float:
    journals = bench.cluster.get("configmaps", "-n", "knowngood", "-l", "knowngood.io/journal")["items"]
    logs = [json.loads(one["data"]["log.json"]) for one in journals]
    entries = next(log["entries"] for log in logs if log["id"] == operation)
    return float(next(entry["result"]["ms"] for name, entry in entries.items() if name.startswith("swap "))) / 1000


def _by_velero(bench: Bench, namespace: str) -> float:
    backup, _seconds = velero(bench, "Backup", includedNamespaces=[namespace], csiSnapshotTimeout="10m")
    with downtime(bench, namespace) as found:
        bench.cluster.kubectl("delete", "-n", namespace, "deployment/app", "--wait=false")
        bench.cluster.kubectl("delete", "-n", namespace, "pvc", "--all", "--timeout=120s")
        velero(bench, "Restore", backupName=backup)
    return found[0]


def in_place(bench: Bench, rounds: int, hydration_s: float, with_velero: bool) -> Section:
    section = Section(
        "Downtime of an in-place restore",
        "Seconds in which no pod serves, by a watch of the namespace's pods: a Deployment with one claim, restored in "
        "place; beside it, the same deleted (Deployment and claim) and restored by Velero. Hydration is injected: the "
        "driver takes so long to make a volume from a snapshot.",
    )
    rest: list[float] = []
    ours: dict[float, list[float]] = {0.0: [], hydration_s: []}
    theirs: dict[float, list[float]] = {0.0: [], hydration_s: []}
    with loads(section):
        for _round in range(rounds):
            namespace = bench.namespace("bench-restore")
            application = _app(bench, namespace, 1)
            rest.append(_stop_and_start(bench, namespace))
            for hydration in (0.0, hydration_s):
                with bench.faults.during(CreateVolume=slow(hydration, source="snapshot")):
                    ours[hydration].append(_in_place(bench, application)[0])
            bench.delete(namespace)
            if not with_velero:
                continue
            for hydration in (0.0, hydration_s):
                namespace = bench.namespace("bench-restore")
                _app(bench, namespace, 1)
                with bench.faults.during(CreateVolume=slow(hydration, source="snapshot")):
                    theirs[hydration].append(_by_velero(bench, namespace))
                bench.delete(namespace)
    base = Measure("pod stop and start alone", tuple(rest))
    own = {h: Measure(f"in place, {h:.0f} s of hydration", tuple(r)) for h, r in ours.items()}
    section.measures = [base, *own.values()]
    section.targets = [Target("swap itself (beyond stop and start)", own[0.0].value - base.value, most=1, unit="s")]
    peers = {h: Measure(f"delete and Velero restore, {h:.0f} s of hydration", tuple(r)) for h, r in theirs.items() if r}
    section.measures += list(peers.values())
    difference = own[0.0].value - peers[0.0].value if peers else None
    ratio = peers[hydration_s].value / own[hydration_s].value if peers else None
    section.targets += [
        Target("longer than Velero without hydration by", difference, most=1, unit="s"),
        Target("shorter than Velero with hydration", ratio, least=4, unit="x"),
    ]
    return section


def many_claims(bench: Bench, rounds: int, count: int) -> Section:
    section = Section(
        f"{count} claims restored in place beside one",
        "Downtime as above, of a Deployment with one claim and of one with many, and the swap alone: from the first "
        "write to a claim until all are bound to the restored volumes.",
    )
    found: dict[int, list[float]] = {1: [], count: []}
    swaps: dict[int, list[float]] = {1: [], count: []}
    stops: dict[int, list[float]] = {1: [], count: []}
    with loads(section):
        for _round in range(rounds):
            for claims in found:
                namespace = bench.namespace("bench-many")
                application = _app(bench, namespace, claims)
                stops[claims].append(_stop_and_start(bench, namespace))
                down, swapped = _in_place(bench, application)
                found[claims].append(down)
                swaps[claims].append(swapped)
                bench.delete(namespace)
    measures = {n: Measure(f"{n} claims" if n > 1 else "1 claim", tuple(r)) for n, r in found.items()}
    alone = {n: Measure(f"{m.name}: the swap alone", tuple(swaps[n])) for n, m in measures.items()}
    rests = {n: Measure(f"{m.name}: pod stop and start alone", tuple(stops[n])) for n, m in measures.items()}
    section.measures = [*measures.values(), *rests.values(), *alone.values()]
    section.targets = [
        Target("downtime beside one claim", measures[count].value / measures[1].value, most=1.5, unit="x"),
        Target("swap beside one claim", alone[count].value / alone[1].value, most=1.5, unit="x"),
    ]
    return section
