# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workload graph: from an application's name to its workloads, pods, claims, volumes and Secrets.

One list per kind, whatever the size of the application; reads only.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.application import Application, ApplicationSpec, Container, PodView, Volume, Workload
from .._core.errors import BadInput, Denied, NotFound
from .claims import missing, template_claims, volume_of
from .client import Cluster, Object
from .owners import MIDDLE_KINDS, TOP_KINDS, controller_of, hands_on, manager_of, top_of
from .selectors import matcher
from .templates import claims_in, mounts, running_containers, secret_uses, template_containers

QUARANTINE = "knowngood.io/quarantine"
KEDA, SCALED_OBJECT = "keda.sh/v1alpha1", "ScaledObject"
RESTING_REPLICAS = "knowngood.io/resting-replicas"
_LISTED = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "ReplicationController")
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
_SINGLE_READS = 8
_AT_ONCE = 8


def resolve(cluster: Cluster, spec: ApplicationSpec, *, strict: bool = True) -> Application:
    """What the cluster shows of an application.

    Finished Jobs, pods that ended, and pods and Jobs of this collection are left out. A claim that is mounted and does
    not exist is there with phase ``Missing`` and an empty uid. Raises NotFound for a namespace, and BadInput for a
    workload or claim, that is named and not there; with ``strict=False`` these workloads and claims become notes.
    """
    if cluster.find("Namespace", spec.namespace) is None:
        raise NotFound(f"no namespace {spec.namespace}", where=f"app {spec.name} at {cluster.server}")
    return assemble(spec, cluster.uid(), _observe(cluster, spec), strict=strict)


@dataclass(slots=True)
class Observed:
    """The namespace's objects, and the volumes and foreign owners that they name."""

    objects: dict[str, list[Object]]
    volumes: dict[str, Object] = field(default_factory=dict)
    owners: dict[str, Object] = field(default_factory=dict)

    def of(self, kind: str) -> list[Object]:
        return self.objects.get(kind, [])

    def by_uid(self) -> dict[str, Object]:
        found = {o["metadata"]["uid"]: o for kind in _LISTED for o in self.of(kind)}
        return {**self.owners, **found}


def _observe(cluster: Cluster, spec: ApplicationSpec) -> Observed:
    kinds = ("Pod", *_LISTED, "HorizontalPodAutoscaler", "PersistentVolumeClaim")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        seen = Observed(dict(zip(kinds, pool.map(lambda kind: cluster.list(kind, spec.namespace), kinds), strict=True)))
    seen.objects[SCALED_OBJECT] = _scaled_objects(cluster, spec.namespace)
    seen.owners = _foreign_owners(cluster, seen)
    seen.volumes = _volumes(cluster, seen.of("PersistentVolumeClaim"))
    return seen


def _scaled_objects(cluster: Cluster, namespace: str) -> list[Object]:
    """KEDA's, where the cluster has KEDA and lets us look: what it makes is seen in any case."""
    try:
        kind = cluster.kind_of(KEDA, SCALED_OBJECT)
        return cluster.list(kind, namespace) if kind else []
    except Denied:
        return []


def _foreign_owners(cluster: Cluster, seen: Observed) -> dict[str, Object]:
    """Controllers of kinds that we do not list, each read once, up to the top."""
    known, found = seen.by_uid(), {}
    waiting = [*seen.of("Pod"), *(o for kind in MIDDLE_KINDS for o in seen.of(kind))]
    while waiting:
        obj = waiting.pop()
        reference = controller_of(obj)
        if reference is None or reference["uid"] in known or reference["uid"] in found:
            continue
        owner = _fetch(cluster, reference, str(obj["metadata"]["namespace"]))
        if owner is not None:
            found[str(reference["uid"])] = owner
            waiting.append(owner)
    return found


def _fetch(cluster: Cluster, reference: Mapping[str, Any], namespace: str) -> Object | None:
    """An owner by discovery. One that may not be read, or is gone, is known by its reference alone."""
    kind = cluster.kind_of(str(reference["apiVersion"]), str(reference["kind"]))
    if kind is None:
        return None
    try:
        owner = cluster.get(kind, str(reference["name"]), namespace if kind.namespaced else None)
    except (Denied, NotFound):
        return None
    return owner if owner["metadata"]["uid"] == reference["uid"] else None


