# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in to a workload: each Service that selects its pods, and each pod by its address. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._core.errors import BadInput
from .._core.plan import Json
from .client import Object


def default_paths(
    workload: str, template: Mapping[str, Any], pods: Iterable[Object], services: Iterable[Object]
) -> list[Json]:
    """``{workload, from, host, port, via}`` for each way in, sorted. ``template``: its pod template (or the pod)."""
    labels = (template.get("metadata") or {}).get("labels") or {}
    ports = _container_ports(template)
    found = []
    targets = set(ports.values())
    for service in services:
        spec, meta = service["spec"], service["metadata"]
        selector = spec.get("selector") or {}
        if not selector or any(labels.get(key) != value for key, value in selector.items()):
            continue
        for port in spec.get("ports") or []:
            if port.get("protocol", "TCP") != "TCP":
                continue
            target = port.get("targetPort", port["port"])
            number = ports.get(target) if isinstance(target, str) else target
            if number is not None:
                targets.add(number)
            headless = spec.get("clusterIP") == "None"
            shown = number if headless else port["port"]
            if shown is not None:
                host = f"{meta['name']}.{meta['namespace']}.svc"
                found.append(_path(workload, host, shown, f"Service {meta['namespace']}/{meta['name']}"))
    for pod in pods:
        ip = (pod.get("status") or {}).get("podIP")
        if ip:
            name = pod["metadata"]["name"]
            found += [_path(workload, ip, port, f"Pod {pod['metadata']['namespace']}/{name}") for port in targets]
    return sorted(found, key=lambda p: (p["via"], p["port"]))


def _path(workload: str, host: str, port: int, via: str) -> dict[str, Json]:
    return {"workload": workload, "from": {}, "host": host, "port": port, "via": via}


def _container_ports(template: Mapping[str, Any]) -> dict[str, int]:
    """TCP ports by name; one without a name goes by its number."""
    found = {}
    for container in (template.get("spec") or {}).get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("protocol", "TCP") == "TCP":
                found[port.get("name") or str(port["containerPort"])] = int(port["containerPort"])
    return found


def given_paths(paths: Iterable[Mapping[str, Any]]) -> list[Json]:
    """The user's ``probe_paths``, checked. Raises BadInput naming the entry."""
    found = []
    for number, path in enumerate(paths):
        where = f"probe_paths[{number}]"
        host, port = path.get("host"), path.get("port")
        if not isinstance(host, str) or not host or host.startswith("-"):
            raise BadInput("a path needs a host", where=where, why=f"got {host!r}")
        if not isinstance(port, int) or not 0 < port < 65536:
            raise BadInput("a path needs a port", where=where, why=f"got {port!r}", next="1 to 65535")
        labels = (path.get("from") or {}).get("labels") or {}
        source = {"labels": {str(k): str(v) for k, v in labels.items()}} if labels else {}
        found.append({"workload": "", "from": source, "host": host, "port": port, "via": "given"})
    return found
