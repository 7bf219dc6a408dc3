# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What changed between two scans: new, fixed, unchanged, moved, and what cannot be told."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import State
from ansible_collections.knowngood.kube.plugins.module_utils._sast.compare import comparability, compare, rules_of

from .conftest import result, run_of, sarif
from .histories import Sort, history, record, records

HASH = "primaryLocationLineHash"


def changes(before, after, **more):
    return compare(records(*before), records(*after), **more)


def told(found):
    """(status, line now, line before, how, identity) of what is there, and (status, line) of what is not any more."""
    there = [
        (row.status, row.line, row.was.line if row.was else None, row.how, row.identity)
        for row in sorted(found.after, key=lambda row: (row.path, row.line or 0))
    ]
    return there, [(row.status, row.line) for row in found.gone]


def statuses(found):
    return Counter(row.status for row in found.after), Counter(row.status for row in found.gone)


def filled(*rows, path="src/a.py"):
    """Findings that are paired beyond doubt, to say how the lines of a file moved: (name, line)."""
    return [{"path": path, "line": line, "rule": "anchor", "fingerprints": {"f": name}} for name, line in rows]


# What a finding is, whatever moved around it


def test_a_finding_at_another_line_is_unchanged_and_both_lines_are_told():
    found = changes([{"line": 10, "message": "bad in line 10"}], [{"line": 99, "message": "bad in line 99"}])
    assert told(found) == ([("unchanged", 99, 10, "identical", "unique")], [])
    assert found.counts == {
        "before": 1,
        "after": 1,
        "history": 0,
        "new": 0,
        "unchanged": 1,
        "moved": 0,
        "fixed": 0,
        "uncertain_new": 0,
        "uncertain_gone": 0,
        "newly_reported": 0,
    }


@pytest.mark.parametrize("other", [{"rule": "R2"}, {"path": "src/b.py"}, {"message": "worse"}, {"tool": "Other"}])
def test_another_rule_file_message_or_tool_is_another_finding(other):
    assert statuses(changes([{}], [other], renames={})) == ({"new": 1}, {"fixed": 1})


def test_a_suppressed_finding_takes_part_and_history_does_not():
    before = [{"state": State.LIVE}, {"state": State.ABSENT, "message": "old"}]
    found = changes(before, [{"state": State.SUPPRESSED}, {"kind": "pass", "message": "fine"}, {"kind": "open"}])
    assert [(row.status, row.state, row.was and row.was.state) for row in found.after] == [
        ("new", "live", None),
        ("unchanged", "suppressed", "live"),
    ]
    assert (found.counts["history"], found.gone) == (2, ())


def test_a_finding_without_a_file_is_known_by_its_symbol():
    found = changes(
        [{"path": "", "line": None, "symbol": "a.b"}, {"path": "", "line": None, "symbol": "a.c"}],
        [{"path": "", "line": None, "symbol": "a.c"}],
    )
    assert statuses(found) == ({"unchanged": 1}, {"fixed": 1})
    nowhere = {"path": "", "line": None}
    assert statuses(changes([nowhere, nowhere], [nowhere])) == ({"unchanged": 1}, {"fixed": 1})


def test_editions_versions_and_rule_prefixes_of_a_tool_are_no_identity():
    found = changes(
        [{"tool": "Semgrep OSS", "rule": "home.ci.rules.sqli"}], [{"tool": "semgrep PRO", "rule": "srv.rules.sqli"}]
    )
    (row,) = found.after
    assert (row.status, row.rule, row.was.rule) == ("moved", "srv.rules.sqli", "home.ci.rules.sqli")
    assert statuses(changes([{"tool": "Lint 2.1"}], [{"tool": "Lint 3.0.1"}])) == ({"unchanged": 1}, {})


# Fingerprints


def test_fingerprints_are_compared_in_their_greatest_common_version():
    old, both = {"h/v1": "one"}, {"h/v1": "one", "h/v2": "two"}
    for before, after in ((old, both), (both, old)):
        found = changes([{"fingerprints": before}], [{"fingerprints": after}])
        assert told(found)[0] == [("unchanged", 10, 10, "fingerprint", "unique")]


