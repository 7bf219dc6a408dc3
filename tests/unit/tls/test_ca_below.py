# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A CA below a root: it is replaced, the root stays, and nobody's trust is touched."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issue import generation_of
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.emergency import denied_keys

from . import pki
from .ca_world import CA, MUTUAL, CaDesk, CaWorld, ca_world

BELOW = pki.ca("below", CA)
LEAF = pki.leaf(BELOW, ("DNS:web.shop.svc", "DNS:web"))
CLIENT = pki.leaf(BELOW, (), common="client")
Open = Callable[[], CaDesk]


@dataclass
class BelowWorld(CaWorld):
    """Everybody trusts the root and is shown the CA between with each leaf."""

    def trusts(self, pod: str, leaf: Certificate) -> bool:
        cas = [name for kind, _ns, name in self.objects if kind == "Secret" and name.partition("-")[0] == "ca"]
        between = {one for name in cas for one in chain(self, name)} | set(read_chain(BELOW.pem).certificates)
        roots = read_chain(self.trusting[pod].encode()).certificates
        above = [one for one in between if leaf.signed_by(one)]
        return any(one.signed_by(root) for one in above for root in roots)


def chain(world: CaWorld, name: str) -> tuple[Certificate, ...]:
    return read_chain(base64.b64decode(world.objects["Secret", "shop", name]["data"]["tls.crt"])).certificates


def below_world() -> BelowWorld:
    plain = ca_world()
    made = BelowWorld(**{one.name: getattr(plain, one.name) for one in fields(plain)})
    for name, pair in (("web-tls", LEAF), ("client-tls", CLIENT)):
        made.objects["Secret", "shop", name] = pki.secret(name, pair.pem + BELOW.pem, pki.key_pem(pair.key))
    made.objects["Secret", "shop", "ca"] = pki.secret("ca", BELOW.pem, pki.key_pem(BELOW.key), more={"ca.crt": CA.pem})
    made.objects["Secret", "safe", "root"] = pki.secret("root", CA.pem, pki.key_pem(CA.key), namespace="safe")
    made.known.clear()
    made.roll()
    return made


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda: CaDesk(below_world(), monkeypatch)


def rotate(at: CaDesk, **asked: Any) -> dict[str, Any]:
    return at.rotate(**{"parent": "safe/root", **asked})


def assert_done(at: CaDesk) -> None:
    new, root = chain(at.world, "ca")[0], read_chain(CA.pem).certificates[0]
    assert (new.subject, generation_of(new), new.signed_by(root)) == ("CN=below g2", 2, True)
    assert new.not_after <= root.not_after
    for name in ("web-tls", "client-tls"):
        leaf, sent = chain(at.world, name)
        assert (leaf.signed_by(new), sent) == (True, new)
    assert set(at.world.loaded.values()) == {chain(at.world, "web-tls")[0].fingerprint}
    assert at.world.trust == CA.pem.decode()
    assert at.world.broken == []


def test_the_root_stays_and_nobodys_trust_is_written(desk: Open) -> None:
    at = desk()
    found = rotate(at)
    assert_done(at)
    assert (found["phase"], found["stores"]) == ("DONE", [])
    assert {row["target"] for row in found["leaves"]} == {"shop/web-tls", "shop/client-tls"}


def test_it_names_its_issuer_by_the_key_alone(desk: Open) -> None:
    at = desk()
    rotate(at)
    kind = x509.AuthorityKeyIdentifier
    found = chain(at.world, "ca")[0].x509().extensions.get_extension_for_class(kind).value
    above = read_chain(CA.pem).certificates[0]
    assert found.key_identifier is not None
    assert found.key_identifier.hex() == above.ski
    assert (found.authority_cert_issuer, found.authority_cert_serial_number) == (None, None)


def test_that_the_old_one_is_not_turned_away_is_said(desk: Open) -> None:
    for mutual in ((MUTUAL,), ()):
        unproven = rotate(desk(), mutual=mutual)["unproven"]
        assert any("CA CN=below: that nobody accepts it any more: it stands below the same root" in t for t in unproven)


