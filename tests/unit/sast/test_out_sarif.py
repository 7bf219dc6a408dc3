# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SARIF that we write: valid by the schema of the standard, right where no schema can say so, read back the same."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import (
    Location,
    Severity,
    State,
    Suppression,
)
from ansible_collections.knowngood.kube.plugins.module_utils._sast.out import WRITERS, sarif, sarif_runs
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally
from ansible_collections.knowngood.kube.plugins.module_utils._sast.text import visible

from .out_findings import (
    COMMIT,
    HOSTILE,
    OTHER_SHA,
    SHA,
    Record,
    again,
    facts,
    finding,
    findings,
    hostile_records,
    record,
    scan,
)
from .out_schema import check

# What a finding keeps when it is written and read again.
KEPT = (
    "rule",
    "rule_name",
    "help_uri",
    "severity",
    "security_severity",
    "state",
    "kind",
    "baseline",
    "message",
    "path",
    "line",
    "locations",
    "cwe",
    "tags",
    "fingerprints",
    "suppressions",
    "rank",
    "commit",
)


def written(*records: Record, scans: Sequence[Record] = (), changes: Any = None, tally: Tally | None = None) -> Any:
    """The document, after all checks that hold for every document."""
    text = "".join(sarif.document(scans, again(*records), changes, tally=tally))
    document = json.loads(text)
    assert text.isascii()
    assert sum(len(run["results"]) for run in document["runs"]) == len(records)
    check(document)
    return document


def only(document: Any) -> Any:
    assert len(document["runs"]) == 1
    assert len(document["runs"][0]["results"]) == 1
    return document["runs"][0]["results"][0]


def read_back(document: Any) -> tuple[Any, list[Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".sarif") as file:
        json.dump(document, file)
        file.flush()
        with read_report(file.name) as outcome:
            return outcome.scan, list(outcome.findings())


def counted(tally: Tally) -> dict[str, int]:
    return {warning["code"]: warning["count"] for warning in tally.warnings}


def test_a_finding_and_its_scan_are_written_whole() -> None:
    given = record(
        rule="CA5350/md5",
        descriptor="CA5350",
        rule_name="WeakHash",
        help_uri="https://rules.example/CA5350",
        security_severity="7.5",
        cwe=("CWE-327",),
        tags=("security",),
        fingerprints={"primaryLocationLineHash": "39fa2ee980eb94b0:1"},
        locations=(Location("src/a b.py", line=3, column=2, end_line=4, end_column=9, symbol="mod.f"),),
        rank=12.5,
    )
    run = written(given, scans=[scan(facts(category="nightly", run_id="17"))])["runs"][0]
    assert run["tool"]["driver"] == {
        "name": "Tool",
        "version": "1.2",
        "rules": [{"id": "CA5350", "name": "WeakHash", "helpUri": "https://rules.example/CA5350"}],
        "supportedTaxonomies": [{"name": "CWE", "index": 0}],
    }
    assert run["invocations"] == [{"executionSuccessful": True, "endTimeUtc": "2026-11-21T10:00:00Z"}]
    assert run["automationDetails"] == {"id": "nightly/17"}
    assert run["versionControlProvenance"] == [
        {
            "repositoryUri": "https://git.example.com/shop/orders",
            "revisionId": COMMIT,
            "mappedTo": {"uriBaseId": "%SRCROOT%"},
        }
    ]
    assert run["results"] == [
        {
            "ruleId": "CA5350/md5",
            "ruleIndex": 0,
            "level": "error",
            "message": {"text": "bad"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "src/a%20b.py", "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": 3, "startColumn": 2, "endLine": 4, "endColumn": 9},
                    },
                    "logicalLocations": [{"fullyQualifiedName": "mod.f"}],
                }
            ],
            "partialFingerprints": {"primaryLocationLineHash": "39fa2ee980eb94b0:1"},
            "rank": 12.5,
            "taxa": [{"id": "327", "index": 0, "toolComponent": {"name": "CWE", "index": 0}}],
            "properties": {
                "knowngood/id": "f" * 32,
                "knowngood/severity": "high",
                "knowngood/severity_source": "level:result",
                "knowngood/native": "error",
                "knowngood/effect": "unknown",
                "knowngood/state": "live",
                "knowngood/rule_resolution": "none",
                "security-severity": "7.5",
                "tags": ["security"],
            },
        }
    ]


