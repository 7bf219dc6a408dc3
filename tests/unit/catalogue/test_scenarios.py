# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Incidents told as data (tests/scenarios/*.yml), each with the decision a careful person would take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import world

_HOME = Path(__file__).parents[2] / "scenarios"
_STORIES = [
    pytest.param({**base, **story}, id=f"{path.stem}: {story['name']}")
    for path in sorted(_HOME.glob("*.yml"))
    for text in [yaml.safe_load(path.read_text(encoding="utf-8"))]
    for base in [text.get("world", {})]
    for story in text["stories"]
]


def test_there_are_stories():
    assert len(_STORIES) > 25


@pytest.mark.parametrize("story", _STORIES)
def test_the_decision_is_the_one_a_careful_person_takes(story: dict[str, Any]):
    told, expected = world.play(story).to_dict(), story["expect"]
    json.dumps(told)  # what leaves is plain JSON
    candidates = {row["id"]: row for row in told["candidates"]}
    told_verdicts = {name: row["verdict"] for name, row in candidates.items()}
    assert {name: told_verdicts[name] for name in expected.get("verdicts", {})} == expected.get("verdicts", {}), told
    for name, verdict in expected.get("code", {}).items():
        assert candidates[name]["code_at_cut"]["verdict"] == verdict
    if "chosen" in expected:
        assert (told["chosen"] or {}).get("id") == expected["chosen"], told["why"]
        assert told["data_loss_h"] == expected.get("loss_h", told["data_loss_h"])
        assert told["why"]
    for mode, choice in expected.get("choices", {}).items():
        assert (told["choices"][mode] or {}).get("id") == choice
    if "overrides" in expected:
        images = {ref: next(iter(each.values())) for ref, each in told["image_overrides"].items()}
        assert {ref: image.partition("@")[2] for ref, image in images.items()} == {
            ref: world.digest(name) for ref, name in expected["overrides"].items()
        }
    if "duties" in expected:
        assert sorted({duty["duty"] for duty in told["duties"]}) == sorted(expected["duties"])
    for name, words in expected.get("because", {}).items():
        row = candidates[name]
        said = " | ".join(
            [*row["against"], *row["for"], *row["data_exposure"]["reasons"], *row["data_exposure"]["notes"]]
        )
        for word in words if isinstance(words, list) else [words]:
            assert word in said
    for word in expected.get("warns", []):
        assert word in " | ".join(told["caveats"])
    for word in expected.get("says", []):
        assert word in json.dumps([told["why"], told["duties"], told["images"]])
    if "least_tainted" in expected:
        assert told["least_tainted"] == expected["least_tainted"]
