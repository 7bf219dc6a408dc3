# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Veracode: what its corpus does not show."""

from __future__ import annotations

import pytest


def detailed(*flaws, stamp="2026-02-01 10:02:01 UTC"):
    text = "".join(flaws)
    return f'<detailedreport generation_date="{stamp}"><static-analysis/>{text}</detailedreport>'


def issue(**more):
    return {"issue_id": 1, "issue_type_id": "taint", "cwe_id": "89", "severity": 3, **more}


def test_a_dynamic_flaw_is_at_its_address(read):
    found = read(detailed('<flaw severity="4" cweid="79" url="http://shop.test/x" vuln_parameter="q"/>')).one
    assert (found.path, found.locations[0].place) == ("http://shop.test/x", "outside_root")
    assert found.locations[0].symbol == "q"


def test_a_flaw_without_a_weakness_has_its_category_or_is_dropped(read):
    seen = read(detailed('<flaw severity="4" categoryname="Odd"/>', '<flaw severity="4" issueid="3"/>'))
    assert seen.one.rule == "Odd"
    assert seen.scan.totals.dropped == 1
    assert seen.scan.status == "partial"


def test_a_source_without_a_folder(read):
    assert read(detailed('<flaw cweid="79" sourcefile="a.js" line="3"/>')).one.path == "a.js"


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-02-01 10:02:01"])
def test_a_time_without_its_zone_is_not_guessed(read, stamp):
    assert read(detailed(stamp=stamp)).scan.time is None


@pytest.mark.parametrize("status", ["TIMEOUT", "STARTED", 5, {}])
def test_any_status_but_success_is_a_failure(read, status):
    seen = read({"scan_status": status, "findings": [issue()]})
    assert seen.scan.status == "failed"
    assert seen.scan.totals.live == 1, "what it found counts all the same"


def test_without_findings_it_failed_and_without_modules_it_saw_nothing(read):
    assert read({"scan_id": "1", "scan_status": "SUCCESS", "modules": ["a"]}).scan.status == "failed"
    empty = {"scan_id": "1", "scan_status": "SUCCESS", "modules": [], "findings": []}
    assert read(empty).scan.status == "empty"


@pytest.mark.parametrize("odd", [None, 1, "x", []])
def test_odd_shapes_are_no_crash(read, odd):
    seen = read({"findings": [issue(), odd, issue(files=odd, flaw_match=odd, display_text=odd, severity=odd)]})
    assert seen.scan.totals.findings == 2
    assert seen.scan.totals.dropped == 1
