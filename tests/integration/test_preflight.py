# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Preflight under exactly the shipped rights, one verb less, and with things missing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.preflight import Check, look
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import CLUSTER_ISSUER, PLAYBOOKS, manifests
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from tests.cluster import objects
from tests.cluster.audit import AuditLog
from tests.cluster.handle import Cluster
from tests.integration.small_app import App, stateful_set


@pytest.fixture
def app(cluster: Cluster, make_namespace: Callable[[], str]) -> App:
    namespace, state = make_namespace(), make_namespace()
    cluster.apply(stateful_set("db", cluster.image()), namespace=namespace)
    cluster.wait_ready(namespace, "statefulset/db")
    return App(cluster, namespace, state, cluster.kubeconfig)


def checks(
    app: App, *grants: str, state: str = "", issuers: str = "cert-manager", problem: str = "", **spec: Any
) -> dict[str, Check]:
    found = look(
        app.api,
        app.spec(**spec),
        grants,
        state_namespace=state or app.state,
        cluster_resource_namespace=issuers,
        clock=SystemClock(),
        class_problem=lambda classes, driver: problem,
    )
    return {check.name: check for check in found}


def granted(
    app: App, grant: str, user: str, without: tuple[str, str] | None = None, namespace: str = ""
) -> list[dict[str, Any]]:
    """The shipped roles under names of this test; ``without`` (resource, verb) takes one verb out."""
    given = {"app_namespace": namespace or app.namespace, "state_namespace": app.state}
    made = deepcopy(manifests(grant, **given, user=user))
    for one in made:
        one["metadata"]["name"] += f"-{user}"
        if "roleRef" in one:
            one["roleRef"]["name"] += f"-{user}"
        if without:
            one["rules"] = [part for rule in one.get("rules", []) for part in less(rule, *without)]
        if not one.get("rules"):
            one.pop("rules", None)
    return made


def less(rule: dict[str, Any], resource: str, verb: str) -> list[dict[str, Any]]:
    """The rule without that verb on that resource."""
    if resource not in rule["resources"]:
        return [rule]
    others = [name for name in rule["resources"] if name != resource]
    verbs = [name for name in rule["verbs"] if name != verb]
    return [{**rule, "resources": others}] * bool(others) + [{**rule, "resources": [resource], "verbs": verbs}] * bool(
        verbs
    )


@pytest.mark.rig
@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_shipped_role_is_enough(app: App, user: Callable[..., Any], audit: AuditLog, playbook: str) -> None:
    name = f"u-{app.namespace}"
    someone = user(name=name, manifests=granted(app, playbook, name))
    audit.mark()
    found = checks(app.as_user(someone.kubeconfig), playbook)
    assert {check.name: check.what for check in found.values() if check.ok is False} == {}
    assert found[f"rbac {playbook}"].ok
    assert found["claim data-db-0"].ok
    assert audit.writes(name) == []


@pytest.mark.rig
@pytest.mark.parametrize(
    ("resource", "verb"),
    [
        ("pods/exec", "create"),
        ("deployments", "patch"),
        ("leases", "update"),
        ("persistentvolumes", "list"),
        ("volumesnapshotcontents", "patch"),
    ],
)
def test_one_verb_less_is_named(app: App, user: Callable[..., Any], resource: str, verb: str) -> None:
    name = f"u-{app.namespace}"
    someone = user(name=name, manifests=granted(app, "incident_response", name, (resource, verb)))
    check = checks(app.as_user(someone.kubeconfig), "incident_response")["rbac incident_response"]
    assert check.ok is False
    assert check.what.startswith("1 of ")
    assert f"{verb} {resource}" in check.what
    assert "docs/rbac/incident_response.yaml" in check.cure


@pytest.mark.rig
def test_for_a_cluster_issuer_it_asks_where_cert_manager_keeps_its_secrets(
    app: App, make_namespace: Callable[[], str], user: Callable[..., Any]
) -> None:
    name, issuers = f"u-{app.namespace}", make_namespace()
    roles = granted(app, "preflight", name) + granted(app, CLUSTER_ISSUER, name, ("secrets", "delete"), issuers)
    seen = app.as_user(user(name=name, manifests=roles).kubeconfig)
    check = checks(seen, CLUSTER_ISSUER, issuers=issuers)[f"rbac {CLUSTER_ISSUER}"]
    assert check.ok is False
    assert f"permissions are missing; in namespace {issuers}: delete secrets" in check.what
    assert check.what.startswith("1 of ")
    assert f"docs/rbac/{CLUSTER_ISSUER}.yaml" in check.cure


@pytest.mark.rig
def test_without_any_right_everything_is_said_and_nothing_breaks(app: App, user: Callable[..., Any]) -> None:
    found = checks(app.as_user(user().kubeconfig), "backup")
    assert found["rbac backup"].ok is False
    assert found["application"].ok is None
    assert found["state namespace"].ok is None


def test_what_is_missing_is_named_with_its_cure(app: App) -> None:
    pending = objects.claim("waits", "local-wait")
    app.cluster.apply(pending, namespace=app.namespace)
    found = checks(app, state="not-there", problem="no class", claims=["waits", "data-db-0"])
    assert found["state namespace"].ok is False
    assert "kubectl create namespace not-there" in found["state namespace"].cure
    assert found["claim waits"].ok is False
    assert found["claim data-db-0"].ok
    assert [check.ok for name, check in found.items() if name.startswith("snapshot class of")] == [False]
    assert checks(app, workloads=["Deployment/nope"])["application"].ok is False


def test_the_door(app: App) -> None:
    given = {"app": {"name": "app", "namespace": app.namespace}, "state_namespace": app.state}
    told = app.door("preflight", **given, **{"for": ["incident_response"]})
    assert (told["changed"], told["ok"], told["problems"]) == (False, True, [])
    wrong = app.door("preflight", **given, snapshot_class="nope")
    assert (wrong["failed"], wrong["ok"]) == (False, False)
    assert "nope" in wrong["problems"][0]


def test_what_ends_any_look_ends_it_with_one_message(app: App, tmp_path: Path) -> None:
    given = {"app": {"name": "app", "namespace": app.namespace}}
    none = app.as_user(tmp_path / "none").door("preflight", **given)
    assert (none["failed"], none["error"]["code"]) == (True, "bad_input")
    away = app.door("preflight", **given, host="https://127.0.0.1:1")
    assert (away["failed"], away["error"]["code"]) == (True, "unreachable")
