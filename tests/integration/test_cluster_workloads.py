# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every other integration test stands on: pods, volumes, snapshots, names, streams."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest

from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod, snapshot

pytestmark = pytest.mark.rig


def test_a_snapshot_brings_back_what_was_written_before_it(cluster: Cluster, namespace: str) -> None:
    image = cluster.image()
    cluster.apply(
        claim("data", "local"),
        pod("writer", image, "echo before > /data/f; sleep 1000", ("data",)),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/writer")
    cluster.wait("the write", lambda: cluster.exec(namespace, "writer", "cat", "/data/f") == "before\n")
    cluster.apply(snapshot("cut", "data", "local"), namespace=namespace)
    cluster.wait_snapshot(namespace, "cut")
    cluster.exec(namespace, "writer", "sh", "-c", "echo after > /data/f")
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "cut"}
    cluster.apply(claim("back", "local", source), pod("reader", image, "sleep 1000", ("back",)), namespace=namespace)
    cluster.wait_ready(namespace, "pod/reader")
    assert cluster.exec(namespace, "reader", "cat", "/back/f") == "before\n"
    assert cluster.exec(namespace, "writer", "cat", "/data/f") == "after\n"


def test_binding_waits_for_a_consumer_only_where_the_class_says_so(cluster: Cluster, namespace: str) -> None:
    cluster.apply(claim("now", "local"), claim("later", "local-wait"), namespace=namespace)

    def phase(name: str) -> str:
        found: str = cluster.get("pvc", name, "-n", namespace)["status"]["phase"]
        return found

    cluster.wait("immediate binding", lambda: phase("now") == "Bound", 20)
    assert phase("later") == "Pending"
    cluster.apply(pod("consumer", cluster.image(), "sleep 1000", ("later",)), namespace=namespace)
    cluster.wait("binding for the consumer", lambda: phase("later") == "Bound", 20)


def test_a_snapshot_class_of_another_driver_does_not_cut(cluster: Cluster, namespace: str) -> None:
    cluster.apply(claim("data", "other"), snapshot("wrong", "data", "local"), namespace=namespace)
    cluster.wait("bound", lambda: cluster.get("pvc", "data", "-n", namespace)["status"]["phase"] == "Bound", 20)
    cluster.apply(snapshot("right", "data", "other"), namespace=namespace)
    cluster.wait_snapshot(namespace, "right")
    wrong = cluster.get("volumesnapshot", "wrong", "-n", namespace)
    assert not wrong.get("status", {}).get("readyToUse")


def test_names_services_logs_and_streams_work(cluster: Cluster, namespace: str) -> None:
    image = cluster.image()
    serve = "cd /tmp; echo hello > index.html; echo serving; exec python3 -m http.server 8080"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    cluster.apply(pod("web", image, serve), pod("client", image, "sleep 1000"), service, namespace=namespace)
    cluster.wait_ready(namespace, "pod/web", "pod/client")
    address = f"http://web.{namespace}.svc.cluster.local/"
    cluster.wait(
        "an answer through the Service",
        lambda: cluster.exec(namespace, "client", "curl", "-sf", "-m", "2", address) == "hello\n",
        20,
    )
    assert "serving" in cluster.kubectl("logs", "-n", namespace, "web").stdout
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kubectl = str(cluster.own.bin / "kubectl")
    forward = subprocess.Popen(
        [kubectl, f"--kubeconfig={cluster.kubeconfig}", "port-forward", "-n", namespace, "pod/web", f"{port}:8080"],
        stdout=subprocess.DEVNULL,
    )
    try:
        asked = ["curl", "-sf", "-m", "2", f"http://127.0.0.1:{port}/"]
        cluster.wait(
            "port-forward",
            lambda: subprocess.run(asked, capture_output=True, text=True, check=False).stdout == "hello\n",
            20,
        )
    finally:
        forward.terminate()
        forward.wait(10)


