# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TLS Secret: read, refused or fit for rotation, copied, and written anew with everything else kept."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._tls.lint import lint
from ansible_collections.knowngood.kube.plugins.module_utils._tls.owner import owner_of
from ansible_collections.knowngood.kube.plugins.module_utils._tls.secrets import (
    ROTATED_FOR,
    archive,
    archive_name,
    derived_keys,
    must_be_ours_to_write,
    read_secret,
    replaced,
    role_of,
    staged,
    staged_name,
)

from . import pki

CA = pki.ca("ca")
LEAF = pki.leaf(CA)
OPERATION = "rotation-web-tls-0123456789"


def secret(**more: Any) -> dict[str, Any]:
    return pki.secret("web-tls", LEAF.pem, pki.key_pem(LEAF.key), **more)


class TestReading:
    def test_what_is_missing_or_broken_is_named(self) -> None:
        for obj, told in (
            (pki.secret("x", b"", None, more={"other": b"1"}), "it has other, tls.crt; tls.crt is wanted"),
            (pki.secret("x", b"no pem", None), "no PEM certificate in it"),
            (
                pki.secret("x", LEAF.pem + b"-----BEGIN CERTIFICATE-----\n!\n", None),
                "block 2 (CERTIFICATE): no END line",
            ),
        ):
            with pytest.raises(BadInput) as caught:
                read_secret(obj)
            assert told in str(caught.value)
            assert "Secret shop/x" in str(caught.value)

    def test_data_that_is_not_base64(self) -> None:
        obj = secret()
        obj["data"]["tls.crt"] = "%%%"
        with pytest.raises(BadInput, match="not base64"):
            read_secret(obj)

    def test_a_key_of_another_certificate(self) -> None:
        obj = pki.secret("web-tls", LEAF.pem, pki.key_pem(pki.key()))
        with pytest.raises(BadInput, match="does not belong"):
            read_secret(obj).key_format()

    def test_the_object_is_not_shown(self) -> None:
        assert base64.b64encode(pki.key_pem(LEAF.key)).decode()[:40] not in repr(read_secret(secret()))


class TestOwners:
    @pytest.mark.parametrize(
        ("meta", "kind", "acts"),
        [
            ({}, "none", False),
            ({"annotations": {"cert-manager.io/certificate-name": "web"}}, "cert-manager", True),
            ({"annotations": {"cert-manager.io/issuer-name": "ca"}}, "cert-manager", True),
            ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "external-secrets", True),
            ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}}, "gitops", True),
            ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "gitops", True),
            ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "helm", False),
            ({"annotations": {"reflector.v1.k8s.emberstack.com/reflects": "a/b"}}, "controller", True),
            ({"annotations": {"service.beta.openshift.io/originating-service-name": "web"}}, "controller", True),
        ],
    )
    def test_by_its_traces(self, meta: dict[str, Any], kind: str, acts: bool) -> None:
        found = owner_of(secret(**meta))
        assert (found.kind, found.acts) == (kind, acts)

    def test_by_its_controller(self) -> None:
        obj = secret()
        reference = {"apiVersion": "x.io/v1", "kind": "Kafka", "name": "k", "uid": "1", "controller": True}
        obj["metadata"]["ownerReferences"] = [reference]
        assert owner_of(obj).name == "Kafka/k (x.io)"
        with pytest.raises(BadInput, match="owner: Kafka/k"):
            must_be_ours_to_write(read_secret(obj))

    def test_what_helm_installed_may_be_written(self) -> None:
        obj = secret(annotations={"meta.helm.sh/release-name": "shop"})
        must_be_ours_to_write(read_secret(obj))
        assert owner_of(obj).kind == "helm"
        assert not owner_of(obj).acts


class TestRefusals:
    def test_an_immutable_one(self) -> None:
        with pytest.raises(BadInput, match="is immutable"):
            must_be_ours_to_write(read_secret(secret(immutable=True)))

    def test_copies_that_would_be_left_behind(self) -> None:
        store = serialize_key_and_certificates(b"x", LEAF.key, LEAF.cert, None, NoEncryption())
        more = {
            "combined.pem": pki.key_pem(LEAF.key) + LEAF.pem,
            "fullchain.pem": LEAF.pem + CA.pem,
            "keystore.p12": store,
            "keystore.jks": b"\xfe\xed\xfe\xed\x00\x00\x00\x02",
            "truststore.jks": b"\xfe\xed\xfe\xed\x00\x00\x00\x02",
            "ca.crt": CA.pem,
            "extra-ca.pem": CA.pem,
            "config": b"0\x82 not a store",
        }
        found = read_secret(secret(more=more))
        assert derived_keys(found) == ("combined.pem", "fullchain.pem", "keystore.jks", "keystore.p12")
        with pytest.raises(BadInput, match="combined.pem, fullchain.pem"):
            must_be_ours_to_write(found)


