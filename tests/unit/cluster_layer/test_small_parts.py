# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Selectors, connection attempts, checks and journals: the small pure parts."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.clearing import (
    Needed,
    clearable,
    find_needed,
    old,
    still_frozen,
)
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.operations import how_to_go_on
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.preflight import (
    Check,
    answer,
    claim_check,
    class_check,
    clock_check,
    excused,
    rbac_check,
)
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.probe import pod_manifest
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.rbac import Permission
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.reach import read_states, try_paths
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.selectors import matcher
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import ExecResult
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.undo_order import undo_first
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import Volume
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Denied, NotFound, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import (
    ABANDONED,
    DONE,
    FINISHED,
    OPEN,
    UNDOING,
    UNDONE,
    Entry,
    Operation,
)

from .objects import thing


class TestSelectors:
    LABELS = {"app": "shop", "tier": "db", "example.com/team": "a"}

    @pytest.mark.parametrize(
        "selector",
        [
            "app=shop",
            "app==shop,tier!=web",
            "tier in (db, api)",
            "tier notin (web),app",
            "!canary",
            "example.com/team=a",
        ],
    )
    def test_matches(self, selector: str) -> None:
        assert matcher(selector)(self.LABELS)

    @pytest.mark.parametrize("selector", ["app=cart", "tier in (web)", "canary", "!app", "app notin (shop)"])
    def test_does_not_match(self, selector: str) -> None:
        assert not matcher(selector)(self.LABELS)

    def test_a_missing_label_is_not_equal(self) -> None:
        assert matcher("canary!=yes,canary notin (yes)")({})

    @pytest.mark.parametrize("selector", ["app=", "app = shop"])
    def test_spaces_and_empty_values(self, selector: str) -> None:
        assert matcher(selector)({"app": selector.partition("=")[2].strip()})

    @pytest.mark.parametrize("selector", ["=", "app in shop", "app>1", "a=b,,c", "in (a)"])
    def test_what_is_no_selector_is_refused(self, selector: str) -> None:
        with pytest.raises(BadInput, match="selector"):
            matcher(selector)


