# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Capture on the real cluster: what a recovery point says, what it survives, and what a failed one leaves behind."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.state import LeaseStore
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import parse_time
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    NotFound,
    NotProven,
    TimedOut,
)
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture import capture
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.prune import prune
from tests.cluster.audit import AuditLog
from tests.cluster.faults import Fault, Faults
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod
from tests.integration.volumes_app import (
    CHECKPOINT,
    KILL_EVERY,
    App,
    Killed,
    contents_of,
    dying_after,
    manifests,
    stored,
    with_a_late_controller,
)


def snapshots_of(cluster: Cluster, namespace: str) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.get("volumesnapshots", "-n", namespace)["items"]]


def test_a_point_says_what_was_seen_and_no_more(app: App) -> None:
    digest = app.cluster.image("work").partition("@")[2]
    app.sources = [{"path": "/nowhere", "digests": {digest: "a" * 40}}]

    done = app.capture(hooks=CHECKPOINT)

    (row,) = done["recovery_points"]
    assert done["changed"]
    assert row["consistency"] == "fuzzy"
    assert "checkpoint" in row["consistency_reason"]
    assert {item["consistency"] for item in row["snapshots"]} == {"crash"}
    assert row["freeze_ms"] == {"data-db-0": 0, "files": 0}
    assert row["commits"] == {digest: "a" * 40}
    assert row["digests"] == {"Deployment/files": [digest], "StatefulSet/db": [digest]}
    assert row["writers"]["files"] == ["Deployment/files", "StatefulSet/db"]
    assert all(parse_time(cut) for cut in row["cut_at"].values())
    body = row["statements"][0]["body"]
    assert [hook["rc"] for hook in body["hooks"]] == [0]
    assert body["operation"] == done["operation"]
    contents = contents_of(app.cluster, app.namespace)
    assert {item["spec"]["deletionPolicy"] for item in contents} == {"Retain"}
    assert {item["metadata"]["labels"]["knowngood.io/recovery-point"] for item in contents} == {row["id"]}


def test_one_volume_is_crash_and_with_a_hook_that_holds_application(files: App) -> None:
    assert files.capture()["recovery_points"][0]["consistency"] == "crash"

    hold = {"name": "lock", "workload": "Deployment/files", "command": ["touch", "/tmp/held"], "holds": True}
    let_go = {"name": "lock", "workload": "Deployment/files", "command": ["rm", "-f", "/tmp/held"]}
    (row,) = files.capture(hooks={"pre": [hold], "post": [let_go]})["recovery_points"]

    assert row["consistency"] == "application"
    assert row["freeze_ms"]["files"] > 0
    assert files.cluster.exec(files.namespace, "deploy/files", "sh", "-c", "ls /tmp/held || true") == ""


def test_a_thaw_that_fails_downgrades_the_point(files: App) -> None:
    hold = {"name": "lock", "workload": "Deployment/files", "command": ["true"], "holds": True}
    let_go = {"name": "lock", "workload": "Deployment/files", "command": ["false"]}

    (row,) = files.capture(hooks={"pre": [hold], "post": [let_go]})["recovery_points"]

    assert row["consistency"] == "crash"
    assert "exit code 1" in row["consistency_reason"]


def test_a_hook_that_fails_ends_it_and_what_was_held_is_let_go(files: App) -> None:
    hold = {"name": "lock", "workload": "Deployment/files", "command": ["touch", "/tmp/held"], "holds": True}
    let_go = {"name": "lock", "workload": "Deployment/files", "command": ["rm", "-f", "/tmp/held"]}
    broken = {"name": "broken", "workload": "Deployment/files", "command": ["sh", "-c", "echo hush >&2; exit 3"]}

    with pytest.raises(NotProven, match="broken failed.*exit code 3: nothing that it printed") as caught:
        files.capture(hooks={"pre": [hold, broken], "post": [let_go]})

    assert "hush" not in str(caught.value)

    assert caught.value.details["undone"]
    assert files.cluster.exec(files.namespace, "deploy/files", "sh", "-c", "ls /tmp/held || true") == ""
    assert snapshots_of(files.cluster, files.namespace) == []
    assert files.capture()["changed"], "the failed one does not stand in the way"