def test_an_older_version_does_not_pair_what_the_newer_one_tells_apart():
    before = [*filled(("x", 1), ("y", 900)), {"line": 100, "fingerprints": {"h/v1": "one", "h/v2": "two"}}]
    after = [*filled(("x", 1), ("y", 900)), {"line": 500, "fingerprints": {"h/v1": "one", "h/v2": "other"}}]
    assert statuses(changes(before, after)) == ({"unchanged": 2, "new": 1}, {"fixed": 1})
    elsewhere = [{**after[2], "path": "src/b.py"}]
    assert statuses(changes(before[2:], elsewhere)) == ({"new": 1}, {"fixed": 1})


def test_any_fingerprint_will_do_but_none_of_a_line_or_column():
    before = {"fingerprints": {"a": "1", "z": "same", "startLine": "5"}, "message": "one"}
    after = {"fingerprints": {"a": "2", "z": "same", "startLine": "5"}, "message": "two"}
    assert told(changes([before], [after]))[0][0][3] == "fingerprint"
    before, after = ({"fingerprints": {"startLine": "5"}, "message": message} for message in ("one", "two"))
    assert statuses(changes([before], [after])) == ({"new": 1}, {"fixed": 1})


def test_the_number_that_ends_a_line_hash_is_no_identity():
    before = [{"line": line, "fingerprints": {HASH: f"abc:{at}"}} for at, line in enumerate((10, 20, 30), 1)]
    after = [{"line": line, "fingerprints": {HASH: f"abc:{at}"}} for at, line in enumerate((20, 30), 1)]
    found = changes(before, after)
    assert told(found)[0] == [
        ("unchanged", 20, 20, "identical", "line"),
        ("unchanged", 30, 30, "identical", "line"),
    ]
    assert [(row.status, row.line) for row in found.gone] == [("fixed", 10)]


def test_too_many_kinds_of_fingerprints_are_not_all_compared_and_that_is_said():
    bag = {f"k{number:02}": "x" for number in range(40)}
    found = changes([{"fingerprints": bag}], [{"fingerprints": bag}])
    assert found.warnings == ("8 kinds of fingerprints beyond the most common were not compared",)


# Equal findings of one file


def test_of_three_equal_findings_two_are_left_and_the_lines_tell_which():
    before = [*filled(("x", 5), ("y", 95)), *({"line": line} for line in (10, 50, 90))]
    after = [*filled(("x", 7), ("y", 97)), *({"line": line} for line in (12, 92))]
    there, gone = told(changes(before, after))
    assert there[1:3] == [("unchanged", 12, 10, "identical", "line"), ("unchanged", 92, 90, "identical", "line")]
    assert gone == [("fixed", 50)]


def test_of_three_equal_findings_two_are_left_and_only_the_number_is_certain():
    found = changes([{"line": line} for line in (10, 50, 90)], [{"line": line} for line in (33, 66)])
    assert [(row.status, row.identity) for row in found.after] == [("unchanged", "count")] * 2
    assert [row.status for row in found.gone] == ["fixed"]


def test_the_quoted_code_tells_equal_findings_apart():
    before = [{"line": line, "snippet_sha256": code} for line, code in ((10, "a"), (20, "b"), (30, "b"), (40, "c"))]
    after = [{"line": line, "snippet_sha256": code} for line, code in ((200, "b"), (210, "b"), (400, "c"))]
    there, gone = told(changes(before, after))
    assert [(was, identity) for _status, _line, was, _how, identity in there] == [
        (20, "count"),
        (30, "count"),
        (40, "snippet"),
    ]
    assert gone == [("fixed", 10)]


def test_an_edited_line_at_its_place_is_the_same_finding():
    before = [*filled(("x", 1), ("y", 90)), *({"line": at, "snippet_sha256": f"s{at}"} for at in (10, 50))]
    after = [
        *filled(("x", 3), ("y", 92)),
        {"line": 12, "snippet_sha256": "s10"},
        {"line": 52, "snippet_sha256": "edited"},
    ]
    there, gone = told(changes(before, after))
    assert there[2] == ("unchanged", 52, 50, "identical", "line")
    assert gone == []


