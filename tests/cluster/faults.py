# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the CSI driver: it reads its faults file before every call, so they are switched while it runs.

``faults.set(CreateSnapshot=never_ready(), CreateVolume=slow(30, source="snapshot"))``. Calls that matter:
``CreateVolume``, ``CreateSnapshot``, ``CreateVolumeGroupSnapshot``, and ``Delete...`` of each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# gRPC status codes by name, as the CSI specification uses them.
CODES = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}
SOURCES = ("", "snapshot", "volume", "empty")
_LONGEST_NS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Fault:
    """What one call (``CreateSnapshot``, ``CreateVolume`` ...) shall suffer.

    ``code`` other than OK fails it with ``message``; ``delay_s`` holds it up before it does anything, ``after_s``
    between what it does and its answer (the caller of a CSI driver gives up after 60 s, the driver goes on);
    ``not_ready_s``, for CreateSnapshot and CreateVolumeGroupSnapshot, is how long a snapshot is cut but not ready to
    use (``math.inf``: never, until the faults change). Only calls that fit are hit: the first ``times`` of a call
    since ``set`` (0: all), those whose request's text holds ``match`` (a volume's id; claim and namespace for
    CreateVolume; VolumeSnapshot and namespace for CreateSnapshot; ``not_ready_s`` knows the CSI name and the source
    volume's id only), CreateVolume from ``source``: ``snapshot``, ``volume`` or ``empty``.
    """

    code: str = "OK"
    message: str = ""
    delay_s: float = 0
    not_ready_s: float = 0
    after_s: float = 0
    times: int = 0
    match: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"code {self.code!r} is none of {', '.join(CODES)}")
        if self.source not in SOURCES:
            raise ValueError(f"source {self.source!r} is none of {', '.join(SOURCES[1:])}")

    def to_json(self) -> dict[str, object]:
        return {
            "code": CODES[self.code],
            "message": self.message,
            "delay_ns": _nanoseconds(self.delay_s),
            "after_ns": _nanoseconds(self.after_s),
            "not_ready_ns": _nanoseconds(self.not_ready_s),
            "times": self.times,
            "match": self.match,
            "from": self.source,
        }


def _nanoseconds(seconds: float) -> int:
    return _LONGEST_NS if math.isinf(seconds) else int(seconds * 1_000_000_000)


def failing(message: str = "injected: the array said no", *, times: int = 0, match: str = "") -> Fault:
    """A final error."""
    return Fault(code="INTERNAL", message=message, times=times, match=match)


def unavailable(*, times: int = 0, match: str = "") -> Fault:
    """An error after which nobody knows whether it was done; callers try again."""
    return Fault(code="UNAVAILABLE", message="injected: no connection to the array", times=times, match=match)


def exhausted(*, times: int = 0, match: str = "") -> Fault:
    return Fault(code="RESOURCE_EXHAUSTED", message="injected: no capacity left", times=times, match=match)


def slow(seconds: float, *, source: str = "", match: str = "") -> Fault:
    """Every call takes so long; for CreateVolume with ``source="snapshot"`` it is a restore that hydrates."""
    return Fault(delay_s=seconds, source=source, match=match)


def slow_answer(seconds: float, *, match: str = "") -> Fault:
    """Done at once, told late: the cut is ``seconds`` older than the answer that names it."""
    return Fault(after_s=seconds, match=match)


def never_ready(*, match: str = "") -> Fault:
    return Fault(not_ready_s=math.inf, match=match)


def ready_late(seconds: float, *, match: str = "") -> Fault:
    return Fault(not_ready_s=seconds, match=match)


class Faults:
    """The faults of one driver; ``set`` and ``clear`` take effect with the driver's next call."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, **calls: Fault) -> None:
        """Replace all faults: ``faults.set(CreateSnapshot=Fault(code="INTERNAL", message="disk on fire"))``."""
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(json.dumps({call: fault.to_json() for call, fault in calls.items()}))
        # In one step: the driver never reads half a file.
        unfinished.replace(self.path)

    @contextmanager
    def during(self, **calls: Fault) -> Iterator[None]:
        """These faults for as long as the block runs, none after it."""
        self.set(**calls)
        try:
            yield
        finally:
            self.clear()

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
