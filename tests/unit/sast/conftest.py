# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builders of small reports: every test says only what it is about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import ReadResult, read_report

Report = dict[str, Any]


def result(**more: Any) -> Report:
    return {"ruleId": "R1", "message": {"text": "bad"}, **more}


def run_of(*results: Report, rules: list[Report] | None = None, **more: Any) -> Report:
    driver = {"name": "Tool", "version": "1.0", "rules": [{"id": "R1"}] if rules is None else rules}
    return {"tool": {"driver": driver}, "results": list(results), **more}


def sarif(*runs: Report, **more: Any) -> Report:
    return {"version": "2.1.0", "runs": list(runs), **more}


class Reading:
    """What came out of a report, ready to be looked at."""

    def __init__(self, outcome: ReadResult) -> None:
        self.outcome = outcome
        self.scan = outcome.scan
        self.findings = list(outcome.findings())
        self.warnings = {warning["code"]: warning["count"] for warning in outcome.scan.warnings}
        self.truncated = {cut["what"]: (cut["kept"], cut["seen"]) for cut in outcome.scan.truncated}

    @property
    def one(self) -> Any:
        assert len(self.findings) == 1
        return self.findings[0]


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., str]:
    """Writes bytes, text or a JSON value to a file and gives its path."""

    def write(content: Any, name: str = "report.sarif") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


@pytest.fixture
def read(put: Callable[..., str]) -> Callable[..., Reading]:
    """Reads a report given as JSON value, text or bytes, with the options named."""

    def reading(content: Any, **options: Any) -> Reading:
        with read_report(put(content), options=ReadOptions(**options)) as outcome:
            return Reading(outcome)

    return reading


@pytest.fixture
def read_run(read: Callable[..., Reading]) -> Callable[..., Reading]:
    """Reads a report with one run of the given results."""

    def reading(*results: Report, rules: list[Report] | None = None, options: Any = None, **more: Any) -> Reading:
        return read(sarif(run_of(*results, rules=rules, **more)), **(options or {}))

    return reading
