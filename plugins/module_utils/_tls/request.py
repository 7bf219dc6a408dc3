# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the caller asked for, from the door's options.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.application import ApplicationSpec
from .._core.durations import seconds
from .._core.errors import BadInput
from .keys import SAME
from .plan import Request, Target


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
    return Request(
        targets=targets,
        ca_secret=params["issuer"]["ca_secret"],
        app=app.target if app else "",
        key=params.get("key") or SAME,
        force=bool(params.get("force")),
        incident=params.get("incident") or "",
        expiring_within_s=None if expiring is None else seconds(expiring, "expiring_within"),
        probe_image=params.get("probe_image") or "",
        reload_wait_s=seconds(params["reload_wait"], "reload_wait"),
        wait_timeout_s=float(params["wait_timeout"]),
        keep_previous_s=seconds(params["keep_previous_for"], "keep_previous_for"),
    )


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
    )
