# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan of a restore: its order is what makes it safe, and what can be known to fail fails before it begins."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import probes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.claim_facts import ClaimFacts
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_plan import plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_seen import Place, Seen, StorageClass
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import RestoreWish, find_point
from tests.unit.volumes.world import DRIVER, application, captured, facts, pod, point, points, seen, volume, workload

POINT = "shop-20261121-100000-abcd"
CHECK = probes.parse([{"name": "count", "workload": "StatefulSet/db", "command": ["true"]}])


def shop() -> Seen:
    return seen(application([workload("StatefulSet/db", ["data-db-0"]), workload("Deployment/web")]))


def wish(**more: Any) -> RestoreWish:
    return RestoreWish(POINT, **more)


def names(made: Plan) -> list[str]:
    return [step.name for step in made.steps]


def test_a_restore_stages_and_verifies_before_it_stops_and_proves_itself_afterwards() -> None:
    made = plan(shop(), point(["data-db-0"]), wish(verify=CHECK)).plan

    assert names(made) == [
        "stage data-db-0",
        "verify staged",
        "retain volumes",
        "stop StatefulSet/db",
        "see that all of it stands still",
        "swap data-db-0",
        "start StatefulSet/db",
        "verify live",
        "tidy",
        "record",
    ]


def test_only_workloads_that_mount_a_restored_claim_are_stopped() -> None:
    made = plan(shop(), point(["data-db-0"]), wish()).plan

    assert not [name for name in names(made) if "web" in name]


def test_a_workload_at_zero_is_neither_stopped_nor_started_but_looked_at() -> None:
    held = workload("Deployment/orders", ["uploads"], 0, quarantine="quarantine-1", resting_replicas=2)
    world = seen(application([held]))

    order = names(plan(world, point(["uploads"]), wish(verify=())).plan)

    assert [name for name in order if "orders" in name] == [
        "see Deployment/orders at rest",
        "leave Deployment/orders at rest",
    ]
    assert order.index("see Deployment/orders at rest") < order.index("swap uploads")
    assert order.index("swap uploads") < order.index("leave Deployment/orders at rest")


def test_a_plan_made_before_the_quarantine_says_the_same_as_the_one_that_runs() -> None:
    running = workload("Deployment/orders", ["uploads"], 2)
    held = workload("Deployment/orders", ["uploads"], 0, quarantine="quarantine-1", resting_replicas=2)
    asked = wish(verify=(), isolated=("Deployment/orders",))

    before = plan(seen(application([running])), point(["uploads"]), asked).plan
    after = plan(seen(application([held])), point(["uploads"]), asked).plan

    assert names(before) == names(after)


def test_what_only_a_policy_isolates_is_stopped() -> None:
    held = workload("Deployment/orders", ["uploads"], 2, quarantine="quarantine-1", resting_replicas=2)

    made = plan(seen(application([held])), point(["uploads"]), wish(isolated=("Deployment/orders",))).plan

    assert "stop Deployment/orders" in names(made)


def test_images_are_set_while_everything_is_stopped() -> None:
    made = plan(shop(), point(["data-db-0"]), wish(images={"StatefulSet/db": "registry.example/db:2"})).plan

    order = names(made)
    assert (
        order.index("swap data-db-0")
        < order.index("set images of StatefulSet/db")
        < order.index("start StatefulSet/db")
    )


def test_workloads_start_in_the_declared_order_and_stop_in_the_reverse() -> None:
    both = [workload("Deployment/api", ["files"]), workload("StatefulSet/db", ["data-db-0"])]
    world = seen(application(both, declared=["Deployment/api", "StatefulSet/db"]))

    order = names(plan(world, point(["data-db-0", "files"]), wish()).plan)

    assert order.index("start Deployment/api") < order.index("start StatefulSet/db")
    assert order.index("stop StatefulSet/db") < order.index("stop Deployment/api")


