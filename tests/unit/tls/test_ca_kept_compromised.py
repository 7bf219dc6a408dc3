# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A compromised CA that cert-manager keeps: given up through its issuer and Certificates, and never taken back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    Conflict,
    Denied,
    KnownGoodError,
    NotProven,
    TimedOut,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issuer import CLUSTER_ISSUER, ISSUER
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.emergency import denied_keys

from . import pki
from .ca_world import CA, CLIENT, LEAF, CaDesk
from .kept_world import KeptWorld, assert_changes_nothing, kept_below_world, kept_world, ready, signs, stored, world_of
from .kept_world import rotate as rotate_kept

Open = Callable[..., CaDesk]
rotate = partial(rotate_kept, compromised=True)


@pytest.fixture(params=[ISSUER, CLUSTER_ISSUER])
def desk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Open:
    def open_one(**fields: Any) -> CaDesk:
        made = kept_world(request.param)
        for name, value in fields.items():
            setattr(made, name, value)
        return CaDesk(made, monkeypatch)

    return open_one


def denied(at: CaDesk) -> frozenset[str]:
    cluster: Any = at.world
    return denied_keys(cluster, "knowngood")


def old() -> Any:
    return read_chain(CA.pem).certificates[0]


def assert_given_up(at: CaDesk) -> None:
    """Nothing of the old CA signs, is trusted, stored, served or kept; no process of before is left."""
    new = stored(at, "ca-g2")
    assert signs(at) == "ca-g2"
    assert [c.fingerprint for c in read_chain(at.world.trust.encode()).certificates] == [new.fingerprint]
    assert set(at.world.trusting.values()) == {at.world.trust}
    for name in ("web-tls", "client-tls"):
        assert stored(at, name).signed_by(new)
    assert set(at.world.loaded.values()) == {stored(at, "web-tls").fingerprint}
    assert sorted(f"{kind}/{name}" for kind, _ns, name in at.world.objects if name.startswith("ca")) == [
        "Certificate/ca-g2",
        "Secret/ca-g2",
    ]
    assert denied(at) == {old().spki}
    assert world_of(at).held == {1}  # at no moment are both trusted
    assert world_of(at).written == set()


def assert_untouched(at: CaDesk) -> None:
    assert signs(at) == "ca"
    assert at.world.trust == CA.pem.decode()
    for name, pair in (("web-tls", LEAF), ("client-tls", CLIENT)):
        assert stored(at, name).fingerprint == pair.fingerprint
    assert at.world.broken == []