def test_other_code_at_another_place_is_another_finding():
    before = [*filled(("x", 1), ("y", 900)), {"line": 10, "snippet_sha256": "a"}, {"line": 100, "snippet_sha256": "b"}]
    after = [*filled(("x", 1), ("y", 900)), {"line": 10, "snippet_sha256": "a"}, {"line": 600, "snippet_sha256": "c"}]
    assert statuses(changes(before, after)) == ({"unchanged": 3, "new": 1}, {"fixed": 1})
    del before[2], after[2]
    assert statuses(changes(before, after)) == ({"unchanged": 2, "new": 1}, {"fixed": 1})


@pytest.mark.parametrize("line", [10, 80])
def test_one_alone_with_other_code_is_the_same_as_long_as_nothing_speaks_against_it(line):
    found = changes([{"snippet_sha256": "a", "line": 10}], [{"snippet_sha256": "b", "line": line}])
    assert told(found)[0] == [("unchanged", line, 10, "identical", "unique")]


def test_edited_or_another_is_uncertain_on_both_sides():
    before = [{"line": at, "snippet_sha256": f"s{at}"} for at in (10, 50, 90)]
    after = [{"line": 10, "snippet_sha256": "s10"}, {"line": 70, "snippet_sha256": "new"}]
    found = changes(before, after)
    assert statuses(found) == ({"unchanged": 1, "uncertain": 1}, {"uncertain": 2})
    (row,) = [row for row in found.after if row.status == "uncertain"]
    assert row.reasons == ("equal findings of this file differ in the quoted code: edited, or others",)
    assert set(row.alike) == {gone.id for gone in found.gone}
    assert (found.counts["uncertain_new"], found.counts["uncertain_gone"]) == (1, 2)


def test_equal_findings_at_places_that_do_not_fit_are_uncertain():
    before = [*filled(("x", 1), ("y", 900)), {"line": 100}, {"line": 200}]
    after = [*filled(("x", 1), ("y", 900)), {"line": 100}, {"line": 600}]
    assert statuses(changes(before, after)) == ({"unchanged": 3, "uncertain": 1}, {"uncertain": 1})


def test_without_lines_only_the_number_counts():
    assert statuses(changes([{"line": None}] * 3, [{"line": None}] * 2)) == ({"unchanged": 2}, {"fixed": 1})


def test_many_equal_findings_take_no_longer_than_as_many_others():
    before, after = ([{"line": at} for at in range(start, 6000, 2)] for start in (0, 7))
    started = time.process_time()
    found = changes(before, after)
    assert (found.counts["unchanged"], found.counts["fixed"]) == (2997, 3)
    edited = compare(
        *([{**record(line=2 * at + side), "snippet_sha256": f"{side}{at}"} for at in range(2000)] for side in (0, 1))
    )
    assert edited.counts["uncertain_new"] == 2000
    assert time.process_time() - started < 5


# Over files


def test_the_only_one_with_its_fingerprint_has_moved():
    found = changes([{"fingerprints": {"f": "x"}}], [{"fingerprints": {"f": "x"}, "path": "lib/other.py", "line": 3}])
    (row,) = found.after
    assert (row.status, row.how, row.was.path, row.path) == ("moved", "moved_fingerprint", "src/a.py", "lib/other.py")


def test_one_of_two_with_the_fingerprint_is_uncertain():
    same = {"fingerprints": {"f": "x"}}
    found = changes([{**same, "path": "a"}, {**same, "path": "b"}], [{**same, "path": "c"}])
    assert statuses(found) == ({"uncertain": 1}, {"uncertain": 2})
    assert found.after[0].reasons == ("several findings of other files have its fingerprint",)
    kept = changes([{**same, "path": "a"}, {**same, "path": "b"}], [{**same, "path": "a"}, {**same, "path": "c"}])
    assert statuses(kept) == ({"unchanged": 1, "uncertain": 1}, {"uncertain": 1})