def test_statefulsets_start_first_where_nothing_is_declared() -> None:
    both = [workload("Deployment/api", ["files"]), workload("StatefulSet/db", ["data-db-0"])]

    order = names(plan(seen(application(both)), point(["data-db-0", "files"]), wish()).plan)

    assert order.index("start StatefulSet/db") < order.index("start Deployment/api")


def test_the_plan_is_the_same_value_each_time() -> None:
    assert plan(shop(), point(["data-db-0"]), wish()).plan.hash == plan(shop(), point(["data-db-0"]), wish()).plan.hash


CLAIMS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True)
KINDS = st.sampled_from(["StatefulSet", "Deployment", "DaemonSet", "ReplicaSet"])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Seen, list[str]]:
    claims = draw(CLAIMS)
    workloads = [
        workload(f"{draw(KINDS)}/w{n}", draw(st.lists(st.sampled_from(claims), unique=True)), draw(st.integers(0, 2)))
        for n in range(draw(st.integers(1, 4)))
    ]
    app = application(workloads, volumes=[])
    volumes = [volume(c, [w.ref for w in workloads if c in {m.claim for m in w.mounts}]) for c in sorted(claims)]
    declared = tuple(draw(st.permutations([w.ref for w in workloads])))
    app = replace(app, volumes=tuple(volumes), spec=replace(app.spec, workloads=declared))
    return seen(app), draw(st.lists(st.sampled_from(claims), unique=True))


@given(worlds())
def test_whatever_the_application_the_order_is_safe(drawn: tuple[Seen, list[str]]) -> None:
    world, chosen = drawn
    claims = [v.claim for v in world.app.volumes]
    made = plan(world, point(claims), wish(claims=tuple(chosen), verify=())).plan
    position = {step.name: number for number, step in enumerate(made.steps)}
    wanted = chosen or claims
    stage, swap = (next(n for n, s in enumerate(made.steps) if s.action == f"volumes.{a}") for a in ("stage", "swap"))
    stops = [n for name, n in position.items() if name.startswith("stop ")]
    starts = [n for name, n in position.items() if name.startswith("start ")]
    # Everything is staged, then retained, then stopped, then swapped, then started.
    assert stage < position["retain volumes"] < swap
    assert all(position["retain volumes"] < stop < swap for stop in stops)
    assert all(swap < start < position["record"] for start in starts)
    assert {item["claim"] for item in made.steps[stage].params["claims"]} == set(wanted)
    # Who is stopped is started, and each stop ends with its own start.
    assert {s.until for s in made.steps if s.action == "workloads.stop"} == {
        s.name for s in made.steps if s.action == "workloads.start"
    }
    # Whoever mounts a restored claim and runs is stopped.
    running = {w.ref for w in world.app.workloads if w.replicas and {m.claim for m in w.mounts} & set(wanted)}
    assert {s.params["kind"] + "/" + s.params["name"] for s in made.steps if s.action == "workloads.stop"} == running
    # Every volume that a swap lets go of was retained before.
    retained = {v["name"] for s in made.steps if s.action == "volumes.retain_volumes" for v in s.params["old"].values()}
    assert {item["old"]["name"] for item in made.steps[swap].params["claims"]} == retained


def test_claims_that_hold_the_point_already_are_left_alone() -> None:
    world = seen(shop().app, facts("data-db-0", restored_from=POINT))

    assert plan(world, point(["data-db-0"]), wish()).plan.empty


def test_for_an_incident_they_are_restored_again() -> None:
    world = seen(shop().app, facts("data-db-0", restored_from=POINT))

    assert not plan(world, point(["data-db-0"]), wish(incident="INC-1")).plan.empty


def test_a_claim_that_was_deleted_is_made_again_from_what_the_ledger_knows() -> None:
    world = Seen(shop().app, {}, {"fast": StorageClass("fast", DRIVER)})

    (swap,) = next(
        s for s in plan(world, point(["data-db-0"]), wish()).plan.steps if s.action == "volumes.swap"
    ).params["claims"]

    assert swap["old"] is None
    assert swap["again"]["labels"] == {"tier": "db"}


