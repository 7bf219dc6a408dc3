# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fortify: the priority follows from numbers in two places, the sink is the last node of the trace, the audit hides."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.formats import fortify
from ansible_collections.knowngood.kube.plugins.module_utils._sast.formats.fortify import priority
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report

from ..conftest import Reading

HEAD = '<FVDL xmlns="xmlns://www.fortifysoftware.com/schema/fvdl" version="1.12">'
NUMBERS = {"Accuracy": "5.0", "Impact": "5.0", "Probability": "5.0", "altcategoryCWE": "CWE ID 89,CWE ID 20"}
SINK = '<Node><SourceLocation path="src/Db.java" line="40" lineEnd="41" colStart="9" colEnd="30"/></Node>'


def groups(numbers):
    return (
        "<MetaInfo>" + "".join(f'<Group name="{key}">{text}</Group>' for key, text in numbers.items()) + "</MetaInfo>"
    )


def vulnerability(*, rule="RULE-1", instance="I1", severity="4.0", confidence="5.0", own="", trace=None):
    entries = ['<Node><SourceLocation path="src/Web.java" line="7"/></Node>', SINK] if trace is None else trace
    inside = "".join(f"<Entry>{entry}</Entry>" for entry in entries)
    return f"""<Vulnerability><ClassInfo><ClassID>{rule}</ClassID><Kingdom>Input Validation</Kingdom>
    <Type>SQL Injection</Type><Subtype>Persistence</Subtype><AnalyzerName>dataflow</AnalyzerName></ClassInfo>
    <InstanceInfo><InstanceID>{instance}</InstanceID><InstanceSeverity>{severity}</InstanceSeverity>
    <Confidence>{confidence}</Confidence>{own}</InstanceInfo>
    <AnalysisInfo><Unified><Context><Function name="load"/>
    <FunctionDeclarationSourceLocation path="src/Fn.java" line="3"/></Context>
    <Trace><Primary>{inside}</Primary></Trace></Unified></AnalysisInfo></Vulnerability>"""


