# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who stands behind an object: the top controller of a pod, and who would undo a change to a workload.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._core.application import Hand
from .client import Object
from .gitops import keepers_of

TOP_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "ReplicationController")
"""Kinds at which the way up ends: what owns one of these is named as ``managed_by``."""
MIDDLE_KINDS = ("ReplicaSet", "Job")
"""Kinds that are a workload of their own when nothing controls them."""
_DEEPEST = 10
_ARGO, _FLUX_KUSTOMIZE, _FLUX_HELM = "argocd.argoproj.io", "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
_HELM = "meta.helm.sh"


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner reference of the controller. A node is none: it is named as the owner of its static pods."""
    for reference in obj["metadata"].get("ownerReferences") or []:
        if reference.get("controller") and reference["kind"] != "Node":
            return dict(reference)
    return None


def top_of(obj: Object, by_uid: Mapping[str, Object]) -> Object:
    """The object at the top of the chain of controllers; ``obj`` itself when nothing controls it.

    An owner that cannot be read stands there with what the reference says of it: kind, name and uid.
    """
    for _level in range(_DEEPEST):
        reference = controller_of(obj)
        if obj.get("kind") in TOP_KINDS or reference is None:
            return obj
        obj = by_uid.get(str(reference["uid"])) or _shadow(reference, str(obj["metadata"].get("namespace", "")))
    return obj


def _shadow(reference: Mapping[str, Any], namespace: str) -> Object:
    return {
        "apiVersion": reference["apiVersion"],
        "kind": reference["kind"],
        "metadata": {"name": reference["name"], "namespace": namespace, "uid": reference["uid"]},
    }


def manager_of(obj: Mapping[str, Any]) -> str:
    """The tool or owner that the object itself names as its keeper, empty where it names none.

    Argo CD, Flux and Helm by their labels and annotations, an operator by the controller reference. What an
    organisation does beside these leaves no trace on the object and is not seen here.
    """
    meta = obj["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if f"{_ARGO}/tracking-id" in annotations:
        return f"Argo CD application {annotations[f'{_ARGO}/tracking-id'].partition(':')[0]}"
    if f"{_ARGO}/instance" in labels:
        return f"Argo CD application {labels[f'{_ARGO}/instance']}"
    for prefix, word in ((_FLUX_KUSTOMIZE, "Flux Kustomization"), (_FLUX_HELM, "Flux HelmRelease")):
        if f"{prefix}/name" in labels:
            return f"{word} {labels.get(f'{prefix}/namespace', '?')}/{labels[f'{prefix}/name']}"
    owner = controller_of(obj)
    if owner:
        return f"{owner['kind']}/{owner['name']} ({owner['apiVersion'].rpartition('/')[0] or 'core'})"
    if f"{_HELM}/release-name" in annotations:
        namespace = annotations.get(f"{_HELM}/release-namespace", "?")
        return f"Helm release {namespace}/{annotations[f'{_HELM}/release-name']}"
    return ""


def hands_on(obj: Mapping[str, Any], autoscalers: Sequence[Object] = ()) -> tuple[Hand, ...]:
    """Everybody who has a hand on a workload: its autoscalers, and whom its own marks and references name.

    Of an autoscaler that another one made (KEDA makes a HorizontalPodAutoscaler) both are named.
    """
    meta = obj["metadata"]
    namespace = str(meta.get("namespace") or "")
    found = []
    for scaler in autoscalers:
        found.append(_hand("autoscaler", scaler["kind"], scaler["metadata"]["name"], namespace, scaler["apiVersion"]))
        maker = controller_of(scaler)
        if maker:
            found.append(_hand("autoscaler", maker["kind"], maker["name"], namespace, maker["apiVersion"]))
    for keeper in keepers_of(dict(obj)):
        found.append(Hand("gitops", keeper.kind, keeper.name, keeper.namespace, keeper.group, keeper.sure))
    owner = controller_of(obj)
    if owner:
        found.append(_hand("operator", owner["kind"], owner["name"], namespace, owner["apiVersion"]))
    annotations = meta.get("annotations") or {}
    if annotations.get(f"{_HELM}/release-name"):
        release, where = annotations[f"{_HELM}/release-name"], annotations.get(f"{_HELM}/release-namespace", "")
        found.append(Hand("release", "Helm release", str(release), str(where)))
    return tuple(sorted(set(found), key=lambda hand: (hand.role, hand.kind, hand.name)))


def _hand(role: str, kind: str, name: str, namespace: str, api_version: str) -> Hand:
    group = api_version.rpartition("/")[0]
    return Hand(role, str(kind), str(name), namespace, group)