def test_a_rename_that_git_tells_settles_what_the_findings_cannot():
    same = {"fingerprints": {"f": "x"}}
    before, after = [{**same, "path": "a"}, {**same, "path": "b"}], [{**same, "path": "c"}, {**same, "path": "d"}]
    assert statuses(changes(before, after)) == ({"uncertain": 2}, {"uncertain": 2})
    found = changes(before, after, renames={"a": "d", "b": "c"})
    assert [(row.status, row.how, row.was.path, row.path) for row in found.after] == [
        ("moved", "rename", "b", "c"),
        ("moved", "rename", "a", "d"),
    ]


def test_the_only_one_of_its_name_and_code_has_moved_unless_git_says_where_its_file_went():
    before, after = {"path": "a/x.py", "snippet_sha256": "s"}, {"path": "b/x.py", "snippet_sha256": "s"}
    assert told(changes([before], [after]))[0][0][3] == "moved_snippet"
    assert statuses(changes([before], [after], renames={"a/x.py": "c/x.py"}))[0] == {"uncertain": 1}


def test_several_of_that_name_and_code_are_uncertain():
    def copies(*folders):
        return [{"path": f"{folder}/x.py", "snippet_sha256": "s"} for folder in folders]

    found = changes(copies("a", "b"), copies("a", "c"))
    assert statuses(found) == ({"unchanged": 1, "uncertain": 1}, {"uncertain": 1})
    assert "several files of that name quote the same code for its rule" in found.after[0].reasons


def test_two_findings_of_a_file_that_is_gone_tell_its_new_name_one_does_not():
    def tree(path, *messages):
        return [{"path": path, "line": line, "message": text} for line, text in enumerate(messages, 10)]

    found = changes(tree("old.py", "one", "two", "twin", "twin"), tree("new.py", "one", "two", "twin", "twin"))
    assert {(row.status, row.how) for row in found.after} == {("moved", "inferred_rename")}
    found = changes(tree("old.py", "one"), tree("new.py", "one"))
    assert (found.after[0].status, found.gone[0].status) == ("uncertain", "uncertain")
    assert found.after[0].reasons == ("its file may have been renamed, and only this finding says so",)
    found = changes(tree("old.py", "one", "two"), [*tree("new.py", "one"), *tree("new2.py", "two")])
    assert statuses(found) == ({"uncertain": 2}, {"uncertain": 2})


def test_several_files_of_that_name_that_came_are_uncertain_unless_git_knows():
    before, after = ([{"path": f"{folder}/x.py"} for folder in folders] for folders in (("a", "b"), ("c", "d")))
    found = changes(before, after)
    assert statuses(found) == ({"uncertain": 2}, {"uncertain": 2})
    assert found.gone[0].reasons == ("its file may be one of several of that name in other folders",)
    assert statuses(changes(before, after, renames={})) == ({"new": 2}, {"fixed": 2})
    marked = [[{**one, "fingerprints": {"f": one["path"]}} for one in side] for side in (before, after)]
    assert statuses(changes(*marked)) == ({"new": 2}, {"fixed": 2})


def test_what_moved_by_its_fingerprint_takes_the_rest_of_its_file_along():
    def tree(path):
        marked = [{"path": path, "line": at, "rule": "F", "fingerprints": {"f": f"{at}"}} for at in (1, 2)]
        return [*marked, {"path": path, "line": 7}]

    found = changes([*tree("old.py"), {"path": "z.py"}], [*tree("new.py"), {"path": "z.py"}])
    assert Counter(row.how for row in found.after) == {"moved_fingerprint": 2, "inferred_rename": 1, "identical": 1}


# Fingerprints that change, and code that speaks against them


def test_a_fingerprint_that_is_computed_anew_is_overruled_by_the_quoted_code():
    found = changes(
        [{"fingerprints": {"f": "old"}, "snippet_sha256": "s"}],
        [{"fingerprints": {"f": "new"}, "snippet_sha256": "s", "line": 12}],
    )
    assert told(found)[0] == [("unchanged", 12, 10, "context", "count")]


