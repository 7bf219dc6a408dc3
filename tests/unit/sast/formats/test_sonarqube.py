# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SonarQube: two scales that are not one, hotspots that are to be reviewed, and pages that were not fetched."""

from __future__ import annotations

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._sast.formats import sonarqube


def issue(**more):
    return {
        "key": "AYx1",
        "rule": "java:S2076",
        "severity": "MAJOR",
        "component": "shop:src/Db.java",
        "project": "shop",
        "line": 12,
        "hash": "a227e508d6646b55a086ee11d63b21e9",
        "textRange": {"startLine": 12, "endLine": 13, "startOffset": 4, "endOffset": 20},
        "message": "Change this code to not construct the command from user data.",
        "type": "VULNERABILITY",
        "tags": ["cwe-78", "injection"],
        **more,
    }


def page(*issues, total=None, **more):
    count = len(issues) if total is None else total
    return {
        "total": count,
        "p": 1,
        "ps": 100,
        "paging": {"pageIndex": 1, "pageSize": 100, "total": count},
        "issues": list(issues),
        "components": [{"key": "shop:src/Db.java", "path": "src/Db.java"}, {"key": "shop", "qualifier": "TRK"}],
        **more,
    }


def impact(quality, severity):
    return {"softwareQuality": quality, "severity": severity}


def test_an_issue_in_our_words(read):
    seen = read(page(issue(), rules=[{"key": "java:S2076", "name": "OS commands"}]))
    found = seen.one
    assert (seen.scan.format, seen.scan.tool, seen.scan.status) == ("sonarqube", "SonarQube", "ok")
    assert (found.rule, found.rule_name) == ("java:S2076", "OS commands")
    assert (found.severity, found.severity_source, found.native) == ("medium", "severity", "MAJOR")
    assert (found.cwe, found.kind) == (("CWE-78",), "fail")
    place = found.locations[0]
    assert (place.path, place.line, place.end_line) == ("src/Db.java", 12, 13)
    assert (place.column, place.end_column) == (5, 21), "offsets count from 0"
    assert found.fingerprints == {"hash": "a227e508d6646b55a086ee11d63b21e9", "key": "AYx1"}
    assert found.tags == ("VULNERABILITY", "cwe-78", "injection")


@pytest.mark.parametrize(
    ("word", "severity"),
    [("BLOCKER", "critical"), ("CRITICAL", "high"), ("MAJOR", "medium"), ("MINOR", "low"), ("INFO", "info")],
)
def test_the_older_words(read, word, severity):
    assert read(page(issue(severity=word))).one.severity == severity


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("BLOCKER", "critical"),
        ("HIGH", "high"),
        ("MEDIUM", "medium"),
        ("LOW", "low"),
        ("INFO", "info"),
        ("X", "unknown"),
    ],
)
def test_the_impact_on_security_counts_first(read, word, severity):
    impacts = [impact("MAINTAINABILITY", "BLOCKER"), impact("SECURITY", word)]
    found = read(page(issue(severity="BLOCKER", impacts=impacts))).one
    assert (found.severity, found.severity_source, found.native) == (severity, "impacts[SECURITY]", word)


def test_without_an_impact_on_security(read):
    impacts = [impact("RELIABILITY", "LOW"), impact("MAINTAINABILITY", "HIGH")]
    assert read(page(issue(impacts=impacts))).one.severity_source == "severity"
    found = read(page(issue(impacts=impacts, severity=None))).one
    assert (found.severity, found.severity_source) == ("high", "impacts[MAINTAINABILITY]")
    odd = read(page(issue(impacts=[*impacts, impact("OTHER", "NEW")], severity=None))).one
    assert odd.severity == "unknown", "a word that nobody knows may be the worst"
    assert read(page(issue(severity=None))).one.severity_source == "none"


