# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation by other issuers than a CA Secret: cert-manager, a signer of the CSR API (run here), and what is given."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_csr

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import permissions
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import TimedOut
from ansible_collections.knowngood.kube.plugins.module_utils._tls.source import Source
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import ROOT, Web
from tests.unit.tls import pki

CERT_MANAGER = Source(kind="cert_manager", timeout_s=90.0)
API = "cert-manager.io/v1"


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    return Web.make(cluster, namespace)


def assert_rotated(web: Web, old: str) -> None:
    assert web.stored() != old
    assert set(web.served().values()) == {web.stored()}


# -- cert-manager ------------------------------------------------------------------------------------------------


def assert_within_what_is_shipped(audit: AuditLog, user: str, mark: int) -> None:
    """All that was asked for, the harness's own looks aside, is in the roles of the playbook."""
    shipped = {(p.group, p.resource, p.verb) for p in permissions("rotate_certificates")}
    reviews = {("authentication.k8s.io", "selfsubjectreviews", "create")}
    assert audit.permissions(user, mark) - shipped - reviews == set()


def certificate(name: str, issuer: str, **spec: Any) -> dict[str, Any]:
    secret = "web-ca" if name == "ca" else "web-tls"
    key = {"algorithm": "ECDSA", "rotationPolicy": "Always"}
    wanted = {"secretName": secret, "issuerRef": {"name": issuer}, "privateKey": key, **spec}
    return {"apiVersion": API, "kind": "Certificate", "metadata": {"name": name}, "spec": wanted}


