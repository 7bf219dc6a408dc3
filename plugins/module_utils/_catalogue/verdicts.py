# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The five verdicts and their order.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable

CLEAN, UNVERIFIED, EXPOSED, SUSPECT, COMPROMISED = "clean", "unverified", "exposed", "suspect", "compromised"
RANKED = (CLEAN, UNVERIFIED, EXPOSED, SUSPECT, COMPROMISED)
"""Best first."""


def worst(verdicts: Iterable[str]) -> str:
    """The worst of them; clean for none."""
    return max(verdicts, key=RANKED.index, default=CLEAN)


def at_least(verdict: str, wanted: str) -> bool:
    """Is the verdict as good as the wanted one, or better?"""
    return RANKED.index(verdict) <= RANKED.index(wanted)
