# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a key is compromised: the deny-list, and the copies of the old key that are still about.

An entry of the deny-list is one immutable ConfigMap in the state namespace, named after the public key, so that two
writers cannot be in each other's way and a second run finds it there. It holds fingerprints only.

PRIVATE to this collection.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Cluster, Object, owned_by
from .._cluster.deletes import delete_as_read
from .._core.clock import rfc3339
from .._core.errors import BadInput, Conflict, Denied
from .._core.operation import Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .keys import read_key, spki_of
from .owner import owner_of
from .pem import blocks, pem
from .secrets import OF, PREVIOUS, ROLE
from .subject import Subject, Tools

DENIED = "denied"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
ARCHIVES, ANNOTATIONS, HELM = "archives", "annotations", "helm"
PURGES = (ARCHIVES, ANNOTATIONS, HELM)
_HELM = "helm.sh/release.v1"
_DEEPEST = 4
_LARGEST = 32 * 1024 * 1024
# What base64 of "-----BEGIN ", of a gzip stream (Helm), and of DER begins with.
_TOKEN = re.compile(rb"(?:LS0tLS1CRUdJTi|H4sI|SDRzS|MI|MH|MF|MC)[A-Za-z0-9+/]{40,}={0,2}")


def denied_name(spki: str) -> str:
    return f"knowngood-denied-{spki.removeprefix('sha256:')[:40]}"


def denied_keys(cluster: Cluster, state_namespace: str) -> frozenset[str]:
    """Fingerprints of the public keys that must not be used again; one list."""
    if not state_namespace:
        return frozenset()
    found = cluster.list("ConfigMap", state_namespace, selector=f"{ROLE}={DENIED}")
    return frozenset(str((obj.get("data") or {}).get("spki", "")) for obj in found)


@dataclass(frozen=True, slots=True)
class Deny:
    """``tls.deny``: the old certificate and its key onto the deny-list, before anything else is changed."""

    tools: Tools

    def done(self, step: Step, context: Context) -> bool:
        return self._entry(Subject.of(self.tools, step, context)) is not None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        if self._entry(subject) is None:
            with contextlib.suppress(Conflict):  # somebody has denied the same key just now
                subject.cluster.create(self._manifest(subject))
        return {"denied": denied_name(str(subject.params["old_spki"])), "spki": subject.params["old_spki"]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        """Only an entry of this very operation; it can be undone only while the old key is still in service."""
        subject = Subject.of(self.tools, step, context)
        entry = self._entry(subject)
        labels = (entry or {"metadata": {}})["metadata"].get("labels") or {}
        if entry is None or labels.get("knowngood.io/operation") != context.operation_id:
            return None
        delete_as_read(subject.cluster, "ConfigMap", entry)
        return {"deleted": entry["metadata"]["name"]}

    def _entry(self, subject: Subject) -> Object | None:
        return subject.cluster.find(
            "ConfigMap", denied_name(str(subject.params["old_spki"])), self.tools.state_namespace
        )

    def _manifest(self, subject: Subject) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "immutable": True,
            "metadata": {
                "name": denied_name(str(subject.params["old_spki"])),
                "namespace": self.tools.state_namespace,
                "labels": owned_by(subject.context.operation_id, role=DENIED),
            },
            "data": {
                "spki": str(subject.params["old_spki"]),
                "fingerprint": str(subject.params["old"]),
                "of": subject.ref,
                "reason": str(subject.params["why"]),
                "at": rfc3339(self.tools.clock.now().replace(microsecond=0)),
            },
        }


