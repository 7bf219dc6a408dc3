# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation with real servers, real delivery of Secrets, and real handshakes."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotProven, TimedOut
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import ROOT, RULES, Web
from tests.unit.tls import pki


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    return Web.make(cluster, namespace)


def assert_rotated(web: Web) -> None:
    assert web.stored() != web.leaf.fingerprint
    assert set(web.served().values()) == {web.stored()}
    assert [name.rsplit("-", 1)[0] for name in web.copies()] == ["web-tls-prev"]


def test_every_pod_and_the_service_serve_the_new_certificate(web: Web) -> None:
    web.deploy()
    before = web.secret()
    found = web.rotate()
    assert_rotated(web)
    assert found["restarted"] == ["Deployment/web"]
    assert found["unproven"] == []
    assert found["failed_handshakes"] == 0
    assert [row["path"] for row in found["proof"]] == ["port_forward", "port_forward", "in_cluster"]
    assert {row["fingerprint"] for row in found["proof"]} == {web.stored()}
    assert {row["status"] for row in found["proof"]} == {"HTTP/1.1 200 OK"}
    assert {row["pod"] for row in found["proof"][:2]} == set(web.pods())
    after = web.secret()
    assert {k: v for k, v in after["data"].items() if k not in ("tls.crt", "tls.key")} == {
        k: v for k, v in before["data"].items() if k not in ("tls.crt", "tls.key")
    }
    assert base64.b64decode(after["data"]["tls.key"]).startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.parametrize("kind", ["RSA-2048", "Ed25519"])
def test_other_kinds_of_keys(cluster: Cluster, namespace: str, kind: str) -> None:
    web = Web.make(cluster, namespace, kind=kind).deploy(replicas=1)
    assert web.rotate()["generations"][0]["key"] == kind
    assert_rotated(web)


def test_a_stateful_set_with_mounts_that_are_never_updated(web: Web) -> None:
    web.deploy("StatefulSet", sub_path=True)
    assert web.rotate()["restarted"] == ["StatefulSet/web"]
    assert_rotated(web)


def test_a_server_that_reloads_by_itself_is_not_restarted(web: Web) -> None:
    web.deploy(before="(while sleep 0.5; do nginx -c /etc/web/nginx.conf -s reload; done) 2>/dev/null &")
    pods = web.pods()
    found = web.rotate(reload_wait_s=30.0)
    assert found["restarted"] == []
    assert web.pods() == pods
    assert_rotated(web)


@pytest.mark.rig
def test_a_second_run_and_check_mode_write_nothing(web: Web, audit: AuditLog) -> None:
    web.deploy()
    audit.mark()
    user = web.api().whoami()
    shown = web.rotate(check_mode=True)
    assert [one for one in audit.writes(user) if one.namespace == web.namespace] == []
    assert audit.requests(user)
    ran = web.rotate()
    assert ran["plan_hash"] == shown["plan_hash"]
    mark = audit.mark()
    again = web.rotate()
    assert not again["changed"]
    assert again["seen"][0]["drift"] == "in_step"
    assert [one for one in audit.writes(user, mark) if one.namespace == web.namespace] == []
    assert audit.requests(user, mark)


def test_a_server_that_does_not_come_up_with_it_gets_the_old_one_back(web: Web) -> None:
    old = web.leaf.fingerprint
    seen = "openssl x509 -in /etc/tls/tls.crt -noout -fingerprint -sha256 | tr -d : | tr A-F a-f"
    web.deploy(before=f"{seen} | grep -q {old.removeprefix('sha256:')} || exec sleep 100;")
    before = web.secret()["data"]
    with pytest.raises((NotProven, TimedOut)) as caught:
        web.rotate(wait_timeout_s=8.0)
    assert caught.value.details["undone"] is True
    assert web.secret()["data"] == before
    assert set(web.served().values()) == {old}
    assert web.copies() == []


@pytest.mark.parametrize("step", ["commit", "restart", "prove"])
def test_killed_in_the_middle_the_same_task_again_finishes(web: Web, step: str) -> None:
    web.deploy()
    command = [sys.executable, "-m", "tests.integration.rotation_worker", str(web.cluster.kubeconfig), web.namespace]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / '.ac'}"}
    worker = subprocess.Popen(command, cwd=ROOT, env=environment)
    journal = web.engine().journal
    end = time.monotonic() + 60
    while time.monotonic() < end and worker.poll() is None:
        operations = journal.list()
        if operations and operations[0].entry(f"{step} {web.namespace}/web-tls").state != "todo":
            break
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert worker.returncode == -signal.SIGKILL
    found = web.rotate(probe_image="")
    assert found["changed"]
    assert_rotated(web)
    assert len(journal.list()) == 1
    assert not web.rotate(probe_image="")["changed"]


