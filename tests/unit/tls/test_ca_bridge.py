# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge from the old CA to the new one, for those who trust the old one alone: judged by OpenSSL as well."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._tls.authority import authority
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_cross import make_bridge, refuse_unbridgeable
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issue import make_ca
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_request import ca_request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.path import path_problems

from ..core.memory import Died
from . import pki
from .ca_world import CA, LEAF, CaDesk, ca_world

OLD = read_chain(CA.pem).certificates[0]
Open = Callable[[], CaDesk]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda: CaDesk(ca_world(), monkeypatch)


def chain(at: CaDesk, name: str) -> tuple[Certificate, ...]:
    return read_chain(base64.b64decode(at.world.objects["Secret", "shop", name]["data"]["tls.crt"])).certificates


def new_ca(at: CaDesk) -> Certificate:
    return chain(at, "ca")[0]


def holds_for(leaf: Certificate, sent: tuple[Certificate, ...], *trusted: Certificate) -> bool:
    return path_problems(leaf, sent, trusted, pki.NOW) == ()


def test_the_new_leaf_holds_for_who_trusts_the_old_the_new_or_both(desk: Open, tmp_path: Path) -> None:
    at = desk()
    found = at.rotate(bridge=True, phase="LEAVES_REISSUED")
    assert found["phase"] == "LEAVES_REISSUED"
    leaf, bridge = chain(at, "web-tls")
    new = new_ca(at)
    assert (bridge.subject, bridge.spki, bridge.issuer) == (new.subject, new.spki, OLD.subject)
    for trusted in ((OLD,), (new,), (OLD, new)):
        assert holds_for(leaf, (bridge,), *trusted)
        assert openssl_agrees(tmp_path, leaf, bridge, trusted)
    assert not holds_for(leaf, (), OLD)


def openssl_agrees(work: Path, leaf: Certificate, bridge: Certificate, trusted: tuple[Certificate, ...]) -> bool:
    (work / "leaf").write_bytes(leaf.pem())
    (work / "bridge").write_bytes(bridge.pem())
    (work / "trusted").write_bytes(b"".join(one.pem() for one in trusted))
    when = ("-x509_strict", "-attime", str(int(pki.NOW.timestamp())))
    program = ["openssl", "verify", *when, "-CAfile", "trusted", "-untrusted", "bridge", "leaf"]
    return subprocess.run(program, cwd=work, capture_output=True, check=False).returncode == 0


def test_at_the_end_it_is_taken_out_again(desk: Open) -> None:
    at = desk()
    at.rotate(bridge=True)
    for name in ("web-tls", "client-tls"):
        (leaf,) = chain(at, name)
        assert leaf.signed_by(new_ca(at))
    assert [c.spki for c in read_chain(at.world.trust.encode()).certificates] == [new_ca(at).spki]
    assert at.world.broken == []


def test_it_is_taken_back_whole_from_the_end(desk: Open) -> None:
    at = desk()
    at.undo(at.rotate(bridge=True)["operation"])
    assert chain(at, "web-tls") == read_chain(LEAF.pem).certificates
    assert at.world.trust == CA.pem.decode()
    assert at.world.broken == []


def test_killed_around_its_end_it_goes_on_or_back(desk: Open) -> None:
    at = desk()
    at.rotate(bridge=True)
    writes = at.world.fuse.writes
    for count in range(writes - 8, writes):
        at = desk()
        at.world.fuse.left = count
        with pytest.raises(Died):
            at.rotate(bridge=True)
        at.world.fuse.left = 10**9
        operation = next(op.id for op in at.journal.list() if op.plan.kind == "ca-rotation")
        if count % 2:
            at.rotate(bridge=True, holder="two")
            assert len(chain(at, "web-tls")) == 1
        else:
            at.undo(operation)
            assert chain(at, "web-tls") == read_chain(LEAF.pem).certificates


def test_it_ends_with_the_old_ca() -> None:
    old = pki.ca("shop-ca", end=pki.NOW + 30 * pki.DAY)
    signer = authority(pki.secret("ca", old.pem, pki.key_pem(old.key)), pki.NOW)
    made = make_ca(signer.certificate, pki.NOW, 2, key_format="PKCS8")
    bridge = make_bridge(signer, made.certificate, pki.NOW)
    assert bridge.not_after == signer.certificate.not_after
    assert bridge.signed_by(signer.certificate)


def test_a_ca_that_allows_none_below_it_has_none() -> None:
    (flat,) = read_chain(pki.ca("flat", path_length=0).pem).certificates
    with pytest.raises(BadInput, match="no bridge"):
        refuse_unbridgeable(flat, "CA Secret shop/ca")


@pytest.mark.parametrize("asked", [{"compromised": True, "generation": 2}])
def test_nor_has_a_compromised_one(asked: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="no bridge from a compromised CA"):
        ca_request({"ca_secret": "shop/ca", "bridge": True, **asked})