@pytest.mark.parametrize(
    ("severity", "native", "kind", "level"),
    [
        ("critical", "CRITICAL", "fail", "error"),
        ("high", "error", "fail", "error"),
        ("medium", "error", "fail", "warning"),
        ("unknown", "unknown", "fail", "warning"),
        ("low", "warning", "fail", "note"),
        ("info", "INFO", "fail", "note"),
        ("info", "none", "fail", "none"),
        ("high", "none", "review", "none"),
    ],
)
def test_the_level_says_our_severity(severity: str, native: str, kind: str, level: str) -> None:
    result = only(written(record(severity=Severity(severity), native=native, kind=kind)))
    assert result["level"] == level
    assert result["properties"]["knowngood/severity"] == severity
    assert result["properties"]["knowngood/native"] == native


def test_places_outside_the_root_are_names_that_no_viewer_opens() -> None:
    climbing = Location("../../etc/passwd", "outside_root", line=3, symbol="root")
    location = only(written(record(locations=(climbing,))))["locations"][0]
    assert location == {
        "logicalLocations": [
            {"fullyQualifiedName": "../../etc/passwd", "kind": "outside_root"},
            {"fullyQualifiedName": "root"},
        ],
        "properties": {"knowngood/region": {"startLine": 3}},
    }


def test_absolute_paths_are_file_uris() -> None:
    locations = (Location("/src/a.c", "absolute", line=1), Location("C:/src/a b.c", "absolute"))
    uris = [
        entry["physicalLocation"]["artifactLocation"]
        for entry in only(written(record(locations=locations)))["locations"]
    ]
    assert uris == [{"uri": "file:///src/a.c"}, {"uri": "file:///C:/src/a%20b.c"}]


def test_an_end_before_the_start_is_left_out_and_counted() -> None:
    tally = Tally()
    result = only(written(record(locations=(Location("a", line=9, end_line=3),)), tally=tally))
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 9}
    assert counted(tally) == {"sarif_region_end": 1}


def test_baseline_states_come_from_a_comparison_and_stand_on_all_results() -> None:
    tally = Tally()
    records = [record(id=name) for name in ("a", "b", "c")]
    changes = {"a": "unchanged", "b": "absent"}
    results = written(*records, changes=changes, tally=tally)["runs"][0]["results"]
    assert [result["baselineState"] for result in results] == ["unchanged", "absent", "new"]
    assert counted(tally) == {"sarif_baseline_filled": 1}


def test_baseline_states_of_the_report_stay_and_nothing_is_made_up_without_any() -> None:
    results = written(record(baseline="updated"), record(state=State.ABSENT, baseline="absent"))["runs"][0]["results"]
    assert [result["baselineState"] for result in results] == ["updated", "absent"]
    assert "baselineState" not in only(written(record()))


def test_a_comparison_with_an_unknown_word_is_refused() -> None:
    with pytest.raises(BadInput, match="a word that no output knows"):
        list(sarif.document([], again(record()), {"f" * 32: "fixed"}))


def test_a_fixed_finding_of_an_older_scan_is_absent_in_the_new_run() -> None:
    gone = record(id="gone", scan=OTHER_SHA)
    document = written(record(id="here"), gone, scans=[scan()], changes={"here": "unchanged", "gone": "absent"})
    assert [result["baselineState"] for result in document["runs"][0]["results"]] == ["unchanged", "absent"]


