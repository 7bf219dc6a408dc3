# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hooks, probes, quantities, names, consistency: small values with rules of their own."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import capture_body, names, probes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import snapshot_state as state
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.claim_facts import ClaimFacts, manifest, mounting
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.consistency import judge
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.probes import Probe
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.quantity import in_bytes, largest
from tests.unit.volumes.world import application, pod, workload

HOOK = {"name": "lock", "workload": "StatefulSet/db", "command": ["lock"]}


class TestHooks:
    def test_a_hook_that_holds_needs_one_that_lets_go(self) -> None:
        with pytest.raises(BadInput, match="lock holds and nothing lets go"):
            Hooks.from_dict({"pre": [{**HOOK, "holds": True}]})
        assert Hooks.from_dict({"pre": [{**HOOK, "holds": True}], "post": [HOOK]}).holding

    @pytest.mark.parametrize(
        ("hook", "why"),
        [
            ({**HOOK, "command": "lock me"}, "list of words"),
            ({**HOOK, "selector": "a=b"}, "either workload or selector"),
            ({"name": "x", "command": ["x"]}, "either workload or selector"),
            ({**HOOK, "on_error": "shrug"}, "on_error is unknown"),
            ({**HOOK, "timeout_s": 0}, "above 0"),
            ({**HOOK, "holds": "yes"}, "true or false"),
            ({**HOOK, "comand": ["x"]}, "comand"),
            ("lock", "not a dictionary"),
        ],
    )
    def test_mistakes_are_named(self, hook: Any, why: str) -> None:
        with pytest.raises(BadInput, match=why):
            Hooks.from_dict({"pre": [hook]})

    def test_they_survive_the_journal(self) -> None:
        hooks = Hooks.from_dict({"pre": [{**HOOK, "holds": True}], "post": [HOOK]})
        assert Hooks.from_dict(hooks.to_dict()) == hooks


class TestConsistency:
    def judged(self, mounted: dict[str, list[str]], held: set[str], **more: Any) -> Any:
        return judge(mounted, held, **{"spread_s": 0.5, "hook_names": [], "failures": [], **more})

    def test_one_volume_without_hooks_is_crash(self) -> None:
        assert self.judged({"a": ["p"]}, set()).level == "crash"

    def test_several_separate_cuts_without_hooks_are_fuzzy_and_each_volume_crash(self) -> None:
        found = self.judged({"a": ["p"], "b": ["q"]}, set())
        assert (found.level, found.claims) == ("fuzzy", {"a": "crash", "b": "crash"})

    def test_a_hook_that_holds_nothing_changes_nothing_and_is_named(self) -> None:
        found = self.judged({"a": ["p"]}, set(), hook_names=["checkpoint"])
        assert (found.level, "checkpoint" in found.reason) == ("crash", True)

    def test_only_when_every_pod_of_every_volume_was_held_it_is_application(self) -> None:
        assert self.judged({"a": ["p"], "b": ["p", "q"]}, {"p", "q"}).level == "application"
        assert self.judged({"a": ["p"], "b": ["p", "q"]}, {"p"}).level == "fuzzy"
        assert self.judged({"a": ["p", "Pod/stranger"]}, {"p"}).level == "crash"

    def test_a_volume_that_nobody_mounts_is_not_said_to_be_more_than_crash(self) -> None:
        assert self.judged({"a": []}, {"p"}).level == "crash"

    @given(
        st.dictionaries(st.text("abc", min_size=1), st.lists(st.sampled_from("pqrs"))), st.sets(st.sampled_from("pqrs"))
    )
    def test_it_never_claims_more_than_was_held(self, mounted: dict[str, list[str]], held: set[str]) -> None:
        found = self.judged(mounted, held)
        if found.level == "application":
            assert all(set(pods) <= held and pods for pods in mounted.values())


