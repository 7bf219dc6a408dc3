# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containment: what was cut off, by what, and what the probe saw on each path.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Row, flag, lines, rows, text, words
from .intake import results
from .phases import operations_of


def containment(steps: Mapping[str, Any]) -> Row:
    """``isolations`` and ``releases``: one entry per quarantine result. ``paths_tried`` and ``paths_enforced``
    count each path once, as its last isolation left it. ``enforced`` of a path is None where nothing was shown.
    """
    isolations = [_quarantine(result) for result in results(steps.get("containment")) if _meaningful(result)]
    releases = [_quarantine(result) for result in results(steps.get("release")) if _meaningful(result)]
    final = last_word(isolations)
    return {
        "isolations": isolations,
        "releases": releases,
        "paths_tried": len(final),
        "paths_enforced": sum(enforced is True for enforced in final.values()),
    }


def last_word(isolations: list[Row]) -> dict[str, bool | None]:
    """Per path what the last attempt saw: a policy that does nothing may be followed by a scale-down that does."""
    return {path["path"] or "": path["enforced"] for isolation in isolations for path in isolation["paths"]}


def _meaningful(result: Row) -> bool:
    return result.get("failed") is not True and result.get("skipped") is not True


def _quarantine(result: Row) -> Row:
    return {
        "workloads": lines(result.get("workloads")),
        "method": text(result, "method"),
        "state": text(result, "state"),
        "enforced": flag(result, "enforced"),
        "why": text(result, "why"),
        "operations": operations_of(result),
        "paths": [_path(entry) for entry in rows(result.get("proof"))],
        "notes": lines(result.get("notes")),
    }


def _path(entry: Row) -> Row:
    origin = words(entry.get("from"))
    goal = text(entry, "path") or "a path not named"
    return {
        "path": f"{goal} from {origin}" if origin else text(entry, "path"),
        "workload": text(entry, "workload"),
        "via": text(entry, "via"),
        "direction": text(entry, "direction"),
        "evidence": text(entry, "evidence"),
        "before": text(entry, "before"),
        "after": text(entry, "after"),
        "enforced": flag(entry, "enforced"),
    }
