# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory: what counts as an identity, what as trust, what names what, and what is wrong with each."""

from __future__ import annotations

import base64
import gc
import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Denied
from ansible_collections.knowngood.kube.plugins.module_utils._tls import inventory
from ansible_collections.knowngood.kube.plugins.module_utils._tls.handshake import Served
from ansible_collections.knowngood.kube.plugins.module_utils._tls.identities import read
from ansible_collections.knowngood.kube.plugins.module_utils._tls.references import covers
from ansible_collections.knowngood.kube.plugins.module_utils._tls.sights import Sight
from ansible_collections.knowngood.kube.plugins.module_utils._tls.stores import content

from . import pki
from .stock import Stock, ask, codes, config, mounting, opaque, pod, store

CA = pki.ca("shop-ca")
LEAF = pki.leaf(CA, ("DNS:web.shop.svc", "DNS:*.shop.example"))
OTHER = pki.leaf(CA)
BROKEN = b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n"


def tls(name: str = "web-tls", pair: pki.Pair = LEAF, **more: Any) -> dict[str, Any]:
    return pki.secret(name, pair.pem, pki.key_pem(pair.key), **more)


def locked(pair: pki.Pair, password: bytes, kind: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return pair.key.private_bytes(Encoding.PEM, kind, BestAvailableEncryption(password))


def identities(*objects: dict[str, Any], **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(*objects, **asked)["identities"]
    return found


class TestIdentities:
    def test_pairs_under_names_of_their_own(self) -> None:
        data = {
            "server.crt": LEAF.pem,
            "server.key": pki.key_pem(LEAF.key),
            "client.pem": OTHER.pem,
            "client-key.pem": pki.key_pem(OTHER.key),
            "ca.crt": CA.pem,
            "config.yml": b"a: b",
        }
        found = ask(opaque("pairs", data))
        rows = {row["data_key"]: row for row in found["identities"]}
        assert {name: row["fingerprint"] for name, row in rows.items()} == {
            "client.pem": OTHER.fingerprint,
            "server.crt": LEAF.fingerprint,
        }
        assert {row["private_key"] for row in rows.values()} == {"matches"}
        assert [(row["kind"], row["data_key"]) for row in found["bundles"]] == [("Secret", "ca.crt")]

    def test_a_ca_in_a_secret_of_its_own_is_one_identity_and_one_bundle(self) -> None:
        for data in (
            {"tls.crt": CA.pem, "tls.key": pki.key_pem(CA.key), "ca.crt": CA.pem},
            {"ca.crt": CA.pem, "ca.key": pki.key_pem(CA.key)},
        ):
            found = ask(opaque("ca", data))
            (row,) = found["identities"]
            assert (row["ca"], row["private_key"]) == (True, "matches")
            assert len(found["bundles"]) == ("tls.crt" in data)

    def test_key_and_certificate_in_one_value(self) -> None:
        (row,) = identities(opaque("haproxy", {"site.pem": pki.key_pem(LEAF.key) + LEAF.pem + CA.pem}))
        assert (row["data_key"], row["private_key"], row["chain_length"]) == ("site.pem", "matches", 2)
        assert row["chain"][0]["fingerprint"] == CA.fingerprint

    def test_der(self) -> None:
        (row,) = identities(opaque("der", {"leaf.der": LEAF.cert.public_bytes(Encoding.DER)}))
        assert (row["format"], row["fingerprint"], row["private_key"]) == ("DER", LEAF.fingerprint, "absent")

    @pytest.mark.parametrize("kind", ["RSA-2048", "ECDSA-P-384", "Ed25519"])
    def test_pkcs12_opened_by_what_is_beside_it_or_by_what_is_given(self, kind: str) -> None:
        pair = pki.leaf(CA, kind=kind)
        beside = opaque("kafka", {"user.p12": store(pair, (CA,), b"s3cret"), "user.password": b"s3cret\n"})
        (row,) = identities(beside)
        assert (row["format"], row["private_key"], row["key"]) == ("PKCS#12", "matches", kind)
        alone = opaque("kafka", {"user.p12": store(pair, (CA,), b"s3cret")})
        (row,) = identities(alone, passphrases=("wrong", "s3cret"))
        assert row["fingerprint"] == pair.fingerprint
        (row,) = identities(alone, passphrases=("wrong",))
        assert codes(row) == {"store_locked"}
        assert "none of 1 passwords opens it" in row["error"]
        assert row["lint"][0]["severity"] == "error"
        (row,) = identities(alone)
        assert row["lint"][0]["severity"] == "warning"  # nobody knows: that says nothing against it
        assert "no password is known" in row["error"]

    def test_a_trust_store_is_a_bundle(self) -> None:
        found = ask(opaque("trust", {"ca.p12": store(None, (CA,), b"pw"), "ca.password": b"pw"}))
        assert found["identities"] == []
        (row,) = found["bundles"]
        assert (row["format"], row["certificates"][0]["subject"]) == ("PKCS#12", "CN=shop-ca")

    @pytest.mark.parametrize(("magic", "name"), [(b"\xfe\xed\xfe\xed", "JKS"), (b"\xce\xce\xce\xce", "JCEKS")])
    def test_java_stores_are_recognised_and_never_said_to_be_fine(self, magic: bytes, name: str) -> None:
        (row,) = identities(opaque("java", {"keystore.jks": magic + b"\0\0\0\x02"}))
        assert (row["format"], row["private_key"], row["fingerprint"]) == (name, "unverified", "")
        assert codes(row) == {"unverified"}
        (row,) = identities(tls(more={"keystore.jks": magic + b"\0\0\0\x02"}))
        assert row["stores"] == [{"data_key": "keystore.jks", "format": name, "state": "unverified"}]

    def test_copies_beside_tls_crt_are_told_of_with_it(self) -> None:
        more = {
            "keystore.p12": store(LEAF, (CA,)),
            "combined.pem": LEAF.pem + pki.key_pem(LEAF.key),
            "old.p12": store(OTHER),
            "shut.p12": store(LEAF, (), b"pw"),
        }
        (row,) = identities(tls(more=more))
        assert {one["data_key"]: one["state"] for one in row["stores"]} == {
            "combined.pem": "in_step",
            "keystore.p12": "in_step",
            "old.p12": "stale",
            "shut.p12": "locked",
        }
        assert codes(row) == {"stale_store", "store_locked"}

    def test_our_own_copies_only_where_asked_for(self) -> None:
        copy = tls("web-tls-prev-1", labels={"knowngood.io/role": "previous"})
        assert [row["secret"] for row in identities(tls(), copy)] == ["web-tls"]
        assert [row["role"] for row in identities(tls(), copy, copies=True)] == ["", "previous"]

    def test_helm_releases_and_tokens_are_not_even_read(self) -> None:
        release = {**opaque("sh.helm", {"release": LEAF.pem}), "type": "helm.sh/release.v1"}
        assert identities(release) == []

    def test_what_ends_soon(self) -> None:
        late = tls("late", pki.leaf(CA, end=pki.NOW + 900 * pki.DAY))
        assert [row["secret"] for row in identities(tls(), late, expiring_within_s=31 * 86400.0)] == ["web-tls"]

    def test_the_end_is_that_of_the_certificate_whatever_an_annotation_says(self) -> None:
        said = {"cert-manager.io/certificate-name": "web", "cert-manager.io/not-after": "2099-01-01T00:00:00Z"}
        (row,) = identities(tls(pair=pki.leaf(CA, end=pki.NOW - pki.DAY), annotations=said))
        assert row["not_after"] == "2026-11-20T12:00:00Z"
        assert "expired" in codes(row)
        assert row["owner"]["kind"] == "cert-manager"


class TestRejectList:
    """reference: what the inventory has to refuse, each with its word."""

    def check(self, code: str, *objects: dict[str, Any], **asked: Any) -> dict[str, Any]:
        rows = [row for row in identities(*objects, **asked) if code in codes(row)]
        assert rows, code
        (found,) = [one for one in rows[0]["lint"] if one["code"] == code][:1]
        assert found["rule"]
        assert found["cure"]
        assert found["severity"] in ("error", "warning")
        return found

    def test_keys(self) -> None:
        assert self.check("weak_key", tls(pair=pki.leaf(CA, kind="RSA-1024")))
        assert self.check("weak_key", tls(pair=pki.leaf(CA, kind="ECDSA-secp256k1")))
        assert self.check("key_mismatch", pki.secret("x", LEAF.pem, pki.key_pem(OTHER.key)))
        assert self.check("key_mismatch", opaque("x", {"a.crt": LEAF.pem, "a.key": pki.key_pem(OTHER.key)}))
        assert self.check("key_unreadable", pki.secret("x", LEAF.pem, b"?"))
        assert self.check("key_unreadable", pki.secret("x", LEAF.pem, pki.key_pem(LEAF.key) * 2))

    @pytest.mark.parametrize("kind", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
    def test_an_encrypted_key(self, kind: PrivateFormat) -> None:
        secret = pki.secret("x", LEAF.pem, locked(LEAF, b"pw", kind))
        assert "no password is known" in self.check("key_encrypted", secret)["what"]
        assert "none of 1 passwords" in self.check("key_encrypted", secret, passphrases=("no",))["what"]
        (row,) = identities(secret, passphrases=("pw",))
        assert row["private_key"] == "matches"

    def test_signatures(self) -> None:
        path = Path(__file__).with_name("sha1_leaf.pem")
        assert self.check("weak_signature", pki.secret("x", path.read_bytes(), None))

    def test_the_ca(self) -> None:
        short = pki.ca("short", end=pki.NOW + pki.DAY)
        kept = opaque("ca", {"ca.crt": short.pem, "ca.key": pki.key_pem(short.key)})
        assert self.check("outlives_ca", tls(pair=pki.leaf(short)), kept)  # the CA is in another Secret
        ended = pki.ca("ended", end=pki.NOW - pki.DAY)
        assert self.check("ca_unfit", tls(pair=pki.leaf(ended), more={"ca.crt": ended.pem}))
        early = pki.ca("early", begin=pki.NOW + pki.DAY)
        assert self.check("ca_unfit", tls(pair=pki.leaf(early), more={"ca.crt": early.pem}))
        mute = pki.ca("mute", cert_sign=False)
        assert self.check("ca_unfit", tls(pair=pki.leaf(mute), more={"ca.crt": mute.pem}))
        assert self.check("ca_unfit", opaque("mute", {"tls.crt": mute.pem}))
        none = pki.ca("none", is_ca=False, cert_sign=False)
        assert self.check("ca_unfit", tls(pair=pki.leaf(none), more={"ca.crt": none.pem}))

    def test_name_constraints(self) -> None:
        trees = [x509.DNSName("shop.svc"), x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))]
        bound = pki.ca("bound", constraints=x509.NameConstraints(trees, None))
        assert self.check(
            "name_constraints", tls(pair=pki.leaf(bound, ("DNS:evil.example",)), more={"ca.crt": bound.pem})
        )
        fine = tls(pair=pki.leaf(bound, ("DNS:web.shop.svc", "IP:10.1.2.3")), more={"ca.crt": bound.pem})
        assert codes(identities(fine)[0]) == set()

    def test_broken_blocks_are_named_by_number(self) -> None:
        told = self.check("broken_block", pki.secret("x", LEAF.pem + BROKEN + CA.pem, None))
        assert told["what"].startswith("block 2 (CERTIFICATE): not base64")
        assert self.check("broken_block", tls(more={"ca.crt": CA.pem + BROKEN}))
        (row,) = identities(pki.secret("x", BROKEN + CA.pem, None))
        assert codes(row) == {"unreadable"}  # the leaf itself: what comes after is not taken for it
        assert row["fingerprint"] == ""

    def test_a_serial_given_twice_and_a_key_used_twice(self) -> None:
        twin = pki.leaf(CA, ("DNS:twin",), private=LEAF.key)
        assert self.check("key_reused", tls(), tls("twin", twin))
        builder = x509.CertificateBuilder(
            issuer_name=CA.cert.subject,
            subject_name=pki.name("same"),
            public_key=OTHER.key.public_key(),
            serial_number=LEAF.cert.serial_number,
            not_valid_before=LEAF.cert.not_valid_before_utc,
            not_valid_after=LEAF.cert.not_valid_after_utc,
            extensions=[e for e in LEAF.cert.extensions if e.oid.dotted_string == "2.5.29.35"],
        )
        same = pki.Pair(builder.sign(CA.key, hashes.SHA256()), OTHER.key)
        told = self.check("duplicate_serial", tls(), tls("same", same))
        assert "shop/" in told["what"]
        copy = tls("copy")
        assert codes(identities(tls(), copy)[0]) == set()  # the same certificate in two places is no fault

    def test_what_must_not_be_used(self) -> None:
        spki = identities(tls())[0]["spki"]
        for listed in (LEAF.fingerprint, spki, spki.removeprefix("sha256:").upper()):
            assert self.check("denied", tls(), denied=(listed,))

    def test_the_key_of_a_ca_in_a_pod(self) -> None:
        ca = opaque("ca", {"tls.crt": CA.pem, "tls.key": pki.key_pem(CA.key), "ca.crt": CA.pem})
        told = self.check("ca_key_mounted", ca, pod("web-0", mounting("ca")))
        assert "Pod/web-0" in told["what"]
        for fine in (mounting("ca", items=("ca.crt",)), mounting("other")):
            assert codes(identities(ca, pod("web-0", fine))[0]) == set()
        env = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "ca", "key": "tls.key"}}}
        assert self.check("ca_key_mounted", ca, pod("web-0", {"containers": [{"name": "c", "env": [env]}]}))


