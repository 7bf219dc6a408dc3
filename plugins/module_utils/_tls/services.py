# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services in front of the pods: which port of a Service leads to which port of a pod.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .consumers import PodSeen

_TLS_WORDS = ("https", "tls", "ssl")


@dataclass(frozen=True, slots=True)
class ServicePort:
    """``address`` is what is dialled inside the cluster: the cluster IP, or the DNS name of a headless Service."""

    service: str
    namespace: str
    address: str
    port: int
    target: int | str
    selector: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""

    @property
    def headless(self) -> bool:
        return self.address.endswith(".svc")

    def chooses(self, pod: PodSeen) -> bool:
        return bool(self.selector) and all(pod.labels.get(k) == v for k, v in self.selector.items())

    def names(self) -> tuple[str, ...]:
        """The DNS names under which clients know it, longest first."""
        full = f"{self.service}.{self.namespace}.svc"
        return (f"{full}.cluster.local", full, f"{self.service}.{self.namespace}", self.service)


def tls_port(service: Mapping[str, Any], wanted: int | None) -> ServicePort:
    """The port of the Service that speaks TLS.

    The one wanted (by the Service's number or the pod's), else the one whose name or number says so, else the only one.
    Raises BadInput where that leaves a choice.
    """
    meta, spec = service["metadata"], service.get("spec") or {}
    ports = [p for p in spec.get("ports") or [] if p.get("protocol", "TCP") == "TCP"]
    found = _chosen(ports, wanted)
    if len(found) != 1:
        listed = ", ".join(f"{p.get('name') or '-'} {p['port']}" for p in ports) or "none"
        raise BadInput(
            "which port of the Service speaks TLS is not clear",
            where=f"Service {meta['namespace']}/{meta['name']}",
            why=f"its ports: {listed}",
            next="name it with port in targets",
        )
    port = found[0]
    address = spec.get("clusterIP") or ""
    if address in ("", "None"):
        address = f"{meta['name']}.{meta['namespace']}.svc"
    target = port.get("targetPort") or int(port["port"])
    selector = dict(spec.get("selector") or {})
    uid = meta.get("uid", "")
    return ServicePort(meta["name"], meta["namespace"], address, int(port["port"]), target, selector, uid)


def _chosen(ports: list[Mapping[str, Any]], wanted: int | None) -> list[Mapping[str, Any]]:
    if wanted is not None:
        return [p for p in ports if p["port"] == wanted] or [p for p in ports if p.get("targetPort") == wanted]
    telling = [p for p in ports if any(word in (p.get("name") or "").lower() for word in _TLS_WORDS)]
    telling = telling or [p for p in ports if p["port"] in (443, 8443)]
    return telling or ports
