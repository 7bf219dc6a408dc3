# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every reader does with a finding before it leaves: secrets out, state decided, the team's judgement applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .._core.findings import Finding, Override, State, Suppression
from . import secrets
from .options import ReadOptions
from .tally import Tally

ACCEPTED = "accepted"


class Finish:
    """The last steps, with the options of one report."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        self._policy = options.policy
        self._reading = options.suppressions
        self._tally = tally

    def redacted(self, text: str, snippet: str, secret: bool) -> str:
        """A text without secrets; ``secret``: its rule is about secrets, so the snippet may be quoted in it."""
        cleaned = secrets.redact(text, snippet=snippet if secret else "", strict=secret)
        if cleaned != text:
            self._tally.warn("secrets_redacted", "texts that quote secrets have a hash in their place")
        return cleaned

    def state(self, baseline: str | None, suppressions: Sequence[Suppression]) -> State:
        if baseline == "absent":
            return State.ABSENT
        return State.SUPPRESSED if self._hidden(suppressions) else State.LIVE

    def _hidden(self, suppressions: Sequence[Suppression]) -> bool:
        """``strict``: all must be accepted (SARIF 2.1.0, 3.27.23); ``lenient``: one accepted is enough."""
        accepted = [entry.status == ACCEPTED for entry in suppressions]
        return any(accepted) if self._reading == "lenient" else bool(accepted) and all(accepted)

    def judged(self, finding: Finding) -> Finding:
        """With the severity that the policy gives it, if it has one for it."""
        if not self._policy.severity:
            return finding
        rule = self._policy.severity_for(finding.to_dict())
        if rule is None:
            return finding
        override = Override(finding.severity, finding.severity_source, rule.match, rule.reason)
        return replace(finding, severity=rule.severity, severity_source="policy", override=override)
