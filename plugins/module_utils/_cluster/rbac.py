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
_SNAPSHOT, _GROUP_SNAPSHOT = "snapshot.storage.k8s.io", "groupsnapshot.storage.k8s.io"
_PLACEHOLDERS = {APP: "app-namespace", STATE: "knowngood"}

# capability -> lines of: scope, API group ("" is core), resources, verbs, and the only names it is needed for
_CAPABILITIES: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    # resolve the application (one list a kind), and choose a snapshot class
    "look": (
        (APP, "", "namespaces", "get", ""),
        (APP, "", "pods persistentvolumeclaims replicationcontrollers", "list", ""),
        (APP, "apps", "deployments statefulsets daemonsets replicasets", "list", ""),
        (APP, "batch", "jobs cronjobs", "list", ""),
        (APP, "autoscaling", "horizontalpodautoscalers", "list", ""),
        (APP, "keda.sh", "scaledobjects", "list", ""),
        (STATE, "", "namespaces", "get", ""),
        (CLUSTER, "", "namespaces", "get", "kube-system"),
        (CLUSTER, "", "persistentvolumes", "get list", ""),
        (CLUSTER, _SNAPSHOT, "volumesnapshotclasses", "list", ""),
    ),
    # journal and lease of an operation, and the ledger
    "journal": (
        (STATE, "", "configmaps", "get list create update", ""),
        (STATE, "coordination.k8s.io", "leases", "get create update", ""),
    ),
    # remove the journals of operations that nobody needs any more
    "clear": ((STATE, "", "configmaps", "delete", ""),),
    # commands in pods (from Kubernetes 1.35 on both verbs are asked for)
    "exec": ((APP, "", "pods/exec", "get create", ""),),
    # pods of our own
    "pods": ((APP, "", "pods", "get watch create delete", ""),),
    # set images, restart
    "roll": ((APP, "apps", "deployments statefulsets daemonsets", "get watch patch", ""),),
    # stop and start workloads of every kind
    "scale": (
        (APP, "", "pods", "get watch", ""),
        (APP, "", "replicationcontrollers", "get watch patch", ""),
        (APP, "apps", "replicasets", "get watch patch", ""),
        (APP, "batch", "jobs cronjobs", "get list patch", ""),
    ),
    # freeze who would start workloads again and put it back; GitOps objects are in namespaces of their own
    "freeze": (
        (APP, "policy", "poddisruptionbudgets", "list", ""),
        # one that may scale to zero
        (APP, "autoscaling", "horizontalpodautoscalers", "get list patch", ""),
        (APP, "keda.sh", "scaledobjects", "get list patch", ""),
        (CLUSTER, "argoproj.io", "applications", "get list patch", ""),
        (CLUSTER, "kustomize.toolkit.fluxcd.io", "kustomizations", "get patch", ""),
        (CLUSTER, "helm.toolkit.fluxcd.io", "helmreleases", "get patch", ""),
    ),
    "isolate": (
        (APP, "", "services", "list", ""),
        (APP, "networking.k8s.io", "networkpolicies", "get create update delete", ""),
    ),
    "snapshot": (
        (APP, "", "persistentvolumeclaims", "get", ""),
        (APP, "", "events", "list", ""),
        (APP, _SNAPSHOT, "volumesnapshots", "get list watch create delete", ""),
        (CLUSTER, _SNAPSHOT, "volumesnapshotcontents", "get list watch create patch delete", ""),
    ),
    # claims cut as one group (only where that is asked for)
    "group": (
        (APP, "", "persistentvolumeclaims", "patch", ""),
        (APP, _GROUP_SNAPSHOT, "volumegroupsnapshots", "get list watch create delete", ""),
        (CLUSTER, _GROUP_SNAPSHOT, "volumegroupsnapshotclasses", "list", ""),
        (CLUSTER, _GROUP_SNAPSHOT, "volumegroupsnapshotcontents", "get list watch create patch delete", ""),
    ),
    "swap": (
        (APP, "", "persistentvolumeclaims", "get watch create delete", ""),
        (CLUSTER, "", "persistentvolumes", "watch patch", ""),
        (CLUSTER, "storage.k8s.io", "storageclasses", "list", ""),
        # is there room: quotas, and what the driver publishes; both may be denied, then it is found while staging
        (APP, "", "resourcequotas", "list", ""),
        (CLUSTER, "storage.k8s.io", "csistoragecapacities", "list", ""),
        # another namespace as the target
        (APP, "", "namespaces", "get", ""),
        # http probes
        (APP, "", "pods/portforward", "get create", ""),
    ),
    # free what restores kept or left behind
    "retire": (
        (APP, "", "persistentvolumeclaims", "get watch delete", ""),
        (CLUSTER, "", "persistentvolumes", "watch patch", ""),
        (CLUSTER, "storage.k8s.io", "volumeattachments", "list", ""),
    ),
    # a CA that cert-manager keeps: its next generation, and whom the Issuer signs with
    "issuer": (
        (APP, "cert-manager.io", "certificates", "list create delete", ""),
        (APP, "cert-manager.io", "issuers", "get patch", ""),
    ),
    # a CA of a ClusterIssuer, in the namespace in which cert-manager keeps it; and whom the ClusterIssuer signs for
    "cluster_issuer": (
        (APP, "", "secrets", "get delete", ""),
        (APP, "cert-manager.io", "certificates", "get list create delete", ""),
        (CLUSTER, "cert-manager.io", "certificates", "list", ""),
        (CLUSTER, "cert-manager.io", "clusterissuers", "get patch", ""),
    ),
    "certificates": (
        (APP, "", "secrets", "get list create update delete", ""),
        (APP, "", "services", "get list", ""),
        (APP, "", "pods", "watch patch", ""),
        (APP, "", "pods/portforward", "get create", ""),
        # where else a compromised key is
        (APP, "", "configmaps", "list", ""),
        # who serves a Secret that no pod uses
        (APP, "networking.k8s.io", "ingresses", "list", ""),
        (APP, "gateway.networking.k8s.io", "gateways listenersets referencegrants", "list", ""),
        # cert-manager as the issuer
        (APP, "cert-manager.io", "certificates", "get patch", ""),
        (APP, "cert-manager.io", "certificates/status", "patch", ""),
        # a signer of the CSR API as the issuer; approving needs the verb approve on the signer as well
        (CLUSTER, "certificates.k8s.io", "certificatesigningrequests", "get create delete", ""),
        (CLUSTER, "certificates.k8s.io", "certificatesigningrequests/approval", "patch", ""),
    ),
    # canary pods and a second Deployment: made, let into the Service once they are proven, removed
    "trial": (
        (APP, "", "pods/status", "patch", ""),
        (APP, "", "services", "patch", ""),
        (APP, "apps", "deployments", "create delete", ""),
        (APP, "discovery.k8s.io", "endpointslices", "list", ""),
    ),
    # trust stores of a CA that is rotated; those of webhooks are in no namespace
    "trust": (
        (APP, "", "configmaps", "get list update", ""),
        (
            CLUSTER,
            "admissionregistration.k8s.io",
            "validatingwebhookconfigurations mutatingwebhookconfigurations",
            "get list update",
            "",
        ),
    ),
}

