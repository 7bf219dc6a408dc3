# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of a path, of a CA, and of keys."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._tls.authority import authority
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.keys import key_matches, new_key, read_key, weakness
from ansible_collections.knowngood.kube.plugins.module_utils._tls.path import (
    broken_signature,
    name_problems,
    path_problems,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.pem import pem

from . import pki

ROOT = pki.ca("root")


def of(pair: pki.Pair) -> Certificate:
    found = read_chain(pair.pem).leaf
    assert found is not None
    return found


def problems(leaf: pki.Pair, others: tuple[pki.Pair, ...] = (), anchor: pki.Pair = ROOT) -> str:
    return "; ".join(path_problems(of(leaf), [of(o) for o in others], [of(anchor)], pki.NOW))


class TestPath:
    def test_a_leaf_under_its_root_is_fine(self) -> None:
        assert problems(pki.leaf(ROOT)) == ""

    def test_the_order_of_what_is_sent_does_not_matter_and_the_anchor_may_be_an_intermediate(self) -> None:
        middle = pki.ca("middle", ROOT)
        low = pki.ca("low", middle)
        leaf = pki.leaf(low)
        assert problems(leaf, (middle, low)) == ""
        assert problems(leaf, (low,), anchor=middle) == ""

    def test_a_gap_is_named(self) -> None:
        assert "no issuer found for CN=web (wants CN=middle)" in problems(pki.leaf(pki.ca("middle", ROOT)))

    def test_an_issuer_that_is_no_ca_or_may_not_sign(self) -> None:
        plain = pki.ca("plain", ROOT, is_ca=False)
        assert "CN=plain is not a CA" in problems(pki.leaf(plain), (plain,))
        mute = pki.ca("mute", ROOT, cert_sign=False)
        assert "CN=mute may not sign" in problems(pki.leaf(mute), (mute,))

    def test_times(self) -> None:
        assert "CN=web expired at" in problems(pki.leaf(ROOT, end=pki.NOW - pki.DAY))
        later = pki.leaf(ROOT, begin=pki.NOW + pki.DAY, end=pki.NOW + 2 * pki.DAY)
        assert "CN=web is not valid before" in problems(later)
        old = pki.ca("old", end=pki.NOW - pki.DAY)
        assert "CN=old expired at" in problems(pki.leaf(old), anchor=old)

    def test_a_leaf_that_outlives_its_ca(self) -> None:
        short = pki.ca("short", end=pki.NOW + 5 * pki.DAY)
        assert "CN=web outlives CN=short" in problems(pki.leaf(short), anchor=short)

    def test_too_deep(self) -> None:
        flat = pki.ca("flat", path_length=0)
        low = pki.ca("low", flat)
        assert "CN=flat allows 0 CAs below it, there are 1" in problems(pki.leaf(low), (low,), anchor=flat)

    def test_a_ca_is_no_leaf_and_a_chain_of_two_that_sign_each_other_ends(self) -> None:
        assert "is a CA, not a leaf" in problems(pki.ca("sub", ROOT))
        one_key, other_key = pki.key(), pki.key()
        one = pki.ca("one", pki.Pair(pki.ca("other", private=other_key).cert, other_key), private=one_key)
        other = pki.ca("other", pki.Pair(one.cert, one_key), private=other_key)
        assert "no issuer found" in problems(pki.leaf(one), (one, other))

    def test_a_broken_hash_counts_below_the_root_only(self) -> None:
        class Weak:
            signature, self_issued = "sha1WithRSAEncryption", False

        weak: Certificate = Weak()
        assert broken_signature(weak) == "sha1"
        Weak.self_issued = True
        assert broken_signature(weak) == ""


class TestNameConstraints:
    @pytest.mark.parametrize(
        ("permitted", "excluded", "names", "wrong"),
        [
            (["DNS:shop.svc"], [], ("DNS:web.shop.svc", "DNS:shop.svc"), ""),
            (["DNS:shop.svc"], [], ("DNS:web.shop.svc", "DNS:badshop.svc"), "badshop.svc"),
            (["DNS:shop.svc"], [], ("DNS:web.SHOP.svc",), ""),
            (["DNS:shop.svc"], [], ("IP:10.0.0.1",), ""),
            ([], ["DNS:evil.example"], ("DNS:a.evil.example",), "excludes the name a.evil.example"),
            (["email:example.org"], [], ("email:a@example.org",), ""),
            (["email:example.org"], [], ("email:a@sub.example.org",), "a@sub.example.org"),
            (["URI:.example.org"], [], ("URI:https://a.example.org/x",), ""),
            (["URI:.example.org"], [], ("URI:https://example.org/x",), "does not permit"),
        ],
    )
    def test_names(self, permitted: list[str], excluded: list[str], names: tuple[str, ...], wrong: str) -> None:
        constraints = x509.NameConstraints(
            [pki.general(one) for one in permitted] or None, [pki.general(one) for one in excluded] or None
        )
        signer = pki.ca("narrow", constraints=constraints)
        found = "; ".join(name_problems(of(pki.leaf(signer, names)), of(signer)))
        assert (wrong in found) if wrong else not found

    def test_addresses(self) -> None:
        inside = x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))
        signer = pki.ca("narrow", constraints=x509.NameConstraints([inside], None))
        assert not name_problems(of(pki.leaf(signer, ("IP:10.9.9.9",))), of(signer))
        assert name_problems(of(pki.leaf(signer, ("IP:192.168.0.1",))), of(signer))
        assert name_problems(of(pki.leaf(signer, ("IP:fd00::1",))), of(signer))

    def test_directories(self) -> None:
        other = x509.DirectoryName(pki.name("only-this"))
        signer = pki.ca("narrow", constraints=x509.NameConstraints([other], None))
        assert "does not permit the name CN=web" in "".join(name_problems(of(pki.leaf(signer)), of(signer)))
        assert not name_problems(of(pki.leaf(signer, common="only-this")), of(signer))


