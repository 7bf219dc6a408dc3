# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each playbook needs to be allowed, as data; ``docs/rbac/<playbook>.yaml`` is written from it.

Three roles a playbook: one in the application's namespace, one in the state namespace, and a ClusterRole for what is in
no namespace. ``preflight`` asks the API server about each verb here.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

APP, STATE, CLUSTER = "app", "state", "cluster"
_SNAPSHOT = "snapshot.storage.k8s.io"
_PLACEHOLDERS = {APP: "app-namespace", STATE: "knowngood"}

# capability -> lines of: scope, API group ("" is core), resources, verbs, and the only names it is needed for
_CAPABILITIES: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    # resolve the application: one list a kind
    "look": (
        (APP, "", "namespaces", "get", ""),
        (APP, "", "pods persistentvolumeclaims services replicationcontrollers", "get list", ""),
        (APP, "apps", "deployments statefulsets daemonsets replicasets", "get list", ""),
        (APP, "batch", "jobs cronjobs", "get list", ""),
        (APP, "autoscaling", "horizontalpodautoscalers", "list", ""),
        (CLUSTER, "", "namespaces", "get", "kube-system"),
        (CLUSTER, "", "persistentvolumes", "get list", ""),
    ),
    # journal and lease of an operation, and the ledger
    "journal": (
        (STATE, "", "namespaces", "get", ""),
        (STATE, "", "configmaps", "get list create update", ""),
        (STATE, "coordination.k8s.io", "leases", "get create update", ""),
    ),
    # a pod of our own, and commands in pods
    "probe": (
        (APP, "", "pods", "create delete watch", ""),
        (APP, "", "pods/exec", "get create", ""),
    ),
    # stop, start and re-image workloads
    "scale": (
        (APP, "", "pods", "watch", ""),
        (APP, "", "replicationcontrollers", "patch watch", ""),
        (APP, "apps", "deployments statefulsets daemonsets replicasets", "patch watch", ""),
        (APP, "batch", "jobs cronjobs", "patch watch", ""),
    ),
    "isolate": ((APP, "networking.k8s.io", "networkpolicies", "get create update delete", ""),),
    "snapshot": (
        (APP, _SNAPSHOT, "volumesnapshots", "get list watch create patch delete", ""),
        (APP, "", "events", "list", ""),
        (CLUSTER, _SNAPSHOT, "volumesnapshotcontents", "get list watch patch", ""),
        (CLUSTER, _SNAPSHOT, "volumesnapshotclasses", "get list", ""),
    ),
    # a volume from a snapshot handle, and freeing one
    "snapshot contents": ((CLUSTER, _SNAPSHOT, "volumesnapshotcontents", "create delete", ""),),
    "swap": (
        (APP, "", "persistentvolumeclaims", "watch create patch delete", ""),
        (APP, "", "pods", "watch create delete", ""),
        (CLUSTER, "", "persistentvolumes", "watch patch", ""),
        (CLUSTER, "storage.k8s.io", "storageclasses", "get list", ""),
        (CLUSTER, "storage.k8s.io", "volumeattachments", "list watch", ""),
    ),
    "certificates": (
        (APP, "", "secrets", "get list create patch update delete", ""),
        (APP, "", "pods", "patch watch", ""),
        (APP, "", "pods/portforward", "get create", ""),
        (APP, "networking.k8s.io", "ingresses", "list", ""),
        (APP, "cert-manager.io", "certificates", "get list", ""),
    ),
}

_PLAYBOOKS: dict[str, tuple[str, ...]] = {
    "preflight": ("look",),
    "backup": ("look", "journal", "probe", "snapshot"),
    "restore": ("look", "journal", "probe", "scale", "snapshot", "snapshot contents", "swap"),
    "rotate_certificates": ("look", "journal", "probe", "scale", "certificates"),
    "maintenance": ("look", "journal", "probe", "scale", "snapshot", "snapshot contents", "certificates"),
    "incident_response": (
        "look",
        "journal",
        "probe",
        "scale",
        "isolate",
        "snapshot",
        "snapshot contents",
        "swap",
        "certificates",
    ),
}
PLAYBOOKS = tuple(sorted(_PLAYBOOKS))


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One verb on one resource (``pods/exec`` for a subresource). ``name``: the only object it is needed for."""

    scope: str
    group: str
    resource: str
    verb: str
    name: str = ""

    @property
    def shown(self) -> str:
        """``create pods/exec``, ``list volumesnapshots.snapshot.storage.k8s.io``, ``get namespaces/kube-system``."""
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {resource}" + (f"/{self.name}" if self.name else "")


def permissions(playbook: str) -> tuple[Permission, ...]:
    """Everything that a playbook needs, each once, sorted."""
    return tuple(sorted(set(_expanded(_PLAYBOOKS[playbook]))))


def _expanded(capabilities: Iterable[str]) -> Iterator[Permission]:
    for capability in capabilities:
        for scope, group, resources, verbs, name in _CAPABILITIES[capability]:
            for resource in resources.split():
                for verb in verbs.split():
                    yield Permission(scope, group, resource, verb, name)


def rules(playbook: str, scope: str) -> list[dict[str, Any]]:
    """The RBAC rules of one role: verbs of equal resources together, resources of equal verbs together."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for permission in permissions(playbook):
        if permission.scope == scope:
            verbs.setdefault((permission.group, permission.name, permission.resource), []).append(permission.verb)
    resources: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (group, name, resource), found in verbs.items():
        resources.setdefault((group, name, tuple(found)), []).append(resource)
    return [
        {
            "apiGroups": [group],
            "resources": names,
            **({"resourceNames": [name]} if name else {}),
            "verbs": list(found),
        }
        for (group, name, found), names in resources.items()
    ]


def manifests(
    playbook: str,
    *,
    app_namespace: str = _PLACEHOLDERS[APP],
    state_namespace: str = _PLACEHOLDERS[STATE],
    user: str = "knowngood",
) -> list[dict[str, Any]]:
    """Roles and bindings for one user, ready to apply."""
    base = f"knowngood-{playbook.replace('_', '-')}"
    subject = {"apiGroup": _RBAC, "kind": "User", "name": user}
    found: list[dict[str, Any]] = []
    for scope, namespace, suffix in ((APP, app_namespace, ""), (STATE, state_namespace, "-state"), (CLUSTER, "", "")):
        kind, name, granted = "ClusterRole" if scope == CLUSTER else "Role", base + suffix, rules(playbook, scope)
        if granted:
            meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
            found.append({"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": meta, "rules": granted})
            reference = {"apiGroup": _RBAC, "kind": kind, "name": name}
            binding = {"kind": f"{kind}Binding", "metadata": dict(meta), "roleRef": reference, "subjects": [subject]}
            found.append({"apiVersion": f"{_RBAC}/v1", **binding})
    return found


_RBAC = "rbac.authorization.k8s.io"