class TestBundles:
    def row(self, *objects: dict[str, Any], **asked: Any) -> dict[str, Any]:
        (found,) = ask(*objects, **asked)["bundles"]
        return dict(found)

    def test_a_bundle_in_a_configmap(self) -> None:
        ended, lame = pki.ca("ended", end=pki.NOW - pki.DAY), pki.leaf(CA)
        text = (CA.pem + ended.pem + BROKEN + lame.pem).decode()
        row = self.row(config("trust", {"ca.crt": text, "note": "x"}))
        assert [one["subject"] for one in row["certificates"]] == ["CN=shop-ca", "CN=ended", "CN=web"]
        assert codes(row) == {"expired_ca", "broken_block", "leaf_as_ca"}
        assert any("block 3" in one["what"] for one in row["lint"])

    def test_a_private_key_in_a_configmap(self) -> None:
        row = self.row(config("oops", {"all.pem": (LEAF.pem + pki.key_pem(LEAF.key)).decode()}))
        assert codes(row) == {"key_in_configmap"}
        assert "PRIVATE" not in json.dumps(row)

    def test_an_empty_one_and_a_java_one(self) -> None:
        assert codes(self.row(config("trust", {"ca.crt": "\n"}))) == {"empty_bundle"}
        java = config("java", {}, binary={"truststore.jks": b"\xfe\xed\xfe\xed\0\0\0\x02"})
        assert codes(self.row(java)) == {"unverified"}
        assert ask(config("plain", {"a": "b"}))["bundles"] == []

    def test_who_uses_it(self) -> None:
        spec = {
            "containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/ca", "subPath": "ca.crt"}]}],
            "volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "trust"}}]}}],
        }
        row = self.row(config("trust", {"ca.crt": CA.pem.decode()}), pod("web-0", spec))
        assert row["consumers"] == [{"workload": "Pod/web-0", "container": "c", "delivery": "sub_path", "path": "/ca"}]

    def test_ca_bundles_of_the_api(self) -> None:
        def hook(bundle: bytes) -> dict[str, Any]:
            service = {"namespace": "shop", "name": "web"}
            config = {"service": service, "caBundle": base64.b64encode(bundle).decode()}
            hooks = [{"name": "check.shop.example", "clientConfig": config}]
            return {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "check"}, "webhooks": hooks}

        service = {
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"app": "web"}},
        }
        user = pod("web-0", mounting("web-tls"), {"app": "web"})
        row = self.row(hook(CA.pem), service, user, tls())
        assert (row["entry"], row["service"], codes(row)) == ("check.shop.example", "shop/web", set())
        foreign = pki.ca("foreign")
        assert codes(self.row(hook(foreign.pem), service, user, tls())) == {"untrusted_leaf"}
        assert codes(self.row(hook(b""))) == {"empty_bundle"}
        assert codes(self.row(hook(b"junk"))) == {"unreadable"}
        assert codes(self.row(hook(CA.pem + BROKEN))) == {"broken_block"}

    def test_api_services_and_conversions(self) -> None:
        called = {"service": {"namespace": "shop", "name": "m"}, "caBundle": base64.b64encode(CA.pem).decode()}
        api = {"kind": "APIService", "metadata": {"name": "v1.m"}, "spec": called}
        local = {"kind": "APIService", "metadata": {"name": "v1."}, "spec": {"group": ""}}
        conversion = {"strategy": "Webhook", "webhook": {"clientConfig": called}}
        crd = {"kind": "CustomResourceDefinition", "metadata": {"name": "s.x"}, "spec": {"conversion": conversion}}
        plain = {"kind": "CustomResourceDefinition", "metadata": {"name": "t.x"}, "spec": {}}
        found = ask(api, local, crd, plain)["bundles"]
        assert [(row["kind"], row["name"]) for row in found] == [
            ("APIService", "v1.m"),
            ("CustomResourceDefinition", "s.x"),
        ]
        assert ask(api, crd, namespaces=("elsewhere",))["bundles"] == []


