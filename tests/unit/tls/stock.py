# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster to read from: objects by kind, given page by page, and kinds that may not be read."""

from __future__ import annotations

import base64
import copy
import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Denied, NotFound
from ansible_collections.knowngood.kube.plugins.module_utils._tls.inventory import PARTS, Question, answer

from . import pki


class Stock:
    """The client's reading half. ``denied``: kinds that answer 403; ``absent``: those whose API is not there."""

    def __init__(self, *objects: dict[str, Any], denied: tuple[str, ...] = (), absent: tuple[str, ...] = ()) -> None:
        self.objects = list(objects)
        self.denied, self.absent = denied, absent
        self.asked: list[str] = []
        self.identity = "cluster-1"

    def each(self, kind: Any, namespace: str | None = None, *, selector: str = "", field: str = "") -> Iterator[Any]:
        word = kind if isinstance(kind, str) else kind.kind
        self.asked.append(word)
        if word in self.denied:
            raise Denied("not allowed", why=f"may not list {word}")
        if word in self.absent:
            raise NotFound("no such kind")
        wanted = dict(part.split("=") for part in selector.split(",") if part)
        unwanted = {part.partition("!=")[2] for part in field.split(",") if part.startswith("type!=")}
        for obj in self.objects:
            meta = obj["metadata"]
            if obj["kind"] != word or namespace not in (None, meta.get("namespace")):
                continue
            if obj.get("type") not in unwanted and wanted.items() <= (meta.get("labels") or {}).items():
                yield copy.deepcopy(obj)

    def each_metadata(self, kind: Any, namespace: str | None = None, **more: str) -> Iterator[Any]:
        before = len(self.asked)
        for obj in self.each(kind, namespace, **more):
            yield obj["metadata"]
        self.asked[before:] = ["metadata"]

    def uid(self) -> str:
        return self.identity

    def find(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        return next((one for one in self.each(kind, namespace) if one["metadata"]["name"] == name), None)


def ask(*objects: dict[str, Any], stock: Stock | None = None, **asked: Any) -> dict[str, Any]:
    cluster: Any = stock or Stock(*objects)
    return answer(cluster, Question(**{"include": PARTS, **asked}), pki.NOW)


def codes(row: dict[str, Any]) -> set[str]:
    return {one["code"] for one in row["lint"]}


def opaque(name: str, data: dict[str, bytes], **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "namespace": "shop", "uid": f"u-{name}", "resourceVersion": "1", **meta},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def config(name: str, data: dict[str, str], namespace: str = "shop", binary: dict[str, bytes] | None = None) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, "uid": f"c-{name}"},
        "data": data,
        "binaryData": {key: base64.b64encode(value).decode() for key, value in (binary or {}).items()},
    }


def store(pair: pki.Pair | None, others: tuple[pki.Pair, ...] = (), password: bytes = b"", key: Any = None) -> bytes:
    """A PKCS#12 store; without ``pair`` one of certificates alone."""
    how = BestAvailableEncryption(password) if password else NoEncryption()
    if pair is None:
        return pkcs12.serialize_key_and_certificates(None, None, None, [one.cert for one in others], how)
    chain = [one.cert for one in others] or None
    return pkcs12.serialize_key_and_certificates(b"x", key or pair.key, pair.cert, chain, how)


def java_store(pair: pki.Pair, others: tuple[pki.Pair, ...], password: str) -> bytes:
    """A Java key store (JKS) as keytool writes it: the pair under the alias ``web``, each of the others as trusted."""
    opens = password.encode("utf-16-be")
    sealed = _sealed(pki.key_pem(pair.key), opens)
    entries = [
        struct.pack(">I", 1) + _utf("web") + struct.pack(">Q", 0) + _sized(sealed) + struct.pack(">I", 1) + _der(pair)
    ]
    entries += [
        struct.pack(">I", 2) + _utf(f"ca{at}") + struct.pack(">Q", 0) + _der(one) for at, one in enumerate(others)
    ]
    body = b"\xfe\xed\xfe\xed" + struct.pack(">II", 2, len(entries)) + b"".join(entries)
    return body + hashlib.sha1(opens + b"Mighty Aphrodite" + body).digest()


def _utf(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _der(pair: pki.Pair) -> bytes:
    return _utf("X.509") + _sized(pair.cert.public_bytes(Encoding.DER))


def _sealed(pem: bytes, opens: bytes) -> bytes:
    """Sun's own protection of a key (1.3.6.1.4.1.42.2.17.1.1): a stream of SHA-1 from salt and password."""
    key = load_pem_private_key(pem, None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt = last = b"s" * 20
    stream = b""
    while len(stream) < len(key):
        last = hashlib.sha1(opens + last).digest()
        stream += last
    hidden = bytes(a ^ b for a, b in zip(key, stream, strict=False))
    algorithm = bytes.fromhex("300e060a2b060104012a021101010500")
    return _tlv(0x30, algorithm + _tlv(0x04, salt + hidden + hashlib.sha1(opens + key).digest()))


def _tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    long = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(long)]) + long) + value


def pod(name: str, spec: dict[str, Any], labels: dict[str, str] | None = None, ready: bool = True) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": f"p-{name}", "labels": labels or {}},
        "spec": spec,
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def mounting(secret: str, *, items: tuple[str, ...] = (), port: tuple[str, int] = ("https", 8443)) -> dict[str, Any]:
    """A pod spec with one container that mounts a Secret and has one port."""
    source: dict[str, Any] = {"secretName": secret}
    if items:
        source["items"] = [{"key": key, "path": key} for key in items]
    container = {
        "name": "c",
        "ports": [{"name": port[0], "containerPort": port[1]}],
        "volumeMounts": [{"name": "v", "mountPath": "/t"}],
    }
    return {"containers": [container], "volumes": [{"name": "v", "secret": source}]}
