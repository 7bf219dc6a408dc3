# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who names a TLS Secret without mounting it: Ingress and the Gateway API.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Object
from .._cluster.kinds import KINDS, Kind
from .certificates import Certificate
from .lint import ERROR, WARNING, Lint

_GATEWAY_API = "gateway.networking.k8s.io"
INGRESS = KINDS["Ingress"]
GATEWAY = Kind("Gateway", _GATEWAY_API, "v1", "gateways")
LISTENER_SET = Kind("ListenerSet", _GATEWAY_API, "v1", "listenersets")
BACKEND_POLICY = Kind("BackendTLSPolicy", _GATEWAY_API, "v1", "backendtlspolicies")
GRANT = Kind("ReferenceGrant", _GATEWAY_API, "v1beta1", "referencegrants")
SERVING = (INGRESS, GATEWAY, LISTENER_SET)
"""Who serves what it names."""
REFERRING = (*SERVING, BACKEND_POLICY)
_CLIENT_CA = ("nginx.ingress.kubernetes.io/auth-tls-secret", "nginx.ingress.kubernetes.io/proxy-ssl-secret")
FOUND, MISSING, NO_CERTIFICATE, UNREAD = "found", "missing", "no_certificate", "unread"


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that names a Secret (or a ConfigMap of CAs, in ``target_kind``).

    ``part`` is the listener or the annotation; ``hosts`` the names that clients ask for there; ``trust``: it is named
    for the CAs in it; ``granted`` False: it is in another namespace, which does not allow that.
    """

    kind: str
    namespace: str
    name: str
    part: str
    target_namespace: str
    target: str
    hosts: tuple[str, ...] = ()
    target_kind: str = "Secret"
    trust: bool = False
    granted: bool | None = True

    @property
    def ref(self) -> str:
        return f"{self.kind}/{self.name}"


# -- reading -----------------------------------------------------------------------------------------------------


def references(obj: Object, grants: Sequence[Object] | None = ()) -> list[Reference]:
    """What one object names. ``grants``: the ReferenceGrants, None where they could not be read."""
    if obj["kind"] == INGRESS.kind:
        return list(_ingress(obj))
    if obj["kind"] == BACKEND_POLICY.kind:
        return list(_policy(obj))
    return list(_listeners(obj, grants))


def _ingress(obj: Object) -> Iterator[Reference]:
    meta = obj["metadata"]
    for entry in (obj.get("spec") or {}).get("tls") or []:
        if entry.get("secretName"):
            hosts = tuple(entry.get("hosts") or ())
            yield Reference(
                "Ingress", meta["namespace"], meta["name"], "tls", meta["namespace"], entry["secretName"], hosts
            )
    for word in _CLIENT_CA:
        named = (meta.get("annotations") or {}).get(word, "")
        if named:
            namespace, slash, name = named.rpartition("/")
            part = word.rpartition("/")[2]
            where = namespace if slash else meta["namespace"]
            yield Reference("Ingress", meta["namespace"], meta["name"], part, where, name, trust=True)


def _listeners(obj: Object, grants: Sequence[Object] | None) -> Iterator[Reference]:
    meta = obj["metadata"]
    for listener in (obj.get("spec") or {}).get("listeners") or []:
        hosts = (listener["hostname"],) if listener.get("hostname") else ()
        for reference in (listener.get("tls") or {}).get("certificateRefs") or []:
            if reference.get("group", "") not in ("", None) or reference.get("kind", "Secret") != "Secret":
                continue
            namespace = reference.get("namespace") or meta["namespace"]
            yield Reference(
                obj["kind"],
                meta["namespace"],
                meta["name"],
                listener.get("name", ""),
                namespace,
                reference["name"],
                hosts,
                granted=_granted(obj, namespace, reference["name"], grants),
            )


def _policy(obj: Object) -> Iterator[Reference]:
    meta, validation = obj["metadata"], (obj.get("spec") or {}).get("validation") or {}
    hosts = (validation["hostname"],) if validation.get("hostname") else ()
    for reference in validation.get("caCertificateRefs") or []:
        kind = reference.get("kind", "ConfigMap")
        here = meta["namespace"]
        yield Reference(
            obj["kind"], here, meta["name"], "validation", here, reference["name"], hosts, target_kind=kind, trust=True
        )


def _granted(obj: Object, namespace: str, secret: str, grants: Sequence[Object] | None) -> bool | None:
    """May it name that Secret? A reference across namespaces needs a ReferenceGrant there. None: unknown."""
    here = obj["metadata"]["namespace"]
    if namespace == here:
        return True
    if grants is None:
        return None
    there = [grant for grant in grants if grant["metadata"]["namespace"] == namespace]
    return (obj["kind"], here) in allowed(there, secret)


def allowed(grants: Iterable[Object], secret: str = "") -> set[tuple[str, str]]:
    """Kinds and namespaces that may name that Secret of the grants' namespace; without one: any Secret there."""
    found: set[tuple[str, str]] = set()
    for grant in grants:
        spec = grant.get("spec") or {}
        if any(_means(to, secret) for to in spec.get("to") or []):
            comers = [one for one in spec.get("from") or [] if one.get("group") == _GATEWAY_API]
            found |= {(one.get("kind", ""), one.get("namespace", "")) for one in comers}
    return found


def _means(to: Mapping[str, Any], secret: str) -> bool:
    if to.get("group") or to.get("kind") != "Secret":
        return False
    return not secret or to.get("name") in (None, "", secret)


# -- judging -----------------------------------------------------------------------------------------------------


def lint_reference(reference: Reference, state: str, leaf: Certificate | None) -> list[Lint]:
    """``state`` of what it names, and its leaf where it has one."""
    found = []
    named = f"{reference.target_kind} {reference.target_namespace}/{reference.target}"
    if state == MISSING:
        what = f"{named} does not exist: the controller serves its default certificate, or nothing"
        found.append(Lint("missing_secret", ERROR, what, "Kubernetes: Ingress TLS", "make it, or name another"))
    if state == NO_CERTIFICATE:
        what = f"{named} holds no certificate that can be read"
        found.append(
            Lint("no_certificate", ERROR, what, "Kubernetes: Ingress TLS", "name a Secret of kubernetes.io/tls")
        )
    if reference.granted is False:
        what = f"{named} is in another namespace, which has no ReferenceGrant for it"
        found.append(Lint("not_granted", ERROR, what, "Gateway API: ReferenceGrant", "make a ReferenceGrant there"))
    if leaf is not None and not reference.trust:
        missing = [host for host in reference.hosts if not covers(leaf.names, host)]
        if missing:
            what = f"the certificate does not hold {', '.join(missing)}"
            found.append(Lint("host_not_covered", ERROR, what, "RFC 9525 6.3", "have it issued with these names"))
        if leaf.ca:
            what = "a CA certificate is named to be served"
            found.append(Lint("ca_served", WARNING, what, "RFC 5280 4.2.1.9", "name the Secret of a leaf"))
    return found


def covers(names: Iterable[str], host: str) -> bool:
    """Does one of the SANs stand for the host? A wildcard covers exactly one label (RFC 9525 section 6.3)."""
    host = host.lower().rstrip(".")
    for name in names:
        kind, _colon, value = name.partition(":")
        value = value.lower().rstrip(".")
        if kind == "DNS" and (value == host or (value.startswith("*.") and host.partition(".")[2] == value[2:])):
            return True
        if kind == "IP" and value == host:
            return True
    return False
