# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bandit: severity and confidence are two axes, its CWE counts, and files that it could not read make it partial."""

from __future__ import annotations

import json

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Effect


def result(**more):
    return {
        "code": "12 cursor.execute('select ' + name)\n",
        "col_offset": 4,
        "end_col_offset": 40,
        "filename": "./app/db.py",
        "issue_confidence": "LOW",
        "issue_cwe": {"id": 89, "link": "https://cwe.mitre.org/data/definitions/89.html"},
        "issue_severity": "MEDIUM",
        "issue_text": "Possible SQL injection.",
        "line_number": 12,
        "line_range": [12, 13],
        "more_info": "https://bandit.readthedocs.io/en/1.8.0/plugins/b608.html",
        "test_id": "B608",
        "test_name": "hardcoded_sql_expressions",
        **more,
    }


def report(*results, errors=(), **more):
    totals = {"_totals": {"loc": 9}, "./app/db.py": {"loc": 9}}
    return {
        "errors": list(errors),
        "generated_at": "2026-03-01T12:00:00Z",
        "metrics": totals,
        "results": list(results),
        **more,
    }


def test_a_result_in_our_words(read):
    seen = read(report(result()))
    found = seen.one
    assert (seen.scan.format, seen.scan.tool, seen.scan.time) == ("bandit", "Bandit", "2026-03-01T12:00:00Z")
    assert (found.rule, found.rule_name) == ("B608", "hardcoded_sql_expressions")
    assert (found.severity, found.severity_source, found.native) == ("medium", "issue_severity", "MEDIUM")
    assert found.confidence == "low", "which is not the severity"
    assert (found.cwe, found.cwe_sources) == (("CWE-89",), {"CWE-89": ("issue_cwe",)})
    assert found.effect is Effect.TAINTS
    assert (found.path, found.locations[0].line, found.locations[0].end_line) == ("app/db.py", 12, 13)
    assert found.locations[0].column == 5, "Bandit counts columns from 0"


@pytest.mark.parametrize(
    ("word", "severity"), [("HIGH", "high"), ("LOW", "low"), ("UNDEFINED", "unknown"), (None, "unknown")]
)
def test_severity_words(read, word, severity):
    assert read(report(result(issue_severity=word))).one.severity == severity


def test_files_that_were_not_read_make_it_partial(read):
    seen = read(report(errors=[{"filename": "./bad.py", "reason": "syntax error while parsing AST"}]))
    assert seen.scan.status == "partial"
    assert "./bad.py" in seen.scan.status_reasons[0]


def test_without_results_it_did_not_run(read):
    broken = report()
    del broken["results"]
    assert read(broken).scan.status == "failed"
    assert read(report()).scan.status == "ok"


def test_one_without_a_test_is_dropped_and_counted(read):
    seen = read(report(result(), result(test_id=None)))
    assert (seen.scan.totals.results, seen.scan.totals.findings, seen.scan.totals.dropped) == (2, 1, 1)
    assert seen.warnings["result_without_rule"] == 1
    assert seen.scan.status == "partial"


def test_cut_off_anywhere_it_is_an_error_or_says_less(read):
    """Cut off, it is never read as clean."""
    text = json.dumps(report(result()))
    for end in range(len(text)):
        with pytest.raises(BadInput):
            read(text[:end].encode())
