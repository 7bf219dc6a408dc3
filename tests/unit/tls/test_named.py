# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who serves a Secret that no pod uses, here and in namespaces that a ReferenceGrant lets in."""

from __future__ import annotations

from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._tls.named import Servers

from .stock import Stock

UNREAD = "that names it (not allowed to look)"


def ingress(name: str, secret: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": "shop", "uid": f"i-{name}"}
    return {"kind": "Ingress", "metadata": meta, "spec": {"tls": [{"secretName": secret, "hosts": ["web"]}]}}


def gateway(name: str, *secrets: str, namespace: str = "shop") -> dict[str, Any]:
    """One listener a Secret; each is the namespace's own, or of another one as ``namespace/name``."""
    named = [dict(zip(("name", "namespace"), reversed(one.split("/")), strict=False)) for one in secrets]
    listeners = [{"name": f"l{at}", "tls": {"certificateRefs": [one]}} for at, one in enumerate(named)]
    meta = {"name": name, "namespace": namespace, "uid": f"g-{name}"}
    return {"kind": "Gateway", "metadata": meta, "spec": {"listeners": listeners}}


def grant(comer: str, secret: str = "", *, kind: str = "Gateway", to: str = "Secret") -> dict[str, Any]:
    comes = {"group": "gateway.networking.k8s.io", "kind": kind, "namespace": comer}
    goes = {"group": "", "kind": to, **({"name": secret} if secret else {})}
    meta = {"name": f"for-{comer}", "namespace": "shop"}
    return {"kind": "ReferenceGrant", "metadata": meta, "spec": {"from": [comes], "to": [goes]}}


class Readable(Stock):
    """Kinds in ``unserved`` are not installed; who may not read them is told that he may not all the same."""

    def __init__(
        self, *objects: dict[str, Any], unserved: tuple[str, ...] = (), closed: tuple[str, ...] = (), **more: Any
    ) -> None:
        super().__init__(*objects, **more)
        self.unserved, self.closed, self.looked_in = unserved, closed, set[str]()

    def list(self, kind: Any, namespace: str | None = None, **more: str) -> Any:
        self.looked_in.add(namespace or "")
        given = Stock(*self.objects, denied=(kind.kind,)) if namespace in self.closed else self
        return list(given.each(kind, namespace, **more))

    def serves(self, kind: Any) -> bool:
        return kind.kind not in self.unserved


def serving(*objects: dict[str, Any], **given: Any) -> tuple[str, ...]:
    """Who serves shop/web-tls."""
    cluster: Any = Readable(*objects, **given)
    return Servers(cluster).of("shop", "web-tls")


class TestItsOwnNamespace:
    def test_each_listener_and_each_ingress_is_named(self) -> None:
        found = serving(gateway("edge", "web-tls", "other-tls", "web-tls"), ingress("front", "web-tls"))
        assert found == ("Gateway/edge listener l0", "Gateway/edge listener l2", "Ingress/front")

    def test_who_may_not_look_is_told_that_nothing_is_known(self) -> None:
        assert serving(ingress("front", "web-tls"), denied=("Gateway",), absent=("ListenerSet",)) == (
            "Ingress/front",
            f"any Gateway {UNREAD}",
        )

    def test_what_is_not_installed_serves_nothing(self) -> None:
        kinds = ("Gateway", "ListenerSet", "ReferenceGrant")
        assert serving(ingress("front", "web-tls"), denied=kinds, unserved=kinds) == ("Ingress/front",)

    def test_a_namespace_is_looked_at_once(self) -> None:
        cluster: Any = Readable(ingress("front", "web-tls"))
        servers = Servers(cluster)
        asked = (servers.of("shop", "web-tls"), list(cluster.asked), servers.of("shop", "other-tls"))
        assert (asked[0], asked[2]) == (("Ingress/front",), ())
        assert cluster.asked == asked[1]


class TestOtherNamespaces:
    far = gateway("edge", "shop/web-tls", namespace="infra")

    def test_a_gateway_that_is_let_in_is_named_with_its_namespace(self) -> None:
        assert serving(self.far, grant("infra")) == ("Gateway/edge listener l0 in namespace infra",)
        assert serving(self.far, grant("infra", "web-tls")) == ("Gateway/edge listener l0 in namespace infra",)

    def test_one_that_is_not_let_in_serves_nothing_and_is_not_looked_at(self) -> None:
        for given in (grant("other"), grant("infra", to="Service")):
            cluster: Any = Readable(self.far, given)
            assert Servers(cluster).of("shop", "web-tls") == ()
            assert "infra" not in cluster.looked_in

    def test_one_that_is_let_in_to_another_secret_serves_that_one_alone(self) -> None:
        assert serving(self.far, grant("infra", "other-tls")) == ()
        assert serving(self.far, grant("infra", "web-tls", kind="ListenerSet")) == ()

    def test_where_it_may_not_be_looked_at_only_what_may_serve_it_is_told(self) -> None:
        told = (f"any Gateway of namespace infra {UNREAD}",)
        assert serving(self.far, grant("infra", "web-tls"), closed=("infra",)) == told
        assert serving(self.far, grant("infra", "other-tls"), closed=("infra",)) == ()

    def test_who_may_not_look_at_the_grants_is_told_that_nothing_is_known(self) -> None:
        assert serving(self.far, denied=("ReferenceGrant",)) == (f"any Gateway of another namespace {UNREAD}",)
