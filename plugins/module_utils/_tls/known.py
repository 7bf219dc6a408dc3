# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of a Secret once it was read: public facts alone. They can be written down and read again.

Nothing that a verdict makes of them is among them: what has expired, or is wrong, is judged anew each time.

PRIVATE to this collection.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Object
from .bundles import Bundle, from_secret
from .certificates import Certificate, Chain, sha256
from .identities import Copy, Identity, read
from .owner import Owner
from .stores import ENCRYPTED, PKCS12, Content

Row = list[Any]
ChainOf = Callable[[Row], Chain]


@dataclass(frozen=True, slots=True)
class Known:
    """A Secret as the inventory keeps it: its certificates, and where in it CAs are trusted."""

    namespace: str
    name: str
    identities: tuple[Identity, ...] = ()
    bundles: tuple[Bundle, ...] = ()

    @property
    def lasting(self) -> bool:
        """Would it be read the same by everybody? What a passphrase opens, or does not open, is not."""
        if any(one.content.format == PKCS12 for one in self.bundles):
            return False
        return not any(
            one.format == PKCS12 or one.key_state == ENCRYPTED or any(copy.format == PKCS12 for copy in one.copies)
            for one in self.identities
        )

    def certificates(self) -> Iterable[Certificate]:
        for identity in self.identities:
            yield from identity.chain.certificates
            yield from identity.trust.certificates
        for bundle in self.bundles:
            yield from bundle.chain.certificates


def known(obj: Object, passwords: Sequence[bytes] = ()) -> Known:
    """Reads a Secret. Never raises; nothing of what is returned holds a key."""
    identities, trust = read(obj, passwords)
    meta = obj["metadata"]
    return Known(meta["namespace"], meta["name"], identities, tuple(from_secret(obj, trust)))


# -- as JSON, and back -------------------------------------------------------------------------------------------
# Rows rather than objects, as there are tens of thousands; certificates stand apart, as many have the same CA.


def to_row(one: Known) -> Row:
    return [one.namespace, one.name, [_identity_row(i) for i in one.identities], [_bundle_row(b) for b in one.bundles]]


def from_row(row: Row, chain: ChainOf) -> Known:
    """Raises what broken rows raise: IndexError, KeyError, TypeError, ValueError."""
    namespace, name, identities, bundles = row
    return Known(
        namespace,
        name,
        tuple(_identity(namespace, name, one, chain) for one in identities),
        tuple(_bundle(namespace, name, one, chain) for one in bundles),
    )


def _identity_row(one: Identity) -> Row:
    return [
        one.data_key,
        one.format,
        one.type,
        one.immutable,
        one.role,
        one.rotated_for,
        _owner_row(one.owner),
        _chain_row(one.chain),
        _chain_row(one.trust),
        one.key_state,
        one.key_name,
        one.key_detail,
        [[copy.data_key, copy.format, copy.state, copy.why] for copy in one.copies],
        one.annotated,
        one.locked,
        one.error,
    ]


def _identity(namespace: str, name: str, row: Row, chain: ChainOf) -> Identity:
    key, form, kind, immutable, role, rotated_for, owner, leaf, trust, state, key_name, detail, copies, *rest = row
    annotated, locked, error = rest
    return Identity(
        namespace,
        name,
        key,
        form,
        kind,
        immutable,
        role,
        rotated_for,
        Owner(*owner),
        chain(leaf),
        chain(trust),
        state,
        key_name,
        detail,
        tuple(Copy(*copy) for copy in copies),
        annotated,
        locked,
        error,
    )


def _bundle_row(one: Bundle) -> Row:
    there = one.content
    return [
        one.data_key,
        _owner_row(one.owner),
        [there.format, _chain_row(there.chain), there.locked, there.headless, there.error],
        one.immutable,
    ]


def _bundle(namespace: str, name: str, row: Row, chain: ChainOf) -> Bundle:
    data_key, owner, (form, certificates, locked, headless, error), immutable = row
    there = Content(form, chain(certificates), None, locked, headless, error)
    return Bundle("Secret", namespace, name, data_key, Owner(*owner), there, immutable=immutable)


def _owner_row(owner: Owner) -> Row:
    return [owner.kind, owner.name, owner.acts]


def _chain_row(chain: Chain) -> Row:
    return [[one.fingerprint for one in chain.certificates], list(chain.problems)]


def chains(certificates: Mapping[str, Certificate]) -> ChainOf:
    """Chains from their rows, the same one for the same row."""
    made: dict[tuple[str, ...], Chain] = {}

    def chain(row: Row) -> Chain:
        fingerprints, problems = row
        key = (*fingerprints, "", *problems)
        if key not in made:
            made[key] = Chain(tuple(certificates[one] for one in fingerprints), tuple(problems))
        return made[key]

    return chain


def certificate_row(one: Certificate) -> Row:
    return [
        base64.b64encode(one.der).decode(),
        one.subject,
        one.issuer,
        one.serial,
        int(one.not_before.timestamp()),
        int(one.not_after.timestamp()),
        list(one.names),
        one.key,
        one.spki,
        one.ca,
        one.self_issued,
        one.signature,
        one.ski,
        one.aki,
    ]


def certificate(fingerprint: str, row: Row) -> Certificate:
    """Raises ValueError where it is not the certificate of that fingerprint."""
    text, subject, issuer, serial, begin, end, names, key, spki, ca, self_issued, signature, ski, aki = row
    der = base64.b64decode(text, validate=True)
    if sha256(der) != fingerprint:
        raise ValueError("a certificate is not the one of its fingerprint")
    return Certificate(
        der,
        subject,
        issuer,
        serial,
        dt.datetime.fromtimestamp(begin, dt.UTC),
        dt.datetime.fromtimestamp(end, dt.UTC),
        tuple(names),
        key,
        fingerprint,
        spki,
        ca,
        self_issued,
        signature,
        ski,
        aki,
    )
