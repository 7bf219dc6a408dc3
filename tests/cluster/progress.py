# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Progress lines on stderr: stdout belongs to results."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_STARTED = time.monotonic()
_TICK_S = 15.0


def say(*words: object) -> None:
    print(f"{time.monotonic() - _STARTED:7.2f}", *words, file=sys.stderr, flush=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Announce long work, repeat the line with elapsed seconds while it lasts, and say how long it took."""
    begin, over = time.monotonic(), threading.Event()
    say(what, "...")

    def tick() -> None:
        while not over.wait(_TICK_S):
            say(what, f"... {time.monotonic() - begin:.0f} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        over.set()
        ticker.join()
    say(what, f"done in {time.monotonic() - begin:.1f} s")
