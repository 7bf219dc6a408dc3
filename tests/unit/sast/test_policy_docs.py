# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of docs/sast_policy.md are what the code takes, and its words are the code's."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.knowngood.kube.plugins.module_utils._sast import gate_limits, waivers
from ansible_collections.knowngood.kube.plugins.module_utils._sast.gate import REASONS, Gate
from ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex import read
from ansible_collections.knowngood.kube.plugins.module_utils._sast.waivers import Waivers

PAGE = (Path(__file__).parents[3] / "docs" / "sast_policy.md").read_text(encoding="utf-8")
NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def examples():
    found: dict[str, object] = {}
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        found |= yaml.safe_load(block)
    return found


def test_the_examples_can_be_used(examples):
    assert set(examples) == {"waivers", "vex", "gate"}
    assert [entry["state"] for entry in Waivers.from_list(examples["waivers"], NOW).report()["waivers"]] == [
        "valid"
    ] * 3
    assert read(examples["vex"]).report()["hiding"] == 1
    gate = Gate.from_dict(examples["gate"])
    assert len(gate.limits) == 7
    assert gate.allow == {"no_comparison"}


@pytest.mark.parametrize("word", sorted({*REASONS, *waivers._SCOPE_KEYS, *gate_limits._KEYS}))
def test_every_word_is_explained(word):
    assert f"`{word}`" in PAGE
