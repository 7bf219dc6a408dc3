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

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issue import generation_of
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain

from . import pki
from .ca_world import CA, CaDesk, CaWorld, ca_world

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
    unproven = rotate(desk())["unproven"]
    assert any("stands below the same root until it ends" in text for text in unproven)


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
        ({"compromised": True}, "taking trust away does not end it"),
    ],
)
def test_what_is_refused(desk: Open, asked: dict[str, Any], says: str) -> None:
    at = desk()
    with pytest.raises(BadInput, match=says):
        rotate(at, **asked)
    assert at.world.fuse.writes == 0


def test_a_parent_that_is_not_there(desk: Open) -> None:
    with pytest.raises(NotFound, match="no CA Secret safe/gone"):
        rotate(desk(), parent="safe/gone")
