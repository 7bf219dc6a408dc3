# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the shop's first Secrets as one Kubernetes List: a CA, the storefront's certificate, the database's password.

Meant for a pipe into ``kubectl create -f -``: nothing is written to disk.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
CA_DAYS, LEAF_DAYS = 365, 30


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(common_name: str, days: int, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(_usage(ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def authority() -> Pair:
    """The shop's own CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder("shop CA g1", CA_DAYS, key, ca=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop CA g1")])
    return builder.issuer_name(name).sign(key, hashes.SHA256()), key


def leaf(names: list[str], issuer: Pair) -> Pair:
    """A server certificate for these DNS names."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca, ca_key = issuer
    skid = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(names[0], LEAF_DAYS, key, ca=False)
        .issuer_name(ca.subject)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(skid), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return certificate, key


def _pem(pair: Pair) -> dict[str, str]:
    certificate, key = pair
    return {
        "tls.crt": certificate.public_bytes(serialization.Encoding.PEM).decode(),
        "tls.key": key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    }


def secret(name: str, namespace: str, kind: str, values: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "shop"}},
        "type": kind,
        "stringData": values,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", default="shop")
    namespace = parser.parse_args().namespace
    ca = authority()
    service = f"storefront.{namespace}.svc"
    storefront = leaf([f"{service}.cluster.local", service, f"storefront.{namespace}", "storefront"], ca)
    root = _pem(ca)
    items = [
        secret("shop-ca", namespace, "kubernetes.io/tls", root),
        secret("storefront-tls", namespace, "kubernetes.io/tls", {**_pem(storefront), "ca.crt": root["tls.crt"]}),
        secret("shop-db", namespace, "Opaque", {"password": secrets.token_urlsafe(24)}),
    ]
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


if __name__ == "__main__":
    main()
