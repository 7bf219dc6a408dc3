# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was found for the inventory, and the rows that tell it.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._cluster.client import Object
from .._core.clock import rfc3339
from .bundles import Bundle, lint_bundle
from .certificates import Certificate
from .consumers import Consumer
from .identities import Identity
from .lint import Lint, lint_identity
from .plan import server_name
from .references import FOUND, MISSING, NO_CERTIFICATE, UNREAD, Reference, lint_reference
from .serves import Used, not_served
from .together import together
from .views import View

IN_STEP, BEHIND, UNKNOWN = "in_step", "behind", "unknown"
Row = dict[str, Any]


@dataclass(slots=True)
class Found:
    """Collected page by page. ``names``: every object seen, as kind, namespace and name; ``selectors`` of Services.

    ``read``: the namespaces whose Secrets were all read, None for every one of the cluster.
    """

    read: frozenset[str] | None = frozenset()
    identities: list[Identity] = field(default_factory=list)
    bundles: list[Bundle] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    requests: list[Object] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    names: set[tuple[str, str, str]] = field(default_factory=set)
    selectors: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)
    unread: list[dict[str, str]] = field(default_factory=list)
    naming: dict[tuple[str, str, str], list[Reference]] = field(default_factory=dict)

    def settle(self) -> None:
        """Once everything is there: sorted by namespace and name, ``tls.crt`` before the others of its Secret."""
        self.identities.sort(key=lambda one: (one.namespace, one.secret, one.data_key != "tls.crt", one.data_key))
        self.bundles.sort(key=lambda one: (one.kind, one.namespace, one.name, one.entry, one.data_key))
        self.references.sort(key=lambda one: (one.kind, one.namespace, one.name, one.part, one.target))
        self.requests.sort(key=lambda obj: str(obj["metadata"]["name"]))
        for one in self.references:
            self.naming.setdefault((one.target_kind, one.target_namespace, one.target), []).append(one)

    def stored(self) -> dict[str, set[str]]:
        """Where each leaf is stored, by fingerprint."""
        found: dict[str, set[str]] = {}
        for identity in self.identities:
            if identity.leaf is not None:
                found.setdefault(identity.leaf.fingerprint, set()).add(identity.ref)
        return found

    def used(self) -> dict[str, dict[str, Used]]:
        """The leaves that may be served, by namespace and Secret."""
        found: dict[str, dict[str, Used]] = {}
        for identity in self.identities:
            leaf = identity.leaf
            if leaf is not None and not leaf.ca and not identity.role:
                used = Used(leaf.fingerprint, server_name(leaf, None))
                found.setdefault(identity.namespace, {}).setdefault(identity.secret, used)
        return found

    def pool(self) -> dict[str, list[Certificate]]:
        """Every CA that was seen anywhere, by subject."""
        every = {
            certificate.fingerprint: certificate
            for chain in (*(one.chain for one in self.identities), *(one.chain for one in self.bundles))
            for certificate in chain.certificates
            if certificate.ca
        }
        found: dict[str, list[Certificate]] = {}
        for certificate in every.values():
            found.setdefault(certificate.subject, []).append(certificate)
        return found

    def consumers(self, kind: str, namespace: str, name: str) -> list[Row]:
        """Who mounts a Secret or ConfigMap, and who names it."""
        view = self.views.get(namespace)
        rows: list[Row] = []
        if view is not None:
            known = view.secrets if kind == "Secret" else view.configs
            rows = [_use(consumer, use) for consumer in known.get(name, ()) for use in consumer.uses]
        naming = self.naming.get((kind, namespace, name), ())
        return rows + [
            {"workload": one.ref, "container": "", "delivery": one.kind.lower(), "path": one.part} for one in naming
        ]


def _use(consumer: Consumer, use: Any) -> Row:
    return {"workload": consumer.ref, "container": use.container, "delivery": use.delivery, "path": use.path}


# -- identities --------------------------------------------------------------------------------------------------


def identity_rows(
    found: Found, served: Sequence[Row], denied: Iterable[str], now: dt.datetime, *, probed: bool
) -> list[Row]:
    pool, shared = found.pool(), together(found.identities, found.views, denied)
    seen = _by_workload(served)
    rows = []
    for at, identity in enumerate(found.identities):
        consumers = found.consumers("Secret", identity.namespace, identity.secret)
        mine = _served_for(identity, consumers, seen) if probed else []
        lint = [*lint_identity(identity, now, pool), *shared.get(at, ())]
        fingerprint = identity.leaf.fingerprint if identity.leaf else ""
        state = _drift(fingerprint, mine)
        if state == BEHIND:
            lint += not_served(fingerprint, mine)
        rows.append(
            {
                "secret": identity.secret,
                "namespace": identity.namespace,
                "data_key": identity.data_key,
                "format": identity.format,
                "type": identity.type,
                "immutable": identity.immutable,
                "role": identity.role,
                "error": identity.error,
                **_leaf(identity, now),
                "private_key": identity.key_state,
                "stores": [
                    {"data_key": one.data_key, "format": one.format, "state": one.state} for one in identity.copies
                ],
                "owner": identity.owner.to_dict(),
                "lint": [one.to_dict() for one in lint],
                "consumers": consumers,
                "served": [_short(row) for row in mine],
                "drift": state,
            }
        )
    return rows