def test_young_enough_and_once_an_incident(watched: App, audit: AuditLog) -> None:
    first = watched.point()
    evidence = watched.point(purpose="forensic", incident="INC-1")
    audit.mark()

    young = watched.capture(older_s=3600)
    again = watched.capture(purpose="forensic", incident="INC-1")

    assert (young["changed"], young["recovery_points"][0]["id"]) == (False, first), "evidence does not count"
    assert (again["changed"], again["recovery_points"][0]["id"]) == (False, evidence)
    assert audit.writes(watched.user.name) == []
    time.sleep(1.1)
    assert watched.capture(older_s=1)["changed"]


def test_asked_again_it_makes_three_requests_and_no_write(watched: App, audit: AuditLog) -> None:
    point = watched.point()
    audit.mark()

    done = watched.run_module("recovery_point", not_older_than="1h")

    assert (done["changed"], done["recovery_points"][0]["id"]) == (False, point)
    asked = [(one.verb, one.resource) for one in audit.requests(watched.user.name)]
    assert asked == [
        ("list", "configmaps"),
        ("list", "persistentvolumeclaims"),
        ("list", "volumesnapshotcontents"),
    ]
    assert audit.paths(watched.user.name) == 3, "discovery included"


@pytest.mark.parametrize("gone", ["content", "claim", "unfinished"])
def test_a_young_point_does_not_count_when_something_is_missing(files: App, gone: str) -> None:
    point = files.point()
    (row,) = files.house().store.points(files.spec.target)
    if gone == "content":
        files.cluster.kubectl("delete", "volumesnapshot", "--all", "-n", files.namespace)
        files.cluster.kubectl("delete", "volumesnapshotcontent", row.volumes[0]["content"])
    elif gone == "claim":
        files.cluster.apply(claim("more", "local"), namespace=files.namespace)
        files.cluster.wait("bound", lambda: files.volume_of("more"))
        files.claims = ("files", "more")
    else:
        with pytest.raises(Killed):
            capture(dying_after(files.house(), 3), files.spec, CaptureWish(Hooks()), None)

    done = files.capture(older_s=3600)

    assert done["changed"]
    assert done["recovery_points"][0]["id"] != point


def test_a_claim_of_somebody_else_is_told_apart_by_the_graph(watched: App, audit: AuditLog) -> None:
    """What no workload of the application mounts is none of its data: still nothing to do, at a higher price."""
    point = watched.point()
    watched.cluster.apply(claim("loose", "local"), namespace=watched.namespace)
    audit.mark()

    done = watched.capture(older_s=3600)

    assert (done["changed"], done["recovery_points"][0]["id"]) == (False, point)
    assert audit.writes(watched.user.name) == []


def test_what_cannot_be_captured_is_left_out_only_where_that_is_allowed(watched: App, audit: AuditLog) -> None:
    watched.cluster.apply(claim("waiting", "local-wait"), namespace=watched.namespace)
    watched.claims = ("files", "waiting")

    done = watched.capture(allow_partial=True)
    audit.mark()
    again = watched.capture(allow_partial=True, older_s=3600)

    (row,) = done["recovery_points"]
    assert row["left_out"] == {"waiting": "it is not bound (Pending)"}
    assert list(row["cut_at"]) == ["files"]
    assert (again["changed"], again["recovery_points"][0]["id"]) == (False, row["id"])
    assert audit.writes(watched.user.name) == []
    with pytest.raises(BadInput, match="does not hold waiting.*was left out: it is not bound"):
        watched.restore(row["id"])
    watched.claims = ("waiting",)
    with pytest.raises(BadInput, match="claim waiting is not bound"):
        watched.capture(allow_partial=True)


