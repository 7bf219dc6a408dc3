# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.commits import CommitGraph
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.images import (
    External,
    ImageMap,
    Source,
    image_map,
    repository,
    untagged,
)
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.policy import Policy
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.presence import Presences
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput

from . import world
from .world import commit

LINE = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"], "e": ["d"]}


@st.composite
def graphs(draw):
    """A random history: each commit has up to two parents among those before it."""
    names = [f"n{i}" for i in range(draw(st.integers(1, 12)))]
    told = {}
    for position, name in enumerate(names):
        older = names[:position]
        told[name] = draw(st.lists(st.sampled_from(older), max_size=2, unique=True)) if older else []
    return told


@settings(max_examples=50)
@given(graphs())
def test_ancestry_is_a_partial_order(told):
    graph = world.graph(told)
    ids = [commit(name) for name in told]
    for one in ids:
        assert graph.is_ancestor(one, one)
        for other in ids:
            if one != other and graph.is_ancestor(one, other):
                assert not graph.is_ancestor(other, one)
                assert graph.ancestors(one) < graph.ancestors(other)
            between = graph.between(one, other)
            assert set(between) == set(graph.between(other, one))
            assert one not in between
            assert other not in between


@settings(max_examples=50)
@given(graphs())
def test_the_newest_are_those_nobody_descends_from(told):
    graph = world.graph(told)
    ids = [commit(name) for name in told]
    newest = graph.newest(ids)
    assert all(any(graph.is_ancestor(one, top) for top in newest) for one in ids)
    assert not any(graph.is_ancestor(one, other) for one in newest for other in newest if one != other)


def test_the_main_line_and_short_ids():
    graph = world.graph({"a": [], "side": ["a"], "b": ["a"], "m": ["b", "side"]})
    assert list(graph.first_parents(commit("m"))) == [commit("b"), commit("a")]
    assert set(graph.first_children(commit("a"))) == {commit("b"), commit("side")}
    assert graph.resolve(commit("m")[:8]) == commit("m")
    assert graph.resolve("1234567") is None
    assert graph.resolve("main") is None
    assert graph.resolve(None) is None
    twins = CommitGraph({"abcdef0" + "0" * 33: (), "abcdef0" + "1" * 33: ()})
    assert twins.resolve("abcdef0") is None


def test_two_repositories_are_one_graph():
    joined = CommitGraph.joined([world.graph({"a": []}), CommitGraph({commit("b"): ()}, shallow=True)])
    assert commit("a") in joined
    assert commit("b") in joined
    assert joined.shallow


def presences(scans: list[dict], told: dict | None = None) -> tuple[Presences, object]:
    graph = world.graph(told or LINE)
    index = world.scans({"scans": scans}, graph)
    return Presences(index, graph), index.weaknesses["x"]


def test_a_lifetime_is_told_by_the_scans_around_it():
    found, weakness = presences(
        [
            {"commit": "a", "rules": ["x"]},
            {"commit": "c", "rules": ["x"], "finds": ["x"]},
            {"commit": "d", "rules": ["x"], "finds": ["x"]},
            {"commit": "e", "rules": ["x"]},
        ]
    )
    life = found.lifetime(weakness)
    assert life.introduced == ((commit("a"), commit("c")),)
    assert life.fixed == ((commit("d"), commit("e")),)
    assert found.of(weakness, commit("b")).value == "unknown"
    assert "changes between" in found.of(weakness, commit("b")).reason


def test_a_lifetime_without_a_scan_before_has_an_open_beginning():
    found, weakness = presences([{"commit": "b", "rules": ["x"], "finds": ["x"]}])
    assert found.lifetime(weakness).introduced == (("", commit("b")),)


def test_between_two_without_it_a_commit_is_without_it():
    found, weakness = presences(
        [
            {"commit": "a", "rules": ["x"]},
            {"commit": "c", "rules": ["x"]},
            {"commit": "d", "rules": ["x"], "finds": ["x"]},
        ]
    )
    said = found.of(weakness, commit("b"))
    assert (said.value, said.direct) == ("no", False)
    assert found.of(weakness, commit("e")).value == "unknown"
    assert found.of(weakness, "not a commit").value == "unknown"


def test_what_was_merged_in_on_the_way_is_seen():
    told = {"a": [], "s": ["a"], "m": ["a", "s"], "c": ["m"]}
    found, weakness = presences(
        [
            {"commit": "a", "rules": ["x"]},
            {"commit": "s", "rules": ["x"], "finds": ["x"]},
            {"commit": "c", "rules": ["x"]},
        ],
        told,
    )
    said = found.of(weakness, commit("m"))
    assert said.value == "unknown"
    assert "merged on the way" in said.reason


def test_lines_that_go_on_differently_leave_it_open():
    told = {"a": [], "b": ["a"], "c": ["b"], "d": ["b"]}
    found, weakness = presences(
        [
            {"commit": "a", "rules": ["x"]},
            {"commit": "c", "rules": ["x"]},
            {"commit": "d", "rules": ["x"], "finds": ["x"]},
        ],
        told,
    )
    assert found.of(weakness, commit("b")).value == "unknown"


