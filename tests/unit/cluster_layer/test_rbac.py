# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shipped roles and what preflight asks about are one."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import (
    APP,
    CLUSTER,
    CLUSTER_ISSUER,
    GRANTS,
    Permission,
    manifests,
    permissions,
    rules,
)

from .rbac_files import FOLDER, expected


@pytest.mark.parametrize("playbook", GRANTS)
def test_the_shipped_file_is_written_from_the_data(playbook: str) -> None:
    assert (FOLDER / f"{playbook}.yaml").read_text() == expected(playbook), (
        "python -m tests.unit.cluster_layer.rbac_files writes it anew"
    )


def test_no_file_is_left_over() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == list(GRANTS)


@pytest.mark.parametrize("playbook", GRANTS)
def test_rules_say_exactly_the_permissions(playbook: str) -> None:
    said = {
        Permission(scope, group, resource, verb, (rule.get("resourceNames") or [""])[0])
        for scope in ("app", "state", "cluster")
        for rule in rules(playbook, scope)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert said == set(permissions(playbook))


@pytest.mark.parametrize("playbook", GRANTS)
def test_nothing_is_granted_by_wildcard_and_no_secret_cluster_wide(playbook: str) -> None:
    for permission in permissions(playbook):
        assert "*" not in (permission.group, permission.resource, permission.verb)
        assert not (permission.scope == CLUSTER and permission.resource == "secrets")


def test_of_a_cluster_issuer_no_secret_is_written_and_none_is_listed() -> None:
    verbs = {p.verb for p in permissions(CLUSTER_ISSUER) if p.resource == "secrets"}
    assert verbs == {"get", "delete"}


def test_looking_changes_nothing() -> None:
    assert {p.verb for p in permissions("preflight")} <= {"get", "list", "watch"}


def test_a_restore_may_hold_autoscalers_that_scale_to_zero() -> None:
    verbs = {p.verb for p in permissions("restore") if p.resource == "horizontalpodautoscalers"}
    assert verbs == {"get", "list", "patch"}


def test_manifests_bind_each_role_to_the_user() -> None:
    found = manifests("backup", app_namespace="shop", state_namespace="kg", user="alice")
    kinds = [(m["kind"], m["metadata"].get("namespace", "")) for m in found]
    assert kinds == [
        ("Role", "shop"),
        ("RoleBinding", "shop"),
        ("Role", "kg"),
        ("RoleBinding", "kg"),
        ("ClusterRole", ""),
        ("ClusterRoleBinding", ""),
    ]
    assert {m["subjects"][0]["name"] for m in found if "subjects" in m} == {"alice"}


def test_both_roles_fit_into_one_namespace() -> None:
    found = manifests("backup", app_namespace="shop", state_namespace="shop")
    names = [(m["kind"], m["metadata"]["name"], m["metadata"].get("namespace")) for m in found]
    assert len(set(names)) == len(names)


def test_a_permission_is_shown_as_kubectl_would() -> None:
    assert Permission(APP, "", "pods/exec", "create").shown == "create pods/exec"
    assert Permission(APP, "apps", "deployments", "patch").shown == "patch deployments.apps"
    assert Permission(CLUSTER, "", "namespaces", "get", "kube-system").shown == "get namespaces/kube-system"
