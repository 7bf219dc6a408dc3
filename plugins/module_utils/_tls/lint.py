# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a TLS Secret, each finding with its severity, the rule behind it and a cure.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from .certificates import Certificate
from .keys import key_matches, weakness
from .path import broken_signature, ca_problems, name_problems
from .secrets import KEY, TlsSecret

ERROR, WARNING = "error", "warning"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Lint:
    """``code`` is stable; ``what`` names the object; ``rule`` is where the rule comes from."""

    code: str
    severity: str
    what: str
    rule: str
    cure: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def lint(secret: TlsSecret, now: dt.datetime) -> tuple[Lint, ...]:
    """Everything found about the Secret's leaf, key and chain."""
    leaf = secret.certificate
    return (
        *_time(leaf, now),
        *_key(secret),
        *_strength(secret.chain.certificates),
        *_names(leaf),
        *_chain(secret, now),
        *_copies(secret),
    )


def _time(leaf: Certificate, now: dt.datetime) -> list[Lint]:
    rule = "RFC 5280 4.1.2.5"
    if now > leaf.not_after:
        return [Lint("expired", ERROR, f"expired {leaf.not_after:%Y-%m-%dT%H:%M:%SZ}", rule, "rotate it")]
    if now < leaf.not_before:
        what = f"not valid before {leaf.not_before:%Y-%m-%dT%H:%M:%SZ}"
        return [Lint("not_yet_valid", ERROR, what, rule, "wait, or check the clock of its issuer")]
    return []


def _key(secret: TlsSecret) -> list[Lint]:
    rule = "RFC 8446 4.4.3"
    if not (secret.obj.get("data") or {}).get(KEY):
        return []
    matches = key_matches(secret.value(KEY), secret.certificate)
    if matches is None:
        return [Lint("key_unreadable", ERROR, "the private key cannot be read", rule, "store it as unencrypted PEM")]
    if not matches:
        what = "the private key belongs to another certificate"
        return [Lint("key_mismatch", ERROR, what, rule, "put the right pair into the Secret")]
    return []


def _strength(chain: tuple[Certificate, ...]) -> list[Lint]:
    found = []
    for certificate in chain:
        weak, broken = weakness(certificate.key), broken_signature(certificate)
        if weak:
            found.append(Lint("weak_key", ERROR, f"{certificate.subject}: {weak}", "SP 800-57", "rotate with key set"))
        if broken:
            what = f"{certificate.subject} is signed with {broken}"
            found.append(Lint("weak_signature", ERROR, what, "RFC 9155", "have it issued anew"))
    return found


def _names(leaf: Certificate) -> list[Lint]:
    if leaf.ca or leaf.names:
        return []
    what = "no subject alternative name: clients ignore the common name"
    return [Lint("no_names", WARNING, what, "RFC 9525 6.3", "have it issued with its names")]


def _chain(secret: TlsSecret, now: dt.datetime) -> list[Lint]:
    leaf, *others = secret.chain.certificates
    found = []
    signed = leaf
    for certificate in others:
        if not signed.signed_by(certificate):
            what = f"{certificate.subject} did not sign {signed.subject}, which stands before it"
            found.append(Lint("chain_order", ERROR, what, "RFC 5246 7.4.2", "order it leaf first, issuer after issuer"))
        signed = certificate
    if any(c.self_issued for c in others):
        what = "the root is sent along: clients ignore it"
        found.append(Lint("root_in_chain", WARNING, what, "RFC 8446 4.4.2", "leave the root out of tls.crt"))
    issuers = [c for c in (*others, *secret.trust.certificates) if c != leaf and leaf.signed_by(c)]
    for issuer in issuers[:1]:
        if leaf.not_after > issuer.not_after:
            what = f"it outlives its CA, which ends {issuer.not_after:%Y-%m-%dT%H:%M:%SZ}"
            found.append(Lint("outlives_ca", ERROR, what, "RFC 5280 6.1.3", "rotate the CA, then this"))
        cure = "rotate the CA"
        found += [Lint("ca_unfit", ERROR, why, "RFC 5280 6.1.4", cure) for why in ca_problems(issuer, now)]
        found += [
            Lint("name_constraints", ERROR, why, "RFC 5280 4.2.1.10", cure) for why in name_problems(leaf, issuer)
        ]
    return found


def _copies(secret: TlsSecret) -> list[Lint]:
    annotation = (secret.obj["metadata"].get("annotations") or {}).get(_LAST_APPLIED, "")
    if '"data"' not in annotation:
        return []
    what = "an annotation of kubectl apply holds a copy of the Secret's data"
    cure = "remove the annotation; apply with --server-side"
    return [Lint("copy_in_annotation", WARNING, what, "Kubernetes: good practices for Secrets", cure)]
