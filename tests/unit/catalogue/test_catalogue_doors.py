# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._ansible import catalogue
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.finding_store import read_findings, read_scans
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.ledger import LedgerStore
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import ConfigMapJournal
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import Operation

from . import fakes, world
from .test_git import DIGEST

APP = {"name": "shop", "namespace": "shop"}
MARK = {"app": APP, "ids": [], "all": False, "reason": "", "incident": "", "verdict": None, "verdicts": None}


@pytest.fixture
def cluster():
    """Two points: p1 of the first of January, p2 of the tenth."""
    cluster = fakes.FakeCluster()
    store = LedgerStore(cluster, "knowngood")
    for name, day in (("p1", 1), ("p2", 10)):
        body = world.captured({"at": day, "runs": {"Deployment/app": "a"}}, {"data": "h0"})
        store.append("shop/shop", "captured", name, body, key=name)
    return cluster


def mark(cluster, *, check_mode=False, **options):
    return catalogue.mark(fakes.FakeFrame(cluster, check_mode, **{**MARK, **options}))


def info(cluster, **options):
    return catalogue.info(fakes.FakeFrame(cluster, app=APP, **{"since": None, "query": None, **options}))


# -- recovery_point_info ------------------------


def test_info_returns_every_point_and_the_head_of_the_chain(cluster):
    found = info(cluster)
    assert [row["id"] for row in found["recovery_points"]] == ["p1", "p2"]
    assert found["ledger"]["statements"] == 2
    assert found["ledger"]["head"] == found["recovery_points"][1]["statements"][0]["hash"]
    assert "result" not in found


def test_info_since_a_time_or_within_a_span(cluster):
    assert [row["id"] for row in info(cluster, since="2026-01-05T00:00:00Z")["recovery_points"]] == ["p2"]
    assert len(info(cluster, since="5200w")["recovery_points"]) == 2
    with pytest.raises(BadInput, match="since is not a span"):
        info(cluster, since="soon")
    with pytest.raises(BadInput, match="since is not a time"):
        info(cluster, since="2026-13-01T00:00:00Z")


def test_info_answers_a_query(cluster):
    assert info(cluster, query="[?verdict == null].id")["result"] == ["p1", "p2"]
    with pytest.raises(BadInput, match="query is not a JMESPath expression"):
        info(cluster, query="[?")
    with pytest.raises(BadInput, match="query fails"):
        info(cluster, query="abs(@)")


# -- recovery_point_mark ------------------------


def test_holding_twice_for_the_same_incident_states_it_once(cluster):
    first = mark(cluster, state="held", all=True, incident="INC-1", reason="evidence")
    assert first["changed"]
    assert [(s["kind"], s["point"], s["seq"]) for s in first["statements"]] == [("held", "p1", 3), ("held", "p2", 4)]
    assert first["operation"].startswith("mark-shop-")
    assert first["diff"]["before"]["p1"] == {"held_by": [], "verdict": None}
    assert first["diff"]["after"]["p1"] == {"held_by": ["INC-1"], "verdict": None}
    before = dict(cluster.objects)
    second = mark(cluster, state="held", all=True, incident="INC-1", reason="evidence")
    assert (second["changed"], second["statements"], second["operation"]) == (False, [], "")
    assert cluster.objects == before


def test_another_incident_holds_on_its_own(cluster):
    mark(cluster, state="held", ids=["p1"], incident="INC-1")
    assert mark(cluster, state="held", ids=["p1"], incident="INC-2")["changed"]
    released = mark(cluster, state="released", ids=["p1"], incident="INC-1")
    assert released["diff"]["after"]["p1"]["held_by"] == ["INC-2"]
    assert not mark(cluster, state="released", ids=["p1"], incident="INC-1")["changed"]
    again = mark(cluster, state="held", ids=["p1"], incident="INC-1")
    assert again["changed"]
    assert info(cluster)["recovery_points"][0]["held"]


def test_check_mode_writes_nothing_and_shows_the_plan_that_runs(cluster):
    before = dict(cluster.objects)
    shown = mark(cluster, check_mode=True, state="held", ids=["p1"], incident="I")
    assert (shown["changed"], cluster.objects) == (True, before)
    assert shown["statements"] == [{"kind": "held", "point": "p1", "body": {"reason": "", "incident": "I"}}]
    assert mark(cluster, state="held", ids=["p1"], incident="I")["plan_hash"] == shown["plan_hash"]


def test_judging_many_at_once_and_again_only_what_differs(cluster):
    verdicts = {"p1": {"verdict": "clean", "reasons": ["a"], "rules": "r"}, "p2": {"verdict": "suspect"}}
    assert len(mark(cluster, state="judged", verdicts=verdicts, incident="I")["statements"]) == 2
    assert not mark(cluster, state="judged", verdicts=verdicts, incident="I")["changed"]
    verdicts["p2"] = {"verdict": "exposed"}
    (stated,) = mark(cluster, state="judged", verdicts=verdicts, incident="I")["statements"]
    assert (stated["point"], stated["body"]["verdict"]) == ("p2", "exposed")
    assert [row["verdict"] for row in info(cluster)["recovery_points"]] == ["clean", "exposed"]


