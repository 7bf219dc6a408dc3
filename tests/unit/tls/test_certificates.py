# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PEM and certificates: read block by block, and told exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import (
    Certificate,
    bundle,
    issuers_of,
    read_chain,
    read_der,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.pem import blocks, pem

from . import pki


def read(pair: pki.Pair) -> Certificate:
    found = read_chain(pair.pem).leaf
    assert found is not None
    return found


@given(st.binary(min_size=1, max_size=300))
def test_what_is_written_is_read_again(data: bytes) -> None:
    (block,) = blocks(pem("CERTIFICATE", data))
    assert (block.label, block.der, block.error) == ("CERTIFICATE", data, "")


@given(st.binary(max_size=400))
def test_no_text_is_too_broken_to_look_at(data: bytes) -> None:
    for text in (data, b"-----BEGIN CERTIFICATE-----" + data + b"-----END CERTIFICATE-----"):
        assert all(block.der or block.error for block in blocks(text)), "a block is read or says why not"
    assert read_chain(b"-----BEGIN CERTIFICATE-----\n" + data).leaf is None


def test_an_empty_text_has_no_blocks() -> None:
    assert blocks(b"") == ()
    assert read_chain(b"").leaf is None


def test_one_bad_block_is_named_by_its_number_and_does_not_hide_the_others() -> None:
    ca = pki.ca()
    leaf = pki.leaf(ca)
    broken = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"
    cut = ca.pem[:100]
    chain = read_chain(leaf.pem + broken + ca.pem + pem("CERTIFICATE", b"no DER") + cut)
    assert [c.fingerprint for c in chain.certificates] == [leaf.fingerprint, ca.fingerprint]
    assert chain.problems[0] == "block 2 (CERTIFICATE): not base64"
    assert chain.problems[1].startswith("block 4 (CERTIFICATE): not a certificate")
    assert chain.problems[2] == "block 5 (CERTIFICATE): no END line"


def test_windows_line_ends_text_between_blocks_and_headers_are_fine() -> None:
    ca = pki.ca()
    text = b"subject=ca\r\n" + ca.pem.replace(b"\n", b"\r\n") + b"# and more\r\n"
    assert read_chain(text).certificates == (read(ca),)
    (key,) = blocks(
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X\n\nAAAA\n-----END RSA PRIVATE KEY-----"
    )
    assert key.encrypted
    assert key.private


def test_a_certificate_tells_its_facts() -> None:
    ca = pki.ca("the-ca")
    names = ("DNS:b.example", "IP:10.0.0.1", "DNS:a.example", "email:x@example.org", "URI:spiffe://x/y")
    found = read(pki.leaf(ca, names))
    assert found.names == names
    assert (found.subject, found.issuer) == ("CN=web", "CN=the-ca")
    assert found.key == "ECDSA-P-256"
    assert found.aki == read(ca).ski
    assert not found.ca
    assert found.days_left(pki.NOW) == 30.0
    assert found.fingerprint.startswith("sha256:")
    assert len(found.fingerprint) == 71
    assert read_der(found.der) == found


@pytest.mark.parametrize("kind", ["RSA-2048", "ECDSA-P-256", "ECDSA-P-384", "ECDSA-P-521", "Ed25519", "Ed448"])
def test_each_kind_of_key_has_its_name(kind: str) -> None:
    assert read(pki.leaf(pki.ca(), kind=kind)).key == kind


def test_the_way_up_is_found_in_any_order_and_checked_by_signature() -> None:
    root = pki.ca("root")
    middle = pki.ca("middle", root)
    impostor = pki.ca("middle", pki.ca("root"))
    leaf = pki.leaf(middle)
    pool = [read(impostor), read(root), read(middle)]
    assert issuers_of(read(leaf), pool) == (read(middle), read(root))
    assert issuers_of(read(leaf), [read(impostor)]) == ()


def test_a_bundle_ends_with_one_newline() -> None:
    text = bundle([read(pki.ca()), read(pki.ca("other"))])
    assert text.endswith(b"-----END CERTIFICATE-----\n")
    assert b"\n\n" not in text
