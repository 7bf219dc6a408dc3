# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application: what the user declares, and what the cluster shows of it.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import BadInput
from .plan import Json

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FIELDS = (
    "name",
    "namespace",
    "selector",
    "workloads",
    "claims",
    "tls_secrets",
    "writers",
    "hooks",
    "probes",
    "pause",
    "sources",
    "external_images",
)


@dataclass(frozen=True, slots=True)
class ApplicationSpec:
    """One entry of ``knowngood_apps``. Its identity is cluster uid + namespace + name.

    Without ``selector`` and ``workloads`` every workload of the namespace belongs to it; without ``claims`` every claim
    that these workloads mount. ``workloads`` and ``writers`` are ``Kind/name``.
    """

    name: str
    namespace: str
    selector: str = ""
    workloads: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    tls_secrets: tuple[str, ...] = ()
    writers: Mapping[str, Json] = field(default_factory=dict)
    hooks: Mapping[str, Json] = field(default_factory=dict)
    probes: tuple[Mapping[str, Json], ...] = ()
    pause: tuple[Mapping[str, Json], ...] = ()
    sources: tuple[Mapping[str, Json], ...] = ()
    external_images: tuple[Mapping[str, Json], ...] = ()

    @property
    def target(self) -> str:
        """What leases, journals and the ledger are kept by."""
        return f"{self.namespace}/{self.name}"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ApplicationSpec:
        """Checks names and shapes. Raises BadInput naming the key."""
        unknown = sorted(set(data) - set(_FIELDS))
        if unknown:
            raise BadInput("the application has keys that nothing reads", where="app", why=", ".join(unknown))
        for key in ("name", "namespace"):
            if not isinstance(data.get(key), str) or not _DNS_LABEL.fullmatch(data[key]):
                raise BadInput(
                    f"app.{key} is missing or not a DNS label",
                    why=f"got {data.get(key)!r}",
                    next="lower-case letters, digits and dashes, at most 63",
                )
        return cls(
            name=data["name"],
            namespace=data["namespace"],
            selector=data.get("selector") or "",
            workloads=_references(data, "workloads"),
            claims=tuple(data.get("claims") or ()),
            tls_secrets=tuple(data.get("tls_secrets") or ()),
            writers=dict(data.get("writers") or {}),
            hooks=dict(data.get("hooks") or {}),
            probes=tuple(data.get("probes") or ()),
            pause=tuple(data.get("pause") or ()),
            sources=tuple(data.get("sources") or ()),
            external_images=tuple(data.get("external_images") or ()),
        )


def _references(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    references = tuple(data.get(key) or ())
    wrong = [ref for ref in references if not isinstance(ref, str) or ref.count("/") != 1]
    if wrong:
        raise BadInput(
            f"app.{key} has entries that are not Kind/name", why=f"{wrong!r}", next="for example StatefulSet/db"
        )
    return references


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod. ``digest`` is ``sha256:...`` of the image that really runs, empty while unknown.

    ``init``: it ends before the others start. A ``sidecar`` is started with those and runs on.
    """

    name: str
    image: str
    digest: str = ""
    init: bool = False
    sidecar: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A claim reached by a container of a workload. A ``device`` is a raw block volume, at its ``path``."""

    claim: str
    container: str
    path: str
    read_only: bool = False
    init: bool = False
    sub_path: str = ""
    sidecar: bool = False
    device: bool = False


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A Secret reached by a container, delivered by ``volume`` (kept fresh by the kubelet), ``sub_path`` or ``env``."""

    secret: str
    container: str
    delivery: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Hand:
    """Somebody else who has a hand on a workload, as the objects themselves tell.

    ``role``: ``autoscaler`` (sets its replicas), ``gitops``, ``operator`` (a controller of a foreign kind) or
    ``release`` (Helm). ``namespace`` is empty where nothing says it. ``sure`` is false for a mark that others leave.
    """

    role: str
    kind: str
    name: str
    namespace: str = ""
    group: str = ""
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Workload:
    """A top-level controller (or a bare pod) with what its template says.

    ``replicas`` is the number wanted now (None where the kind has none); ``resting_replicas`` is the number it goes
    back to: other than ``replicas`` only while a quarantine holds it down, named by ``quarantine`` (an operation id).
    ``scaled_by`` names an autoscaler, ``managed_by`` a GitOps tool, operator or owner that would undo a change;
    ``hands`` are all of these.
    """

    kind: str
    name: str
    namespace: str
    uid: str
    api_version: str
    resource_version: str = ""
    replicas: int | None = None
    resting_replicas: int | None = None
    selector: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[SecretUse, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    quarantine: str = ""
    scaled_by: str = ""
    managed_by: str = ""
    hands: tuple[Hand, ...] = ()

    @property
    def ref(self) -> str:
        """``Kind/name``."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class PodView:
    """A pod as it is now. ``workload`` is its top controller as ``Kind/name``, empty for a bare pod."""

    name: str
    uid: str
    workload: str
    phase: str
    ready: bool
    ip: str = ""
    node: str = ""
    started: str = ""
    containers: tuple[Container, ...] = ()
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Volume:
    """A claim and the volume behind it. ``size`` is a quantity (``10Gi``); ``driver`` is empty where it is not CSI.

    ``fs_type`` is what the volume says, empty where it leaves that to the driver. An ``ephemeral`` claim is of one pod
    and goes with it.
    """

    claim: str
    claim_uid: str
    phase: str
    volume: str = ""
    handle: str = ""
    driver: str = ""
    storage_class: str = ""
    size: str = ""
    mode: str = "Filesystem"
    access_modes: tuple[str, ...] = ()
    reclaim_policy: str = ""
    mounted_by: tuple[str, ...] = ()
    deleting: bool = False
    restored_from: str = ""
    fs_type: str = ""
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class Application:
    """A resolved application. Lists are sorted by name, so that equal clusters give equal values."""

    spec: ApplicationSpec
    cluster_uid: str
    workloads: tuple[Workload, ...] = ()
    pods: tuple[PodView, ...] = ()
    volumes: tuple[Volume, ...] = ()
    notes: tuple[str, ...] = ()

    def workload(self, ref: str) -> Workload:
        """The workload ``Kind/name``. Raises BadInput naming those there are."""
        for workload in self.workloads:
            if workload.ref == ref:
                return workload
        there = ", ".join(w.ref for w in self.workloads) or "none"
        raise BadInput(f"no workload {ref}", where=self.spec.target, why=f"the application has: {there}")

    def volume(self, claim: str) -> Volume:
        """The volume behind a claim. Raises BadInput naming those there are."""
        for volume in self.volumes:
            if volume.claim == claim:
                return volume
        there = ", ".join(v.claim for v in self.volumes) or "none"
        raise BadInput(f"no claim {claim}", where=self.spec.target, why=f"the application has: {there}")

    def pods_of(self, ref: str) -> tuple[PodView, ...]:
        return tuple(pod for pod in self.pods if pod.workload == ref)

    @property
    def digests(self) -> dict[str, list[str]]:
        """Image digests that run now, by workload ``Kind/name``; sorted."""
        found: dict[str, set[str]] = {}
        for pod in self.pods:
            for container in pod.containers:
                if container.digest:
                    found.setdefault(pod.workload or f"Pod/{pod.name}", set()).add(container.digest)
        return {ref: sorted(digests) for ref, digests in sorted(found.items())}

    def to_dict(self) -> dict[str, Json]:
        return asdict(self)
