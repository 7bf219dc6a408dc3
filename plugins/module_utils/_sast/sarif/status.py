# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a run finished and saw everything: only then do missing results mean anything."""

from __future__ import annotations

from typing import Any

from ..._core.findings import ScanStatus
from ..shape import as_dict, as_list
from ..text import Cleaner
from .levels import Overrides
from .rules import RuleBook
from .run import RawRun
from .taxa import Taxonomies


def of_run(run: RawRun, cleaner: Cleaner) -> tuple[ScanStatus, list[str]]:
    """``failed``: results null or absent, or an invocation that did not succeed. ``partial``: finished, but the tool
    reports errors, or parts of the report lie elsewhere or could not be read."""
    failures = [*_missing_results(run), *_failed_invocations(run, cleaner)]
    if failures:
        return ScanStatus.FAILED, failures
    gaps = [*_error_notifications(run, cleaner), *_conversion(run, cleaner), *_external_parts(run)]
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
    named = ((f"invocation {number}", invocation) for number, invocation in enumerate(run.invocations))
    return [reason for name, invocation in named if (reason := _failure(name, invocation, cleaner))]


def _failure(name: str, invocation: dict[str, Any], cleaner: Cleaner) -> str:
    """How an invocation failed; empty if it did not."""
    if invocation.get("processStartFailureMessage"):
        return f"{name} did not start: {cleaner.label(invocation['processStartFailureMessage'], 200)}"
    if invocation.get("executionSuccessful") is False:
        code = invocation.get("exitCode")
        detail = f", exit code {code}" if isinstance(code, int) else ""
        return f"{name} was not successful (executionSuccessful is false{detail})"
    if invocation.get("exitSignalName"):
        return f"{name} was ended by {cleaner.label(invocation['exitSignalName'], 40)}"
    return ""


def _conversion(run: RawRun, cleaner: Cleaner) -> list[str]:
    """The tool finished, but what turned its output into this report may not have (SARIF 2.1.0, 3.22)."""
    failure = _failure("the conversion", as_dict(as_dict(run.values.get("conversion")).get("invocation")), cleaner)
    return [failure] if failure else []


def _error_notifications(run: RawRun, cleaner: Cleaner) -> list[str]:
    levels = _NotificationLevels(run)
    reasons = []
    for number, invocation in enumerate(run.invocations):
        for kind in ("toolExecutionNotifications", "toolConfigurationNotifications"):
            entries = map(as_dict, as_list(invocation.get(kind)))
            errors = [entry for entry in entries if levels.of(entry, number) == "error"]
            if errors:
                first = cleaner.label(_notification_text(errors[0]), 200)
                reasons.append(f"invocation {number} has {len(errors)} error-level {kind}, first: {first}")
    return reasons


class _NotificationLevels:
    """The level of a notification: its own, else its invocation's override, else its descriptor's, else warning."""

    def __init__(self, run: RawRun) -> None:
        components = [as_dict(run.tool.get("driver")), *map(as_dict, as_list(run.tool.get("extensions")))]
        driver, *extensions = ({**component, "rules": component.get("notifications")} for component in components)
        self._book = RuleBook.of({"driver": driver, "extensions": extensions}, Taxonomies())
        self._overrides = Overrides.of(run.invocations, self._book, "notificationConfigurationOverrides")

    def of(self, notification: dict[str, Any], invocation: int) -> Any:
        resolution = self._book.resolve(None, None, notification.get("descriptor"))
        override = self._overrides.configuration({"invocationIndex": invocation}, resolution).get("level")
        default = resolution.rule.level if resolution.rule is not None else None
        return notification.get("level") or override or default or "warning"


def _notification_text(notification: dict[str, Any]) -> Any:
    message, descriptor = as_dict(notification.get("message")), as_dict(notification.get("descriptor"))
    return message.get("text") or message.get("id") or descriptor.get("id") or "(no text)"


def _external_parts(run: RawRun) -> list[str]:
    references = as_dict(run.values.get("externalPropertyFileReferences"))
    named = sorted(name for name in references if references[name] and isinstance(name, str) and name.isalpha())
    return [f"parts of it are in other files, which were not read: {', '.join(named[:20])}"] if named else []