def test_a_scan_of_another_tool_says_nothing():
    found, weakness = presences(
        [{"commit": "a", "rules": ["x"], "tool": "other"}, {"commit": "b", "rules": ["x"], "finds": ["x"]}]
    )
    assert found.seen(weakness, commit("a")) is None


def test_a_report_of_two_tools_knows_rules_by_the_ruleset_of_its_runs():
    graph = world.graph(LINE)
    scan = world.scan(0, {"commit": "a", "rules": ["x"]})
    runs = (
        {"run": 0, "tool": "scan", "tool_version": "1", "ruleset": "sha256:x", "status": "ok"},
        {"run": 1, "tool": "other", "tool_version": "1", "status": "failed"},
    )
    two = world.Scan.from_dict({**scan.to_dict(), "runs": runs})
    found = [world.finding("x", {}, "scan-1", "b")]
    index = world.index([two, world.scan(1, {"commit": "b", "rules": ["x"], "finds": ["x"]})], found, graph)
    said = Presences(index, graph).seen(index.weaknesses["x"], commit("a"))
    assert said is not None
    assert said.value == "no"
    assert not next(look for look in index.looks[commit("a")] if look.tool == "other").ok


def test_findings_whose_scan_is_missing_count_where_they_were_seen():
    graph = world.graph(LINE)
    found = [world.finding("x", {}, "lost", "b"), world.finding("x", {}, "nowhere", "zz")]
    index = world.index([], found, graph)
    weakness = index.weaknesses["x"]
    assert Presences(index, graph).of(weakness, commit("b")).value == "yes"
    assert [text.split()[0] for text in index.warnings] == ["1", "1"]


def test_a_scan_with_an_unreadable_time_or_dropped_results_is_used_with_care():
    graph = world.graph(LINE)
    index = world.scans({"scans": [{"commit": "a", "rules": ["x"], "dropped": 2, "time": "soon"}]}, graph)
    (look,) = index.looks[commit("a")]
    assert (look.ok, look.time) == (False, None)
    assert "could not be read" in index.warnings[0]


# -- images ------------------------


@pytest.mark.parametrize(
    ("image", "name", "bare"),
    [
        ("nginx", "docker.io/library/nginx", "nginx"),
        ("nginx:1.27", "docker.io/library/nginx", "nginx"),
        ("bitnami/redis:7", "docker.io/bitnami/redis", "bitnami/redis"),
        ("docker.io/nginx", "docker.io/library/nginx", "docker.io/nginx"),
        ("index.docker.io/bitnami/redis", "docker.io/bitnami/redis", "index.docker.io/bitnami/redis"),
        ("localhost:5000/a/b:1@sha256:" + "0" * 64, "localhost:5000/a/b", "localhost:5000/a/b"),
        ("ghcr.io/a/b", "ghcr.io/a/b", "ghcr.io/a/b"),
        ("docker-pullable://ghcr.io/a/b@sha256:" + "0" * 64, "ghcr.io/a/b", "ghcr.io/a/b"),
        ("sha256:" + "0" * 64, "", ""),
        ("", "", ""),
    ],
)
def test_repositories_are_compared_by_their_full_names(image, name, bare):
    assert (repository(image), untagged(image)) == (name, bare)


def test_an_external_image_is_known_by_digest_or_repository():
    images = ImageMap(external=(External("ok", frozenset({"sha256:1"})), External("unknown", repository="ghcr.io/a/b")))
    assert images.fact("sha256:1", "anything").assume == "ok"
    assert images.fact("sha256:2", "ghcr.io/a/b:3").assume == "unknown"
    assert images.fact("", "ghcr.io/c").role == "unknown"
    declared = image_map([], [{"repository": "postgres", "assume": "ok"}], [], CommitGraph())
    assert declared.fact("", "docker.io/library/postgres:17").assume == "ok"


def test_a_declared_commit_that_the_repository_lacks_is_named():
    with pytest.raises(BadInput, match=r"commit main .* is not in the repository \(/src\)"):
        image_map([Source("/src", {"sha256:1": "main"})], [], [], CommitGraph())


# -- waivers ------------------------


def test_a_waiver_must_say_yes_or_no():
    finding = world.finding("x", {}, "s", "a")
    assert Policy.from_dict({"waivers": [{"match": "rule == 'x'"}]}).waivers[0].matches(finding)
    for match, message in (("rule", "must give true or false"), ("abs(rule)", "fails on the data")):
        with pytest.raises(BadInput, match=message):
            Policy.from_dict({"waivers": [{"match": match}]}).waivers[0].matches(finding)


def test_many_reasons_are_cut_short():
    names = [f"x{number}" for number in range(30)]
    told = world.play(
        {
            "commits": {"a": []},
            "scans": [{"commit": "a", "rules": names, "finds": names}],
            "ledger": [{"point": "p1", "at": 1, "runs": {"Deployment/app": "a"}}],
        }
    ).to_dict()
    assert told["candidates"][0]["data_exposure"]["reasons"][-1] == "and 10 more"
