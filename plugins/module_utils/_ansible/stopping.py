# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asked to stop: a signal sets a flag, and the engine looks at it between two steps.

PRIVATE to this collection.
"""

from __future__ import annotations

import signal
import time
from types import FrameType

from .._core.progress import Reporter

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# One Ctrl-C may arrive as several signals (terminal, ansible, its worker); a person who asks again does so later.
_SAME_REQUEST_S = 2.0


class StopFlag:
    """Callable: has somebody asked this process to stop?

    The first signal only sets the flag. Another one, at least two seconds later, ends the process at once; the journal
    then leads the next run on.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._first: float | None = None

    def __call__(self) -> bool:
        return self._first is not None

    def listen(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        now = time.monotonic()
        if self._first is None:
            self._first = now
            self._reporter.say("asked to stop: the current step is finished first")
        elif now - self._first >= _SAME_REQUEST_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
