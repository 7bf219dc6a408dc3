# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PMD: what its corpus does not show."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def violation(**more):
    return {"beginline": 3, "description": "bad", "rule": "R", "ruleset": "Design", "priority": 3, **more}


def report(*files, **more):
    return {"pmdVersion": "7.9.0", "files": list(files), "processingErrors": [], **more}


@pytest.mark.parametrize("order", ["name first", "name last"])
def test_the_order_of_the_members_does_not_matter(read, order):
    members = [("filename", "a/B.java"), ("violations", [violation()])]
    found = read(report(dict(members if order == "name first" else reversed(members)))).one
    assert (found.path, found.severity) == ("a/B.java", "medium")


def test_a_file_with_more_violations_than_a_window_loses_none(read):
    many = {"filename": "a.java", "violations": [violation(description="x" * 100) for _number in range(2000)]}
    seen = read(report(many), window=16_384)
    assert seen.scan.totals.findings == 2000
    assert seen.truncated == {}


@pytest.mark.parametrize("entry", [{"rule": None}, {"rule": ""}, {"rule": []}])
def test_a_violation_without_a_rule_is_dropped_and_counted(read, entry):
    seen = read(report({"filename": "a", "violations": [violation(), violation(**entry)]}))
    assert (seen.scan.totals.results, seen.scan.totals.dropped) == (2, 1)


@pytest.mark.parametrize("odd", [None, 1, "x", []])
def test_odd_shapes_are_no_crash(read, odd):
    seen = read(report(odd, {"filename": odd, "violations": [odd]}, {"violations": odd}, suppressedViolations=odd))
    assert seen.scan.totals.findings == 0
    assert seen.scan.status == "partial"


def test_rules_that_could_not_be_applied_make_it_partial(read):
    seen = read(report(configurationErrors=[{"rule": "R", "message": "no property"}]))
    assert seen.scan.status == "partial"
    assert "R: no property" in seen.scan.status_reasons[0]


def test_the_copy_paste_detector_is_another_tool(read):
    with pytest.raises(BadInput, match="no report of a format that we know"):
        read("<pmd-cpd><duplication lines='3' tokens='9'/></pmd-cpd>")


def test_in_the_table_a_row_without_a_rule_is_dropped(read):
    head = "Problem,Package,File,Priority,Line,Description,Rule set,Rule\n"
    seen = read(head + "1,a,b.java,3,4,bad,Design,\n")
    assert seen.scan.totals.dropped == 1