@pytest.mark.parametrize(
    ("size", "restore_size", "request_", "asked"),
    [
        ("1Gi", 1073741824, "1Gi", "1Gi"),
        ("1Gi", 2 << 30, "1Gi", str(2 << 30)),
        ("3Gi", None, "1Gi", "3Gi"),
        ("1Gi", 0, "2Gi", "2Gi"),
    ],
)
def test_the_new_claim_asks_for_the_largest_size(size: str, restore_size: int, request_: str, asked: str) -> None:
    one = facts("data-db-0", request=request_)
    body = captured(["data-db-0"])
    body["volumes"][0] |= {"size": size, "restore_size": restore_size}

    made = plan(seen(shop().app, one), points((POINT, body))[0], wish()).plan

    assert made.steps[0].params["claims"][0]["again"]["request"] == asked


def test_beside_the_old_claims_no_workload_is_touched() -> None:
    made = plan(shop(), point(["data-db-0"]), wish(target="claim", verify=CHECK))

    assert names(made.plan) == ["stage data-db-0", "verify staged", "tidy", "record"]
    assert made.plan.steps[0].params["claims"][0]["name"] == "data-db-0-20261121-100000-abcd"
    assert [(row["on"], row["state"]) for row in made.left_out] == [("live", "skipped")]


def test_a_probe_of_a_workload_that_will_not_run_is_said_to_be_skipped() -> None:
    held = workload("StatefulSet/db", ["data-db-0"], 0)

    made = plan(seen(application([held])), point(["data-db-0"]), wish(verify=CHECK))

    assert "verify live" not in names(made.plan)
    assert [row["reason"] for row in made.left_out] == ["StatefulSet/db does not run"]


def refused(world: Seen, **more: Any) -> str:
    """The error, as a person reads it."""
    with pytest.raises(BadInput) as caught:
        plan(world, point(["data-db-0"]), wish(**more))
    return str(caught.value)


def test_what_cannot_work_is_refused_before_anything_is_changed() -> None:
    db = workload("StatefulSet/db", ["data-db-0"])
    assert "does not hold other" in refused(shop(), claims=("other",))
    assert "another volume mode" in refused(seen(shop().app, facts("data-db-0", mode="Block")))
    assert "is being deleted" in refused(seen(shop().app, facts("data-db-0", deleting=True)))
    assert "no StorageClass 'fast'" in refused(seen(shop().app, classes=[]))
    assert "of other.example, the snapshot of csi" in refused(
        seen(shop().app, classes=[StorageClass("fast", "other.example")])
    )
    assert "has no container nginx" in refused(shop(), images={"StatefulSet/db": {"nginx": "x"}})
    assert "no workload Deployment/none" in refused(shop(), images={"Deployment/none": "x"})
    assert "needs target in_place" in refused(shop(), target="claim", images={"StatefulSet/db": "x"})
    stranger = application([db], volumes=[volume("data-db-0", ["StatefulSet/db", "Pod/debug"])])
    assert "mounted by Pod/debug" in refused(seen(stranger))
    bare = replace(application([workload("Pod/one", ["data-db-0"])]), pods=(pod("", ["data-db-0"], "one"),))
    assert "cannot be stopped" in refused(seen(bare))
    taken = facts("data-db-0-20261121-100000-abcd")
    assert "claims of these names exist" in refused(seen(shop().app, facts("data-db-0"), taken), target="claim")


