# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CAs that do not stand alone: one below a root that stays, and one whose successor is vouched for by a bridge."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509

from tests.cluster.handle import Cluster
from tests.integration.ca_app import SHOW_LEAF, Shop, asking, leaf_volume
from tests.integration.rotation_clients import ASK_WEB
from tests.unit.tls import pki

OUTSIDE = "outside"
_TRUSTS_ONE = 'cafile="/trust/ca.crt"', 'cadata=__import__("os").environ["OLD_CA"]'


def sent_with(shop: Shop, secret: str) -> list[str]:
    """The subjects of what a TLS Secret sends, the leaf's excepted."""
    text = base64.b64decode(shop.cluster.get("secret", secret, "-n", shop.namespace)["data"]["tls.crt"])
    return [c.subject.rfc4514_string() for c in x509.load_pem_x509_certificates(text)[1:]]


@pytest.mark.rig
def test_an_intermediate_is_replaced_below_its_root_and_no_trust_is_touched(cluster: Cluster, namespace: str) -> None:
    shop = Shop.make(cluster, namespace, below=pki.ca("root-ca")).deploy()
    shop.wait_counts(10)
    before = cluster.get("configmap", "trust", "-n", namespace)

    half = shop.rotate(parent=f"{namespace}/root", phase="ISSUER_SWITCHED")
    shop.engine().undo(half["operation"])
    assert (sent_with(shop, "web-tls"), shop.counts()["why"]) == (["CN=web-ca"], [])
    found = shop.rotate(parent=f"{namespace}/root")

    counts = shop.wait_counts(20)
    assert (counts["failed"], counts["why"]) == (0, [])
    assert (found["phase"], found["stores"]) == ("DONE", [])
    for name in ("web-tls", "client-tls"):
        assert shop.leaf(name).issuer.rfc4514_string() == "CN=web-ca g2"
        assert sent_with(shop, name) == ["CN=web-ca g2"]
    made = shop.leaf("web-ca")
    assert (made.subject.rfc4514_string(), made.issuer.rfc4514_string()) == ("CN=web-ca g2", "CN=root-ca")
    assert cluster.get("configmap", "trust", "-n", namespace) == before
    assert any("below the same root" in text for text in found["unproven"])


@pytest.mark.rig
def test_a_compromised_intermediate_is_given_up_and_nobody_is_told_that_it_was_distrusted(
    cluster: Cluster, namespace: str
) -> None:
    shop = Shop.make(cluster, namespace, below=pki.ca("root-ca")).deploy()
    shop.wait_counts(10)

    found = shop.rotate(parent=f"{namespace}/root", compromised=True)

    counts = shop.wait_counts(20)
    assert (counts["failed"], counts["why"]) == (0, [])  # the root vouches for both
    assert found["cost"][-1].startswith("not the end of it: whoever trusts CN=root-ca")
    for name in ("web-tls", "client-tls"):
        assert shop.leaf(name).issuer.rfc4514_string() == "CN=web-ca g2"
    names = [one["metadata"]["name"] for one in cluster.get("secrets", "-n", namespace)["items"]]
    assert sorted(names) == ["client-tls", "root", "web-ca", "web-tls"]
    answers = {row["subject"].partition(": ")[2]: row for row in found["evidence"] if row["phase"] == "NEGATIVE_OK"}
    assert (answers["new CA"]["ok"], answers["old CA turned away"]["ok"]) == (True, False)
    assert any("CA CN=web-ca: that nobody accepts it any more" in text for text in found["unproven"])


@pytest.mark.rig
def test_who_trusts_the_old_one_alone_is_led_over_a_bridge_until_it_is_taken_away(
    cluster: Cluster, namespace: str
) -> None:
    shop = Shop.make(cluster, namespace).deploy()
    shop.count(OUTSIDE)
    program = asking(ASK_WEB.replace(*_TRUSTS_ONE) + SHOW_LEAF, OUTSIDE)
    trust = cluster.get("configmap", "trust", "-n", namespace)["data"]["ca.crt"]
    shop.run("outsider", ["python3", "-c", program], [leaf_volume("client-tls")], replicas=2, env={"OLD_CA": trust})
    shop.wait_counts(10, OUTSIDE)

    assert shop.rotate(bridge=True, phase="NEGATIVE_OK")["phase"] == "NEGATIVE_OK"
    shop.wait_counts(20)
    outside = shop.wait_counts(20, OUTSIDE)
    assert (outside["failed"], outside["why"]) == (0, [])
    assert shop.trust() == ["CN=web-ca g2"]
    assert (shop.leaf("web-tls").issuer.rfc4514_string(), sent_with(shop, "web-tls")) == (
        "CN=web-ca g2",
        ["CN=web-ca g2"],
    )

    assert shop.rotate(bridge=True)["phase"] == "DONE"
    assert sent_with(shop, "web-tls") == []
    cluster.kubectl("rollout", "restart", "deployment/web", "-n", namespace)  # what runs goes on sending it
    inside = shop.wait_counts(20)
    assert (inside["failed"], inside["why"]) == (0, [])
    cut_off = cluster.wait("the outsider cut off", lambda: shop.counts(OUTSIDE)["why"])
    assert "CERTIFICATE_VERIFY_FAILED" in cut_off[0]
