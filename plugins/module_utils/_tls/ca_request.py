# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the caller asked of a CA's rotation, from the door's options.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.durations import seconds
from .._core.errors import BadInput
from .ca_issuer import CLUSTER_ISSUER, ISSUER
from .ca_plan import CaRequest, Leaf
from .keys import SAME
from .plan import Target
from .request import reload_in


def ca_request(params: Mapping[str, Any]) -> CaRequest:
    """Checks what the argument specification cannot. Raises BadInput."""
    kind, namespace, name = _which(params)
    namespaces = _namespaces(params, kind, namespace)
    parent = params.get("parent_secret") or ""
    if parent:
        _named("parent_secret", parent)
    generation = params.get("generation")
    if generation is not None and generation < 1:
        raise BadInput("generation is not a number from 1 on", why=f"got {generation}")
    compromised = bool(params.get("compromised"))
    if compromised:
        _check_compromised(params)
    expiring = params.get("expiring_within")
    return CaRequest(
        namespace=namespace,
        secret="" if kind else name,
        parent=parent,
        bridge=bool(params.get("bridge")),
        issuer=name if kind else "",
        issuer_kind=kind or ISSUER,
        namespaces=namespaces,
        generation=generation,
        expiring_within_s=None if expiring is None else seconds(expiring, "expiring_within"),
        leaves=_leaves(params, namespaces[0]),
        mutual=tuple(dict(given) for given in params.get("mutual_tls") or ()),
        rereads=tuple(params.get("rereads") or ()),
        reloads=tuple(_told(given) for given in params.get("reloads") or ()),
        waive=tuple(params.get("waive") or ()),
        webhooks=bool(params["webhooks"]),
        key=params.get("key") or SAME,
        probe_image=params.get("probe_image") or "",
        overlap_s=seconds(params["overlap"], "overlap"),
        soak_s=seconds(params["soak"], "soak"),
        propagation_s=seconds(params["propagation"], "propagation"),
        reload_wait_s=seconds(params["reload_wait"], "reload_wait"),
        wait_timeout_s=float(params["wait_timeout"]),
        keep_previous_s=seconds(params["keep_previous_for"], "keep_previous_for"),
        destroy_old_key=bool(params["destroy_old_key"]),
        compromised=compromised,
        state_namespace=params.get("state_namespace") or "",
    )


def _which(params: Mapping[str, Any]) -> tuple[str, str, str]:
    """Of the CA: the kind of issuer that it stands behind (empty: none), its namespace, and the issuer's name or its
    own."""
    wide = params.get("ca_cluster_issuer") or ""
    if wide:
        if "/" in wide:
            raise BadInput("ca_cluster_issuer is not a name", why=f"got {wide!r}", next="a ClusterIssuer's name alone")
        return CLUSTER_ISSUER, params["cluster_resource_namespace"], wide
    issuer = params.get("ca_issuer") or ""
    if issuer:
        return (ISSUER, *_named("ca_issuer", issuer))
    return ("", *_named("ca_secret", params["ca_secret"]))


def _namespaces(params: Mapping[str, Any], kind: str, namespace: str) -> tuple[str, ...]:
    """Where is looked. cert-manager's own namespace is not, unless it is named. Raises BadInput."""
    given = params.get("namespaces") or ()
    if kind != CLUSTER_ISSUER:
        return tuple(dict.fromkeys([namespace, *given]))
    if not given:
        raise BadInput(
            "whom the ClusterIssuer signs for is not said",
            why="it may sign for every namespace",
            next="name the namespaces of its certificates, and of those who trust them",
        )
    return tuple(dict.fromkeys(given))


def _named(option: str, given: str) -> tuple[str, str]:
    namespace, slash, name = given.partition("/")
    if not slash or not namespace or not name or "/" in name:
        raise BadInput(f"{option} is not a name", why=f"got {given!r}", next="namespace/name")
    return namespace, name


def _check_compromised(params: Mapping[str, Any]) -> None:
    """What goes with a CA that is given up at once. Raises BadInput."""
    if params.get("bridge"):
        raise BadInput(
            "there is no bridge from a compromised CA",
            why="who trusts the old one would go on doing so",
            next="leave bridge out",
        )
    if params.get("generation") is None:
        raise BadInput(
            "a compromised CA is given up for a generation that is named",
            why="asked again, the CA that took its place would be given up as well",
            next="set generation",
        )


def _leaves(params: Mapping[str, Any], namespace: str) -> tuple[Leaf, ...]:
    leaves = tuple(_leaf(given, namespace) for given in params.get("leaves") or ())
    names = [leaf.target.ref for leaf in leaves]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise BadInput("leaves names a Secret twice", why=", ".join(twice))
    return leaves


def _told(given: Mapping[str, Any]) -> dict[str, Any]:
    """How a workload is told to load its files. Raises BadInput."""
    how = reload_in(given, f"reloads: {given['workload']}")
    return {**how, "workload": given["workload"]}


def _leaf(given: Mapping[str, Any], namespace: str) -> Leaf:
    target = Target(
        namespace=given.get("namespace") or namespace,
        secret=given["secret"],
        service=given.get("service") or "",
        port=given.get("port"),
        server_name=given.get("server_name") or "",
        protocol=given.get("protocol") or "http",
        workloads=tuple(given.get("workloads") or ()),
    )
    return Leaf(target, given.get("role") or "server")
