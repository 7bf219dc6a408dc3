# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA that cert-manager keeps: rotated through its Issuer and Certificates, killed anywhere, and taken back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issuer import next_name
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certmanager import NAME

from . import pki
from .ca_world import CA, CLIENT, LEAF, CaDesk, CaWorld, ca_world
from .world import condition

Open = Callable[[], CaDesk]
LEAVES = {"web": ("web-tls", ("DNS:web.shop.svc", "DNS:web"), "web"), "client": ("client-tls", (), "client")}


@dataclass
class KeptWorld(CaWorld):
    """cert-manager: makes what new Certificates ask for, renews on demand, and says when an Issuer is ready."""

    authorities: dict[str, pki.Pair] = field(default_factory=lambda: {"ca": CA})
    written: set[str] = field(default_factory=set)

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
        if obj["kind"] == "Issuer" and before and before["spec"] != obj["spec"]:
            obj["metadata"]["generation"] = before["metadata"]["generation"] + 1
            obj["status"] = ready(obj["metadata"]["generation"])
        self.look_for_cut_off()

    def make(self, certificate: dict[str, Any]) -> None:
        """A CA of its own, as a selfSigned issuer makes it."""
        name = certificate["spec"]["secretName"]
        self.authorities[name] = pair = pki.ca(certificate["spec"]["commonName"])
        self.put(name, pair, pair, certificate["metadata"]["name"])
        certificate["status"] = {**ready(1), "revision": 1}

    def renew(self, certificate: dict[str, Any]) -> None:
        name, names, common = LEAVES[certificate["metadata"]["name"]]
        signer = self.authorities[self.objects["Issuer", "shop", "issuer"]["spec"]["ca"]["secretName"]]
        self.put(name, pki.leaf(signer, names, common=common), signer, certificate["metadata"]["name"])
        certificate["status"] = {**ready(1), "revision": certificate["status"]["revision"] + 1}

    def put(self, name: str, pair: pki.Pair, signer: pki.Pair, certificate: str) -> None:
        there = self.objects.get(("Secret", "shop", name))
        made = pki.secret(name, pair.pem, pki.key_pem(pair.key), more={"ca.crt": signer.pem})
        made["metadata"]["annotations"] = {NAME: certificate}
        if there:
            made["metadata"]["uid"] = there["metadata"]["uid"]
        self.objects["Secret", "shop", name] = made


