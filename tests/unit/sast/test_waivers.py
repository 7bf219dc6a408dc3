# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waivers as data: which are valid, what they hide, and what the outcome says about those that hide nothing."""

from __future__ import annotations

import builtins
import datetime as dt
import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import (
    Finding,
    Location,
    Severity,
    State,
    Suppression,
)
from ansible_collections.knowngood.kube.plugins.module_utils._sast import waivers as waivers_module
from ansible_collections.knowngood.kube.plugins.module_utils._sast.conditions import PathGlob
from ansible_collections.knowngood.kube.plugins.module_utils._sast.waivers import Waivers, waived

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def entry(scope=None, **more):
    given_ = {"id": "W1", "owner": "team-a", "reason": "only in tests", "expires": "2026-12-31", "scope": scope}
    return {**given_, "scope": {"rule": "R1"} if scope is None else scope, **more}


def waivers(*entries, now=NOW):
    return Waivers.from_list(list(entries), now)


def finding(**more):
    path = more.pop("path", "src/a.py")
    return Finding(
        **{
            "id": "f1",
            "tool": "Tool",
            "rule": "R1",
            "severity": Severity.HIGH,
            "severity_source": "level:result",
            "native": "error",
            "state": State.LIVE,
            "message": "bad",
            "cwe": ("CWE-89",),
            "commit": "abcdef1234567890",
            "locations": (Location(path, line=3),),
            **more,
        }
    )


@pytest.mark.parametrize(
    ("scope", "holds"),
    [
        ({"finding": "f1"}, True),
        ({"finding": "f2"}, False),
        ({"rule": "R1"}, True),
        ({"rule": "R2"}, False),
        ({"rule": "R?"}, True),
        ({"rule": "r*"}, False),
        ({"cwe": "CWE-89"}, True),
        ({"cwe": "cwe-089"}, True),
        ({"cwe": 89}, True),
        ({"cwe": "CWE-8"}, False),
        ({"path": "src/**"}, True),
        ({"path": "src/"}, True),
        ({"path": "./src/a.py"}, True),
        ({"path": "**/a.py"}, True),
        ({"path": "*.py"}, False),
        ({"path": "src/[ab].py"}, True),
        ({"path": "src"}, False),
        ({"tool": "tool"}, True),
        ({"tool": "other"}, False),
        ({"commits": ["abcdef1"]}, True),
        ({"commits": ["ABCDEF1234567890aaaa"]}, True),
        ({"commits": ["1234567"]}, False),
        ({"match": "severity == 'high'"}, True),
        ({"match": "severity == 'low'"}, False),
        ({"rule": "R1", "path": "test/**"}, False),
        ({"rule": "R1", "path": "src/**", "cwe": "CWE-89", "tool": "TOOL", "match": "line == `3`"}, True),
        ({"rule": "R*", "path": "**"}, True),
        ({"finding": "f1", "cwe": "CWE-79"}, False),
        ({"finding": "f1", "tool": "other"}, False),
        ({"finding": "f1", "rule": "R2"}, False),
        ({"finding": "f1", "path": "lib/**"}, False),
        ({"finding": "f1", "tool": "other", "rule": "R1"}, False),
    ],
)
def test_all_conditions_of_a_scope_must_hold_for_findings_and_for_records(scope, holds):
    ready = waivers(entry(scope))
    assert (ready.judge(finding()) is not None) is holds
    assert (ready.judge(finding().to_dict()) is not None) is holds


def test_a_rule_is_known_by_its_resolved_name_and_without_the_path_of_a_configuration():
    ready = waivers(entry({"rule": "sqli"}))
    assert ready.judge(finding(rule="sqli/python", descriptor="sqli"))
    assert ready.judge(finding(rule="home.ci.rules.sqli", tool="Semgrep OSS"))
    assert not ready.judge(finding(rule="home.ci.rules.sqli", tool="Other"))