IF_SERVED = (
    _GROUP_SNAPSHOT,
    "cert-manager.io",
    "gateway.networking.k8s.io",
    "keda.sh",
    "argoproj.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
)
"""API groups of tools that a cluster may not have: a role may leave them out there, and preflight asks for none."""

_RESTORE = ("snapshot", "group", "swap", "scale", "freeze", "roll", "pods", "exec")
_ROTATION = ("certificates", "roll", "pods", "exec")
_PLAYBOOKS: dict[str, tuple[str, ...]] = {
    "preflight": ("look",),
    "backup": ("look", "journal", "snapshot", "group", "exec"),
    "restore": ("look", "journal", *_RESTORE),
    "rotate_ca": ("look", "journal", "clear", "trust", "issuer", *_ROTATION),
    "rotate_certificates": ("look", "journal", "trial", *_ROTATION),
    "maintenance": ("look", "journal", "clear", "snapshot", "group", "retire", *_ROTATION),
    "incident_response": ("look", "journal", "isolate", *_RESTORE, *_ROTATION),
}
PLAYBOOKS = tuple(sorted(_PLAYBOOKS))
CLUSTER_ISSUER = "rotate_ca_cluster_issuer"
"""What ``rotate_ca`` needs beside its own for a ClusterIssuer's CA. The application's namespace is cert-manager's."""
_GRANTS: dict[str, tuple[str, ...]] = {**_PLAYBOOKS, CLUSTER_ISSUER: ("cluster_issuer",)}
GRANTS = tuple(sorted(_GRANTS))
"""Each has a file ``docs/rbac/<grant>.yaml``: the playbooks, and :data:`CLUSTER_ISSUER`."""


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
    """Everything that a playbook needs, or :data:`CLUSTER_ISSUER`, each once, sorted."""
    return tuple(sorted(set(_expanded(_GRANTS[playbook]))))


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