def test_without_quoted_code_only_the_exact_place_overrules_a_fingerprint():
    def with_print(value, line):
        return [*filled(("x", 1), ("y", 90)), {"line": line, "fingerprints": {"f": value}}]

    assert told(changes(with_print("old", 40), with_print("new", 40)))[0][1][3:] == ("context", "line")
    assert statuses(changes(with_print("old", 40), with_print("new", 42))) == (
        {"unchanged": 2, "new": 1},
        {"fixed": 1},
    )


def test_a_tool_that_begins_to_give_fingerprints_reports_the_same_findings():
    found = changes([{"line": 10}, {"line": 20}], [{"line": 20, "fingerprints": {"f": "x"}}])
    assert told(found) == ([("unchanged", 20, 20, "context", "line")], [("fixed", 10)])
    before = [{"line": at, "snippet_sha256": "s"} for at in (10, 20)]
    after = [{"line": at, "snippet_sha256": "s", "fingerprints": {"f": f"{at}"}} for at in (30, 40)]
    assert statuses(changes(before, after)) == ({"unchanged": 2}, {})
    before = [*filled(("x", 1), ("y", 900)), {"line": 10}, {"line": 20}]
    after = [*filled(("x", 1), ("y", 900)), *({"line": at, "fingerprints": {"g": f"{at}"}} for at in (500, 600))]
    assert statuses(changes(before, after)) == ({"unchanged": 2, "uncertain": 2}, {"uncertain": 2})


# Whole histories


@pytest.mark.parametrize(
    ("sort", "with_map", "other_names", "tenths"),
    [
        (Sort(fingerprints=True), False, True, 10),
        (Sort(snippets=True), False, False, 10),
        (Sort(fingerprints=True, snippets=True), True, True, 2),
        (Sort(snippets=True), True, True, 2),
        (Sort(telling=True), False, True, 2),
        (Sort(telling=True), True, False, 2),
    ],
    ids=str,
)
def test_five_hundred_new_and_three_hundred_gone_of_twenty_thousand_are_found_exactly(
    sort, with_map, other_names, tenths
):
    """The whole size once with fingerprints and once without, other marks at a fifth of it."""
    gone, new = 30 * tenths, 50 * tenths
    size = {"kept": 2000 * tenths - gone, "gone": gone, "new": new, "files": 60 * tenths, "renamed": 4 * tenths}
    made = history(5, sort=sort, moved_names=other_names, **size)
    started = time.process_time()
    found = compare(made.before, made.after, renames=made.renames if with_map else None)
    assert time.process_time() - started < 5
    counts = found.counts
    assert (counts["new"], counts["fixed"], counts["uncertain_new"], counts["uncertain_gone"]) == (new, gone, 0, 0)
    assert {row.id: row.was.id for row in found.after if row.was} == made.truth
    in_renamed_files = sum(row.path in made.renames.values() and row.status != "new" for row in found.after)
    assert counts["moved"] == in_renamed_files > 100 * tenths


def test_without_any_mark_few_are_mistaken_and_the_number_stays_right():
    """No fingerprints, no code, one message a rule: what went and came alike is taken for one, or left in doubt."""
    made = history(5, sort=Sort(), kept=3940, gone=60, new=100, files=120, renamed=8)
    found = compare(made.before, made.after, renames=made.renames)
    wrong = [row for row in found.after if row.was and made.truth.get(row.id) != row.was.id]
    assert len(wrong) <= 12
    assert 90 <= found.counts["new"] + found.counts["uncertain_new"] <= 110
    assert found.counts["after"] - found.counts["before"] == 40


sorts = st.builds(Sort, st.booleans(), st.booleans(), st.booleans())
sizes = st.tuples(st.integers(0, 60), st.integers(0, 15), st.integers(0, 15), st.integers(1, 12))


