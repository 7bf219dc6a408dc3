# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of what the Gateway API names, on its own definitions; no gateway's controller runs here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.handle import Cluster
from tests.integration.rotation_app import Web
from tests.unit.tls import pki
from tests.unit.tls.stock import codes

API = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class Edge:
    """A namespace with gateways, and another one whose certificate they name as well."""

    web: Web
    other: str

    def references(self) -> dict[tuple[str, str], dict[str, Any]]:
        """What is named, by who names it and in which part of it."""
        found, printed = self.web.door("certificate_info", {"namespaces": [self.web.namespace, self.other]})
        assert not found["failed"], printed
        assert found["unread"] == []
        return {(f"{row['kind']}/{row['name']}", row["part"]): row for row in found["references"]}


@pytest.fixture
def edge(cluster: Cluster, namespace: str, make_namespace: Callable[[], str]) -> Edge:
    cluster.add("gateway")
    web, other = Web.make(cluster, namespace), make_namespace()
    secret = pki.secret("far-tls", web.leaf.pem, pki.key_pem(web.leaf.key))
    cluster.apply(pki.as_manifest(secret), namespace=other)
    trust = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "trust"},
        "data": {"ca.crt": web.ca.pem.decode()},
    }
    cluster.apply(trust, _front(other), _listeners(), _policy(), namespace=namespace)
    return Edge(web, other)


def _listener(name: str, port: int, host: str, secret: str, namespace: str = "") -> dict[str, Any]:
    where = {"namespace": namespace} if namespace else {}
    tls = {"mode": "Terminate", "certificateRefs": [{"name": secret, **where}]}
    return {"name": name, "port": port, "protocol": "HTTPS", "hostname": host, "tls": tls}


def _front(other: str) -> dict[str, Any]:
    return _gateway(
        _listener("good", 443, "web", "web-tls"),
        _listener("elsewhere", 8443, "shop.example", "web-tls"),
        _listener("gone", 9443, "web", "none-tls"),
        _listener("far", 10443, "web", "far-tls", other),
    )


def _gateway(*listeners: dict[str, Any]) -> dict[str, Any]:
    spec = {
        "gatewayClassName": "none",
        "listeners": list(listeners),
        "allowedListeners": {"namespaces": {"from": "Same"}},
    }
    return {"apiVersion": f"{API}/v1", "kind": "Gateway", "metadata": {"name": "front"}, "spec": spec}


def _listeners() -> dict[str, Any]:
    parent = {"name": "front", "kind": "Gateway", "group": API}
    spec = {"parentRef": parent, "listeners": [_listener("more", 11443, "web", "web-tls")]}
    return {"apiVersion": f"{API}/v1", "kind": "ListenerSet", "metadata": {"name": "more"}, "spec": spec}


def _policy() -> dict[str, Any]:
    authorities = [{"group": "", "kind": "ConfigMap", "name": "trust"}]
    target = {"group": "", "kind": "Service", "name": "web"}
    spec = {"targetRefs": [target], "validation": {"caCertificateRefs": authorities, "hostname": "web"}}
    return {"apiVersion": f"{API}/v1", "kind": "BackendTLSPolicy", "metadata": {"name": "behind"}, "spec": spec}


def _ingress() -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 443}}}
    spec = {"defaultBackend": backend, "tls": [{"secretName": "web-tls", "hosts": ["web"]}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "front"}, "spec": spec}


def _grant(comer: str, secret: str) -> dict[str, Any]:
    comes = {"group": API, "kind": "Gateway", "namespace": comer}
    spec = {"from": [comes], "to": [{"group": "", "kind": "Secret", "name": secret}]}
    return {"apiVersion": f"{API}/v1beta1", "kind": "ReferenceGrant", "metadata": {"name": "front"}, "spec": spec}


def test_what_gateways_name_is_found_and_judged(edge: Edge) -> None:
    rows = edge.references()

    judged = {where: (row["target"], row["state"], codes(row)) for where, row in rows.items()}
    assert judged == {
        ("Gateway/front", "good"): ("web-tls", "found", set()),
        ("Gateway/front", "elsewhere"): ("web-tls", "found", {"host_not_covered"}),
        ("Gateway/front", "gone"): ("none-tls", "missing", {"missing_secret"}),
        ("Gateway/front", "far"): ("far-tls", "found", {"not_granted"}),
        ("ListenerSet/more", "more"): ("web-tls", "found", set()),
        ("BackendTLSPolicy/behind", "validation"): ("trust", "found", set()),
    }
    edge.web.cluster.apply(_grant(edge.web.namespace, "far-tls"), namespace=edge.other)
    assert codes(edge.references()["Gateway/front", "far"]) == set()


def test_what_only_gateways_and_an_ingress_serve_is_rotated_and_these_are_named_as_unproven(edge: Edge) -> None:
    old = edge.web.leaf.fingerprint
    edge.web.cluster.apply(_ingress(), _grant(edge.other, "web-tls"), namespace=edge.web.namespace)
    far = _gateway(_listener("far", 443, "web", "web-tls", edge.web.namespace))
    edge.web.cluster.apply(far, namespace=edge.other)
    found = edge.web.rotate()
    assert found["generations"][0]["old"] == old
    assert found["restarted"] == []
    served = (
        "Gateway/front listener elsewhere",
        f"Gateway/front listener far in namespace {edge.other}",
        "Gateway/front listener good",
        "Ingress/front",
        "ListenerSet/more listener more",
    )
    assert found["unproven"] == [f"{edge.web.namespace}/web-tls: through {', '.join(served)}"]
    assert {row["ok"] for row in found["proof"]} == {None}