class TestElsewhere:
    def elsewhere(self, *there: ClaimFacts, where: dict[str, str] | None = None, **more: Any) -> Seen:
        classes = {"fast": StorageClass("fast", DRIVER), "wait": StorageClass("wait", DRIVER, True), **more}
        return replace(shop(), place=Place("look", {c.name: c for c in there}, classes, where or {}))

    def test_names_are_kept_and_nothing_that_is_there_is_touched(self) -> None:
        made = plan(
            self.elsewhere(), point(["data-db-0"]), wish(target="namespace", namespace="look", verify=CHECK)
        ).plan

        assert names(made) == ["stage data-db-0", "verify staged", "tidy", "record"]
        (item,) = made.steps[0].params["claims"]
        assert (made.steps[0].params["namespace"], item["name"]) == ("look", "data-db-0")
        assert item["again"]["labels"] == {"tier": "db"}
        assert "where" not in made.steps[0].params

    def test_labels_of_other_controllers_are_left_behind(self) -> None:
        body = captured(["data-db-0"])
        body["volumes"][0]["labels"] |= {"argocd.argoproj.io/instance": "shop", "app.kubernetes.io/instance": "shop"}
        wanted = wish(target="namespace", namespace="look")

        (item,) = plan(self.elsewhere(), points((POINT, body))[0], wanted).plan.steps[0].params["claims"]

        assert item["again"]["labels"] == {"tier": "db"}

    def test_a_plan_for_another_cluster_says_which_in_every_step_that_works_there(self) -> None:
        where = {"uid": "u", "server": "https://other", "kubeconfig": "/k", "context": ""}
        wanted = wish(target="cluster", cluster="u", verify=CHECK)

        made = plan(self.elsewhere(where=where), point(["data-db-0"]), wanted).plan

        assert [step.params.get("where") for step in made.steps[:3]] == [where] * 3
        assert made.steps[3].params["cluster"] == "u"

    def test_other_claims_are_not_overwritten(self) -> None:
        world = self.elsewhere(facts("data-db-0"))

        assert "claims of these names exist" in refused(world, target="namespace", namespace="look")
        assert "gives a name twice" in str(
            pytest.raises(
                BadInput,
                plan,
                world,
                point(["a", "b"]),
                wish(target="namespace", namespace="look", names={"a": "x", "b": "x"}),
            ).value
        )

    def test_the_class_is_the_one_asked_for_when_its_driver_is_the_snapshots(self) -> None:
        one = {"target": "namespace", "namespace": "look"}
        other = {"other": StorageClass("other", "other.example")}
        for more in ({"storage_class": "wait"}, {"storage_classes": {"fast": "wait"}, "storage_class": "fast"}):
            (item,) = plan(self.elsewhere(), point(["data-db-0"]), wish(**one, **more)).plan.steps[0].params["claims"]
            assert (item["again"]["storage_class"], item["waits_for_consumer"]) == ("wait", True)
        assert "off-cluster copy" in refused(self.elsewhere(**other), **one, storage_class="other")
        assert "storage_class_map" in refused(self.elsewhere(), **one, storage_class="none")


def test_another_volume_mode_is_taken_only_where_an_administrator_allowed_it() -> None:
    world = seen(shop().app, facts("data-db-0", mode="Block"))

    (item,) = (
        plan(replace(world, convertible=frozenset({"data-db-0"})), point(["data-db-0"]), wish())
        .plan.steps[0]
        .params["claims"]
    )

    assert item["again"]["mode"] == "Block"
    assert "allow-volume-mode-change" in refused(world)


def test_a_point_without_a_handle_is_refused() -> None:
    body = captured(["data-db-0"])
    body["volumes"][0]["snapshot_handle"] = ""

    with pytest.raises(BadInput, match="no snapshot_handle"):
        plan(shop(), points((POINT, body))[0], wish())


def test_points_that_are_unknown_or_given_up_are_refused_by_name() -> None:
    there = points(("p1", captured(["a"])), ("p2", captured(["a"])), pruned=["p1"])

    with pytest.raises(BadInput, match="no recovery point p9.*p2"):
        find_point(there, "p9", "ledger")
    with pytest.raises(BadInput, match="p1 was given up"):
        find_point(there, "p1", "ledger")


def test_latest_is_the_newest_that_is_no_evidence() -> None:
    there = points(("p1", captured(["a"])), ("p2", captured(["a"], purpose="forensic")))

    assert find_point(there, "latest", "ledger").id == "p1"
    with pytest.raises(BadInput, match="there is no recovery point"):
        find_point((), "latest", "ledger")