def _volumes(cluster: Cluster, claims: Iterable[Object]) -> dict[str, Object]:
    """The volumes that the claims are bound to, by name: singly while they are few, else one list."""
    names = {c["spec"]["volumeName"] for c in claims if c["spec"].get("volumeName")}
    if len(names) > _SINGLE_READS:
        return {v["metadata"]["name"]: v for v in cluster.list("PersistentVolume") if v["metadata"]["name"] in names}
    found = ((name, cluster.find("PersistentVolume", name)) for name in sorted(names))
    return {name: volume for name, volume in found if volume is not None}


# -- pure from here ----------------------------------------------------------------------------------------------


def assemble(spec: ApplicationSpec, cluster_uid: str, seen: Observed, *, strict: bool = True) -> Application:
    """The application from the objects. Pure."""
    notes: list[str] = []
    tops = _tops(seen)
    chosen = _chosen(spec, tops, seen, notes, strict)
    pods_of = {uid: _pods_of(uid, tops) for uid in chosen}
    claims = {c["metadata"]["name"]: c for c in seen.of("PersistentVolumeClaim")}
    scalers = _autoscalers(seen)
    found = (_workload(top, pods_of[uid], claims, scalers.get(_ref(top), [])) for uid, top in chosen.items())
    workloads = sorted(found, key=lambda w: (w.kind, w.name))
    _note_mixed_images(workloads, pods_of, notes)
    wanted = _wanted_claims(spec, workloads, pods_of, claims, notes, strict)
    mounted = _mounted_by(workloads, tops, seen)
    pods = sorted((_pod(pod, tops) for found in pods_of.values() for pod in found), key=lambda p: p.name)
    return Application(
        spec=spec,
        cluster_uid=cluster_uid,
        workloads=tuple(workloads),
        pods=tuple(pods),
        volumes=tuple(_volume(name, claims, seen.volumes, tuple(sorted(mounted.get(name, ())))) for name in wanted),
        notes=tuple(notes),
    )


@dataclass(slots=True)
class _Tops:
    """Top objects by uid, and the pods (that have not ended) under each."""

    objects: dict[str, Object]
    pods: dict[str, list[Object]]
    top_of_pod: dict[str, Object]


def _tops(seen: Observed) -> _Tops:
    by_uid = seen.by_uid()
    objects: dict[str, Object] = {}
    pods: dict[str, list[Object]] = {}
    top_of_pod: dict[str, Object] = {}
    for kind in TOP_KINDS:
        objects.update({o["metadata"]["uid"]: o for o in seen.of(kind)})
    for kind in MIDDLE_KINDS:
        for obj in seen.of(kind):
            if not _finished(obj) and not _ours(obj):
                top = top_of(obj, by_uid)
                objects[top["metadata"]["uid"]] = top
    for pod in seen.of("Pod"):
        if _ended(pod) or _ours(pod):
            continue
        top = top_of(pod, by_uid)
        uid = top["metadata"]["uid"]
        objects.setdefault(uid, top)
        pods.setdefault(uid, []).append(pod)
        top_of_pod[pod["metadata"]["uid"]] = top
    return _Tops(objects, pods, top_of_pod)


