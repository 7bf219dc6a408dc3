# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issuing: everything is kept but the key, and no leaf outlives its CA."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._tls.authority import Authority, authority
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, extension, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.issue import Issued, changes, issue, judged, validity
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import key_matches, read_key, spki_of

from . import pki

NAMES = st.lists(
    st.one_of(
        st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,6}){0,2}", fullmatch=True).map(lambda name: f"DNS:{name}"),
        st.from_regex(r"\*\.[a-z]{1,8}\.[a-z]{2,4}", fullmatch=True).map(lambda name: f"DNS:{name}"),
        st.ip_addresses().map(lambda address: f"IP:{address}"),
        st.from_regex(r"[a-z]{1,6}@[a-z]{1,6}\.org", fullmatch=True).map(lambda name: f"email:{name}"),
    ),
    min_size=1,
    max_size=6,
    unique=True,
).map(tuple)
KINDS = st.sampled_from(["RSA-2048", "ECDSA-P-256", "ECDSA-P-384", "Ed25519"])
ROOT = pki.ca("root")


def of(pair: pki.Pair) -> Certificate:
    found = read_chain(pair.pem).leaf
    assert found is not None
    return found


def secret_of(*chain: pki.Pair) -> dict[str, object]:
    return pki.secret("ca", b"".join(pair.pem for pair in chain), pki.key_pem(chain[0].key))


def authority_of(*chain: pki.Pair, now: dt.datetime = pki.NOW) -> Authority:
    return authority(secret_of(*chain), now)


def reissued(leaf: pki.Pair, ca: Authority, *, key_format: str = "PKCS8", kind: str = "same") -> Issued:
    return issue(of(leaf), ca, pki.NOW, key_format=key_format, kind=kind)


@settings(max_examples=20)
@given(NAMES, KINDS, st.integers(1, 900), st.integers(-900, 900), st.integers(1, 900))
def test_every_attribute_is_kept_and_the_leaf_never_outlives_its_ca(
    names: tuple[str, ...], kind: str, life: int, ca_began: int, ca_left: int
) -> None:
    begin = min(pki.NOW - 1 * pki.DAY, pki.NOW - abs(ca_began) * pki.DAY)
    signer = pki.ca("ca", kind="ECDSA-P-256", begin=begin, end=pki.NOW + ca_left * pki.DAY)
    old = pki.leaf(signer, names, kind=kind, begin=pki.NOW - life * pki.DAY, end=pki.NOW + pki.DAY)
    ca = authority_of(signer)
    new = reissued(old, ca)
    certificate = new.certificate
    assert certificate.names == names
    assert certificate.subject == of(old).subject
    assert certificate.key == kind
    assert certificate.spki != of(old).spki
    assert certificate.serial != of(old).serial
    assert changes(of(old), certificate) == ()
    assert ca.not_before <= certificate.not_before <= pki.NOW
    assert certificate.not_after <= ca.not_after
    wanted = of(old).not_after - of(old).not_before
    assert certificate.not_after - certificate.not_before <= wanted
    if ca.not_after - certificate.not_before >= wanted:
        assert certificate.not_after - certificate.not_before == wanted
    assert judged(of(old), new, ca, pki.NOW) == ()
    assert key_matches(new.key, certificate)


@pytest.mark.parametrize(
    ("kind", "fmt", "label"),
    [
        ("RSA-2048", "PKCS1", b"-----BEGIN RSA PRIVATE KEY-----"),
        ("RSA-2048", "PKCS8", b"-----BEGIN PRIVATE KEY-----"),
        ("ECDSA-P-256", "SEC1", b"-----BEGIN EC PRIVATE KEY-----"),
        ("ECDSA-P-384", "PKCS8", b"-----BEGIN PRIVATE KEY-----"),
        ("Ed25519", "PKCS8", b"-----BEGIN PRIVATE KEY-----"),
    ],
)
def test_the_format_of_the_key_is_kept(kind: str, fmt: str, label: bytes) -> None:
    old = pki.leaf(ROOT, kind=kind)
    found, was = read_key(pki.key_pem(old.key, "PKCS8" if fmt == "PKCS8" else "old"), "here")
    assert was == fmt
    assert spki_of(found) == of(old).spki
    new = reissued(old, authority_of(ROOT), key_format=was)
    assert new.key.startswith(label)
    assert read_key(new.key, "here")[1] == fmt


def test_extensions_are_kept_with_their_criticality_but_those_about_key_and_issuer() -> None:
    extensions = [
        (x509.BasicConstraints(False, None), True),
        (pki.usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), True),
        (x509.TLSFeature([x509.TLSFeatureType.status_request]), False),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), None)]), False),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.5"), b"\x05\x00"), False),
    ]
    old = pki.leaf(ROOT, extensions=extensions)
    new = reissued(old, authority_of(ROOT)).certificate.x509()
    for value, critical in extensions:
        found = new.extensions.get_extension_for_oid(value.oid)
        assert (found.value, found.critical) == (value, critical)
    assert [e.oid for e in new.extensions][:6] == [value.oid for value, _critical in extensions]


def test_the_subject_keeps_order_and_string_types() -> None:
    private = pki.key()
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Wéb"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Shop", _type=x509.name._ASN1Type.PrintableString),
        ]
    )
    san = x509.SubjectAlternativeName([x509.DNSName("web")])
    old = pki.sign(subject, private, ROOT, [(san, False)], pki.NOW - pki.DAY, pki.NOW + pki.DAY)
    new = reissued(old, authority_of(ROOT)).certificate.x509()
    assert new.subject.public_bytes() == old.cert.subject.public_bytes()


