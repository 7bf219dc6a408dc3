# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import document as page
from tests.bench.figures import Measure, Section, Target, report, section_text
from tests.bench.rig import ready_pods


def test_the_median_counts_and_every_reading_is_shown() -> None:
    assert str(Measure("floor", (3, 1, 2))) == "2.00 s (3.00, 1.00, 2.00)"
    assert str(Measure("memory", (123.4,), "MiB")) == "123 MiB"


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target("t", 1.15, most=1.15), "yes"),
        (Target("t", 1.16, most=1.15), "**no**"),
        (Target("t", 8, least=8), "yes"),
        (Target("t", 7.9, least=8), "**no**"),
        (Target("t", None, least=8), "not measured"),
    ],
)
def test_a_target_is_met_or_it_is_not(target: Target, met: str) -> None:
    assert target.met == met


def test_what_was_not_measured_says_so() -> None:
    section = Section("s", "how", targets=[Target("beside Velero", None, least=3, unit="x")], notes=["Velero: no."])
    text = section_text(section)
    assert "| beside Velero | at least 3.00 x | - | not measured |" in text
    assert "- Velero: no." in text
    assert report([section], {"when": "now"}).startswith("|  |  |\n| --- | --- |\n| when | now |\n\n### s")


def test_figures_are_put_between_the_marks_of_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "benchmarks.md"
    monkeypatch.setattr(page, "DOCUMENT", document)
    document.write_text("# by hand\n\n<!-- figures: begin -->\nold\n<!-- figures: end -->\n\nby hand too\n")
    page.write("figures", "new")
    assert document.read_text() == (
        "# by hand\n\n<!-- figures: begin -->\n\nnew\n<!-- figures: end -->\n\nby hand too\n"
    )


def test_a_pod_serves_while_it_is_ready_and_not_being_deleted() -> None:
    ready = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    going = {**ready, "metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}}
    assert ready_pods([ready, going, {"metadata": {}, "status": {}}]) == 1
