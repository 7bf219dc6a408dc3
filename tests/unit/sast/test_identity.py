# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The id of a finding."""

from __future__ import annotations

from .conftest import result, run_of, sarif


def at(path, line):
    return [{"physicalLocation": {"artifactLocation": {"uri": path}, "region": {"startLine": line}}}]


def ids(read_run, *results, **more):
    return [finding.id for finding in read_run(*results, **more).findings]


def test_it_survives_a_shift_of_lines(read_run):
    before = result(locations=at("a.py", 10), message={"text": "bad at line 10"})
    after = result(locations=at("a.py", 99), message={"text": "bad at line 99"})
    assert ids(read_run, before) == ids(read_run, after)


def test_it_survives_a_new_version_of_the_tool_and_another_commit(read):
    def version(number, commit):
        run = run_of(result(), versionControlProvenance=[{"revisionId": commit}])
        run["tool"]["driver"]["version"] = number
        return read(sarif(run)).one.id

    assert version("1.0", "a" * 40) == version("2.0", "b" * 40)


def test_it_tells_rule_path_and_fingerprint_apart(read_run):
    rows = [
        result(locations=at("a.py", 1)),
        result(locations=at("b.py", 1)),
        result(ruleId="R2", locations=at("a.py", 1)),
        result(locations=at("a.py", 1), message={"text": "other"}),
        result(locations=at("a.py", 1), partialFingerprints={"k/v1": "1"}),
        result(locations=at("a.py", 1), partialFingerprints={"k/v1": "2"}),
    ]
    assert len(set(ids(read_run, *rows))) == len(rows)


def test_equal_findings_are_all_kept_and_numbered(read_run):
    found = read_run(*[result(fingerprints={"f": "same"})] * 3)
    assert [finding.occurrence for finding in found.findings] == [0, 1, 2]
    assert len({finding.id for finding in found.findings}) == 3


def test_with_a_fingerprint_the_message_does_not_matter(read_run):
    one = result(fingerprints={"f": "x"}, message={"text": "old words"})
    two = result(fingerprints={"f": "x"}, message={"text": "new words"})
    assert ids(read_run, one) == ids(read_run, two)


def test_the_highest_version_of_a_key_counts(read_run):
    found = read_run(result(partialFingerprints={"h/v2": "new", "h/v10": "newest", "h": "old"})).one
    assert found.identity == "fingerprint:h"
    assert [found.id] == ids(read_run, result(partialFingerprints={"h/v10": "newest"}))


def test_full_fingerprints_go_before_partial_ones_and_the_line_hash_before_others(read_run):
    row = result(fingerprints={"z": "1"}, partialFingerprints={"primaryLocationLineHash": "abc:1"})
    assert read_run(row).one.identity == "fingerprint:z"
    row = result(partialFingerprints={"a": "1", "primaryLocationLineHash": "abc:1"})
    assert read_run(row).one.identity == "fingerprint:primaryLocationLineHash"


def test_a_column_is_no_identity(read_run):
    assert (
        read_run(result(partialFingerprints={"primaryLocationStartColumnFingerprint": "3"})).one.identity == "message"
    )


def test_wrapped_and_numeric_fingerprints_are_read_others_counted(read_run):
    found = read_run(result(fingerprints={"0": {"value": "x"}, "1": 77, "2": ["y"], "3": None, "4": True}))
    assert (found.one.fingerprints, found.warnings["fingerprint_unreadable"]) == ({"0": "x", "1": "77"}, 3)


def test_endless_fingerprints_are_cut_and_counted(read_run):
    found = read_run(result(fingerprints={f"k{n}": "x" for n in range(40)}))
    assert (len(found.one.fingerprints), found.truncated["fingerprints of findings"]) == (16, (16, 40))


def test_semgrep_rule_ids_do_not_depend_on_where_the_rules_lie(read):
    def with_rule(name):
        run = run_of(result(ruleId=name))
        run["tool"]["driver"]["name"] = "Semgrep OSS"
        return read(sarif(run)).one

    assert with_rule("home.ci.rules.sqli").id == with_rule("sqli").id
    assert with_rule("home.ci.rules.sqli").rule == "home.ci.rules.sqli"
