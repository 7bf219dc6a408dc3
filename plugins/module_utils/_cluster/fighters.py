# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who starts a workload again while it is being stopped: found in the object's own field ownership. Pure.

The API server writes down who set which field last (``metadata.managedFields``): the manager's name, the time to the
second and the subresource that was used. No audit log is needed for it.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .._core.errors import NotProven
from .._core.plan import Json
from .client import Object
from .kinds import describe
from .stopping import SCALED, SUSPENDED

OURS = "knowngood"


@dataclass(frozen=True, slots=True)
class Fighter:
    """``field``: what was written (``spec.replicas``). ``at``: RFC 3339, empty where the server does not say."""

    manager: str
    field: str
    at: str = ""
    subresource: str = ""

    @property
    def told(self) -> str:
        through = f" through the subresource {self.subresource}" if self.subresource else ""
        return f"{self.manager} wrote {self.field}{through}" + (f" at {self.at}" if self.at else "")


def fighter(obj: Object) -> Fighter:
    """Who wrote last what a stop had written.

    The field's owner where it has one, as the manager that wrote it last owns it. Where the field is gone (a node
    selector that was taken out) nobody owns it: then it is who wrote to the object last, us aside.
    """
    path = _path(str(obj["kind"]))
    entries = [e for e in obj["metadata"].get("managedFields") or [] if e.get("manager") != OURS]
    owning = [entry for entry in entries if _owns(entry.get("fieldsV1") or {}, path)]
    others = [entry for entry in entries if entry.get("subresource") != "status"]
    newest: Mapping[str, Any] = max(owning or others, key=lambda entry: str(entry.get("time", "")), default={})
    return Fighter(
        str(newest.get("manager", "somebody unknown")),
        ".".join(path) if owning else "it last",
        str(newest.get("time", "")),
        str(newest.get("subresource", "")),
    )


def fought(obj: Object, keeper: str = "") -> NotProven:
    """The error for a workload that somebody started again. ``keeper``: who is known to manage or scale it.

    A gate and no lost race: an operation that meets it puts itself back.
    """
    found = fighter(obj)
    name = f"{obj['kind']}/{obj['metadata']['name']}"
    known = f"; it is kept by {keeper}" if keeper else ""
    return NotProven(
        f"somebody starts {name} again while it is to stand still",
        where=describe(obj),
        why=f"{found.told}{_now(obj)}{known}",
        next="pause that controller (for a restore the option pause can), then run the same task again",
        details={"fighter": _details(found)},
    )


def _details(found: Fighter) -> dict[str, Json]:
    return asdict(found)


def _now(obj: Object) -> str:
    spec = obj.get("spec") or {}
    return f", it asks for {spec.get('replicas', 1)} replicas now" if obj["kind"] in SCALED else ""


def _path(kind: str) -> tuple[str, ...]:
    if kind in SCALED:
        return ("spec", "replicas")
    return ("spec", "suspend") if kind in SUSPENDED else ("spec", "template", "spec", "nodeSelector")


def _owns(fields: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    for key in path:
        if f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True