@settings(max_examples=60)
@given(st.integers(0, 2**32), sorts, sizes, st.booleans(), st.booleans())
def test_nothing_is_lost_and_nothing_is_claimed_that_is_not_so(seed, sort, size, with_map, other_names):
    kept, gone, new, files = size
    made = history(
        seed, sort=sort, kept=kept, gone=gone, new=new, files=files, renamed=files // 3, moved_names=other_names
    )
    renames = made.renames if with_map else None
    found = compare(made.before, made.after, renames=renames)
    counts = found.counts
    assert counts["before"] == counts["unchanged"] + counts["moved"] + counts["fixed"] + counts["uncertain_gone"]
    assert counts["after"] == counts["unchanged"] + counts["moved"] + counts["new"] + counts["uncertain_new"]
    mates = [row.was.id for row in found.after if row.was]
    assert len(mates) == len(set(mates))
    assert sorted(row.id for row in found.after) == sorted(one["id"] for one in made.after)
    assert sorted([*mates, *(row.id for row in found.gone)]) == sorted(one["id"] for one in made.before)
    if sort.fingerprints or sort.telling:
        # What a scanner marks as unique is never taken for another one, new or fixed only when it is.
        assert all(made.truth.get(row.id) == row.was.id for row in found.after if row.was)
        survivors = set(made.truth.values())
        if with_map or sort.fingerprints:
            assert not [row for row in found.after if row.status == "new" and row.id in made.truth]
            assert not [row for row in found.gone if row.status == "fixed" and row.id in survivors]
    dice = random.Random(seed)
    dice.shuffle(made.before)
    dice.shuffle(made.after)
    assert compare(made.before, made.after, renames=renames) == found


# Whether absence means anything


def scan(**more):
    run = {"tool": "Scanner", "tool_version": "1.0", "category": None}
    base = {"file": "r.sarif", "status": "ok", "ruleset": "sha256:1", "runs": [run], "truncated": [], "totals": {}}
    return {**base, "coverage": {"rules": ["R1", "R2"], "rules_count": 2}, **more}


def ran(**more):
    return [{"tool": "Scanner", "tool_version": "1.0", "category": None, **more}]


def test_scans_of_the_same_tool_version_and_rules_are_comparable():
    assert comparability([scan()], [scan()]) == []
    more = {"rules": ["R1", "R2", "R3"], "rules_count": 3}
    assert comparability([scan()], [scan(ruleset="sha256:2", coverage=more)]) == []
    assert comparability([scan(ruleset=None, coverage=None)], [scan(ruleset=None, coverage=None)]) == []
    cuts = [{"what": "characters of long strings", "kept": 1, "seen": 2}]
    assert comparability([scan()], [scan(truncated=cuts)]) == []


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ({"status": "partial"}, "r.sarif: the status of the scan is partial, not ok"),
        ({"status": "failed"}, "r.sarif: the status of the scan is failed, not ok"),
        ({"status": "empty"}, "r.sarif: the status of the scan is empty, not ok"),
        (
            {"truncated": [{"what": "results", "kept": 5, "seen": 9}]},
            "r.sarif: truncated, 5 of 9 results were read",
        ),
        ({"totals": {"dropped": 2}}, "r.sarif: 2 results were dropped"),
        ({"runs": ran(tool="Other")}, "scanner: not run again"),
        ({"runs": ran(category="ui")}, "scanner: not run again for this category"),
        ({"runs": ran(tool_version="1.1")}, "scanner: another version, 1.0 before, 1.1 after"),
        (
            {"ruleset": "sha256:2", "coverage": {"rules": ["R1"], "rules_count": 1}},
            "another ruleset: 1 rules of before are missing: R2",
        ),
        (
            {"ruleset": "sha256:2", "coverage": {"rules": ["R1"], "rules_count": 6000}},
            "another ruleset, and the reports do not list all of their rules",
        ),
        (
            {"ruleset": None, "coverage": {"rules": [], "rules_count": 0}},
            "another ruleset, and the reports do not list all of their rules",
        ),
    ],
)
def test_each_reason_why_absence_says_nothing_is_named(after, reason):
    assert comparability([scan()], [scan(**after)]) == [reason]


def test_no_scan_is_no_ground_for_a_judgement():
    assert comparability([scan()], []) == ["there is no later scan"]
    assert comparability([], [scan()]) == ["there is no earlier scan"]
    assert comparability([scan(runs=ran(category="a"))], [scan()]) == ["scanner (a): not run again for this category"]


