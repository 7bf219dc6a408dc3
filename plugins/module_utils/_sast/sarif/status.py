# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a run finished and saw everything: only then do missing results mean anything."""

from __future__ import annotations

from typing import Any

from ..._core.findings import ScanStatus
from ..shape import as_dict, as_list
from ..text import Cleaner
from .document import RawRun


def of_run(run: RawRun, cleaner: Cleaner) -> tuple[ScanStatus, list[str]]:
    """``failed``: results null or absent, or an invocation that did not succeed. ``partial``: finished, but the tool
    reports errors, or parts of the report lie elsewhere or could not be read."""
    failures = [*_missing_results(run), *_failed_invocations(run, cleaner)]
    if failures:
        return ScanStatus.FAILED, failures
    gaps = [*_error_notifications(run, cleaner), *_external_parts(run)]
    if run.dropped:
        gaps.append(f"{run.dropped} of {run.seen} results were not read")
    return (ScanStatus.PARTIAL, gaps) if gaps else (ScanStatus.OK, [])


def _missing_results(run: RawRun) -> list[str]:
    if run.results == "list":
        return []
    external = as_dict(run.values.get("externalPropertyFileReferences")).get("results")
    if external:
        return ["its results are in another file, which was not read"]
    return [f"its results are {run.results}: the tool did not produce any"]


def _failed_invocations(run: RawRun, cleaner: Cleaner) -> list[str]:
    reasons = []
    for number, invocation in enumerate(run.invocations):
        if invocation.get("processStartFailureMessage"):
            why = cleaner.label(invocation["processStartFailureMessage"], 200)
            reasons.append(f"invocation {number} did not start: {why}")
        elif invocation.get("executionSuccessful") is False:
            code = invocation.get("exitCode")
            detail = f", exit code {code}" if isinstance(code, int) else ""
            reasons.append(f"invocation {number} was not successful (executionSuccessful is false{detail})")
        elif invocation.get("exitSignalName"):
            reasons.append(f"invocation {number} was ended by {cleaner.label(invocation['exitSignalName'], 40)}")
    return reasons


def _error_notifications(run: RawRun, cleaner: Cleaner) -> list[str]:
    reasons = []
    for number, invocation in enumerate(run.invocations):
        for kind in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            errors = [entry for entry in map(as_dict, as_list(invocation.get(kind))) if entry.get("level") == "error"]
            if errors:
                first = cleaner.label(_notification_text(errors[0]), 200)
                reasons.append(f"invocation {number} has {len(errors)} error-level {kind}, first: {first}")
    return reasons


def _notification_text(notification: dict[str, Any]) -> Any:
    message, descriptor = as_dict(notification.get("message")), as_dict(notification.get("descriptor"))
    return message.get("text") or message.get("id") or descriptor.get("id") or "(no text)"


def _external_parts(run: RawRun) -> list[str]:
    references = as_dict(run.values.get("externalPropertyFileReferences"))
    named = sorted(name for name in references if references[name] and isinstance(name, str) and name.isalpha())
    return [f"parts of it are in other files, which were not read: {', '.join(named[:20])}"] if named else []
