# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses a Secret and how, which port is asked, and the plan that follows."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.consumers import assemble, likely_ports
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import (
    Observed,
    Request,
    Target,
    consumers_in,
    due,
    plan,
    server_name,
    service_in,
)
from ansible_collections.knowngood.kube.plugins.module_utils._tls.request import request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.services import tls_port

from . import pki

CA = pki.ca("ca")
TARGET = Target("shop", "web-tls")


def pod_spec(*mounts: dict[str, Any], init: bool = False, **more: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "volumeMounts": list(mounts), **more}
    spec: dict[str, Any] = {
        "containers": [{"name": "main", "image": "i"} if init else container],
        "volumes": [
            {"name": "tls", "secret": {"secretName": "web-tls"}},
            {"name": "all", "projected": {"sources": [{"secret": {"name": "web-tls"}}]}},
        ],
    }
    if init:
        spec["initContainers"] = [container]
    return spec


def deployment(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": name, "uid": f"d-{name}"},
        "spec": {"template": {"spec": spec}},
    }


def pod(name: str, owner: str, spec: dict[str, Any], **status: Any) -> dict[str, Any]:
    reference = {"kind": "ReplicaSet", "name": f"{owner}-1", "uid": f"r-{owner}", "controller": True, "apiVersion": "x"}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "uid": f"p-{name}",
            "namespace": "shop",
            "labels": {"app": owner},
            "ownerReferences": [reference] if owner else [],
        },
        "spec": spec,
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **status},
    }


def replica_set(owner: str) -> dict[str, Any]:
    reference = {"kind": "Deployment", "name": owner, "uid": f"d-{owner}", "controller": True, "apiVersion": "apps/v1"}
    meta = {"name": f"{owner}-1", "uid": f"r-{owner}", "ownerReferences": [reference]}
    return {"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": meta, "spec": {}}


class TestConsumers:
    @pytest.mark.parametrize(
        ("spec", "delivery", "delivered"),
        [
            (pod_spec({"name": "tls", "mountPath": "/t"}), "volume", True),
            (pod_spec({"name": "all", "mountPath": "/t"}), "volume", True),
            (pod_spec({"name": "tls", "mountPath": "/t", "subPath": "tls.crt"}), "sub_path", False),
            (pod_spec(envFrom=[{"secretRef": {"name": "web-tls"}}]), "env", False),
            (pod_spec({"name": "tls", "mountPath": "/t"}, init=True), "init", False),
            (pod_spec({"name": "tls", "mountPath": "/t"}, init=True, restartPolicy="Always"), "volume", True),
        ],
    )
    def test_how_it_is_delivered(self, spec: dict[str, Any], delivery: str, delivered: bool) -> None:
        (found,) = assemble("shop", [deployment("web", spec)], []).consumers("web-tls")
        assert found.ref == "Deployment/web"
        assert [use.delivery for use in found.uses] == [delivery]
        assert found.delivered is delivered

    def test_a_pod_of_an_older_template_still_counts(self) -> None:
        with_it, without = pod_spec({"name": "tls", "mountPath": "/t"}), {"containers": [{"name": "c"}]}
        objects = [deployment("web", without), replica_set("web")]
        view = assemble("shop", objects, [pod("web-1-a", "web", with_it)])
        (found,) = view.consumers("web-tls")
        assert (found.ref, found.uid) == ("Deployment/web", "d-web")

    def test_bare_pods_are_consumers_and_ended_ones_are_not(self) -> None:
        spec = pod_spec({"name": "tls", "mountPath": "/t"})
        view = assemble("shop", [], [pod("bare", "", spec), pod("over", "", spec, phase="Succeeded")])
        assert [c.ref for c in view.consumers("web-tls")] == ["Pod/bare"]

    def test_ports_are_told_by_name_then_by_number_then_all(self) -> None:
        def ports(*declared: dict[str, Any]) -> tuple[int, ...]:
            spec = pod_spec({"name": "tls", "mountPath": "/t"}, ports=list(declared))
            return likely_ports(assemble("shop", [], [pod("p", "", spec)]).pods[0], {"c"})

        assert ports({"name": "web-https", "containerPort": 9000}, {"containerPort": 80}) == (9000,)
        assert ports({"containerPort": 8443}, {"containerPort": 80}) == (8443,)
        assert ports({"containerPort": 5432}, {"containerPort": 80}) == (80, 5432)
        assert ports({"containerPort": 443, "protocol": "UDP"}) == ()


