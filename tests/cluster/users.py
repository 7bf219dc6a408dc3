# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Users with exactly the rights a test gives them. Pure: the manifests; the keys come from :mod:`.keys`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_RBAC = "rbac.authorization.k8s.io"
Rule = dict[str, list[str]]


def _binding(kind: str, role_kind: str, name: str, role: str, user: str, namespace: str = "") -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": _RBAC, "kind": role_kind, "name": role},
        "subjects": [{"kind": "User", "name": user, "apiGroup": _RBAC}],
    }


def _role(kind: str, name: str, rules: Iterable[Rule], namespace: str = "") -> dict[str, Any]:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": list(rules),
    }


def grants(
    user: str,
    *,
    rules: dict[str, list[Rule]] | None = None,
    cluster_rules: Iterable[Rule] = (),
    cluster_roles: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Roles and bindings for ``user``.

    ``rules`` maps a namespace to RBAC rules there, ``cluster_rules`` hold everywhere, ``cluster_roles`` names roles
    that exist (``view``). Object names are the user's.
    """
    found: list[dict[str, Any]] = []
    for namespace, given in (rules or {}).items():
        found.append(_role("Role", user, given, namespace))
        found.append(_binding("RoleBinding", "Role", user, user, user, namespace))
    own = list(cluster_rules)
    if own:
        found.append(_role("ClusterRole", user, own))
        found.append(_binding("ClusterRoleBinding", "ClusterRole", user, user, user))
    for role in cluster_roles:
        found.append(_binding("ClusterRoleBinding", "ClusterRole", f"{user}-{role}", role, user))
    return found
