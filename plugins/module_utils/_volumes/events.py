# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster says about an object that does not come up.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._core.errors import KnownGoodError
from .._core.redact import redact_text
from .objects import Object
from .tools import Tools

_LONGEST = 400


def last_warning(tools: Tools, obj: Object) -> str:
    """The newest warning event of the object; empty where there is none or events may not be read."""
    meta = obj["metadata"]
    field = f"involvedObject.uid={meta['uid']},type=Warning"
    try:
        events = tools.cluster.list("Event", meta.get("namespace"), field=field)
    except KnownGoodError:
        return ""
    newest = max(events, key=event_time, default=None)
    return warning_text(newest) if newest else ""


def warning_text(event: Object) -> str:
    """Reason and message, without secrets, at most 400 characters."""
    return redact_text(f"{event.get('reason')}: {event.get('message')}")[:_LONGEST]


def event_time(event: Object) -> str:
    """When it was last seen: a text that sorts."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
