# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the contents of snapshots and of groups have in common: their deletion policy, and their end.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

from .._cluster.kinds import Kind, named
from .._core.errors import Conflict, NotProven
from .objects import Object, delete
from .tools import Tools

RETAIN, DELETE = "Retain", "Delete"


def set_policy(
    tools: Tools, kind: str | Kind, name: str, uid: str, policy: str, labels: Mapping[str, str] | None = None
) -> Object:
    """Sets the deletionPolicy (and labels), and looks that it was taken. One request; the uid is its precondition."""
    body: Object = {"spec": {"deletionPolicy": policy}, "metadata": {"labels": dict(labels or {})}}
    done = tools.cluster.patch(kind, name, None, body, uid=uid)
    if done["spec"]["deletionPolicy"] != policy:
        raise NotProven(f"{named(_word(kind), name)} did not keep deletionPolicy {policy}")
    return done


def delete_left(tools: Tools, kind: str | Kind, name: str, uid: str, *, timeout_s: float) -> None:
    """Waits until a content with policy Delete is gone whose snapshot, or group, is gone. Deletes it where nobody does.

    The snapshot controller goes by the policy in its cache: what was set to Delete a moment before is Retain to it, and
    it lets the snapshot go without its content. The annotation by which the sidecar knows that the physical one is to
    be deleted it sets all the same (external-snapshotter, pkg/common-controller/snapshot_controller.go).
    """

    def takes_physical(content: Object) -> None:
        if content["spec"]["deletionPolicy"] != DELETE:
            raise Conflict(
                f"{named(_word(kind), name)} would leave the physical snapshot behind",
                why="its deletionPolicy was changed after it had been set to Delete",
                next="run the same task again",
            )

    delete(tools, kind, name, None, uid, timeout_s=timeout_s, check=takes_physical)


def _word(kind: str | Kind) -> str:
    return kind if isinstance(kind, str) else kind.kind
