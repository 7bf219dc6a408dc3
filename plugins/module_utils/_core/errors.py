# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, in one shape: what failed, where, why, and what to do next.

PRIVATE to this collection.
"""

from __future__ import annotations


class KnownGoodError(Exception):
    """A failure a person can act on.

    ``what`` is one sentence without a full stop. ``where`` names the place (context, namespace, object, file and line).
    ``why`` is the cause as seen. ``next`` is a command or an edit that helps. ``changed`` is true when something was
    already changed before the failure; ``details`` holds JSON values for machines and never secrets.
    """

    code = "failed"

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        why: str = "",
        next: str = "",
        changed: bool = False,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.next = next
        self.changed = changed
        self.details = details or {}

    def __str__(self) -> str:
        text = self.what
        if self.where:
            text += f" ({self.where})"
        if self.why:
            text += f": {self.why}"
        if self.next:
            text += f". Next: {self.next}"
        return text


class BadInput(KnownGoodError):
    """An option, a file or an object that cannot be used as given; nothing was changed."""

    code = "bad_input"


class NotFound(KnownGoodError):
    """An object that was named does not exist."""

    code = "not_found"


class Unreachable(KnownGoodError):
    """The API server (or a kubeconfig that leads to it) cannot be reached."""

    code = "unreachable"


class Denied(KnownGoodError):
    """The API server refused the caller: not authenticated or not authorized."""

    code = "denied"


class Conflict(KnownGoodError):
    """Somebody else changed or holds what this run needs; a precondition did not match."""

    code = "conflict"


class TakenOver(Conflict):
    """Another run has gone on with this run's operation: nothing of it is this run's to write, or to undo, any more."""


class Rejected(KnownGoodError):
    """The API server understood the request and refused its content."""

    code = "rejected"


class TimedOut(KnownGoodError):
    """A deadline passed; the last state seen is in ``why``."""

    code = "timed_out"


class Interrupted(KnownGoodError):
    """The run was asked to stop and stopped between two steps; ``next`` says how to go on."""

    code = "interrupted"


class NotProven(KnownGoodError):
    """A gate did not see the evidence it needs (a probe, a handshake, a health check)."""

    code = "not_proven"