def test_the_authority_key_is_copied_from_the_issuer_and_holds_the_identifier_only() -> None:
    private = pki.key()
    odd = x509.SubjectKeyIdentifier(b"odd identifier")
    signer = pki.sign(
        pki.name("odd"), private, None,
        [(x509.BasicConstraints(True, None), True), (pki.usage(key_cert_sign=True), True), (odd, False)],
        pki.NOW - pki.DAY, pki.NOW + 99 * pki.DAY,
    )  # fmt: skip
    new = reissued(pki.leaf(signer), authority_of(signer)).certificate
    aki = extension(new.x509(), x509.AuthorityKeyIdentifier)
    assert aki.key_identifier == b"odd identifier"
    assert aki.authority_cert_issuer is None


def test_the_chain_is_leaf_and_intermediates_without_the_root() -> None:
    middle = pki.ca("middle", ROOT)
    lower = pki.ca("lower", middle)
    old = pki.leaf(lower)
    new = reissued(old, authority_of(lower, ROOT, middle))
    chain = read_chain(new.chain)
    assert [c.subject for c in chain.certificates] == ["CN=web", "CN=lower", "CN=middle"]
    assert authority_of(lower, ROOT, middle).anchors == (of(ROOT),)
    alone = reissued(pki.leaf(ROOT), authority_of(ROOT))
    assert [c.subject for c in read_chain(alone.chain).certificates] == ["CN=web"]


def test_the_whole_path_bounds_the_validity() -> None:
    root = pki.ca("short", end=pki.NOW + 3 * pki.DAY)
    middle = pki.ca("long", root, end=pki.NOW + 900 * pki.DAY)
    new = reissued(pki.leaf(middle), authority_of(middle, root)).certificate
    assert new.not_after == pki.NOW + 3 * pki.DAY


def test_it_begins_five_minutes_ago_but_not_before_its_ca() -> None:
    assert reissued(pki.leaf(ROOT), authority_of(ROOT)).certificate.not_before == pki.NOW - dt.timedelta(minutes=5)
    young = pki.ca("young", begin=pki.NOW - dt.timedelta(minutes=2))
    assert reissued(pki.leaf(young), authority_of(young)).certificate.not_before == pki.NOW - dt.timedelta(minutes=2)


def test_another_kind_of_key_can_be_asked_for() -> None:
    old = pki.leaf(ROOT, kind="RSA-2048")
    new = reissued(old, authority_of(ROOT), key_format="PKCS1", kind="ECDSA-P-256")
    assert new.certificate.key == "ECDSA-P-256"
    assert not extension(new.certificate.x509(), x509.KeyUsage).key_encipherment
    assert judged(of(old), new, authority_of(ROOT), pki.NOW) == ()


def test_a_weak_key_is_not_made_again() -> None:
    with pytest.raises(BadInput, match="RSA needs at least 2048"):
        reissued(pki.leaf(ROOT, kind="RSA-1024"), authority_of(ROOT))


def test_a_broken_hash_is_not_kept_and_a_sound_one_is() -> None:
    signer = pki.ca("rsa", kind="RSA-2048")
    sound = pki.leaf(signer, digest=hashes.SHA512())
    assert reissued(sound, authority_of(signer)).certificate.signature == "sha512WithRSAEncryption"
    assert reissued(pki.leaf(signer), authority_of(signer)).certificate.signature == "sha256WithRSAEncryption"


def test_a_ca_that_has_no_time_left_leaves_none() -> None:
    signer = pki.ca("ending", end=pki.NOW + dt.timedelta(seconds=30))
    ca = authority_of(signer)
    with pytest.raises(BadInput, match="leaves no time"):
        validity(of(pki.leaf(signer)), ca, pki.NOW + dt.timedelta(seconds=30))


def test_what_was_lost_is_found() -> None:
    old = of(pki.leaf(ROOT, ("DNS:a", "DNS:b")))
    fewer = of(pki.leaf(ROOT, ("DNS:a",), common="other", extensions=[(pki.usage(digital_signature=True), True)]))
    found = " ".join(changes(old, fewer))
    assert "the subject" in found
    assert "DNS:b" in found
    assert "extended key usage" in found


def test_a_generation_with_the_old_key_or_another_ones_key_is_not_fit() -> None:
    old = pki.leaf(ROOT)
    ca = authority_of(ROOT)
    again = pki.leaf(ROOT, private=old.key)
    assert "the key is not new" in judged(of(old), Issued(of(again), again.pem, pki.key_pem(old.key)), ca, pki.NOW)
    new = pki.leaf(ROOT)
    found = judged(of(old), Issued(of(new), new.pem, pki.key_pem(pki.key())), ca, pki.NOW)
    assert found == ("the key does not belong to the certificate",)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize("kind", ["RSA-2048", "ECDSA-P-256", "ECDSA-P-384", "Ed25519"])
def test_openssl_agrees(kind: str, tmp_path: Path) -> None:
    middle = pki.ca("middle", ROOT, kind=kind)
    new = reissued(pki.leaf(middle, ("DNS:web.test.svc", "IP:10.1.2.3"), kind=kind), authority_of(middle, ROOT))
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "chain.pem").write_bytes(new.chain)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root.pem"]
    command += ["-attime", str(int(pki.NOW.timestamp())), "-verify_hostname", "web.test.svc"]
    command += ["-untrusted", "chain.pem", "chain.pem"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