@dataclass(frozen=True, slots=True)
class Leaks(LooksAgain, NothingToUndo):
    """``tls.leaks``: where in its namespaces the old key still is, by name, never content; removed where asked for."""

    tools: Tools

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        subject = Subject.of(self.tools, step, context)
        spki, rows, unsearched = str(subject.params["old_spki"]), [], []
        for namespace in dict.fromkeys([subject.namespace, *(subject.params.get("namespaces") or ())]):
            for kind in ("Secret", "ConfigMap"):
                try:
                    objects = subject.cluster.list(kind, namespace)
                except Denied:
                    unsearched.append(f"copies of the key in {kind}s of namespace {namespace}: not allowed to look")
                    continue
                for obj in objects:
                    rows += self._rows(subject, obj, list(copies_of(spki, [obj])))
        return {"copies": rows, "unsearched": unsearched}

    def _rows(self, subject: Subject, obj: Object, found: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
        wanted = subject.params.get("purge") or () if obj["kind"] == "Secret" else ()
        purged = bool(found) and purge(subject.cluster, obj, found, wanted)
        return [{**row, "purged": purged and _goes(row, obj) in wanted} for row in found]


def purge(cluster: Cluster, obj: Object, rows: Iterable[Mapping[str, Json]], wanted: Iterable[str]) -> bool:
    """Removes what of these copies is asked for; tells whether anything was.

    A Helm revision that is in force stays, and so does a Secret of another controller. Raises Conflict where somebody
    writes it in the same moment.
    """
    ways = {_goes(row, obj) for row in rows} & set(wanted)
    meta = obj["metadata"]
    if ways & {ARCHIVES, HELM}:
        delete_as_read(cluster, "Secret", obj)
    elif ANNOTATIONS in ways:
        left = {key: value for key, value in meta["annotations"].items() if key != LAST_APPLIED}
        cluster.update({**obj, "metadata": {**meta, "annotations": left}})
    return bool(ways)


def _goes(row: Mapping[str, Json], obj: Mapping[str, Any]) -> str:
    """By which word of :data:`PURGES` this copy is removed; empty: never."""
    labels = obj["metadata"].get("labels") or {}
    if row["place"] == f"annotation {LAST_APPLIED}":
        return "" if owner_of(obj).acts else ANNOTATIONS
    if labels.get(ROLE) == PREVIOUS:
        return ARCHIVES
    return HELM if obj.get("type") == _HELM and labels.get("status") not in ("deployed", None) else ""


def copies_of(spki: str, objects: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Json]]:
    """Pure: a row for each place in which the private key of this public key is: ``object``, ``place``, ``what``."""
    for obj in objects:
        meta = obj["metadata"]
        name = f"{obj['kind']} {meta['namespace']}/{meta['name']}"
        annotations, labels = meta.get("annotations") or {}, meta.get("labels") or {}
        for key, value in sorted(annotations.items()):
            if holds_key(value.encode(), spki):
                what = "what kubectl apply keeps" if key == LAST_APPLIED else "an annotation"
                yield {"object": name, "place": f"annotation {key}", "what": what}
        for key, raw in sorted((obj.get("data") or {}).items()):
            if holds_key(_value(obj, raw), spki):
                yield {"object": name, "place": f"data {key}", "what": _what(obj, labels, annotations)}


def _value(obj: Mapping[str, Any], raw: str) -> bytes:
    if obj["kind"] != "Secret":
        return raw.encode()
    try:
        return b64decode(raw)
    except (NotBase64, ValueError):
        return b""


def _what(obj: Mapping[str, Any], labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    if obj.get("type") == _HELM or labels.get("owner") == "helm":
        return f"Helm release {labels.get('name', '?')} revision {labels.get('version', '?')}"
    if labels.get(ROLE):
        return f"our {labels[ROLE]} generation of {annotations.get(OF, '?')}"
    return "a Secret with the same key" if obj["kind"] == "Secret" else "a private key in a ConfigMap"


def holds_key(data: bytes, spki: str, depth: int = _DEEPEST) -> bool:
    """Is the private key in there: as PEM, as DER, in base64, or compressed, also within one another?"""
    if data[:2] == b"\x1f\x8b":
        data = _unpacked(data)
    if data[:1] == b"\x30":
        return _is_key(pem("PRIVATE KEY", data), spki) or _is_old_style(data, spki)
    text = data.replace(b"\\n", b"\n")
    if b"PRIVATE KEY-----" in text:
        for block in blocks(text):
            if block.private and block.der and _is_key(pem(block.label, block.der), spki):
                return True
    if depth <= 0:
        return False
    return any(holds_key(_decoded(token.group()), spki, depth - 1) for token in _TOKEN.finditer(data))


def _is_old_style(der: bytes, spki: str) -> bool:
    return any(_is_key(pem(label, der), spki) for label in ("RSA PRIVATE KEY", "EC PRIVATE KEY"))


def _is_key(text: bytes, spki: str) -> bool:
    try:
        return spki_of(read_key(text, "", check=False)[0]) == spki
    except BadInput:
        return False


def _decoded(token: bytes) -> bytes:
    try:
        return b64decode(token + b"=" * (-len(token) % 4))
    except (NotBase64, ValueError):
        return b""


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            return stream.read(_LARGEST)
    except (OSError, EOFError):
        return b""
