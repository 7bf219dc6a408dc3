# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which rule a result means."""

from __future__ import annotations

import pytest

from .conftest import result, run_of, sarif


def driver(*rules, **more):
    return {"name": "Tool", "rules": list(rules), **more}


def test_the_index_leads_to_the_rule_and_the_id_comes_from_there(read_run):
    found = read_run({"ruleIndex": 1, "message": {"text": "x"}}, rules=[{"id": "A"}, {"id": "B", "name": "Bee"}]).one
    assert (found.rule, found.rule_name, found.descriptor, found.rule_resolution) == ("B", "Bee", "B", "index")


def test_a_rule_that_only_an_extension_describes_is_found_by_its_id(read):
    tool = {"driver": driver(), "extensions": [{"name": "base", "rules": []}, {"name": "pack", "rules": [{"id": "X"}]}]}
    found = read(sarif({"tool": tool, "results": [result(ruleId="X")]})).one
    assert (found.descriptor, found.rule_resolution) == ("X", "id")


def test_an_index_into_an_extension_never_hits_the_driver(read):
    other = {"id": "D", "defaultConfiguration": {"level": "error"}}
    tool = {
        "driver": driver(other),
        "extensions": [{"name": "pack", "rules": [{"id": "E", "defaultConfiguration": {"level": "note"}}]}],
    }
    ref = {"index": 0, "toolComponent": {"index": 0}}
    found = read(sarif({"tool": tool, "results": [{"rule": ref, "message": {"text": "x"}}]})).one
    assert (found.descriptor, found.native, found.rule_resolution) == ("E", "note", "index")


@pytest.mark.parametrize("component", [{"guid": "g-1"}, {"name": "pack"}])
def test_a_component_is_found_by_guid_and_by_name(read, component):
    tool = {"driver": driver({"id": "D"}), "extensions": [{"name": "pack", "guid": "g-1", "rules": [{"id": "E"}]}]}
    ref = {"index": 0, "toolComponent": component}
    assert read(sarif({"tool": tool, "results": [{"rule": ref, "message": {"text": "x"}}]})).one.descriptor == "E"


def test_an_index_into_a_component_that_does_not_exist_means_nothing(read_run):
    ref = {"index": 0, "toolComponent": {"index": 7}}
    found = read_run({"rule": ref, "message": {"text": "x"}})
    assert (found.one.rule_resolution, found.warnings["rule_missing"]) == ("none", 1)


def test_a_guid_finds_its_rule(read_run):
    rules = [{"id": "A"}, {"id": "B", "guid": "g-b"}]
    found = read_run({"rule": {"guid": "g-b"}, "message": {"text": "x"}}, rules=rules).one
    assert (found.descriptor, found.rule_resolution) == ("B", "guid")


def test_a_hierarchical_id_finds_its_rule_by_dropping_parts(read_run):
    found = read_run(result(ruleId="CA5350/md5/weak"), rules=[{"id": "CA5350"}]).one
    assert (found.rule, found.descriptor, found.rule_resolution) == ("CA5350/md5/weak", "CA5350", "prefix")


def test_a_hierarchical_id_with_an_index_is_no_contradiction(read_run):
    found = read_run(result(ruleId="CA5350/md5", ruleIndex=0), rules=[{"id": "CA5350"}])
    assert (found.one.rule_resolution, "rule_id_index_conflict" in found.warnings) == ("index", False)


def test_of_two_rules_with_one_id_the_index_decides(read_run):
    rules = [{"id": "R1", "name": "first"}, {"id": "R1", "name": "second"}]
    assert read_run(result(ruleIndex=1), rules=rules).one.rule_name == "second"
    assert read_run(result(), rules=rules).one.rule_name == "first"


def test_a_former_id_finds_its_rule(read_run):
    found = read_run(result(ruleId="OLD"), rules=[{"id": "NEW", "deprecatedIds": ["OLD"]}]).one
    assert (found.descriptor, found.rule_resolution) == ("NEW", "id")


def test_an_index_that_contradicts_the_id_is_counted_and_the_id_counts(read_run):
    found = read_run(result(ruleId="B", ruleIndex=0), rules=[{"id": "A"}, {"id": "B"}])
    assert (found.one.descriptor, found.one.rule_resolution) == ("B", "id")
    assert found.warnings["rule_id_index_conflict"] == 1


def test_an_index_that_contradicts_an_unknown_id_still_decides_and_is_counted(read_run):
    found = read_run(result(ruleId="Z", ruleIndex=0), rules=[{"id": "A"}])
    assert (found.one.descriptor, found.one.rule_resolution) == ("A", "index")
    assert found.warnings["rule_id_index_conflict"] == 1


def test_an_unknown_rule_keeps_its_id_and_is_counted(read_run):
    found = read_run(result(ruleId="nowhere"), result(ruleId="nowhere"))
    assert {finding.rule for finding in found.findings} == {"nowhere"}
    assert found.findings[0].rule_resolution == "none"
    assert found.warnings["rule_unknown"] == 2


def test_a_result_without_any_rule_is_kept_and_counted(read_run):
    found = read_run({"message": {"text": "x"}})
    assert (found.one.rule, found.one.rule_resolution, found.warnings["rule_missing"]) == ("", "none", 1)


def test_the_rule_object_may_carry_the_id(read_run):
    assert read_run({"rule": {"id": "R1"}, "message": {"text": "x"}}).one.rule_resolution == "id"


def test_results_may_stand_before_the_tool(read):
    run = {"results": [result(ruleIndex=0)], **{"tool": {"driver": driver({"id": "R1", "name": "late"})}}}
    assert read(sarif(run)).one.rule_name == "late"


@pytest.mark.parametrize("link", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd"])
def test_only_web_pages_are_help(read_run, link):
    assert read_run(result(), rules=[{"id": "R1", "helpUri": link}]).one.help_uri is None
    assert read_run(result(), rules=[{"id": "R1", "helpUri": "https://example.com/r"}]).one.help_uri is not None


@pytest.mark.parametrize("tool", [None, [], "x", {"driver": []}, {"driver": {"rules": {}}}, {"driver": {"rules": [1]}}])
def test_a_tool_of_odd_shape_is_no_crash(read, tool):
    found = read(sarif({"tool": tool, "results": [result()], "artifacts": 3, "invocations": "x", "taxonomies": 7}))
    assert (found.one.tool, found.one.rule) == ("unknown", "R1")


def test_the_second_run_has_its_own_rules(read):
    first = run_of(result(ruleIndex=0), rules=[{"id": "R1", "name": "one"}])
    second = run_of(result(ruleIndex=0), rules=[{"id": "R1", "name": "two"}])
    assert [finding.rule_name for finding in read(sarif(first, second)).findings] == ["one", "two"]
