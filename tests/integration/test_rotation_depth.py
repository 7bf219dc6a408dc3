# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation in depth on the real cluster: copies, reload, waves, refusals, and an emergency."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, KnownGoodError
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.unit.tls import pki

PASSWORD = b"changeit"


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    return Web.make(cluster, namespace)


def patch(web: Web, kind: str, name: str, body: dict[str, Any]) -> None:
    web.cluster.kubectl("patch", kind, name, "-n", web.namespace, "--type=merge", "-p", json.dumps(body))


def put(web: Web, **more: bytes) -> None:
    data = {name.replace("_", "."): base64.b64encode(value).decode() for name, value in more.items()}
    patch(web, "secret", "web-tls", {"data": data})


def value(web: Web, key: str) -> bytes:
    return base64.b64decode(web.secret()["data"][key])


def test_copies_go_along_in_one_write_and_servers_are_told_to_reload(web: Web, audit: AuditLog) -> None:
    key = pki.key_pem(web.leaf.key, "old")
    store = pkcs12.serialize_key_and_certificates(
        b"web", web.leaf.key, web.leaf.cert, [web.ca.cert], BestAvailableEncryption(PASSWORD)
    )
    put(web, combined_pem=key + web.leaf.pem, keystore_p12=store, password=PASSWORD)
    web.deploy()
    pods, mark = web.pods(), audit.mark()
    target = {
        "keystore_password": {"secret": "web-tls", "key": "password"},
        "reload": {"command": ["nginx", "-c", "/etc/web/nginx.conf", "-s", "reload"]},
    }
    before = web.secret()["data"]
    found = web.rotate(target=target, rollout="reload", probe_image="", reload_wait_s=1.0)
    assert web.pods() == pods
    assert found["restarted"] == []
    assert found["reloaded"] == pods
    assert web.stored() != web.leaf.fingerprint
    assert set(web.served().values()) == {web.stored()}
    leaf = x509.load_pem_x509_certificate(value(web, "tls.crt"))
    assert value(web, "combined.pem") == value(web, "tls.key") + value(web, "tls.crt")
    made = pkcs12.load_pkcs12(value(web, "keystore.p12"), PASSWORD)
    assert made.cert is not None
    assert made.key is not None
    assert (made.cert.certificate, made.cert.friendly_name) == (leaf, b"web")
    assert made.key.public_key() == leaf.public_key()
    written = [one for one in audit.writes("", mark) if one.resource == "secrets" and one.name == "web-tls"]
    assert [one.verb for one in written if one.namespace == web.namespace] == ["update"]
    assert PASSWORD.decode() not in canonical(found)
    web.engine().undo(found["operation"])
    assert web.secret()["data"] == before
    assert set(web.served().values()) == {web.leaf.fingerprint}


def test_a_signal_reloads_and_a_failing_reload_is_taken_back(web: Web) -> None:
    web.deploy(replicas=1)
    pods = web.pods()
    broken = {"reload": {"command": ["sh", "-c", "echo no such server >&2; exit 3"]}}
    with pytest.raises(KnownGoodError, match="no such server") as caught:
        web.rotate(target=broken, rollout="reload", probe_image="", reload_wait_s=0.0, wait_timeout_s=6.0)
    assert caught.value.details["undone"] is True
    assert web.stored() == web.leaf.fingerprint
    found = web.rotate(target={"reload": {"signal": "HUP"}}, rollout="reload", probe_image="", reload_wait_s=0.0)
    assert (found["reloaded"], web.pods()) == (pods, pods)
    assert set(web.served().values()) == {web.stored()}
    assert web.stored() != web.leaf.fingerprint


def test_an_emergency_leaves_no_process_and_no_way_back_and_names_the_copies(web: Web) -> None:
    key = pki.key_pem(web.leaf.key)
    twin = pki.as_manifest(pki.secret("twin", web.leaf.pem, key))
    applied = json.dumps({"kind": "Secret", "data": {"tls.key": base64.b64encode(key).decode()}})
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    web.cluster.apply(twin, namespace=web.namespace)
    patch(web, "secret", "web-tls", {"metadata": {"annotations": {annotation: applied}}})
    web.deploy(before="(while sleep 0.5; do nginx -c /etc/web/nginx.conf -s reload; done) 2>/dev/null &")
    before = web.pods()
    options = {"emergency": True, "on_failure": "undo"}
    found, printed = web.door("certificate_rotation", web.options(**options))
    assert not found["failed"], printed
    assert not set(before) & set(web.pods())
    assert set(web.served().values()) == {web.stored()}
    assert web.stored() != web.leaf.fingerprint
    assert web.copies() == []
    assert {(row["object"], row["place"]) for row in found["copies"]} == {
        (f"Secret {web.namespace}/twin", "data tls.key"),
        (f"Secret {web.namespace}/web-tls", f"annotation {annotation}"),
    }
    (entry,) = web.cluster.get("configmaps", "-n", web.namespace, "-l", "knowngood.io/role=denied")["items"]
    assert entry["data"]["fingerprint"] == web.leaf.fingerprint
    assert found["denied"] == [entry["data"]["spki"]]
    with pytest.raises(KnownGoodError, match="compromised"):
        web.engine().undo(found["operation"])
    assert not web.rotate(emergency=True, probe_image="")["changed"]


