# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision table: every recovery point, what speaks for and against it, and which one was chosen.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Row, flag, lines, number, row, rows, text, words
from .intake import results
from .text import epoch, moment


def decision(steps: Mapping[str, Any]) -> Row:
    """``chosen`` (id or None), ``mode``, ``data_loss_h``, ``candidates`` (oldest first, numbered from 1),
    ``image_overrides``.
    """
    told = next(iter(results(steps.get("decision"))), {})
    chosen = text(row(told.get("chosen")), "id") or text(told, "chosen")
    candidates = sorted(
        (_candidate(entry, chosen) for entry in rows(told.get("candidates"))),
        key=lambda entry: (epoch(entry["cut_from"]) or 0.0, entry["id"] or ""),
    )
    for position, entry in enumerate(candidates, 1):
        entry["number"] = position
    return {
        "chosen": chosen,
        "mode": text(told, "mode"),
        "data_loss_h": number(told, "data_loss_h"),
        "candidates": candidates,
        "image_overrides": image_overrides(told.get("image_overrides")),
    }


def _candidate(entry: Row, chosen: str | None) -> Row:
    name = text(entry, "id")
    first, last = cut(entry.get("cut_at"))
    return {
        "number": 0,
        "id": name,
        "chosen": bool(name) and name == chosen,
        "cut_from": first,
        "cut_to": last,
        "verdict": text(entry, "verdict"),
        "consistency": text(entry, "consistency"),
        "code_at_cut": _part(entry.get("code_at_cut")),
        "data_exposure": _part(entry.get("data_exposure")),
        "evidence": _part(entry.get("evidence")),
        "for": lines(entry.get("for")),
        "against": lines(entry.get("against")),
        "loss_h": number(entry, "loss_h", "data_loss_h"),
        "chosen_by": lines(entry.get("chosen_by")),
        "held": flag(entry, "held"),
    }


def _part(value: Any) -> str | None:
    """One of the three verdicts: a word, or a mapping with a verdict and its reasons."""
    if isinstance(value, Mapping):
        verdict = text(value, "verdict", "state")
        reasons = lines(value.get("reasons"))
        return (f"{verdict}: {'; '.join(reasons)}" if reasons else verdict) if verdict else words(value) or None
    return words(value) or None


def cut(value: Any) -> tuple[str | None, str | None]:
    """The earliest and the latest of the cuts: a time, a list of times, or times by claim."""
    if isinstance(value, Mapping):
        value = list(value.values())
    times = [moment(item) for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item]
    known = sorted((when for when in times if when), key=lambda when: (epoch(when) or 0.0, when))
    return (known[0], known[-1]) if known else (None, None)


def image_overrides(value: Any) -> list[Row]:
    """``workload``, ``container``, ``image`` of {workload: {container: image}} or of a list of such rows."""
    if isinstance(value, Mapping):
        return [
            {"workload": str(workload), "container": str(container) if container else None, "image": words(image)}
            for workload, images in sorted(value.items())
            for container, image in (sorted(images.items()) if isinstance(images, Mapping) else [("", images)])
        ]
    return [
        {
            "workload": text(entry, "workload", "name"),
            "container": text(entry, "container"),
            "image": text(entry, "image", "digest"),
        }
        for entry in rows(value)
    ]
