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
from .record import digests_of
from .tally import Tally

ACCEPTED = "accepted"
LINE_HASH = "primaryLocationLineHash"
"""The fingerprint that code hosting services compute, and the name that they give it."""


class Finish:
    """The last steps, with the options of one report."""

    def __init__(self, options: ReadOptions, tally: Tally) -> None:
        self._options = options
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
        return any(accepted) if self._options.suppressions == "lenient" else bool(accepted) and all(accepted)

    @property
    def idle(self) -> bool:
        """Whether ``judged`` gives every finding back as it is."""
        options = self._options
        return not (options.policy.severity or options.judges or options.source)

    def judged(self, finding: Finding) -> Finding:
        """With its line hash where the source is at hand, the policy's severity, and what waives it."""
        finding = self._rated(self._with_line_hash(finding))
        if finding.state is State.LIVE and self._options.judges:
            from .waivers import waived

            digests = digests_of(self._options.digests, finding.commit)[1]
            for judge in self._options.judges:
                ground = judge.judge(finding, finding.commit, digests)
                if ground is not None:
                    return waived(finding, ground)
        return finding

    def _rated(self, finding: Finding) -> Finding:
        policy = self._options.policy
        rule = policy.severity_for(finding.to_dict()) if policy.severity else None
        if rule is None:
            return finding
        override = Override(finding.severity, finding.severity_source, rule.match, rule.reason)
        return replace(finding, severity=rule.severity, severity_source="policy", override=override)

    def _with_line_hash(self, finding: Finding) -> Finding:
        """What the report states itself is kept."""
        first = finding.locations[0] if finding.locations else None
        known = finding.fingerprints or {}
        if self._options.source is None or first is None or first.place != "inside" or LINE_HASH in known:
            return finding
        value = self._options.source.hash(first.path, first.line)
        return finding if value is None else replace(finding, fingerprints={**known, LINE_HASH: value})
