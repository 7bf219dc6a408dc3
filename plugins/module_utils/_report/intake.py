# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes in, made safe and steady: no secrets, and nothing that differs between two runs over the same incident.

Everything that the report shows goes through :func:`intake` first.

PRIVATE to this collection.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .._core.errors import BadInput
from .._core.redact import redact
from .fields import Row, row, rows, text

# What Ansible adds to a result, and what says only how this run went about it ("changed" is false the second time).
_OF_THE_RUN = frozenset(
    {
        "ansible_facts",
        "ansible_loop_var",
        "ansible_index_var",
        "changed",
        "deprecations",
        "diff",
        "failed_when_result",
        "false_condition",
        "invocation",
        "_ansible_no_log",
        "_ansible_verbose_always",
    }
)
_CREDENTIALS = frozenset(
    {
        "api_key",
        "client_key",
        "client_secret",
        "kubeconfig",
        "passphrase",
        "password",
        "private_key",
        "refresh_token",
        "secret_key",
        "signing_key",
        "token",
    }
)
REDACTED = "<redacted>"


def intake(value: Any) -> Any:
    """A copy without secrets and without what belongs to one run of Ansible only. Keys become text."""
    return _steady(redact(value))


def _steady(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED if _credential(str(key), item) else _steady(item)
            for key, item in value.items()
            if key not in _OF_THE_RUN
        }
    if isinstance(value, (list, tuple)):
        return [_steady(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _credential(key: str, item: Any) -> bool:
    return key.lower().replace("-", "_") in _CREDENTIALS and item not in (None, "", {}, [])


def results(step: Any) -> list[Row]:
    """The results of a step: one, a list of them, or the ``results`` of a loop. Empty ones are no results."""
    looped = row(step).get("results")
    return [item for item in rows(looped if isinstance(looped, list) else step) if item]


def plan_is_open(result: Row) -> bool:
    """Does its plan still hold something to do?"""
    return any(step.get("state") == "todo" for step in rows(result.get("plan")))


def application(app: Any, steps: Row) -> Row:
    """``name``, ``namespace``, ``target``, ``cluster`` (what people call it), ``cluster_uid``; unknown is None.

    ``app`` may be a name, ``namespace/name``, an entry of ``knowngood_apps``, what ``app_info`` returned, or its
    ``app``.
    """
    if isinstance(app, str):
        space, _slash, last = app.rpartition("/")
        given: Row = {"name": last, "namespace": space}
        outer: Row = {}
    else:
        outer = row(row(app).get("app")) or row(app)
        given = row(outer.get("spec")) or outer
    name, namespace = text(given, "name"), text(given, "namespace")
    if not name:
        raise BadInput("the application has no name", where="app", next="give its name, or its entry of knowngood_apps")
    return {
        "name": name,
        "namespace": namespace,
        "target": f"{namespace}/{name}" if namespace else name,
        "cluster": text(outer, "cluster", "context") or text(row(app), "cluster", "context"),
        "cluster_uid": text(outer, "cluster_uid") or text(steps, "cluster_uid"),
    }