def test_killed_after_a_write_it_goes_on_or_back(desk: Open) -> None:
    at = desk()
    rotate(at)
    writes = at.world.fuse.writes
    assert writes > 40
    for count in range(1, writes, 5):
        at = desk()
        operation = at.killed(count, partial(rotate, at))
        if count % 2:
            rotate(at, holder="two")
        else:
            at.undo(operation)
            assert chain(at.world, "ca") == read_chain(BELOW.pem).certificates
            assert chain(at.world, "web-tls") == read_chain(LEAF.pem + BELOW.pem).certificates
            rotate(at)
        assert_done(at)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"parent": ""}, "not a root"),
        ({"parent": "shop/ca"}, "was not signed by the one in parent_secret"),
        ({"compromised": True, "parent": ""}, "not a root"),
    ],
)
def test_what_is_refused(desk: Open, asked: dict[str, Any], says: str) -> None:
    at = desk()
    with pytest.raises(BadInput, match=says):
        rotate(at, **asked)
    assert at.world.fuse.writes == 0


def test_a_parent_that_was_given_up_itself(desk: Open) -> None:
    at, root = desk(), read_chain(CA.pem).certificates[0]
    denied = {"name": "knowngood-denied-x", "namespace": "knowngood", "labels": {"knowngood.io/role": "denied"}}
    entry = {"kind": "ConfigMap", "metadata": denied, "data": {"spki": root.spki}}
    at.world.objects["ConfigMap", "knowngood", "x"] = entry
    with pytest.raises(BadInput, match="parent_secret is on the deny-list"):
        rotate(at)
    assert at.world.fuse.writes == 0


class TestCompromised:
    """Given up at once; and no word of it that it were distrusted, as the root above it stays."""

    def test_everybody_has_a_leaf_of_the_next_one_and_nobody_was_cut_off(self, desk: Open) -> None:
        at = desk()
        found = rotate(at, compromised=True)
        assert_done(at)
        assert (found["phase"], found["stores"]) == ("DONE", [])
        assert sorted(name for kind, _ns, name in at.world.objects if kind == "Secret") == [
            "ca", "client-tls", "root", "web-tls",
        ]  # fmt: skip
        cluster: Any = at.world
        assert denied_keys(cluster, "knowngood") == {read_chain(BELOW.pem).certificates[0].spki}

    def test_that_it_is_still_accepted_is_said_before_and_seen_after(self, desk: Open) -> None:
        at = desk()
        shown = rotate(at, compromised=True, check_mode=True)
        downtime, _restarts, no_way_back, stands = shown["cost"]
        assert "none by trust" in downtime
        assert "no way back" in no_way_back
        assert stands.startswith("not the end of it: whoever trusts CN=shop-ca goes on accepting")
        found = rotate(at, compromised=True)
        rows = {row["subject"]: row["ok"] for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
        assert rows["Service shop/web: new CA"] is True
        assert rows["Service shop/web: old CA turned away"] is False
        assert any("that nobody accepts it any more" in text for text in found["unproven"])

    def test_a_store_that_holds_it_itself_holds_the_next_one_from_one_write_on(self, desk: Open) -> None:
        at = desk()
        meta = {"name": "pinned", "namespace": "shop", "uid": "uid-pinned", "resourceVersion": "3"}
        pinned = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta, "data": {"ca.crt": BELOW.pem.decode()}}
        at.world.objects["ConfigMap", "shop", "pinned"] = pinned
        found = rotate(at, compromised=True)
        assert [(row["name"], row["state"]) for row in found["stores"]] == [("pinned", "new")]
        assert "ConfigMap shop/pinned" in found["cost"][0]
        held = read_chain(at.world.objects["ConfigMap", "shop", "pinned"]["data"]["ca.crt"].encode()).certificates
        assert held == (chain(at.world, "ca")[0],)

    def test_there_is_a_way_back_until_the_new_one_signs(self, desk: Open) -> None:
        at = desk()
        at.undo(rotate(at, compromised=True, phase="NEW_CA")["operation"])
        assert chain(at.world, "ca") == read_chain(BELOW.pem).certificates
        with pytest.raises(Conflict, match="compromised and was given up"):
            at.undo(rotate(at, compromised=True)["operation"])

    def test_killed_after_a_write_it_ends_all_the_same(self, desk: Open) -> None:
        at = desk()
        rotate(at, compromised=True)
        for count in range(1, at.world.fuse.writes, 4):
            at = desk()
            at.killed(count, partial(rotate, at, compromised=True))
            rotate(at, compromised=True, holder="two")
            assert_done(at)


def test_a_parent_that_is_not_there(desk: Open) -> None:
    with pytest.raises(NotFound, match="no CA Secret safe/gone"):
        rotate(desk(), parent="safe/gone")