def test_a_path_must_hold_for_every_place_and_never_means_a_place_outside_the_root():
    ready = waivers(entry({"path": "test/**"}))
    here, there = Location("test/a.py"), Location("src/a.py")
    assert ready.judge(finding(locations=(here,)))
    assert not ready.judge(finding(locations=(here, there)))
    assert not ready.judge(finding(locations=()))
    assert not ready.judge(finding(locations=(Location("test/a.py", place="outside_root"),)))
    assert ready.judge({"id": "x", "rule": "r", "path": "test/b.py"})


def test_images_must_all_be_meant():
    ready = waivers(entry({"digests": [ONE.upper().replace("SHA", "sha")]}))
    assert ready.judge(finding(), digests=[ONE.upper()])
    assert not ready.judge(finding(), digests=[ONE, TWO])
    assert not ready.judge(finding())


def test_the_commit_of_the_scan_goes_before_that_of_the_finding():
    ready = waivers(entry({"commits": ["fedcba9"]}))
    assert ready.judge(finding(), commit="fedcba9876")
    assert not ready.judge(finding())
    assert not ready.judge(finding(commit=None))


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "valid"),
        ({"expires": "2026-11-21"}, "valid"),
        ({"expires": dt.date(2026, 11, 21)}, "valid"),
        ({"expires": "2026-11-20"}, "expired"),
        ({"expires": "2026-11-21T12:00:00Z"}, "expired"),
        ({"expires": "2026-11-21T12:00:00.000001Z"}, "valid"),
        ({"expires": "2026-11-21T13:30:00+02:00"}, "expired"),
        ({"expires": NOW + dt.timedelta(seconds=1)}, "valid"),
        ({"owner": ""}, "ownerless"),
        ({"owner": None, "reason": None}, "ownerless"),
        ({"reason": " "}, "reasonless"),
        ({"reason": None, "expires": "2020-01-01"}, "reasonless"),
    ],
)
def test_a_waiver_that_is_not_valid_is_no_error_hides_nothing_and_is_named(more, state):
    ready = waivers(entry(**more))
    found = [ready.judge(finding()), ready.judge(finding(id="f2")), ready.judge(finding(rule="R9"))]
    report = ready.report()
    row = report["waivers"][0]
    assert row["state"] == state
    assert row["first"] == {"id": "f1", "rule": "R1", "path": "src/a.py"}
    if state == "valid":
        assert found[0] is found[1] is ready.entries[0]
        assert (row["used"], report["invalid"], report["would_have_hidden"]) == (2, [], {})
    else:
        assert found == [None] * 3
        assert (row["used"], report["invalid"], report["would_have_hidden"]) == (0, ["W1"], {"W1": 2})
    assert (report["hidden"], report["unused"]) == (row["used"], [])


def test_an_expired_waiver_that_a_valid_one_replaces_would_have_hidden_nothing():
    ready = waivers(entry(id="old", expires="2026-01-01"), entry(id="new"), entry(id="newer"))
    assert ready.judge(finding()).id == "new"
    report = ready.report()
    assert report["would_have_hidden"] == {}
    assert report["unused"] == ["newer"]


def test_the_first_valid_one_in_the_order_given_counts_whatever_it_names():
    scopes = [{"match": "rule == 'R1'"}, {"path": "src/**"}, {"rule": "R*"}, {"cwe": "CWE-89"}, {"finding": "f1"}]
    for turn in range(len(scopes)):
        order = scopes[turn:] + scopes[:turn]
        ready = waivers(*(entry(scope, id=f"W{at}") for at, scope in enumerate(order)))
        assert ready.judge(finding()).id == "W0"


def test_a_waived_finding_is_suppressed_and_says_by_whom_why_and_until_when():
    before = finding(suppressions=(Suppression("inSource", "rejected"),))
    after = waived(before, waivers(entry(expires="2026-12-01T10:00:00+01:00")).judge(before))
    assert (before.state, after.state) == (State.LIVE, State.SUPPRESSED)
    assert [entry_.to_dict() for entry_ in after.suppressions[1:]] == [
        {
            "kind": "waiver",
            "status": "accepted",
            "justification": "W1: only in tests (team-a, until 2026-12-01T09:00:00Z)",
        }
    ]
    assert Finding.from_dict(after.to_dict()) == Finding.from_dict({**before.to_dict(), **after.to_dict()})