@pytest.mark.parametrize(
    ("more", "state", "baseline"),
    [
        ({"resolution": "FALSE-POSITIVE"}, "suppressed", None),
        ({"resolution": "WONTFIX"}, "suppressed", None),
        ({"issueStatus": "ACCEPTED"}, "suppressed", None),
        ({"issueStatus": "FALSE_POSITIVE"}, "suppressed", None),
        ({"resolution": "FIXED", "status": "CLOSED"}, "absent", "absent"),
        ({"resolution": "REMOVED"}, "absent", "absent"),
        ({"issueStatus": "FIXED"}, "absent", "absent"),
        ({"status": "CONFIRMED", "issueStatus": "CONFIRMED"}, "live", None),
        ({"resolution": "SOMETHING"}, "live", None),
    ],
)
def test_what_was_decided(read, more, state, baseline):
    found = read(page(issue(**more))).one
    assert (found.state, found.baseline) == (state, baseline)


def test_pages_that_were_not_fetched_make_it_partial(read):
    seen = read(page(issue(), total=250))
    assert seen.scan.status == "partial"
    assert "1 of 250" in seen.scan.status_reasons[0]
    older = page(issue(), total=3)
    del older["paging"]
    assert read(older).scan.status == "partial"


def test_one_issue_in_two_pages_joined_by_hand_is_one(read):
    seen = read(page(issue(), issue(), total=2))
    assert (seen.scan.totals.live, seen.scan.totals.merged, seen.scan.status) == (1, 1, "ok")


def test_places(read):
    assert read(page(issue(component="shop:other/New.java"))).one.path == "other/New.java", "the part after the colon"
    assert read(page(issue(component="shop"))).one.locations == (), "a project is no file"
    assert read({**page(issue(component="shop")), "components": []}).one.locations == ()
    found = read(page(issue(textRange=None))).one
    assert (found.locations[0].line, found.locations[0].column) == (12, None)


def test_clean_and_broken(read):
    assert read(page()).scan.status == "ok"
    assert read({**page(), "issues": None}).scan.status == "failed"
    assert read(page({"key": "x"}), format="sonarqube").scan.totals.dropped == 1


def test_caps_are_counted(read, monkeypatch):
    monkeypatch.setattr(sonarqube, "_MOST_COMPONENTS", 1)
    monkeypatch.setattr(sonarqube, "_MOST_RULES", 1)
    seen = read(page(issue(), rules=[{"key": "a"}, {"key": "b"}, {}]))
    assert seen.truncated == {"components of the report": (0, 1), "rules of the report": (0, 1)}


# -- hotspots ----------------------------------------------------------------------------------------------------


def hotspot(**more):
    return {
        "key": "H1",
        "component": "shop:src/Web.java",
        "project": "shop",
        "securityCategory": "xss",
        "vulnerabilityProbability": "HIGH",
        "status": "TO_REVIEW",
        "line": 47,
        "message": "Make sure disabling sanitization is safe here.",
        "ruleKey": "java:S5247",
        **more,
    }


def hotspots(*entries):
    return {"paging": {"pageIndex": 1, "pageSize": 100, "total": len(entries)}, "hotspots": list(entries)}


def test_a_hotspot_is_to_be_reviewed(read):
    seen = read(hotspots(hotspot()))
    found = seen.one
    assert (found.kind, found.state, found.tags) == ("review", "live", ("xss",))
    assert (found.severity, found.severity_source) == ("high", "vulnerabilityProbability")
    assert (found.rule, found.path) == ("java:S5247", "src/Web.java")


@pytest.mark.parametrize(
    ("resolution", "state", "kind"),
    [("SAFE", "suppressed", "review"), ("FIXED", "absent", "review"), ("ACKNOWLEDGED", "live", "fail")],
)
def test_a_hotspot_that_was_reviewed(read, resolution, state, kind):
    found = read(hotspots(hotspot(status="REVIEWED", resolution=resolution))).one
    assert (found.state, found.kind) == (state, kind)


