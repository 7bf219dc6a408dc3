# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading VolumeSnapshot and VolumeSnapshotContent objects. Pure.

Three different things are waited for: *bound* (a content exists), *cut* (the driver has the snapshot: writers may go
on) and *ready* (it can be restored from). ``readyToUse`` that is absent means unknown, not false.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping

from .._core.clock import parse_time, rfc3339
from .._core.plan import Json

Object = Mapping[str, Json]

# What the snapshot controller says of snapshots that no retry will make (external-snapshotter v8, common controller).
# Every other status.error is only the last one of a loop that goes on and is cleared on success.
_FINAL = re.compile(
    r"snapshotting non-CSI volumes is not supported"
    r"|cannot find default snapshot class"
    r"|default snapshot classes were found"
    r"|failed to take snapshot \S+ without a snapshot class"
    r"|cannot find CSI PersistentVolumeSource"
    r"|is being deleted"
    r"|Exactly one of PersistentVolumeClaimName and VolumeSnapshotContentName"
)
DELETION_SECRET = (
    "snapshot.storage.kubernetes.io/deletion-secret-name",
    "snapshot.storage.kubernetes.io/deletion-secret-namespace",
)


def status(obj: Object) -> Object:
    """The status, empty while there is none."""
    found: Object = obj.get("status") or {}
    return found


def handle(content: Object) -> str:
    """The driver's id of the snapshot; empty while it is not cut."""
    return str(status(content).get("snapshotHandle") or (content["spec"]["source"].get("snapshotHandle") or ""))


def is_cut(content: Object) -> bool:
    return bool(status(content).get("snapshotHandle"))


def points_to(content: Object, snapshot: Object) -> bool:
    """Does the content name this snapshot, uid included?"""
    ref, meta = content["spec"].get("volumeSnapshotRef") or {}, snapshot["metadata"]
    return (ref.get("name"), ref.get("namespace"), ref.get("uid")) == (meta["name"], meta.get("namespace"), meta["uid"])


def bound(snapshot: Object, content: Object) -> bool:
    """Binding is two-way: anybody can write one side of it."""
    name = status(snapshot).get("boundVolumeSnapshotContentName")
    return name == content["metadata"]["name"] and points_to(content, snapshot)


def is_ready(obj: Object) -> bool:
    return status(obj).get("readyToUse") is True


def error(obj: Object) -> str:
    """The last error as the object tells it, with its time; empty when there is none."""
    found = status(obj).get("error") or {}
    message = str(found.get("message") or "")
    return f"{message} (at {found.get('time', 'an unknown time')})" if message else ""


def final_error(obj: Object) -> str:
    """The error, where it is one that retrying cannot cure."""
    text = error(obj)
    return text if _FINAL.search(text) else ""


def cut_at(content: Object, snapshot: Object) -> str:
    """When the driver cut it, RFC 3339: of the content (nanoseconds since 1970), else of the snapshot; else empty."""
    nanoseconds = status(content).get("creationTime")
    if isinstance(nanoseconds, int) and nanoseconds > 0:
        seconds, rest = divmod(nanoseconds, 10**9)
        return rfc3339(dt.datetime.fromtimestamp(seconds, dt.UTC) + dt.timedelta(microseconds=rest // 1000))
    text = status(snapshot).get("creationTime")
    return rfc3339(parse_time(str(text))) if text else ""


def restore_size(content: Object) -> int | None:
    """Bytes a volume restored from it needs at least; None where the driver does not say."""
    size = status(content).get("restoreSize")
    return size if isinstance(size, int) and size > 0 else None


def deletion_secret(content: Object) -> dict[str, str]:
    """The annotations that name the Secret a driver needs to delete the snapshot (names, no data)."""
    annotations = content["metadata"].get("annotations") or {}
    return {key: annotations[key] for key in DELETION_SECRET if key in annotations}
