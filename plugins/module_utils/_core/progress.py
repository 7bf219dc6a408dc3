# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One line of progress at a time, to whoever listens.

PRIVATE to this collection.
"""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Takes plain lines; the receiver decides whether and where they are shown. Never given a secret."""

    def say(self, text: str) -> None: ...


class SilentReporter:
    """Nobody listens."""

    def say(self, text: str) -> None:
        del text