# -- sonar-report ------------------------------------------------------------------------------------------------


def report(*issues, **more):
    return {
        "date": "Sunday, Mar 1, 2026",
        "projectName": "shop",
        "sonarBaseURL": "https://sonar.example",
        "rules": {
            "java:S2076": {
                "name": "OS commands",
                "severity": "BLOCKER",
                "htmlDesc": '<a href="https://cwe.mitre.org/data/definitions/78">CWE-78</a> and CWE-99 as an example',
            }
        },
        "issues": list(issues),
        "hotspotKeys": ["H1"],
        **more,
    }


def test_sonar_report(read):
    plain = issue(component="src/Db.java", tags=[])
    hot = issue(key="H1", component="src/Web.java", severity="HIGH")
    seen = read(report(plain, hot))
    first, second = seen.findings
    assert (first.kind, first.severity, first.path) == ("fail", "medium", "src/Db.java")
    assert (first.cwe, first.cwe_sources) == (("CWE-78",), {"CWE-78": ("htmlDesc",)}), "only the rule's own links"
    assert (second.kind, second.severity) == ("review", "high"), "its key stands after the issues"


def test_sonar_report_without_a_severity_takes_the_rules(read):
    found = read(report(issue(severity=None))).one
    assert (found.severity, found.severity_source) == ("critical", "rules.severity")


def test_sonar_report_that_is_clean(read):
    assert read(report()).scan.status == "ok"


# -- the generic format ------------------------------------------------------------------------------------------


def generic_issue(**more):
    return {
        "ruleId": "R1",
        "primaryLocation": {
            "message": "bad",
            "filePath": "src/a.c",
            "textRange": {"startLine": 3, "endLine": 3, "startColumn": 0, "endColumn": 9},
        },
        "secondaryLocations": [{"message": "from here", "filePath": "src/b.c", "textRange": {"startLine": 1}}],
        **more,
    }


def test_the_older_generic_format(read):
    seen = read({"issues": [generic_issue(engineId="linter", severity="CRITICAL", type="VULNERABILITY")]})
    found = seen.one
    assert seen.scan.tool == "linter"
    assert (found.severity, found.message) == ("high", "bad")
    assert [(place.path, place.line, place.column) for place in found.locations] == [
        ("src/a.c", 3, 1),
        ("src/b.c", 1, None),
    ]


def test_the_newer_generic_format_has_the_severity_in_its_rules(read):
    rule = {"id": "R1", "name": "Rule", "engineId": "linter", "impacts": [impact("SECURITY", "HIGH")]}
    seen = read({"issues": [generic_issue()], "rules": [rule]})
    assert (seen.scan.tool, seen.one.severity, seen.one.severity_source) == (
        "linter",
        "high",
        "rules.impacts[SECURITY]",
    )


def test_a_quality_nobody_knows_is_shown_safely(read):
    rule = {"id": "R1", "name": "Rule", "engineId": "linter", "impacts": [impact("\u202eSPEED\x1b[31m", "HIGH")]}
    seen = read({"issues": [generic_issue()], "rules": [rule]})
    assert seen.one.severity_source == "rules.impacts[\\u202eSPEED\\u001b[31M]"


def test_several_engines_are_no_tool(read):
    entries = [generic_issue(engineId=name, severity="INFO") for name in ("a", "b", "c")]
    assert read({"issues": entries}).scan.tool == "SonarQube"


def test_a_generic_report_without_issues_could_be_anybodys(read):
    assert read({"issues": []}, format="sonarqube").scan.status == "ok"


@pytest.mark.parametrize("odd", [None, 3, "x", [], [3], {"a": 1}])
@pytest.mark.parametrize(
    "name", ["impacts", "textRange", "tags", "component", "severity", "line", "key", "primaryLocation"]
)
def test_wrong_types_are_nothing(read, name, odd):
    assert read(page(issue(**{name: odd}))).scan.totals.results == 1