def test_the_point_survives_its_namespace(cluster: Cluster, files: App, make_namespace: Callable[[], str]) -> None:
    files.write_file("precious")
    (row,) = files.capture()["recovery_points"]
    body = row["statements"][0]["body"]["volumes"][0]
    old = files.cluster.get("pv", body["volume"])
    files.cluster.kubectl("delete", "namespace", files.namespace, "--timeout=120s")
    files.cluster.kubectl("create", "namespace", files.namespace)
    files.cluster.wait("account", lambda: files.cluster.get("serviceaccount", "default", "-n", files.namespace))
    for volume in [old["metadata"]["name"]]:
        files.cluster.kubectl("wait", "--for=delete", f"pv/{volume}", "--timeout=60s")

    done = files.restore(row["id"])

    assert [(v["claim"], v["from"]) for v in done["volumes"]] == [("files", "")]
    made = files.cluster.get("pvc", "files", "-n", files.namespace)
    assert made["spec"]["resources"]["requests"]["storage"] == body["size"]
    assert made["spec"]["storageClassName"] == body["storage_class"]
    deployment = manifests(files.cluster.image("work"), "local")[-1]
    files.cluster.apply(deployment, namespace=files.namespace)
    files.cluster.wait_ready(files.namespace, "deployment/files", limit_s=120)
    assert files.read_file() == "precious"


def test_a_statement_holds_what_it_takes_to_import_the_snapshot_anywhere(files: App) -> None:
    named = {"csi.storage.k8s.io/snapshotter-list-secret-name": "lister"}
    where = {"csi.storage.k8s.io/snapshotter-list-secret-namespace": files.state}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lister"}, "stringData": {"key": "hush"}}
    one = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {"name": f"listed-{files.namespace}"},
        "driver": "local.csi.knowngood.test",
        "deletionPolicy": "Delete",
        "parameters": {**named, **where},
    }
    files.cluster.apply(secret, namespace=files.state)
    files.cluster.apply(one)

    (row,) = files.capture(snapshot_class=one["metadata"]["name"])["recovery_points"]

    (volume,) = row["statements"][0]["body"]["volumes"]
    pv = files.cluster.get("pv", files.volume_of("files"))
    assert volume["secrets"] == {**named, **where}
    assert "hush" not in str(row)
    assert (volume["volume"], volume["volume_handle"]) == (pv["metadata"]["name"], pv["spec"]["csi"]["volumeHandle"])
    assert (volume["mode"], volume["driver"]) == ("Filesystem", pv["spec"]["csi"]["driver"])
    assert volume["restore_size"] > 0
    files.cluster.kubectl("delete", "volumesnapshotclass", one["metadata"]["name"])


@pytest.mark.rig
def test_a_driver_is_asked_for_no_more_than_its_limit(files: App, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"part-{number}" for number in range(4)]
    files.cluster.apply(*(claim(name, "local") for name in names), namespace=files.namespace)
    files.cluster.wait("bound", lambda: all(files.volume_of(name) for name in names))
    files.claims = tuple(names)
    at_once: list[int] = []
    tools = files.house()
    create = tools.cluster.create

    def counted(obj: Any, **more: Any) -> Any:
        made = create(obj, **more)
        if obj["kind"] == "VolumeSnapshot":
            there = tools.cluster.list("VolumeSnapshot", files.namespace)
            at_once.append(sum(1 for item in there if not (item.get("status") or {}).get("creationTime")))
        return made

    monkeypatch.setattr(tools.cluster, "create", counted)
    done = capture(tools, files.spec, CaptureWish(Hooks(), max_parallel={"local.csi.knowngood.test": 1}), None)

    assert len(done["recovery_points"][0]["cut_at"]) == 4
    assert len(at_once) == 4
    # The snapshot says what its content said a moment ago: one more may seem to be at work.
    assert max(at_once) <= 2