def ingress(secret: str, *hosts: str, **annotations: str) -> dict[str, Any]:
    meta = {"name": "web", "namespace": "shop", "annotations": annotations}
    return {"kind": "Ingress", "metadata": meta, "spec": {"tls": [{"secretName": secret, "hosts": list(hosts)}]}}


class TestReferences:
    def test_an_ingress(self) -> None:
        found = ask(tls(), ingress("web-tls", "a.shop.example"))
        (row,) = found["references"]
        assert (row["state"], row["fingerprint"], codes(row)) == ("found", LEAF.fingerprint, set())
        use = {"workload": "Ingress/web", "container": "", "delivery": "ingress", "path": "tls"}
        assert found["identities"][0]["consumers"] == [use]

    def test_what_is_wrong_with_one(self) -> None:
        (row,) = ask(tls(), ingress("web-tls", "a.b.shop.example", "shop.example"))["references"]
        assert codes(row) == {"host_not_covered"}
        assert "a.b.shop.example, shop.example" in row["lint"][0]["what"]
        (row,) = ask(ingress("none", "x"))["references"]
        assert (row["state"], codes(row)) == ("missing", {"missing_secret"})
        (row,) = ask(opaque("text", {"a": b"b"}), ingress("text", "x"))["references"]
        assert codes(row) == {"no_certificate"}
        (row,) = ask(ingress("web-tls", "x"), selector="a=b")["references"]
        assert (row["state"], codes(row)) == ("unread", set())  # it may be there: it was not looked at

    def test_client_cas_are_trust(self) -> None:
        named = {"nginx.ingress.kubernetes.io/auth-tls-secret": "shop/clients"}
        found = ask(tls(), opaque("clients", {"ca.crt": CA.pem}), ingress("web-tls", **named))
        rows = {row["part"]: row for row in found["references"]}
        assert (rows["auth-tls-secret"]["trust"], rows["auth-tls-secret"]["state"]) == (True, "found")

    def test_a_gateway_needs_a_grant_to_reach_across(self) -> None:
        reference = {"name": "web-tls", "namespace": "shop"}
        listener = {"name": "https", "hostname": "*.shop.example", "tls": {"certificateRefs": [reference]}}
        gateway = {
            "kind": "Gateway",
            "metadata": {"name": "gw", "namespace": "infra"},
            "spec": {"listeners": [listener]},
        }
        (row,) = ask(tls(), gateway)["references"]
        assert codes(row) == {"not_granted"}
        comes = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "infra"}
        grant = {
            "kind": "ReferenceGrant",
            "metadata": {"name": "g", "namespace": "shop"},
            "spec": {"from": [comes], "to": [{"group": "", "kind": "Secret"}]},
        }
        (row,) = ask(tls(), gateway, grant)["references"]
        assert (row["granted"], row["part"], codes(row)) == (True, "https", set())
        (row,) = ask(stock=Stock(tls(), gateway, denied=("ReferenceGrant",)))["references"]
        assert (row["granted"], codes(row)) == (None, set())  # unknown is neither

    @given(label=st.text("abcdefgh", min_size=1, max_size=5), deeper=st.text("abc", min_size=1, max_size=3))
    def test_a_wildcard_covers_one_label(self, label: str, deeper: str) -> None:
        assert covers(("DNS:*.shop.example",), f"{label}.shop.example")
        assert not covers(("DNS:*.shop.example",), f"{deeper}.{label}.shop.example")
        assert not covers(("DNS:*.shop.example",), "shop.example")


