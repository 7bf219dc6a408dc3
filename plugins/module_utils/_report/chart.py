# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery points on one line: which is clean, which was chosen, and what lies between it and the incident.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .fields import Row
from .html import Html, el
from .parts import tone
from .text import clock_face, epoch, span

_WIDTH, _LEFT, _RIGHT, _LINE, _RADIUS, _GAP = 1000.0, 70.0, 930.0, 62.0, 12.0, 34.0
_MOST = 24


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    x: float
    point: Row | None


def chart(points: Sequence[Row], incident_at: str | None, data_loss_h: float | None) -> Html | None:
    """An inline SVG, or None where there is nothing to draw. Points that stand close are moved apart and said to be."""
    timed = [(when, point) for point in points if (when := epoch(point["cut_from"])) is not None]
    if not timed or len(timed) > _MOST:
        return None
    declared = epoch(incident_at)
    marks = _place(timed, declared)
    chosen = next((mark for mark in marks if mark.point and mark.point["chosen"]), None)
    end = next((mark for mark in marks if mark.point is None), None)
    return el(
        "svg",
        el("title", _described(points, chosen)),
        _lost(chosen, end, data_loss_h),
        el("line", x1=_LEFT - 40, y1=_LINE, x2=_RIGHT + 40, y2=_LINE, class_="axis"),
        *(_point(mark) for mark in marks if mark.point),
        _incident(end),
        _label(_LEFT - 40, _LINE + 44, clock_face(timed[0][1]["cut_from"]), "start"),
        _label(
            _RIGHT + 40,
            _LINE + 44,
            clock_face(incident_at) if declared else clock_face(timed[-1][1]["cut_from"]),
            "end",
        ),
        viewBox=f"0 0 {_WIDTH:.0f} 116",
        role="img",
    )


def _place(timed: list[tuple[float, Row]], declared: float | None) -> list[_Mark]:
    moments: list[tuple[float, Row | None]] = [*timed, *([(declared, None)] if declared is not None else [])]
    moments.sort(key=lambda pair: (pair[0], pair[1] is None))
    first, last = moments[0][0], moments[-1][0]
    scale = (_RIGHT - _LEFT) / (last - first) if last > first else 0.0
    spots = [_LEFT + (when - first) * scale for when, _point in moments]
    spots = _apart(spots)
    return [_Mark(when, x, point) for (when, point), x in zip(moments, spots, strict=True)]


def _apart(spots: list[float]) -> list[float]:
    """At least a gap between neighbours: pushed right, then what ran over the end pushed back left."""
    for i in range(1, len(spots)):
        spots[i] = max(spots[i], spots[i - 1] + _GAP)
    limit = _RIGHT
    for i in range(len(spots) - 1, -1, -1):
        spots[i] = min(spots[i], limit)
        limit = spots[i] - _GAP
    return spots


def _point(mark: _Mark) -> Html:
    point = mark.point or {}
    word = f"{point['id']}: {point['verdict'] or 'verdict unknown'}" + (", chosen" if point["chosen"] else "")
    return el(
        "g",
        el("title", word),
        el("circle", cx=f"{mark.x:.1f}", cy=_LINE, r=_RADIUS, class_=tone(point["verdict"])),
        el("circle", cx=f"{mark.x:.1f}", cy=_LINE, r=_RADIUS + 5, class_="ring") if point["chosen"] else None,
        el("text", str(point["number"]), x=f"{mark.x:.1f}", y=_LINE + 4.5, text_anchor="middle", class_="in"),
        _label(mark.x, _LINE - 26, "chosen") if point["chosen"] else None,
    )


def _incident(mark: _Mark | None) -> Html | None:
    if mark is None:
        return None
    x = f"{mark.x:.1f}"
    return el("g", el("line", x1=x, y1=24, x2=x, y2=_LINE + 24, class_="mark"), _label(mark.x, 16, "incident"))


def _lost(chosen: _Mark | None, end: _Mark | None, hours: float | None) -> Html | None:
    if chosen is None or end is None or end.x <= chosen.x:
        return None
    word = "data lost" if hours is None else f"data lost: {span(hours * 3600)}"
    return el(
        "g",
        el("rect", x=f"{chosen.x:.1f}", y=_LINE - 18, width=f"{end.x - chosen.x:.1f}", height=36, class_="lost"),
        _label((chosen.x + end.x) / 2, _LINE + 34, word),
    )


def _label(x: float, y: float, text: str, anchor: str = "middle") -> Html:
    return el("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _described(points: Sequence[Row], chosen: _Mark | None) -> str:
    found = chosen.point if chosen else None
    return f"{len(points)} recovery points in order of time, " + (f"{found['id']} chosen" if found else "none chosen")


def legend() -> str:
    """What the picture does not say by itself."""
    return "Numbers are those of the decision table. In order of time; where marks would overlap they are moved apart."