def test_judging_by_hand(cluster):
    mark(cluster, state="judged", ids=["p1"], verdict="compromised", reason="a web shell")
    judged = info(cluster)["recovery_points"][0]["judged"]
    assert (judged["verdict"], judged["reasons"]) == ("compromised", ["a web shell"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "held"}, "name the points by ids, or all"),
        ({"state": "held", "ids": ["p1"], "all": True}, "name the points by ids, or all"),
        ({"state": "held", "ids": ["p9"]}, r"no recovery point p9: the ledger has: p1, p2"),
        ({"state": "held", "ids": ["p1"], "verdict": "clean"}, "belong to state judged"),
        ({"state": "judged", "ids": ["p1"]}, "needs verdict or verdicts"),
        ({"state": "judged", "all": True, "verdict": "clean"}, "no judgement"),
        ({"state": "judged", "ids": ["p1"], "verdicts": {"p1": {"verdict": "clean"}}}, "names its points itself"),
        ({"state": "judged", "verdicts": {"p1": {"verdict": "fine"}}}, r"verdicts.p1.verdict is not one of"),
        ({"state": "judged", "verdicts": {"p1": "clean"}}, "verdicts.p1 is not a dictionary"),
        ({"state": "judged", "verdicts": {"p1": {"verdict": "clean", "why": 1}}}, "keys that nothing reads"),
    ],
)
def test_options_that_do_not_fit_are_one_clear_error_and_change_nothing(cluster, options, message):
    before = dict(cluster.objects)
    with pytest.raises(BadInput, match=message):
        mark(cluster, **options)
    assert cluster.objects == before


def test_a_pruned_point_cannot_be_held_and_all_leaves_it_out(cluster):
    LedgerStore(cluster, "knowngood").append("shop/shop", "pruned", "p1", {"reason": "old"})
    with pytest.raises(BadInput, match="p1 cannot be held"):
        mark(cluster, state="held", ids=["p1"])
    assert [s["point"] for s in mark(cluster, state="held", all=True)["statements"]] == ["p2"]


def test_a_run_that_was_killed_is_finished_by_the_same_task(cluster):
    shown = mark(cluster, check_mode=True, state="held", all=True, incident="I")
    frame = fakes.FakeFrame(cluster, True, **{**MARK, "state": "held", "all": True, "incident": "I"})
    wanted = catalogue.marking.Marking.from_options(frame.params)
    drafts = catalogue.marking.drafts(LedgerStore(cluster, "knowngood").points("shop/shop"), wanted)
    params = {"target": "shop/shop", "statements": [vars_of(d) for d in drafts]}
    step = Step("state held", "ledger.append", ("ledger shop/shop",), params)
    plan = Plan("mark", "shop/shop", wanted.key, (step,))
    assert plan.hash == shown["plan_hash"]
    ConfigMapJournal(cluster, "knowngood").create(Operation("mark-shop-killed", plan, started="2026-01-01T00:00:00Z"))
    LedgerStore(cluster, "knowngood").append("shop/shop", "held", "p1", drafts[0].body, key=drafts[0].key)
    done = mark(cluster, state="held", all=True, incident="I")
    assert (done["changed"], done["operation"]) == (True, "mark-shop-killed")
    assert [s["point"] for s in done["statements"]] == ["p2"]
    assert len(LedgerStore(cluster, "knowngood").read("shop/shop")) == 4


def vars_of(draft):
    return {"kind": draft.kind, "point": draft.point, "body": dict(draft.body), "key": draft.key}


def test_another_unfinished_operation_is_in_the_way_of_writing_only(cluster):
    mark(cluster, state="held", all=True, incident="I")
    step = Step("swap", "volumes.swap")
    ConfigMapJournal(cluster, "knowngood").create(Operation("restore-1", Plan("restore", "shop/shop", "p1", (step,))))
    assert not mark(cluster, state="held", all=True, incident="I")["changed"]
    with pytest.raises(Conflict, match="restore-1"):
        mark(cluster, state="released", all=True, incident="I")


# -- known_good ------------------------


def decide(cluster, **options):
    frame = fakes.FakeFrame(
        cluster, **{"app": APP, "incident": None, "scans": [], "findings": [], "policy": None, **options}
    )
    return catalogue.known_good(frame), frame


def test_without_anything_known_nothing_is_chosen(cluster):
    told, frame = decide(cluster)
    assert (told["chosen"], told["data_loss_h"], frame.warned) == (None, None, [])
    assert {row["verdict"] for row in told["candidates"]} == {"unverified"}
    assert told["verdicts"]["p1"]["rules"] == told["rules"]