def test_suppressions_stand_on_all_results_and_never_become_accepted() -> None:
    tally = Tally()
    odd = (
        Suppression("waiver", "unreadable", "why"),
        Suppression("inSource", "rejected"),
        Suppression("inSource", "rejected"),
    )
    records = [record(suppressions=odd), record(), record(state=State.SUPPRESSED)]
    results = written(*records, tally=tally)["runs"][0]["results"]
    assert [result["suppressions"] for result in results] == [
        [
            {
                "kind": "external",
                "status": "underReview",
                "justification": "why",
                "properties": {"knowngood/kind": "waiver", "knowngood/status": "unreadable"},
            },
            {"kind": "inSource", "status": "rejected"},
        ],
        [],
        [{"kind": "external", "status": "accepted"}],
    ]
    assert counted(tally) == {"sarif_suppression_made": 1, "sarif_suppression_twice": 1}


@pytest.mark.parametrize(
    ("status", "success", "texts"),
    [
        ("ok", True, None),
        ("partial", True, ["run 0 (Tool): two files were not read"]),
        ("failed", False, ["run 0 (Tool): two files were not read"]),
    ],
)
def test_a_scan_that_is_not_whole_says_so(status: str, success: bool, texts: list[str] | None) -> None:
    reasons = ("run 0 (Tool): two files were not read", "run 1 (Tool): another run") if texts else ()
    document = written(scans=[scan(facts(status=status), status_reasons=reasons)])
    invocation = document["runs"][0]["invocations"][0]
    told = invocation.get("toolExecutionNotifications")
    assert invocation["executionSuccessful"] is success
    assert (told and [entry["message"]["text"] for entry in told]) == texts
    assert read_back(document)[0].status == status


def test_a_file_that_is_partial_as_a_whole_makes_its_runs_partial() -> None:
    reasons = ("the report has inlineExternalProperties",)
    again_read, _findings = read_back(written(scans=[scan(status="partial", status_reasons=reasons)]))
    assert again_read.status == "partial"


def test_a_file_without_runs_and_a_status_without_reasons_do_not_pass_for_clean() -> None:
    empty = {**scan(), "runs": [], "status": "empty"}
    for document in (written(scans=[empty]), written(scans=[scan(facts(status="failed"))])):
        invocation = document["runs"][0]["invocations"][0]
        assert invocation["executionSuccessful"] is False
        assert invocation["toolExecutionNotifications"]


def test_runs_keep_the_order_of_the_scans_whatever_the_order_of_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_runs, "_SPOOLS", 2)
    scans = [scan(facts(), facts(run=1)), scan(facts(tool="Clean"), sha256="ee" * 32), scan(sha256=OTHER_SHA)]
    records = [record(id=f"{number}", scan=(SHA, OTHER_SHA)[number % 2], run=number % 3 % 2) for number in range(12)]
    shuffled = written(*records, scans=scans)
    known = {(SHA, 0): 0, (SHA, 1): 1, (OTHER_SHA, 0): 3, (OTHER_SHA, 1): 4}
    ordered = written(*sorted(records, key=lambda entry: known[entry["scan"], entry["run"]]), scans=scans)
    assert shuffled == ordered
    assert [len(run["results"]) for run in ordered["runs"]] == [4, 2, 0, 4, 2]


