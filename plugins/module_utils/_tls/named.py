# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who serves a Secret that no pod uses: Ingresses, and Gateways (also of namespaces that a ReferenceGrant lets in).

PRIVATE to this collection.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .._cluster.client import Cluster, Object
from .._cluster.kinds import Kind
from .._core.errors import Denied, NotFound
from .references import GATEWAY, GRANT, INGRESS, SERVING, Reference, allowed, references

_KINDS = {kind.kind: kind for kind in SERVING}
_ANY = ""


@dataclass(slots=True)
class _Seen:
    """``unread``: kinds that may not be looked at, and in which namespace (:data:`_ANY`: in any other)."""

    objects: list[Object] = field(default_factory=list)
    grants: list[Object] = field(default_factory=list)
    unread: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Servers:
    """Looks at each namespace once."""

    cluster: Cluster
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def of(self, namespace: str, secret: str) -> tuple[str, ...]:
        """``Ingress/front``, ``Gateway/edge listener shop in namespace infra``; also what may not be looked at."""
        if namespace not in self._seen:
            self._seen[namespace] = self._look(namespace)
        seen = self._seen[namespace]
        named = [one for obj in seen.objects for one in references(obj, seen.grants) if one.target_kind == "Secret"]
        serving = [one for one in named if (one.target_namespace, one.target) == (namespace, secret) and one.granted]
        may = {(kind, where) for kind in _KINDS for where in (namespace, _ANY)} | allowed(seen.grants, secret)
        unread = [_unread(kind, where, namespace) for kind, where in seen.unread if (kind, where) in may]
        return (*sorted({_shown(one, namespace) for one in serving}), *unread)

    def _look(self, namespace: str) -> _Seen:
        seen = _Seen()
        for kind in SERVING:
            if not self._read(kind, namespace, seen.objects):
                seen.unread.append((kind.kind, namespace))
        if not self._read(GRANT, namespace, seen.grants):
            seen.unread.append((GATEWAY.kind, _ANY))
        for name, where in sorted(allowed(seen.grants)):
            if name in _KINDS and where != namespace and not self._read(_KINDS[name], where, seen.objects):
                seen.unread.append((name, where))
        return seen

    def _read(self, kind: Kind, namespace: str, into: list[Object]) -> bool:
        """False where it is served and may not be looked at."""
        try:
            into += [{"kind": kind.kind, **obj} for obj in self.cluster.list(kind, namespace)]
        except NotFound:  # the API is not installed
            return True
        except Denied:
            return not self.cluster.serves(kind)
        return True


def _shown(reference: Reference, home: str) -> str:
    where = "" if reference.namespace == home else f" in namespace {reference.namespace}"
    if reference.kind == INGRESS.kind:
        part = "" if reference.part == "tls" else f" {reference.part}"
    else:
        part = f" listener {reference.part}"
    return f"{reference.ref}{part}{where}"


def _unread(kind: str, where: str, home: str) -> str:
    place = {home: "", _ANY: " of another namespace"}.get(where, f" of namespace {where}")
    return f"any {kind}{place} that names it (not allowed to look)"
