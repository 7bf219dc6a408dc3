# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for many objects with one watch.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .._core.clock import Clock
from .._core.errors import TimedOut
from .client import Cluster, Gone, Object, Objects
from .kinds import KINDS, Kind, named

Check = Callable[[Mapping[str, Object]], str]
"""Given the objects by name: an empty text when the wait is over, else what is missing. May raise to fail fast."""


def wait_until(
    cluster: Cluster,
    kind: str | Kind,
    namespace: str | None,
    check: Check,
    *,
    what: str,
    timeout_s: float,
    clock: Clock,
    selector: str = "",
    field: str = "",
    next: str = "",
    listed: tuple[Objects, str] | None = None,
) -> dict[str, Object]:
    """Returns the objects by name as soon as ``check`` is satisfied.

    Lists once, then follows one watch and lists again where the watch breaks. ``listed``: what such a list returned a
    moment ago, with its version. ``what`` completes "timed out waiting for ...". Raises TimedOut with what was still
    missing.
    """
    deadline = clock.monotonic() + timeout_s
    while True:
        items, version = listed or cluster.list_at(kind, namespace, selector=selector, field=field)
        listed = None
        seen = {item["metadata"]["name"]: item for item in items}
        missing = check(seen)
        left = deadline - clock.monotonic()
        if not missing:
            return seen
        if left <= 0:
            word = kind if isinstance(kind, str) else kind.kind
            where = named(word, "*", namespace)
            raise TimedOut(
                f"timed out waiting for {what}", where=where, why=f"after {timeout_s:g} s: {missing}", next=next
            )
        try:
            for event in cluster.watch(
                kind, namespace, selector=selector, field=field, resource_version=version, timeout_s=left
            ):
                if event.type == "BOOKMARK":
                    continue
                name = event.object["metadata"]["name"]
                if event.type == "DELETED":
                    seen.pop(name, None)
                else:
                    seen[name] = event.object
                missing = check(seen)
                if not missing:
                    return seen
        except Gone:
            continue


def position(cluster: Cluster, kind: str | Kind, namespace: str | None = None) -> str:
    """A resourceVersion from which on a watch shows everything that is made after this call. One small request."""
    resource = kind if isinstance(kind, Kind) else KINDS[kind]
    page = cluster.call("GET", resource.path(namespace), query={"limit": 1}, where=f"list {resource.plural}")
    return str((page.get("metadata") or {}).get("resourceVersion", ""))


def follow(
    cluster: Cluster,
    kind: str | Kind,
    namespace: str | None,
    take: Callable[[Object, bool], None],
    *,
    done: Callable[[], bool],
    timeout_s: float,
    clock: Clock,
    version: str = "",
    selector: str = "",
    field: str = "",
) -> str:
    """Gives every object to ``take(object, deleted)`` as it changes, until ``done`` or until the time is up.

    With ``version`` (of :func:`position`, or what an earlier call returned) only what changed since; else, and where
    that is too old, the list comes first. Returns the version that was seen last. Each event costs the same however
    many objects there are, unlike with :func:`wait_until`.
    """
    deadline = clock.monotonic() + timeout_s
    while not done():
        if not version:
            items, version = cluster.list_at(kind, namespace, selector=selector, field=field)
            for item in items:
                take(item, False)
            continue
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        try:
            for event in cluster.watch(
                kind, namespace, selector=selector, field=field, resource_version=version, timeout_s=left
            ):
                version = str(event.object["metadata"]["resourceVersion"])
                if event.type != "BOOKMARK":
                    take(event.object, event.type == "DELETED")
                    if done():
                        return version
        except Gone:
            version = ""
    return version


def wait_gone(
    cluster: Cluster, kind: str | Kind, name: str, namespace: str | None, uid: str, *, timeout_s: float, clock: Clock
) -> None:
    """Waits until the object with this uid is no more (another one of the same name does not count)."""

    def check(objects: Mapping[str, Object]) -> str:
        obj = objects.get(name)
        if obj is None or obj["metadata"]["uid"] != uid:
            return ""
        held_by = ", ".join(obj["metadata"].get("finalizers") or []) or "nothing that it says"
        return f"{named(word, name, namespace)} is still there, held by: {held_by}"

    word = kind if isinstance(kind, str) else kind.kind

    wait_until(
        cluster,
        kind,
        namespace,
        check,
        what=f"{named(word, name, namespace)} to be gone",
        timeout_s=timeout_s,
        clock=clock,
        field=f"metadata.name={name}",
    )
