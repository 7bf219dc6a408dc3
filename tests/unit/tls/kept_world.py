# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster in memory in which cert-manager keeps the CA, behind an Issuer or a ClusterIssuer, and its leaves."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issuer import CLUSTER_ISSUER, ISSUER
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certmanager import NAME

from . import pki
from .ca_world import CA, CLIENT, LEAF, CaDesk, CaWorld, ca_world
from .world import condition

LEAVES = {"web": ("web-tls", ("DNS:web.shop.svc", "DNS:web"), "web"), "client": ("client-tls", (), "client")}


@dataclass
class KeptWorld(CaWorld):
    """cert-manager: makes what new Certificates ask for, renews on demand, and says when an Issuer is ready.

    ``kind``: of the issuer. ``home``: where its CA is kept. ``stale``: so many renewals were under way before the
    issuer was pointed elsewhere, and end with a leaf of the old CA; ``fails``: none succeeds; ``failing``: so many
    do not; ``unready``: the issuer
    does not say that it can sign; ``above``: the root that signs the CAs, and that everybody trusts in their place.
    """

    kind: str = ISSUER
    home: str = "shop"
    authorities: dict[str, pki.Pair] = field(default_factory=lambda: {"ca": CA})
    written: set[str] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    stale: int = 0
    failing: int = 0
    unready: bool = False
    above: pki.Pair | None = None

    @property
    def issuer(self) -> dict[str, Any]:
        return self.objects[self.kind, "" if self.kind == CLUSTER_ISSUER else "shop", "issuer"]

    def update(self, obj: dict[str, Any]) -> dict[str, Any]:
        if obj["kind"] == "Secret":
            self.written.add(obj["metadata"]["name"])
        return super().update(obj)

    def _react(self, before: dict[str, Any] | None, obj: dict[str, Any]) -> None:
        super()._react(before, obj)
        if obj["kind"] == "Certificate" and before is None:
            self.make(obj)
        if obj["kind"] == "Certificate" and condition(obj, "Issuing"):
            self.renew(obj)
        if obj["kind"] == self.kind and before and before["spec"] != obj["spec"]:
            obj["metadata"]["generation"] = before["metadata"]["generation"] + 1
            obj["status"] = {} if self.unready else ready(obj["metadata"]["generation"])
        self.look_for_cut_off()

    def look_for_cut_off(self) -> None:
        super().look_for_cut_off()
        self.held.add(len(read_chain(self.trust.encode()).certificates))

    def trusts(self, pod: str, leaf: Certificate) -> bool:
        """As a client does that is shown the CA between with each leaf."""
        if self.above is None:
            return super().trusts(pod, leaf)
        roots = read_chain(self.trusting[pod].encode()).certificates
        between = [read_chain(one.pem).certificates[0] for one in self.authorities.values()]
        return any(one.signed_by(root) for one in between if leaf.signed_by(one) for root in roots)

    def make(self, certificate: dict[str, Any]) -> None:
        """A CA of its own, as a selfSigned issuer makes it."""
        name = certificate["spec"]["secretName"]
        self.authorities[name] = pair = pki.ca(certificate["spec"]["commonName"], self.above)
        self.put(name, pair, self.above or pair, certificate["metadata"]["name"], self.home)
        certificate["status"] = {**ready(1), "revision": 1}

    def renew(self, certificate: dict[str, Any]) -> None:
        if self.fails or self.failing:
            self.failing -= bool(self.failing)
            failed = {"type": "Issuing", "status": "False", "reason": "Failed", "message": "the issuer is not ready"}
            certificate["status"]["conditions"] = [*ready(1)["conditions"], failed]
            return
        name, names, common = LEAVES[certificate["metadata"]["name"]]
        signer = self.authorities["ca" if self.stale else self.issuer["spec"]["ca"]["secretName"]]
        self.stale -= bool(self.stale)
        self.put(name, pki.leaf(signer, names, common=common), signer, certificate["metadata"]["name"])
        certificate["status"] = {**ready(1), "revision": certificate["status"]["revision"] + 1}

    def put(self, name: str, pair: pki.Pair, signer: pki.Pair, certificate: str, namespace: str = "shop") -> None:
        there = self.objects.get(("Secret", namespace, name))
        root = self.above or signer
        sent = pair.pem if signer is root else pair.pem + signer.pem
        made = pki.secret(name, sent, pki.key_pem(pair.key), more={"ca.crt": root.pem})
        made["metadata"] |= {"annotations": {NAME: certificate}, "namespace": namespace}
        if there:
            made["metadata"]["uid"] = there["metadata"]["uid"]
        self.objects["Secret", namespace, name] = made


