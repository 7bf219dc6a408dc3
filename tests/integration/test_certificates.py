# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory on a real cluster."""

from __future__ import annotations

import base64
import json

import pytest

from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.unit.tls import pki


@pytest.fixture
def web(cluster: Cluster, namespace: str) -> Web:
    return Web.make(cluster, namespace)


def test_stored_used_served_and_what_is_wrong(web: Web) -> None:
    web.deploy(replicas=1)
    found, printed = web.door("certificate_info", {"namespaces": [web.namespace], "probe": True})
    rows = {row["secret"]: row for row in found["identities"]}
    assert sorted(rows) == ["web-ca", "web-tls"]
    row = rows["web-tls"]
    assert row["fingerprint"] == web.leaf.fingerprint
    assert row["sans"] == [f"DNS:web.{web.namespace}.svc", "DNS:web", "IP:127.0.0.1"]
    assert 29.9 <= row["days_left"] <= 30.0
    assert row["lint"] == []
    use = {"workload": "Deployment/web", "container": "nginx", "delivery": "volume", "path": "/etc/tls"}
    assert row["consumers"] == [use]
    (served,) = row["served"]
    assert (served["port"], served["path"], served["fingerprint"]) == (8443, "port_forward", row["fingerprint"])
    assert row["drift"] == "in_step"
    assert rows["web-ca"]["ca"] is True
    assert rows["web-ca"]["drift"] == "unknown"


def test_a_process_that_never_loaded_the_new_one_is_found(web: Web) -> None:
    web.deploy(replicas=1)
    begin, end = web.leaf.cert.not_valid_before_utc, web.leaf.cert.not_valid_after_utc
    other = pki.leaf(web.ca, ("DNS:web",), begin=begin, end=end)
    data = {
        "tls.crt": base64.b64encode(other.pem).decode(),
        "tls.key": base64.b64encode(pki.key_pem(other.key)).decode(),
    }
    web.cluster.kubectl("patch", "secret", "web-tls", "-n", web.namespace, "-p", json.dumps({"data": data}))
    query = "[?drift=='behind'].[secret, served[0].fingerprint]"
    found, printed = web.door("certificate_info", {"namespaces": [web.namespace], "probe": True, "query": query})
    assert found["identities"] == [["web-tls", web.leaf.fingerprint]]


def test_what_ends_soon_and_what_cannot_be_read(web: Web) -> None:
    broken = pki.secret("broken", b"-----BEGIN CERTIFICATE-----\n?", b"x")
    web.cluster.apply(pki.as_manifest({**broken, "type": "Opaque"}), namespace=web.namespace)
    options = {"namespaces": [web.namespace]}
    ending, printed = web.door("certificate_info", {**options, "expiring_within": "31d"})
    assert [row["secret"] for row in ending["identities"]] == ["web-tls"]
    none, printed = web.door("certificate_info", {**options, "expiring_within": "29d"})
    assert none["identities"] == []
    everything, printed = web.door("certificate_info", options)
    row = everything["identities"][0]
    assert row["secret"] == "broken"
    assert "no END line" in row["error"]
    assert [finding["code"] for finding in row["lint"]] == ["unreadable"]


def test_a_query_that_cannot_be_read_is_one_clear_message(web: Web) -> None:
    found, printed = web.door("certificate_info", {"namespaces": [web.namespace], "query": "[?"})
    assert found["failed"]
    assert "query is not a JMESPath expression" in found["msg"]
