# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses Secrets and ConfigMaps, of one namespace or of all of them with one list a kind.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.kinds import KINDS
from .._core.errors import Denied
from .consumers import ENV, INIT, SUB_PATH, VOLUME, Consumer, Namespace, Use, assemble
from .workloads import LISTED, NEEDED, TEMPLATED, pod_spec_of, ref_of

_POD_FIELDS = ("name", "namespace", "uid", "labels", "ownerReferences", "deletionTimestamp")
CSI, POD_CERTIFICATE, TRUST_BUNDLE = "csi", "pod_certificate", "trust_bundle"
_SECRETS_STORE = "secrets-store.csi.k8s.io"


@dataclass(frozen=True, slots=True)
class Given:
    """A certificate that reaches a pod with no Secret: by a driver (``csi``) or the kubelet (``pod_certificate``)."""

    workload: str
    container: str
    delivery: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class View:
    """A namespace as far as certificates are concerned.

    ``secrets`` and ``configs``: who uses which Secret or ConfigMap, by its name. ``exposes``: by Secret and workload,
    the data keys that its containers can read (None: all of them). ``given``: certificates from elsewhere than Secrets.
    """

    namespace: Namespace
    secrets: Mapping[str, tuple[Consumer, ...]] = field(default_factory=dict)
    configs: Mapping[str, tuple[Consumer, ...]] = field(default_factory=dict)
    exposes: Mapping[str, Mapping[str, frozenset[str] | None]] = field(default_factory=dict)
    given: tuple[Given, ...] = ()


def views(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, View]:
    """By namespace; of all where none is named. Raises Denied where pods or workloads may not be read."""
    found: dict[str, tuple[list[Object], list[Object]]] = {}
    for namespace in tuple(namespaces) or (None,):
        for kind in LISTED:
            for obj in _listed(cluster, kind, namespace):
                _slot(found, obj)[0].append(_slim_workload(obj, kind))
        for pod in pages(cluster, "Pod", namespace):
            _slot(found, pod)[1].append(_slim_pod(pod))
    return {name: view(name, workloads, pods) for name, (workloads, pods) in found.items()}


def pages(
    cluster: Cluster, kind: Any, namespace: str | None, *, selector: str = "", field: str = ""
) -> Iterator[Object]:
    """Objects one after the other; of a page nothing is kept once the next one is asked for."""
    return cluster.each(kind, namespace, selector=selector, field=field)


def _slot(found: dict[str, tuple[list[Object], list[Object]]], obj: Object) -> tuple[list[Object], list[Object]]:
    return found.setdefault(obj["metadata"]["namespace"], ([], []))


def _listed(cluster: Cluster, kind: str, namespace: str | None) -> Iterator[Object]:
    try:
        yield from pages(cluster, KINDS[kind], namespace)
    except Denied:
        if kind in NEEDED:
            raise


def _slim_workload(obj: Object, kind: str) -> Object:
    """What the way up and the uses need of it."""
    slim: Object = {"kind": kind, "apiVersion": KINDS[kind].api_version, "metadata": _slim_meta(obj)}
    return {**slim, "spec": obj.get("spec") or {}} if kind in TEMPLATED else slim


def _slim_pod(pod: Object) -> Object:
    status = pod.get("status") or {}
    kept = {"phase": status.get("phase"), "conditions": status.get("conditions") or []}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": _slim_meta(pod),
        "spec": pod.get("spec") or {},
        "status": kept,
    }


def _slim_meta(obj: Object) -> Object:
    return {name: obj["metadata"][name] for name in _POD_FIELDS if name in obj["metadata"]}


def view(name: str, workloads: Iterable[Object], pods: Iterable[Object]) -> View:
    """Pure: from the objects."""
    owners, living = list(workloads), list(pods)
    namespace = assemble(name, owners, living)
    top = {pod.name: pod.workload for pod in namespace.pods}
    specs = [(ref_of(obj), pod_spec_of(obj)) for obj in owners if obj["kind"] in TEMPLATED]
    specs += [(top[pod["metadata"]["name"]], pod["spec"]) for pod in living if pod["metadata"]["name"] in top]
    secrets: dict[str, dict[str, set[Use]]] = {}
    for ref, uses in _secret_uses(namespace):
        for use in uses:
            secrets.setdefault(use.secret, {}).setdefault(ref, set()).add(use)
    configs: dict[str, dict[str, set[Use]]] = {}
    exposes: dict[str, dict[str, frozenset[str] | None]] = {}
    given: set[Given] = set()
    for ref, spec in specs:
        for use in config_uses(spec):
            configs.setdefault(use.secret, {}).setdefault(ref, set()).add(use)
        for secret, keys in exposed(spec).items():
            by_ref = exposes.setdefault(secret, {})
            by_ref[ref] = _both(by_ref[ref], keys) if ref in by_ref else keys
        given |= set(_given(ref, spec))
    return View(
        namespace,
        _consumers(secrets),
        _consumers(configs),
        exposes,
        tuple(sorted(given, key=lambda one: (one.workload, one.container, one.path))),
    )


def _secret_uses(namespace: Namespace) -> Iterator[tuple[str, tuple[Use, ...]]]:
    for ref, (_uid, uses) in namespace.workloads.items():
        yield ref, uses
    for pod in namespace.pods:
        yield pod.workload, pod.uses


