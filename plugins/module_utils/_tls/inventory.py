# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory: every certificate in a Secret, who keeps it, who uses it, and what is really served.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._cluster.client import Cluster, Object
from .._core.clock import rfc3339
from .._core.durations import seconds
from .._core.errors import BadInput, KnownGoodError
from .._core.expressions import Expression
from .consumers import Consumer, Namespace, likely_ports, look
from .lint import ERROR, Lint, lint
from .owner import owner_of
from .plan import server_name
from .secrets import CRT, TlsSecret, read_secret, role_of
from .sights import TlsPort, see

_NO_RELEASES = "type!=helm.sh/release.v1"
IN_STEP, BEHIND, UNKNOWN = "in_step", "behind", "unknown"


@dataclass(frozen=True, slots=True)
class Question:
    """What to list. ``namespaces`` empty: all. ``copies``: those that our rotations keep as well."""

    namespaces: tuple[str, ...] = ()
    selector: str = ""
    expiring_within_s: float | None = None
    probe: bool = False
    copies: bool = False
    query: str = ""


def question(params: Mapping[str, Any]) -> Question:
    """From the door's options. Raises BadInput."""
    expiring = params.get("expiring_within")
    return Question(
        namespaces=tuple(params["namespaces"]),
        selector=params["selector"],
        expiring_within_s=None if expiring is None else seconds(expiring, "expiring_within"),
        probe=params["probe"],
        copies=params["copies"],
        query=params.get("query") or "",
    )


def answer(cluster: Cluster, asked: Question, now: dt.datetime) -> list[Any]:
    """The inventory, through the query where there is one. A query that cannot be read is refused before any reading.

    Raises BadInput, and what the cluster raises.
    """
    query = Expression.of(asked.query, "query", "query") if asked.query else None
    rows = inventory(cluster, asked, now)
    return select(rows, query) if query else rows


def inventory(cluster: Cluster, question: Question, now: dt.datetime) -> list[dict[str, Any]]:
    """One row an identity, by namespace and name. A certificate that cannot be read is a row with ``error``."""
    found = [
        obj
        for namespace in question.namespaces or (None,)
        for obj in cluster.list("Secret", namespace, selector=question.selector, field=_NO_RELEASES)
        if (obj.get("data") or {}).get(CRT) and (question.copies or not role_of(obj))
    ]
    found.sort(key=lambda obj: (obj["metadata"]["namespace"], obj["metadata"]["name"]))
    views: dict[str, Namespace] = {}
    rows = []
    for obj in found:
        secret, broken = _read(obj)
        if question.expiring_within_s is not None and not _ends_within(secret, question.expiring_within_s, now):
            continue
        namespace = obj["metadata"]["namespace"]
        if namespace not in views:
            views[namespace] = look(cluster, namespace)
        consumers = views[namespace].consumers(obj["metadata"]["name"])
        rows.append(_row(cluster, question, obj, secret, broken, consumers, views[namespace], now))
    return rows


def _read(obj: Object) -> tuple[TlsSecret | None, str]:
    try:
        return read_secret(obj), ""
    except KnownGoodError as error:
        return None, str(error)


def _ends_within(secret: TlsSecret | None, seconds: float, now: dt.datetime) -> bool:
    return secret is not None and (secret.certificate.not_after - now).total_seconds() <= seconds


def _row(
    cluster: Cluster,
    question: Question,
    obj: Object,
    secret: TlsSecret | None,
    broken: str,
    consumers: Sequence[Consumer],
    view: Namespace,
    now: dt.datetime,
) -> dict[str, Any]:
    served = served_by(cluster, view, secret, consumers) if question.probe and secret else []
    findings = lint(secret, now) if secret else (Lint("unreadable", ERROR, broken, "RFC 7468", "replace it"),)
    return {
        "secret": obj["metadata"]["name"],
        "namespace": obj["metadata"]["namespace"],
        "type": obj.get("type", ""),
        "immutable": bool(obj.get("immutable")),
        "role": role_of(obj),
        "error": broken,
        **described(secret, now),
        "owner": owner_of(obj).to_dict(),
        "lint": [finding.to_dict() for finding in findings],
        "consumers": [_use(consumer, use) for consumer in consumers for use in consumer.uses],
        "served": served,
        "drift": drift(secret.certificate.fingerprint, served) if secret else UNKNOWN,
    }


def described(secret: TlsSecret | None, now: dt.datetime) -> dict[str, Any]:
    """The leaf's facts; empty values where it cannot be read."""
    if secret is None:
        empty: dict[str, Any] = dict.fromkeys(
            ("subject", "issuer", "serial", "not_before", "not_after", "fingerprint", "spki", "key", "rotated_for"), ""
        )
        return {**empty, "sans": [], "days_left": None, "ca": None, "chain_length": 0}
    leaf = secret.certificate
    return {
        "subject": leaf.subject,
        "issuer": leaf.issuer,
        "serial": leaf.serial,
        "not_before": rfc3339(leaf.not_before),
        "not_after": rfc3339(leaf.not_after),
        "days_left": leaf.days_left(now),
        "sans": list(leaf.names),
        "fingerprint": leaf.fingerprint,
        "spki": leaf.spki,
        "key": leaf.key,
        "ca": leaf.ca,
        "chain_length": len(secret.chain.certificates),
        "rotated_for": secret.rotated_for,
    }


def _use(consumer: Consumer, use: Any) -> dict[str, Any]:
    return {"workload": consumer.ref, "container": use.container, "delivery": use.delivery, "path": use.path}


def served_by(
    cluster: Cluster, view: Namespace, secret: TlsSecret, consumers: Iterable[Consumer]
) -> list[dict[str, Any]]:
    """What the users' ready pods serve on the ports that may be meant for it, each port asked once.

    Ports that do not speak TLS are left out, unless the port's name or number says that it should.
    """
    using = {consumer.ref: {use.container for use in consumer.uses} for consumer in consumers}
    pods = [pod for pod in view.pods_of(using) if pod.ready and not pod.leaving]
    ports = [TlsPort(pod.name, port) for pod in pods for port in likely_ports(pod, using[pod.workload])]
    name = server_name(secret.certificate, None)
    sights = see(cluster, view.name, ports, server_name=name)
    return [sight.to_dict() for sight in sights if sight.served.fingerprint]


def drift(stored: str, served: Sequence[Mapping[str, Any]]) -> str:
    """``in_step``: every port that was seen serves what is stored; ``behind``: one does not; ``unknown``: none seen."""
    if not served:
        return UNKNOWN
    return IN_STEP if all(row["fingerprint"] == stored for row in served) else BEHIND


def select(rows: list[dict[str, Any]], query: Expression) -> list[Any]:
    """The rows through a JMESPath expression. Raises BadInput where it fails on them or gives no list."""
    found = query.search(rows)
    if not isinstance(found, list):
        raise BadInput(
            "query does not give a list", why=f"it gives {type(found).__name__}", next="for example [?days_left < `30`]"
        )
    return found
