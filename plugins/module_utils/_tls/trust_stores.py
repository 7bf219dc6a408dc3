# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trust stores in the cluster: keys of ConfigMaps and Secrets, and the caBundles of admission webhooks.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Cluster, Object
from .._cluster.kinds import Kind, named
from .._core.errors import BadInput, Conflict
from .._core.plan import Json
from .authority import decode
from .certificates import read_chain
from .owner import CERT_MANAGER, owner_of
from .secrets import CRT, KEY, role_of
from .trust import LIMIT, holds

_GROUP = "admissionregistration.k8s.io"
WEBHOOKS = {
    kind: Kind(kind, _GROUP, "v1", kind.lower() + "s", False)
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
}
_MANAGED = "app.kubernetes.io/managed-by"
_RELEASE = "helm.sh/release.v1"
_SEALED = (".p12", ".pfx", ".jks", ".jceks")
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Store:
    """One text of trusted CAs. ``key``: the data key, or the webhook's name."""

    kind: str
    namespace: str
    name: str
    key: str
    uid: str

    @property
    def ref(self) -> str:
        return f"{named(self.kind, self.name, self.namespace)} {self.key}"

    @property
    def where(self) -> str:
        return named(self.kind, self.name, self.namespace)

    def to_dict(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "key": self.key,
            "uid": self.uid,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Store:
        return cls(data["kind"], data["namespace"], data["name"], data["key"], data["uid"])

    def read(self, cluster: Cluster) -> tuple[Object, bytes]:
        """The object and the text. Raises NotFound; Conflict where it is another object than was planned with."""
        obj = cluster.get(WEBHOOKS.get(self.kind, self.kind), self.name, self.namespace or None)
        if obj["metadata"]["uid"] != self.uid:
            raise Conflict(
                "the trust store is another one than at planning time",
                where=self.where,
                why="it was deleted and made anew",
                next="undo or abandon this operation, then plan again",
            )
        return obj, dict(values(obj)).get(self.key, b"")

    def change(self, cluster: Cluster, change: Callable[[bytes], bytes]) -> bytes:
        """One write of the changed text with the object's resourceVersion; none where the change leaves it as it is.

        Where somebody else writes in between, the change is made anew on what they wrote.
        """
        for attempt in range(_TRIES):
            obj, text = self.read(cluster)
            wanted = change(text)
            if wanted == text:
                return text
            refuse_unwritable(self, obj, len(wanted) - len(text))
            try:
                cluster.update(with_value(obj, self.key, wanted))
                return wanted
            except Conflict:
                if attempt == _TRIES - 1:
                    raise
        return b""


def values(obj: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Every text of an object in which CAs may be found, by key."""
    kind = obj["kind"]
    if kind in WEBHOOKS:
        for webhook in obj.get("webhooks") or []:
            bundle = (webhook.get("clientConfig") or {}).get("caBundle")
            if bundle:
                yield webhook["name"], decode(bundle, named(kind, obj["metadata"]["name"]))
        return
    data = obj.get("data") or {}
    for key in sorted(data):
        yield key, data[key].encode() if kind == "ConfigMap" else decode(data[key], f"{kind} {key}")


def with_value(obj: Object, key: str, text: bytes) -> Object:
    """The object with another text under that key, all else as it was; it carries its resourceVersion."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    if obj["kind"] in WEBHOOKS:
        bundle = base64.b64encode(text).decode()
        webhooks = [
            {**w, "clientConfig": {**w["clientConfig"], "caBundle": bundle}} if w["name"] == key else w
            for w in obj["webhooks"]
        ]
        return {**obj, "metadata": meta, "webhooks": webhooks}
    value = text.decode() if obj["kind"] == "ConfigMap" else base64.b64encode(text).decode()
    return {**obj, "metadata": meta, "data": {**obj["data"], key: value}}


def refuse_unwritable(store: Store, obj: Mapping[str, Any], more: int) -> None:
    """Raises BadInput: immutable, kept by somebody else, full (``more``: bytes to be added)."""
    if obj.get("immutable"):
        raise BadInput(
            "the trust store is immutable", where=store.where, next="make a new one and point its users there first"
        )
    owner = owner_of(obj)
    if owner.acts:
        raise BadInput(
            "the trust store is kept by somebody else, who would take the new CA out again",
            where=store.where,
            why=f"owner: {owner.name}",
            next="let its owner write both CAs, or name it in waive",
        )
    size = sum(len(text) for _key, text in values(obj)) + more
    if store.kind not in WEBHOOKS and size >= LIMIT:
        raise BadInput("the trust store has no room for a second CA", where=store.where, why=f"{size} bytes of {LIMIT}")


def listed(cluster: Cluster, namespaces: Iterable[str], *, webhooks: bool) -> list[Object]:
    """ConfigMaps and Secrets of the namespaces that are not ours, and webhook configurations where they are wanted."""
    found = []
    for namespace in namespaces:
        for kind in ("ConfigMap", "Secret"):
            for obj in cluster.list(kind, namespace):
                obj.setdefault("kind", kind)
                ours = (obj["metadata"].get("labels") or {}).get(_MANAGED) == "knowngood"
                if not ours and not role_of(obj) and obj.get("type") != _RELEASE:
                    found.append(obj)
    for kind, resource in WEBHOOKS.items() if webhooks else ():
        for obj in cluster.list(resource):
            obj.setdefault("kind", kind)
            found.append(obj)
    return found


def stores_in(objects: Iterable[Object], spki: str, *, kept: bool = False) -> tuple[Store, ...]:
    """The stores that hold a CA of this key. The chain beside a private key is what is served, no store.

    ``kept``: without the Secrets of cert-manager, which puts a CA there with each certificate. Raises BadInput for a
    store that holds it and has blocks that cannot be read.
    """
    found = []
    for obj in objects:
        meta = obj["metadata"]
        if kept and owner_of(obj).kind == CERT_MANAGER:
            continue
        for key, text in values(obj):
            if b"-----BEGIN" not in text or (key == CRT and KEY in (obj.get("data") or {})):
                continue
            if not holds(text, spki):
                continue
            store = Store(obj["kind"], meta.get("namespace") or "", meta["name"], key, meta["uid"])
            problems = read_chain(text).problems
            if problems:
                raise BadInput("a trust store cannot be read whole", where=store.ref, why="; ".join(problems))
            found.append(store)
    return tuple(sorted(found, key=lambda store: store.ref))


def sealed(objects: Iterable[Object]) -> tuple[str, ...]:
    """Key stores by their names: what they trust is not looked into."""
    return tuple(
        sorted(
            f"{named(obj['kind'], obj['metadata']['name'], obj['metadata'].get('namespace'))} {key}"
            for obj in objects
            for key in {**(obj.get("data") or {}), **(obj.get("binaryData") or {})}
            if key.lower().endswith(_SEALED)
        )
    )
