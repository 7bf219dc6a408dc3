# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Argo CD Application, Flux Kustomization or HelmRelease keeps an object, by the marks it carries. Pure.

Argo CD marks what it keeps by the annotation ``argocd.argoproj.io/tracking-id``
(``[<namespace>_]<application>:<group>/<kind>:<namespace>/<name>``) or by a label, which is
``app.kubernetes.io/instance`` where nobody chose another one. Helm charts set that label as well, so it counts only
together with an Application that says it keeps the object. Flux marks by labels with name and namespace.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .client import Object

ARGO, KUSTOMIZATION, HELM_RELEASE = "Application", "Kustomization", "HelmRelease"
SKIP = "argocd.argoproj.io/skip-reconcile"
_ARGO_GROUP = "argoproj.io"
_FLUX = {"kustomize.toolkit.fluxcd.io": KUSTOMIZATION, "helm.toolkit.fluxcd.io": HELM_RELEASE}
_WORDS = {ARGO: "Argo CD Application", KUSTOMIZATION: "Flux Kustomization", HELM_RELEASE: "Flux HelmRelease"}


@dataclass(frozen=True, slots=True)
class Keeper:
    """``namespace`` is empty where the mark does not say it. ``sure``: no other tool leaves such a mark."""

    group: str
    kind: str
    name: str
    namespace: str = ""
    sure: bool = True

    @property
    def told(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{_WORDS[self.kind]} {where}{self.name}"


def keepers_of(obj: Object) -> tuple[Keeper, ...]:
    """Who keeps the object, as far as its own labels and annotations say."""
    meta = obj["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    found = [_argo(labels, annotations)]
    for group, kind in _FLUX.items():
        if labels.get(f"{group}/name"):
            found.append(Keeper(group, kind, str(labels[f"{group}/name"]), str(labels.get(f"{group}/namespace", ""))))
    return tuple(keeper for keeper in found if keeper is not None)


def _argo(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Keeper | None:
    tracked = str(annotations.get("argocd.argoproj.io/tracking-id", "")).partition(":")[0]
    if tracked:
        namespace, mark, name = tracked.rpartition("_")
        return Keeper(_ARGO_GROUP, ARGO, name, namespace)
    if labels.get("argocd.argoproj.io/instance"):
        return Keeper(_ARGO_GROUP, ARGO, str(labels["argocd.argoproj.io/instance"]))
    if labels.get("app.kubernetes.io/instance"):
        return Keeper(_ARGO_GROUP, ARGO, str(labels["app.kubernetes.io/instance"]), sure=False)
    return None


def argo_manages(application: Object, obj: Object) -> bool:
    """Does the Application say that it keeps the object (``status.resources``)?"""
    meta, group = obj["metadata"], str(obj.get("apiVersion", "")).rpartition("/")[0]
    wanted = (group, obj.get("kind"), meta.get("namespace") or "", meta["name"])
    for entry in (application.get("status") or {}).get("resources") or []:
        if (entry.get("group") or "", entry.get("kind"), entry.get("namespace") or "", entry.get("name")) == wanted:
            return True
    return False


def argo_patch() -> dict[str, Any]:
    """No automated sync, and no processing at all: the second also holds where something puts the policy back."""
    return {"metadata": {"annotations": {SKIP: "true"}}, "spec": {"syncPolicy": {"automated": None}}}