def ready(generation: int) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": generation}]}


def kept_world(kind: str = ISSUER) -> KeptWorld:
    """The CA behind an Issuer of the shop, or behind a ClusterIssuer, in cert-manager's namespace."""
    plain, home = ca_world(), "cert-manager" if kind == CLUSTER_ISSUER else "shop"
    made = KeptWorld(**{one.name: getattr(plain, one.name) for one in fields(plain)}, kind=kind, home=home)
    del made.objects["Secret", "shop", "ca"]
    for certificate, name, pair in (("ca", "ca", CA), ("web", "web-tls", LEAF), ("client", "client-tls", CLIENT)):
        is_ca = certificate == "ca"
        namespace = home if is_ca else "shop"
        made.put(name, pair, CA, certificate, namespace)
        spec = {"secretName": name, "commonName": "shop-ca" if is_ca else certificate, "isCA": is_ca}
        signer = {"name": "self"} if is_ca else {"name": "issuer", "kind": kind}
        made.objects["Certificate", namespace, certificate] = {
            **api("Certificate", certificate, {**spec, "issuerRef": signer}, namespace),
            "status": {**ready(1), "revision": 1},
        }
    where = "" if kind == CLUSTER_ISSUER else "shop"
    made.objects[kind, where, "issuer"] = {
        **api(kind, "issuer", {"ca": {"secretName": "ca"}}, where),
        "status": ready(1),
    }
    return made


def kept_below_world(kind: str = ISSUER) -> KeptWorld:
    """The same with a CA that a root has signed, which does not change; everybody trusts that root."""
    made = kept_world(kind)
    made.above, below = CA, pki.ca("below", CA)
    made.authorities = {"ca": below}
    made.put("ca", below, CA, "ca", made.home)
    made.put("web-tls", pki.leaf(below, ("DNS:web.shop.svc", "DNS:web")), below, "web")
    made.put("client-tls", pki.leaf(below, (), common="client"), below, "client")
    made.objects["Certificate", made.home, "ca"]["spec"]["commonName"] = "below"
    made.known.clear()
    made.roll()
    made.broken.clear()
    return made


def api(kind: str, name: str, spec: dict[str, Any], namespace: str = "shop") -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}", "resourceVersion": "1", "generation": 1}
    return {"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def world_of(at: CaDesk) -> KeptWorld:
    assert isinstance(at.world, KeptWorld)
    return at.world


def rotate(at: CaDesk, **asked: Any) -> dict[str, Any]:
    made = world_of(at)
    return at.rotate(**{"issuer": "issuer", "issuer_kind": made.kind, "namespace": made.home, **asked})


def assert_changes_nothing(at: CaDesk, first: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """Asked for once more."""
    writes = at.world.fuse.writes
    again = rotate(at, **asked)
    assert (again["changed"], again["plan"], again["operation"]) == (False, [], first["operation"])
    assert at.world.fuse.writes == writes
    return again


def stored(at: CaDesk, name: str) -> Certificate:
    namespace = "shop" if name.endswith("-tls") else world_of(at).home
    return read_chain(base64.b64decode(at.world.objects["Secret", namespace, name]["data"]["tls.crt"])).certificates[0]


def signs(at: CaDesk) -> str:
    return str(world_of(at).issuer["spec"]["ca"]["secretName"])
