# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the caller asked for, from the door's options.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._core.application import ApplicationSpec
from .._core.durations import seconds
from .._core.errors import BadInput
from .keys import SAME
from .plan import CANARY, RELOAD, RESTART, TRIED, WAVES, Canary, Request, Target
from .source import CERT_MANAGER, CSR, PROVIDED, SOURCES, Given, Source
from .waves import checked

_MOST_CANARIES = 100
_SIGNAL = re.compile(r"(SIG)?[A-Z][A-Z0-9]*|[0-9]+")


def request(params: Mapping[str, Any]) -> Request:
    """Checks what the argument specification cannot. Raises BadInput."""
    app = ApplicationSpec.from_dict(params["app"]) if params.get("app") else None
    targets = _targets(params.get("targets") or [], app)
    if not targets:
        raise BadInput("there is nothing to rotate", next="name Secrets in targets, or tls_secrets in app")
    names = [target.ref for target in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput("targets names a Secret twice", why=", ".join(twice))
    expiring = params.get("expiring_within")
    issuer = params.get("issuer") or {}
    rollout = params.get("rollout") or RESTART
    targets = _with_reload(targets, params.get("reload"), rollout)
    emergency = bool(params.get("emergency"))
    if emergency and not params.get("incident"):
        raise BadInput("an emergency needs an incident", next="name it with incident: it is what makes it run once")
    source = _source(issuer, params.get("targets") or [], app)
    _refuse_untriable(rollout, source, emergency)
    return Request(
        targets=targets,
        ca_secret=issuer.get("ca_secret") or "",
        app=app.target if app else "",
        key=params.get("key") or SAME,
        force=bool(params.get("force")),
        incident=params.get("incident") or "",
        expiring_within_s=None if expiring is None else seconds(expiring, "expiring_within"),
        probe_image=params.get("probe_image") or "",
        reload_wait_s=seconds(params["reload_wait"], "reload_wait"),
        wait_timeout_s=float(params["wait_timeout"]),
        keep_previous_s=seconds(params["keep_previous_for"], "keep_previous_for"),
        source=source,
        rollout=rollout,
        canary=_canary(params.get("canary") or {}),
        soak_s=seconds(params.get("soak") or 0, "soak"),
        emergency=emergency,
        purge=_purge(params, emergency),
        accept_downtime=bool(params.get("accept_downtime")),
        waves=checked(params.get("waves") or WAVES),
        at_once=max(1, int(params.get("at_once") or 4)),
        failures_allowed=int(params.get("failures_allowed") or 0),
    )


def _source(issuer: Mapping[str, Any], targets: list[Mapping[str, Any]], app: ApplicationSpec | None) -> Source:
    """Exactly one of the issuers, with what it needs."""
    chosen = [kind for kind in SOURCES if issuer.get(kind)]
    if len(chosen) != 1:
        raise BadInput(
            "issuer names no issuer" if not chosen else "issuer names more than one issuer",
            why=f"got {', '.join(chosen) or 'nothing'}",
            next=f"give one of {', '.join(SOURCES)}",
        )
    csr = issuer.get(CSR) or {}
    if chosen == [CSR] and csr["signer"].startswith("kubernetes.io/"):
        raise BadInput(
            "the signers of Kubernetes itself issue no certificates for servers of applications",
            where="issuer.csr.signer",
            why=csr["signer"],
            next="name a signer of your own",
        )
    given = {
        _target(target, app).ref: Given(str(target["certificate"]).encode(), str(target["private_key"]).encode())
        for target in targets
        if target.get("certificate") and target.get("private_key")
    }
    if given and chosen != [PROVIDED]:
        raise BadInput("a target has a certificate, but its issuer is another", next="set issuer.provided: true")
    return Source(
        kind=chosen[0],
        signer=csr.get("signer") or "",
        approve=bool(csr.get("approve")),
        timeout_s=seconds(issuer.get("timeout") or "5m", "issuer.timeout"),
        trust=issuer.get("trust") or "",
        accept=tuple(issuer.get("accept") or ()),
        given=given,
    )


def _refuse_untriable(rollout: str, source: Source, emergency: bool) -> None:
    """A generation can be tried where it is ours before it is in the Secret, and where there is time for it."""
    if rollout not in TRIED:
        return
    if emergency:
        raise BadInput(
            "an emergency leaves no time to try the new certificate", where=f"rollout: {rollout}", next="drop rollout"
        )
    if source.kind == CERT_MANAGER:
        raise BadInput(
            "what cert-manager issues cannot be tried before it is in the Secret",
            where=f"rollout: {rollout}",
            why="cert-manager writes it there itself",
            next="choose rollout: restart, or another issuer",
        )


def _canary(given: Mapping[str, Any]) -> Canary:
    pods = int(given.get("pods") or 1)
    if not 1 <= pods <= _MOST_CANARIES:
        raise BadInput("canary.pods is no number of pods to try", why=f"got {pods}", next=f"1 to {_MOST_CANARIES}")
    return Canary(pods, seconds(given.get("watch") or "10s", "canary.watch"), tuple(given.get("leave_out") or ()))


def _with_reload(targets: tuple[Target, ...], common: Any, rollout: str) -> tuple[Target, ...]:
    """Each target with how its servers reload: its own way, else the common one. Only where that is asked for.

    After a canary it may be said; what it is not said of is restarted.
    """
    if rollout == CANARY:
        ways = [(target, target.reload or common) for target in targets]
        return tuple(
            replace(target, reload=reload_in(way, f"targets: {target.ref}") if way else None) for target, way in ways
        )
    if rollout != RELOAD:
        return tuple(replace(target, reload=None) for target in targets)
    return tuple(
        replace(target, reload=reload_in(target.reload or common, f"targets: {target.ref}")) for target in targets
    )


def reload_in(wanted: Mapping[str, Any] | None, where: str) -> dict[str, Any]:
    """How servers are told to load new files. Raises BadInput."""
    given = {key: value for key, value in (wanted or {}).items() if value}
    if ("signal" in given) == ("command" in given):
        raise BadInput(
            "how its servers reload is not said",
            where=where,
            why="they are to be told, not restarted",
            next="give signal or command, one of them, in reload",
        )
    if "signal" in given and not _SIGNAL.fullmatch(str(given["signal"])):
        raise BadInput("reload.signal is no signal", why=f"got {given['signal']!r}", next="a name such as HUP")
    return given


def _targets(given: list[Mapping[str, Any]], app: ApplicationSpec | None) -> tuple[Target, ...]:
    if not given and app:
        return tuple(Target(app.namespace, name) for name in app.tls_secrets)
    return tuple(_target(target, app) for target in given)


def _target(given: Mapping[str, Any], app: ApplicationSpec | None) -> Target:
    namespace = given.get("namespace") or (app.namespace if app else "")
    if not namespace:
        raise BadInput("a target has no namespace", where=f"targets: {given['secret']}", next="name it, or give app")
    return Target(
        namespace=namespace,
        secret=given["secret"],
        service=given.get("service") or "",
        port=given.get("port"),
        server_name=given.get("server_name") or "",
        protocol=given.get("protocol") or "http",
        workloads=tuple(given.get("workloads") or ()),
        keystore_password=_password(given),
        reload=given.get("reload"),
    )


def _purge(params: Mapping[str, Any], emergency: bool) -> tuple[str, ...]:
    wanted = tuple(params.get("purge") or ())
    if wanted and not emergency:
        raise BadInput(
            "copies of an old key are purged in an emergency only", next="set emergency: true, or drop purge"
        )
    return wanted


def _password(given: Mapping[str, Any]) -> dict[str, str] | None:
    named = given.get("keystore_password")
    return {"secret": named.get("secret") or given["secret"], "key": named["key"]} if named else None
