# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod template says: containers, mounts of claims, uses of Secrets; and which image digest really runs.

Pure functions over JSON objects.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .._core.application import Container, Mount, SecretUse

_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def pinned(image: str) -> str:
    """The digest that an image reference names (``repo@sha256:...``), else empty."""
    found = _DIGEST.search(image)
    return found.group(1) if found else ""


def running_containers(pod: Mapping[str, Any]) -> tuple[Container, ...]:
    """The containers of a pod with the digests that run, init and ephemeral ones included."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    # Container names are unique in a pod over all three lists.
    reported = {item["name"]: item for key in _STATUSES for item in status.get(key) or []}
    ephemeral = [(c["name"], c.get("image", ""), False, False) for c in spec.get("ephemeralContainers") or []]
    return tuple(
        Container(name, image, digest_of(reported.get(name, {}), image), init, sidecar)
        for name, image, init, sidecar in [*_named(spec), *ephemeral]
    )


def digest_of(status: Mapping[str, Any], image: str) -> str:
    """The repository digest of a container that was started, else what its reference pins.

    ``imageID`` is ``repo@sha256:...`` where the runtime knows the repository digest. Without it, it is the digest of
    the image's configuration, which no registry and no build log knows: the pin of the reference is used then.
    """
    return pinned(str(status.get("imageID", ""))) or pinned(image) or pinned(str(status.get("image", "")))


def template_containers(pod_spec: Mapping[str, Any]) -> tuple[Container, ...]:
    """The containers a template asks for; the digest is known where the reference pins one."""
    return tuple(
        Container(name, image, pinned(image), init, sidecar) for name, image, init, sidecar in _named(pod_spec)
    )


def claims_in(pod_spec: Mapping[str, Any], pod_name: str = "") -> dict[str, str]:
    """Claim by volume name. An ephemeral volume's claim is ``<pod>-<volume>``: known only with a pod's name."""
    found = {}
    for volume in pod_spec.get("volumes") or []:
        if volume.get("persistentVolumeClaim"):
            found[volume["name"]] = volume["persistentVolumeClaim"]["claimName"]
        elif volume.get("ephemeral") is not None and pod_name:
            found[volume["name"]] = f"{pod_name}-{volume['name']}"
    return found


def mounts(pod_spec: Mapping[str, Any], claims: Mapping[str, str]) -> tuple[Mount, ...]:
    """How containers reach claims. ``claims``: claim by volume name; a volume that forbids writing makes it read-only.

    A raw block device counts as a mount whose path is the device's.
    """
    forbidden = {
        volume["name"]
        for volume in pod_spec.get("volumes") or []
        if (volume.get("persistentVolumeClaim") or {}).get("readOnly")
    }
    found = []
    for container, init, sidecar in _containers(pod_spec):
        who = {"container": container["name"], "init": init, "sidecar": sidecar}
        for mount in container.get("volumeMounts") or []:
            if mount["name"] in claims:
                read_only = bool(mount.get("readOnly")) or mount["name"] in forbidden
                sub_path = mount.get("subPath") or mount.get("subPathExpr") or ""
                made = Mount(
                    claims[mount["name"]], path=mount["mountPath"], read_only=read_only, sub_path=sub_path, **who
                )
                found.append(made)
        for device in container.get("volumeDevices") or []:
            if device["name"] in claims:
                read_only = device["name"] in forbidden
                path = device["devicePath"]
                found.append(Mount(claims[device["name"]], path=path, read_only=read_only, device=True, **who))
    return tuple(sorted(found, key=lambda m: (m.claim, m.container, m.path)))


def secret_uses(pod_spec: Mapping[str, Any]) -> tuple[SecretUse, ...]:
    """How containers reach Secrets: by volume (plain or projected), by a mount with subPath, by environment."""
    by_volume = {volume["name"]: _secrets_of(volume) for volume in pod_spec.get("volumes") or []}
    found = set()
    for container, _init, _sidecar in _containers(pod_spec):
        name = container["name"]
        for mount in container.get("volumeMounts") or []:
            delivery = "sub_path" if mount.get("subPath") or mount.get("subPathExpr") else "volume"
            found |= {SecretUse(s, name, delivery, mount["mountPath"]) for s in by_volume.get(mount["name"], ())}
        found |= {SecretUse(secret, name, "env") for secret in _secrets_in_env(container)}
    return tuple(sorted(found, key=lambda use: (use.secret, use.container, use.delivery, use.path)))


def _secrets_of(volume: Mapping[str, Any]) -> tuple[str, ...]:
    names = [(volume.get("secret") or {}).get("secretName")]
    for source in (volume.get("projected") or {}).get("sources") or []:
        names.append((source.get("secret") or {}).get("name"))
    return tuple(name for name in names if name)


def _secrets_in_env(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            yield reference["name"]
    for source in container.get("envFrom") or []:
        if source.get("secretRef"):
            yield source["secretRef"]["name"]


def _containers(pod_spec: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], bool, bool]]:
    """Each container, whether it is an init container, and whether it is a sidecar."""
    for container in pod_spec.get("initContainers") or []:
        # A "sidecar" is an init container that keeps running; it counts as one that runs.
        runs_on = container.get("restartPolicy") == "Always"
        yield container, not runs_on, runs_on
    for container in pod_spec.get("containers") or []:
        yield container, False, False


def _named(pod_spec: Mapping[str, Any]) -> list[tuple[str, str, bool, bool]]:
    return [(c["name"], c.get("image", ""), init, sidecar) for c, init, sidecar in _containers(pod_spec)]
