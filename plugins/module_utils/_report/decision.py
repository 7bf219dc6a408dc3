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
    """``chosen`` (id or None), ``mode``, ``why``, ``choices`` (the id by mode), ``data_loss_h`` and until when it
    counts, ``candidates`` (oldest first, numbered from 1), ``least_tainted``, ``image_overrides``, ``rules``,
    ``warnings``.
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
        "why": lines(told.get("why")),
        "choices": {str(mode): text(choice, "id") for mode, choice in sorted(row(told.get("choices")).items())},
        "data_loss_h": number(told, "data_loss_h"),
        "data_loss_until": moment(text(told, "data_loss_until")),
        "candidates": candidates,
        "least_tainted": text(told, "least_tainted"),
        "image_overrides": image_overrides(told.get("images") or told.get("image_overrides")),
        "rules": text(told, "rules"),
        "warnings": lines(told.get("warnings")),
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
        "purpose": text(entry, "purpose"),
        "state": text(entry, "state"),
    }


def _part(value: Any) -> Row:
    """One of the three verdicts with its reasons and notes; a word alone has none."""
    given = row(value)
    return {
        "verdict": text(given, "verdict") if given else words(value) or None,
        "reasons": lines(given.get("reasons")),
        "notes": lines(given.get("notes")),
    }


def cut(value: Any) -> tuple[str | None, str | None]:
    """The earliest and the latest of the cuts: a time, a list of times, or times by claim."""
    if isinstance(value, Mapping):
        value = list(value.values())
    times = [moment(item) for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item]
    known = sorted((when for when in times if when), key=lambda when: (epoch(when) or 0.0, when))
    return (known[0], known[-1]) if known else (None, None)


def image_overrides(value: Any) -> list[Row]:
    """``workload``, ``container``, ``image``, ``commit``, ``why``; of rows, or of {workload: {container: image}}."""
    if isinstance(value, Mapping):
        value = [
            {"workload": str(workload), "container": container, "image": words(image)}
            for workload, images in sorted(value.items())
            for container, image in (sorted(images.items()) if isinstance(images, Mapping) else [(None, images)])
        ]
    return [
        {
            "workload": text(entry, "workload"),
            "container": text(entry, "container"),
            "image": text(entry, "digest", "image"),
            "commit": text(entry, "commit"),
            "why": text(entry, "reason"),
        }
        for entry in rows(value)
    ]
