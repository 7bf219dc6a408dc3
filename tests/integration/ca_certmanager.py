# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shop with certificates that cert-manager keeps, its CA among them."""

from __future__ import annotations

import base64
from typing import Any, Self

from tests.cluster.handle import Cluster
from tests.integration.ca_app import MUTUAL, Shop

API = "cert-manager.io/v1"


class KeptShop(Shop):
    """The CA ``web-ca`` of the Issuer ``ca``, made by the Certificate ``ca``; leaves made by ``web`` and ``client``."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        return "Issuer"

    @property
    def home(self) -> str:
        """Where the CA is kept."""
        return self.namespace

    @property
    def names(self) -> tuple[str, str, str]:
        """Of the issuer, of its CA's Secret, and of the Certificate that keeps that."""
        return "ca", "web-ca", "ca"

    @classmethod
    def make(cls, cluster: Cluster, namespace: str) -> Self:
        cluster.add("certmanager")
        made = cls(cluster, namespace)
        issuer, secret, keeper = made.names
        cluster.apply(
            _object("Issuer", "self", {"selfSigned": {}}),
            _certificate(keeper, {"name": "self"}, secret, isCA=True, commonName="web-ca", duration="8760h"),
            namespace=made.home,
        )
        where = {} if made.kind == "ClusterIssuer" else {"namespace": namespace}
        cluster.apply(_object(made.kind, issuer, {"ca": {"secretName": secret}}), **where)
        made.wait(made.home, keeper)
        made.issue(namespace, "web", "web-tls", dnsNames=["web", f"web.{namespace}.svc"], usages=["server auth"])
        usages = ["digital signature", "client auth"]
        made.issue(namespace, "client", "client-tls", commonName="client", usages=usages)
        cluster.apply(_config("nginx", {"nginx.conf": MUTUAL}), namespace=namespace)
        made.trust_in(namespace)
        return made

    def issue(self, namespace: str, name: str, secret: str, **spec: Any) -> None:
        """One more Certificate of the CA, ready."""
        signer = {"name": self.names[0], "kind": self.kind}
        self.cluster.apply(_certificate(name, signer, secret, **spec), namespace=namespace)
        self.wait(namespace, name)

    def wait(self, namespace: str, certificate: str) -> None:
        ready = ("--for=condition=Ready", "--timeout=120s")
        self.cluster.kubectl("wait", "-n", namespace, f"certificate/{certificate}", *ready)

    def trust_in(self, namespace: str) -> None:
        """A trust store with the CA in it."""
        pem = base64.b64decode(self.cluster.get("secret", self.names[1], "-n", self.home)["data"]["tls.crt"]).decode()
        self.cluster.apply(_config("trust", {"ca.crt": pem}), namespace=namespace)

    def rotate(self, **asked: Any) -> dict[str, Any]:
        return super().rotate(**{"issuer": self.names[0], **asked})

    def signs(self) -> str:
        """The Secret that the issuer signs with."""
        where = () if self.kind == "ClusterIssuer" else ("-n", self.namespace)
        found: str = self.cluster.get(self.kind.lower(), self.names[0], *where)["spec"]["ca"]["secretName"]
        return found

    def certificates(self) -> list[str]:
        return sorted(one["metadata"]["name"] for one in self.cluster.get("certificates", "-n", self.home)["items"])


class WideShop(KeptShop):
    """The same with a ClusterIssuer; its CA is in the namespace of cert-manager, under names of this shop's own."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        return "ClusterIssuer"

    @property
    def home(self) -> str:
        return "cert-manager"

    @property
    def names(self) -> tuple[str, str, str]:
        name = f"{self.namespace}-ca"
        return name, name, name

    def rotate(self, **asked: Any) -> dict[str, Any]:
        return super().rotate(**{"issuer_kind": self.kind, "home": self.home, **asked})

    def remove(self) -> None:
        """What is in no namespace of the test."""
        self.cluster.kubectl("delete", "clusterissuer", self.names[0], "--ignore-not-found")
        for kind in ("certificate", "secret"):
            for name in (self.names[1], f"{self.names[1]}-g2", f"{self.names[1]}-g3"):
                self.cluster.kubectl("delete", kind, name, "-n", self.home, "--ignore-not-found")


def _config(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _certificate(name: str, issuer: dict[str, str], secret: str, **spec: Any) -> dict[str, Any]:
    key = {"algorithm": "ECDSA", "rotationPolicy": "Always"}
    wanted = {"secretName": secret, "issuerRef": issuer, "privateKey": key, "duration": "240h", **spec}
    return _object("Certificate", name, wanted)
