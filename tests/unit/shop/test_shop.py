# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shop's history and scanner are what the case study says they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from examples.shop import history, scan


@pytest.mark.parametrize(
    ("version", "ruleset", "found"),
    [("a1", 1, 0), ("b2", 1, 0), ("b3", 1, 0), ("c4", 1, 0), ("a1", 2, 0), ("b2", 2, 1), ("b3", 2, 1), ("c4", 2, 0)],
)
def test_only_the_newer_ruleset_sees_the_hole_and_only_in_b2_and_b3(version: str, ruleset: int, found: int) -> None:
    report = scan.sarif(history.sources()[version], commit="c", ruleset=ruleset, when="2026-01-01T00:00:00Z")
    (run,) = report["runs"]
    assert len(run["results"]) == found


def test_every_version_is_python_and_only_a1_has_no_search() -> None:
    found = {}
    for name, text in history.sources().items():
        functions = {node.name for node in ast.walk(ast.parse(text, name)) if isinstance(node, ast.FunctionDef)}
        found[name] = "search" in functions
    assert found == {"a1": False, "b2": True, "b3": True, "c4": True}


def test_commit_ids_are_the_same_on_every_machine(tmp_path: Path) -> None:
    assert history.write_repository(tmp_path / "one") == history.write_repository(tmp_path / "two")


def test_an_edit_that_fits_nowhere_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="0 times"):
        history.Edit("nowhere", "x").applied("text")
