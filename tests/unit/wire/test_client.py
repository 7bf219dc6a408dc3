# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client on the wire: what is sent, and what each refusal becomes."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import retries
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.auth import AuthOptions
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import ANY_VERSION, Gone, connect, owned_by
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.kinds import KINDS, describe
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.retries import pause
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.waits import wait_gone, wait_until
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    Denied,
    NotFound,
    Rejected,
    TimedOut,
    Unreachable,
)

from .server import Answer, failure, serving

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}}


def pods(*names: str, more: str = "", version: str = "7") -> Answer:
    items = [{"metadata": {"name": name, "uid": name}} for name in names]
    return Answer(200, {"metadata": {"continue": more, "resourceVersion": version}, "items": items})


class TestRequests:
    def test_a_list_is_read_page_by_page_and_each_item_knows_its_kind(self) -> None:
        with serving(pods("a", "b", more="next"), pods("c")) as (cluster, script):
            found = cluster.list("Pod", "n", selector="app=x")
        assert [item["metadata"]["name"] for item in found] == ["a", "b", "c"]
        assert {item["kind"] for item in found} == {"Pod"}
        assert [request.query.get("continue") for request in script.seen] == [None, "next"]
        assert all(request.query["labelSelector"] == "app=x" for request in script.seen)
        assert script.seen[0].path == "/api/v1/namespaces/n/pods"

    def test_a_delete_carries_uid_and_resource_version(self) -> None:
        with serving(Answer()) as (cluster, script):
            cluster.delete("PersistentVolumeClaim", "c", "n", uid="u1", resource_version="5")
        body = script.seen[0].body
        assert body["preconditions"] == {"uid": "u1", "resourceVersion": "5"}

    def test_the_server_gives_up_a_write_before_we_do(self) -> None:
        with serving(Answer(), pods()) as (cluster, script):
            cluster.delete("Pod", "p", "n", uid="u", resource_version=ANY_VERSION)
            cluster.list("Pod", "n")
        assert [request.query.get("timeout") for request in script.seen] == ["27s", None]

    def test_a_delete_of_what_is_gone_is_fine(self) -> None:
        with serving(failure(404)) as (cluster, script):
            cluster.delete("Pod", "p", "n", uid="u", resource_version=ANY_VERSION)
        assert [request.method for request in script.seen] == ["DELETE"]

    def test_a_patch_carries_its_preconditions(self) -> None:
        with serving(Answer(200, POD)) as (cluster, script):
            body = {"metadata": {"labels": {"a": "b"}}}
            cluster.patch("Pod", "p", "n", body, uid="u1", resource_version="5")
        request = script.seen[0]
        assert request.headers["content-type"] == ["application/merge-patch+json"]
        assert request.body["metadata"] == {"labels": {"a": "b"}, "uid": "u1", "resourceVersion": "5"}

    def test_an_update_without_a_resource_version_is_a_mistake(self) -> None:
        with serving(Answer()) as (cluster, script), pytest.raises(ValueError, match="resourceVersion"):
            cluster.update(POD)
        assert script.seen == []

    def test_a_dry_run_says_so(self) -> None:
        with serving(Answer(201, POD)) as (cluster, script):
            cluster.create(POD, dry_run=True)
        assert script.seen[0].query["dryRun"] == "All"

    def test_identity_and_impersonation_travel_in_headers(self) -> None:
        with serving(Answer(200, POD), api_key="t0k3n", impersonate_user="ann", impersonate_groups=("a", "b")) as (
            cluster,
            script,
        ):
            cluster.get("Pod", "p", "n")
        headers = script.seen[0].headers
        assert headers["authorization"] == ["Bearer t0k3n"]
        assert headers["impersonate-user"] == ["ann"]
        assert ", ".join(headers["impersonate-group"]) == "a, b"

    def test_an_access_review_is_answered_with_a_bool(self) -> None:
        with serving(Answer(201, {"status": {"allowed": True}})) as (cluster, script):
            assert cluster.can_i("delete", "persistentvolumeclaims", namespace="n")
        asked = script.seen[0].body["spec"]["resourceAttributes"]
        assert asked == {"verb": "delete", "resource": "persistentvolumeclaims", "namespace": "n"}

    def test_an_unknown_kind_is_found_by_discovery(self) -> None:
        found = {"resources": [{"kind": "Widget", "name": "widgets", "namespaced": True}, {"kind": "S", "name": "w/s"}]}
        with serving(Answer(200, found)) as (cluster, script):
            kind = cluster.kind_of("example.test/v1", "Widget")
            assert kind is not None
            assert kind.path("n", "w") == "/apis/example.test/v1/namespaces/n/widgets/w"
            assert cluster.kind_of("example.test/v1", "S") is None
        assert script.seen[0].path == "/apis/example.test/v1"

    def test_a_group_that_is_not_installed_is_not_served(self) -> None:
        with serving(failure(404)) as (cluster, dummy):
            assert not cluster.serves("VolumeSnapshot")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause before a request is sent again."""
    monkeypatch.setattr(retries, "_PAUSES_S", (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("at_once")
class TestAgain:
    """What is sent again, and what never is."""

    @pytest.mark.parametrize("answer", [failure(500), failure(503), failure(429)], ids=["500", "503", "429"])
    def test_a_question_that_failed_on_the_way_is_asked_again(self, answer: Answer) -> None:
        with serving(answer, answer, pods("a")) as (cluster, script):
            assert len(cluster.list("Pod", "n")) == 1
        assert len(script.seen) == 3

    def test_a_write_is_sent_again_when_the_server_was_too_busy_to_take_it(self) -> None:
        with serving(failure(429), Answer(201, POD)) as (cluster, script):
            cluster.create(POD)
        assert [request.method for request in script.seen] == ["POST", "POST"]

    def test_a_write_that_may_have_been_done_is_not_sent_again(self) -> None:
        with serving(failure(500), Answer(201, POD)) as (cluster, script), pytest.raises(Unreachable):
            cluster.create(POD)
        assert len(script.seen) == 1

    def test_a_watch_that_breaks_off_in_an_event_ends_there(self) -> None:
        event = {"type": "ADDED", "object": POD}
        with serving(Answer(lines=[event, b'{"type": "MODIFIED", "obj'])) as (cluster, _script):
            assert [found.type for found in cluster.watch("Pod", "n", timeout_s=5)] == ["ADDED"]

    def test_a_watch_that_is_refused_is_begun_again(self) -> None:
        event = {"type": "ADDED", "object": POD}
        with serving(failure(503), Answer(lines=[event])) as (cluster, script):
            assert next(cluster.watch("Pod", "n", timeout_s=5)).object == POD
        assert len(script.seen) == 2


def test_what_a_busy_server_asks_for_is_heeded_within_limits() -> None:
    assert pause("PUT", 429, {"Retry-After": "3"}, 1, 0) == 3
    assert pause("PUT", 429, {"Retry-After": "600"}, 1, 0) == 10
    assert pause("PUT", 503, {"Retry-After": "1"}, 1, 0) == 1
    assert pause("PUT", 503, {}, 1, 0) is None
    assert pause("PUT", None, {}, 1, 0) is None
    assert pause("GET", None, {}, 1, 0) == 0.2
    assert pause("GET", None, {}, 4, 0) is None, "three times again, no more"
    assert pause("GET", None, {}, 1, 11) is None, "what hung is not begun again"
    assert pause("GET", 404, {}, 1, 0) is None


@pytest.mark.usefixtures("at_once")
class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "error", "told"),
        [
            (failure(401), Denied, "credentials"),
            (failure(403), Denied, "not allowed"),
            (failure(404), NotFound, "not found"),
            (failure(409, "AlreadyExists"), Conflict, "exists already"),
            (failure(409, "Conflict"), Conflict, "somebody else"),
            (failure(410), Gone, "too old"),
            (failure(422), Rejected, "refused"),
            (failure(400), BadInput, "understand"),
            (failure(500), Unreachable, "answered 500"),
            (failure(429), Unreachable, "answered 429"),
        ],
    )
    def test_each_status_becomes_one_clear_error(self, answer: Answer, error: type[Exception], told: str) -> None:
        with serving(answer) as (cluster, dummy), pytest.raises(error, match=told) as caught:
            cluster.get("Pod", "p", "n")
        assert "Pod n/p" in str(caught.value)

    def test_a_server_that_is_not_there_is_named(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            host = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Unreachable, match=host):
            connect(AuthOptions(host=host)).get("Pod", "p", "n")

    def test_a_token_in_a_message_does_not_get_out(self) -> None:
        answer = failure(403, message="user with Bearer abcdefghijklmnop may not")
        with serving(answer) as (cluster, dummy), pytest.raises(Denied) as caught:
            cluster.get("Pod", "p", "n")
        assert "abcdefghijklmnop" not in str(caught.value)


class TestKubeconfig:
    def test_a_missing_one_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="no kubeconfig") as caught:
            connect(AuthOptions(kubeconfig=str(tmp_path / "none")))
        assert str(tmp_path / "none") in str(caught.value)

    def test_one_that_is_no_kubeconfig_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "config"
        path.write_text("apiVersion: v1\nkind: Config\n")
        with pytest.raises(BadInput, match="cannot be used"):
            connect(AuthOptions(kubeconfig=str(path)))

    def test_a_context_that_is_not_in_it_is_named(self) -> None:
        inline = {
            "current-context": "a",
            "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {"token": "x"}}],
        }
        with pytest.raises(BadInput, match="nowhere"):
            connect(AuthOptions(kubeconfig=inline, context="nowhere"))

    def test_a_certificate_file_that_is_not_there_is_named(self) -> None:
        with pytest.raises(BadInput, match="missing"):
            connect(AuthOptions(host="https://127.0.0.1:1", ca_cert="/nowhere/ca.crt"))


class TestWaits:
    CLOCK = SystemClock()

    def event(self, kind: str, name: str, **status: str) -> dict[str, object]:
        meta = {"name": name, "uid": name}
        return {"type": kind, "object": {"kind": "Pod", "metadata": meta, "status": status}}

    def ready(self, objects: object) -> str:
        assert isinstance(objects, dict)
        left = [name for name, pod in objects.items() if pod.get("status", {}).get("phase") != "Running"]
        return f"not running: {', '.join(sorted(left))}" if left else ""

    def test_one_list_and_one_watch_serve_a_whole_wave(self) -> None:
        events = [
            {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "9"}}},
            self.event("MODIFIED", "b", phase="Running"),
            self.event("MODIFIED", "a", phase="Running"),
        ]
        with serving(pods("a", "b"), Answer(lines=events)) as (cluster, script):
            found = wait_until(cluster, "Pod", "n", self.ready, what="pods", timeout_s=5, clock=self.CLOCK)
        assert sorted(found) == ["a", "b"]
        assert len(script.seen) == 2
        assert script.seen[1].query["resourceVersion"] == "7"

    def test_a_watch_that_ends_early_is_begun_again_from_a_list(self) -> None:
        done = Answer(200, {"metadata": {}, "items": [{"metadata": {"name": "a"}, "status": {"phase": "Running"}}]})
        with serving(pods("a"), Answer(lines=[]), done) as (cluster, script):
            wait_until(cluster, "Pod", "n", self.ready, what="pods", timeout_s=5, clock=self.CLOCK)
        assert len(script.seen) == 3

    def test_a_version_that_is_too_old_is_begun_again(self) -> None:
        gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
        done = Answer(200, {"metadata": {}, "items": []})
        with serving(pods("a"), Answer(lines=[gone]), done) as (cluster, dummy):
            assert wait_until(cluster, "Pod", "n", self.ready, what="pods", timeout_s=5, clock=self.CLOCK) == {}

    def test_out_of_time_it_tells_what_was_missing(self) -> None:
        with (
            serving(pods("a")) as (cluster, dummy),
            pytest.raises(TimedOut, match="waiting for pods.*not running: a"),
        ):
            wait_until(cluster, "Pod", "n", self.ready, what="pods", timeout_s=0, clock=self.CLOCK)

    def test_another_object_of_the_same_name_counts_as_gone(self) -> None:
        with serving(pods("p")) as (cluster, script):
            wait_gone(cluster, "Pod", "p", "n", "another-uid", timeout_s=0, clock=self.CLOCK)
        assert len(script.seen) == 1, "one look is enough"

    def test_what_holds_an_object_is_named(self) -> None:
        held = {"metadata": {"name": "p", "uid": "u", "finalizers": ["kubernetes.io/pvc-protection"]}}
        with (
            serving(Answer(200, {"metadata": {}, "items": [held]})) as (cluster, dummy),
            pytest.raises(TimedOut, match="pvc-protection"),
        ):
            wait_gone(cluster, "PersistentVolumeClaim", "p", "n", "u", timeout_s=0, clock=self.CLOCK)


def test_objects_are_named_as_people_name_them() -> None:
    assert describe(POD) == "Pod n/p"
    assert describe({"kind": "Node", "metadata": {"name": "rig"}}) == "Node rig"


def test_every_object_of_ours_says_whose_it_is() -> None:
    labels = owned_by("restore-shop-1", claim="data")
    assert labels["knowngood.io/operation"] == "restore-shop-1"
    assert labels["knowngood.io/claim"] == "data"


def test_cluster_wide_kinds_have_no_namespace_in_their_path() -> None:
    assert KINDS["PersistentVolume"].path("ignored", "pv") == "/api/v1/persistentvolumes/pv"
