# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where findings are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._sast.paths import Base, PathResolver
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally

from .conftest import result


def at(uri=None, base=None, region=None, **more):
    place = {"uri": uri, "uriBaseId": base, **more}
    place = {key: value for key, value in place.items() if value is not None}
    return {"physicalLocation": {"artifactLocation": place, **({"region": region} if region else {})}}


def found_at(read_run, location, **more):
    place = read_run(result(locations=[location]), **more).one.locations[0]
    return place.path, place.place


def test_a_plain_relative_path(read_run):
    assert found_at(read_run, at("src/a.py")) == ("src/a.py", "inside")


def test_percent_signs_are_decoded_once(read_run):
    assert found_at(read_run, at("src/a%20b%2525.py")) == ("src/a b%25.py", "inside")


def test_dots_are_resolved(read_run):
    assert found_at(read_run, at("src/./x/../a.py")) == ("src/a.py", "inside")


@pytest.mark.parametrize("uri", ["../../etc/passwd", "src/../../x", "%2e%2e%2fx", "..\\x"])
def test_climbing_out_of_the_root_is_shown_as_such(read_run, uri):
    path, place = found_at(read_run, at(uri))
    assert (path.startswith("../"), place) == (True, "outside_root")


@pytest.mark.parametrize("uri", ["https://evil.example/x", "//host/share/x", "file://host/share/x", "\\\\host\\x"])
def test_another_host_is_a_label(read_run, uri):
    assert found_at(read_run, at(uri))[1] == "outside_root"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///home/ci/x.py", "/home/ci/x.py"),
        ("file:/home/ci/x.py", "/home/ci/x.py"),
        ("file://localhost/home/ci/x.py", "/home/ci/x.py"),
        ("/home/../ci/x.py", "/ci/x.py"),
        ("C:\\build\\x.cs", "C:/build/x.cs"),
        ("file:///C:/build/x.cs", "C:/build/x.cs"),
    ],
)
def test_absolute_paths_say_that_they_are(read_run, uri, path):
    assert found_at(read_run, at(uri)) == (path, "absolute")


def test_the_users_root_is_taken_off(read_run):
    options = {"source_root": "/home/ci/shop"}
    assert found_at(read_run, at("file:///home/ci/shop/src/x.py"), options=options) == ("src/x.py", "inside")
    assert found_at(read_run, at("file:///home/ci/shopping/x.py"), options=options)[1] == "absolute"


def test_bases_are_followed_up_to_the_root(read_run):
    bases = {"SRCROOT": {"uri": "file:///build/"}, "APP": {"uri": "services/app", "uriBaseId": "SRCROOT"}}
    assert found_at(read_run, at("a.py", "APP"), originalUriBaseIds=bases) == ("services/app/a.py", "inside")
    assert found_at(read_run, at("file:///build/b.py"), originalUriBaseIds=bases) == ("b.py", "inside")


def test_a_top_base_without_uri_is_the_root(read_run):
    assert found_at(read_run, at("a.py", "ROOT"), originalUriBaseIds={"ROOT": {}}) == ("a.py", "inside")


def test_the_base_that_is_mapped_to_the_repository_is_the_root_and_others_are_not(read_run):
    bases = {"REPO": {"uri": "file:///w/repo/"}, "LIB": {"uri": "file:///usr/lib/"}, "TMP": {}}
    more = {
        "originalUriBaseIds": bases,
        "versionControlProvenance": [{"repositoryUri": "https://x.example/r", "mappedTo": {"uriBaseId": "REPO"}}],
    }
    assert found_at(read_run, at("a.py", "REPO"), **more) == ("a.py", "inside")
    assert found_at(read_run, at("b.py", "LIB"), **more) == ("/usr/lib/b.py", "absolute")
    assert found_at(read_run, at("c.py", "TMP"), **more) == ("TMP/c.py", "outside_root")


def test_the_users_bases_win(read_run):
    options = {"uri_bases": {"APP": "services/app"}}
    assert found_at(read_run, at("a.py", "APP"), options=options) == ("services/app/a.py", "inside")


def test_a_circle_of_bases_ends_and_is_counted(read_run):
    bases = {"A": {"uri": "a/", "uriBaseId": "B"}, "B": {"uri": "b/", "uriBaseId": "A"}}
    found = read_run(result(locations=[at("x", "A")]), originalUriBaseIds=bases)
    assert found.warnings["uri_base_loop"] == 1