def fvdl(*entries, rules=None, pool="", errors="", **more):
    rules = {"RULE-1": NUMBERS} if rules is None else rules
    listed = "".join(f'<Rule id="{name}">{groups(numbers)}</Rule>' for name, numbers in rules.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>{HEAD}<WriteDate date="2026-03-01" time="12:00:00.5Z"/>
    <Build><SourceFiles><File size="9"><Name>src/Db.java</Name></File></SourceFiles></Build>
    <Vulnerabilities>{"".join(entries)}</Vulnerabilities><UnifiedNodePool>{pool}</UnifiedNodePool>
    <Snippets><Snippet id="s"><File>src/Db.java</File></Snippet></Snippets>
    <EngineData><EngineVersion>24.2.0.0050</EngineVersion><Errors>{errors}</Errors>
    <RuleInfo>{listed}</RuleInfo></EngineData></FVDL>"""


def fpr(document, audit=None, *more):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("audit.fvdl", document)
        if audit is not None:
            made.writestr("audit.xml", audit)
        for name, content in more:
            made.writestr(name, content)
    return memory.getvalue()


def audit(*issues):
    return f'<ns2:Audit xmlns:ns2="xmlns://www.fortify.com/schema/audit"><ns2:IssueList>{"".join(issues)}</ns2:IssueList></ns2:Audit>'


def issue(instance="I1", suppressed="true", analysis="Not an Issue"):
    return f"""<ns2:Issue instanceId="{instance}" suppressed="{suppressed}"><ns2:ThreadedComments><ns2:Comment>
    <ns2:Content>looked at it</ns2:Content></ns2:Comment></ns2:ThreadedComments>
    <ns2:Tag id="other"><ns2:Value>Sprint 4</ns2:Value></ns2:Tag>
    <ns2:Tag id="{fortify.ANALYSIS}"><ns2:Value>{analysis}</ns2:Value></ns2:Tag></ns2:Issue>"""


def test_a_vulnerability_in_our_words(read):
    seen = read(fvdl(vulnerability()))
    scan, found = seen.scan, seen.one
    assert (scan.format, scan.format_version, scan.tool, scan.tool_version) == (
        "fortify",
        "1.12",
        "Fortify SCA",
        "24.2.0.0050",
    )
    assert (scan.status, scan.time, scan.coverage["artifacts"]) == ("ok", "2026-03-01T12:00:00.500000Z", 1)
    assert (found.rule, found.rule_name, found.message) == (
        "RULE-1",
        "SQL Injection: Persistence",
        "SQL Injection: Persistence",
    )
    assert (found.cwe, found.cwe_sources["CWE-89"]) == (("CWE-89", "CWE-20"), ("altcategoryCWE",))
    assert (found.fingerprints, found.tags) == ({"InstanceID": "I1"}, ("Input Validation", "dataflow"))
    place = found.locations[0]
    assert (place.path, place.line, place.column, place.end_line, place.symbol) == ("src/Db.java", 40, 9, 41, "load")


@pytest.mark.parametrize(
    ("impact", "likelihood", "severity"),
    [(2.5, 2.5, "critical"), (5, 2.4, "high"), (2.4, 2.5, "medium"), (2.4, 2.4, "low"), (0.1, 5, "medium")],
)
def test_the_priority_order(impact, likelihood, severity):
    assert priority(impact, likelihood) == severity


@pytest.mark.parametrize(
    ("impact", "confidence", "probability", "severity"),
    [("5.0", "5.0", "5.0", "critical"), ("5.0", "5.0", "2.0", "high"), ("2.0", "5.0", "4.0", "medium")],
)
def test_severity_from_the_numbers_of_rule_and_instance(read, impact, confidence, probability, severity):
    rule = {"Accuracy": "5.0", "Impact": impact, "Probability": probability}
    found = read(fvdl(vulnerability(confidence=confidence, severity="1.0"), rules={"RULE-1": rule})).one
    assert found.severity == severity, "whatever InstanceSeverity says"
    assert found.native == "1.0"
    likelihood = 5 * float(confidence) * float(probability) / 25
    assert found.severity_source == (
        f"Impact {float(impact):g}, likelihood {likelihood:g} = "
        f"Accuracy 5 x Confidence {float(confidence):g} x Probability {float(probability):g} / 25"
    )


def test_the_instance_corrects_the_rule(read):
    found = read(fvdl(vulnerability(own=groups({"Probability": "1.0"})))).one
    assert found.severity == "high"
    assert found.cwe == ("CWE-89", "CWE-20")


def test_a_priority_that_is_given_counts_first(read):
    found = read(fvdl(vulnerability(own=groups({"Friority": "Low"})))).one
    assert (found.severity, found.severity_source) == ("low", "Friority")


@pytest.mark.parametrize(
    ("stated", "severity"), [("5.0", "critical"), ("3.0", "high"), ("2.0", "medium"), ("1.0", "low"), ("", "unknown")]
)
def test_without_the_rules_numbers_it_is_approximate_and_says_so(read, stated, severity):
    seen = read(fvdl(vulnerability(severity=stated), rules={}))
    assert seen.one.severity == severity
    if stated:
        assert seen.one.severity_source == "InstanceSeverity (approximate)"
        assert seen.warnings["severity_approximate"] == 1


@pytest.mark.parametrize("number", ["7", "-1", "nan", "1e3", "5.1", "x"])
def test_numbers_off_the_scale_are_none(read, number):
    rule = {**NUMBERS, "Impact": number}
    assert "approximate" in read(fvdl(vulnerability(), rules={"RULE-1": rule})).one.severity_source


def test_the_end_of_a_trace_may_stand_in_the_pool(read):
    node = '<Node id="12"><SourceLocation path="src/Pool.java" line="9"/></Node>'
    trace = [SINK, '<NodeRef id="12"/>']
    assert read(fvdl(vulnerability(trace=trace), pool=node)).one.path == "src/Pool.java"
    lost = read(fvdl(vulnerability(trace=trace)))
    assert (lost.one.path, lost.warnings["place_unresolved"]) == ("src/Db.java", 1)


def test_a_pool_before_the_vulnerabilities_is_kept(read):
    pool = '<UnifiedNodePool><Node id="1"><SourceLocation path="a.c" line="2"/></Node></UnifiedNodePool>'
    entry = vulnerability(trace=['<NodeRef id="1"/>'])
    text = f"{HEAD}{pool}<Vulnerabilities>{entry}</Vulnerabilities></FVDL>"
    assert read(text).one.path == "a.c"


def test_without_a_trace_the_function_is_the_place(read):
    assert read(fvdl(vulnerability(trace=[]))).one.path == "src/Fn.java"


def test_one_without_a_class_is_dropped(read):
    seen = read(fvdl("<Vulnerability/>", vulnerability()))
    assert (seen.scan.totals.dropped, seen.scan.totals.live, seen.scan.status) == (1, 1, "partial")


def test_an_instance_id_is_given_once(read):
    assert read(fvdl(vulnerability(), vulnerability())).scan.totals.merged == 1


def test_clean_and_unfinished_are_two_things(read):
    assert read(fvdl()).scan.status == "ok"
    assert read(f"{HEAD}<Build/></FVDL>").scan.status == "failed"


def test_problems_of_the_analysis_make_it_partial(read):
    seen = read(
        fvdl(errors='<Error code="1211">could not parse Db.java</Error><Error code="12003">source level</Error>')
    )
    assert seen.scan.status == "partial"
    assert "1 problems, first 1211: could not parse Db.java" in seen.scan.status_reasons[0]
    assert read(fvdl(errors='<Error code="12003">Assuming Java 1.8</Error>')).scan.status == "ok"


def test_caps_of_rules_and_nodes_are_counted(read, monkeypatch):
    monkeypatch.setattr(fortify, "_MOST_RULES", 1)
    seen = read(fvdl(vulnerability(rule="RULE-2"), rules={"RULE-1": NUMBERS, "RULE-2": NUMBERS}))
    assert seen.truncated["rules of the report"] == (0, 1)
    assert "approximate" in seen.one.severity_source


# -- projects ----------------------------------------------------------------------------------------------------


def test_what_the_audit_suppresses_is_hidden(put):
    path = put(
        fpr(fvdl(vulnerability(), vulnerability(instance="I2")), audit(issue("I1"), issue("I2", "false"))), "p.fpr"
    )
    with read_report(path) as outcome:
        seen = Reading(outcome)
    first, second = seen.findings
    assert (first.state, first.suppressions[0].justification) == ("suppressed", "Not an Issue: looked at it")
    assert second.state == "live", "the analysis alone hides nothing"
    assert "analysis: Not an Issue" in second.tags
    assert seen.scan.file == path
    assert seen.scan.bytes == Path(path).stat().st_size, "a project is one report: hashed as it is stored"


def test_a_project_is_one_report_wherever_it_is_found(put, tmp_path):
    put(fpr(fvdl(vulnerability()), audit(), ("extra.sarif", "{}")), "d/project.fpr")
    told = sast_report({"path": [str(tmp_path / "d")]})
    assert [scan["format"] for scan in told["scans"]] == ["fortify"]


def test_a_project_without_an_audit_is_read_too(put):
    with read_report(put(fpr(fvdl(vulnerability())), "p.zip")) as outcome:
        assert outcome.scan.totals.live == 1


def test_an_audit_that_cannot_be_read_is_an_error(put):
    """Else all that people suppressed would be live again, or worse."""
    with pytest.raises(BadInput, match=r"audit\.xml"):
        read_report(put(fpr(fvdl(vulnerability()), "<Audit>"), "p.fpr"))


def test_a_bomb_in_a_project_is_refused(put):
    options = ReadOptions(ratio_from=100_000)
    for content in (fpr(fvdl() + " " * 3_000_000), fpr(fvdl(), audit() + " " * 3_000_000)):
        with pytest.raises(BadInput, match="decompression bomb"):
            read_report(put(content, "p.fpr"), options=options)


# -- the older report --------------------------------------------------------------------------------------------


def old_issue(iid="A1", friority="<Friority>High</Friority>", **attributes):
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"""<Issue iid="{iid}" ruleID="R-9"{more}><Category>Path Manipulation</Category><Folder>Critical</Folder>
    <Kingdom>Input Validation</Kingdom><Abstract>Attackers control the path.</Abstract>{friority}
    <Tag><Name>Analysis</Name><Value>Exploitable</Value></Tag>
    <Primary><FileName>F.java</FileName><FilePath>src/F.java</FilePath><LineStart>67</LineStart>
    <TargetFunction>java.io.File.File()</TargetFunction></Primary>
    <ExternalCategory type="CWE">CWE ID 22</ExternalCategory></Issue>"""


def listing(*issues, axis="Category", count=None, limit="-1"):
    count = len(issues) if count is None else count
    return f"""<IssueListing listing="true" limit="{limit}"><Chart chartType="list"><Axis>{axis}</Axis>
    <GroupingSection count="{count}"><groupTitle>G</groupTitle>{"".join(issues)}</GroupingSection>
    </Chart></IssueListing>"""


def definition(*listings):
    return f'<ReportDefinition type="standard"><ReportSection>{"".join(listings)}</ReportSection></ReportDefinition>'


def test_the_older_report(read):
    found = read(definition(listing(old_issue()))).one
    assert (found.rule, found.rule_name, found.message) == ("R-9", "Path Manipulation", "Attackers control the path.")
    assert (found.severity, found.severity_source, found.native) == ("high", "Friority", "High")
    assert (found.path, found.locations[0].line, found.locations[0].symbol) == ("src/F.java", 67, "java.io.File.File()")
    assert (found.cwe, found.fingerprints) == (("CWE-22",), {"iid": "A1"})
    assert found.tags == ("Input Validation", "analysis: Exploitable")


def test_without_a_priority_the_folder_is_approximate(read):
    found = read(definition(listing(old_issue(friority="")))).one
    assert (found.severity, found.severity_source) == ("critical", "Folder (approximate)")


def test_an_issue_in_two_listings_is_one(read):
    seen = read(definition(listing(old_issue(), axis="Fortify Priority Order"), listing(old_issue(), old_issue("A2"))))
    assert (seen.scan.totals.live, seen.scan.totals.merged, seen.scan.status) == (2, 1, "ok")


def test_a_listing_that_its_template_cuts_is_partial(read):
    seen = read(definition(listing(axis="Folder", count=22), listing(old_issue(), count=4, limit="1")))
    assert seen.scan.status == "partial"
    assert "1 of 22" in seen.scan.status_reasons[0]


def test_groupings_that_overlap_prove_nothing(read):
    seen = read(definition(listing(axis="OWASP Top 10 2021", count=9), listing(old_issue())))
    assert seen.scan.status == "ok"


def test_an_older_report_that_hides(read):
    assert read(definition(listing(old_issue(suppressed="true")))).one.state == "suppressed"


def test_an_older_report_without_issues(read):
    assert read(definition(listing(axis="Category", count=0))).scan.status == "ok"
    assert read(definition()).scan.status == "failed"
    assert read(definition(listing("<Issue/>", count=1))).scan.totals.dropped == 1
    assert read(definition(listing('<Issue ruleID="R"/>', count=1))).one.severity == "unknown"


# -- WebInspect --------------------------------------------------------------------------------------------------


def web_issue(severity="3", **more):
    url = "<URL>https://user:word@shop.example:443/login?next=%3Cscript%3E</URL>" if more.get("url", True) else ""
    return f"""<Issue id="W1"><CheckTypeID>Vulnerability</CheckTypeID>{url}<VulnerabilityID>4720</VulnerabilityID>
    <Severity>{severity}</Severity><Name>Cookie Security</Name><Classifications>
    <Classification kind="CWE" identifier="614">CWE-614</Classification></Classifications></Issue>"""


@pytest.mark.parametrize(
    ("number", "severity"),
    [("4", "critical"), ("3", "high"), ("2", "medium"), ("1", "low"), ("0", "info"), ("9", "unknown"), ("", "unknown")],
)
def test_webinspect_counts_severity_from_0_to_4(read, number, severity):
    found = read(f"<Scan><Name>x</Name><PolicyName>p</PolicyName><Issues>{web_issue(number)}</Issues></Scan>").one
    assert found.severity == severity
    assert (found.rule, found.message, found.cwe) == ("4720", "Cookie Security", ("CWE-614",))
    assert found.locations[0].symbol == "https://shop.example:443/login"


def test_sessions_name_the_address_once(read):
    text = (
        f"<Sessions><Session><URL>https://a.example/</URL><Issues>{web_issue(url=False)}</Issues></Session></Sessions>"
    )
    assert read(text).one.locations[0].symbol == "https://a.example/"


def test_webinspect_without_issues(read):
    assert read("<Scan><PolicyName>p</PolicyName><Issues/></Scan>").scan.status == "ok"
    assert read("<Scan><PolicyName>p</PolicyName></Scan>").scan.status == "failed"
    assert read("<Sessions/>").scan.status == "empty"
    assert read("<Scan><Issues><Issue/></Issues></Scan>").scan.totals.dropped == 1
