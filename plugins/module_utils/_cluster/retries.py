# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests are sent again, and after how long. Pure.

A server that is too busy says so before it does anything: such a request may be sent again whatever it was. A question
that failed on the way may be asked again, too. A write whose answer is missing may have been done: it is never sent
again here, the engine finds out from the cluster.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Mapping

_PAUSES_S = (0.2, 0.5, 1.0)
# What a busy server asks for is heeded up to here, and what took longer than this is not begun again.
_LONGEST_S = 10.0
_BUSY = 429
_PASSING = (500, 502, 503, 504)


def pause(method: str, status: int | None, headers: Mapping[str, str], tries: int, spent_s: float) -> float | None:
    """Seconds to wait before the request is sent again, None where it is not.

    ``status`` is None where no answer came. ``tries`` is how often it was sent, ``spent_s`` how long ago the first was.
    """
    if tries > len(_PAUSES_S) or spent_s > _LONGEST_S:
        return None
    asked = _asked_for(headers)
    if status == _BUSY or (status == 503 and asked is not None):
        return min(max(asked or 0.0, _PAUSES_S[tries - 1]), _LONGEST_S)
    if method == "GET" and (status is None or status in _PASSING):
        return _PAUSES_S[tries - 1]
    return None


def _asked_for(headers: Mapping[str, str]) -> float | None:
    """The seconds of ``Retry-After``; None where it is missing or a date."""
    text = str(headers.get("Retry-After") or "")
    return float(text) if text.isdigit() else None