class TestWriting:
    def test_one_write_keeps_everything_else(self) -> None:
        obj = secret(more={"ca.crt": CA.pem, "note": b"kept"}, annotations={"a": "b"}, labels={"l": "m"})
        obj["metadata"]["ownerReferences"] = [{"kind": "Shop", "name": "s", "uid": "u", "apiVersion": "x/v1"}]
        obj["metadata"]["managedFields"] = [{"manager": "kubectl"}]
        new = replaced(obj, b"chain", b"key", "INC-1")
        assert new["data"] == {**obj["data"], "tls.crt": "Y2hhaW4=", "tls.key": "a2V5"}
        assert new["metadata"]["annotations"] == {"a": "b", ROTATED_FOR: "INC-1"}
        assert new["metadata"]["resourceVersion"] == "7"
        assert {k: v for k, v in new["metadata"].items() if k != "annotations"} == {
            k: v for k, v in obj["metadata"].items() if k not in ("annotations", "managedFields")
        }
        assert (new["type"], new["kind"]) == (obj["type"], "Secret")
        assert obj["metadata"]["annotations"] == {"a": "b"}

    def test_the_mark_of_an_incident_goes_again(self) -> None:
        obj = secret(annotations={ROTATED_FOR: "INC-1"})
        assert replaced(obj, b"", b"", "")["metadata"]["annotations"] == {}

    def test_copies_are_immutable_named_after_the_operation_and_carry_our_labels_only(self) -> None:
        found = read_secret(secret(labels={"app": "web"}, annotations={"x": "y"}, more={"ca.crt": CA.pem}))
        kept = archive(found, OPERATION, "2026-12-01T00:00:00Z")
        assert kept["metadata"]["name"] == "web-tls-prev-0123456789"
        assert kept["immutable"] is True
        assert kept["data"] == found.obj["data"]
        assert "app" not in kept["metadata"]["labels"]
        assert kept["metadata"]["annotations"] == {
            "knowngood.io/of": "web-tls",
            "knowngood.io/kept-until": "2026-12-01T00:00:00Z",
        }
        assert role_of(kept) == "previous"
        assert role_of(staged(found, OPERATION, b"c", b"k")) == "staged"

    def test_names_stay_within_what_the_api_takes(self) -> None:
        assert len(staged_name("n" * 253, OPERATION)) <= 253
        assert archive_name("n" * 236 + ".-" + "n" * 10, OPERATION).endswith("n-prev-0123456789")


class TestLint:
    def codes(self, obj: dict[str, Any]) -> set[str]:
        return {finding.code for finding in lint(read_secret(obj), pki.NOW)}

    def test_a_good_one_is_clean(self) -> None:
        assert self.codes(secret(more={"ca.crt": CA.pem})) == set()

    def test_each_fault_has_its_code(self) -> None:
        other, short = pki.key_pem(pki.key()), pki.ca("short", end=pki.NOW + pki.DAY)
        mute, middle = pki.ca("mute", cert_sign=False), pki.ca("middle", CA)
        below, late = pki.leaf(middle), pki.leaf(short)
        cases = {
            "expired": pki.secret("x", pki.leaf(CA, end=pki.NOW - pki.DAY).pem, None),
            "not_yet_valid": pki.secret(
                "x", pki.leaf(CA, begin=pki.NOW + pki.DAY, end=pki.NOW + 9 * pki.DAY).pem, None
            ),
            "key_mismatch": pki.secret("x", LEAF.pem, other),
            "key_unreadable": pki.secret("x", LEAF.pem, b"?"),
            "weak_key": pki.secret("x", pki.leaf(CA, kind="RSA-1024").pem, None),
            "no_names": pki.secret("x", pki.leaf(CA, ()).pem, None),
            "chain_order": pki.secret("x", below.pem + CA.pem, None),
            "root_in_chain": pki.secret("x", below.pem + middle.pem + CA.pem, None),
            "outlives_ca": pki.secret("x", late.pem, None, more={"ca.crt": short.pem}),
            "ca_unfit": pki.secret("x", pki.leaf(mute).pem, None, more={"ca.crt": mute.pem}),
            "copy_in_annotation": secret(
                annotations={"kubectl.kubernetes.io/last-applied-configuration": '{"kind":"Secret","data":{}}'}
            ),
        }
        for code, obj in cases.items():
            assert code in self.codes(obj), code

    def test_a_finding_has_a_rule_and_a_cure(self) -> None:
        (found,) = lint(read_secret(pki.secret("x", pki.leaf(CA, ()).pem, None)), pki.NOW)
        row = found.to_dict()
        assert row["severity"] == "warning"
        assert row["rule"].startswith("RFC")
        assert row["cure"]
