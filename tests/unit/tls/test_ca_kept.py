# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA that cert-manager keeps: rotated through its Issuer and Certificates, killed anywhere, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, Denied, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issuer import CLUSTER_ISSUER, ISSUER, next_name
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_request import ca_request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import read_chain

from . import pki
from .ca_world import CA, CaDesk
from .kept_world import KeptWorld, api, assert_changes_nothing, kept_world, rotate, signs, stored, world_of

Open = Callable[[], CaDesk]
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("overlap", "soak", "propagation", "reload_wait", "keep_previous_for"), "1s"),
    "webhooks": False,
    "wait_timeout": 1,
    "destroy_old_key": False,
}


@pytest.fixture(params=[ISSUER, CLUSTER_ISSUER])
def desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda: CaDesk(kept_world(request.param), monkeypatch)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> CaDesk:
    """Of a ClusterIssuer."""
    return CaDesk(kept_world(CLUSTER_ISSUER), monkeypatch)


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
    assert world_of(at).written == set()


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
        assert_changes_nothing(at, rotate(at))

    def test_the_one_after_that(self, desk: Open) -> None:
        at = desk()
        rotate(at, destroy_old_key=True)
        assert ("Secret", world_of(at).home, "ca") not in at.world.objects
        assert ("Certificate", world_of(at).home, "ca") not in at.world.objects
        rotate(at, generation=3)
        assert_stands_on(at, "ca-g3")

    def test_the_old_one_is_destroyed_when_that_is_asked_for_later(self, desk: Open) -> None:
        at = desk()
        first = rotate(at)
        found = rotate(at, destroy_old_key=True)
        assert [row["name"] for row in found["plan"]] == [f"destroy {world_of(at).home}/ca"]
        assert_stands_on(at, "ca-g2")
        assert generations(at) == ["Certificate/ca-g2", "Secret/ca-g2"]
        assert ("Secret", world_of(at).home, "ca") not in at.world.objects
        assert ("Certificate", world_of(at).home, "ca") not in at.world.objects
        assert not rotate(at, destroy_old_key=True)["changed"]
        with pytest.raises(Conflict, match="cannot be put back"):
            at.undo(first["operation"])
        assert_stands_on(at, "ca-g2")

    def test_without_the_old_one_there_is_no_way_back(self, desk: Open) -> None:
        at = desk()
        operation = rotate(at)["operation"]
        del at.world.objects["Secret", world_of(at).home, "ca"]
        with pytest.raises(Conflict, match="cannot be put back"):
            at.undo(operation)
        assert_stands_on(at, "ca-g2")

    def test_nor_where_it_was_renewed_since_with_another_key(self, desk: Open) -> None:
        at = desk()
        operation = rotate(at)["operation"]
        made, other = world_of(at), pki.ca("shop-ca")
        made.put("ca", other, other, "ca", made.home)
        with pytest.raises(Conflict, match="cannot be put back") as caught:
            at.undo(operation)
        assert "which nobody trusts" in str(caught.value.why)
        assert signs(at) == "ca-g2"

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
        self.refused(
            at,
            f"no {'Issuer shop/gone' if world_of(at).kind == ISSUER else 'ClusterIssuer gone'}",
            NotFound,
            issuer="gone",
        )
        self.refused(at, "cert-manager keeps this CA", issuer="")
        self.refused(at, "no place for a bridge", bridge=True)
        issuer = world_of(at).issuer
        issuer["spec"] = {"selfSigned": {}}
        self.refused(at, "not one of a CA")
        issuer["spec"] = {"ca": {"secretName": "other"}}
        self.refused(at, "not kept by one Certificate")
        at.world.objects["Certificate", world_of(at).home, "ca"]["spec"]["isCA"] = False
        issuer["spec"] = {"ca": {"secretName": "ca"}}
        self.refused(at, "isCA is not true")
        assert at.world.fuse.writes == 0

    def test_a_certificate_of_somebody_else_is_in_its_place(self, desk: Open) -> None:
        at = desk()
        home = world_of(at).home
        at.world.objects["Certificate", home, "ca-g2"] = api("Certificate", "ca-g2", {"secretName": "theirs"}, home)
        with pytest.raises(Conflict, match="is not ours"):
            rotate(at)

    def test_an_issuer_that_somebody_pointed_elsewhere_holds_it(self, desk: Open) -> None:
        at = desk()
        rotate(at, phase="TRUST_PROVEN")
        world_of(at).issuer["spec"] = {"ca": {"secretName": "theirs"}}
        with pytest.raises(Conflict, match=f"pointed the {world_of(at).kind} elsewhere"):
            rotate(at)
        assert signs(at) == "theirs"