class TestSnapshotState:
    CONTENT: dict[str, Any] = {
        "metadata": {"name": "c"},
        "spec": {"source": {}, "volumeSnapshotRef": {"name": "s", "namespace": "n", "uid": "1"}},
        "status": {"snapshotHandle": "h", "creationTime": 1763719385123456789},
    }
    SNAPSHOT: dict[str, Any] = {
        "metadata": {"name": "s", "namespace": "n", "uid": "1"},
        "status": {"boundVolumeSnapshotContentName": "c"},
    }

    def test_binding_is_two_way_uid_included(self) -> None:
        other = {**self.SNAPSHOT, "metadata": {**self.SNAPSHOT["metadata"], "uid": "2"}}
        assert state.bound(self.SNAPSHOT, self.CONTENT)
        assert not state.bound(other, self.CONTENT)
        assert not state.bound({**self.SNAPSHOT, "status": {}}, self.CONTENT)

    def test_absent_is_not_ready(self) -> None:
        assert not state.is_ready(self.SNAPSHOT)
        assert not state.is_cut({**self.CONTENT, "status": {}})

    def test_the_cut_is_read_in_nanoseconds(self) -> None:
        assert state.cut_at(self.CONTENT, self.SNAPSHOT) == "2025-11-21T10:03:05.123456Z"
        late = {**self.SNAPSHOT, "status": {"creationTime": "2026-01-02T03:04:05Z"}}
        assert state.cut_at({**self.CONTENT, "status": {}}, late) == "2026-01-02T03:04:05Z"

    @pytest.mark.parametrize(
        ("message", "final"),
        [
            ("failed to get input: cannot find default snapshot class", True),
            ("2 default snapshot classes were found", True),
            ("snapshotting non-CSI volumes is not supported, snapshot:n/s", True),
            ("rpc error: code = Unavailable desc = try later", False),
            ("the object has been modified; please apply your changes to the latest version", False),
        ],
    )
    def test_an_error_is_final_only_when_no_retry_cures_it(self, message: str, final: bool) -> None:
        obj = {"status": {"error": {"message": message, "time": "now"}}}
        assert bool(state.final_error(obj)) == final
        assert message in state.error(obj)


class TestProbes:
    SQL: dict[str, Any] = {"name": "n", "kind": "sql", "workload": "StatefulSet/db", "query": "SELECT 1"}

    def test_a_query_becomes_a_command_without_a_shell(self) -> None:
        found = probes.parse([{**self.SQL, "host": "/tmp", "database": "shop"}])[0]
        assert found.command[0] == "psql"
        assert found.command[-8:] == ("-h", "/tmp", "-U", "postgres", "-d", "shop", "-c", "SELECT 1")

    def test_they_survive_the_journal(self) -> None:
        found = probes.parse([{**self.SQL, "env": [{"name": "A", "value": "b"}], "expect": {"stdout_contains": "1"}}])[
            0
        ]
        assert Probe.from_dict(found.to_dict()) == found

    @pytest.mark.parametrize(
        ("probe", "why"),
        [
            ({**SQL, "query": ""}, "query has to be a text"),
            ({**SQL, "on": "mars"}, "on is unknown"),
            ({**SQL, "expect": {"stdout_regex": "("}}, "not a regular expression"),
            ({**SQL, "expect": {"rc": "0"}}, "whole number"),
            ({"name": "x", "command": ["x"]}, "needs a workload"),
            ({"name": "x", "command": ["x"], "on": "staged", "image": "i"}, "image, claim and mount_path"),
            ({**SQL, "env": ["A=b"]}, "env cannot be read"),
        ],
    )
    def test_mistakes_are_named(self, probe: Any, why: str) -> None:
        with pytest.raises(BadInput, match=why):
            probes.parse([probe])

    @pytest.mark.parametrize(
        ("expect", "rc", "out", "good"),
        [
            ({}, 0, "", True),
            ({}, 1, "", False),
            ({"rc": 3}, 3, "", True),
            ({"stdout_equals": "7"}, 0, "7\n", True),
            ({"stdout_contains": "x"}, 0, "y", False),
            ({"stdout_regex": "^1\\d+$"}, 0, "1000", True),
        ],
    )
    def test_what_is_expected_decides(self, expect: dict[str, Any], rc: int, out: str, good: bool) -> None:
        probe = probes.parse([{**self.SQL, "expect": expect}])[0]
        assert (probe.expect.problem(rc, out) == "") == good


class TestQuantities:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("1Gi", 1 << 30),
            ("1.5Gi", 3 << 29),
            ("1G", 10**9),
            ("128974848", 128974848),
            ("129e6", 129 * 10**6),
            ("100m", 1),
        ],
    )
    def test_sizes_are_bytes(self, text: str, found: int) -> None:
        assert in_bytes(text) == found

    def test_nonsense_is_refused(self) -> None:
        with pytest.raises(BadInput):
            in_bytes("ten gigs")

    def test_the_largest_keeps_its_spelling(self) -> None:
        assert largest(["1Gi", None, 1 << 30, "900M"]) == "1Gi"

    @given(st.lists(st.integers(1, 10**15), min_size=1))
    def test_nothing_is_larger_than_the_largest(self, sizes: list[int]) -> None:
        assert in_bytes(largest(sizes)) == max(sizes)