def test_endless_rules_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_runs, "MOST_RULES", 2)
    tally = Tally()
    run = written(*[record(rule=f"R{number % 4}") for number in range(8)], tally=tally)["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["R0", "R1"]
    assert [result.get("ruleIndex") for result in run["results"]] == [0, 1, None, None] * 2
    assert tally.truncated == ({"what": "rules described in the SARIF document", "kept": 2, "seen": 4},)


def test_rules_that_share_an_id_stay_apart() -> None:
    run = written(record(rule_name="One"), record(rule_name="The other"))["runs"][0]
    assert run["tool"]["driver"]["rules"] == [
        {"id": "R1", "name": "One"},
        {"id": "R1", "shortDescription": {"text": "The other"}},
    ]


def test_addresses_that_are_no_web_addresses_are_no_links() -> None:
    tally = Tally()
    given = record(help_uri="javascript:alert(1)", message="see [this](javascript:x) and [that](https://x.example)")
    run = written(given, scans=[scan(facts(repository="git@example.com:a/b"))], tally=tally)["runs"][0]
    assert run["tool"]["driver"]["rules"] == [{"id": "R1", "properties": {"knowngood/help_uri": "javascript:alert(1)"}}]
    assert run["results"][0]["message"]["text"] == "see [this] (javascript:x) and [that](https://x.example)"
    assert "versionControlProvenance" not in run
    assert run["properties"]["knowngood/commit"] == COMMIT
    assert set(counted(tally)) == {"sarif_help_uri_left_out", "sarif_link_disarmed", "sarif_repository_left_out"}


def test_an_override_shows_what_was_before() -> None:
    override = {"before": "low", "source_before": "level:rule", "match": "cwe", "reason": "ours"}
    assert only(written({**record(), "override": override}))["properties"]["knowngood/override"] == override


@pytest.mark.parametrize("counts", [(1, 2), (2, 1), (1, 0)])
def test_records_that_change_between_the_walks_are_refused(counts: tuple[int, int]) -> None:
    walks = iter([[record()] * counts[0], [record()] * counts[1]])
    with pytest.raises(BadInput, match="changed while they were written"):
        list(sarif.document([], lambda: iter(next(walks))))
    for other in ([record(scan=OTHER_SHA)], [record(), record(scan=OTHER_SHA)]):
        walks = iter([[record()], other])
        with pytest.raises(BadInput, match="changed while they were written"):
            list(sarif.document([], lambda walks=walks: iter(next(walks))))


def test_nothing_in_nothing_out() -> None:
    assert written()["runs"] == []


def test_the_same_input_gives_the_same_bytes() -> None:
    once, twice = (b"".join(WRITERS["sarif"]([scan()], again(record()), None)) for _time in range(2))
    assert once == twice


@settings(max_examples=60)
@given(st.lists(findings(), max_size=6))
def test_what_we_write_is_read_back_the_same(given: list[Any]) -> None:
    records = sorted((entry.to_dict() for entry in given), key=lambda entry: entry["run"])
    document = written(*records, scans=[scan(facts(), facts(run=1))])
    _scan, found = read_back(document)
    assert [{name: entry.to_dict()[name] for name in KEPT} for entry in found] == [
        {name: entry[name] for name in KEPT} for entry in records
    ]


@settings(max_examples=60)
@given(st.lists(findings(), min_size=1, max_size=4))
def test_reading_what_was_written_and_writing_it_again_changes_nothing(given: list[Any]) -> None:
    first = written(*(entry.to_dict() for entry in given), scans=[scan(facts(), facts(run=1))])
    outcome, found = read_back(first)
    second = written(*(entry.to_dict() for entry in found), scans=[outcome.to_dict()])
    _again, twice = read_back(second)
    assert [entry.id for entry in twice] == [entry.id for entry in found]


@settings(max_examples=60)
@given(st.lists(hostile_records(), max_size=4), st.booleans(), HOSTILE)
def test_any_store_gives_a_valid_document_without_hidden_characters(
    given: list[Record], known: bool, text: str
) -> None:
    odd = facts(tool=text, category=text, run_id=text, repository=text, commit=text, time=text)
    scans = [scan(odd, file=text, tool=text, status_reasons=(text,))] if known else []
    document = written(*given, scans=scans)
    for value in _strings(document):
        assert value == visible(value)


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for entry in value.values() for text in _strings(entry))]
    if isinstance(value, list):
        return [text for entry in value for text in _strings(entry)]
    return [value] if isinstance(value, str) else []


def test_the_memory_does_not_grow_with_the_findings() -> None:
    def peak(count: int) -> int:
        template = record()
        tracemalloc.start()
        try:
            for _piece in sarif.document([scan()], lambda: (dict(template, id=f"{n}") for n in range(count))):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < 2 * peak(400) + 100_000


def test_a_finding_is_not_touched() -> None:
    given = finding().to_dict()
    before = json.dumps(given)
    list(sarif.document([], lambda: iter([given])))
    assert json.dumps(given) == before
