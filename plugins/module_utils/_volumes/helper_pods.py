# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests of the short-lived pods: one that makes a waiting volume be bound, one in which probes run. Pure.

Both carry none of the application's labels, so that no Service sends them anything, and no service account token.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.errors import BadInput
from .._core.plan import Json
from .objects import Object
from .probes import Probe

_PLACING = ("nodeSelector", "affinity", "tolerations", "schedulerName", "runtimeClassName")
_RUNNING = (
    "securityContext",
    "imagePullSecrets",
    "hostAliases",
    "dnsPolicy",
    "dnsConfig",
    "serviceAccountName",
    "enableServiceLinks",
)
_DROPPED = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports")
_UNPRIVILEGED = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def template_of(workload: Mapping[str, Any]) -> dict[str, Any]:
    """The pod spec of a workload's template."""
    spec = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: dict[str, Any] = spec["template"]["spec"] if "template" in spec else spec
    return found


def consumer(
    namespace: str, name: str, claim: str, labels: Mapping[str, str], template: Mapping[str, Any] | None, mode: str
) -> Object:
    """A pod that only has to be scheduled: that is what binds the claim. Whether its container runs is of no matter."""
    container: Object = {
        "name": "bind",
        "image": (template or {}).get("containers", [{}])[0].get("image") or "registry.k8s.io/pause:3.10",
        "command": ["true"],
        "securityContext": _UNPRIVILEGED,
    }
    if mode == "Block":
        container["volumeDevices"] = [{"name": "data", "devicePath": "/dev/data"}]
    else:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    spec: Object = {
        **_only(template or {}, (*_PLACING, "imagePullSecrets")),
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }
    return _pod(namespace, name, labels, spec)


def from_workload(
    namespace: str,
    name: str,
    labels: Mapping[str, str],
    workload: Mapping[str, Any],
    probe: Probe,
    copies: Mapping[str, str],
) -> Object:
    """A pod that runs the probe's container as the workload would, on copies of its volumes.

    ``copies``: throwaway claim by restored claim. Claims that are not restored are empty directories there. Init
    containers and sidecars are left out. Raises BadInput for a container the workload does not have.
    """
    template = template_of(workload)
    names = [container["name"] for container in template["containers"]]
    wanted = probe.container or names[0]
    if wanted not in names:
        raise BadInput(f"{probe.workload} has no container {wanted}", why=f"it has: {', '.join(names)}")
    container = {k: v for k, v in template["containers"][names.index(wanted)].items() if k not in _DROPPED}
    if probe.image:
        container["image"] = probe.image
    if probe.start:
        container["command"] = list(probe.start)
        container.pop("args", None)
    given = {item["name"] for item in probe.env}
    kept = [item for item in container.get("env") or [] if item["name"] not in given]
    container["env"] = [*kept, *(dict(item) for item in probe.env)]
    spec: Object = {
        **_only(template, (*_PLACING, *_RUNNING)),
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": _volumes(workload, template, copies),
    }
    return _pod(namespace, name, labels, spec)


def bare(namespace: str, name: str, labels: Mapping[str, str], probe: Probe, copies: Mapping[str, str]) -> Object:
    """A pod of the probe's own image with the copy of its claim."""
    container: Object = {
        "name": "probe",
        "image": probe.image,
        "command": list(probe.start) or ["sleep", "3600"],
        "env": [dict(item) for item in probe.env],
        "volumeMounts": [{"name": "data", "mountPath": probe.mount_path}],
    }
    spec: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": copies[probe.claim]}}],
    }
    return _pod(namespace, name, labels, spec)


def reader(
    namespace: str, name: str, labels: Mapping[str, str], image: str, claim: str, path: str, user: int, *, block: bool
) -> Object:
    """A pod that may read everything of a claim and change nothing of it, with room for its notes at ``/kg``."""
    limits: Object = {
        "runAsUser": user,
        "runAsNonRoot": user != 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        # Files of every owner are read: root needs nothing else for that.
        "capabilities": {"drop": ["ALL"], **({} if user else {"add": ["DAC_OVERRIDE"]})},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container: Object = {
        "name": "read",
        "image": image,
        "command": ["sleep", "86400"],
        "securityContext": limits,
        "volumeMounts": [{"name": "notes", "mountPath": "/kg"}],
    }
    if block:
        container["volumeDevices"] = [{"name": "data", "devicePath": path}]
    else:
        container["volumeMounts"].append({"name": "data", "mountPath": path, "readOnly": True})
    spec: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [
            {"name": "notes", "emptyDir": {}},
            {"name": "data", "persistentVolumeClaim": {"claimName": claim, "readOnly": not block}},
        ],
    }
    return _pod(namespace, name, labels, spec)


def _volumes(
    workload: Mapping[str, Any], template: Mapping[str, Any], copies: Mapping[str, str]
) -> list[dict[str, Json]]:
    volumes = [_replaced(volume, copies) for volume in template.get("volumes") or []]
    name = workload["metadata"]["name"]
    for claim in (workload["spec"].get("volumeClaimTemplates") or []) if workload["kind"] == "StatefulSet" else []:
        prefix = f"{claim['metadata']['name']}-{name}-"
        ordinals = sorted(
            (int(found.removeprefix(prefix)), copies[found])
            for found in copies
            if found.startswith(prefix) and found.removeprefix(prefix).isdigit()
        )
        source: dict[str, Json] = {"emptyDir": {}}
        if ordinals:
            source = {"persistentVolumeClaim": {"claimName": ordinals[0][1]}}
        volumes.append({"name": claim["metadata"]["name"], **source})
    return volumes


def _replaced(volume: Mapping[str, Any], copies: Mapping[str, str]) -> dict[str, Json]:
    claim = str((volume.get("persistentVolumeClaim") or {}).get("claimName") or "")
    if claim and claim in copies:
        return {"name": volume["name"], "persistentVolumeClaim": {"claimName": copies[claim]}}
    if claim or volume.get("ephemeral"):
        return {"name": volume["name"], "emptyDir": {}}
    return dict(volume)


def _only(template: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Json]:
    return {key: template[key] for key in keys if key in template}


def _pod(namespace: str, name: str, labels: Mapping[str, str], spec: Object) -> Object:
    meta = {"name": name, "namespace": namespace, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