class Here:
    """This machine as the place where the probe's script runs."""

    def run(self, argv: Sequence[str], stdin: str = "", timeout_s: float = 30.0) -> ExecResult:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
        return ExecResult(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


class TestReach:
    def test_open_and_refused_are_told_apart(self, listening: int, closed: int) -> None:
        paths = [{"host": "127.0.0.1", "port": port} for port in (listening, closed, listening)]
        assert try_paths(Here(), paths, timeout_s=2) == ["open", "refused", "open"]

    def test_no_path_needs_no_attempt(self) -> None:
        assert try_paths(Here(), [], timeout_s=2) == []

    def test_hosts_are_never_code(self, closed: int) -> None:
        (state,) = try_paths(Here(), [{"host": "$(echo 127.0.0.1)", "port": closed}], timeout_s=2)
        assert state in ("unresolved", "refused")

    def test_an_image_without_tools_is_told(self) -> None:
        with pytest.raises(NotProven, match="probe_image"):
            read_states(ExecResult(0, "no tool\n", ""), 1)

    @pytest.mark.parametrize("output", ["", "0 open\n", "0 open\n1 maybe\n", "1 open\n"])
    def test_half_an_answer_is_none(self, output: str) -> None:
        with pytest.raises(NotProven):
            read_states(ExecResult(0, output, ""), 2)


class TestProbePod:
    def test_is_restricted_and_ends_by_itself(self) -> None:
        spec = pod_manifest("shop", "img", "op-1", {"app": "client"})["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert spec["activeDeadlineSeconds"] > 0

    def test_the_same_operation_gives_the_same_name(self) -> None:
        first, again = (pod_manifest("shop", "img", "op-1", {})["metadata"]["name"] for time in range(2))
        assert first == again
        assert first != pod_manifest("shop", "img", "op-2", {})["metadata"]["name"]

    def test_labels_cannot_hide_whose_it_is(self) -> None:
        labels = pod_manifest("shop", "img", "op-1", {"knowngood.io/operation": "x", "app": "c"})["metadata"]["labels"]
        assert (labels["knowngood.io/operation"], labels["app"]) == ("op-1", "c")


NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


class TestChecks:
    @pytest.mark.parametrize(("seconds", "good"), [(0, True), (5, True), (-5, True), (60, False), (-60, False)])
    def test_clock(self, seconds: int, good: bool) -> None:
        served = NOON + dt.timedelta(seconds=seconds)
        assert clock_check(served, NOON, NOON + dt.timedelta(milliseconds=20)).ok is good

    def test_clock_says_which_way(self) -> None:
        assert "behind" in clock_check(NOON + dt.timedelta(minutes=5), NOON, NOON).what
        assert "ahead" in clock_check(NOON - dt.timedelta(minutes=5), NOON, NOON).what

    def test_rbac_names_what_is_missing_and_where(self) -> None:
        missing = [Permission("app", "", "pods/exec", "create"), Permission("cluster", "", "persistentvolumes", "list")]
        check = rbac_check("backup", missing, {"app": "shop", "state": "kg", "cluster": None}, 40)
        assert check.ok is False
        assert "in namespace shop: create pods/exec; in the cluster: list persistentvolumes" in check.what
        assert "docs/rbac/backup.yaml" in check.cure

    @pytest.mark.parametrize(
        ("volume", "good", "word"),
        [
            (Volume("c", "u", "Bound", "pv", driver="d"), True, "d"),
            (Volume("c", "u", "Bound", "pv"), False, "not of a CSI driver"),
            (Volume("c", "u", "Pending"), False, "Pending"),
            (Volume("c", "", "Missing", mounted_by=("Deployment/a",)), False, "Deployment/a"),
            (Volume("c", "u", "Bound", "pv", driver="d", deleting=True), False, "deleted"),
        ],
    )
    def test_claims(self, volume: Volume, good: bool, word: str) -> None:
        check = claim_check(volume)
        assert (check.ok, bool(check.cure)) == (good, not good)
        assert word in check.what

    def test_each_problem_has_a_cure(self) -> None:
        assert class_check("d", "there is none").cure
        told = answer([Check("a", True, "x"), Check("b", None, "y"), Check("c", False, "z", "do")])
        assert (told["ok"], told["problems"]) == (False, ["c: z. Next: do"])

    def test_not_known_is_not_failed(self) -> None:
        assert answer([Check("b", None, "y")])["ok"] is True


def operation(name: str, started: str, *touches: str, kind: str = "restore", state: str = FINISHED) -> Operation:
    plan = Plan(kind, "shop/shop", name, (Step("s", "a", touches),))
    return Operation(name, plan, state, started, entries={"s": Entry(DONE)})


class TestOperations:
    def test_a_later_one_on_the_same_objects_is_undone_first(self) -> None:
        first, second = operation("a", "1", "PVC shop/data"), operation("b", "2", "PVC shop/data")
        assert undo_first(first, [first, second]) == second
        assert undo_first(second, [first, second]) is None

    def test_other_objects_other_kinds_and_undone_ones_do_not_count(self) -> None:
        first = operation("a", "1", "PVC shop/data", "Pod shop/knowngood-probe-*")
        others = [
            operation("b", "2", "PVC shop/other", "Pod shop/knowngood-probe-*"),
            operation("c", "3", "PVC shop/data", kind="rotation"),
            operation("d", "4", "PVC shop/data", state=UNDONE),
            operation("e", "5", "PVC shop/data", state=ABANDONED),
        ]
        assert undo_first(first, [first, *others]) is None

    @pytest.mark.parametrize(
        ("state", "word"),
        [
            (OPEN, "state=resumed"),
            (OPEN, "state=abandoned"),
            (UNDOING, "goes on going back"),
            (UNDOING, "state=abandoned"),
            (FINISHED, "state=undone"),
            (UNDONE, "nothing"),
            (ABANDONED, "by hand"),
        ],
    )
    def test_how_to_go_on(self, state: str, word: str) -> None:
        assert word in how_to_go_on(operation("a", "1", state=state))

    def test_one_that_is_being_worked_on_is_waited_for(self) -> None:
        assert "wait" in how_to_go_on(operation("a", "1", state=OPEN), running="host/1/x")


def test_what_is_missing_while_an_operation_is_unfinished_is_not_known_to_be_missing() -> None:
    missing = Check("claim data", False, "it does not exist", "create it")
    unfinished = Check("operations", None, "restore-shop-1 stands at step 'swap data'")
    quiet = Check("operations", True, "none is unfinished")
    assert excused(missing, unfinished).ok is None
    assert "unfinished" in excused(missing, unfinished).what
    assert excused(missing, quiet) == missing


class Holder(Cluster):
    """One object, or one answer."""

    def __init__(self, obj: dict[str, Any] | None = None, error: Exception | None = None) -> None:
        self.obj, self.error = obj, error

    def get(self, kind: Any, name: str, namespace: str | None = None) -> dict[str, Any]:
        if self.error or self.obj is None:
            raise self.error or NotFound("gone")
        return self.obj


class TestClearing:
    NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

    def going(self, *operations: Operation, days: float = 30, needed: Needed | None = None) -> list[str]:
        candidates = old(operations, self.NOW, days * 86400)
        return [op.id for op in clearable(operations, candidates, needed or Needed())]

    def ended(self, name: str, day: str, *touches: str, **more: Any) -> Operation:
        facts = more.pop("facts", {})
        at = f"2026-{day}T00:00:00Z"
        return replace(operation(name, at, *touches, **more), ended=at, facts=facts)

    def test_a_restore_that_was_abandoned_half_way_stays_and_another_abandoned_one_goes(self) -> None:
        half = self.ended("half", "01-01", state=ABANDONED)
        operations = [
            half,
            replace(self.ended("unbegun", "01-02", state=ABANDONED), entries={}),
            self.ended("capture", "01-03", kind="capture", state=ABANDONED),
            self.ended("newest", "02-20"),
        ]
        assert self.going(*operations) == ["capture", "unbegun"]

    def test_old_ones_go_and_young_ones_stay(self) -> None:
        operations = [self.ended(day, day) for day in ("01-01", "01-20", "02-10", "02-20")]
        assert self.going(*operations) == ["01-20", "01-01"]
        assert self.going(*operations, days=5) == ["02-10", "01-20", "01-01"]

    def test_the_newest_of_a_target_never_goes(self) -> None:
        assert self.going(self.ended("a", "01-01"), self.ended("b", "01-02")) == ["a"]

    @pytest.mark.parametrize("state", [OPEN, UNDOING])
    def test_an_unfinished_one_never_goes(self, state: str) -> None:
        assert self.going(self.ended("a", "01-01", kind="capture", state=state), self.ended("b", "01-02")) == []

    @pytest.mark.parametrize("state", [UNDONE, ABANDONED, FINISHED])
    def test_ended_is_ended(self, state: str) -> None:
        assert self.going(self.ended("a", "01-01", kind="capture", state=state), self.ended("b", "01-02")) == ["a"]

    def test_what_can_be_undone_stays_until_it_cannot(self) -> None:
        last = self.ended("z", "02-28")
        assert self.going(self.ended("a", "01-01", facts={"undo_until": "2026-03-02T00:00:00Z"}), last) == []
        assert self.going(self.ended("a", "01-01", facts={"undo_until": "2026-02-28T00:00:00Z"}), last) == ["a"]

    def test_who_holds_a_workload_and_whose_incident_goes_on_stays(self) -> None:
        holder, other, last = self.ended("a", "01-01"), self.ended("restore INC-1", "01-02"), self.ended("z", "02-28")
        needed = Needed(frozenset({"a"}), frozenset({"INC-1", ""}))
        assert self.going(holder, other, last, needed=needed) == []
        assert self.going(holder, other, last, needed=Needed(frozenset({"b"}), frozenset({"INC-2"}))) == [
            "restore INC-1",
            "a",
        ]

    def test_marks_that_were_copied_to_what_a_workload_made_hold_nothing(self) -> None:
        def marked(kind: str, name: str, operation_id: str, **more: Any) -> dict[str, Any]:
            return thing(kind, name, annotations={"knowngood.io/quarantine": operation_id}, **more)

        operator = {"apiVersion": "x/v1", "kind": "Database", "metadata": {"name": "d", "uid": "u"}}
        deployment = marked("Deployment", "a", "op-1", by=operator)
        there = {"Deployment": [deployment], "ReplicaSet": [marked("ReplicaSet", "a-1", "op-0", by=deployment)]}

        class Listed:
            def list(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
                return there.get(kind, [])

        found = find_needed(cast(Cluster, Listed()), "kg", ["shop/shop"])
        assert found == Needed(frozenset({"op-1"}), frozenset({""}))

    @pytest.mark.parametrize(
        ("state", "by", "stays"),
        [(ABANDONED, "op", True), (ABANDONED, "op-2", False), (ABANDONED, "", False), (FINISHED, "op", False)],
    )
    def test_what_was_abandoned_stays_while_its_note_is_on_an_object(self, state: str, by: str, stays: bool) -> None:
        note = {"knowngood.io/frozen": f'{{"by": "{by}", "before": []}}'} if by else {}
        obj = thing("Kustomization", "k", annotations=note)
        assert still_frozen(Holder(obj), [self.froze("op", state, obj)]) == (
            frozenset({"op"}) if stays else frozenset()
        )

    def test_and_while_the_object_may_not_be_looked_at(self) -> None:
        obj = thing("Kustomization", "k")
        abandoned = self.froze("op", ABANDONED, obj)
        assert still_frozen(Holder(error=Denied("no")), [abandoned]) == {"op"}
        assert still_frozen(Holder(error=NotFound("gone")), [abandoned]) == frozenset()

    def froze(self, name: str, state: str, obj: dict[str, Any]) -> Operation:
        meta = obj["metadata"]
        params = {"kind": obj["kind"], **{key: meta[key] for key in ("name", "namespace", "uid")}}
        made = Operation(
            name, Plan("restore", "shop/shop", "k", (Step("freeze", "workloads.freeze", (), params),)), state
        )
        return made.with_entry("freeze", Entry(DONE))

    def test_what_has_to_be_undone_first_stays_with_what_it_is_in_the_way_of(self) -> None:
        long = self.ended("a", "01-01", "PVC shop/data", facts={"undo_until": "2026-06-01T00:00:00Z"})
        short, last = self.ended("b", "01-02", "PVC shop/data"), self.ended("z", "02-28")
        assert self.going(long, short, last) == []
        assert self.going(replace(long, facts={}), short, last) == ["b", "a"]