def test_derived_images_have_digests_of_their_own(cluster: Cluster, namespace: str) -> None:
    first = cluster.build_image("app", {"/srv/version": b"a1\n"})
    second = cluster.build_image("app", {"/srv/version": b"b2\n"})
    assert first != second
    assert cluster.build_image("app", {"/srv/version": b"a1\n"}) == first
    cluster.apply(
        pod("one", first, "cat /srv/version; sleep 1000"),
        pod("two", second, "cat /srv/version; sleep 1000"),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/one", "pod/two")
    for name, reference, version in (("one", first, "a1\n"), ("two", second, "b2\n")):
        assert cluster.exec(namespace, name, "cat", "/srv/version") == version
        status = cluster.get("pod", name, "-n", namespace)["status"]["containerStatuses"][0]
        assert status["imageID"] == reference


_MARIADB = """
set -e
mkdir -p /data/db && chown mysql: /data/db
mariadb-install-db --user=mysql --datadir=/data/db --auth-root-authentication-method=normal --skip-test-db >/dev/null
exec mariadbd --user=mysql --datadir=/data/db --socket=/tmp/db.sock --skip-networking
"""


def test_the_work_image_runs_mariadb_and_redis(cluster: Cluster, namespace: str) -> None:
    image = cluster.image()
    redis = "exec redis-server --port 0 --unixsocket /tmp/redis.sock --dir /data2"
    cluster.apply(
        claim("data", "local"),
        claim("data2", "local"),
        pod("mariadb", image, _MARIADB, ("data",)),
        pod("redis", image, redis, ("data2",)),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/mariadb", "pod/redis")
    ask = ("mariadb", "-S", "/tmp/db.sock", "-N", "-e", "create table test.t (n int); insert into test.t values (42)")
    cluster.wait(
        "MariaDB answers",
        lambda: cluster.exec(
            namespace, "mariadb", "mariadb", "-S", "/tmp/db.sock", "-e", "create database if not exists test; select 1"
        ),
        120,
    )
    cluster.exec(namespace, "mariadb", *ask)
    assert cluster.exec(namespace, "mariadb", *ask[:-1], "select n from test.t") == "42\n"
    cluster.wait(
        "Redis answers",
        lambda: cluster.exec(namespace, "redis", "redis-cli", "-s", "/tmp/redis.sock", "set", "k", "42") == "OK\n",
        60,
    )
    assert cluster.exec(namespace, "redis", "redis-cli", "-s", "/tmp/redis.sock", "get", "k") == "42\n"


def test_group_snapshots_cut_all_claims_together(cluster: Cluster, namespace: str) -> None:
    claims = [claim(name, "local") for name in ("a", "b")]
    for one in claims:
        one["metadata"]["labels"] = {"group": "g"}
    group = {
        "apiVersion": "groupsnapshot.storage.k8s.io/v1",
        "kind": "VolumeGroupSnapshot",
        "metadata": {"name": "both"},
        "spec": {"volumeGroupSnapshotClassName": "local", "source": {"selector": {"matchLabels": {"group": "g"}}}},
    }
    cluster.apply(*claims, namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "pvc/a", "pvc/b", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s")
    cluster.apply(group, namespace=namespace)

    def ready() -> bool:
        found = cluster.get("volumegroupsnapshot", "both", "-n", namespace)
        return bool(found.get("status", {}).get("readyToUse"))

    cluster.wait("group snapshot", ready, 30)
    assert len(cluster.get("volumesnapshots", "-n", namespace)["items"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("pods", "-A"),
        ("storageclass", "local"),
        ("deployments", "-n", "kube-system"),
        ("hpa", "-A"),
        ("volumesnapshotclasses.snapshot.storage.k8s.io",),
        ("configmap", "kube-root-ca.crt", "-n", "kube-system"),
        ("secrets", "-n", "kube-system", "-l", "no=such"),
    ],
)
def test_what_is_asked_without_kubectl_is_answered_as_by_it(cluster: Cluster, arguments: tuple[str, ...]) -> None:
    assert cluster.get(*arguments) == json.loads(cluster.kubectl("get", *arguments, "-o", "json").stdout)