def _ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def _finished(obj: Object) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or []
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def _ours(obj: Object) -> bool:
    return (obj["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") == "knowngood"


def _pods_of(uid: str, tops: _Tops) -> list[Object]:
    return sorted(tops.pods.get(uid, []), key=lambda pod: pod["metadata"]["name"])


def _ref(obj: Object) -> str:
    return f"{obj['kind']}/{obj['metadata']['name']}"


def _chosen(spec: ApplicationSpec, tops: _Tops, seen: Observed, notes: list[str], strict: bool) -> dict[str, Object]:
    by_ref = {_ref(top): top for top in tops.objects.values()}
    if not spec.selector and not spec.workloads:
        return dict(tops.objects)
    chosen = {}
    if spec.selector:
        matches = matcher(spec.selector)
        for uid, top in tops.objects.items():
            labels = [_labels(top), _template_labels(top), *(_labels(pod) for pod in tops.pods.get(uid, ()))]
            if any(matches(found) for found in labels):
                chosen[uid] = top
        if not chosen:
            notes.append(f"no workload of namespace {spec.namespace} matches the selector {spec.selector!r}")
    for wanted in spec.workloads:
        if wanted in by_ref:
            chosen[by_ref[wanted]["metadata"]["uid"]] = by_ref[wanted]
        else:
            _missing_workload(wanted, spec, by_ref, seen, notes, strict)
    return chosen


def _missing_workload(
    wanted: str, spec: ApplicationSpec, there: Iterable[str], seen: Observed, notes: list[str], strict: bool
) -> None:
    why = "the namespace has: " + (", ".join(sorted(there)) or "none")
    kind, slash, name = wanted.partition("/")
    if any(o["metadata"]["name"] == name for o in seen.of(kind)):
        why = "it is controlled by another object, has ended, or was made by knowngood itself; " + why
    if strict:
        raise BadInput(f"no workload {wanted}", where=f"app.workloads in namespace {spec.namespace}", why=why)
    notes.append(f"no workload {wanted}: {why}")


def _labels(obj: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels


def _template(obj: Object) -> dict[str, Any]:
    """The pod template of a controller; a bare pod is its own."""
    if obj["kind"] == "Pod":
        return obj
    spec = obj.get("spec") or {}
    if obj["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template = spec.get("template")
    return template if isinstance(template, dict) and "spec" in template else {}


def _template_labels(obj: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = (_template(obj).get("metadata") or {}).get("labels") or {}
    return labels


def _selector(obj: Object) -> Mapping[str, str]:
    """Labels that single out its pods. Where the selector has expressions, the labels of the template."""
    if obj["kind"] == "Pod":
        return dict(_labels(obj))
    selector = (obj.get("spec") or {}).get("selector") or {}
    if obj["kind"] == "ReplicationController":
        return dict(selector)
    plain = selector.get("matchLabels") if isinstance(selector, dict) else None
    if plain and not selector.get("matchExpressions"):
        return dict(plain)
    return dict(_template_labels(obj))


def _autoscalers(seen: Observed) -> dict[str, list[Object]]:
    """HorizontalPodAutoscalers and KEDA's ScaledObjects by what they scale, as ``Kind/name``."""
    found: dict[str, list[Object]] = {}
    for kind in ("HorizontalPodAutoscaler", SCALED_OBJECT):
        for scaler in seen.of(kind):
            target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
            # KEDA scales a Deployment where no kind is given.
            found.setdefault(f"{target.get('kind') or 'Deployment'}/{target.get('name')}", []).append(scaler)
    return found


def _scaled_by(scalers: Sequence[Object]) -> str:
    """The one at the top: what made an autoscaler would put it back."""
    if not scalers:
        return ""
    owner = controller_of(scalers[-1])
    return f"{owner['kind']}/{owner['name']}" if owner else _ref(scalers[-1])


def _workload(top: Object, pods: list[Object], claims: Mapping[str, Object], scalers: Sequence[Object]) -> Workload:
    meta, spec = top["metadata"], top.get("spec") or {}
    annotations = meta.get("annotations") or {}
    # A controller of a foreign kind has no template we could read: its pods tell.
    pod_spec = _template(top).get("spec") or (pods[0]["spec"] if pods else {})
    replicas = _replicas(top["kind"], spec)
    resting = _number(annotations.get(RESTING_REPLICAS))
    quarantine = annotations.get(QUARANTINE, "")
    return Workload(
        kind=top["kind"],
        name=meta["name"],
        namespace=meta.get("namespace", ""),
        uid=meta["uid"],
        api_version=top["apiVersion"],
        resource_version=meta.get("resourceVersion", ""),
        replicas=replicas,
        resting_replicas=resting if quarantine and resting is not None else replicas,
        selector=_selector(top),
        containers=_with_digests(template_containers(pod_spec), pods),
        mounts=_mounts(top, pod_spec, pods, claims),
        secrets=secret_uses(pod_spec),
        labels=dict(_labels(top)),
        quarantine=quarantine,
        scaled_by=_scaled_by(scalers),
        managed_by=manager_of(top),
        hands=hands_on(top, scalers),
    )


def _replicas(kind: str, spec: Mapping[str, Any]) -> int | None:
    replicas = spec.get("replicas")
    if isinstance(replicas, int):
        return replicas
    return 1 if kind in _SCALED else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _with_digests(containers: tuple[Container, ...], pods: list[Object]) -> tuple[Container, ...]:
    """The template's containers with the one digest that all pods run; what is pinned where no pod runs."""
    return tuple(replace(c, digest=_agreed(c, _digests(c.name, pods))) for c in containers)


def _agreed(container: Container, running: set[str]) -> str:
    if not running:
        return container.digest
    return next(iter(running)) if len(running) == 1 else ""


def _digests(container: str, pods: Iterable[Object]) -> set[str]:
    return {c.digest for pod in pods for c in running_containers(pod) if c.name == container and c.digest}


def _mounts(
    top: Object, pod_spec: Mapping[str, Any], pods: list[Object], claims: Mapping[str, Object]
) -> tuple[Any, ...]:
    """Mounts by the template's named claims, by a StatefulSet's claim templates, and by the pods' own claims."""
    found = set(mounts(pod_spec, claims_in(pod_spec)))
    for template, names in template_claims(top, claims).items():
        for name in names:
            found |= set(mounts(pod_spec, {template: name}))
    for pod in pods:
        found |= set(mounts(pod["spec"], claims_in(pod["spec"], pod["metadata"]["name"])))
    return tuple(sorted(found, key=lambda m: (m.claim, m.container, m.path)))


def _note_mixed_images(workloads: Iterable[Workload], pods_of: Mapping[str, list[Object]], notes: list[str]) -> None:
    for workload in workloads:
        for container in workload.containers:
            if len(_digests(container.name, pods_of[workload.uid])) > 1:
                notes.append(f"the pods of {workload.ref} run different images in container {container.name}")


def _wanted_claims(
    spec: ApplicationSpec,
    workloads: list[Workload],
    pods_of: Mapping[str, list[Object]],
    claims: Mapping[str, Object],
    notes: list[str],
    strict: bool,
) -> list[str]:
    mounted = {mount.claim for workload in workloads for mount in workload.mounts}
    # A volume that no container mounts is attached all the same.
    mounted |= {claim for found in pods_of.values() for pod in found for claim in _pod_claims(pod)}
    if not spec.claims:
        if not spec.selector and not spec.workloads:
            loose = sorted(name for name, claim in claims.items() if name not in mounted and not _ours(claim))
            notes.extend(
                f"claim {name} is mounted by no workload and is left out; claims can name it" for name in loose
            )
        return sorted(mounted)
    gone = [name for name in spec.claims if name not in claims]
    if gone and strict:
        there = ", ".join(sorted(claims)) or "none"
        where = f"app.claims in namespace {spec.namespace}"
        raise BadInput(f"no claim {', '.join(gone)}", where=where, why=f"the namespace has: {there}")
    notes.extend(f"claim {name} does not exist" for name in gone)
    return sorted(set(spec.claims))


def _pod_claims(pod: Object) -> set[str]:
    return set(claims_in(pod["spec"], pod["metadata"]["name"]).values())


def _mounted_by(workloads: Iterable[Workload], tops: _Tops, seen: Observed) -> dict[str, set[str]]:
    """Who reaches a claim: the application's workloads, and the tops of all other pods of the namespace."""
    found: dict[str, set[str]] = {}
    for workload in workloads:
        for mount in workload.mounts:
            found.setdefault(mount.claim, set()).add(workload.ref)
    for pod in seen.of("Pod"):
        if not _ended(pod):
            top = tops.top_of_pod.get(pod["metadata"]["uid"], pod)
            for claim in _pod_claims(pod):
                found.setdefault(claim, set()).add(f"{top['kind']}/{top['metadata']['name']}")
    return found


def _volume(
    name: str, claims: Mapping[str, Object], volumes: Mapping[str, Object], mounted_by: tuple[str, ...]
) -> Volume:
    claim = claims.get(name)
    if claim is None:
        return missing(name, mounted_by)
    return volume_of(claim, volumes.get(claim["spec"].get("volumeName") or ""), mounted_by)


def _pod(pod: Object, tops: _Tops) -> PodView:
    meta, status = pod["metadata"], pod.get("status") or {}
    top = tops.top_of_pod[meta["uid"]]
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
    return PodView(
        name=meta["name"],
        uid=meta["uid"],
        workload="" if top is pod else _ref(top),
        phase=str(status.get("phase", "")),
        ready=ready and not meta.get("deletionTimestamp"),
        ip=status.get("podIP", ""),
        node=pod["spec"].get("nodeName", ""),
        started=status.get("startTime", ""),
        containers=running_containers(pod),
        claims=tuple(sorted(_pod_claims(pod))),
    )