@pytest.mark.parametrize(
    ("data", "what", "where"),
    [
        ({"a": 1}, "list of at most", "waivers"),
        (["x"], "must be a dictionary", "waivers[0]"),
        ([entry(match="x")], "unknown keys: match", "waivers[0]"),
        ([entry(id=None)], "text that is not empty", "waivers[0].id"),
        ([entry(id="a: b")], "id cannot be used", "waivers[0].id"),
        ([entry(), entry()], "used twice", "waivers[1].id"),
        ([entry(owner=["a"])], "text that is not empty", "waivers[0].owner"),
        ([entry(reason="x" * 5000)], "too long", "waivers[0].reason"),
        ([entry(expires=None)], "needs an end", "waivers[0].expires"),
        ([entry(expires="soon")], "not a time", "waivers[0].expires"),
        ([entry(expires="2026-02-30")], "not a day", "waivers[0].expires"),
        ([entry(expires="9999-12-31")], "not a day", "waivers[0].expires"),
        ([entry(expires="2026-12-31T10:00:00")], "not a time with a zone", "waivers[0].expires"),
        ([entry(expires="0001-01-01T00:00:00+14:00")], "not a time", "waivers[0].expires"),
        ([entry(expires=dt.datetime(2026, 12, 31))], "not a time with a zone", "waivers[0].expires"),
        ([entry(expires=20261231)], "not a time", "waivers[0].expires"),
        ([entry({})], "needs a scope", "waivers[0].scope"),
        ([{**entry(), "scope": None}], "needs a scope", "waivers[0].scope"),
        ([entry("R1")], "must be a dictionary", "waivers[0].scope"),
        ([entry({"rules": "R1"})], "unknown keys: rules", "waivers[0].scope"),
        ([entry({"rule": None})], "missing or null", "waivers[0].scope.rule"),
        ([entry({"rule": ""})], "empty", "waivers[0].scope.rule"),
        ([entry({"path": "**"})], "every finding", "waivers[0].scope"),
        ([entry({"path": "**/*.*", "rule": "?*"})], "every finding", "waivers[0].scope"),
        ([entry({"path": "[!a]*"})], "every finding", "waivers[0].scope"),
        ([entry({"cwe": "89, 79"})], "not one CWE", "waivers[0].scope.cwe"),
        ([entry({"cwe": True})], "not one CWE", "waivers[0].scope.cwe"),
        ([entry({"commits": "abcdef1"})], "list of 1 to", "waivers[0].scope.commits"),
        ([entry({"commits": ["xyz"]})], "not a commit id", "waivers[0].scope.commits"),
        ([entry({"digests": []})], "list of 1 to", "waivers[0].scope.digests"),
        ([entry({"digests": ["sha256:1"]})], "not an image digest", "waivers[0].scope.digests"),
        ([entry({"match": "rule =="})], "not a JMESPath", "waivers[0].scope.match: rule =="),
        ([entry({"match": "`true`"})], "looks at nothing", "waivers[0].scope.match"),
        ([entry({"match": "`[1,2]`[0:1] == `[1]`"})], "looks at nothing", "waivers[0].scope.match"),
        ([entry(vex="harmless")], "no such word", "waivers[0].vex"),
    ],
)
def test_bad_input_is_one_clear_error(data, what, where):
    with pytest.raises(BadInput, match=what.replace("(", r"\(")) as caught:
        Waivers.from_list(data, NOW)
    assert caught.value.where == where


def test_a_match_that_fails_on_a_finding_is_an_error_and_never_a_miss():
    with pytest.raises(BadInput, match="true or false"):
        waivers(entry({"match": "message"})).judge(finding())


def test_unsafe_characters_of_a_waiver_are_shown():
    ready = waivers(entry(reason="fine\u202e\x1b[31m", owner="te\u200bam"))
    assert ready.judge(finding()).suppression().justification.startswith("W1: fine\\u202e\\u001b[31m (te\\u200bam")