def test_an_unknown_base_is_counted_the_usual_root_names_are_not(read_run):
    assert read_run(result(locations=[at("x", "NOWHERE")])).warnings["uri_base_unknown"] == 1
    assert "uri_base_unknown" not in read_run(result(locations=[at("x", "%SRCROOT%")])).warnings


def test_an_index_alone_names_an_artifact(read_run):
    artifacts = [{"location": {"uri": "a.py"}}, {"location": {"uri": "b.py"}}]
    assert found_at(read_run, at(index=1), artifacts=artifacts) == ("b.py", "inside")


def test_an_artifact_inside_another(read_run):
    artifacts = [{"location": {"uri": "lib.jar"}}, {"location": {"uri": "/x/Y.class"}, "parentIndex": 0}]
    assert found_at(read_run, at(index=1), artifacts=artifacts) == ("lib.jar!/x/Y.class", "inside")


def test_artifacts_that_contain_each_other_end(read_run):
    artifacts = [{"location": {"uri": "a"}, "parentIndex": 1}, {"location": {"uri": "b"}, "parentIndex": 0}]
    found = read_run(result(locations=[at(index=0)]), artifacts=artifacts)
    assert found.warnings["artifact_parent_loop"] == 1


def test_an_index_out_of_range_is_counted_and_minus_one_is_none(read_run):
    assert read_run(result(locations=[at(index=5)])).warnings["artifact_index_unknown"] == 1
    assert read_run(result(locations=[at(index=-1)])).one.locations == ()


def test_regions_in_lines_and_in_offsets(read_run):
    lines = {"startLine": 3, "startColumn": 2, "endLine": 4, "endColumn": 9}
    place = read_run(result(locations=[at("a", region=lines)])).one.locations[0]
    assert (place.line, place.column, place.end_line, place.end_column, place.char_offset) == (3, 2, 4, 9, None)
    place = read_run(result(locations=[at("a", region={"charOffset": 0, "charLength": 5})])).one.locations[0]
    assert (place.line, place.char_offset) == (None, 0)


@pytest.mark.parametrize("line", [0, -4, True, "3", 1.5, 10**30, None])
def test_nonsense_lines_are_no_lines(read_run, line):
    assert read_run(result(locations=[at("a", region={"startLine": line, "x": 1})])).one.locations[0].line is None


def test_several_locations_are_one_finding(read_run):
    found = read_run(result(locations=[at("a"), at("b")]))
    assert ([place.path for place in found.one.locations], found.scan.totals.findings) == (["a", "b"], 1)


def test_endless_locations_are_cut_and_counted(read_run):
    found = read_run(result(locations=[at(f"f{n}") for n in range(9)]), options={"max_locations": 4})
    assert (len(found.one.locations), found.truncated["locations of findings"]) == (4, (4, 9))


@pytest.mark.parametrize("locations", [None, [], [{}], [7], "x", [{"physicalLocation": []}]])
def test_no_location_is_fine(read_run, locations):
    found = read_run(result(locations=locations)).one
    assert (found.locations, found.path, found.to_dict()["line"]) == ((), "", None)


def test_logical_names_are_kept_also_by_index(read_run):
    named = {"logicalLocations": [{"fullyQualifiedName": "app.views.login"}]}
    assert read_run(result(locations=[named])).one.locations[0].symbol == "app.views.login"
    by_index = {"logicalLocations": [{"index": 1}]}
    logical = [{"name": "a"}, {"fullyQualifiedName": "app.b"}]
    assert read_run(result(locations=[by_index]), logicalLocations=logical).one.locations[0].symbol == "app.b"


def test_a_null_byte_is_never_inside(read_run):
    assert found_at(read_run, at("a%00b")) == ("a\\u0000b", "outside_root")


@given(st.text(max_size=60), st.sampled_from([None, "A", "B", "C"]))
def test_whatever_the_uri_inside_means_inside(uri, base):
    bases = {"A": Base("file:///r/", None), "B": Base("../", "A"), "C": Base(None, "C")}
    path, place = PathResolver(bases, tally=Tally()).resolve(uri, base)
    assert place in ("inside", "absolute", "outside_root")
    if place == "inside":
        assert not path.startswith(("/", "../"))
        assert ".." not in path.split("/")
