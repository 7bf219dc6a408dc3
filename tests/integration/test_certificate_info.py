# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory in depth on a real cluster: everything that holds, names or serves a certificate, in one look.

One namespace holds it all: nginx and PostgreSQL that serve something else than what their Secrets hold, an Ingress, a
bundle with a broken block, a webhook that trusts the wrong CA, stores, a signing request.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.unit.tls import pki
from tests.unit.tls.stock import codes, config, java_store, opaque, store

BROKEN = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n"
POSTGRES = """
set -e
as="setpriv --reuid=postgres --regid=postgres --init-groups"
mkdir -p /tmp/pg /tmp/run && chown postgres:postgres /tmp/pg /tmp/run && chmod 0700 /tmp/pg
$as initdb -D /tmp/pg -A trust >/dev/null
cp /etc/tls/tls.crt /etc/tls/tls.key /tmp/pg/ && chown postgres:postgres /tmp/pg/tls.* && chmod 0600 /tmp/pg/tls.key
exec $as postgres -D /tmp/pg -k /tmp/run -h 0.0.0.0 -c ssl=on -c ssl_cert_file=tls.crt -c ssl_key_file=tls.key
"""
PASSWORD = "opens-the-store-4711"


@dataclass
class Stand:
    """What was set up, and what the door said of it."""

    web: Web
    database: pki.Pair
    store: pki.Pair
    cluster_wide: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, **options: Any) -> tuple[dict[str, Any], str]:
        return self.web.door("certificate_info", {"namespaces": [self.web.namespace], **options}, "-vvv")

    def deploy(self) -> None:
        """nginx and PostgreSQL, each with its Secret mounted."""
        cluster = self.web.cluster
        cluster.apply(_postgres(cluster.image()), namespace=self.web.namespace)
        self.web.deploy(replicas=1)
        cluster.wait_ready(self.web.namespace, "deployment/db")

    def replace(self, name: str, pair: pki.Pair) -> None:
        data = {"tls.crt": pair.pem, "tls.key": pki.key_pem(pair.key)}
        text = json.dumps({"data": {key: base64.b64encode(value).decode() for key, value in data.items()}})
        self.web.cluster.kubectl("patch", "secret", name, "-n", self.web.namespace, "-p", text)


@pytest.fixture
def stand(cluster: Cluster, namespace: str) -> Iterator[Stand]:
    web = Web.make(cluster, namespace)
    begin, end = web.leaf.cert.not_valid_before_utc, web.leaf.cert.not_valid_after_utc
    database = pki.leaf(web.ca, (f"DNS:db.{namespace}.svc",), begin=begin, end=end)
    keystore = pki.leaf(web.ca, ("DNS:kafka",), kind="RSA-2048", begin=begin, end=end)
    made = Stand(web, database, keystore)
    made.cluster_wide = [_webhook(namespace), _request(namespace)]
    cluster.apply(*_secrets(made), _config(web.ca), _ingress(namespace), namespace=namespace)
    cluster.apply(*made.cluster_wide)
    yield made
    for obj in made.cluster_wide:
        cluster.kubectl("delete", obj["kind"], obj["metadata"]["name"], "--ignore-not-found", check=False)


def _secrets(made: Stand) -> list[dict[str, Any]]:
    pair, stored = made.database, made.store
    database = pki.secret("db-tls", pair.pem, pki.key_pem(pair.key), more={"ca.crt": made.web.ca.pem})
    kafka = opaque(
        "kafka", {"user.p12": store(stored, (made.web.ca,), PASSWORD.encode()), "user.password": PASSWORD.encode()}
    )
    shut = opaque("shut", {"keystore.p12": store(stored, (), b"nobody knows")})
    java = opaque("java", {"identity": java_store(stored, (made.web.ca,), PASSWORD), "password": PASSWORD.encode()})
    return [pki.as_manifest(one) for one in (database, kafka, shut, java)]


def _config(ca: pki.Pair) -> dict[str, Any]:
    return pki.as_manifest(config("trust", {"ca.crt": ca.pem.decode() + BROKEN}))


