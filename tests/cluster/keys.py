# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and certificates of one cluster, and kubeconfigs that use them."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ClusterError
from .instance import Instance

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as missing:
    raise ClusterError(
        "the Python library cryptography is missing; install it with: pip install cryptography"
    ) from missing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_VALID = dt.timedelta(days=365)
_PEM = serialization.Encoding.PEM


def pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, never open for a moment."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


class Authority:
    """The cluster's certificate authorities and what they sign, as files in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make_ca(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _builder(subject, subject, key.public_key(), key.public_key(), is_ca=True).add_extension(usage, True)
        self._store(name, builder.sign(key, hashes.SHA256()), key)

    def issue(
        self, file: str, common_name: str, organizations: Iterable[str] = (), sans: Iterable[str] = (), ca: str = "ca"
    ) -> None:
        """A certificate for clients and servers, written as ``file.crt`` and ``file.key``."""
        ca_cert = x509.load_pem_x509_certificate((self.folder / f"{ca}.crt").read_bytes())
        ca_key = serialization.load_pem_private_key((self.folder / f"{ca}.key").read_bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise ClusterError(f"{self.folder / ca}.key is not an elliptic curve key")
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(
            _name(common_name, organizations), ca_cert.subject, key.public_key(), ca_key.public_key(), is_ca=False
        ).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False
        )
        names = [_general_name(text) for text in sans]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        self._store(file, builder.sign(ca_key, hashes.SHA256()), key)

    def _store(self, name: str, certificate: x509.Certificate, key: PrivateKeyTypes) -> None:
        private(self.folder / f"{name}.key", pem(key))
        (self.folder / f"{name}.crt").write_bytes(certificate.public_bytes(_PEM))


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    *,
    is_ca: bool,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(is_ca, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), False)
    )


def kubeconfig(instance: Instance, user: str, *, namespace: str = "default") -> str:
    """The text of a kubeconfig for ``user``, whose ``<user>.crt`` and ``.key`` lie in the instance's key folder.

    Everything is inline, so that the file works wherever it is copied to.
    """

    def inline(name: str) -> str:
        return base64.b64encode((instance.pki / name).read_bytes()).decode()

    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": instance.name,
            "clusters": [
                {
                    "name": instance.name,
                    "cluster": {"server": instance.server, "certificate-authority-data": inline("ca.crt")},
                }
            ],
            "users": [
                {
                    "name": user,
                    "user": {
                        "client-certificate-data": inline(f"{user}.crt"),
                        "client-key-data": inline(f"{user}.key"),
                    },
                }
            ],
            "contexts": [
                {
                    "name": instance.name,
                    "context": {"cluster": instance.name, "user": user, "namespace": namespace},
                }
            ],
        },
        indent=1,
    )


def make_user(instance: Instance, user: str, common_name: str, organizations: Iterable[str] = ()) -> Path:
    """A client certificate and a kubeconfig that uses it; returns the kubeconfig's path."""
    Authority(instance.pki).issue(user, common_name, organizations)
    path = instance.kubeconfig(user)
    private(path, kubeconfig(instance, user).encode())
    return path


def make_all(instance: Instance) -> None:
    """Everything a fresh cluster needs."""
    instance.pki.mkdir(parents=True, exist_ok=True)
    instance.kubeconfig().parent.mkdir(parents=True, exist_ok=True)
    authority = Authority(instance.pki)
    authority.make_ca("ca")
    authority.make_ca("front-proxy-ca")
    service = "kubernetes.default.svc"
    authority.issue(
        "apiserver",
        "kube-apiserver",
        sans=(
            "kubernetes",
            "kubernetes.default",
            service,
            f"{service}.cluster.local",
            "localhost",
            "127.0.0.1",
            instance.api_service_ip,
            instance.ip,
        ),
    )
    authority.issue("apiserver-kubelet", "kube-apiserver-kubelet", ("system:masters",))
    authority.issue("front-proxy-client", "front-proxy-client", ca="front-proxy-ca")
    make_user(instance, "admin", "admin", ("system:masters",))
    make_user(instance, "node", f"system:node:{instance.node}", ("system:nodes",))
    for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        make_user(instance, name, f"system:{name}")
    signer = rsa.generate_private_key(65537, 2048)
    private(instance.pki / "sa.key", pem(signer))
    public = signer.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (instance.pki / "sa.pub").write_bytes(public)