def issuer(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API, "kind": "Issuer", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def kept(cluster: Cluster, namespace: str) -> Web:
    """The server with a certificate that cert-manager keeps."""
    cluster.add("certmanager")
    web = Web.make(cluster, namespace)
    cluster.kubectl("delete", "secret", "-n", namespace, "web-ca", "web-tls")
    cluster.apply(
        issuer("self", selfSigned={}),
        certificate("ca", "self", isCA=True, commonName="kept-ca", duration="8760h"),
        issuer("ca", ca={"secretName": "web-ca"}),
        certificate("web", "ca", dnsNames=["web", f"web.{namespace}.svc"], commonName="web", duration="240h"),
        namespace=namespace,
    )
    cluster.kubectl("wait", "-n", namespace, "certificate/web", "--for=condition=Ready", "--timeout=90s")
    return web.deploy(replicas=1)


@pytest.mark.rig
def test_cert_manager_renews_and_nobody_else_writes_its_secret(kept: Web, user: Any, audit: AuditLog) -> None:
    someone = user(cluster_roles=["cluster-admin"])
    ours = replace(kept, cluster=Cluster(someone.kubeconfig, kept.cluster.instance))
    old, mark = kept.stored(), audit.mark()
    found = ours.rotate(source=CERT_MANAGER)
    assert_rotated(kept, old)
    assert [row["path"] for row in found["proof"]] == ["port_forward", "in_cluster"]
    assert {row["ok"] for row in found["proof"]} == {True}
    seen = kept.cluster.get("certificate", "web", "-n", kept.namespace)
    assert seen["status"]["revision"] == 2
    assert seen["metadata"]["annotations"]["knowngood.io/rotated-for"] == "INC-1"
    written = {(one.permission[1], one.verb) for one in audit.writes(someone.name, mark)}
    assert not [what for what in written if what[0] == "secrets"]
    assert ("certificates/status", "patch") in written
    assert_within_what_is_shipped(audit, someone.name, mark)
    assert kept.copies() == []
    mark = audit.mark()
    assert not ours.rotate(source=CERT_MANAGER)["changed"]
    assert audit.writes(someone.name, mark) == []


def test_killed_while_cert_manager_works_it_goes_on_and_renews_once(kept: Web) -> None:
    old = kept.stored()
    worker = start(kept, "cert_manager")
    kill_at(kept, worker, "renew")
    assert kept.rotate(source=CERT_MANAGER, probe_image="")["changed"]
    assert_rotated(kept, old)
    assert kept.cluster.get("certificate", "web", "-n", kept.namespace)["status"]["revision"] == 2


def start(web: Web, source: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.integration.rotation_worker", str(web.cluster.kubeconfig), web.namespace]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / '.ac'}"}
    return subprocess.Popen([*command, source], cwd=ROOT, env=environment)


def kill_at(web: Web, worker: subprocess.Popen[bytes], step: str) -> None:
    journal, end = web.engine().journal, time.monotonic() + 60
    while time.monotonic() < end and worker.poll() is None:
        operations = journal.list()
        if operations and operations[0].entry(f"{step} {web.namespace}/web-tls").state != "todo":
            break
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert worker.returncode == -signal.SIGKILL


# -- a signer of the CSR API -------------------------------------------------------------------------------------


@contextmanager
def signer(web: Web, name: str) -> Iterator[None]:
    """An external signer: what is approved for it gets a certificate from the CA of the namespace."""
    stop, api = threading.Event(), web.api()

    def sign() -> None:
        while not stop.wait(0.2):
            for found in api.list("CertificateSigningRequest"):
                conditions = (found.get("status") or {}).get("conditions") or []
                approved = any(c["type"] == "Approved" for c in conditions)
                if found["spec"]["signerName"] != name or not approved or found["status"].get("certificate"):
                    continue
                now = dt.datetime.now(dt.UTC).replace(microsecond=0)
                asked = base64.b64decode(found["spec"]["request"])
                begin, end = now - dt.timedelta(minutes=5), now + 60 * pki.DAY
                made = pki.answer(asked, web.ca, begin=begin, end=end)
                body = {"status": {"certificate": base64.b64encode(made).decode()}}
                meta = found["metadata"]
                with contextlib.suppress(Exception):
                    api.patch(found["kind"], meta["name"], None, body, uid=meta["uid"], subresource="status")

    thread = threading.Thread(target=sign, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def requests(web: Web) -> list[dict[str, Any]]:
    found = web.cluster.get("certificatesigningrequests")["items"]
    wanted = f"{web.namespace}/web-tls"
    return [one for one in found if one["metadata"].get("annotations", {}).get("knowngood.io/of") == wanted]


def test_an_external_signer_issues_after_approval(web: Web) -> None:
    web.deploy()
    name = f"{web.namespace}.example.test/servers"
    issuer = {"csr": {"signer": name, "approve": True}, "timeout": "60s"}
    with signer(web, name):
        found, printed = web.door("certificate_rotation", web.options(issuer=issuer))
    assert not found["failed"], found
    assert_rotated(web, web.leaf.fingerprint)
    assert {row["ok"] for row in found["proof"]} == {True}
    secret = web.secret()["data"]
    leaf = load_pem_x509_certificate(base64.b64decode(secret["tls.crt"]))
    key = load_pem_private_key(base64.b64decode(secret["tls.key"]), None)
    assert leaf.public_key() == key.public_key()
    assert base64.b64decode(secret["note"]) == b"kept"
    assert requests(web) == []
    assert [copy.rsplit("-", 1)[0] for copy in web.copies()] == ["web-tls-prev"]


def test_it_waits_for_a_person_and_goes_on_with_the_same_request(web: Web) -> None:
    web.deploy(replicas=1)
    name = f"{web.namespace}.example.test/servers"
    source = Source(kind="csr", signer=name, timeout_s=2.0)
    with signer(web, name):
        with pytest.raises(TimedOut, match="nobody has approved"):
            web.rotate(source=source)
        assert web.stored() == web.leaf.fingerprint
        (waiting,) = requests(web)
        web.cluster.kubectl("certificate", "approve", waiting["metadata"]["name"])
        found = web.rotate(source=replace(source, timeout_s=60.0), probe_image="")
    assert found["changed"]
    assert_rotated(web, web.leaf.fingerprint)
    assert len(web.engine().journal.list()) == 1
    assert not web.rotate(source=source)["changed"]


@pytest.mark.rig
def test_killed_in_the_middle_the_key_of_the_request_is_found_again(web: Web, user: Any, audit: AuditLog) -> None:
    web.deploy(replicas=1)
    someone = user(cluster_roles=["cluster-admin"])
    ours = replace(web, cluster=Cluster(someone.kubeconfig, web.cluster.instance))
    mark = audit.mark()
    name = f"{web.namespace}.example.test/servers"
    source = Source(kind="csr", signer=name, approve=True, timeout_s=60.0)
    kill_at(web, start(web, f"csr:{name}"), "stage")
    (before,) = requests(web)
    with signer(web, name):
        assert ours.rotate(source=source, probe_image="")["changed"]
    assert_within_what_is_shipped(audit, someone.name, mark)
    assert_rotated(web, web.leaf.fingerprint)
    asked = base64.b64decode(before["spec"]["request"])
    leaf = load_pem_x509_certificate(base64.b64decode(web.secret()["data"]["tls.crt"]))
    assert load_pem_x509_csr(asked).public_key() == leaf.public_key()


# -- handed over -------------------------------------------------------------------------------------------------


def test_what_is_given_is_put_into_place_and_shown_nowhere(web: Web) -> None:
    web.deploy(replicas=1)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    names = (f"DNS:web.{web.namespace}.svc", "DNS:web", "IP:127.0.0.1")
    pair = pki.leaf(web.ca, names, begin=now - dt.timedelta(minutes=5), end=now + 60 * pki.DAY)
    key = pki.key_pem(pair.key)
    target = {"secret": "web-tls", "namespace": web.namespace, "certificate": pair.pem.decode()}
    target["private_key"] = key.decode()
    options = web.options(targets=[target], issuer={"provided": True})
    del options["incident"]
    found, printed = web.door("certificate_rotation", options, "-vvv", "--diff")
    assert not found["failed"], printed
    assert web.stored() == pair.fingerprint
    assert_rotated(web, web.leaf.fingerprint)
    assert base64.b64decode(web.secret()["data"]["tls.key"]).startswith(b"-----BEGIN EC PRIVATE KEY-----")
    journals = json.dumps(web.cluster.get("configmaps", "-n", web.namespace)["items"])
    body = b"".join(key.split(b"\n")[1:-2]).decode()
    for text in (printed, journals):
        assert body[8:48] not in text
    again, printed = web.door("certificate_rotation", options)
    assert not again["changed"]
    other = {**target, "private_key": pki.key_pem(pki.key()).decode(), "certificate": pki.leaf(web.ca).pem.decode()}
    refused, printed = web.door("certificate_rotation", {**options, "targets": [other]})
    assert refused["failed"]
    assert not refused["changed"]
    assert "does not belong to the certificate given" in refused["msg"]