class TestNames:
    @given(st.text("abc-", min_size=1, max_size=253), st.sampled_from(["kg-12345678", "import-0123456789"]))
    def test_made_up_names_leave_room_and_differ_where_the_originals_do(self, name: str, suffix: str) -> None:
        found = names.suffixed(name, suffix)
        assert len(found) <= 221
        assert found != names.suffixed(name + "x", suffix)

    def test_a_point_is_named_by_its_cut_and_its_operation(self) -> None:
        moment = dt.datetime(2026, 11, 21, 15, 3, 5, tzinfo=dt.timezone(dt.timedelta(hours=1)))
        assert names.point_id("shop", moment, "op-1").startswith("shop-20261121-140305-")
        assert names.point_id("shop", moment, "op-1") != names.point_id("shop", moment, "op-2")


class TestTheStatement:
    def test_every_running_image_is_in_it_also_where_pods_differ(self) -> None:
        both = (
            pod("Deployment/web", name="w1", digest="sha256:1"),
            pod("Deployment/web", name="w2", digest="sha256:2"),
        )
        app = application([workload("Deployment/web")])
        found = capture_body.images(type(app)(app.spec, "c", app.workloads, both, ()))
        assert {line["digest"] for line in found["Deployment/web"].values()} == {"sha256:1", "sha256:2"}

    def test_a_digest_that_no_source_declares_has_no_commit(self) -> None:
        app = application([workload("Deployment/web")], sources=({"path": "x", "digests": {"sha256:9": "c" * 40}},))
        running = capture_body.images(app)
        assert capture_body.commits(app.spec, running) == {"sha256:1": None}

    def test_everybody_may_write_unless_narrower_writers_are_declared(self) -> None:
        work = [workload("StatefulSet/db", ["data"]), workload("Deployment/web")]
        assert capture_body.writers(application(work)) == {"data": ["StatefulSet/db", "Deployment/web"]}
        narrow = application(work, writers={"data": ["StatefulSet/db"]})
        assert capture_body.writers(narrow) == {"data": ["StatefulSet/db"]}


class TestClaims:
    CLAIM: dict[str, Any] = {
        "metadata": {
            "name": "data",
            "namespace": "n",
            "uid": "u",
            "resourceVersion": "7",
            "labels": {"a": "b"},
            "annotations": {
                "pv.kubernetes.io/bind-completed": "yes",
                "volume.kubernetes.io/storage-provisioner": "x",
                "volume.kubernetes.io/selected-node": "node-1",
                "mine": "kept",
            },
            "ownerReferences": [{"kind": "Pod", "name": "p"}, {"kind": "StatefulSet", "name": "db"}],
            "finalizers": ["kubernetes.io/pvc-protection"],
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "fast",
            "volumeName": "pv-1",
        },
        "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
    }

    def test_a_claim_is_made_again_without_what_the_cluster_wrote_into_it(self) -> None:
        again = manifest("n", "data", ClaimFacts.of(self.CLAIM, None).again, volume="pv-2")
        assert again["metadata"] == {
            "name": "data",
            "namespace": "n",
            "labels": {"a": "b"},
            "annotations": {"volume.kubernetes.io/selected-node": "node-1", "mine": "kept"},
            "ownerReferences": [{"kind": "StatefulSet", "name": "db"}],
        }
        assert again["spec"]["volumeName"] == "pv-2"
        assert "status" not in again

    @pytest.mark.parametrize(
        ("phase", "deleting", "counts"),
        [("Running", False, True), ("Unknown", False, True), ("Succeeded", False, False), ("Failed", True, True)],
    )
    def test_a_pod_counts_until_it_surely_uses_the_claim_no_more(
        self, phase: str, deleting: bool, counts: bool
    ) -> None:
        meta = {"name": "p", **({"deletionTimestamp": "now"} if deleting else {})}
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        one = {"metadata": meta, "spec": {"volumes": volumes}, "status": {"phase": phase}}
        assert bool(mounting([one], "data")) == counts
        assert not mounting([one], "other")