def _ingress(namespace: str) -> dict[str, Any]:
    def tls(secret: str, host: str) -> dict[str, Any]:
        return {"secretName": secret, "hosts": [host]}

    backend = {"service": {"name": "web", "port": {"number": 443}}}
    spec = {
        "defaultBackend": backend,
        "tls": [tls("web-tls", f"web.{namespace}.svc"), tls("web-tls", "shop.example"), tls("none", "none.example")],
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "front"}, "spec": spec}


def _webhook(namespace: str) -> dict[str, Any]:
    """It is asked about a kind that nobody makes, and trusts a CA that its Service's certificate is not from."""
    bundle = base64.b64encode(pki.ca("foreign-ca").pem).decode()
    hook = {
        "name": "check.knowngood.test",
        "clientConfig": {"service": {"namespace": namespace, "name": "web"}, "caBundle": bundle},
        "rules": [
            {"apiGroups": ["none.test"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nones"]}
        ],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": f"check-{namespace}"},
        "webhooks": [hook],
    }


def _request(namespace: str) -> dict[str, Any]:
    builder = x509.CertificateSigningRequestBuilder(pki.name("web"))
    text = builder.sign(pki.key(), hashes.SHA256()).public_bytes(Encoding.PEM)
    spec = {
        "request": base64.b64encode(text).decode(),
        "signerName": "knowngood.test/nobody",
        "usages": ["digital signature", "server auth"],
    }
    meta = {"name": f"request-{namespace}"}
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": meta,
        "spec": spec,
    }


def _postgres(image: str) -> dict[str, Any]:
    container = {
        "name": "postgres",
        "image": image,
        "command": ["sh", "-c", POSTGRES],
        "ports": [{"name": "postgres", "containerPort": 5432}],
        "readinessProbe": {"tcpSocket": {"port": 5432}, "periodSeconds": 1},
        "volumeMounts": [{"name": "tls", "mountPath": "/etc/tls"}],
    }
    template = {
        "metadata": {"labels": {"app": "db"}},
        "spec": {
            "containers": [container],
            "volumes": [{"name": "tls", "secret": {"secretName": "db-tls"}}],
            "terminationGracePeriodSeconds": 1,
        },
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "db"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db"}, "spec": spec}


def test_everything_that_holds_names_or_serves_a_certificate(
    stand: Stand, tmp_path: Path, audit: AuditLog, user: Callable[..., Any]
) -> None:
    stand.deploy()
    before = {"web-tls": stand.web.leaf.fingerprint, "db-tls": stand.database.fingerprint}
    begin, end = stand.web.leaf.cert.not_valid_before_utc, stand.web.leaf.cert.not_valid_after_utc
    for name in before:
        stand.replace(name, pki.leaf(stand.web.ca, ("DNS:web",), begin=begin, end=end))
    textfile = tmp_path / "x509.prom"
    reader = user(cluster_roles=["cluster-admin"])
    audit.mark()
    found, printed = stand.ask(probe=True, textfile=str(textfile), kubeconfig=str(reader.kubeconfig))
    assert not found["failed"], printed
    assert found["unread"] == []
    rows = {row["secret"]: row for row in found["identities"]}
    assert sorted(rows) == ["db-tls", "java", "kafka", "shut", "web-ca", "web-tls"]
    _check_stores(stand, rows)
    _check_served(found, rows, before)
    _check_trust(stand, found)
    _check_references(found, rows)
    assert textfile.stat().st_mode & 0o777 == 0o644
    assert f'secret_namespace="{stand.web.namespace}"' in textfile.read_text()
    for secret in (PASSWORD, *pki.key_pem(stand.database.key).decode().splitlines()[1:-1]):
        assert secret not in printed + textfile.read_text()
    assert audit.writes(user=reader.name) == []


def _check_stores(stand: Stand, rows: dict[str, Any]) -> None:
    kafka = rows["kafka"]
    assert (kafka["data_key"], kafka["format"], kafka["private_key"]) == ("user.p12", "PKCS#12", "matches")
    assert (kafka["fingerprint"], kafka["key"]) == (stand.store.fingerprint, "RSA-2048")
    java = rows["java"]
    assert (java["data_key"], java["format"], codes(java)) == ("identity", "JKS", {"unverified"})
    assert (java["fingerprint"], java["sans"], java["private_key"]) == ("", [], "unverified")  # it is not opened
    assert codes(rows["shut"]) == {"store_locked"}
    assert rows["web-ca"]["ca"] is True


def _check_served(found: dict[str, Any], rows: dict[str, Any], before: dict[str, str]) -> None:
    served = {row["workload"]: row for row in found["served"]}
    for secret, workload, starttls in (("web-tls", "Deployment/web", ""), ("db-tls", "Deployment/db", "postgresql")):
        row = rows[secret]
        assert row["drift"] == "behind"
        assert codes(row) == {"stored_not_served"}
        assert served[workload]["fingerprint"] == before[secret]
        assert (served[workload]["state"], served[workload]["starttls"]) == ("behind", starttls)
        assert served[workload]["path"] == "port_forward"
        assert codes(served[workload]) == {"served_not_stored"}


def _check_trust(stand: Stand, found: dict[str, Any]) -> None:
    bundles = {(row["kind"], row["name"]): row for row in found["bundles"]}
    trust = bundles["ConfigMap", "trust"]
    assert codes(trust) == {"broken_block"}
    assert trust["lint"][0]["what"].startswith("block 2 ")
    assert ("ConfigMap", "kube-root-ca.crt") in bundles
    hook = bundles["ValidatingWebhookConfiguration", f"check-{stand.web.namespace}"]
    assert (hook["entry"], hook["service"]) == ("check.knowngood.test", f"{stand.web.namespace}/web")
    assert codes(hook) == {"untrusted_leaf"}


def _check_references(found: dict[str, Any], rows: dict[str, Any]) -> None:
    front = [(row["target"], row["hosts"], row["state"], codes(row)) for row in found["references"]]
    assert [one for one in front if one[0] == "none"] == [("none", ["none.example"], "missing", {"missing_secret"})]
    assert sum(codes_ == {"host_not_covered"} for _name, _hosts, _state, codes_ in front) == 2
    assert {"ingress", "volume"} == {use["delivery"] for use in rows["web-tls"]["consumers"]}


def test_the_whole_cluster_and_signing_requests(stand: Stand) -> None:
    found, printed = stand.web.door("certificate_info", {"include": ["requests"], "denied": [stand.store.fingerprint]})
    assert not found["failed"], printed
    rows = {row["name"]: row for row in found["requests"]}
    request = rows[f"request-{stand.web.namespace}"]
    assert (request["state"], request["signer"], request["key"]) == ("pending", "knowngood.test/nobody", "ECDSA-P-256")
    denied, printed = stand.ask(include=["secrets"], denied=[stand.store.fingerprint], passphrases=["nobody knows"])
    listed = {row["secret"]: codes(row) for row in denied["identities"]}
    assert (listed["kafka"], listed["shut"]) == ({"denied"}, {"denied"})
    assert "nobody knows" not in printed


def test_who_may_only_read_secrets_is_told_what_was_not_read(
    stand: Stand, user: Callable[..., Any], tmp_path: Path
) -> None:
    lists = [
        {"apiGroups": [""], "resources": ["secrets", "pods"], "verbs": ["list"]},
        {
            "apiGroups": ["apps"],
            "resources": ["deployments", "statefulsets", "daemonsets", "replicasets"],
            "verbs": ["list"],
        },
    ]
    reader = user(rules={stand.web.namespace: lists})
    found, printed = stand.ask(kubeconfig=str(reader.kubeconfig))
    assert not found["failed"], printed
    kinds = {row["kind"] for row in found["unread"]}
    assert {"ConfigMap", "Ingress", "ValidatingWebhookConfiguration", "CertificateSigningRequest"} <= kinds
    assert len(found["identities"]) == 6
    for path, told in (("x509.txt", "end in .prom"), ("none/x509.prom", "does not exist")):
        refused, printed = stand.ask(textfile=str(tmp_path / path))
        assert refused["failed"]
        assert told in refused["msg"]