def test_without_a_match_jmespath_is_not_needed(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "jmespath":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert waivers(entry()).judge(finding())
    with pytest.raises(BadInput, match="pip install jmespath"):
        waivers(entry({"match": "rule == 'R1'"}))


@pytest.mark.parametrize("state", [State.SUPPRESSED, State.ABSENT])
def test_a_finding_that_is_hidden_already_uses_up_no_waiver(state):
    ready = waivers(entry())
    assert ready.judge(finding(state=state)) is None
    assert ready.judge({"id": "f1", "rule": "R1", "state": state.value}) is None
    assert ready.report()["unused"] == ["W1"]


def test_no_waivers_hide_nothing():
    assert waivers().judge(finding()) is None
    assert waivers().report()["waivers"] == []
    assert waivers(entry()).get("W1").owner == "team-a"
    assert waivers(entry()).get("W2") is None


def test_many_waivers_and_many_findings_are_not_multiplied():
    scopes = [{"rule": f"R{at}"} for at in range(250)]
    scopes += [{"path": f"src/m{at}/**"} for at in range(250)]
    scopes += [{"finding": f"f{at}"} for at in range(250)]
    scopes += [{"cwe": f"CWE-{at + 1000}", "rule": "*x*"} for at in range(125)]
    scopes += [{"rule": f"*-g{at}"} for at in range(125)]
    ready = waivers(*(entry(scope, id=f"W{at}") for at, scope in enumerate(scopes)))
    records = [
        {"id": f"x{at}", "rule": f"Q{at % 300}", "path": f"lib/m{at % 900}/a.py", "cwe": ["CWE-89"], "tool": "T"}
        for at in range(20_000)
    ]
    begin = time.process_time()
    assert not any(ready.judge(record) for record in records)
    assert time.process_time() - begin < 3
    assert ready.judge({"id": "x", "rule": "a-g7", "path": "b"}).id == "W882"
    assert ready.judge({"id": "x", "rule": "a", "path": "src/m3/x/y"}).id == "W253"


def test_the_cache_of_globs_stays_bounded_and_right(monkeypatch):
    monkeypatch.setattr(waivers_module, "_MOST_CACHED", 1000)
    ready = waivers(entry({"path": "src/*/x.py"}), entry({"rule": "R*"}, id="W2"))
    for at in range(6000):
        assert ready.judge({"id": "x", "rule": f"S{at}", "path": f"src/{at}/x.py"}).id == "W1"
    assert ready.judge({"id": "x", "rule": "Rx", "path": "y"}).id == "W2"
    assert len(ready._cache) <= 1000


@pytest.mark.parametrize(
    ("glob", "path", "holds"),
    [
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/bb", False),
        ("a/**/**/b", "a/b", True),
        ("**/a/**", "a", True),
        ("**/x/*/y", "x/x/1/y", True),
        ("a/**/x/**/b", "a/1/x/2/x/3/b", True),
        ("a/*", "a/b/c", False),
        ("/a/**", "/a/b", True),
        ("/a/**", "a/b", False),
        ("a", "a/b", False),
        ("a/b/c", "a/b", False),
        ("a?c", "a/c", False),
        ("a*\nb", "ax\nb", True),
    ],
)
def test_a_glob_is_of_the_whole_path(glob, path, holds):
    assert PathGlob(glob).matches(path) is holds


@given(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=6), st.text("ab*?", min_size=1, max_size=6))
def test_a_glob_within_one_folder_is_that_of_the_standard_library(names, glob):
    if "**" in glob:
        return
    path = "/".join(names)
    assert PathGlob(glob).matches(path) is (len(names) == 1 and fnmatch.fnmatchcase(path, glob))
    assert PathGlob(f"**/{glob}").matches(path) is fnmatch.fnmatchcase(names[-1], glob)


def test_a_hostile_path_costs_no_more_than_its_length():
    glob = PathGlob("**/" + "*a" * 15 + "/**/" + "a*" * 15 + "b")
    begin = time.process_time()
    for path in ("a" * 1024, "/".join(["a" * 31] * 32), "a/" * 511 + "a"):
        assert not glob.matches(path)
    assert time.process_time() - begin < 1
