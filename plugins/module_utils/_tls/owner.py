# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who keeps a TLS Secret: what would put its own content back is acted through, never written over.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._cluster.owners import controller_of, manager_of

NONE, CERT_MANAGER, EXTERNAL_SECRETS, GITOPS, CONTROLLER, HELM = (
    "none",
    "cert-manager",
    "external-secrets",
    "gitops",
    "controller",
    "helm",
)
_CERTIFICATE_NAME = "cert-manager.io/certificate-name"
_ESO_LABEL = "reconcile.external-secrets.io/managed"
_SERVICE_CA = "service.beta.openshift.io/originating-service-name"
_REFLECTED = "reflector.v1.k8s.emberstack.com/reflects"


@dataclass(frozen=True, slots=True)
class Owner:
    """``kind`` is one of the words above; ``name`` says who, for a person; ``acts``: it would undo a foreign write."""

    kind: str = NONE
    name: str = ""
    acts: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "acts": self.acts}


def owner_of(secret: Mapping[str, Any]) -> Owner:
    """By the traces that the owners leave on the Secret. An owner that leaves none is not seen."""
    meta = secret["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if _CERTIFICATE_NAME in annotations:
        return Owner(CERT_MANAGER, f"Certificate {meta.get('namespace')}/{annotations[_CERTIFICATE_NAME]}", True)
    if any(key.startswith("cert-manager.io/issuer") for key in annotations):
        return Owner(CERT_MANAGER, "cert-manager (no Certificate is named)", True)
    controller = controller_of(secret)
    if labels.get(_ESO_LABEL) == "true" or (controller and controller["kind"] == "ExternalSecret"):
        name = controller["name"] if controller else "?"
        return Owner(EXTERNAL_SECRETS, f"ExternalSecret {meta.get('namespace')}/{name}", True)
    if _SERVICE_CA in annotations:
        return Owner(CONTROLLER, f"OpenShift service CA for Service {annotations[_SERVICE_CA]}", True)
    if _REFLECTED in annotations:
        return Owner(CONTROLLER, f"Reflector, from {annotations[_REFLECTED]}", True)
    manager = manager_of(secret)
    if not manager:
        return Owner()
    if manager.startswith("Helm release"):  # puts its own back at its next upgrade, not by itself
        return Owner(HELM, manager, False)
    return Owner(CONTROLLER if controller else GITOPS, manager, True)
