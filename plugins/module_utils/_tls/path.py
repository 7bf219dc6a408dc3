# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own judgement of a path: time, right to sign, depth, name constraints (RFC 5280 section 6).

Libraries disagree with each other here (``verify_directly_issued_by`` takes an issuer that is no CA, other verifiers
refuse Ed25519 or a missing key identifier), so what this collection issues or trusts passes these rules first; servers
are then judged by OpenSSL on the wire.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from .certificates import Certificate, extension

_BROKEN_HASHES = ("md2", "md4", "md5", "sha1")


def ca_problems(ca: Certificate, at: dt.datetime) -> tuple[str, ...]:
    """Why this certificate may not sign others at that time; nothing when it may."""
    from cryptography import x509

    cert = ca.x509()
    problems = list(time_problems(ca, at))
    usage = extension(cert, x509.KeyUsage)
    if not ca.ca:
        problems.append(f"{ca.subject} is not a CA (basic constraints)")
    if usage is not None and not usage.key_cert_sign:
        problems.append(f"{ca.subject} may not sign certificates (key usage without keyCertSign)")
    return tuple(problems)


def time_problems(certificate: Certificate, at: dt.datetime) -> tuple[str, ...]:
    """Not yet valid, or expired, at that time."""
    if at < certificate.not_before:
        return (f"{certificate.subject} is not valid before {certificate.not_before:%Y-%m-%dT%H:%M:%SZ}",)
    if at > certificate.not_after:
        return (f"{certificate.subject} expired at {certificate.not_after:%Y-%m-%dT%H:%M:%SZ}",)
    return ()


def broken_signature(certificate: Certificate) -> str:
    """The hash that makes this signature worthless, or nothing. A root's own signature is not judged."""
    name = certificate.signature.lower().replace("-", "")
    found = [word for word in _BROKEN_HASHES if word in name]
    return found[0] if found and not certificate.self_issued else ""


def path_problems(
    leaf: Certificate, others: Iterable[Certificate], anchors: Sequence[Certificate], at: dt.datetime
) -> tuple[str, ...]:
    """Why the leaf does not lead to one of the anchors at that time; nothing when it does.

    ``others`` are what the server sends beside the leaf. An anchor need not be self-signed.
    """
    problems = list(time_problems(leaf, at))
    if leaf.ca:
        problems.append(f"{leaf.subject} is a CA, not a leaf")
    pool = [certificate for certificate in others if certificate != leaf]
    current, below = leaf, 0
    while True:  # ends: each round takes one out of the pool
        issuer = _issuer(current, anchors) or _issuer(current, pool)
        if issuer is None:
            return (*problems, f"no issuer found for {current.subject} (wants {current.issuer})")
        problems += _link_problems(leaf, current, issuer, below, at)
        if issuer in anchors:
            return tuple(problems)
        below += not issuer.self_issued
        current = issuer
        pool.remove(issuer)


def _issuer(certificate: Certificate, pool: Iterable[Certificate]) -> Certificate | None:
    return next((candidate for candidate in pool if certificate.signed_by(candidate)), None)


def _link_problems(
    leaf: Certificate, signed: Certificate, issuer: Certificate, below: int, at: dt.datetime
) -> list[str]:
    from cryptography import x509

    cert = issuer.x509()
    problems = list(ca_problems(issuer, at))
    basic = extension(cert, x509.BasicConstraints)
    if basic and basic.path_length is not None and below > basic.path_length:
        problems.append(f"{issuer.subject} allows {basic.path_length} CAs below it, there are {below}")
    if leaf.not_after > issuer.not_after:
        problems.append(f"{leaf.subject} outlives {issuer.subject}")
    if signed.aki and issuer.ski and signed.aki != issuer.ski:
        problems.append(f"{signed.subject} names another key of {issuer.subject} (authority key identifier)")
    broken = broken_signature(signed)
    if broken:
        problems.append(f"{signed.subject} is signed with {broken}")
    return problems + list(name_problems(leaf, issuer))


def name_problems(leaf: Certificate, ca: Certificate) -> tuple[str, ...]:
    """Names of the leaf that the CA's name constraints do not allow (RFC 5280 section 4.2.1.10)."""
    from cryptography import x509

    constraints = extension(ca.x509(), x509.NameConstraints)
    if constraints is None:
        return ()
    names = list(extension(leaf.x509(), x509.SubjectAlternativeName) or ())
    if leaf.x509().subject.rdns:
        names.append(x509.DirectoryName(leaf.x509().subject))
    permitted, excluded = constraints.permitted_subtrees or (), constraints.excluded_subtrees or ()
    problems = []
    for name in names:
        shown = name.value.rfc4514_string() if isinstance(name, x509.DirectoryName) else str(name.value)
        if any(_within(name, tree) for tree in excluded):
            problems.append(f"{ca.subject} excludes the name {shown}")
        alike = [tree for tree in permitted if type(tree) is type(name)]
        if alike and not any(_within(name, tree) for tree in alike):
            problems.append(f"{ca.subject} does not permit the name {shown}")
    return tuple(problems)


def _within(name: Any, tree: Any) -> bool:
    from cryptography import x509

    if type(name) is not type(tree):
        return False
    if isinstance(name, x509.DNSName):
        return _dns_within(name.value, tree.value)
    if isinstance(name, x509.IPAddress):
        network = tree.value
        return isinstance(network, (ipaddress.IPv4Network, ipaddress.IPv6Network)) and _address_in(name.value, network)
    if isinstance(name, x509.RFC822Name):
        return _mail_within(name.value, tree.value)
    if isinstance(name, x509.UniformResourceIdentifier):
        return _host_within(_host(name.value), tree.value)
    if isinstance(name, x509.DirectoryName):
        return list(name.value.rdns)[: len(tree.value.rdns)] == list(tree.value.rdns)
    return bool(name == tree)


def _address_in(address: Any, network: Any) -> bool:
    if isinstance(address, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return address.version == network.version and address in network
    return False


def _dns_within(name: str, tree: str) -> bool:
    name, tree = name.lower().rstrip("."), tree.lower().rstrip(".")
    if not tree:
        return True
    if tree.startswith("."):
        return name.endswith(tree)
    return name == tree or name.endswith(f".{tree}")


def _mail_within(name: str, tree: str) -> bool:
    if "@" in tree:
        return name.lower() == tree.lower()
    return _host_within(name.rpartition("@")[2], tree)


def _host_within(host: str, tree: str) -> bool:
    """A constraint with a leading dot means hosts below it, one without means that host (URI and mail)."""
    host, tree = host.lower(), tree.lower()
    return host.endswith(tree) if tree.startswith(".") else host == tree


def _host(uri: str) -> str:
    from urllib.parse import urlsplit

    return urlsplit(uri).hostname or ""
