# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for our own short-lived pods, and why one of them does not come up.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .._cluster.kinds import named
from .._cluster.waits import wait_until
from .._core.errors import KnownGoodError, NotProven
from .binding import POD, PVC
from .events import last_warning
from .objects import Object
from .tools import Tools


def wait_running(tools: Tools, pod: Object, claims: Sequence[str], timeout_s: float, what_for: str) -> None:
    """Waits until its containers run. The error says what was said last about the pod and its claims."""
    meta = pod["metadata"]
    try:
        wait_until(
            tools.cluster,
            POD,
            meta["namespace"],
            lambda pods: not_running(pods.get(meta["name"])),
            what=f"{named(POD, meta['name'], meta['namespace'])} to run {what_for}",
            timeout_s=timeout_s,
            clock=tools.clock,
            field=f"metadata.name={meta['name']}",
        )
    except KnownGoodError as error:
        error.why += _trouble(tools, meta["namespace"], meta["name"], claims)
        raise


def _trouble(tools: Tools, namespace: str, pod: str, claims: Sequence[str]) -> str:
    found = [tools.cluster.find(POD, pod, namespace)]
    found += [tools.cluster.find(PVC, name, namespace) for name in claims]
    said = [last_warning(tools, obj) for obj in found if obj is not None]
    texts = [text for text in said if text]
    if any("clon" in text.lower() for text in texts):
        texts.append("where the driver cannot clone volumes, set verify_from: snapshot")
    return "".join(f"; {text}" for text in texts)


def not_running(pod: Object | None) -> str:
    """Empty when its containers run. Raises NotProven when they have ended and will not come back."""
    if pod is None:
        return "it is not there"
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "it is being deleted"
    if status.get("phase") in ("Succeeded", "Failed") and pod["spec"].get("restartPolicy") == "Never":
        name = pod["metadata"]["name"]
        raise NotProven(
            "the restored data cannot be used: the container on it ended",
            where=named(POD, name),
            why=_ended(status),
            next="restore it beside with target=claim, and see what the application writes when it starts on it",
        )
    statuses = status.get("containerStatuses") or []
    if status.get("phase") == "Running" and statuses and all("running" in (s.get("state") or {}) for s in statuses):
        return ""
    waiting = [(s.get("state") or {}).get("waiting") or {} for s in statuses]
    reasons = ", ".join(f"{w.get('reason')} {w.get('message', '')}".strip() for w in waiting if w.get("reason"))
    return f"it is {status.get('phase', 'unknown')}" + (f" ({reasons})" if reasons else "")


def _ended(status: Mapping[str, Any]) -> str:
    found = [(s.get("state") or {}).get("terminated") or {} for s in status.get("containerStatuses") or []]
    return ", ".join(f"exit code {t.get('exitCode')} ({t.get('reason')})" for t in found) or str(status.get("reason"))