class TestAuthority:
    def refusal(self, secret: dict[str, object]) -> str:
        with pytest.raises(BadInput) as caught:
            authority(secret, pki.NOW)
        return str(caught.value)

    def test_no_key(self) -> None:
        told = self.refusal(pki.secret("ca", ROOT.pem, None))
        assert "the CA Secret holds no private key" in told
        assert "CA Secret shop/ca" in told
        assert "it has tls.crt; tls.key is wanted (it is empty)" in self.refusal(pki.secret("ca", ROOT.pem, b""))

    def test_no_certificate(self) -> None:
        assert "holds no CA" in self.refusal(pki.secret("ca", b"", None))
        assert "no certificate in the CA Secret" in self.refusal(pki.secret("ca", b"text", pki.key_pem(ROOT.key)))

    def test_a_key_of_another(self) -> None:
        assert "does not belong" in self.refusal(pki.secret("ca", ROOT.pem, pki.key_pem(pki.key())))

    def test_unfit(self) -> None:
        old = pki.ca("old", end=pki.NOW - pki.DAY)
        assert "expired" in self.refusal(pki.secret("ca", old.pem, pki.key_pem(old.key)))
        plain = pki.ca("plain", is_ca=False)
        assert "is not a CA" in self.refusal(pki.secret("ca", plain.pem, pki.key_pem(plain.key)))
        weak = pki.ca("weak", kind="RSA-1024")
        assert "at least 2048" in self.refusal(pki.secret("ca", weak.pem, pki.key_pem(weak.key)))

    def test_a_broken_chain(self) -> None:
        broken = ROOT.pem + b"-----BEGIN CERTIFICATE-----\nxx"
        assert "block 2" in self.refusal(pki.secret("ca", broken, pki.key_pem(ROOT.key)))

    def test_other_names_of_the_pair_are_known(self) -> None:
        secret = pki.secret("ca", b"", None, more={"ca.crt": ROOT.pem, "ca.key": pki.key_pem(ROOT.key)})
        assert authority(secret, pki.NOW).certificate == of(ROOT)

    def test_the_key_is_never_shown(self) -> None:
        found = authority(pki.secret("ca", ROOT.pem, pki.key_pem(ROOT.key)), pki.NOW)
        assert "PrivateKey" not in repr(found)


class TestKeys:
    @pytest.mark.parametrize(
        ("kind", "weak"),
        [
            ("RSA-1024", True),
            ("RSA-2048", False),
            ("ECDSA-P-256", False),
            ("ECDSA-secp256k1", True),
            ("Ed25519", False),
            ("DSA-2048", True),
            ("ML-DSA-65", False),
        ],
    )
    def test_weakness(self, kind: str, weak: bool) -> None:
        assert bool(weakness(kind)) is weak

    def test_what_cannot_be_made_is_said(self) -> None:
        with pytest.raises(BadInput, match="cannot be made"):
            new_key("ML-DSA-65")

    def test_refusals_quote_nothing_of_the_key(self) -> None:
        secret = pki.key_pem(pki.key())
        body = secret.split(b"\n")[1].decode()
        encrypted = pki.key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
        for data, told in (
            (b"", "there is no PEM private key"),
            (secret + secret, "more than one"),
            (encrypted, "is encrypted"),
            (pem("PRIVATE KEY", b"no DER"), "cannot be read"),
            (b"-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----", "not base64"),
            (b"-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----", "not supported"),
        ):
            with pytest.raises(BadInput, match=told) as caught:
                read_key(data, "Secret shop/x")
            assert body not in str(caught.value)
            assert "Secret shop/x" in str(caught.value)

    def test_a_match_is_yes_no_or_not_known(self) -> None:
        leaf = pki.leaf(ROOT, kind="RSA-2048")
        assert key_matches(pki.key_pem(leaf.key), of(leaf)) is True
        assert key_matches(pki.key_pem(pki.key()), of(leaf)) is False
        assert key_matches(b"nothing", of(leaf)) is None
