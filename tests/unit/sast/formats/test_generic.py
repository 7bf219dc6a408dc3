# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generic findings, ours and DefectDojo's: beyond what the corpus says about them."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput


def ours(*findings, **more):
    return {"knowngood": 1, "tool": {"name": "House"}, "status": "ok", "findings": list(findings), **more}


class TestOurs:
    @pytest.mark.parametrize("version", [0, 2, 1.5, -1])
    def test_other_versions(self, read, version):
        with pytest.raises(BadInput, match="version of the simple report"):
            read(ours(knowngood=version))

    @pytest.mark.parametrize("status", [None, "", "done", True, []])
    def test_a_status_that_says_nothing(self, read, status):
        assert read(ours(status=status)).scan.status == "failed"

    def test_the_reason_of_a_failure(self, read):
        assert read(ours(status="failed", reason="out of memory")).scan.status_reasons == ("out of memory",)
        assert read(ours(status="partial")).scan.status_reasons == ("it says that the scan is partial",)

    @pytest.mark.parametrize("findings", [None, {}, "none"])
    def test_findings_that_are_no_list(self, read, findings):
        assert read({**ours(), "findings": findings}).scan.status == "failed"

    def test_several_locations(self, read):
        places = [{"path": "a.py", "line": 1}, {"path": "b.py", "line": "2-4"}]
        found = read(ours({"rule": "R", "severity": "HIGH", "locations": places, "path": "z.py"})).one
        assert [(place.path, place.line, place.end_line) for place in found.locations] == [
            ("a.py", 1, None),
            ("b.py", 2, 4),
        ]
        assert found.severity == "high", "whatever the case"

    def test_a_finding_without_rule(self, read):
        seen = read(ours({"message": "x"}, 5))
        assert seen.warnings["result_without_rule"] == 2

    def test_its_secrets_stay(self, read):
        found = read(ours({"rule": "R", "message": "It is abcdefgh12", "snippet": "abcdefgh12", "secret": True})).one
        assert "abcdefgh12" not in found.message

    @pytest.mark.parametrize(("said", "state"), [("", "live"), ({}, "live"), ("why", "suppressed"), (7, "live")])
    def test_what_suppresses(self, read, said, state):
        assert read(ours({"rule": "R", "suppressed": said})).one.state == state

    def test_unknown_names_around_the_findings(self, read):
        assert read(ours(findigns=[])).warnings["name_unknown"] == 1


class TestOurTable:
    HEAD = "rule,message,severity,path,line"

    def test_a_row_without_rule_and_an_unknown_column(self, read):
        seen = read(f"{self.HEAD},colour\n,x,low,a.py,1,red\nR,x,low,a.py,1,red\n#end,2,,,,\n")
        assert (seen.scan.totals.dropped, seen.scan.totals.findings) == (1, 1)
        assert seen.warnings["name_unknown"] == 1

    def test_rows_behind_the_end_are_counted(self, read):
        seen = read(f"{self.HEAD}\n#end,0,,,\nR,x,low,a.py,1\n")
        assert seen.scan.status == "partial"
        assert seen.one.rule == "R"

    def test_the_end_without_a_number(self, read):
        assert read(f"{self.HEAD}\n#end,,,,\n").scan.status_reasons == (
            "its row #end counts nothing, there are 0 rows",
        )

    def test_a_secret(self, read):
        text = f"{self.HEAD},secret,snippet\nR,It is abcdefgh12,low,a.py,1,yes,abcdefgh12\n#end,1,,,,,\n"
        assert "abcdefgh12" not in read(text).one.message


class TestDefectDojo:
    def test_flags_as_text(self, read):
        entry = {"title": "T", "severity": "Low", "false_p": "Yes", "active": "maybe"}
        assert read({"findings": [entry]}).one.state == "suppressed"

    def test_without_a_title_the_id_of_the_tool_will_do(self, read):
        seen = read({"findings": [{"title": "T", "severity": "Low"}, {"vuln_id_from_tool": "V1"}, {"severity": "Low"}]})
        assert [found.rule for found in seen.findings] == ["T", "V1"]
        assert seen.scan.totals.dropped == 1

    def test_endpoints_of_any_shape(self, read):
        entry = {"title": "T", "severity": "Low", "endpoints": ["https://a.example.org", {"host": "b"}, 5, {"port": 1}]}
        assert [place.symbol for place in read({"findings": [entry]}).one.locations] == [
            "https://a.example.org",
            "b",
            ":1",
        ]

    def test_the_type_names_the_tool(self, read):
        assert read({"findings": [], "type": "House", "name": "Nightly"}).scan.tool == "House"
        assert read({"name": "Nightly", "findings": []}).scan.tool == "Nightly"

    def test_a_row_without_title(self, read):
        seen = read("Date,Title,CweIds,Severity,Description,Active\n,,,,,\n,T,CWE-79 CWE-89,High,,FALSE\n")
        assert seen.scan.totals.dropped == 1
        assert (seen.one.cwe, seen.one.state, seen.one.message) == (("CWE-79", "CWE-89"), "suppressed", "T")