def _consumers(found: Mapping[str, Mapping[str, set[Use]]]) -> dict[str, tuple[Consumer, ...]]:
    return {
        name: tuple(
            Consumer(ref, "", tuple(sorted(uses, key=lambda use: (use.container, use.delivery, use.path))))
            for ref, uses in sorted(by.items())
        )
        for name, by in found.items()
    }


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other


# -- pod templates -----------------------------------------------------------------------------------------------


def config_uses(pod_spec: Mapping[str, Any]) -> set[Use]:
    """How containers reach ConfigMaps; ``Use.secret`` is the ConfigMap's name."""
    by_volume = {volume["name"]: tuple(_sources(volume, "configMap")) for volume in pod_spec.get("volumes") or []}
    found = set()
    for container, copies in _containers(pod_spec):
        for mount in container.get("volumeMounts") or []:
            delivery = INIT if copies else SUB_PATH if _sub_path(mount) else VOLUME
            for name, _items in by_volume.get(mount["name"], ()):
                found.add(Use(name, container["name"], delivery, mount["mountPath"]))
        for name, _key in _environment(container, "configMap"):
            found.add(Use(name, container["name"], INIT if copies else ENV))
    return found


def exposed(pod_spec: Mapping[str, Any]) -> dict[str, frozenset[str] | None]:
    """By Secret, the data keys that some container can read; None where it is all of them."""
    volumes = {volume["name"]: tuple(_sources(volume, "secret")) for volume in pod_spec.get("volumes") or []}
    found: dict[str, frozenset[str] | None] = {}

    def add(name: str, keys: frozenset[str] | None) -> None:
        found[name] = _both(found[name], keys) if name in found else keys

    for container, _copies in _containers(pod_spec):
        for mount in container.get("volumeMounts") or []:
            for name, items in volumes.get(mount["name"], ()):
                add(name, _through(items, mount.get("subPath") or ""))
        for name, key in _environment(container, "secret"):
            add(name, frozenset([key]) if key else None)
    return found


def _through(items: Mapping[str, str] | None, sub_path: str) -> frozenset[str] | None:
    """The data keys behind a mount: those listed, or the one that a subPath names."""
    if items is None:
        return frozenset([sub_path]) if sub_path and "/" not in sub_path else None
    return frozenset(
        key for key, path in items.items() if not sub_path or path == sub_path or path.startswith(sub_path)
    )


def _sources(volume: Mapping[str, Any], word: str) -> Iterator[tuple[str, Mapping[str, str] | None]]:
    """Names of a volume's Secrets or ConfigMaps, each with its items (path by key), None where it has all."""
    plain = volume.get(word)
    if plain:
        yield plain.get("secretName") or plain.get("name") or "", _items(plain)
    for source in (volume.get("projected") or {}).get("sources") or []:
        if source.get(word):
            yield source[word].get("name") or "", _items(source[word])


def _items(source: Mapping[str, Any]) -> Mapping[str, str] | None:
    items = source.get("items")
    return {item["key"]: item.get("path", "") for item in items} if items else None


def _environment(container: Mapping[str, Any], word: str) -> Iterator[tuple[str, str]]:
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get(f"{word}KeyRef")
        if reference:
            yield reference.get("name") or "", reference.get("key") or ""
    for source in container.get("envFrom") or []:
        if source.get(f"{word}Ref"):
            yield source[f"{word}Ref"].get("name") or "", ""


def _containers(pod_spec: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Each container, and whether it is one that runs before the others and ends."""
    for container in pod_spec.get("initContainers") or []:
        yield container, container.get("restartPolicy") != "Always"
    for container in pod_spec.get("containers") or []:
        yield container, False


def _sub_path(mount: Mapping[str, Any]) -> bool:
    return bool(mount.get("subPath") or mount.get("subPathExpr"))


def _given(ref: str, pod_spec: Mapping[str, Any]) -> Iterator[Given]:
    volumes = {volume["name"]: tuple(_elsewhere(volume)) for volume in pod_spec.get("volumes") or []}
    for container, _copies in _containers(pod_spec):
        for mount in container.get("volumeMounts") or []:
            for delivery, name in volumes.get(mount["name"], ()):
                yield Given(ref, container["name"], delivery, name, mount["mountPath"])


def _elsewhere(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    csi = volume.get("csi") or {}
    attributes = csi.get("volumeAttributes") or {}
    driver = str(csi.get("driver", ""))
    if driver == _SECRETS_STORE:
        yield CSI, f"SecretProviderClass {attributes.get('secretProviderClass', '?')}"
    elif "cert-manager.io" in driver:
        issuer = attributes.get("csi.cert-manager.io/issuer-name", "?")
        yield CSI, f"{attributes.get('csi.cert-manager.io/issuer-kind', 'Issuer')} {issuer}"
    for source in (volume.get("projected") or {}).get("sources") or []:
        if source.get("podCertificate"):
            yield POD_CERTIFICATE, str(source["podCertificate"].get("signerName", "?"))
        if source.get("clusterTrustBundle"):
            bundle = source["clusterTrustBundle"]
            yield TRUST_BUNDLE, str(bundle.get("name") or bundle.get("signerName", "?"))
