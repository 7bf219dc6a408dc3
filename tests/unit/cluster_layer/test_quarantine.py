# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What isolation needs, what it leaves on objects, and when it may be called enforced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.paths import default_paths, given_paths
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine import (
    Request,
    Seen,
    isolation_plan,
    judge,
    policy_manifest,
    policy_name,
    release_plan,
)
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.quarantine_holds import (
    NETWORK_POLICY,
    SCALE_DOWN,
    Hold,
    hold_patch,
    holds,
    leave_patch,
    no_longer_wanted,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec, Workload
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict

from .objects import containers, controller, pod, thing

SPEC = ApplicationSpec("shop", "shop")
STATES = st.sampled_from(["open", "refused", "timeout", "unresolved"])


def path(host: str, state: str, **more: Any) -> dict[str, Any]:
    return {"workload": "Deployment/a", "host": host, "port": 80, "from": {}, "via": "given", "state": state, **more}


def seen(name: str = "a", *, kind: str = "Deployment", policy: bool = False, **more: Any) -> Seen:
    annotations = more.pop("annotations", {})
    obj = controller(kind, name, annotations=annotations, **more)
    workload = Workload(
        kind,
        name,
        "shop",
        f"uid-{name}",
        "apps/v1",
        replicas=obj["spec"].get("replicas"),
        resting_replicas=obj["spec"].get("replicas"),
        selector={"app": name},
        quarantine=annotations.get("knowngood.io/quarantine", ""),
    )
    there = {"metadata": {"name": policy_name(kind, name)}} if policy else None
    return Seen(workload, obj, there)


def held(incident: str = "INC-1", **more: Any) -> Seen:
    marks = {"knowngood.io/quarantine": "quarantine-shop-1", "knowngood.io/incident": incident}
    return seen(annotations=marks, **more)


class TestVerdict:
    def test_every_open_path_closed(self) -> None:
        verdict = judge(
            NETWORK_POLICY,
            {"paths": [path("a", "open"), path("b", "timeout")]},
            {"paths": [path("a", "timeout"), path("b", "timeout")], "pods": 1},
        )
        assert verdict.enforced
        assert [row["enforced"] for row in verdict.proof] == [True, None]

    def test_one_path_still_open(self) -> None:
        verdict = judge(
            NETWORK_POLICY,
            {"paths": [path("a", "open"), path("b", "open")]},
            {"paths": [path("a", "timeout"), path("b", "open")]},
        )
        assert (verdict.enforced, verdict.shown_open) == (False, True)
        assert "b:80" in verdict.why

    def test_nothing_open_before_shows_nothing(self) -> None:
        verdict = judge(NETWORK_POLICY, {"paths": [path("a", "refused")]}, {"paths": [path("a", "timeout")]})
        assert (verdict.enforced, verdict.shown_open) == (False, False)
        assert "not known" in verdict.why

    def test_no_path_at_all_shows_nothing_for_a_policy(self) -> None:
        assert not judge(NETWORK_POLICY, {"paths": []}, {"paths": [], "pods": 0}).enforced

    def test_no_pod_left_is_enough_for_a_scale_down(self) -> None:
        assert judge(SCALE_DOWN, {"paths": []}, {"paths": [], "pods": 0}).enforced

    def test_a_pod_left_is_not(self) -> None:
        assert not judge(SCALE_DOWN, {"paths": []}, {"paths": [], "pods": 1}).enforced

    def test_not_tried_is_not_enforced(self) -> None:
        assert judge(SCALE_DOWN, {}, {}).why == "nothing was tried"

    @given(
        st.lists(st.tuples(STATES, STATES), max_size=6),
        st.integers(0, 2),
        st.sampled_from([NETWORK_POLICY, SCALE_DOWN]),
    )
    def test_never_enforced_with_an_open_path_or_without_evidence(
        self, pairs: list[tuple[str, str]], pods: int, method: str
    ) -> None:
        before = {"paths": [path(f"h{n}", first) for n, (first, second) in enumerate(pairs)]}
        after = {"paths": [path(f"h{n}", second) for n, (first, second) in enumerate(pairs)], "pods": pods}
        verdict = judge(method, before, after)
        if verdict.enforced:
            assert all(second != "open" for first, second in pairs)
            assert (method == SCALE_DOWN and pods == 0) or any(first == "open" for first, second in pairs)


class TestIsolationPlan:
    def test_probes_around_what_it_does(self) -> None:
        plan = isolation_plan(Request(SPEC, "isolated", incident="INC-1"), [seen()], "img")
        assert [step.name for step in plan.steps] == [
            "try the paths before",
            "isolate Deployment/a",
            "try the paths after",
            "keep only what holds",
        ]
        assert plan.steps[0].until == "isolate Deployment/a"

    def test_a_plan_does_not_depend_on_the_pods_of_the_moment(self) -> None:
        request = Request(SPEC, "isolated")
        assert (
            isolation_plan(request, [seen()], "img").hash
            == isolation_plan(request, [seen(status={"x": 1})], "img").hash
        )

    def test_what_is_isolated_makes_an_empty_plan(self) -> None:
        request = Request(SPEC, "isolated", SCALE_DOWN, incident="INC-1")
        assert isolation_plan(request, [held(replicas=0)], "img").empty
        assert not isolation_plan(request, [held(replicas=1)], "img").empty
        assert not isolation_plan(request, [seen(replicas=0)], "img").empty

    def test_for_another_incident_there_is_something_to_do(self) -> None:
        request = Request(SPEC, "isolated", SCALE_DOWN, incident="INC-2")
        assert not isolation_plan(request, [held(replicas=0)], "img").empty
        assert isolation_plan(Request(SPEC, "isolated", SCALE_DOWN), [held(replicas=0)], "img").empty

    def test_by_policy_the_policy_counts(self) -> None:
        request = Request(SPEC, "isolated", NETWORK_POLICY)
        assert isolation_plan(request, [held(policy=True)], "img").empty
        assert not isolation_plan(request, [held(replicas=0)], "img").empty

    def test_pods_without_labels_cannot_be_singled_out(self) -> None:
        bare = Seen(Workload("Pod", "p", "shop", "u", "v1"), pod("p"))
        with pytest.raises(BadInput, match="no labels"):
            isolation_plan(Request(SPEC, "isolated"), [bare], "img")

    def test_a_bare_pod_is_not_scaled_down(self) -> None:
        bare = Seen(Workload("Pod", "p", "shop", "u", "v1", selector={"a": "b"}), pod("p"))
        with pytest.raises(BadInput, match="bare pod"):
            isolation_plan(Request(SPEC, "isolated", SCALE_DOWN), [bare], "img")

    def test_method_state_and_incident_tell_operations_apart(self) -> None:
        workloads = [seen().workload]
        keys = {
            Request(SPEC, state, method, incident=incident).key(workloads)
            for state, method in (("isolated", NETWORK_POLICY), ("isolated", SCALE_DOWN), ("released", SCALE_DOWN))
            for incident in ("INC-1", "INC-2")
        }
        assert len(keys) == 6


class TestReleasePlan:
    def test_only_what_is_held(self) -> None:
        plan = release_plan(Request(SPEC, "released"), [seen("free"), held(replicas=0)], "img")
        assert [step.name for step in plan.steps] == ["release Deployment/a", "try the paths again"]

    def test_nothing_held_is_an_empty_plan(self) -> None:
        assert release_plan(Request(SPEC, "released"), [seen()], "img").empty

    def test_another_incident_does_not_let_go(self) -> None:
        with pytest.raises(Conflict, match="INC-1"):
            release_plan(Request(SPEC, "released", incident="INC-2"), [held(replicas=0)], "img")

    def test_what_somebody_else_holds_is_let_go_of_and_not_tried(self) -> None:
        both = patched(held(replicas=0).obj, hold_patch(held().obj, Hold("op-2", "INC-2", SCALE_DOWN), 1))
        workload = held(replicas=0).workload
        plan = release_plan(Request(SPEC, "released", incident="INC-2"), [Seen(workload, both)], "img")
        assert [step.name for step in plan.steps] == ["release Deployment/a"]
        assert [row["operation"] for row in plan.steps[0].params["leaving"]] == ["op-2"]
        everybody = release_plan(Request(SPEC, "released"), [Seen(workload, both)], "img")
        assert [row["operation"] for row in everybody.steps[0].params["leaving"]] == ["quarantine-shop-1", "op-2"]
        assert everybody.steps[-1].name == "try the paths again"


def patched(obj: dict[str, Any], patch: dict[str, Any] | None) -> dict[str, Any]:
    """The object with a merge patch of its annotations."""
    assert patch is not None
    merged = {**obj["metadata"].get("annotations", {}), **patch["metadata"]["annotations"]}
    kept = {key: value for key, value in merged.items() if value is not None}
    return {**obj, "metadata": {**obj["metadata"], "annotations": kept}}


OPERATIONS = st.sampled_from([Hold("op-1", "INC-1", SCALE_DOWN), Hold("op-2", "INC-2", NETWORK_POLICY), Hold("op-3")])


class TestMarks:
    def test_the_first_holder_notes_what_it_goes_back_to_and_the_last_takes_it_off(self) -> None:
        one = patched(seen().obj, hold_patch(seen().obj, Hold("op-1", "INC-1", SCALE_DOWN), 3))
        two = patched(one, hold_patch(one, Hold("op-2", "INC-2", SCALE_DOWN), 0))
        marks = two["metadata"]["annotations"]
        assert marks["knowngood.io/resting-replicas"] == "3"
        assert (marks["knowngood.io/quarantine"], marks["knowngood.io/incident"]) == ("op-1", "INC-1, INC-2")
        left = patched(two, leave_patch(two, lambda hold: hold.operation == "op-1"))
        assert holds(left) == (Hold("op-2", "INC-2", SCALE_DOWN),)
        assert left["metadata"]["annotations"]["knowngood.io/resting-replicas"] == "3"
        assert left["metadata"]["annotations"]["knowngood.io/quarantine"] == "op-2"
        free = patched(left, leave_patch(left, lambda hold: hold.operation == "op-2"))
        assert free["metadata"]["annotations"] == {}

    def test_nobody_holds_twice_or_leaves_who_is_not_there(self) -> None:
        one = patched(seen().obj, hold_patch(seen().obj, Hold("op-1"), 1))
        assert hold_patch(one, Hold("op-1"), 1) is None
        assert leave_patch(one, lambda hold: hold.operation == "op-2") is None

    def test_marks_that_somebody_edited_still_hold(self) -> None:
        edited = {
            "metadata": {"annotations": {"knowngood.io/quarantine": "op-1", "knowngood.io/quarantine-holders": "{"}}
        }
        assert holds(edited) == (Hold("op-1"),)

    @pytest.mark.parametrize(
        ("left", "off"),
        [
            ([], {NETWORK_POLICY, SCALE_DOWN}),
            ([Hold("op", "", SCALE_DOWN)], {NETWORK_POLICY}),
            ([Hold("op", "", NETWORK_POLICY)], {SCALE_DOWN}),
            ([Hold("op")], set()),
        ],
    )
    def test_what_is_taken_off_is_what_nobody_left_stands_for(self, left: list[Hold], off: set[str]) -> None:
        assert no_longer_wanted({NETWORK_POLICY, SCALE_DOWN}, left) == off

    @given(st.lists(st.tuples(OPERATIONS, st.booleans()), max_size=12))
    def test_a_workload_is_marked_exactly_while_somebody_holds_it(self, moves: list[tuple[Hold, bool]]) -> None:
        obj, inside = seen().obj, set()
        for hold, comes in moves:
            (inside.add if comes else inside.discard)(hold)
            patch = hold_patch(obj, hold, 2) if comes else leave_patch(obj, hold.__eq__)
            obj = patched(obj, patch) if patch else obj
            assert set(holds(obj)) == inside
            marks = obj["metadata"].get("annotations", {})
            assert (marks.get("knowngood.io/resting-replicas") == "2") == bool(inside)

    def test_the_policy_denies_both_directions(self) -> None:
        params = {"policy": "p", "namespace": "shop", "selector": {"app": "a"}}
        spec = policy_manifest(params, "op-1")["spec"]
        assert spec == {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Ingress", "Egress"]}

    @given(st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,250}[a-z0-9])?", fullmatch=True))
    def test_policy_names_are_names(self, name: str) -> None:
        made = policy_name("Deployment", name)
        assert len(made) <= 63 + 10
        assert made[-1].isalnum()


class TestPaths:
    TEMPLATE = {
        "metadata": {"labels": {"app": "a", "tier": "x"}},
        "spec": {"containers": [{"name": "m", "ports": [{"containerPort": 8080, "name": "http"}]}]},
    }

    def service(self, name: str, **spec: Any) -> dict[str, Any]:
        return thing("Service", name, {"selector": {"app": "a"}, "ports": [{"port": 80, "targetPort": "http"}], **spec})

    def found(self, *services: dict[str, Any]) -> list[str]:
        paths = default_paths("Deployment/a", self.TEMPLATE, [pod("a-1")], services)
        return [f"{p['host']}:{p['port']}" for p in paths]

    def test_services_by_their_port_and_pods_by_the_containers(self) -> None:
        assert self.found(self.service("web")) == ["10.0.0.9:8080", "web.shop.svc:80"]

    def test_a_headless_service_leads_to_the_target_port(self) -> None:
        assert "web.shop.svc:8080" in self.found(self.service("web", clusterIP="None"))

    def test_services_that_do_not_select_it_are_none_of_its_paths(self) -> None:
        others = [self.service("other", selector={"app": "b"}), self.service("open", selector=None)]
        udp = self.service("dns", ports=[{"port": 53, "protocol": "UDP"}])
        assert self.found(*others, udp) == ["10.0.0.9:8080"]

    def test_without_declared_ports_the_services_tell(self) -> None:
        service = self.service("web", ports=[{"port": 80, "targetPort": 9000}])
        template = {"metadata": {"labels": {"app": "a"}}, "spec": containers()}
        paths = default_paths("Deployment/a", template, [pod("a-1")], [service])
        assert [(p["via"], p["port"]) for p in paths] == [("Pod shop/a-1", 9000), ("Service shop/web", 80)]

    @pytest.mark.parametrize(
        "wrong",
        [{"host": "", "port": 1}, {"host": "-x", "port": 1}, {"host": "a", "port": 0}, {"host": "a", "port": 70000}],
    )
    def test_given_paths_are_checked(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(BadInput, match=r"probe_paths\[1\]"):
            given_paths([{"host": "ok", "port": 80}, wrong])
