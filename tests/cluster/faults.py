# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the CSI driver: it reads its faults file before every call, so they are switched while it runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

# gRPC status codes by name, as the CSI specification uses them.
CODES = {
    "OK": 0,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What one call (``CreateSnapshot``, ``CreateVolume`` ...) shall suffer.

    ``code`` other than OK fails it with ``message``; ``delay_s`` holds it up first; ``not_ready_s``, for
    CreateSnapshot, is how long a snapshot is cut but not ready to use.
    """

    code: str = "OK"
    message: str = ""
    delay_s: float = 0
    not_ready_s: float = 0

    def to_json(self) -> dict[str, object]:
        nanoseconds = 1_000_000_000
        return {
            "code": CODES[self.code],
            "message": self.message,
            "delay_ns": int(self.delay_s * nanoseconds),
            "not_ready_ns": int(self.not_ready_s * nanoseconds),
        }


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

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