def helm_release(number: int, status: str, key: bytes) -> dict[str, Any]:
    """A revision as Helm stores it, with a private key in its manifest."""
    packed = base64.b64encode(gzip.compress(json.dumps({"manifest": key.decode()}).encode()))
    labels = {"owner": "helm", "name": "web", "version": str(number), "status": status}
    made = pki.secret(f"sh.helm.release.v1.web.v{number}", b"", None, labels=labels)
    made["type"], made["data"] = "helm.sh/release.v1", {"release": base64.b64encode(packed).decode()}
    return made


def test_copies_of_a_leaked_key_are_removed_where_that_is_asked_for(web: Web) -> None:
    key = pki.key_pem(web.leaf.key)
    applied = json.dumps({"kind": "Secret", "data": {"tls.key": base64.b64encode(key).decode()}})
    annotation = "kubectl.kubernetes.io/last-applied-configuration"
    releases = [helm_release(1, "superseded", key), helm_release(2, "deployed", key)]
    web.cluster.apply(*map(pki.as_manifest, releases), namespace=web.namespace)
    patch(web, "secret", "web-tls", {"metadata": {"annotations": {annotation: applied}}})

    found = web.rotate(emergency=True, probe_image="", purge=("annotations", "helm"))

    assert {(row["object"].partition("/")[2], row["place"], row["purged"]) for row in found["copies"]} == {
        ("sh.helm.release.v1.web.v1", "data release", True),
        ("sh.helm.release.v1.web.v2", "data release", False),  # in force
        ("web-tls", f"annotation {annotation}", True),
    }
    assert annotation not in web.secret()["metadata"].get("annotations", {})
    left = web.cluster.get("secrets", "-n", web.namespace, "-l", "owner=helm")["items"]
    assert [one["metadata"]["name"] for one in left] == ["sh.helm.release.v1.web.v2"]


def test_waves_and_what_is_refused_before_anything_is_changed(web: Web, audit: AuditLog) -> None:
    leaves = [pki.leaf(web.ca, (f"DNS:s{n}",), end=web.leaf.cert.not_valid_after_utc) for n in range(3)]
    secrets = [pki.secret(f"s{n}", leaf.pem, pki.key_pem(leaf.key)) for n, leaf in enumerate(leaves)]
    web.cluster.apply(*[pki.as_manifest(one) for one in secrets], namespace=web.namespace)
    targets = [{"secret": f"s{n}", "namespace": web.namespace} for n in range(3)]
    found, printed = web.door("certificate_rotation", web.options(targets=targets, waves=["1", "100%"]))
    assert not found["failed"], printed
    assert [row["state"] for row in found["targets"]] == ["changed"] * 3
    assert len(set(found["operations"])) == 3
    web.deploy(replicas=1)
    mark, user = audit.mark(), web.api().whoami()

    def refused(told: str, **asked: Any) -> None:
        with pytest.raises(BadInput, match=told) as caught:
            web.rotate(probe_image="", **asked)
        assert not caught.value.changed

    def spec(**changes: Any) -> None:
        patch(web, "deployment", "web", {"spec": changes})

    spec(paused=True)
    mark = audit.mark()
    refused("its rollout is paused")
    assert not [one for one in audit.writes(user, mark) if one.resource in ("secrets", "configmaps")]
    spec(paused=False, strategy={"type": "Recreate", "rollingUpdate": None})
    refused("would interrupt the service")
    put(web, store_jks=b"\xfe\xed\xfe\xed\x00\x00\x00\x02")
    refused("Java key store")
    assert web.stored() == web.leaf.fingerprint
    assert not [name for name in web.copies() if name.startswith("web-tls")]