class TestOfAClusterIssuer:
    def test_nothing_of_ours_is_in_the_namespace_of_cert_manager_but_the_next_generation(self, wide: CaDesk) -> None:
        rotate(wide)
        there = sorted(f"{kind}/{name}" for kind, namespace, name in wide.world.objects if namespace == "cert-manager")
        assert there == ["Certificate/ca", "Certificate/ca-g2", "Secret/ca", "Secret/ca-g2"]

    def test_who_is_in_no_namespace_that_was_named_stops_it(self, wide: CaDesk) -> None:
        issued = {"secretName": "tls", "issuerRef": {"name": "issuer", "kind": CLUSTER_ISSUER}}
        wide.world.objects["Certificate", "billing", "api"] = api("Certificate", "api", issued, "billing")
        with pytest.raises(BadInput, match="namespaces that were not named") as caught:
            rotate(wide)
        assert caught.value.where == "Certificate billing/api"
        assert wide.world.fuse.writes == 0
        found = rotate(wide, waive=("Certificate billing/api",))
        assert any("Certificate billing/api: waived" in text for text in found["unproven"])

    def test_of_another_issuer_of_that_name_they_are_nothing_to_it(self, wide: CaDesk) -> None:
        for kind in ({}, {"kind": ISSUER}):
            issued = {"secretName": "tls", "issuerRef": {"name": "issuer", **kind}}
            wide.world.objects["Certificate", "billing", "api"] = api("Certificate", "api", issued, "billing")
            assert rotate(wide, check_mode=True)["changed"]

    def test_who_may_not_look_there_is_told_that_nothing_is_known(
        self, wide: CaDesk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = KeptWorld.list

        def of_named_ones(world: KeptWorld, kind: Any, namespace: str | None = None, **more: Any) -> Any:
            if kind == "Certificate" and namespace is None:
                raise Denied("not allowed")
            return listed(world, kind, namespace, **more)

        monkeypatch.setattr(KeptWorld, "list", of_named_ones)
        found = rotate(wide)
        assert any("not allowed to look whether issuer signs for them" in text for text in found["unproven"])

    def test_it_is_not_the_same_as_an_issuer_of_that_name(self) -> None:
        asked = {
            "ca_cluster_issuer": "ca",
            "cluster_resource_namespace": "cert-manager",
            "namespaces": ["shop", "shop"],
        }
        made = ca_request({**DEFAULTS, **asked, "leaves": [{"secret": "web-tls"}]})
        assert (made.issuer_kind, made.namespace, made.namespaces) == (CLUSTER_ISSUER, "cert-manager", ("shop",))
        assert made.leaves[0].target.ref == "shop/web-tls"
        other = ca_request({**DEFAULTS, "ca_issuer": "cert-manager/ca"})
        assert (made.lease, other.lease) == ("cert-manager/ca", "cert-manager/ca")
        assert made.plan_key != other.plan_key

    def test_bad_input(self) -> None:
        asked = {**DEFAULTS, "cluster_resource_namespace": "cert-manager"}
        with pytest.raises(BadInput, match="not a name"):
            ca_request({**asked, "ca_cluster_issuer": "cert-manager/ca", "namespaces": ["shop"]})
        with pytest.raises(BadInput, match="whom the ClusterIssuer signs for"):
            ca_request({**asked, "ca_cluster_issuer": "ca"})


@pytest.mark.parametrize(
    ("name", "generation", "after"),
    [("ca", 2, "ca-g2"), ("ca-g2", 3, "ca-g3"), ("c" * 70, 2, "c" * 60 + "-g2"), ("my-gg2", 2, "my-gg2-g2")],
)
def test_names_of_generations(name: str, generation: int, after: str) -> None:
    assert next_name(name, generation) == after
