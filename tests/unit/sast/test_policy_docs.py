# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of docs/sast_policy.md are what the code takes, and its words are the code's."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.knowngood.kube.plugins.module_utils._sast import gate_limits, waivers
from ansible_collections.knowngood.kube.plugins.module_utils._sast.gate import REASONS, Gate
from ansible_collections.knowngood.kube.plugins.module_utils._sast.openvex import read
from ansible_collections.knowngood.kube.plugins.module_utils._sast.waivers import Waivers
from ansible_collections.knowngood.kube.plugins.modules import sast_report

PAGE = (Path(__file__).parents[3] / "docs" / "sast_policy.md").read_text(encoding="utf-8")
NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_can_be_used():
    (task,), *policies = [yaml.safe_load(block) for block in blocks("yaml")]
    examples = {key: value for policy in policies for key, value in policy.items()}
    assert set(examples) == {"waivers", "gate"}
    assert [entry["state"] for entry in Waivers.from_list(examples["waivers"], NOW).report()["waivers"]] == [
        "valid"
    ] * 3
    assert [read(json.loads(block)).report()["hiding"] for block in blocks("json")] == [1]
    gate = Gate.from_dict(examples["gate"])
    assert len(gate.limits) == 7
    assert gate.allow == {"no_comparison"}
    options = yaml.safe_load(sast_report.DOCUMENTATION)["options"]
    assert set(options) >= set(task["knowngood.kube.sast_report"])


@pytest.mark.parametrize("word", sorted({*REASONS, *waivers._SCOPE_KEYS, *gate_limits._KEYS}))
def test_every_word_is_explained(word):
    assert f"`{word}`" in PAGE
