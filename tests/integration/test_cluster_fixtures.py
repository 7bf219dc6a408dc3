# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures tell the truth: the audit log, users, faults, dropped traffic."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.audit import AuditLog
from tests.cluster.errors import ClusterError
from tests.cluster.faults import Fault, Faults, exhausted, never_ready, slow
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod, snapshot

pytestmark = pytest.mark.rig


def as_user(cluster: Cluster, person: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(cluster.own.bin / "kubectl"), f"--kubeconfig={person.kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_user_may_do_exactly_what_it_was_given(
    cluster: Cluster, namespace: str, user: Callable[..., Any], audit: AuditLog
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "delete"]}]
    person = user(rules={namespace: rules})
    audit.mark()
    assert as_user(cluster, person, "create", "configmap", "a", "-n", namespace).returncode == 0
    refused = as_user(cluster, person, "get", "secrets", "-n", namespace)
    assert "forbidden" in refused.stderr
    assert ("", "configmaps", "create") in audit.permissions(person.name)
    assert [one.code for one in audit.requests(person.name) if one.resource == "secrets"] == [403]


def test_dry_runs_and_reviews_are_no_writes(
    cluster: Cluster, namespace: str, user: Callable[..., Any], audit: AuditLog
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]
    person = user(rules={namespace: rules})
    within = ("-n", namespace)
    audit.mark()
    assert as_user(cluster, person, "create", "configmap", "a", *within, "--dry-run=server").returncode == 0
    assert as_user(cluster, person, "auth", "can-i", "create", "configmaps", *within).returncode == 0
    assert audit.writes(person.name) == []
    assert as_user(cluster, person, "create", "configmap", "a", *within).returncode == 0
    assert as_user(cluster, person, "delete", "configmap", "a", *within, "--dry-run=server").returncode == 0
    writes = audit.writes(person.name)
    assert [(one.verb, one.resource, one.name, one.code) for one in writes] == [("create", "configmaps", "a", 201)]


def test_faults_fail_delay_and_hold_back_snapshots(cluster: Cluster, namespace: str, faults: Faults) -> None:
    cluster.apply(claim("data", "local"), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pvc/data", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s")
    faults.set(CreateSnapshot=Fault(code="INTERNAL", message="the disk is on fire"))
    cluster.apply(snapshot("cut", "data", "local"), namespace=namespace)

    def error() -> str:
        status = cluster.get("volumesnapshot", "cut", "-n", namespace).get("status", {})
        found: str = status.get("error", {}).get("message", "")
        return found

    assert "the disk is on fire" in cluster.wait("the error", error, 20)
    faults.set(CreateSnapshot=Fault(not_ready_s=3))
    cluster.apply(snapshot("slow", "data", "local"), namespace=namespace)
    cluster.wait(
        "the cut",
        lambda: (cluster.get("volumesnapshot", "slow", "-n", namespace).get("status") or {}).get("creationTime"),
        20,
    )
    assert not cluster.get("volumesnapshot", "slow", "-n", namespace)["status"]["readyToUse"]
    faults.clear()
    cluster.wait_snapshot(namespace, "cut")
    cluster.wait_snapshot(namespace, "slow")


def test_faults_hit_the_calls_that_they_are_for(cluster: Cluster, namespace: str, faults: Faults) -> None:
    def bound(name: str) -> bool:
        return bool(cluster.get("pvc", name, "-n", namespace)["status"]["phase"] == "Bound")

    def cut_but_not_ready(name: str) -> bool:
        status = cluster.get("volumesnapshot", name, "-n", namespace).get("status") or {}
        return bool(status.get("creationTime")) and not status.get("readyToUse")

    cluster.apply(claim("data", "local"), namespace=namespace)
    cluster.wait("a claim", lambda: bound("data"), 60)
    with faults.during(CreateSnapshot=never_ready()):
        cluster.apply(snapshot("cut", "data", "local"), namespace=namespace)
        cluster.wait("the cut", lambda: cut_but_not_ready("cut"), 60)
    cluster.wait_snapshot(namespace, "cut", 60)
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "cut"}
    with faults.during(CreateVolume=slow(3600, source="snapshot")):
        cluster.apply(claim("back", "local", source), claim("empty", "local"), namespace=namespace)
        cluster.wait("a claim that is no restore", lambda: bound("empty"), 60)
        assert not bound("back")
    with faults.during(CreateVolume=exhausted(match="claim-without-luck", times=1)):
        cluster.apply(claim("claim-without-luck", "local"), claim("lucky", "local"), namespace=namespace)
        cluster.wait("both claims in the end", lambda: bound("lucky") and bound("claim-without-luck"), 90)
    events = cluster.get("events", "-n", namespace, "--field-selector=reason=ProvisioningFailed")["items"]
    hit = {one["involvedObject"]["name"] for one in events if "no capacity left" in one["message"]}
    assert hit == {"claim-without-luck"}


@pytest.mark.parametrize("through", ["pod", "service"])
def test_dropped_traffic_does_not_arrive_and_comes_back(cluster: Cluster, namespace: str, through: str) -> None:
    image = cluster.image()
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080}]},
    }
    objects = [pod("web", image, "exec python3 -m http.server 8080"), pod("client", image, "sleep 1000"), service]
    cluster.apply(*objects, namespace=namespace)
    cluster.wait_ready(namespace, "pod/web", "pod/client")
    web = cluster.get("pod", "web", "-n", namespace)["status"]["podIP"]
    client = cluster.get("pod", "client", "-n", namespace)["status"]["podIP"]
    host = web if through == "pod" else f"web.{namespace}.svc.cluster.local"

    def answers() -> bool:
        command = ("curl", "-sf", "-o", "/dev/null", "-m", "1", f"http://{host}:8080/")
        done = cluster.kubectl("exec", "-n", namespace, "client", "--", *command, check=False)
        return done.returncode == 0

    cluster.wait("an answer", answers, 20)
    with cluster.dropping([web]):
        assert not answers()
    assert answers()
    with cluster.dropping([web], sources=[client]):
        assert not answers()
    with cluster.dropping([web], sources=["192.0.2.1"]):
        assert answers()


def test_a_component_is_stopped_and_started_again(cluster: Cluster) -> None:
    cluster.signal("coredns", signal.SIGKILL)
    cluster.wait("coredns gone", lambda: cluster.components()["coredns"] is not None, 10)
    assert cluster.components()["coredns"] == -signal.SIGKILL
    cluster.restart("coredns")
    assert cluster.components()["coredns"] is None
    with pytest.raises(ClusterError, match="is not running"):
        cluster.signal("nothing", signal.SIGTERM)


def test_commands_run_inside_the_cluster_s_network(cluster: Cluster) -> None:
    assert cluster.own.ip in cluster.inside("ip", "-4", "addr", "show", "eth0").stdout
    assert os.uname().nodename != cluster.inside("hostname").stdout.strip() == cluster.own.node
