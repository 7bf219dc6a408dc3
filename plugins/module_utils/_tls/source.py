# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who issues the new certificate: a CA Secret, cert-manager, the Kubernetes CSR API, or somebody who hands it over.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .certificates import Certificate, Chain, read_chain
from .issue import Issued
from .keys import read_key, spki_of, write_key
from .secrets import TlsSecret

CA_SECRET, CERT_MANAGER, CSR, PROVIDED = "ca_secret", "cert_manager", "csr", "provided"
SOURCES = (CA_SECRET, CERT_MANAGER, CSR, PROVIDED)


@dataclass(frozen=True, slots=True)
class Given:
    """A pair that the caller hands over, as PEM. Never part of a plan, a journal or a result."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Of the leaf; empty where the text holds no certificate."""
        leaf = read_chain(self.chain).leaf
        return leaf.fingerprint if leaf else ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where new certificates come from, beside the CA Secret that the request names.

    ``trust``: PEM of what clients trust, where the Secret has no ``ca.crt`` or they trust more; ``accept``: what may
    differ from the old certificate (words of :data:`issue.ATTRIBUTES`); ``given``: pairs by ``namespace/secret``.
    """

    kind: str = CA_SECRET
    signer: str = ""
    approve: bool = False
    timeout_s: float = 300.0
    trust: str = ""
    accept: tuple[str, ...] = ()
    given: Mapping[str, Given] = field(default_factory=dict, repr=False, compare=False)

    def marks(self, refs: Iterable[str]) -> str:
        """What tells one handing over from another: the fingerprints, shortened."""
        return ",".join(sorted(self.given[ref].fingerprint[7:23] for ref in refs if ref in self.given))


def anchors_for(secret: TlsSecret, trust: str) -> tuple[Certificate, ...]:
    """What the users of the certificate trust: as the caller says, else the Secret's ``ca.crt``. Raises BadInput."""
    where = f"Secret {secret.ref}"
    found = read_chain(trust.encode()) if trust else secret.trust
    if found.problems:
        at = "issuer.trust" if trust else f"{where} ca.crt"
        raise BadInput("what clients trust cannot be read", where=at, why="; ".join(found.problems))
    if not found.certificates:
        raise BadInput(
            "what clients trust is not known, so that nothing could be proven to them",
            where=where,
            why="issuer.trust holds no certificate" if trust else "it has no ca.crt",
            next="name the CA certificates in issuer.trust",
        )
    return found.certificates


def pair_from(given: Given, key_format: str, where: str) -> Issued:
    """The pair as it goes into the Secret: leaf and intermediates without a root, the key in the format found there.

    Raises BadInput: a broken block (by its number), no certificate, no key, encrypted, of another certificate.
    """
    chain = read_chain(given.chain)
    leaf = _leaf(chain, where)
    key, _format = read_key(given.key, f"{where}: private_key")
    if spki_of(key) != leaf.spki:
        raise BadInput("the private key given does not belong to the certificate given", where=where)
    sent = [leaf, *(c for c in chain.certificates[1:] if not (c.self_issued and c.signed_by(c)))]
    return Issued(leaf, b"".join(certificate.pem() for certificate in sent), write_key(key, key_format))


def _leaf(chain: Chain, where: str) -> Certificate:
    if chain.problems:
        raise BadInput(
            "the certificate given cannot be read", where=f"{where}: certificate", why="; ".join(chain.problems)
        )
    if chain.leaf is None:
        raise BadInput("there is no PEM certificate in what is given", where=f"{where}: certificate")
    return chain.leaf


def source_in(params: Mapping[str, Any]) -> str:
    """The kind of source in a step's parameters."""
    return str(params.get("issuer") or CA_SECRET)
