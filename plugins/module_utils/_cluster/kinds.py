# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where each kind lives in the API: group, version, plural name, and whether it is in a namespace.

The kinds the collection works with are known here, so that no call pays for discovery. Owners of other kinds (custom
resources) are resolved by discovery, see :meth:`Cluster.kind_of`.

PRIVATE to this collection.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object."""

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """The path of the collection, or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if self.namespaced and namespace:
            root += f"/namespaces/{namespace}"
        root += f"/{self.plural}"
        if name:
            root += f"/{name}"
        return f"{root}/{subresource}" if subresource else root


_SNAPSHOT, _GROUP_SNAPSHOT = "snapshot.storage.k8s.io", "groupsnapshot.storage.k8s.io"
_KNOWN = (
    Kind("Namespace", "", "v1", "namespaces", False),
    Kind("Node", "", "v1", "nodes", False),
    Kind("Pod", "", "v1", "pods"),
    Kind("Service", "", "v1", "services"),
    Kind("Secret", "", "v1", "secrets"),
    Kind("ConfigMap", "", "v1", "configmaps"),
    Kind("Event", "", "v1", "events"),
    Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims"),
    Kind("PersistentVolume", "", "v1", "persistentvolumes", False),
    Kind("ServiceAccount", "", "v1", "serviceaccounts"),
    Kind("ReplicationController", "", "v1", "replicationcontrollers"),
    Kind("Deployment", "apps", "v1", "deployments"),
    Kind("ReplicaSet", "apps", "v1", "replicasets"),
    Kind("StatefulSet", "apps", "v1", "statefulsets"),
    Kind("DaemonSet", "apps", "v1", "daemonsets"),
    Kind("Job", "batch", "v1", "jobs"),
    Kind("CronJob", "batch", "v1", "cronjobs"),
    Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
    Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    Kind("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    Kind("Ingress", "networking.k8s.io", "v1", "ingresses"),
    Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices"),
    Kind("Lease", "coordination.k8s.io", "v1", "leases"),
    Kind("StorageClass", "storage.k8s.io", "v1", "storageclasses", False),
    Kind("CSIDriver", "storage.k8s.io", "v1", "csidrivers", False),
    Kind("VolumeAttachment", "storage.k8s.io", "v1", "volumeattachments", False),
    Kind("VolumeSnapshot", _SNAPSHOT, "v1", "volumesnapshots"),
    Kind("VolumeSnapshotContent", _SNAPSHOT, "v1", "volumesnapshotcontents", False),
    Kind("VolumeSnapshotClass", _SNAPSHOT, "v1", "volumesnapshotclasses", False),
    Kind("VolumeGroupSnapshot", _GROUP_SNAPSHOT, "v1", "volumegroupsnapshots"),
    Kind("VolumeGroupSnapshotContent", _GROUP_SNAPSHOT, "v1", "volumegroupsnapshotcontents", False),
    Kind("VolumeGroupSnapshotClass", _GROUP_SNAPSHOT, "v1", "volumegroupsnapshotclasses", False),
    Kind("CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", False),
    Kind("Certificate", "cert-manager.io", "v1", "certificates"),
    Kind("Issuer", "cert-manager.io", "v1", "issuers"),
    Kind("ClusterIssuer", "cert-manager.io", "v1", "clusterissuers", False),
    Kind("CertificateSigningRequest", "certificates.k8s.io", "v1", "certificatesigningrequests", False),
    Kind("Role", "rbac.authorization.k8s.io", "v1", "roles"),
    Kind("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
    Kind("ClusterRole", "rbac.authorization.k8s.io", "v1", "clusterroles", False),
    Kind("ClusterRoleBinding", "rbac.authorization.k8s.io", "v1", "clusterrolebindings", False),
)
KINDS = {kind.kind: kind for kind in _KNOWN}


def describe(obj: dict[str, object]) -> str:
    """``Kind namespace/name`` of an object, as plans and errors name it."""
    metadata = obj.get("metadata")
    meta = metadata if isinstance(metadata, dict) else {}
    return named(str(obj.get("kind", "object")), str(meta.get("name", "?")), meta.get("namespace"))


def named(kind: str, name: str, namespace: str | None = None) -> str:
    """``Kind namespace/name``, or ``Kind name`` of what is in no namespace."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