def test_bad_wishes_are_one_clear_error_and_change_nothing(watched: App, audit: AuditLog) -> None:
    second = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshotClass",
        "metadata": {
            "name": f"second-{watched.namespace}",
            "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"},
        },
        "driver": "other.csi.knowngood.test",
        "deletionPolicy": "Delete",
    }
    image = watched.cluster.image()
    watched.cluster.apply(
        claim("elsewhere", "other"), pod("user", image, "sleep infinity", ("elsewhere",)), namespace=watched.namespace
    )
    watched.cluster.wait_ready(watched.namespace, "pod/user")
    watched.cluster.apply(second)
    audit.mark()
    try:
        watched.claims = ("elsewhere",)
        with pytest.raises(BadInput, match="elsewhere: other.* has 2 default VolumeSnapshotClasses: other, second"):
            watched.capture()
    finally:
        watched.cluster.kubectl("delete", "volumesnapshotclass", second["metadata"]["name"])
    watched.claims = ("gone",)
    with pytest.raises(BadInput, match="no claim gone.*the namespace has: elsewhere, files"):
        watched.capture()
    watched.claims, watched.workloads = (), ("Deployment/nope",)
    with pytest.raises(BadInput, match="no workload Deployment/nope.*Deployment/files"):
        watched.capture()
    watched.workloads = ()
    spec = ApplicationSpec.from_dict({**watched.entry, "selector": "app=nobody"})
    with pytest.raises(BadInput, match="no workload of namespace .* matches the selector 'app=nobody'"):
        capture(watched.house(), spec, CaptureWish(Hooks()), None)
    nowhere = ApplicationSpec.from_dict({"name": "shop", "namespace": "not-there"})
    with pytest.raises(NotFound, match="no namespace not-there"):
        capture(watched.house(), nowhere, CaptureWish(Hooks()), None)
    assert audit.writes(watched.user.name) == []


def test_check_mode_writes_nothing_and_shows_the_plan_that_runs(watched: App, audit: AuditLog) -> None:
    audit.mark()
    shown = watched.capture(check=True)
    assert audit.writes(watched.user.name) == []

    done = watched.capture()

    assert shown["changed"]
    assert shown["plan_hash"] == done["plan_hash"]
    assert [row["state"] for row in shown["plan"]] == ["todo"] * 3
    assert [row["state"] for row in done["plan"]] == ["done"] * 3


def test_claims_that_cannot_be_captured_are_named_and_nothing_is_changed(watched: App, audit: AuditLog) -> None:
    image = watched.cluster.image("work")
    watched.cluster.apply(
        claim("waiting", "local-wait"),
        claim("elsewhere", "other"),
        pod("user", image, "sleep infinity", ("elsewhere",)),
        namespace=watched.namespace,
    )
    watched.cluster.wait_ready(watched.namespace, "pod/user")
    watched.claims = ("files", "waiting", "elsewhere")
    audit.mark()

    with pytest.raises(BadInput, match="claim waiting is not bound") as caught:
        watched.capture(snapshot_class="local")

    assert "claim elsewhere: VolumeSnapshotClass local is of" in str(caught.value)
    assert audit.writes(watched.user.name) == []
    watched.claims = ("files", "elsewhere")
    (row,) = watched.capture()["recovery_points"]
    assert {item["claim"]: item["snapshot_class"] for item in row["snapshots"]} == {
        "files": "local",
        "elsewhere": "other",
    }


@pytest.mark.rig
def test_each_reason_against_a_claim_is_named_and_a_partial_point_holds_the_rest(files: App) -> None:
    cluster, image = files.cluster, files.cluster.image("work")
    plain = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/tmp"}}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"plain-{files.namespace}"}}
    on_host = claim("on-host", "")
    on_host["spec"]["volumeName"] = volume["metadata"]["name"]
    user = pod("user", image, "sleep infinity", ("going", "on-host"))
    cluster.apply({**volume, "spec": plain}, on_host, claim("going", "local"), user, namespace=files.namespace)
    cluster.wait_ready(files.namespace, "pod/user")
    cluster.wait("bound", lambda: cluster.get("pvc", "on-host", "-n", files.namespace)["status"]["phase"] == "Bound")
    cluster.kubectl("delete", "pvc", "going", "-n", files.namespace, "--wait=false")
    reasons = {
        "going": "it is being deleted",
        "on-host": f"it is not on a CSI volume ({volume['metadata']['name']})",
    }

    with pytest.raises(BadInput) as caught:
        files.capture()
    (row,) = files.capture(allow_partial=True)["recovery_points"]
    again = files.capture(allow_partial=True, older_s=600)

    for name, why in reasons.items():
        assert f"claim {name} {why.removeprefix('it ')}" in str(caught.value)
    assert row["left_out"] == reasons
    assert list(row["cut_at"]) == ["files"]
    assert (again["changed"], again["recovery_points"][0]["id"]) == (False, row["id"])
    cluster.kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")