def test_what_cannot_be_judged_is_uncertain_and_never_fixed():
    found = changes([{}, {"rule": "R2"}], [{}], comparable=["r.sarif: the status of the scan is failed, not ok"])
    assert (found.counts["fixed"], found.counts["uncertain_gone"], found.counts["unchanged"]) == (0, 1, 1)
    assert found.gone[0].reasons == ("r.sarif: the status of the scan is failed, not ok",)
    assert found.to_dict()["comparable"] == ["r.sarif: the status of the scan is failed, not ok"]


def test_a_finding_of_a_new_rule_is_first_reported_which_is_not_introduced():
    rules = rules_of([scan()])
    found = changes([], [{"rule": "R1"}, {"rule": "R2/part"}, {"rule": "R3"}], known_rules=rules)
    assert [(row.rule, row.newly_reported) for row in found.after] == [("R1", False), ("R2/part", False), ("R3", True)]
    assert found.counts["newly_reported"] == 1
    assert found.after[2].reasons == ("its rule was not among the rules of the earlier scans",)
    assert not any(row.newly_reported for row in changes([], [{"rule": "R3"}]).after)


def test_rules_are_known_only_when_every_scan_lists_all_of_them():
    assert rules_of([scan()]) == {"R1", "R2"}
    assert rules_of([]) is None
    assert rules_of([scan(), scan(coverage={"rules": ["R1"], "rules_count": 2})]) is None
    semgrep = scan(runs=ran(tool="Semgrep OSS"), coverage={"rules": ["a.b.sqli"], "rules_count": 1})
    assert rules_of([semgrep]) == {"sqli"}


# Reports, as they are read


def test_two_reports_are_compared_as_the_reader_gives_them(read):
    def at(path, line, rule="R1"):
        place = {"artifactLocation": {"uri": path}, "region": {"startLine": line, "snippet": {"text": f"f({path})"}}}
        return result(ruleId=rule, locations=[{"physicalLocation": place}])

    def reading(*results):
        return read(sarif(run_of(*results, rules=[{"id": "R1"}, {"id": "R2"}])))

    one, other = reading(at("a.py", 3), at("b.py", 4), at("b.py", 9, "R2")), reading(at("a.py", 8), at("b.py", 9, "R2"))
    reasons = comparability([one.scan.to_dict()], [other.scan.to_dict()])
    found = compare(
        [finding.to_dict() for finding in one.findings],
        [finding.to_dict() for finding in other.findings],
        comparable=reasons,
        known_rules=rules_of([one.scan.to_dict()]),
    )
    assert (reasons, found.counts["unchanged"], found.counts["fixed"], found.counts["new"]) == ([], 2, 1, 0)
    assert found.gone[0].path == "b.py"


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "x"},
        "text",
        {**record(), "fingerprints": "text"},
        {**record(), "locations": [1], "path": ""},
        {**record(), "state": ["list"]},
    ],
)
def test_a_record_that_is_no_finding_is_one_clear_error(bad):
    with pytest.raises(BadInput, match="is not a finding") as caught:
        compare([record()], [record(), bad])
    assert caught.value.where == "record 2"


def test_the_result_as_json_values_can_be_narrowed_and_says_so():
    found = changes([{"rule": f"old{at}"} for at in range(3)], [{"rule": f"new{at}"} for at in range(3)])
    whole = found.to_dict()
    assert (len(whole["findings"]), len(whole["gone"]), whole["truncated"]) == (3, 3, [])
    row = whole["findings"][0]
    assert (row["status"], row["rule"], row["was"], row["alike"]) == ("new", "new0", None, [])
    short = found.to_dict(statuses={"new"}, most=2)
    assert [row["rule"] for row in short["findings"]] == ["new0", "new1"]
    assert (short["gone"], short["truncated"]) == ([], [{"what": "findings", "kept": 2, "seen": 3}])
    moved = changes([{}], [{"line": 12}]).to_dict()["findings"][0]
    assert moved["was"] == {"id": moved["id"], "rule": "R1", "path": "src/a.py", "line": 10, "state": "live"}