class TestGivenUp:
    def test_through_its_keepers_alone(self, desk: Open) -> None:
        at = desk()
        found = rotate(at)
        assert_given_up(at)
        assert (found["changed"], found["phase"]) == (True, "DONE")
        assert found["restarted"] == ["shop/Deployment/client", "shop/Deployment/web"]
        proof = {row["target"]: row for row in found["leaves"]}
        assert [row["ok"] for row in proof["shop/web-tls"]["proof"]] == [True, True, True]
        assert proof["shop/web-tls"]["new"] == stored(at, "web-tls").fingerprint
        rows = {row["subject"]: row["ok"] for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
        assert rows["Service shop/web: old CA turned away"] is True

    def test_what_cert_manager_may_fail_in_comes_before_trust_is_touched(self, desk: Open) -> None:
        shown = rotate(desk(), check_mode=True)
        names = [row["name"].split()[0] for row in shown["plan"]]
        assert names == [
            "deny", "baseline", "stage", "baseline", "baseline", "able",
            "commit", "ask", "renew", "renew", "swap", "renew", "prove", "prove",
            "unused", "negative", "destroy", "leaks",
        ]  # fmt: skip
        assert "from the first leaf that cert-manager renews" in shown["cost"][0]

    def test_again_it_changes_nothing(self, desk: Open) -> None:
        at = desk()
        first = rotate(at)
        writes = at.world.fuse.writes
        again = assert_changes_nothing(at, first, compromised=True)
        with pytest.raises(Conflict, match="compromised and was given up"):
            at.undo(first["operation"])
        assert again["downtime_s"] >= 0
        assert at.world.fuse.writes == writes

    def test_where_copies_of_its_key_may_not_be_looked_for_is_said(
        self, desk: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at, listed = desk(), KeptWorld.list

        def not_there(world: KeptWorld, kind: Any, namespace: str | None = None, **more: Any) -> Any:
            if (kind, namespace) == ("Secret", "cert-manager"):
                raise Denied("not allowed")
            return listed(world, kind, namespace, **more)

        monkeypatch.setattr(KeptWorld, "list", not_there)
        told = [text for text in rotate(at)["unproven"] if "copies of the key" in text]
        wide = world_of(at).kind == CLUSTER_ISSUER
        assert told == ["copies of the key in Secrets of namespace cert-manager: not allowed to look"] * wide

    def test_a_copy_of_its_key_elsewhere_in_its_scope_is_named(self, desk: Open) -> None:
        at = desk()
        copied = pki.secret("copied", CA.pem, pki.key_pem(CA.key))
        copied["data"].pop("tls.crt")
        at.world.objects["Secret", "shop", "copied"] = copied
        (row,) = rotate(at)["copies"]
        assert (row["object"], row["place"], row["purged"]) == ("Secret shop/copied", "data tls.key", False)


class TestBefore:
    def test_nothing_in_use_is_touched_and_there_is_a_way_back(self, desk: Open) -> None:
        at = desk()
        found = rotate(at, phase="NEW_CA")
        assert found["phase"] == "NEW_CA"
        assert_untouched(at)
        at.undo(found["operation"])
        assert_untouched(at)
        assert denied(at) == frozenset()
        rotate(at)
        assert_given_up(at)

    def test_a_leaf_that_cert_manager_does_not_keep_well_stops_it(self, desk: Open) -> None:
        at = desk()
        certificate = at.world.objects["Certificate", "shop", "web"]
        certificate["status"]["conditions"] = []
        with pytest.raises(NotProven, match="not at rest with the leaf"):
            rotate(at)
        assert_untouched(at)
        certificate["status"] |= ready(1)
        rotate(at)
        assert_given_up(at)

    def test_one_that_it_would_renew_with_the_old_key_as_well(self, desk: Open) -> None:
        at = desk()
        rotate(at, phase="NEW_CA")
        at.world.objects["Certificate", "shop", "web"]["spec"]["privateKey"] = {"rotationPolicy": "Never"}
        with pytest.raises(KnownGoodError, match="with the old key"):
            rotate(at)
        assert_untouched(at)

    def test_a_leaf_that_was_renewed_meanwhile_is_renewed_once_more(self, desk: Open) -> None:
        at = desk()
        rotate(at, phase="NEW_CA")
        world_of(at).renew(at.world.objects["Certificate", "shop", "web"])
        at.world.roll("web")
        rotate(at)
        assert_given_up(at)

    def test_an_issuer_that_does_not_take_the_new_one_has_a_way_back(self, desk: Open) -> None:
        at = desk(unready=True)
        operation = rotate(at, phase="NEW_CA")["operation"]
        with pytest.raises(TimedOut, match="does not become ready"):
            rotate(at)
        assert at.world.broken == []
        world_of(at).unready = False
        at.undo(operation)
        assert_untouched(at)


class TestOnTheWay:
    def test_a_renewal_that_ends_with_the_old_ca_is_asked_for_again(self, desk: Open) -> None:
        at = desk(stale=2)
        rotate(at)
        assert_given_up(at)

    def test_so_is_one_that_fails_as_the_issuer_changes(self, desk: Open) -> None:
        at = desk(failing=2)
        rotate(at)
        assert_given_up(at)

    def test_but_not_without_end(self, desk: Open) -> None:
        at = desk(stale=99)
        with pytest.raises(NotProven, match="goes on signing with another CA"):
            rotate(at)
        assert at.world.trust == CA.pem.decode()
        world_of(at).stale = 0
        rotate(at)
        assert_given_up(at)

    def test_where_cert_manager_cannot_sign_trust_is_as_it_was_and_it_goes_on_later(self, desk: Open) -> None:
        at = desk(fails=True)
        with pytest.raises(NotProven, match="could not renew"):
            rotate(at)
        assert at.world.trust == CA.pem.decode()
        assert at.world.broken == []
        world_of(at).fails = False
        rotate(at)
        assert_given_up(at)

    def test_once_the_new_one_signs_there_is_no_way_back(self, desk: Open) -> None:
        at = desk(fails=True)
        with pytest.raises(NotProven):
            rotate(at)
        (operation,) = [op.id for op in at.journal.list() if op.plan.kind == "ca-rotation"]
        before = copy.deepcopy(at.world.objects)
        world_of(at).issuer["status"] = {}  # it was ready when the journal had it
        with pytest.raises(Conflict, match="compromised and was given up"):
            at.undo(operation)
        world_of(at).issuer["status"] = before[world_of(at).kind, *_issuer_place(at)]["status"]
        assert at.world.objects == before

    def test_killed_after_every_write_it_goes_on_or_back_or_is_refused_whole(self, desk: Open) -> None:
        at = desk()
        rotate(at)
        writes = at.world.fuse.writes
        assert writes > 40
        refused = 0
        for count in range(1, writes):
            at = desk()
            operation = at.killed(count, partial(rotate, at))
            if count % 2:
                rotate(at, holder="two")
                assert_given_up(at)
                continue
            before = copy.deepcopy(at.world.objects)
            if signs(at) == "ca":
                at.undo(operation)
                assert_untouched(at)
                assert denied(at) == frozenset()
                continue
            refused += 1
            with pytest.raises(KnownGoodError):
                at.undo(operation)
            assert at.world.objects == before
            rotate(at)
            assert_given_up(at)
        assert refused > 10


@pytest.fixture(params=[ISSUER, CLUSTER_ISSUER])
def below(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> CaDesk:
    return CaDesk(kept_below_world(request.param), monkeypatch)


class TestBelowARoot:
    def assert_replaced(self, at: CaDesk) -> None:
        new = stored(at, "ca-g2")
        assert (new.subject, new.issuer, signs(at)) == ("CN=below g2", "CN=shop-ca", "ca-g2")
        for name in ("web-tls", "client-tls"):
            assert stored(at, name).signed_by(new)
        assert set(at.world.loaded.values()) == {stored(at, "web-tls").fingerprint}
        assert at.world.trust == CA.pem.decode()
        assert at.world.broken == []

    def test_with_overlap_nobodys_trust_is_touched(self, below: CaDesk) -> None:
        found = rotate_kept(below)
        self.assert_replaced(below)
        assert (found["stores"], below.world.objects.get(("Secret", world_of(below).home, "ca")) is None) == ([], False)
        assert any("that nobody accepts it any more" in text for text in found["unproven"])

    def test_given_up_it_is_said_that_the_root_vouches_for_it_still(self, below: CaDesk) -> None:
        found = rotate(below)
        self.assert_replaced(below)
        assert ("Secret", world_of(below).home, "ca") not in below.world.objects
        assert found["cost"][-1].startswith("not the end of it: whoever trusts CN=shop-ca")
        rows = {row["subject"]: row["ok"] for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
        assert rows["Service shop/web: old CA turned away"] is False
        assert any("CA CN=below: that nobody accepts it any more" in text for text in found["unproven"])


def _issuer_place(at: CaDesk) -> tuple[str, str]:
    return ("" if world_of(at).kind == CLUSTER_ISSUER else "shop", "issuer")
