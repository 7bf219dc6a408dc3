# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots are set to Retain, and labelled, while the rest of their wave is still made.

Doing so at the end would add a write for each claim to the time that a capture takes. Nothing relies on it: the step
that follows looks what is kept, and keeps the rest.

PRIVATE to this collection.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType

from .._core.clock import parse_time
from .._core.errors import KnownGoodError
from . import content_policy, snapshots
from . import snapshot_state as state
from .objects import Object
from .tools import AT_ONCE, Tools


class Keeper:
    """For the time of one wave; left, it has done what it took on, or dropped it where the wave failed.

    ``labels``: those of a point that was cut at this moment. The moment is the earliest that was seen so far, so the
    first contents may have to be labelled anew. ``early``: also while others are not cut yet. That is for waves that
    nobody waits for: where writers are held each request takes from their time.
    """

    def __init__(self, tools: Tools, labels: Callable[[dt.datetime], Mapping[str, str]], *, early: bool) -> None:
        self._tools = tools
        self._labels = labels
        self._early = early
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._begun: list[Future[None]] = []
        self._taken: set[str] = set()
        self._earliest: dt.datetime | None = None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for one in self._begun:
                one.result()

    def seen(self, content: Object) -> None:
        """A content as it is while the wave is cut; kept when the driver is done with it."""
        if self._early and state.is_ready(content):
            self.keep(content)

    def keep(self, content: Object) -> None:
        """Keeps it, in another thread and once. Where the driver did not say when it was cut it is left alone."""
        moment, uid = state.cut_at(content, {}), content["metadata"]["uid"]
        if not moment or uid in self._taken:
            return
        self._taken.add(uid)
        cut = parse_time(moment)
        self._earliest = min(cut, self._earliest or cut)
        self._begun.append(self._pool.submit(self._keep, content, self._labels(self._earliest)))

    def _keep(self, content: Object, labels: Mapping[str, str]) -> None:
        with suppress(KnownGoodError):
            meta = content["metadata"]
            content_policy.set_policy(
                self._tools, snapshots.CONTENT, meta["name"], meta["uid"], content_policy.RETAIN, labels
            )
