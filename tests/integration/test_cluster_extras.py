# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster has on demand works: cert-manager's controllers, S3, Velero, kwok."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster import manifests
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod

pytestmark = pytest.mark.rig


def test_cert_manager_issues_from_a_ca_of_its_own(cluster: Cluster, namespace: str) -> None:
    cluster.add("certmanager")
    api = "cert-manager.io/v1"

    def certificate(name: str, issuer: str, **spec: Any) -> dict[str, Any]:
        wanted = {"secretName": name, "issuerRef": {"name": issuer}, "privateKey": {"algorithm": "ECDSA"}, **spec}
        return {"apiVersion": api, "kind": "Certificate", "metadata": {"name": name}, "spec": wanted}

    def issuer(name: str, **spec: Any) -> dict[str, Any]:
        return {"apiVersion": api, "kind": "Issuer", "metadata": {"name": name}, "spec": spec}

    cluster.apply(
        issuer("self", selfSigned={}),
        certificate("ca", "self", isCA=True, commonName="test ca"),
        issuer("ca", ca={"secretName": "ca"}),
        certificate("leaf", "ca", dnsNames=["web.example.test"]),
        namespace=namespace,
    )
    cluster.kubectl("wait", "-n", namespace, "certificate/leaf", "--for=condition=Ready", "--timeout=60s")
    secret = cluster.get("secret", "leaf", "-n", namespace)
    assert secret["type"] == "kubernetes.io/tls"
    assert {"tls.crt", "tls.key", "ca.crt"} <= set(secret["data"])


def test_restic_in_a_pod_keeps_files_in_s3(cluster: Cluster, namespace: str) -> None:
    cluster.add("s3")
    account = cluster.s3
    cluster.apply(pod("worker", cluster.image(), "sleep 1000"), namespace=namespace)
    cluster.wait_ready(namespace, "pod/worker")
    script = f"""
set -e
export AWS_ACCESS_KEY_ID={account["access_key"]} AWS_SECRET_ACCESS_KEY={account["secret_key"]}
export RESTIC_REPOSITORY=s3:{account["endpoint"]}/{namespace}/r RESTIC_PASSWORD=test HOME=/tmp
mkdir /tmp/in && echo kept > /tmp/in/f
restic -q init && restic -q backup /tmp/in && restic -q restore latest --target /tmp/out
cat /tmp/out/tmp/in/f
"""
    assert cluster.exec(namespace, "worker", "sh", "-c", script).endswith("kept\n")


def test_kwok_plays_nodes_and_their_pods(cluster: Cluster, namespace: str) -> None:
    cluster.add("kwok")
    names = [f"fake-{number}" for number in range(3)]
    cluster.apply(*manifests.fake_nodes(names))
    try:
        cluster.kubectl("wait", *(f"node/{name}" for name in names), "--for=condition=Ready", "--timeout=30s")
        pods = []
        for number in range(20):
            one = pod(f"p{number}", "example.test/nothing:1", "true")
            one["spec"]["nodeName"] = names[number % len(names)]
            one["spec"]["tolerations"] = [{"operator": "Exists"}]
            pods.append(one)
        cluster.apply(*pods, namespace=namespace)
        cluster.kubectl("wait", "-n", namespace, "pods", "--all", "--for=condition=Ready", "--timeout=60s")
        phases = [one["status"]["phase"] for one in cluster.get("pods", "-n", namespace)["items"]]
        assert phases == ["Running"] * 20
    finally:
        cluster.kubectl("delete", "node", *names)


def test_velero_backs_a_namespace_up_and_restores_its_data(cluster: Cluster, namespace: str) -> None:
    cluster.add("velero")
    image = cluster.image()
    cluster.kubectl("label", "volumesnapshotclass", "local", "velero.io/csi-volumesnapshot-class=true", "--overwrite")
    cluster.apply(
        claim("data", "local"),
        pod("writer", image, "sleep 1000", ("data",)),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/writer")
    cluster.exec(namespace, "writer", "sh", "-c", "echo precious > /data/f; sync")

    def velero(kind: str, **spec: Any) -> dict[str, Any]:
        metadata = {"name": namespace, "namespace": "velero"}
        return {"apiVersion": "velero.io/v1", "kind": kind, "metadata": metadata, "spec": spec}

    def finish(kind: str) -> None:
        def over() -> str:
            phase: str = cluster.get(kind, namespace, "-n", "velero").get("status", {}).get("phase", "")
            return phase if phase in ("Completed", "PartiallyFailed", "Failed", "FailedValidation") else ""

        assert cluster.wait(f"Velero's {kind}", over, 120) == "Completed"

    cluster.apply(velero("Backup", includedNamespaces=[namespace], csiSnapshotTimeout="1m"))
    finish("backups.velero.io")
    cluster.kubectl("delete", "-n", namespace, "pod/writer", "pvc/data", "--timeout=60s")
    cluster.apply(velero("Restore", backupName=namespace))
    finish("restores.velero.io")
    cluster.wait_ready(namespace, "pod/writer")
    assert cluster.exec(namespace, "writer", "cat", "/data/f") == "precious\n"