@pytest.mark.rig
def test_who_is_at_work_and_since_when_is_said_to_another_run(
    files: App, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.set(CreateSnapshot=Fault(delay_s=12))
    running = files.module("recovery_point")
    log = files.wait_step("capture", "snapshot")
    monkeypatch.setitem(LeaseStore.__init__.__kwdefaults__, "wait_s", 6.0)

    with pytest.raises(Conflict, match=f"is being worked on.*held by {log['holder']} since ") as caught:
        files.capture()
    with pytest.raises(Conflict, match=f"{log['id']}.* is unfinished.*started .* by {log['holder']}"):
        files.capture(purpose="manual")
    running.communicate(timeout=120)

    since = re.search(r"since (\S+), renewed (\S+)\.", str(caught.value))
    assert since is not None
    assert parse_time(since[1]) < parse_time(since[2]), "it is renewed, and still says when it was taken"
    assert "wait for that run to end, then run the same task again" in str(caught.value)
    assert not caught.value.changed
    assert len(files.house().store.points(files.spec.target)) == 1, "the other run was not disturbed"
    assert not files.capture(older_s=600)["changed"]


@pytest.mark.rig
def test_an_error_that_goes_away_is_waited_out(files: App, faults: Faults) -> None:
    faults.set(CreateSnapshot=Fault(code="UNAVAILABLE", message="not now"))
    threading.Timer(4, faults.clear).start()

    assert files.capture()["changed"]


@pytest.mark.rig
def test_a_snapshot_that_never_comes_leaves_nothing_behind(files: App, faults: Faults) -> None:
    faults.set(CreateSnapshot=Fault(code="INTERNAL", message="disk on fire"))

    with pytest.raises(TimedOut, match="disk on fire") as caught:
        files.capture(cut_timeout_s=5)

    assert caught.value.details["undone"]
    assert snapshots_of(files.cluster, files.namespace) == []
    faults.clear()
    assert files.capture()["changed"]


@pytest.mark.rig
def test_cut_is_not_ready_and_both_are_waited_for(files: App, faults: Faults) -> None:
    faults.set(CreateSnapshot=Fault(not_ready_s=3))
    hold = {"name": "lock", "workload": "Deployment/files", "command": ["true"], "holds": True}

    (row,) = files.capture(hooks={"pre": [hold], "post": [{**hold, "holds": False}]})["recovery_points"]

    assert row["freeze_ms"]["files"] < 2000, "writers are let go at the cut, not when it is ready"


@pytest.mark.rig
def test_killed_in_the_middle_the_same_task_makes_one_point(files: App, faults: Faults) -> None:
    faults.set(CreateSnapshot=Fault(delay_s=5))
    running = files.module("recovery_point")
    log = files.wait_step("capture", "snapshot")
    files.cluster.wait("the snapshot object", lambda: snapshots_of(files.cluster, files.namespace))
    os.kill(int(log["holder"].split("/")[1]), signal.SIGKILL)
    running.communicate(timeout=60)
    faults.clear()

    done = files.run_module("recovery_point")

    assert done["changed"], done
    (row,) = done["recovery_points"]
    assert done["operation"] == log["id"]
    assert snapshots_of(files.cluster, files.namespace) == [row["snapshots"][0]["snapshot"]]
    assert len(contents_of(files.cluster, files.namespace)) == 1


def test_points_are_given_up_with_their_storage_whatever_is_left_of_their_objects(files: App) -> None:
    whole, bare, gone, kept = (files.point() for number in range(4))
    rows = {row.id: row.volumes[0] for row in files.house().store.points(files.spec.target)}
    files.cluster.kubectl(
        "delete", "volumesnapshot", "-n", files.namespace, rows[bare]["snapshot"], rows[gone]["snapshot"]
    )
    files.cluster.kubectl("delete", "volumesnapshotcontent", rows[gone]["content"])

    done = prune(files.house(), files.spec, {whole: "old", bare: "old", gone: "old"})

    assert done["changed"]
    assert {row["state"] for row in done["recovery_points"]} == {"pruned"}
    left = [item["status"]["snapshotHandle"] for item in contents_of(files.cluster, files.namespace)]
    assert left == [rows[kept]["snapshot_handle"]]
    if files.cluster.instance:
        assert rows[kept]["snapshot_handle"] in stored(files)
        assert not {rows[name]["snapshot_handle"] for name in (whole, bare, gone)} & stored(files)
    assert not prune(files.house(), files.spec, {})["changed"]


def test_killed_after_any_write_the_same_task_makes_one_point(files: App) -> None:
    number, killed = 2 - KILL_EVERY, True
    while killed:
        number += KILL_EVERY
        before = len(files.house().store.points(files.spec.target))
        killed = False
        wish = CaptureWish(Hooks())
        try:
            capture(dying_after(files.house(), number), files.spec, wish, None)
        except Killed:
            killed = True
            files.capture()
        points = files.house().store.points(files.spec.target)
        # A run that dies after its last write but one had made its point: asking again makes the next one.
        assert len(points) - before in (1, 2), f"killed after write {number}"
        handles = {item["status"]["snapshotHandle"] for item in contents_of(files.cluster, files.namespace)}
        assert handles == {point.volumes[0]["snapshot_handle"] for point in points}, "no snapshot without a statement"
    assert number > 8, "so many writes a capture has"


def test_killed_while_it_takes_itself_back_the_same_task_ends_that_and_makes_the_point(files: App) -> None:
    hold = {"name": "lock", "workload": "Deployment/files", "command": ["touch", "/tmp/held"], "holds": True}
    let_go = {**hold, "command": ["rm", "-f", "/tmp/held"], "holds": False}
    broken = Hooks.from_dict({"pre": [hold, {**let_go, "name": "gone", "command": ["/none"]}], "post": [let_go]})
    for number in (6, 7):
        with pytest.raises(Killed):
            capture(dying_after(files.house(), number), files.spec, CaptureWish(broken), None)
        (last, *_others) = files.house().engine.journal.list(files.spec.target)
        assert last.state == "undoing", f"killed after write {number}"
        files.cluster.exec(files.namespace, "deploy/files", "touch", "/tmp/held")  # as if it had not been let go yet

        done = files.capture(hooks={"pre": [hold], "post": [let_go]})

        assert (len(done["recovery_points"]), done["operation"] != last.id) == (1, True)
        assert [op.state for op in files.house().engine.journal.list(files.spec.target)][:2] == ["finished", "undone"]
        assert files.cluster.exec(files.namespace, "deploy/files", "sh", "-c", "ls /tmp/held || true") == ""
    points = files.house().store.points(files.spec.target)
    handles = {item["status"]["snapshotHandle"] for item in contents_of(files.cluster, files.namespace)}
    assert handles == {point.volumes[0]["snapshot_handle"] for point in points}


def test_killed_after_any_write_giving_up_goes_on(files: App) -> None:
    number, killed = 3 - KILL_EVERY, True
    while killed:
        number += KILL_EVERY
        point = files.point()
        killed = False
        try:
            prune(dying_after(files.house(), number), files.spec, {point: "old"})
        except Killed:
            killed = True
            left = [p.id for p in files.house().store.points(files.spec.target) if not p.pruned]
            prune(files.house(), files.spec, dict.fromkeys(left, "old"))
        assert all(p.pruned for p in files.house().store.points(files.spec.target))
        assert contents_of(files.cluster, files.namespace) == [], f"killed after write {number}"
    assert number > 6, "so many writes giving up has"


@pytest.mark.rig
def test_a_controller_that_is_late_leaves_no_content_behind(files: App) -> None:
    """It lets the snapshot go by the policy in its cache, and nobody but us deletes the content after that."""
    point = files.point()
    (content,) = contents_of(files.cluster, files.namespace)
    house = files.house()
    with_a_late_controller(house.cluster)

    prune(house, files.spec, {point: "old"})

    assert contents_of(files.cluster, files.namespace) == []
    assert content["status"]["snapshotHandle"] not in stored(files)


def test_a_capture_that_was_killed_does_not_outlive_its_claims(files: App) -> None:
    """The volume changed since it was planned: the old plan is given up, the next run makes a new one."""
    point = files.point()
    with pytest.raises(Killed):
        capture(dying_after(files.house(), 3), files.spec, CaptureWish(Hooks()), None)
    operation = files.house().engine.journal.list(files.spec.target)[0]
    assert operation.unfinished
    files.undo(operation.id)
    with pytest.raises(Killed):
        capture(dying_after(files.house(), 3), files.spec, CaptureWish(Hooks()), None)
    files.cluster.kubectl("delete", "deployment,pvc", "files", "-n", files.namespace)
    files.cluster.apply(claim("files", "local"), namespace=files.namespace)
    files.cluster.wait("bound", lambda: files.volume_of("files"))
    files.claims = ("files",)

    with pytest.raises(NotProven, match="not the one that was planned for.*everything was put back"):
        files.capture()

    (row,) = files.capture()["recovery_points"]
    assert row["id"] != point


@pytest.mark.rig
def test_a_raw_block_volume_is_captured_as_one_and_comes_back(
    cluster: Cluster, make_namespace: Callable[[], str]
) -> None:
    app = App(cluster, make_namespace(), make_namespace(), cluster.kubeconfig)
    raw = claim("raw", "local-ext4")
    raw["spec"]["volumeMode"] = "Block"
    user = pod("user", cluster.image(), "sleep infinity", ("folder",))
    user["spec"]["containers"][0]["volumeDevices"] = [{"name": "raw", "devicePath": "/dev/raw"}]
    user["spec"]["volumes"].append({"name": "raw", "persistentVolumeClaim": {"claimName": "raw"}})
    cluster.apply(claim("folder", "local-ext4"), raw, user, namespace=app.namespace)
    cluster.wait_ready(app.namespace, "pod/user")

    def sh(script: str) -> str:
        return cluster.exec(app.namespace, "user", "sh", "-c", script)

    sh("printf precious | dd of=/dev/raw conv=notrunc,fsync 2>/dev/null; echo precious > /folder/note; sync")
    (row,) = app.capture()["recovery_points"]
    sh("printf spoiled! | dd of=/dev/raw conv=notrunc,fsync 2>/dev/null; echo spoiled > /folder/note; sync")

    volumes = {volume["claim"]: volume for volume in row["statements"][0]["body"]["volumes"]}
    assert {name: volume["mode"] for name, volume in volumes.items()} == {"folder": "Filesystem", "raw": "Block"}
    assert volumes["folder"]["fs_type"] == "ext4"
    content = cluster.get("volumesnapshotcontent", volumes["raw"]["content"])
    assert content["spec"]["sourceVolumeMode"] == "Block"
    cluster.kubectl("delete", "pod/user", "-n", app.namespace, "--timeout=60s")
    app.restore(row["id"])
    cluster.apply(user, namespace=app.namespace)
    cluster.wait_ready(app.namespace, "pod/user")
    assert cluster.get("pvc", "raw", "-n", app.namespace)["spec"]["volumeMode"] == "Block"
    assert sh("dd if=/dev/raw bs=8 count=1 2>/dev/null; echo; cat /folder/note").split() == ["precious", "precious"]
