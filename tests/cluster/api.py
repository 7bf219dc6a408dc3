# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small client of the API server for setting the cluster up: no dependencies, no discovery, fast."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from typing import Any

from .errors import StartFailed
from .instance import Instance

# Kind -> (API group and version, plural, namespaced). Only what the cluster itself sets up.
_KINDS: dict[str, tuple[str, str, bool]] = {
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "Secret": ("api/v1", "secrets", True),
    "Deployment": ("apis/apps/v1", "deployments", True),
    "CSIDriver": ("apis/storage.k8s.io/v1", "csidrivers", False),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses", False),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "VolumeSnapshotClass": ("apis/snapshot.storage.k8s.io/v1", "volumesnapshotclasses", False),
    "VolumeGroupSnapshotClass": ("apis/groupsnapshot.storage.k8s.io/v1", "volumegroupsnapshotclasses", False),
    "BackupStorageLocation": ("apis/velero.io/v1", "backupstoragelocations", True),
}


def path_of(kind: str, name: str, namespace: str = "") -> str:
    """``("Secret", "a", "n")`` -> ``/api/v1/namespaces/n/secrets/a``."""
    prefix, plural, namespaced = _KINDS[kind]
    within = f"/namespaces/{namespace}" if namespaced else ""
    return f"/{prefix}{within}/{plural}/{name}"


class Api:
    """Requests as the cluster's administrator over one kept connection."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._context = ssl.create_default_context(cafile=str(instance.pki / "ca.crt"))
        self._context.load_cert_chain(instance.pki / "admin.crt", instance.pki / "admin.key")
        self._connection: http.client.HTTPSConnection | None = None

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "", *, accept: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body; a connection that broke is opened again once."""
        headers = {"Accept": accept, **({"Content-Type": content_type} if content_type else {})}
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    self._instance.ip, 6443, timeout=10, context=self._context
                )
            try:
                self._connection.request(method, path, body or None, headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except (OSError, http.client.HTTPException):
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at ``path``; None where there is none."""
        status, body = self.request("GET", path)
        if status == 404:
            return None
        if status != 200:
            raise StartFailed(f"GET {path}: {status} {body[:300].decode(errors='replace')}")
        value: dict[str, Any] = json.loads(body)
        return value

    def is_ready(self) -> bool:
        try:
            return self.request("GET", "/readyz") == (200, b"ok")
        except (OSError, http.client.HTTPException):
            return False

    def apply_text(self, path: str, text: str | bytes) -> None:
        """Server-side apply of one YAML or JSON document; waits for a kind that was just defined."""
        body = text.encode() if isinstance(text, str) else text
        end = time.monotonic() + 20
        while True:
            status, answer = self.request(
                "PATCH", f"{path}?fieldManager=knowngood-rig&force=true", body, "application/apply-patch+yaml"
            )
            if status in (200, 201):
                return
            # 404: the kind is not served yet; 429 and 5xx: the server is still starting.
            if (status not in (404, 429) and status < 500) or time.monotonic() > end:
                raise StartFailed(f"apply {path}: {status} {answer[:500].decode(errors='replace')}")
            time.sleep(0.05)

    def apply(self, manifest: dict[str, Any]) -> None:
        metadata = manifest["metadata"]
        path = path_of(manifest["kind"], metadata["name"], metadata.get("namespace", ""))
        self.apply_text(path, json.dumps(manifest))
