# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust stores as text, who reads them, and the next generation of a CA."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._tls.ca_issue import (
    ca_lint,
    generation_of,
    make_ca,
    name_of,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import Certificate, read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.mutual import judged
from ansible_collections.knowngood.kube.plugins.module_utils._tls.trust import grown, holds, put_back, shrunk
from ansible_collections.knowngood.kube.plugins.module_utils._tls.trust_stores import (
    Store,
    stores_in,
    values,
    with_value,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.trusters import TrustUse, uses_of

from . import pki


def read(pair: pki.Pair) -> Certificate:
    return read_chain(pair.pem).certificates[0]


A, B, C = (pki.ca(name) for name in ("a", "b", "c"))
OLD, NEW = read(A), read(B)
TEXTS = st.lists(st.sampled_from([A.pem, C.pem, b"# a comment\n", b"\n", b"subject=CN = a\r\n"]), max_size=6)


class TestText:
    def test_appended_once_with_a_line_end_between(self) -> None:
        text = b"# mine\n" + A.pem.rstrip(b"\n")
        once = grown(text, NEW)
        assert once == text + b"\n" + B.pem
        assert grown(once, NEW) == once
        assert grown(b"", NEW) == B.pem

    @settings(max_examples=60)
    @given(TEXTS)
    def test_what_was_cut_out_goes_back_to_the_byte(self, parts: list[bytes]) -> None:
        text = grown(b"".join(parts), NEW)
        left, cuts = shrunk(text, OLD.spki)
        assert not holds(left, OLD.spki)
        assert holds(left, NEW.spki)
        back = put_back(left, cuts)
        # A certificate that stood there twice comes back once: a store is a set.
        assert back == text or text.count(A.pem) > 1
        assert holds(back, OLD.spki) == holds(text, OLD.spki)
        assert put_back(back, cuts) == back

    def test_put_back_into_what_somebody_else_wrote(self) -> None:
        _left, cuts = shrunk(b"#" * 2000 + A.pem + B.pem, OLD.spki)
        assert put_back(B.pem, cuts) == B.pem + A.pem

    def test_never_left_empty(self) -> None:
        with pytest.raises(BadInput, match="empty"):
            shrunk(A.pem, OLD.spki)


class TestNextGeneration:
    @pytest.mark.parametrize(
        ("old", "new"),
        [("pay-ca", "pay-ca g2"), ("pay-ca g2", "pay-ca g3"), ("x" * 64, "x" * 61 + " g2"), ("g", "g g2"), ("", "g2")],
    )
    def test_its_name(self, old: str, new: str) -> None:
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Shop")])
        name = x509.Name([*name, *pki.name(old)]) if old else name
        number = int(new.rpartition("g")[2])
        made = name_of(name, number)
        assert made.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == new
        assert made.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)[0].value == "Shop"

    @pytest.mark.parametrize("kind", ["ECDSA-P-256", "RSA-2048", "Ed25519"])
    def test_like_the_old_one_under_a_key_of_its_own(self, kind: str) -> None:
        old = read(pki.ca("pay-ca", kind=kind, path_length=1))
        new = make_ca(old, pki.NOW, 2, key_format="PKCS8")
        assert ca_lint(old, new, pki.NOW) == ()
        made = new.certificate
        assert (generation_of(old), generation_of(made)) == (1, 2)
        assert made.key == kind
        assert made.aki == made.ski != old.ski
        aki = made.x509().extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert (aki.authority_cert_issuer, aki.authority_cert_serial_number) == (None, None)
        basic = made.x509().extensions.get_extension_for_class(x509.BasicConstraints).value
        assert basic.path_length == 1
        assert made.not_after - made.not_before == old.not_after - old.not_before

    def test_the_lint_finds_what_must_not_sign(self) -> None:
        old = read(pki.ca("pay-ca"))
        new = make_ca(old, pki.NOW, 2, key_format="PKCS8")
        assert "the name does not tell it from the old one" in ca_lint(new.certificate, new, pki.NOW)
        assert "the key is not new" in ca_lint(new.certificate, new, pki.NOW)
        narrow = make_ca(read(pki.ca("pay-ca", path_length=0)), pki.NOW, 2, key_format="PKCS8")
        assert "it allows fewer CAs below it than the old one" in ca_lint(old, narrow, pki.NOW)


STORE = Store("ConfigMap", "shop", "trust", "ca.crt", "u")