def test_undone_by_the_door_of_operations(web: Web) -> None:
    web.deploy()
    found, printed = web.door("certificate_rotation", web.options())
    assert not found["failed"]
    assert_rotated(web)
    options = {"id": found["operation"], "state": "undone", "state_namespace": web.namespace}
    undone, printed = web.door("operation", options)
    assert undone["changed"]
    assert web.stored() == web.leaf.fingerprint
    assert set(web.served().values()) == {web.leaf.fingerprint}
    assert web.copies() == []


@pytest.mark.rig
def test_it_needs_exactly_these_rights(web: Web, user: Any, audit: AuditLog) -> None:
    web.deploy()
    someone = user(rules={web.namespace: RULES})
    found, printed = web.door("certificate_rotation", web.options(), kubeconfig=someone.kubeconfig)
    assert not found["failed"], found
    options = {"id": found["operation"], "state": "undone", "state_namespace": web.namespace}
    undone, printed = web.door("operation", options, kubeconfig=someone.kubeconfig)
    assert not undone["failed"], undone
    granted = {
        (group, resource, verb)
        for rule in RULES
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert audit.permissions(someone.name) - {("", "namespaces", "get")} <= granted


def test_no_key_is_in_anything_that_is_printed(web: Web) -> None:
    web.deploy(replicas=1)
    found, printed = web.door("certificate_rotation", web.options(), "-vvv", "--diff")
    listed, told = web.door("certificate_info", {"namespaces": [web.namespace], "probe": True, "copies": True}, "-vvv")
    assert found["diff"]["after"][f"{web.namespace}/web-tls"]["fingerprint"] == web.stored()
    assert listed["identities"]
    journals = str(web.cluster.get("configmaps", "-n", web.namespace)["items"])
    keys = [pki.key_pem(web.ca.key), pki.key_pem(web.leaf.key, "old")]
    keys.append(base64.b64decode(web.secret()["data"]["tls.key"]))
    for text in (printed, told, journals):
        assert "PRIVATE KEY" not in text
        for key in keys:
            body = b"".join(key.split(b"\n")[1:-2])
            assert body.decode()[8:48] not in text
            assert base64.b64encode(key).decode()[48:88] not in text


class TestBadInput:
    @pytest.fixture
    def refused(self, web: Web, audit: AuditLog) -> Any:
        def refuse(**more: Any) -> str:
            audit.mark()
            found, printed = web.door("certificate_rotation", web.options(**more))
            assert found["failed"]
            assert not found["changed"]
            user = web.api().whoami()
            assert [one for one in audit.writes(user) if one.namespace == web.namespace] == []
            return str(found["msg"])

        return refuse

    @pytest.mark.rig
    def test_each_is_one_clear_message(self, web: Web, refused: Any) -> None:
        other = pki.ca("other", begin=web.ca.cert.not_valid_before_utc)
        no_key = pki.secret("no-key", web.ca.pem, None)
        wrong = pki.secret("wrong-ca", other.pem, pki.key_pem(other.key))
        locked = pki.secret("locked", web.leaf.pem, pki.key_pem(web.leaf.key), immutable=True)
        mine = {"cert-manager.io/certificate-name": "web", "cert-manager.io/issuer-name": "ca"}
        managed = pki.secret("managed", web.leaf.pem, pki.key_pem(web.leaf.key), annotations=mine)
        manifests = [pki.as_manifest(obj) for obj in (no_key, wrong, locked, managed)]
        web.cluster.apply(*manifests, namespace=web.namespace)

        def target(name: str) -> dict[str, Any]:
            return {"targets": [{"secret": name, "namespace": web.namespace}]}

        assert "holds no private key" in refused(issuer={"ca_secret": "no-key"})
        assert "not signed by this CA" in refused(issuer={"ca_secret": "wrong-ca"})
        assert "is immutable" in refused(**target("locked"))
        assert f"owner: Certificate {web.namespace}/web" in refused(**target("managed"))
        assert "Unsupported parameters" in refused(issuer={"ca_secret": "web-ca", "vault": "x"})
        assert "more than one issuer" in refused(issuer={"ca_secret": "web-ca", "cert_manager": True})
