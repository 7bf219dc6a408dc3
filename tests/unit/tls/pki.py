# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates made for tests: CAs and leaves of any kind, good and broken, and the Secrets that hold them."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime(2026, 11, 21, 12, 0, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
_RSA: dict[int, list[Any]] = {}


def key(kind: str = "ECDSA-P-256") -> Any:
    """A key of that kind; RSA keys come from a small pool, as they take long to make."""
    name, dash, size = kind.partition("-")
    if name == "RSA":
        pool = _RSA.setdefault(int(size), [])
        pool.append(pool.pop(0) if len(pool) > 2 else rsa.generate_private_key(65537, int(size)))
        return pool[-1]
    if name == "ECDSA":
        curves = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1}
        return ec.generate_private_key(curves[size]())
    return {"Ed25519": ed25519.Ed25519PrivateKey, "Ed448": ed448.Ed448PrivateKey}[name].generate()


def key_pem(private: Any, fmt: str = "PKCS8") -> bytes:
    """``PKCS8``, or the older format of its kind where it has one."""
    old = fmt != "PKCS8" and isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    kind = PrivateFormat.TraditionalOpenSSL if old else PrivateFormat.PKCS8
    return private.private_bytes(Encoding.PEM, kind, NoEncryption())


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    cert: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        return "sha256:" + self.cert.fingerprint(hashes.SHA256()).hex()


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def general(text: str) -> x509.GeneralName:
    kind, colon, value = text.partition(":")
    if kind == "IP":
        return x509.IPAddress(ipaddress.ip_address(value))
    return {"DNS": x509.DNSName, "email": x509.RFC822Name, "URI": x509.UniformResourceIdentifier}[kind](value)


def usage(**given: bool) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{one: given.get(one, False) for one in names})


def sign(
    subject: x509.Name,
    private: Any,
    issuer: Pair | None,
    extensions: list[tuple[x509.ExtensionType, bool]],
    begin: dt.datetime,
    end: dt.datetime,
    digest: Any = None,
) -> Pair:
    signer = issuer.key if issuer else private
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.cert.subject if issuer else subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    plain = isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    return Pair(builder.sign(signer, None if plain else digest or hashes.SHA256()), private)


def ca(
    common: str = "test-ca",
    issuer: Pair | None = None,
    *,
    kind: str = "ECDSA-P-256",
    begin: dt.datetime = NOW - 365 * DAY,
    end: dt.datetime = NOW + 3650 * DAY,
    is_ca: bool = True,
    cert_sign: bool = True,
    path_length: int | None = None,
    ski: bool = True,
    constraints: x509.NameConstraints | None = None,
    private: Any = None,
) -> Pair:
    private = private or key(kind)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(is_ca, path_length if is_ca else None), True),
        (usage(key_cert_sign=cert_sign, crl_sign=True, digital_signature=not cert_sign), True),
    ]
    if ski:
        extensions.append((x509.SubjectKeyIdentifier.from_public_key(private.public_key()), False))
    if issuer:
        extensions.append((x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False))
    if constraints:
        extensions.append((constraints, True))
    return sign(name(common), private, issuer, extensions, begin, end)


def leaf(
    issuer: Pair,
    names: tuple[str, ...] = ("DNS:web.test.svc", "DNS:web"),
    *,
    common: str = "web",
    kind: str = "ECDSA-P-256",
    begin: dt.datetime = NOW - 60 * DAY,
    end: dt.datetime = NOW + 30 * DAY,
    extensions: list[tuple[x509.ExtensionType, bool]] | None = None,
    digest: Any = None,
    private: Any = None,
) -> Pair:
    private = private or key(kind)
    wanted = extensions if extensions is not None else server_extensions(kind)
    if names:
        wanted = [*wanted, (x509.SubjectAlternativeName([general(one) for one in names]), False)]
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    ski = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    return sign(name(common), private, issuer, [*wanted, (ski, False), (aki, False)], begin, end, digest)


def answer(
    request: bytes, signer: Pair, *, begin: dt.datetime = NOW - 5 * DAY, end: dt.datetime = NOW + 85 * DAY
) -> bytes:
    """What a signer makes of a request: subject and extensions as asked for. PEM."""
    asked = x509.load_pem_x509_csr(request)
    assert asked.is_signature_valid
    aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    builder = x509.CertificateBuilder().subject_name(asked.subject).issuer_name(signer.cert.subject)
    builder = builder.public_key(asked.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(begin).not_valid_after(end).add_extension(aki, False)
    for wanted in asked.extensions:
        builder = builder.add_extension(wanted.value, wanted.critical)
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def server_extensions(kind: str) -> list[tuple[x509.ExtensionType, bool]]:
    return [
        (x509.BasicConstraints(False, None), True),
        (usage(digital_signature=True, key_encipherment=kind.startswith("RSA")), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]


def secret(
    name: str,
    chain: bytes,
    private: bytes | None,
    *,
    namespace: str = "shop",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    more: dict[str, bytes] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A Secret as the API server gives it."""
    data = {"tls.crt": chain, **({"tls.key": private} if private is not None else {}), **(more or {})}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls" if private is not None else "Opaque",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "annotations": annotations or {},
            "labels": labels or {},
        },
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        **fields,
    }


def as_manifest(obj: dict[str, Any]) -> dict[str, Any]:
    """The Secret as a user applies it: without what the API server gives."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("uid", "resourceVersion", "namespace")}
    return {**obj, "metadata": meta}
