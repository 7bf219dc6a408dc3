# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.lineage import PRESUMED, SEEN, lineage
from ansible_collections.knowngood.kube.plugins.module_utils._catalogue.verdicts import RANKED

from . import world
from .world import digest

COMMITS = {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}
SCANS = [
    {"commit": "a", "rules": ["x"]},
    {"commit": "b", "rules": ["x"], "finds": ["x"]},
    {"commit": "c", "rules": ["x"]},
    {"commit": "d", "rules": ["x"], "finds": ["x"], "as": {"severity": "unknown"}},
]
runs = st.lists(st.sampled_from([*COMMITS, "unmapped", ""]), min_size=1, max_size=6)


def points(versions: list[str]) -> list[dict]:
    return [{"point": f"p{n}", "at": n, "runs": {"Deployment/app": v}} for n, v in enumerate(versions, start=1)]


@settings(max_examples=60)
@given(runs)
def test_taint_only_ever_adds_up(versions):
    told = world.play({"commits": COMMITS, "scans": SCANS, "ledger": points(versions)}).to_dict()
    verdicts = [RANKED.index(row["verdict"]) for row in reversed(told["candidates"])]
    assert verdicts == sorted(verdicts)


@settings(max_examples=60)
@given(runs)
def test_knowing_less_never_makes_a_point_better(versions):
    story = {"commits": COMMITS, "scans": SCANS, "ledger": points(versions)}
    known = world.play(story).to_dict()
    for less in (SCANS[:3], [{**scan, "status": "partial"} for scan in SCANS], []):
        unknown = world.play({**story, "scans": less}).to_dict()
        for before, after in zip(known["candidates"], unknown["candidates"], strict=True):
            assert not (after["verdict"] == "clean" and before["verdict"] != "clean") or less == SCANS[:3]


@settings(max_examples=60)
@given(runs, st.data())
def test_the_choice_is_acceptable_or_nothing_is_chosen(versions, data):
    least = data.draw(st.sampled_from(RANKED))
    story = {"commits": COMMITS, "scans": SCANS, "ledger": points(versions), "policy": {"data_min": least}}
    told = world.play(story).to_dict()
    fit = [row["id"] for row in told["candidates"] if RANKED.index(row["verdict"]) <= RANKED.index(least)]
    assert (told["chosen"] or {}).get("id") == (fit[0] if fit else None)
    assert told == world.play(story).to_dict()


def test_a_restore_takes_over_the_history_of_its_point_and_no_more():
    ledger = [
        *points(["a", "b"]),
        {"restored": "p1", "runs": {"Deployment/app": "c"}},
        {"point": "p3", "at": 9, "volumes": {"data": "h1"}, "runs": {"Deployment/app": "d"}},
    ]
    history = lineage(world.ledger({"ledger": ledger}))[("p3", "data")]
    assert [w.digest for w in history.writings] == [digest("a"), digest("c"), digest("d")]
    assert (history.first, history.restored_from) == ("p1", "p1")
    assert [(c.old, c.new) for c in history.changes] == [(digest("c"), digest("d"))]


def test_what_is_presumed_becomes_seen_when_it_is():
    ledger = [
        *points(["a", "b"]),
        {"restored": "p1"},
        {"point": "p3", "at": 9, "volumes": {"data": "h1"}, "runs": {"Deployment/app": "b"}},
    ]
    found = lineage(world.ledger({"ledger": [*ledger[:-1], {**ledger[-1], "runs": {"Deployment/app": "c"}}]}))
    assert [w.certainty for w in found[("p3", "data")].writings] == [SEEN, PRESUMED, SEEN]
    assert [w.certainty for w in lineage(world.ledger({"ledger": ledger}))[("p3", "data")].writings] == [SEEN, SEEN]


def test_going_on_after_a_restore_counts_for_declared_writers_only():
    ledger = [
        *points(["a"]),
        {"restored": "p1", "runs": {"Deployment/app": "c", "Deployment/other": "d"}},
        {"point": "p2", "at": 9, "volumes": {"data": "h1"}, "runs": {"Deployment/app": "c", "Deployment/other": "d"}},
    ]
    found = lineage(world.ledger({"ledger": ledger}), {"data": ["Deployment/app"]})[("p2", "data")]
    assert {w.workload for w in found.writings} == {"Deployment/app"}
    assert found.gaps == ()


def test_a_digest_in_the_reference_serves_where_no_pod_told_one():
    chain = world.ledger({"ledger": points([""])})
    body = dict(chain[0].body)
    body["images"] = {"Deployment/app": {"main": {"image": f"registry.test/app@{digest('a')}", "digest": ""}}}
    found = lineage([type(chain[0])(**{**chain[0].to_dict(), "body": body})])
    assert found[("p1", "data")].writings[0].digest == digest("a")
