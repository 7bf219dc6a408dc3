# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shop with certificates that cert-manager keeps, its CA among them."""

from __future__ import annotations

import base64
from typing import Any

from tests.cluster.handle import Cluster
from tests.integration.ca_app import MUTUAL, Shop

API = "cert-manager.io/v1"


class KeptShop(Shop):
    """The CA ``web-ca`` of the Issuer ``ca``, made by the Certificate ``ca``; leaves made by ``web`` and ``client``."""

    __slots__ = ()

    @classmethod
    def make(cls, cluster: Cluster, namespace: str) -> KeptShop:
        cluster.add("certmanager")
        made = cls(cluster, namespace)
        names = ["web", f"web.{namespace}.svc"]
        cluster.apply(
            _object("Issuer", "self", {"selfSigned": {}}),
            _certificate("ca", "self", "web-ca", isCA=True, commonName="web-ca", duration="8760h"),
            _object("Issuer", "ca", {"ca": {"secretName": "web-ca"}}),
            _certificate("web", "ca", "web-tls", dnsNames=names, usages=["server auth"]),
            _certificate(
                "client", "ca", "client-tls", commonName="client", usages=["digital signature", "client auth"]
            ),
            namespace=namespace,
        )
        for name in ("ca", "web", "client"):
            ready = ("--for=condition=Ready", "--timeout=120s")
            cluster.kubectl("wait", "-n", namespace, f"certificate/{name}", *ready)
        pem = base64.b64decode(cluster.get("secret", "web-ca", "-n", namespace)["data"]["tls.crt"]).decode()
        maps = {"trust": {"ca.crt": pem}, "nginx": {"nginx.conf": MUTUAL}}
        configs = [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n}, "data": d} for n, d in maps.items()
        ]
        cluster.apply(*configs, namespace=namespace)
        return made

    def rotate(self, **asked: Any) -> dict[str, Any]:
        return super().rotate(**{"issuer": "ca", **asked})

    def signs(self) -> str:
        """The Secret that the Issuer signs with."""
        found: str = self.cluster.get("issuer", "ca", "-n", self.namespace)["spec"]["ca"]["secretName"]
        return found

    def certificates(self) -> list[str]:
        return sorted(
            one["metadata"]["name"] for one in self.cluster.get("certificates", "-n", self.namespace)["items"]
        )


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _certificate(name: str, issuer: str, secret: str, **spec: Any) -> dict[str, Any]:
    key = {"algorithm": "ECDSA", "rotationPolicy": "Always"}
    wanted = {"secretName": secret, "issuerRef": {"name": issuer}, "privateKey": key, "duration": "240h", **spec}
    return _object("Certificate", name, wanted)