class TestRequests:
    def request(self, key: Any, names: tuple[str, ...] = ("DNS:web",), **status: Any) -> dict[str, Any]:
        builder = x509.CertificateSigningRequestBuilder(pki.name("web"))
        san = x509.SubjectAlternativeName([pki.general(one) for one in names])
        text = builder.add_extension(san, False).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        spec = {
            "request": base64.b64encode(text).decode(),
            "signerName": "shop.example/ca",
            "username": "system:serviceaccount:shop:web",
            "usages": ["server auth"],
        }
        return {"kind": "CertificateSigningRequest", "metadata": {"name": "r"}, "spec": spec, "status": status}

    def test_states_and_facts(self) -> None:
        approved = {"type": "Approved", "status": "True", "reason": "policy"}
        denied = {"type": "Denied", "status": "True", "reason": "no"}
        issued = base64.b64encode(LEAF.pem).decode()
        for status, state in (
            ({}, "pending"),
            ({"conditions": [approved]}, "approved"),
            ({"conditions": [approved], "certificate": issued}, "issued"),
            ({"conditions": [denied]}, "denied"),
        ):
            (row,) = ask(self.request(LEAF.key, **status))["requests"]
            assert (row["state"], row["sans"], row["key"]) == (state, ["DNS:web"], "ECDSA-P-256")
            assert codes(row) == set()
        assert ask(self.request(LEAF.key), namespaces=("other",))["requests"] == []

    def test_faults(self) -> None:
        (row,) = ask(self.request(pki.key("RSA-1024")))["requests"]
        assert codes(row) == {"weak_key"}
        (row,) = ask(self.request(OTHER.key, certificate=base64.b64encode(LEAF.pem).decode()))["requests"]
        assert codes(row) == {"key_mismatch"}
        broken = self.request(LEAF.key)
        broken["spec"]["request"] = "AAAA"
        (row,) = ask(broken)["requests"]
        assert codes(row) == {"unreadable"}