def test_with_sources_scans_and_a_store_the_newest_clean_point_is_chosen(cluster, repository, tmp_path):
    path, ids = repository
    app_digest = world.digest("a")
    store = tmp_path / "findings.ndjson"
    found = {**world.finding("x", {}, "scan-1", "b").to_dict(), "commit": ids["two"]}
    store.write_text(json.dumps(found) + "\n\n")
    scans = [world.scan(n, {"commit": "", "rules": ["x"], "finds": f}).to_dict() for n, f in ((0, []), (1, ["x"]))]
    scans[0]["commit"], scans[1]["commit"] = ids["one"], ids["two"]
    app = {
        **APP,
        "sources": [{"path": str(path), "digests": {app_digest: ids["one"]}}],
        "writers": {"data": ["Deployment/app"]},
    }
    told, _frame = decide(cluster, app=app, scans=scans, findings=[str(store), str(store)])
    assert told["chosen"]["id"] == "p2"
    assert told["image_overrides"] == {"Deployment/app": {"main": f"registry.test/app@{app_digest}"}}
    json.dumps(told)


def test_what_cannot_be_used_is_a_warning(cluster):
    scan = world.scan(0, {"commit": "", "rules": ["x"]}).to_dict()
    told, frame = decide(cluster, scans=[scan])
    assert frame.warned == told["caveats"] != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": {"gates": "high"}}, "policy has keys that nothing reads"),
        ({"policy": {"gate": "awful"}}, "policy.gate is not one of"),
        ({"policy": {"allow_unverified": "yes"}}, "not true or false"),
        ({"policy": {"waivers": [{}]}}, "needs a match"),
        ({"policy": {"waivers": [{"match": "[?"}]}}, "not a JMESPath expression"),
        ({"policy": {"waivers": "x"}}, "not a list of dictionaries"),
        ({"policy": {"required_tools": "x"}}, "not a list of texts"),
        ({"policy": {"evidence_margin": "soon"}}, "not a span of time"),
        ({"policy": []}, "policy is not a dictionary"),
        ({"incident": {"time": "2026-01-01T00:00:00Z"}}, "incident.id is missing"),
        ({"incident": {"id": "I", "time": "yesterday"}}, "incident.time is not a time"),
        ({"incident": {"id": "I", "mode": "evidence"}}, "needs incident.evidence_at"),
        ({"incident": {"id": "I", "mode": "disclosure"}}, "needs incident.disclosed_at"),
        ({"incident": {"id": "I", "finding": {"cve": "x"}}}, "keys that nothing reads"),
        ({"incident": {"id": "I", "finding": {"cwe": "SQL"}}}, "not a CWE number"),
        ({"scans": ["x"]}, "a scan is not a dictionary"),
        ({"scans": [{"file": "x"}]}, r"not a scan as sast_report returns them \(scans\[0\]\)"),
        ({"findings": [7]}, "neither a path nor a finding"),
        ({"findings": [{"id": "x"}]}, r"not a finding as sast_report writes them \(findings\[0\]\)"),
        ({"findings": ["/none.ndjson"]}, "store of findings cannot be read"),
        ({"app": {**APP, "external_images": [{"name": "x"}]}}, "keys that nothing reads"),
        ({"app": {**APP, "external_images": [{"assume": "ok"}]}}, "names no digest and no repository"),
        ({"app": {**APP, "external_images": [{"digest": DIGEST, "assume": "good"}]}}, "assume is not one of"),
        ({"app": {**APP, "writers": {"data": "Deployment/app"}}}, "app.writers.data is not a list"),
        ({"app": {**APP, "sources": [{"path": "/none"}]}}, "the source is not there"),
    ],
)
def test_bad_input_is_one_clear_error(cluster, options, message):
    with pytest.raises(BadInput, match=message):
        decide(cluster, **options)


@pytest.mark.parametrize("text", ["{", "[]", '{"id": 1}', "[" * 5000])
def test_a_line_of_a_store_that_is_no_finding_is_named(tmp_path, text):
    store = tmp_path / "f.ndjson"
    store.write_text(json.dumps(world.finding("x", {}, "s", "a").to_dict()) + "\n" + text + "\n")
    with pytest.raises(BadInput, match="f.ndjson, line 2"):
        list(read_findings([str(store)]))


def test_a_store_that_is_not_text_is_named(tmp_path):
    (tmp_path / "f.ndjson").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        list(read_findings([str(tmp_path / "f.ndjson")]))


def test_scans_and_findings_survive_the_way_through_json():
    finding, scan = world.finding("x", {}, "s", "a"), world.scan(1, {"commit": "a", "rules": ["x"]})
    assert list(read_findings([json.loads(json.dumps(finding.to_dict()))]))[0].to_dict() == finding.to_dict()
    assert read_scans([json.loads(json.dumps(scan.to_dict()))])[0].to_dict() == scan.to_dict()
