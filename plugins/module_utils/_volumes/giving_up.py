# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the steps have in common that free something for good.

PRIVATE to this collection.
"""

from __future__ import annotations

from .._cluster.ledger import LedgerStore
from .._core.operation import Context, NothingToUndo
from .._core.plan import Step
from .tools import Tools


class GivingUp(NothingToUndo):
    """Its result says what was ``freed``, or why it was ``kept`` because somebody needs it by now."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._store = LedgerStore(tools.cluster, tools.state_namespace, clock=tools.clock)

    def done(self, step: Step, context: Context) -> bool:
        result = context.results.get(step.name, {})
        return bool(result.get("freed") or result.get("kept"))