class TestServices:
    def service(self, *ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
        found = {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", **spec, "ports": list(ports)}
        return {"metadata": {"name": "web", "namespace": "shop"}, "spec": found}

    def test_the_port_is_told_by_name_number_wish_or_being_alone(self) -> None:
        https = {"name": "https", "port": 444, "targetPort": "tls"}
        http = {"name": "http", "port": 80}
        assert tls_port(self.service(http, https), None).target == "tls"
        assert tls_port(self.service(http, {"name": "a", "port": 443, "targetPort": 8443}), None).target == 8443
        assert tls_port(self.service(http), None).port == 80
        assert tls_port(self.service(http, https), 80).port == 80
        assert tls_port(self.service(http, {"name": "b", "port": 1, "targetPort": 8443}), 8443).port == 1
        with pytest.raises(BadInput, match="its ports: http 80, x 81"):
            tls_port(self.service(http, {"name": "x", "port": 81}), None)
        with pytest.raises(BadInput):
            tls_port(self.service(http), 9)

    def test_a_headless_one_is_dialled_by_name(self) -> None:
        found = tls_port(self.service({"port": 443}, clusterIP="None"), None)
        assert found.address == "web.shop.svc"
        assert found.headless


class TestNames:
    @pytest.mark.parametrize(
        ("names", "wanted"),
        [
            (("DNS:shop.example", "DNS:web.shop.svc"), "web.shop.svc"),
            (("DNS:web", "DNS:web.shop.svc.cluster.local"), "web.shop.svc.cluster.local"),
            (("DNS:*.shop.svc",), "web.shop.svc"),
            (("DNS:shop.example",), "shop.example"),
            (("DNS:*.example.org",), "www.example.org"),
            (("IP:10.0.0.1",), "10.0.0.1"),
            (("URI:a:b",), ""),
        ],
    )
    def test_the_name_to_ask_for(self, names: tuple[str, ...], wanted: str) -> None:
        leaf = read_chain(pki.leaf(CA, names).pem).leaf
        assert leaf is not None
        service = tls_port(TestServices().service({"port": 443}), None)
        assert server_name(leaf, service) == wanted


def observed(**more: Any) -> Observed:
    leaf = read_chain(pki.leaf(CA).pem).leaf
    assert leaf is not None
    spec = pod_spec({"name": "tls", "mountPath": "/t"})
    consumers = assemble("shop", [deployment("web", spec)], []).consumers("web-tls")
    service = tls_port(TestServices().service({"port": 443, "targetPort": "https"}), None)
    fields = {"due": "asked for", "key_format": "SEC1", "consumers": consumers, "service": service, **more}
    return Observed(TARGET, "uid", leaf, "", **fields)


def request_(**more: Any) -> Request:
    return Request((TARGET,), "ca", **more)


class TestPlan:
    def test_the_steps_of_a_target_that_is_due(self) -> None:
        made = plan(request_(force=True), [observed()])
        words = ["baseline", "stage", "check", "commit", "deliver", "restart", "prove", "clean"]
        assert [step.name for step in made.steps] == [f"{word} shop/web-tls" for word in words]
        assert (made.kind, made.target, made.key) == ("rotation", "shop/web-tls", "force:shop/web-tls")
        assert made.steps[3].touches == ("Secret shop/web-tls", "Secret shop/web-tls-prev-*")

    def test_what_is_not_due_has_none_and_old_copies_go(self) -> None:
        assert plan(request_(), [observed(due="")]).empty
        made = plan(request_(), [observed(due="", expired_archives=(("web-tls-prev-1", "u"),))])
        assert [step.action for step in made.steps] == ["tls.purge"]

    def test_a_plan_survives_the_journal_and_holds_no_key(self) -> None:
        made = plan(request_(incident="INC-1"), [observed()])
        again = Plan.from_dict(made.to_dict())
        assert again.hash == made.hash
        assert "PRIVATE" not in str(made.to_dict())
        assert consumers_in(again.steps[0].params) == observed().consumers
        assert service_in(again.steps[0].params) == observed().service

    def test_the_key_is_what_was_asked_for_and_not_what_was_found(self) -> None:
        other = observed(due="")
        assert plan(request_(incident="I"), [observed()]).key == plan(request_(incident="I"), [other]).key
        assert request_(incident="I").plan_key([TARGET]) != request_(incident="J").plan_key([TARGET])

    def test_the_lease_is_the_applications_or_the_secrets(self) -> None:
        assert request_(app="shop/shop").lease([TARGET]) == "shop/shop"
        long = Target("shop", "n" * 200)
        name = request_().lease([long]).partition("/")[2]
        assert len(f"rotation-{name}-0123456789") <= 63


class TestDue:
    def leaf(self, left: dt.timedelta, life: dt.timedelta = 90 * pki.DAY) -> Any:
        end = pki.NOW + left
        return read_chain(pki.leaf(CA, begin=end - life, end=end).pem).leaf

    def test_the_last_third_unless_told_otherwise(self) -> None:
        assert due(self.leaf(30 * pki.DAY), "", request_(), pki.NOW) == "30.0 days left"
        assert due(self.leaf(31 * pki.DAY), "", request_(), pki.NOW) == ""
        assert due(self.leaf(31 * pki.DAY), "", request_(expiring_within_s=40 * 86400), pki.NOW)
        assert not due(self.leaf(5 * pki.DAY), "", request_(expiring_within_s=86400), pki.NOW)
        assert due(self.leaf(-pki.DAY), "", request_(expiring_within_s=0), pki.NOW)

    def test_an_incident_counts_once_and_force_always(self) -> None:
        fresh = self.leaf(89 * pki.DAY)
        assert due(fresh, "", request_(incident="INC-1"), pki.NOW) == "incident INC-1"
        assert due(fresh, "INC-1", request_(incident="INC-1"), pki.NOW) == ""
        assert due(fresh, "INC-1", request_(incident="INC-2"), pki.NOW)
        assert due(fresh, "", request_(force=True), pki.NOW) == "asked for"


class TestRequest:
    def params(self, **more: Any) -> dict[str, Any]:
        given = {"issuer": {"ca_secret": "ca"}, "reload_wait": "5s", "wait_timeout": 300, "keep_previous_for": "24h"}
        return {**given, **more}

    def test_targets_come_from_the_application(self) -> None:
        app = {"name": "shop", "namespace": "shop", "tls_secrets": ["a", "b"]}
        found = request(self.params(app=app))
        assert [target.ref for target in found.targets] == ["shop/a", "shop/b"]
        assert found.app == "shop/shop"
        assert request(self.params(app=app, targets=[{"secret": "c"}])).targets[0].namespace == "shop"

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({}, "nothing to rotate"),
            ({"targets": [{"secret": "a"}]}, "has no namespace"),
            ({"targets": [{"secret": "a", "namespace": "n"}] * 2}, "names a Secret twice"),
            ({"targets": [{"secret": "a", "namespace": "n"}], "expiring_within": "soon"}, "expiring_within"),
        ],
    )
    def test_bad_input(self, more: dict[str, Any], told: str) -> None:
        with pytest.raises(BadInput, match=told):
            request(self.params(**more))
