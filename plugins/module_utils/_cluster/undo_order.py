# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which operation has to be undone before which. Pure.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._core.ports import ABANDONED, UNDONE, Operation


def undo_first(operation: Operation, others: Iterable[Operation]) -> Operation | None:
    """The newest later operation of the same kind that touched the same objects and still stands. Pure.

    One that was abandoned can never be undone, so it is no reason to wait.
    """
    mine = touched(operation)
    later = [
        op
        for op in others
        if op.id != operation.id
        and op.plan.kind == operation.plan.kind
        and op.state not in (UNDONE, ABANDONED)
        and (op.started, op.id) > (operation.started, operation.id)
        and mine & touched(op)
    ]
    return max(later, key=lambda op: (op.started, op.id), default=None)


def touched(operation: Operation) -> frozenset[str]:
    """Objects that its steps name; patterns (pods of our own) left out."""
    return frozenset(name for step in operation.plan.steps for name in step.touches if not name.endswith("*"))
