# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scanners of infrastructure code, KICS and Checkov: beyond what the corpus says about them."""

from __future__ import annotations

import pytest


def kics(*queries, **more):
    return {"kics_version": "v2.1.3", "files_scanned": 1, "queries": list(queries), **more}


def query(*files, **more):
    return {"query_id": "q1", "query_name": "Public Bucket", "severity": "HIGH", "files": list(files), **more}


def checkov(*failed, **more):
    return {"check_type": "terraform", "results": {"failed_checks": list(failed)}, **more}


class TestKics:
    def test_older_versions_do_not_say_their_version(self, read):
        old = {"files_scanned": 1, "queries_total": 9, "queries": [query({"file_name": "a.tf", "line": 2})]}
        assert read(old).scan.format == "kics"

    def test_what_cannot_be_a_result_is_counted(self, read):
        nameless = query({"file_name": "a.tf"}, query_id=None, query_name=None)
        seen = read(kics(query(files=None), nameless, query("oops")))
        assert seen.warnings["query_without_files"] == 1
        assert seen.warnings["result_without_rule"] == 1
        assert (seen.scan.totals.findings, seen.scan.totals.dropped, seen.scan.status) == (1, 2, "partial")

    def test_the_name_stands_in_for_the_id_and_the_description(self, read):
        found = read(kics(query({"file_name": "a.tf", "line": 2, "actual_value": "acl is public"}, query_id=None))).one
        assert (found.rule, found.message) == ("Public Bucket", "Public Bucket (acl is public)")

    def test_counts_of_other_types_count_for_nothing(self, read):
        assert read(kics(total_counter="many", files_parsed=None, files_failed_to_scan=True)).scan.status == "ok"

    def test_its_own_count_may_include_the_bill_of_materials(self, read):
        one = query({"file_name": "a.tf", "line": 2})
        assert read(kics(one, total_counter=0, total_bom_resources=1)).scan.status == "ok"


class TestCheckov:
    def test_a_check_without_id_is_dropped(self, read):
        seen = read(checkov({"check_name": "x"}, "oops"))
        assert seen.warnings["result_without_rule"] == 2
        assert seen.scan.status == "partial"

    def test_an_entry_that_is_no_framework(self, read):
        seen = read([checkov({"check_id": "C1"}), 7])
        assert seen.warnings["framework_unreadable"] == 1
        assert [found.rule for found in seen.findings] == ["C1"]

    @pytest.mark.parametrize("results", [None, [], {}, {"failed_checks": None}, {"passed_checks": []}])
    def test_without_the_list_of_failed_checks_it_failed(self, read, results):
        assert read({"check_type": "terraform", "results": results}).scan.status == "failed"

    def test_the_same_check_of_two_resources_is_two_findings_that_stay_apart(self, read):
        one, other = ({"check_id": "C1", "check_name": "Public", "resource": name} for name in ("a", "b"))
        both = [found.id for found in read(checkov(one, other)).findings]
        assert [found.id for found in read(checkov(other)).findings] == both[1:], "whichever else is there"

    def test_the_summary_counts_files_that_were_not_parsed(self, read):
        assert read(checkov(summary={"parsing_errors": 2})).scan.status == "partial"

    def test_a_code_block_of_any_shape(self, read):
        blocks = ([[1, "a\n"], [2], "x", [3, None]], "text", None)
        seen = read(checkov(*({"check_id": "C1", "code_block": block} for block in blocks)))
        assert [found.snippet_sha256 is not None for found in seen.findings] == [True, False, False]
