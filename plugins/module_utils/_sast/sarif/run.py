# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run as it was read, before anything is resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .locations import Artifact
from .rows import EachResult, SortsOfResults


@dataclass(slots=True)
class RawRun:
    """Metadata reduced to what is used, results as rows in a spool.

    ``results`` is ``list``, ``null`` or ``absent``. ``seen`` counts all entries, ``dropped`` those that became no row.
    """

    index: int
    rows: EachResult | SortsOfResults
    tool: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    invocations: list[dict[str, Any]] = field(default_factory=list)
    taxonomies: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    results: str = "absent"
    seen: int = 0
    dropped: int = 0
