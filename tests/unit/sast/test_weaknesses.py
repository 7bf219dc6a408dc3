# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""CWEs from the four places where tools put them, and what they mean for data."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Effect
from ansible_collections.knowngood.kube.plugins.module_utils._sast.cwe import effect_of, number_of, numbers_in

from .conftest import result

CWE = {"name": "CWE", "guid": "g-cwe", "taxa": [{"id": "22", "guid": "g-22"}, {"id": "CWE-89"}]}


def sources(found):
    return {name: list(where) for name, where in found.cwe_sources.items()}


@pytest.mark.parametrize(
    "reference",
    [
        {"id": "89", "toolComponent": {"name": "CWE"}},
        {"id": "CWE-089", "toolComponent": {"index": 0}},
        {"index": 1, "toolComponent": {"index": 0}},
        {"index": 1, "toolComponent": {"name": "cwe"}},
        {"index": 1, "toolComponent": {"guid": "g-cwe"}},
        {"id": "CWE-89"},
    ],
)
def test_taxa_of_a_result(read_run, reference):
    assert sources(read_run(result(taxa=[reference]), taxonomies=[CWE]).one) == {"CWE-89": ["result.taxa"]}


def test_a_taxon_by_its_own_guid(read_run):
    assert read_run(result(taxa=[{"guid": "g-22"}]), taxonomies=[CWE]).one.cwe == ("CWE-22",)


@pytest.mark.parametrize(
    "reference",
    [
        {"id": "89", "toolComponent": {"name": "OWASP"}},
        {"id": "89"},
        {"index": 9, "toolComponent": {"index": 0}},
        {},
        4,
    ],
)
def test_other_taxa_are_no_weakness(read_run, reference):
    assert read_run(result(taxa=[reference]), taxonomies=[CWE, {"name": "OWASP"}]).one.cwe == ()


def test_a_taxonomy_may_be_an_extension(read):
    tool = {"driver": {"name": "T", "rules": []}, "extensions": [{"name": "x"}, CWE]}
    run = {"tool": tool, "results": [result(taxa=[{"index": 0, "toolComponent": {"index": 1}}])]}
    assert read({"version": "2.1.0", "runs": [run]}).one.cwe == ("CWE-22",)


@pytest.mark.parametrize(
    ("kinds", "counts"),
    [(["superset"], True), (["equal"], True), (None, True), (["subset"], False), (["canPrecede"], False)],
)
def test_relationships_of_a_rule_that_hold_for_each_result(read_run, kinds, counts):
    relation = {"target": {"id": "89", "toolComponent": {"name": "CWE"}}, **({"kinds": kinds} if kinds else {})}
    found = read_run(result(), rules=[{"id": "R1", "relationships": [relation]}]).one
    assert sources(found) == ({"CWE-89": [f"rule.relationships:{kinds[0] if kinds else 'relevant'}"]} if counts else {})


def test_tags_and_properties_of_rule_and_result_are_united_in_order(read_run):
    rules = [{"id": "R1", "properties": {"tags": ["security", "external/cwe/cwe-079"], "cwe": ["CWE-89: SQL", 22]}}]
    found = read_run(result(properties={"cwe": "CWE-0079", "tags": ["cwe:502"]}), rules=rules).one
    assert sources(found) == {
        "CWE-22": ["rule.properties.cwe"],
        "CWE-79": ["result.properties.cwe", "rule.tags"],
        "CWE-89": ["rule.properties.cwe"],
        "CWE-502": ["result.tags"],
    }
    assert found.tags == ("security", "external/cwe/cwe-079", "cwe:502")


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        (89, [89]),
        ("89", [89]),
        ("CWE-79, CWE-089", [79, 89]),
        ({"id": 5}, [5]),
        (True, []),
        ("x", []),
        (None, []),
        (0, []),
    ],
)
def test_reading_a_field_of_weaknesses(value, numbers):
    assert number_of(value) == numbers


def test_a_number_in_a_text_is_no_weakness_unless_it_says_so():
    assert numbers_in("fixed 79 of 89, see RCWE-12, cwe-352 and CWE_611") == [352, 611]


@pytest.mark.parametrize(
    ("names", "effect", "decided"),
    [
        (["CWE-89"], Effect.TAINTS, "CWE-89"),
        (["CWE-798"], Effect.LEAKS, "CWE-798"),
        (["CWE-311"], Effect.WEAKENS, "CWE-311"),
        (["CWE-476"], Effect.NONE, "CWE-476"),
        (["CWE-999999"], Effect.UNKNOWN, "CWE-999999"),
        (["CWE-476", "CWE-311", "CWE-798", "CWE-79"], Effect.TAINTS, "CWE-79"),
        (["CWE-476", "CWE-999999"], Effect.UNKNOWN, "CWE-999999"),
        ([], Effect.UNKNOWN, None),
    ],
)
def test_the_worst_effect_counts_and_says_why(names, effect, decided):
    assert effect_of(names) == (effect, decided)


@pytest.mark.parametrize("number", [22, 78, 79, 89, 94, 434, 502, 862, 863])
def test_what_taints(number):
    assert effect_of([f"CWE-{number}"])[0] == Effect.TAINTS


@pytest.mark.parametrize(("number", "effect"), [(200, "leaks"), (522, "leaks"), (327, "weakens"), (326, "weakens")])
def test_what_leaks_and_weakens(number, effect):
    assert effect_of([f"CWE-{number}"])[0] == effect


def test_a_finding_carries_the_effect_of_its_rule_and_of_itself(read_run):
    rules = [{"id": "R1", "properties": {"tags": ["external/cwe/cwe-327"]}}]
    assert read_run(result(), rules=rules).one.effect == Effect.WEAKENS
    found = read_run(result(properties={"cwe": 89}), rules=rules).one
    assert (found.effect, found.effect_cwe) == (Effect.TAINTS, "CWE-89")
