# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names and marks of the objects this package makes.

Every name follows from what is known when the step begins, so that a run that died and is taken up again finds its own
objects instead of making others.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt

from .._core.plan import Json, digest

RESTORED_FROM = "knowngood.io/restored-from"
OPERATION = "knowngood.io/operation"
CLAIM = "knowngood.io/claim"
POINT = "knowngood.io/recovery-point"
CAPTURE = "knowngood.io/capture"
GROUP_CONTENT = "knowngood.io/group-content"
KEPT = "knowngood.io/kept"
KEEP_UNTIL = "knowngood.io/keep-until"
LONGEST = 253
_ROOM = 32


def short(*parts: Json) -> str:
    """Eight hex digits for these values."""
    return digest(list(parts))[:8]


def tail(operation_id: str) -> str:
    """What is unique of an operation's id: its last part."""
    return operation_id.rpartition("-")[2]


def suffixed(name: str, suffix: str) -> str:
    """``<name>-<suffix>``; a long name is cut, and a digest of it keeps two of them apart."""
    if len(name) + len(suffix) + 1 <= LONGEST - _ROOM:
        return f"{name}-{suffix}"
    return f"{name[: LONGEST - _ROOM - len(suffix) - 10].rstrip('-.')}-{short(name)}-{suffix}"


def point_id(app: str, moment: dt.datetime, operation_id: str) -> str:
    """``<app>-<yyyymmdd>-<hhmmss>-<4 hex>``, UTC."""
    return f"{app}-{moment.astimezone(dt.UTC):%Y%m%d-%H%M%S}-{digest(operation_id)[:4]}"


def point_label(point: str) -> str:
    """The id of a recovery point as a label's value, which holds 63 characters."""
    return point if len(point) <= 63 else f"{point[:50].rstrip('-.')}-{short(point)}"
