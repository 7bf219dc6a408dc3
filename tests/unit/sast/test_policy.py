# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Severities overridden by a team's policy."""

from __future__ import annotations

import builtins

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.policy import Policy

from .conftest import result


def policy(*rules):
    return Policy.from_dict(
        {"severity": [dict(zip(("match", "severity", "reason"), rule, strict=False)) for rule in rules]}
    )


def test_the_first_match_wins_and_what_it_replaced_is_kept(read_run):
    rules = policy(("rule == 'X'", "info"), ("rule == 'R1'", "critical", "ours"), ("rule == 'R1'", "low"))
    found = read_run(result(level="note"), options={"policy": rules})
    assert (found.one.severity, found.one.severity_source) == ("critical", "policy")
    assert found.one.override.to_dict() == {
        "before": "low",
        "source_before": "level:result",
        "match": "rule == 'R1'",
        "reason": "ours",
    }
    assert found.scan.totals.by_severity["critical"] == 1


def test_without_a_match_the_tool_decides(read_run):
    found = read_run(result(), options={"policy": policy(("contains(cwe, 'CWE-89')", "low"))}).one
    assert (found.severity, found.override) == ("medium", None)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ({"severities": []}, "unknown keys"),
        ({"severity": "high"}, "must be a list"),
        ({"severity": ["x"]}, "must be a dictionary"),
        ({"severity": [{"match": "a", "severity": "low", "x": 1}]}, "unknown keys"),
        ({"severity": [{"severity": "low"}]}, "needs a match"),
        ({"severity": [{"match": " ", "severity": "low"}]}, "needs a match"),
        ({"severity": [{"match": "a", "severity": "awful"}]}, "no such severity"),
        ({"severity": [{"match": "a ==", "severity": "low"}]}, "not a JMESPath expression"),
        ({"severity": [{"match": "nofunction(a)", "severity": "low"}]}, "fails on the data"),
        ({"severity": [{"match": "message", "severity": "low"}]}, "true or false"),
    ],
)
def test_a_bad_policy_is_an_error(read_run, data, what):
    with pytest.raises(BadInput, match=what):
        read_run(result(), options={"policy": Policy.from_dict(data)})


def test_without_jmespath_the_cure_is_named_and_an_empty_policy_needs_none(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "jmespath":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert Policy.from_dict({"severity": []}) == Policy.from_dict(None)
    with pytest.raises(BadInput, match="pip install jmespath"):
        policy(("a == 'b'", "low"))
