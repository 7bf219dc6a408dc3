# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a TLS Secret, each finding with its severity, the rule behind it and a cure.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from .certificates import Certificate, extension
from .identities import ABSENT, LOCKED, MATCHES, OTHER, STALE, Identity
from .keys import weakness
from .path import broken_signature, ca_problems, name_problems, time_problems
from .secrets import KEY, TlsSecret
from .stores import ENCRYPTED, NO_PASSWORD, PKCS12, SEVERAL, UNREADABLE, content

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
        return {
            "code": self.code,
            "severity": self.severity,
            "what": self.what,
            "rule": self.rule,
            "cure": self.cure,
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules about one identity look at.

    ``key_state`` as in :class:`Identity`; ``pool``: CAs seen elsewhere, by subject; ``problems``: blocks that cannot be
    read behind a leaf that can; ``sent``: the chain stands as a server sends it, which the inside of a store does not.
    """

    chain: tuple[Certificate, ...]
    trust: tuple[Certificate, ...] = ()
    key_state: str = ABSENT
    key_detail: str = ""
    annotated: bool = False
    problems: tuple[str, ...] = ()
    pool: Mapping[str, Sequence[Certificate]] = field(default_factory=dict)
    sent: bool = True


def lint(secret: TlsSecret, now: dt.datetime) -> tuple[Lint, ...]:
    """Everything found about the Secret's leaf, key and chain."""
    value = secret.value(KEY)
    fact = content(value).key if value else None
    if fact is None:
        state = UNREADABLE if value else ABSENT
    else:
        state = fact.why or (MATCHES if fact.spki == secret.certificate.spki else OTHER)
    annotation = (secret.obj["metadata"].get("annotations") or {}).get(_LAST_APPLIED, "")
    facts = Facts(
        secret.chain.certificates,
        secret.trust.certificates,
        state,
        fact.detail if fact else "",
        '"data"' in annotation,
        secret.chain.problems,
    )
    return lint_facts(facts, now)


def lint_identity(
    identity: Identity, now: dt.datetime, pool: Mapping[str, Sequence[Certificate]] | None = None
) -> tuple[Lint, ...]:
    """The same of an identity of the inventory, its copies and what cannot be read included."""
    if identity.locked:
        return (locked(identity.error, identity.error),)
    if identity.error:
        return (Lint("unreadable", ERROR, identity.error, "RFC 7468", "replace it"),)
    if identity.leaf is None:  # of a format that is not opened: nothing can be said
        what = f"{identity.data_key} is a {identity.format} store, which is recognised and not opened"
        return (Lint("unverified", WARNING, what, "RFC 7292", "keep it as PKCS#12, or judge it with keytool"),)
    facts = Facts(
        identity.chain.certificates,
        identity.trust.certificates,
        identity.key_state,
        identity.key_detail,
        identity.annotated,
        (*identity.chain.problems, *(f"ca.crt: {problem}" for problem in identity.trust.problems)),
        pool or {},
        sent=identity.format != PKCS12,
    )
    return (*lint_facts(facts, now), *_stores(identity))


def lint_facts(facts: Facts, now: dt.datetime) -> tuple[Lint, ...]:
    """The rules, one after the other."""
    leaf = facts.chain[0]
    return (
        *_time(leaf, now),
        *_key(facts),
        *_strength(facts.chain),
        *_names(leaf),
        *_fit(leaf, now),
        *_blocks(facts),
        *_chain(facts, now),
        *_copies(facts),
    )


def _time(leaf: Certificate, now: dt.datetime) -> list[Lint]:
    rule = "RFC 5280 4.1.2.5"
    if now > leaf.not_after:
        return [Lint("expired", ERROR, f"expired {leaf.not_after:%Y-%m-%dT%H:%M:%SZ}", rule, "rotate it")]
    if now < leaf.not_before:
        what = f"not valid before {leaf.not_before:%Y-%m-%dT%H:%M:%SZ}"
        return [Lint("not_yet_valid", ERROR, what, rule, "wait, or check the clock of its issuer")]
    return []


def _key(facts: Facts) -> list[Lint]:
    rule = "RFC 8446 4.4.3"
    if facts.key_state == OTHER:
        what = "the private key belongs to another certificate"
        return [Lint("key_mismatch", ERROR, what, rule, "put the right pair into the Secret")]
    if facts.key_state == ENCRYPTED:
        what = f"the private key is encrypted: {facts.key_detail or 'no password is known'}"
        cure = "store it unencrypted, or give its password in passphrases"
        return [Lint("key_encrypted", ERROR, what, "RFC 5958 3", cure)]
    if facts.key_state in (UNREADABLE, SEVERAL):
        why = f" ({facts.key_detail})" if facts.key_detail else ""
        return [Lint("key_unreadable", ERROR, f"the private key cannot be read{why}", rule, "store one key as PEM")]
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


def _chain(facts: Facts, now: dt.datetime) -> list[Lint]:
    leaf, *others = facts.chain
    found = _order(leaf, others) if facts.sent else []
    issuers = [c for c in (*others, *facts.trust, *facts.pool.get(leaf.issuer, ())) if c != leaf and leaf.signed_by(c)]
    for issuer in issuers[:1]:
        if leaf.not_after > issuer.not_after:
            what = f"it outlives its CA, which ends {issuer.not_after:%Y-%m-%dT%H:%M:%SZ}"
            found.append(Lint("outlives_ca", ERROR, what, "RFC 5280 6.1.3", "rotate the CA, then this"))
        cure = "rotate the CA"
        found += [Lint("ca_unfit", ERROR, why, "RFC 5280 6.1.4", cure) for why in _unfit(issuer, now)]
        outside = name_problems(leaf, issuer) if _constrains(issuer) else ()
        found += [Lint("name_constraints", ERROR, why, "RFC 5280 4.2.1.10", cure) for why in outside]
    return found


@lru_cache(maxsize=1024)
def _unfit(ca: Certificate, now: dt.datetime) -> tuple[str, ...]:
    """Remembered: thousands of leaves have the same CA."""
    return ca_problems(ca, now)


@lru_cache(maxsize=1024)
def _constrains(ca: Certificate) -> bool:
    from cryptography import x509

    return extension(ca.x509(), x509.NameConstraints) is not None


def _order(leaf: Certificate, others: Sequence[Certificate]) -> list[Lint]:
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
    return found


def _copies(facts: Facts) -> list[Lint]:
    if not facts.annotated:
        return []
    what = "an annotation of kubectl apply holds a copy of the Secret's data"
    cure = "remove the annotation; apply with --server-side"
    return [Lint("copy_in_annotation", WARNING, what, "Kubernetes: good practices for Secrets", cure)]


def _fit(leaf: Certificate, now: dt.datetime) -> list[Lint]:
    """Of a CA: may it sign? Its end is judged as of every other certificate."""
    if not leaf.ca:
        return []
    at = min(max(now, leaf.not_before), leaf.not_after)
    return [
        Lint("ca_unfit", ERROR, why, "RFC 5280 4.2.1.3", "renew or replace the CA") for why in ca_problems(leaf, at)
    ]


def _blocks(facts: Facts) -> list[Lint]:
    cure = "replace the block; everything that reads the whole file at once refuses all of it"
    return [Lint("broken_block", ERROR, problem, "RFC 7468 3", cure) for problem in facts.problems]


def _stores(identity: Identity) -> list[Lint]:
    """Other forms of the same identity in its Secret."""
    found = []
    for copy in identity.copies:
        name = f"{copy.data_key} ({copy.format})"
        if copy.state == STALE:
            what = f"{name} is not what tls.crt is: {copy.why}"
            found.append(Lint("stale_store", ERROR, what, "RFC 7292", "make it anew in the same write as tls.crt"))
        elif copy.state == LOCKED:
            found.append(locked(f"{name}: {copy.why}", copy.why))
    return found


def locked(what: str, why: str) -> Lint:
    """A store that could not be opened. With no password to try, that says nothing against it."""
    cure = "give its password in passphrases, or keep it beside the store under a name with password in it"
    return Lint("store_locked", WARNING if NO_PASSWORD in why else ERROR, what, "RFC 7292 5.1", cure)


@lru_cache(maxsize=1024)
def lint_ca(ca: Certificate, now: dt.datetime) -> tuple[Lint, ...]:
    """A certificate that stands somewhere to be trusted; the same one mostly stands in many places."""
    found = [
        Lint("expired_ca" if now > ca.not_after else "not_yet_valid", ERROR, problem, "RFC 5280 4.1.2.5", "drop it")
        for problem in time_problems(ca, now)
    ]
    found += _strength((ca,))
    if not ca.ca:
        severity = WARNING if ca.self_issued else ERROR
        what = f"{ca.subject} is not a CA (basic constraints), and stands where CAs are trusted"
        found.append(Lint("leaf_as_ca", severity, what, "RFC 5280 4.2.1.9", "put its issuer there"))
    else:
        at = min(max(now, ca.not_before), ca.not_after)
        found += [Lint("ca_unfit", ERROR, why, "RFC 5280 4.2.1.3", "replace it") for why in ca_problems(ca, at)]
    return tuple(found)
