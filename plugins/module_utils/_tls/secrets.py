# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Secret that holds a certificate and its key: read, judged fit for rotation, copied, written anew.

Manifests made here hold key material: they go to the API server and nowhere else.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Object, owned_by
from .._cluster.kinds import named
from .._core.clock import rfc3339
from .._core.errors import BadInput, Conflict
from .._core.plan import Json
from .authority import decode
from .certificates import Certificate, Chain, read_chain
from .keys import read_key, spki_of
from .owner import Owner, owner_of
from .pem import blocks

CRT, KEY, CA = "tls.crt", "tls.key", "ca.crt"
ROTATED_FOR = "knowngood.io/rotated-for"
KEPT_UNTIL = "knowngood.io/kept-until"
ROLE, STAGED, PREVIOUS, PENDING = "knowngood.io/role", "staged", "previous", "pending"
OF = "knowngood.io/of"
_NAME_LIMIT = 253
KEYSTORES = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """One identity. ``chain.certificates[0]`` is the leaf; the object (with the key) is not shown by ``repr``."""

    namespace: str
    name: str
    uid: str
    version: str
    chain: Chain
    trust: Chain
    owner: Owner
    immutable: bool
    rotated_for: str
    obj: Object = field(repr=False)

    @property
    def ref(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def certificate(self) -> Certificate:
        return self.chain.certificates[0]

    def value(self, key: str) -> bytes:
        """A value of its data, decoded; empty where there is none."""
        return decode((self.obj.get("data") or {}).get(key, ""), f"Secret {self.ref} {key}")

    def key_format(self) -> str:
        """The format of the private key. Raises BadInput: none, encrypted, broken, of another certificate."""
        where = f"Secret {self.ref} {KEY}"
        key, found = read_key(self.value(KEY), where)
        if spki_of(key) != self.certificate.spki:
            raise BadInput(
                "the private key does not belong to the certificate",
                where=f"Secret {self.ref}",
                why=f"certificate {self.certificate.fingerprint[:15]}",
                next="put the right pair into the Secret first",
            )
        return found


def read_secret(obj: Object) -> TlsSecret:
    """Raises BadInput where there is no readable certificate under ``tls.crt``."""
    meta = obj["metadata"]
    where = f"Secret {meta['namespace']}/{meta['name']}"
    data = obj.get("data") or {}
    if not data.get(CRT):
        raise BadInput(
            "the Secret holds no certificate",
            where=where,
            why=f"it has {', '.join(sorted(data)) or 'no data'}; {CRT} is wanted",
        )
    chain = read_chain(decode(data[CRT], f"{where} {CRT}"))
    if not chain.certificates or chain.problems:
        why = "; ".join(chain.problems) or "no PEM certificate in it"
        raise BadInput("the certificate cannot be read", where=f"{where} {CRT}", why=why)
    return TlsSecret(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        chain=chain,
        trust=read_chain(decode(data.get(CA, ""), f"{where} {CA}")),
        owner=owner_of(obj),
        immutable=bool(obj.get("immutable")),
        rotated_for=(meta.get("annotations") or {}).get(ROTATED_FOR, ""),
        obj=obj,
    )


def must_be_ours_to_write(secret: TlsSecret, remade: Iterable[str] = ()) -> None:
    """Raises BadInput: kept by somebody else, immutable, or with copies that one write could not keep in step.

    ``remade``: data keys with such copies that the same write makes anew.
    """
    where = f"Secret {secret.ref}"
    if secret.owner.acts:
        raise BadInput(
            "the Secret is kept by somebody else, who would put the old certificate back",
            where=where,
            why=f"owner: {secret.owner.name}",
            next="rotate it through its owner",
        )
    must_be_mutable(secret)
    copies = [name for name in derived_keys(secret) if name not in set(remade)]
    if copies:
        raise BadInput(
            "the Secret holds more copies of the certificate or of its key, which would be left behind",
            where=where,
            why=", ".join(copies),
            next="drop them, or rotate this one with the tool that made them",
        )


def must_be_mutable(secret: TlsSecret) -> None:
    """Raises BadInput for an immutable Secret: nobody can put another certificate into it."""
    if secret.immutable:
        raise BadInput(
            "the Secret is immutable",
            where=f"Secret {secret.ref}",
            next="put the certificate into a new Secret and point its users there",
        )


def derived_keys(secret: TlsSecret) -> tuple[str, ...]:
    """Data keys beside ``tls.crt`` and ``tls.key`` that hold the leaf, a private key or a key store. Sorted.

    Stores whose name speaks of trust hold CAs and need no change.
    """
    names = sorted(set(secret.obj.get("data") or {}) - {CRT, KEY, CA})
    return tuple(name for name in names if _is_copy(name, secret.value(name), secret.certificate))


def _is_copy(name: str, value: bytes, leaf: Certificate) -> bool:
    store = value[:4] in KEYSTORES or is_pkcs12(value)
    if store:
        return "trust" not in name.lower()
    found = blocks(value)
    if not found:
        return value == leaf.der or _is_der_key(value, leaf)
    return any(block.private or block.der == leaf.der for block in found)


def _is_der_key(value: bytes, leaf: Certificate) -> bool:
    """The leaf's private key without PEM around it (as cert-manager's ``key.der``)."""
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    if value[:1] != b"\x30":
        return False
    try:
        return spki_of(load_der_private_key(value, None, unsafe_skip_rsa_key_validation=True)) == leaf.spki
    except Exception:  # the parser has many exceptions for what is no key
        return False


def is_pkcs12(value: bytes) -> bool:
    """DER: a sequence that begins with the integer 3 (RFC 7292 section 4)."""
    if value[:1] != b"\x30" or len(value) < 8:
        return False
    start = 2 + (value[1] & 0x7F if value[1] & 0x80 else 0)
    return value[start : start + 3] == b"\x02\x01\x03"


# -- names and manifests -----------------------------------------------------------------------------------------


def staged_name(name: str, operation_id: str) -> str:
    """Of the Secret that holds the new pair until it is in service. The same for the whole operation."""
    return _beside(name, "next", operation_id)


def archive_name(name: str, operation_id: str) -> str:
    """Of the Secret that holds the old pair for the way back."""
    return _beside(name, "prev", operation_id)


def _beside(name: str, word: str, operation_id: str) -> str:
    tail = f"-{word}-{operation_id.rpartition('-')[2]}"
    return name[: _NAME_LIMIT - len(tail)].rstrip("-.") + tail


def ours(found: Object, operation_id: str, role: str) -> Object:
    """What this operation made. Raises Conflict where the name is taken by something else."""
    meta = found["metadata"]
    labels = meta.get("labels") or {}
    wanted = {**owned_by(operation_id), ROLE: role}
    if any(labels.get(key) != value for key, value in wanted.items()) or not found.get("immutable"):
        raise Conflict(
            "a Secret with the name of our copy is there and is not ours",
            where=named("Secret", meta["name"], meta["namespace"]),
            next="rename or remove it",
        )
    return found


def pending_name(name: str, operation_id: str) -> str:
    """Of the Secret that holds a new key until its certificate is issued."""
    return _beside(name, "key", operation_id)


def pending(secret: TlsSecret, operation_id: str, key: bytes) -> Object:
    """A new key alone, immutable."""
    name = pending_name(secret.name, operation_id)
    return {**_manifest(secret, name, operation_id, PENDING, {KEY: _encoded(key)}, {}), "type": "Opaque"}


def staged(
    secret: TlsSecret, operation_id: str, chain: bytes, key: bytes, whole: Mapping[str, bytes] | None = None
) -> Object:
    """The new pair. ``whole``: pods are to run with it in place of the Secret, so the other data keys are in it too,
    those that hold the pair again as given here."""
    rest = {} if whole is None else {**secret.obj["data"], **{name: _encoded(value) for name, value in whole.items()}}
    data = {**rest, CRT: _encoded(chain), KEY: _encoded(key)}
    return _manifest(secret, staged_name(secret.name, operation_id), operation_id, STAGED, data, {})


def archive(secret: TlsSecret, operation_id: str, kept_until: str) -> Object:
    """A copy of the whole data as it was, immutable."""
    data = dict(secret.obj["data"])
    name = archive_name(secret.name, operation_id)
    return _manifest(secret, name, operation_id, PREVIOUS, data, {KEPT_UNTIL: kept_until} if kept_until else {})


def _manifest(
    secret: TlsSecret, name: str, operation_id: str, role: str, data: Mapping[str, str], annotations: Mapping[str, str]
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "immutable": True,
        "metadata": {
            "name": name,
            "namespace": secret.namespace,
            "labels": owned_by(operation_id, role=role),
            "annotations": {OF: secret.name, **annotations},
        },
        "data": dict(data),
    }


def replaced(
    obj: Object, chain: bytes, key: bytes, rotated_for: str, more: Mapping[str, bytes] | None = None
) -> Object:
    """The object as found with another pair in it: one write, everything else kept. It carries its resourceVersion.

    ``rotated_for`` empty removes that annotation. ``more``: other data keys that hold the pair again.
    """
    meta = dict(obj["metadata"])
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != ROTATED_FOR}
    if rotated_for:
        annotations[ROTATED_FOR] = rotated_for
    meta["annotations"] = annotations
    meta.pop("managedFields", None)
    copies = {name: _encoded(value) for name, value in (more or {}).items()}
    data = {**(obj.get("data") or {}), **copies, CRT: _encoded(chain), KEY: _encoded(key)}
    return {**obj, "metadata": meta, "data": data}


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def facts_of(secret: TlsSecret) -> dict[str, Json]:
    """What later steps and the report need of a new generation, by its Secret: nothing secret."""
    new = secret.certificate
    return {
        "secret": secret.name,
        "fingerprint": new.fingerprint,
        "spki": new.spki,
        "serial": new.serial,
        "key": new.key,
        "not_before": rfc3339(new.not_before),
        "not_after": rfc3339(new.not_after),
    }


def role_of(obj: Mapping[str, Any]) -> str:
    """``staged`` or ``previous`` for our own copies, else empty."""
    return str((obj["metadata"].get("labels") or {}).get(ROLE, ""))