def _leaf(identity: Identity, now: dt.datetime) -> Row:
    """The leaf's facts; empty values where it cannot be read."""
    leaf = identity.leaf
    if leaf is None:
        empty: Row = dict.fromkeys(
            ("subject", "issuer", "serial", "not_before", "not_after", "fingerprint", "spki", "key", "rotated_for"), ""
        )
        return {**empty, "sans": [], "days_left": None, "ca": None, "chain_length": 0, "chain": []}
    return {
        **described(leaf, now),
        "serial": leaf.serial,
        "sans": list(leaf.names),
        "chain_length": len(identity.chain.certificates),
        "chain": [described(one, now) for one in identity.chain.certificates[1:]],
        "rotated_for": identity.rotated_for,
    }


def described(certificate: Certificate, now: dt.datetime) -> Row:
    """What is told of every certificate, wherever it is."""
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "days_left": certificate.days_left(now),
        "fingerprint": certificate.fingerprint,
        "spki": certificate.spki,
        "key": certificate.key,
        "ca": certificate.ca,
    }


def _by_workload(served: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in served:
        if row["fingerprint"]:
            found.setdefault((row["namespace"], row["workload"]), []).append(row)
    return found


def _served_for(
    identity: Identity, consumers: Iterable[Row], seen: Mapping[tuple[str, str], Sequence[Row]]
) -> list[Row]:
    """What its users serve, without the ports that serve another certificate of theirs."""
    if identity.leaf is None or identity.leaf.ca:
        return []
    refs = sorted({row["workload"] for row in consumers})
    rows = [row for ref in refs for row in seen.get((identity.namespace, ref), ())]
    return [row for row in rows if row["state"] != IN_STEP or row["fingerprint"] == identity.leaf.fingerprint]


def _short(row: Row) -> Row:
    kept = {name: row[name] for name in ("pod", "port", "path", "fingerprint")}
    if row["starttls"]:
        kept["starttls"] = row["starttls"]
    return {**kept, "verified": False}


def _drift(stored: str, served: Sequence[Row]) -> str:
    if not served:
        return UNKNOWN
    return IN_STEP if all(row["fingerprint"] == stored for row in served) else BEHIND


# -- the others --------------------------------------------------------------------------------------------------


def bundle_rows(found: Found, now: dt.datetime) -> list[Row]:
    return [
        {
            "kind": bundle.kind,
            "namespace": bundle.namespace,
            "name": bundle.name,
            "entry": bundle.entry,
            "data_key": bundle.data_key,
            "format": bundle.content.format,
            "immutable": bundle.immutable,
            "service": "/".join(bundle.service) if bundle.service[1] else "",
            "url": bundle.url,
            "certificates": [described(one, now) for one in bundle.chain.certificates],
            "owner": bundle.owner.to_dict(),
            "consumers": [] if bundle.calls else found.consumers(bundle.kind, bundle.namespace, bundle.name),
            "lint": [one.to_dict() for one in lint_bundle(bundle, now, _behind_service(found, bundle))],
            "error": bundle.error or (bundle.content.error if bundle.content.locked else ""),
        }
        for bundle in found.bundles
    ]


def _behind_service(found: Found, bundle: Bundle) -> list[Certificate]:
    """Leaves in the Secrets that the pods of the called Service use."""
    selector, view = found.selectors.get(bundle.service), found.views.get(bundle.service[0])
    if not selector or view is None:
        return []
    secrets = {
        use.secret
        for pod in view.namespace.pods
        if all(pod.labels.get(key) == value for key, value in selector.items())
        for use in pod.uses
    }
    here = bundle.service[0]
    leaves = [one.leaf for one in found.identities if one.namespace == here and one.secret in secrets]
    return [leaf for leaf in leaves if leaf is not None and not leaf.ca]


def reference_rows(found: Found) -> list[Row]:
    leaves = {(one.namespace, one.secret): one.leaf for one in reversed(found.identities)}
    trusting = {(one.kind, one.namespace, one.name) for one in found.bundles}
    rows = []
    for one in found.references:
        leaf = leaves.get((one.target_namespace, one.target)) if one.target_kind == "Secret" else None
        state = _state(found, one, leaf, trusting)
        lint: list[Lint] = lint_reference(one, state, leaf)
        rows.append(
            {
                "kind": one.kind,
                "namespace": one.namespace,
                "name": one.name,
                "part": one.part,
                "target_kind": one.target_kind,
                "target_namespace": one.target_namespace,
                "target": one.target,
                "hosts": list(one.hosts),
                "trust": one.trust,
                "granted": one.granted,
                "state": state,
                "fingerprint": leaf.fingerprint if leaf else "",
                "lint": [finding.to_dict() for finding in lint],
            }
        )
    return rows


def _state(found: Found, one: Reference, leaf: Certificate | None, trusting: set[tuple[str, str, str]]) -> str:
    target = (one.target_kind, one.target_namespace, one.target)
    if leaf is not None or target in trusting:
        return FOUND
    if target in found.names:
        return NO_CERTIFICATE
    in_reach = found.read is None or one.target_namespace in found.read
    return MISSING if in_reach and one.target_kind == "Secret" else UNREAD


def given_rows(found: Found) -> list[Row]:
    """Certificates that reach pods without a Secret: nothing of them can be read here."""
    return [
        {
            "namespace": name,
            "workload": one.workload,
            "container": one.container,
            "delivery": one.delivery,
            "from": one.name,
            "path": one.path,
        }
        for name, view in sorted(found.views.items())
        for one in view.given
    ]