def ready(generation: int) -> dict[str, Any]:
    return {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": generation}]}


def kept_world() -> KeptWorld:
    plain = ca_world()
    made = KeptWorld(**{one.name: getattr(plain, one.name) for one in fields(plain)})
    for certificate, name, pair in (("ca", "ca", CA), ("web", "web-tls", LEAF), ("client", "client-tls", CLIENT)):
        made.put(name, pair, CA, certificate)
        spec = {"secretName": name, "commonName": "shop-ca" if certificate == "ca" else certificate}
        made.objects["Certificate", "shop", certificate] = {
            **api("Certificate", certificate, {**spec, "isCA": certificate == "ca", "issuerRef": {"name": "self"}}),
            "status": {**ready(1), "revision": 1},
        }
    made.objects["Issuer", "shop", "issuer"] = {
        **api("Issuer", "issuer", {"ca": {"secretName": "ca"}}),
        "status": ready(1),
    }
    return made


def api(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "uid": f"{kind}-{name}", "resourceVersion": "1", "generation": 1}
    return {"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": meta, "spec": spec}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda: CaDesk(kept_world(), monkeypatch)


def rotate(at: CaDesk, **asked: Any) -> dict[str, Any]:
    return at.rotate(**{"issuer": "issuer", **asked})


def stored(at: CaDesk, name: str) -> Certificate:
    return read_chain(base64.b64decode(at.world.objects["Secret", "shop", name]["data"]["tls.crt"])).certificates[0]


def signs(at: CaDesk) -> str:
    return str(at.world.objects["Issuer", "shop", "issuer"]["spec"]["ca"]["secretName"])


def assert_stands_on(at: CaDesk, secret: str) -> None:
    """That CA signs and is trusted alone, all leaves are its own, and nobody was cut off or written over."""
    ca = stored(at, secret)
    assert signs(at) == secret
    assert [c.fingerprint for c in read_chain(at.world.trust.encode()).certificates] == [ca.fingerprint]
    assert stored(at, "web-tls").signed_by(ca)
    assert stored(at, "client-tls").signed_by(ca)
    assert set(at.world.loaded.values()) == {stored(at, "web-tls").fingerprint}
    # On the way back processes may go on with both: the one that is gone signs nothing any more.
    assert secret == "ca" or set(at.world.trusting.values()) == {at.world.trust}
    assert at.world.broken == []
    assert isinstance(at.world, KeptWorld)
    assert at.world.written == set()


def generations(at: CaDesk) -> list[str]:
    return sorted(f"{kind}/{name}" for kind, _ns, name in at.world.objects if name.startswith("ca-"))


class TestThroughItsKeepers:
    def test_the_next_generation_stands_beside_the_old_one(self, desk: Open) -> None:
        at = desk()
        found = rotate(at)
        assert (found["phase"], found["changed"]) == ("DONE", True)
        assert_stands_on(at, "ca-g2")
        assert stored(at, "ca-g2").subject == "CN=shop-ca g2"
        assert generations(at) == ["Certificate/ca-g2", "Secret/ca-g2"]
        assert stored(at, "ca").fingerprint == read_chain(CA.pem).certificates[0].fingerprint

    def test_again_it_changes_nothing(self, desk: Open) -> None:
        at = desk()
        first = rotate(at)
        writes = at.world.fuse.writes
        again = rotate(at)
        assert (again["changed"], again["plan"], again["operation"]) == (False, [], first["operation"])
        assert at.world.fuse.writes == writes

    def test_the_one_after_that(self, desk: Open) -> None:
        at = desk()
        rotate(at, destroy_old_key=True)
        assert ("Secret", "shop", "ca") not in at.world.objects
        assert ("Certificate", "shop", "ca") not in at.world.objects
        rotate(at, generation=3)
        assert_stands_on(at, "ca-g3")

    def test_what_cert_manager_puts_beside_leaves_is_said(self, desk: Open) -> None:
        told = [text for text in rotate(desk())["unproven"] if "cert-manager puts the new CA there" in text]
        assert len(told) == 2

    @pytest.mark.parametrize("phase", ["NEW_CA", "TRUST_PROVEN", "ISSUER_SWITCHED", "LEAVES_REISSUED", "DONE"])
    def test_there_is_a_way_back(self, desk: Open, phase: str) -> None:
        at = desk()
        at.undo(rotate(at, phase=phase)["operation"])
        assert_stands_on(at, "ca")
        assert generations(at) == []


class TestKilled:
    def test_after_every_write_it_goes_on_or_back(self, desk: Open) -> None:
        at = desk()
        rotate(at)
        writes = at.world.fuse.writes
        assert writes > 50
        for count in range(1, writes):
            at = desk()
            operation = at.killed(count, partial(rotate, at))
            if count % 2:
                rotate(at, holder="two")
                assert_stands_on(at, "ca-g2")
            else:
                at.undo(operation)
                assert_stands_on(at, "ca")
                assert generations(at) == []


class TestRefused:
    def refused(self, at: CaDesk, says: str, error: type[Exception] = BadInput, **asked: Any) -> None:
        with pytest.raises(error, match=says):
            rotate(at, **asked)

    def test_each_is_one_clear_message(self, desk: Open) -> None:
        at = desk()
        self.refused(at, "no Issuer shop/gone", NotFound, issuer="gone")
        self.refused(at, "cert-manager keeps this CA", issuer="")
        self.refused(at, "no place for a bridge", bridge=True)
        issuer = at.world.objects["Issuer", "shop", "issuer"]
        issuer["spec"] = {"selfSigned": {}}
        self.refused(at, "not one of a CA")
        issuer["spec"] = {"ca": {"secretName": "other"}}
        self.refused(at, "not kept by one Certificate")
        issuer["spec"] = {"ca": {"secretName": "web-tls"}}
        self.refused(at, "isCA is not true")
        assert at.world.fuse.writes == 0

    def test_a_certificate_of_somebody_else_is_in_its_place(self, desk: Open) -> None:
        at = desk()
        at.world.objects["Certificate", "shop", "ca-g2"] = api("Certificate", "ca-g2", {"secretName": "theirs"})
        with pytest.raises(Conflict, match="is not ours"):
            rotate(at)

    def test_an_issuer_that_somebody_pointed_elsewhere_holds_it(self, desk: Open) -> None:
        at = desk()
        rotate(at, phase="TRUST_PROVEN")
        at.world.objects["Issuer", "shop", "issuer"]["spec"] = {"ca": {"secretName": "theirs"}}
        with pytest.raises(Conflict, match="pointed the Issuer elsewhere"):
            rotate(at)
        assert signs(at) == "theirs"


@pytest.mark.parametrize(
    ("name", "generation", "after"),
    [("ca", 2, "ca-g2"), ("ca-g2", 3, "ca-g3"), ("c" * 70, 2, "c" * 60 + "-g2"), ("my-gg2", 2, "my-gg2-g2")],
)
def test_names_of_generations(name: str, generation: int, after: str) -> None:
    assert next_name(name, generation) == after
