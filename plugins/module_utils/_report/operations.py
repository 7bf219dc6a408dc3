# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was changed under which id, and the command that takes it back: newest first.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .fields import Row, text
from .intake import results
from .phases import TITLES, operations_of
from .text import epoch, moment

# What an operation's id looks like (kind, application, digest). Nothing else is put into a command to be pasted.
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")


def operations(steps: Mapping[str, Any], journal: Mapping[str, Row]) -> list[Row]:
    """Each operation once, newest first: by the time it started, else by the order of the phases."""
    found: dict[str, Row] = {}
    namespace = text(steps, "state_namespace")
    for order, key in enumerate(TITLES):
        named = [(name, result) for result in results(steps.get(key)) for name in operations_of(result)]
        for place, (name, result) in enumerate(named):
            if name not in found:
                entry = _operation(name, key, result, journal.get(name, {}), namespace)
                found[name] = {**entry, "order": (order, place)}
    newest_first = sorted(
        found.values(), key=lambda entry: (epoch(entry["started"]) or 0.0, entry["order"]), reverse=True
    )
    if any(epoch(entry["started"]) is None for entry in newest_first):
        newest_first = sorted(found.values(), key=lambda entry: entry["order"], reverse=True)
    return [{key: value for key, value in entry.items() if key != "order"} for entry in newest_first]


def _operation(name: str, phase: str, result: Row, known: Row, namespace: str | None) -> Row:
    return {
        "id": name,
        "phase": phase,
        "kind": text(known, "kind") or (name.partition("-")[0] or None),
        "started": moment(text(known, "started") or text(result, "started")),
        "ended": moment(text(known, "ended") or text(result, "ended")),
        "state": text(known, "state"),
        "plan_hash": text(known, "plan_hash") or text(result, "plan_hash"),
        "undo_until": moment(text(known, "undo_until") or text(result, "undo_until")),
        "undo": None if text(known, "state") == "abandoned" else undo_command(name, namespace),
    }


def undo_command(name: str, namespace: str | None = None) -> str | None:
    """The command for a shell; None for an id (or a state namespace) that cannot be one of ours."""
    if not all(_ID.fullmatch(word) for word in (name, namespace or name)):
        return None
    where = f" state_namespace={namespace}" if namespace else ""
    return f"ansible localhost -m knowngood.kube.operation -a 'id={name} state=undone{where}'"