class TestHonesty:
    def test_what_may_not_be_read_is_said_and_the_rest_is_told(self) -> None:
        stock = Stock(tls(), denied=("ConfigMap", "Ingress", "CustomResourceDefinition"), absent=("Gateway",))
        found = ask(stock=stock)
        assert sorted(row["kind"] for row in found["unread"]) == ["ConfigMap", "CustomResourceDefinition", "Ingress"]
        assert found["identities"][0]["lint"] == []

    def test_secrets_must_be_readable(self) -> None:
        with pytest.raises(Denied):
            ask(stock=Stock(denied=("Secret",)))

    def test_only_what_is_included_is_read(self) -> None:
        stock = Stock(tls())
        found = ask(stock=stock, include=("secrets",))
        assert not {"ConfigMap", "Ingress", "CertificateSigningRequest"} & set(stock.asked)
        assert (len(found["identities"]), found["bundles"]) == (1, [])

    def test_certificates_without_a_secret(self) -> None:
        attributes = {"csi.cert-manager.io/issuer-name": "ca"}
        volume = {"name": "v", "csi": {"driver": "csi.cert-manager.io", "volumeAttributes": attributes}}
        spec = {"containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}], "volumes": [volume]}
        (row,) = ask(pod("web-0", spec))["without_secret"]
        assert (row["delivery"], row["from"], row["path"]) == ("csi", "Issuer ca", "/t")

    def test_no_key_is_kept(self) -> None:
        secrets = [tls(f"s-{number}", pki.leaf(CA)) for number in range(5)]
        texts = {secret["data"]["tls.key"] for secret in secrets}
        stock: Any = Stock(*secrets)
        found = inventory.collect(stock, inventory.Question())
        stock.objects.clear()
        for secret in secrets:
            secret["data"].clear()
        gc.collect()
        holders = [
            one
            for one in gc.get_objects()
            if isinstance(one, dict) and any(isinstance(value, str) and value in texts for value in one.values())
        ]
        assert holders == []
        assert len(found.identities) == 5


class TestServed:
    def look(self, patch: pytest.MonkeyPatch, served: dict[tuple[str, int], pki.Pair | None]) -> None:
        def see(cluster: Any, namespace: str, ports: Any, **more: Any) -> tuple[Sight, ...]:
            del cluster, namespace, more
            return tuple(Sight(port, self._served(served.get((port.pod, port.port)))) for port in ports)

        patch.setattr(inventory, "see", see)

    def _served(self, pair: pki.Pair | None) -> Served:
        if pair is None:
            return Served(why="refused")
        return Served(pair.fingerprint, der=pair.cert.public_bytes(Encoding.DER))

    def test_stored_and_not_served(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.look(monkeypatch, {("web-0", 8443): OTHER, ("web-1", 8443): LEAF})
        found = ask(tls(), pod("web-0", mounting("web-tls")), pod("web-1", mounting("web-tls")), probe=True)
        (row,) = found["identities"]
        assert (row["drift"], codes(row)) == ("behind", {"stored_not_served"})
        assert "web-0:8443" in row["lint"][0]["what"]
        states = {one["pod"]: (one["state"], codes(one), one["path"]) for one in found["served"]}
        assert states == {
            "web-0": ("behind", {"served_not_stored"}, "port_forward"),
            "web-1": ("in_step", set(), "port_forward"),
        }

    def test_served_and_not_stored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended = pki.leaf(CA, end=pki.NOW - pki.DAY)
        self.look(monkeypatch, {("db-0", 5432): ended})
        spec = {"containers": [{"name": "c", "ports": [{"name": "db", "containerPort": 5432}]}]}
        (row,) = ask(pod("db-0", spec), probe=True)["served"]
        assert (row["state"], row["starttls"]) == ("not_stored", "postgresql")
        assert codes(row) == {"served_not_stored", "served_expired"}

    def test_what_cannot_be_seen_is_unverified(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.look(monkeypatch, {})
        sleeping = pod("web-1", mounting("web-tls"), ready=False)
        found = ask(tls(), pod("web-0", mounting("web-tls")), sleeping, probe=True)
        assert {one["pod"]: (one["state"], one["why"]) for one in found["served"]} == {
            "web-0": ("unverified", "refused"),
            "web-1": ("unverified", "the pod is not ready"),
        }
        assert found["identities"][0]["drift"] == "unknown"

    def test_a_pod_with_two_certificates_is_behind_with_neither(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.look(monkeypatch, {("web-0", 8443): LEAF, ("web-0", 9443): OTHER})
        spec = mounting("web-tls")
        spec["containers"][0]["ports"].append({"name": "tls-admin", "containerPort": 9443})
        spec["containers"][0]["volumeMounts"].append({"name": "w", "mountPath": "/w"})
        spec["volumes"].append({"name": "w", "secret": {"secretName": "admin-tls"}})
        found = ask(tls(), tls("admin-tls", OTHER), pod("web-0", spec), probe=True)
        assert {row["secret"]: row["drift"] for row in found["identities"]} == {
            "admin-tls": "in_step",
            "web-tls": "in_step",
        }

    def test_one_that_still_serves_the_previous_generation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.look(monkeypatch, {("web-0", 8443): OTHER})
        before = tls("web-tls-prev-1", OTHER, labels={"knowngood.io/role": "previous"})
        (row,) = ask(tls(), before, pod("web-0", mounting("web-tls")), probe=True)["served"]
        assert (row["state"], row["stored_in"], codes(row)) == (
            "behind",
            ["shop/web-tls-prev-1"],
            {"served_elsewhere"},
        )


class TestTextfile:
    def test_series_and_labels(self, tmp_path: Path) -> None:
        path = tmp_path / "x509.prom"
        asked = {"textfile": str(path)}
        hook = {
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": "m"},
            "webhooks": [{"name": "a.b", "clientConfig": {"caBundle": base64.b64encode(CA.pem).decode()}}],
        }
        objects = (tls(more={"ca.crt": CA.pem}), config("trust", {"ca.crt": CA.pem.decode()}), hook)
        found = ask(*objects, **asked)
        assert found["changed"] is True
        text = path.read_text()
        line = next(x for x in text.splitlines() if x.startswith("x509_cert_not_after") and 'secret_key="tls.crt"' in x)
        assert 'secret_namespace="shop"' in line
        assert 'issuer_CN="shop-ca"' in line
        assert f'serial_number="{LEAF.cert.serial_number}"' in line
        assert line.endswith(f" {int(LEAF.cert.not_valid_after_utc.timestamp())}")
        assert 'configmap_name="trust"' in text
        assert 'cabundle_resource_kind="MutatingWebhookConfiguration"' in text
        assert 'x509_source_bundles{source_kind="kube-secret",source_name="knowngood"} 1' in text
        assert path.stat().st_mode & 0o777 == 0o644
        assert [one.name for one in tmp_path.iterdir()] == ["x509.prom"]
        again = ask(*objects, **asked)
        assert (again["changed"], again["textfile"]["changed"]) == (False, False)

    def test_labels_are_escaped_and_collisions_told_apart(self, tmp_path: Path) -> None:
        odd = pki.sign(
            pki.name('a"b\\c\nd'), pki.key(), None, [], pki.NOW, pki.NOW + pki.DAY
        )  # a name is what somebody else chose
        ask(opaque("x", {"ca.crt": odd.pem + odd.pem}), textfile=str(tmp_path / "a.prom"))
        text = (tmp_path / "a.prom").read_text()
        assert r'subject_CN="a\"b\\c\nd"' in text
        assert 'discriminator=""' not in "".join(x for x in text.splitlines() if "not_after{" in x)

    def test_no_secret_gets_there(self, tmp_path: Path) -> None:
        key = pki.key_pem(LEAF.key).decode()
        ask(tls(), opaque("p", {"a.p12": store(LEAF, (), b"hunter22")}), textfile=str(tmp_path / "a.prom"))
        text = (tmp_path / "a.prom").read_text()
        assert not any(part in text for part in ("PRIVATE", "hunter22", *key.splitlines()[1:-1]))
        assert "x509_cert_error" in text

    def test_check_mode_writes_nothing(self, tmp_path: Path) -> None:
        found = ask(tls(), textfile=str(tmp_path / "a.prom"), dry=True)
        assert found["changed"] is True
        assert list(tmp_path.iterdir()) == []

    def test_what_cannot_be_written_is_found_before_anything_is_read(self, tmp_path: Path) -> None:
        for path, told in (("a.txt", ".prom only"), ("none/a.prom", "does not exist")):
            stock = Stock(tls())
            with pytest.raises(BadInput, match=told):
                ask(stock=stock, textfile=str(tmp_path / path))
            assert stock.asked == []


class TestParsing:
    """Whatever is in a value, reading it says something and never raises."""

    @settings(max_examples=150)
    @given(st.binary(max_size=400))
    def test_any_bytes(self, value: bytes) -> None:
        for prefix in (b"", b"0\x82\x01\x00", b"0\x82\x01\x00\x02\x01\x03", b"\xfe\xed\xfe\xed", b"-----BEGIN "):
            found = content(prefix + value, (b"x",))
            assert found.format in ("", "PEM", "DER", "PKCS#12", "JKS", "JCEKS")

    @settings(max_examples=100)
    @given(st.sampled_from(["crt", "key", "p12"]), st.integers(0, 2000), st.binary(min_size=1, max_size=8))
    def test_bytes_changed_anywhere(self, which: str, at: int, more: bytes) -> None:
        good = {"crt": LEAF.pem + CA.pem, "key": pki.key_pem(LEAF.key), "p12": store(LEAF, (CA,))}[which]
        bad = good[: at % len(good)] + more + good[at % len(good) + len(more) :]
        rows, _trust = read(opaque("x", {"tls.crt": bad if which == "crt" else LEAF.pem, f"a.{which}": bad}))
        assert rows
        assert all(row.error or row.leaf or not row.chain.certificates for row in rows)

    @settings(max_examples=60)
    @given(st.lists(st.sampled_from([CA.pem, LEAF.pem, BROKEN, b"# a comment\n", pki.key_pem(OTHER.key)]), max_size=8))
    def test_blocks_in_any_order(self, parts: list[bytes]) -> None:
        found = content(b"".join(parts))
        certificates = [part for part in parts if b"CERTIFICATE" in part]
        assert len(found.chain.certificates) + len(found.chain.problems) == len(certificates)
        blocks = [part for part in parts if b"BEGIN" in part]
        bad = [number for number, part in enumerate(blocks, 1) if part == BROKEN]
        assert [int(problem.split()[1]) for problem in found.chain.problems] == bad
        assert found.headless == bool(certificates and certificates[0] == BROKEN)
