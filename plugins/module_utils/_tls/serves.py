# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pods of a namespace really serve, and how that stands to what is stored.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.clock import rfc3339
from .certificates import Certificate, read_der
from .consumers import PodSeen, likely_ports
from .lint import ERROR, WARNING, Lint
from .path import time_problems
from .sights import PORT_FORWARD, Sight, TlsPort
from .starttls import protocol_of
from .views import View

IN_STEP, BEHIND, ELSEWHERE, NOT_STORED, UNVERIFIED = "in_step", "behind", "elsewhere", "not_stored", "unverified"
_TLS_PORTS = (443, 8443)
_TLS_WORDS = ("https", "tls", "ssl")


@dataclass(frozen=True, slots=True)
class Used:
    """What is stored in a Secret: the leaf's fingerprint and the name that a client asks for."""

    fingerprint: str
    server_name: str


def ports_of(view: View, used: Mapping[str, Used]) -> tuple[TlsPort, ...]:
    """The ports to ask: of containers that use a certificate, and of every other pod those that speak of TLS."""
    found: dict[tuple[str, int], TlsPort] = {}
    for pod in view.namespace.pods:
        if not pod.ready or pod.leaving:
            continue
        secrets = _secrets(pod, used)
        names = {port.number: port.name for port in pod.ports}
        containers = {use.container for use in pod.uses if use.secret in used}
        likely = likely_ports(pod, containers) if containers else ()
        asked = {*likely, *(port.number for port in pod.ports if _telling(port.name, port.number))}
        server_name = used[secrets[0]].server_name if secrets else ""
        for number in sorted(asked):
            starttls = protocol_of(names.get(number, ""), number)
            found[pod.name, number] = TlsPort(pod.name, number, starttls, server_name)
    return tuple(found.values())


def _telling(name: str, number: int) -> bool:
    """Does the port itself say that it should speak TLS?"""
    return number in _TLS_PORTS or any(word in name.lower() for word in _TLS_WORDS) or bool(protocol_of(name, number))


def _secrets(pod: PodSeen, used: Mapping[str, Used]) -> list[str]:
    return sorted({use.secret for use in pod.uses if use.secret in used})


def rows(
    view: View,
    used: Mapping[str, Used],
    sights: Iterable[Sight],
    stored: Mapping[str, Collection[str]],
    now: dt.datetime,
) -> list[dict[str, Any]]:
    """One row a port that was asked, and one a pod that could not be.

    ``stored``: where each fingerprint is stored. A port that gave no answer and does not say that it should is left
    out: it is no TLS port.
    """
    pods = {pod.name: pod for pod in view.namespace.pods}
    found = []
    for sight in sights:
        pod = pods[sight.port.pod]
        names = {port.number: port.name for port in pod.ports}
        if sight.served.fingerprint or _telling(names.get(sight.port.port, ""), sight.port.port):
            found.append(_row(view, pod, sight, used, stored, now))
    for pod in view.namespace.pods:
        if not pod.ready and not pod.leaving and _secrets(pod, used):
            found.append(_base(view, pod, 0, "", UNVERIFIED, "the pod is not ready"))
    return found


def _row(
    view: View,
    pod: PodSeen,
    sight: Sight,
    used: Mapping[str, Used],
    stored: Mapping[str, Collection[str]],
    now: dt.datetime,
) -> dict[str, Any]:
    fingerprint, port = sight.served.fingerprint, sight.port
    if not fingerprint:
        return _base(view, pod, port.port, port.starttls, UNVERIFIED, sight.served.why)
    mine = {used[secret].fingerprint for secret in _secrets(pod, used)}
    places = sorted(stored.get(fingerprint, ()))
    state = IN_STEP if fingerprint in mine else BEHIND if mine else ELSEWHERE if places else NOT_STORED
    leaf = _read(sight.served.der)
    row = _base(view, pod, port.port, port.starttls, state, sight.served.why)
    facts = {"subject": leaf.subject, "issuer": leaf.issuer, "not_after": rfc3339(leaf.not_after)} if leaf else {}
    return {
        **row,
        "fingerprint": fingerprint,
        **facts,
        "stored_in": places,
        "lint": [one.to_dict() for one in _lint(state, fingerprint, leaf, places, now)],
    }


def _base(view: View, pod: PodSeen, port: int, starttls: str, state: str, why: str) -> dict[str, Any]:
    return {
        "namespace": view.namespace.name,
        "workload": pod.workload,
        "pod": pod.name,
        "port": port,
        "starttls": starttls,
        "path": PORT_FORWARD,
        "state": state,
        "fingerprint": "",
        "subject": "",
        "issuer": "",
        "not_after": "",
        "stored_in": [],
        "why": why,
        "lint": [],
    }


def _read(der: bytes) -> Certificate | None:
    try:
        return read_der(der) if der else None
    except Exception:  # the parser has many exceptions of its own for broken input
        return None


def _lint(state: str, fingerprint: str, leaf: Certificate | None, places: list[str], now: dt.datetime) -> list[Lint]:
    found = []
    if not places:
        what = f"{fingerprint} is served and is in no Secret that was read"
        cure = "find out where the process has it from; nobody will see it end"
        found.append(Lint("served_not_stored", WARNING, what, "RFC 5280 3.3", cure))
    elif state == BEHIND:
        what = f"it serves what is in {', '.join(places)}, not what its own Secrets hold"
        found.append(Lint("served_elsewhere", WARNING, what, "RFC 5280 3.3", "restart it, or have it load its Secret"))
    if leaf:
        problems = time_problems(leaf, now)
        found += [Lint("served_expired", ERROR, what, "RFC 5280 4.1.2.5", "rotate it") for what in problems]
    return found


def not_served(fingerprint: str, seen: Iterable[Mapping[str, Any]]) -> tuple[Lint, ...]:
    """What is stored and is served by none of those ports of its users that were seen."""
    other = sorted({f"{row['pod']}:{row['port']}" for row in seen if row["fingerprint"] not in ("", fingerprint)})
    if not other:
        return ()
    what = f"{', '.join(other[:5])} serves another certificate than this"
    cure = "restart what does not reload by itself: knowngood.kube.certificate_rotation does, and proves it"
    return (Lint("stored_not_served", WARNING, what, "RFC 5280 3.3", cure),)