def spec(mount: dict[str, Any], volume: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    mounts = [{"name": "t", "mountPath": "/trust", **mount}]
    return {
        "containers": [{"name": "c", "volumeMounts": mounts, **container}],
        "volumes": [{"name": "t", **(volume or {"configMap": {"name": "trust"}})}],
    }


class TestUses:
    @pytest.mark.parametrize(
        ("mount", "volume", "expected"),
        [
            ({}, None, ("volume", "/trust/ca.crt")),
            ({"mountPath": "/etc/ca.pem", "subPath": "ca.crt"}, None, ("sub_path", "/etc/ca.pem")),
            (
                {},
                {"configMap": {"name": "trust", "items": [{"key": "ca.crt", "path": "x/y.pem"}]}},
                ("volume", "/trust/x/y.pem"),
            ),
            (
                {"subPath": "x"},
                {"configMap": {"name": "trust", "items": [{"key": "ca.crt", "path": "x/y.pem"}]}},
                ("sub_path", "/trust/y.pem"),
            ),
            ({}, {"projected": {"sources": [{"configMap": {"name": "trust"}}]}}, ("volume", "/trust/ca.crt")),
        ],
    )
    def test_the_file(self, mount: dict[str, Any], volume: dict[str, Any] | None, expected: tuple[str, str]) -> None:
        assert uses_of(spec(mount, volume), STORE) == (TrustUse(STORE.ref, "c", *expected),)

    def test_none_where_another_key_or_name_is_mounted(self) -> None:
        other = {"configMap": {"name": "trust", "items": [{"key": "other", "path": "y"}]}}
        assert uses_of(spec({}, other), STORE) == ()
        assert uses_of(spec({}, {"secret": {"secretName": "trust"}}), STORE) == ()
        assert uses_of(spec({"subPath": "other"}), STORE) == ()

    def test_by_environment(self) -> None:
        reference = {"valueFrom": {"configMapKeyRef": {"name": "trust", "key": "ca.crt"}}}
        found = uses_of(spec({}, {"emptyDir": {}}, env=[{"name": "CA", **reference}]), STORE)
        assert found == (TrustUse(STORE.ref, "c", "env"),)
        found = uses_of(spec({}, {"emptyDir": {}}, envFrom=[{"configMapRef": {"name": "trust"}}]), STORE)
        assert found == (TrustUse(STORE.ref, "c", "env"),)

    def test_an_init_container_may_have_copied_it(self) -> None:
        template = spec({})
        template["initContainers"] = template.pop("containers")
        assert uses_of(template, STORE) == (TrustUse(STORE.ref, "c", "init", "/trust/ca.crt"),)


def seen(**more: Any) -> dict[str, Any]:
    return {"connected": True, "trusted": True, "status": "HTTP/1.1 200 OK", "bytes": 9, "why": "", **more}


class TestLetInOrTurnedAway:
    @pytest.mark.parametrize(
        ("one", "expected"),
        [
            (seen(), True),
            (seen(status="HTTP/1.1 404 Not Found"), True),
            (seen(status="HTTP/1.1 400 Bad Request"), False),
            (seen(status="", bytes=0, why="tlsv1 alert unknown ca"), False),
            (seen(connected=False, status="", bytes=0), None),
            (seen(trusted=False, status="", bytes=0), None),
            (seen(status="", bytes=12), None),
        ],
    )
    def test_by_application_bytes(self, one: dict[str, Any], expected: bool | None) -> None:
        assert judged([one] * 3).accepted is expected

    def test_some_and_some_is_unknown(self) -> None:
        assert judged([seen(), seen(status="HTTP/1.1 400 Bad Request")]).accepted is None
        assert judged([]).accepted is None


class TestCaBundle:
    def test_of_a_webhook_is_a_store_under_its_name(self) -> None:
        bundle = base64.b64encode(A.pem).decode()
        obj = {
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "judge", "uid": "u", "managedFields": []},
            "webhooks": [
                {"name": "a.example.com", "clientConfig": {"caBundle": bundle, "url": "https://a"}},
                {"name": "b.example.com", "clientConfig": {"url": "https://b"}},
            ],
        }
        (store,) = stores_in([obj], OLD.spki)
        assert (store.ref, store.where) == (
            "ValidatingWebhookConfiguration judge a.example.com",
            "ValidatingWebhookConfiguration judge",
        )
        changed = with_value(obj, store.key, A.pem + B.pem)
        assert dict(values(changed)) == {"a.example.com": A.pem + B.pem}
        assert changed["webhooks"][0]["clientConfig"]["url"] == "https://a"
        assert changed["webhooks"][1] == obj["webhooks"][1]
