# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Giving up on the real cluster: by retention, by time, and what was left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import rbac
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, KnownGoodError, Unreachable
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import HELD
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture import capture
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_plan import CaptureWish
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.expire import expire
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.orphan_search import find_orphans
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.prune import observe, prune
from tests.cluster.audit import AuditLog
from tests.cluster.faultproxy import FaultProxy
from tests.cluster.handle import Cluster
from tests.cluster.strikes import SLOW, Rule, Script, Strike
from tests.integration.doors import Call, play
from tests.integration.volumes_app import ROOT, App, Killed, contents_of, dying_after, stored


def by_handle(app: App) -> dict[str, Any]:
    """The contents for snapshots of the namespace, by handle."""
    found = contents_of(app.cluster, app.namespace)
    return {(item.get("status") or {}).get("snapshotHandle", ""): item for item in found}


def row_of(app: App, point: str) -> Any:
    return next(p for p in app.house().store.points(app.spec.target) if p.id == point)


def handle_of(app: App, point: str) -> str:
    return str(row_of(app, point).volumes[0]["snapshot_handle"])


def kinds(app: App) -> list[tuple[str, bool]]:
    return [(orphan.kind, orphan.step is not None) for orphan in find_orphans(app.house(), app.spec)]


def remove_orphans(app: App, **more: Any) -> dict[str, Any]:
    steps = [orphan.step for orphan in find_orphans(app.house(), app.spec) if orphan.step]
    return prune(app.house(**more), app.spec, {}, steps)


def pv(app: App, name: str) -> Any:
    found = app.cluster.kubectl("get", "pv", name, "-o", "json", "--ignore-not-found").stdout
    return json.loads(found) if found.strip() else None


def due_now(app: App, volume: str) -> None:
    """Time is not waited for: the volume says that its time is over."""
    app.cluster.kubectl("annotate", "pv", volume, "--overwrite", "knowngood.io/keep-until=2026-01-01T00:00:00Z")


# -- by retention ------------------------------------------------------------------------------------------------


def test_what_came_to_be_held_or_used_since_the_plan_is_left_alone(files: App) -> None:
    held, used, old, newest = (files.point() for number in range(4))
    tools = files.house()
    other = files.house()
    started: list[str] = []

    class Late:
        """The real step, right before which others hold one point and start to restore another by hand."""

        def __init__(self, real: Any) -> None:
            self.real = real

        def done(self, step: Any, context: Any) -> bool:
            return bool(self.real.done(step, context))

        def undo(self, step: Any, context: Any) -> Any:
            return self.real.undo(step, context)

        def apply(self, step: Any, context: Any) -> Any:
            if not started:
                started.append("now")
                body = {"reason": "look at it", "incident": "INC-1"}
                other.store.append(files.spec.target, HELD, held, body, key="held")
                volume = row_of(files, used).volumes[0]
                files.cluster.apply(waiting_claim("mine", volume["snapshot"]), namespace=files.namespace)
            return self.real.apply(step, context)

    actions = dict(tools.engine.actions)
    actions["volumes.mark_pruned"] = Late(actions["volumes.mark_pruned"])
    tools = replace(tools, engine=replace(tools.engine, actions=actions))

    done = prune(tools, files.spec, dict.fromkeys((held, used, old), "old"))

    assert done["left"][f"mark {held}"] == "it was put on hold after this was planned"
    assert f"PersistentVolumeClaim {files.namespace}/mine is being made from it" in done["left"][f"mark {used}"]
    assert [row["id"] for row in done["recovery_points"]] == [old]
    assert set(by_handle(files)) == {handle_of(files, name) for name in (held, used, newest)}
    statements = [(s.kind, s.body.get("freed")) for s in row_of(files, old).statements]
    assert statements == [("captured", None), ("pruned", None), ("pruned", [handle_of(files, old)])]


def waiting_claim(name: str, snapshot: str) -> dict[str, Any]:
    """A claim from a snapshot that stays pending: its class makes volumes for pods only, and there is none."""
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "local-wait",
        "resources": {"requests": {"storage": "1Gi"}},
        "dataSourceRef": source,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def test_a_point_that_a_restore_may_need_is_in_use(files: App) -> None:
    point = files.point()
    files.write_file("later")
    restored = files.restore(point)

    use = observe(files.house(), files.spec, files.house().store.points(files.spec.target))
    assert use.in_use[point] == (f"{restored['operation']} can be undone until {restored['undo_until']}",)

    files.undo(restored["operation"])
    assert observe(files.house(), files.spec, files.house().store.points(files.spec.target)).in_use == {}


def test_check_mode_says_of_each_point_whether_it_is_kept_and_why_and_bad_rules_change_nothing(
    files: App, user: Callable[..., Any], audit: AuditLog, tmp_path: Path
) -> None:
    old, newest = files.point(), files.point()
    files.user = user(cluster_roles=["cluster-admin"])
    common = {"app": files.entry, "state_namespace": files.state, "kubeconfig": str(files.user.kubeconfig)}
    bad = [{"keep_last": -1}, {"keep_dayly": 3}, {"min_age": "soon"}, {"min_copies": 0}, {"keep_hourly": "1e3"}]
    calls = [
        Call(f"bad {number}", "recovery_point", {"state": "absent", "retention": rules})
        for number, rules in enumerate(bad)
    ]
    calls.append(Call("nothing asked", "recovery_point", {"state": "absent"}))
    calls.append(Call("check", "recovery_point", {"state": "absent", "retention": {"keep_last": 1}}))
    calls.append(Call("orphans", "recovery_point", {"state": "absent", "orphans": "report"}))
    calls.append(Call("expired", "restore", {"state": "expired"}))
    calls.append(Call("no point", "restore", {}))
    audit.mark()

    played = play(tmp_path, calls, "--check", defaults=common)

    for number, key in enumerate(("keep_last", "keep_dayly", "min_age", "min_copies", "keep_hourly")):
        assert key in played[f"bad {number}"]["msg"]
        assert played[f"bad {number}"]["error"]["code"] == "bad_input"
    assert "retention, orphans" in played["nothing asked"]["msg"]
    assert "recovery_point" in played["no point"]["msg"]
    rows = {row["id"]: row for row in played["check"]["retention"]}
    assert rows[old]["keep"] is False
    assert rows[old]["reasons"] == ["no rule keeps it"]
    assert rows[newest]["reasons"] == ["the newest point", "the last good point", "one of the last 1"]
    assert [row["name"] for row in played["check"]["plan"]] == [f"mark {old}", f"free {old}"]
    assert (played["orphans"]["orphans"], played["orphans"]["changed"]) == ([], False)
    assert (played["expired"]["kept_volumes"], played["expired"]["changed"]) == ([], False)
    assert audit.writes(files.user.name) == []


# -- by time -----------------------------------------------------------------------------------------------------


def test_kept_volumes_go_when_their_time_has_passed_and_an_undo_after_that_changes_nothing(
    files: App, user: Callable[..., Any], audit: AuditLog
) -> None:
    files.write_file("good")
    point = files.point()
    files.write_file("bad")
    kept = files.volume_of("files")
    restored = files.restore(point)
    assert files.read_file() == "good"

    (row,) = expire(files.house(), files.spec)["kept_volumes"]
    assert (row["volume"], row["state"], row["kept_until"]) == (kept, "kept", restored["volumes"][0]["kept_until"])
    due_now(files, kept)
    shown = expire(files.house(check_mode=True), files.spec)
    assert (shown["changed"], shown["kept_volumes"][0]["state"]) == (True, "due")
    name = "knowngood-maintenance-test"
    granted = rbac.manifests("maintenance", app_namespace=files.namespace, state_namespace=files.state, user=name)
    files.kubeconfig = user(name=name, manifests=granted).kubeconfig

    done = expire(files.house(), files.spec)

    assert (done["changed"], done["plan_hash"]) == (True, shown["plan_hash"])
    assert [(row["volume"], row["state"]) for row in done["kept_volumes"]] == [(kept, "expired")]
    assert pv(files, kept) is None
    stated = [s for s in row_of(files, point).statements if s.kind == "expired"]
    assert [(s.body["volume"], s.body["operation"]) for s in stated] == [(kept, restored["operation"])]
    assert expire(files.house(), files.spec)["changed"] is False
    assert [request for request in audit.requests(name) if request.code == 403] == []
    files.kubeconfig = files.cluster.kubeconfig
    before = files.volume_of("files")
    with pytest.raises(KnownGoodError, match=f"{kept} of claim files is gone"):
        files.undo(restored["operation"])
    assert files.read_file() == "good"
    assert files.volume_of("files") == before
    assert not any(op.unfinished for op in files.house().engine.journal.list(files.spec.target))


def test_a_kept_volume_that_somebody_needs_stays(files: App) -> None:
    point = files.point()
    first = files.volume_of("files")
    files.restore(point)
    due_now(files, first)
    files.write_file("later")
    later = files.point()
    files.restore(later)
    second = next(
        row["volume"]
        for row in expire(files.house(check_mode=True), files.spec)["kept_volumes"]
        if row["volume"] != first
    )
    due_now(files, second)
    files.cluster.kubectl("annotate", "pv", second, "--overwrite", "knowngood.io/keep-until=soon")
    rows = {row["volume"]: row for row in expire(files.house(check_mode=True), files.spec)["kept_volumes"]}
    assert rows[second]["state"] == "unclear"
    due_now(files, second)
    tools = files.house()
    with pytest.raises(Killed):
        files.restore_with(dying_after(files.house(), 3), point)
    states = {row["volume"]: row["state"] for row in expire(files.house(check_mode=True), files.spec)["kept_volumes"]}
    assert set(states) >= {first, second}
    assert set(states.values()) <= {"busy", "due"}
    with pytest.raises(Conflict, match="is unfinished"):
        expire(tools, files.spec)
    assert pv(files, first)
    assert pv(files, second)


def test_killed_between_its_writes_expiring_goes_on(files: App) -> None:
    point = files.point()
    for number in (4, 5, 6, 8):
        files.write_file(f"n{number}")
        again = files.point()
        kept = files.volume_of("files")
        files.restore(point if number % 2 else again)
        due_now(files, kept)
        with pytest.raises(Killed):
            expire(dying_after(files.house(), number), files.spec)
        expire(files.house(), files.spec)
        assert pv(files, kept) is None, f"killed after write {number}"


# -- what was left behind ----------------------------------------------------------------------------------------


def killed_capture_without_journal(files: App, writes: int) -> None:
    with pytest.raises(Killed):
        capture(dying_after(files.house(), writes), files.spec, CaptureWish(Hooks()), None)
    files.cluster.wait("cut", lambda: len(by_handle(files)) == 2 and "" not in by_handle(files))
    assert kinds(files) == [], "an unfinished capture may still be gone on with"
    files.cluster.kubectl("delete", "configmap", "-n", files.state, "-l", "knowngood.io/journal=capture")


@pytest.mark.rig
def test_snapshots_of_killed_captures_are_found_once_their_journal_is_gone_and_removed_on_request(files: App) -> None:
    kept = files.point()
    # Dead when the VolumeSnapshot is made, before its content is marked as part of a point.
    killed_capture_without_journal(files, 4)

    assert kinds(files) == [("snapshot_without_statement", True)]
    shown = remove_orphans(files, check_mode=True)
    assert len(by_handle(files)) == 2
    steps = [orphan.step for orphan in find_orphans(files.house(), files.spec) if orphan.step]
    with pytest.raises(Killed):
        prune(dying_after(files.house(), 4), files.spec, {}, steps)
    done = remove_orphans(files)

    assert (done["changed"], done["plan_hash"]) == (True, shown["plan_hash"])
    assert kinds(files) == []
    assert set(by_handle(files)) == {handle_of(files, kept)}
    assert handle_of(files, kept) in stored(files)


@pytest.mark.rig
def test_one_that_was_marked_as_part_of_a_point_is_told_of_and_left(files: App) -> None:
    kept = files.point()
    killed_capture_without_journal(files, 5)
    assert kinds(files) == [("snapshot_without_statement", False)]
    assert not remove_orphans(files)["changed"]
    assert set(by_handle(files)) > {handle_of(files, kept)}


@pytest.mark.rig
def test_a_snapshot_that_arrives_after_its_capture_was_undone_is_found_and_removed_on_request(files: App) -> None:
    """A network may hold a request back until whoever sent it has given up: no undo can see that one coming."""
    kept = files.point()
    late = Rule(lambda r: r.method == "POST" and r.resource.endswith("/volumesnapshots"), Strike(SLOW, seconds=5))
    with FaultProxy(files.cluster, schedule=Script(late)) as proxy:
        hasty = replace(files, kubeconfig=proxy.kubeconfig).house()
        hasty.cluster._timeout = 2
        with pytest.raises(Unreachable) as caught:
            capture(hasty, files.spec, CaptureWish(Hooks()), None)
        files.undo(caught.value.details["operation"])
        assert set(by_handle(files)) == {handle_of(files, kept)}
        files.cluster.wait("arrived", lambda: len(by_handle(files)) == 2 and "" not in by_handle(files))

    assert kinds(files) == [("snapshot_without_statement", True)]
    remove_orphans(files)
    assert kinds(files) == []
    assert set(by_handle(files)) == {handle_of(files, kept)}


@pytest.mark.rig
def test_what_stands_on_one_side_only_is_told(files: App) -> None:
    lost, doubled, pruned, unmarked = (files.point() for number in range(4))
    handles = {name: handle_of(files, name) for name in (lost, doubled, pruned, unmarked)}
    # The content of one is deleted, the snapshot objects first: the data is in the storage still.
    volume = row_of(files, lost).volumes[0]
    files.cluster.kubectl("delete", "volumesnapshot", volume["snapshot"], "-n", files.namespace)
    files.cluster.kubectl("delete", "volumesnapshotcontent", volume["content"])
    # Somebody imports another by hand.
    files.cluster.apply(by_hand("by-hand-" + files.namespace, files.namespace, handles[doubled]))
    # One is marked by a run that died, and whose operation was undone.
    with pytest.raises(Killed):
        prune(dying_after(files.house(), 5), files.spec, {pruned: "old"})
    operation = files.house().engine.journal.list(files.spec.target)[0]
    files.undo(operation.id)
    assert row_of(files, pruned).pruned

    found = {(orphan.kind, orphan.point): orphan for orphan in find_orphans(files.house(), files.spec)}

    assert sorted(kind for kind, point in found) == ["content_gone", "duplicate_content", "pruned_not_freed"]
    assert found["content_gone", lost].step is None
    assert found["duplicate_content", doubled].step is None
    use = observe(files.house(), files.spec, files.house().store.points(files.spec.target))
    assert use.lost == {lost}
    assert "somebody else" in use.in_use[doubled][0]
    remove_orphans(files)
    assert handles[pruned] not in stored(files)
    assert {handles[lost], handles[doubled], handles[unmarked]} <= stored(files)
    assert sorted(kind for kind, removable in kinds(files)) == ["content_gone", "duplicate_content"]
    files.cluster.kubectl("delete", "volumesnapshotcontent", "by-hand-" + files.namespace)


def by_hand(name: str, namespace: str, handle: str) -> dict[str, Any]:
    spec = {
        "driver": "local.csi.knowngood.test",
        "deletionPolicy": "Retain",
        "source": {"snapshotHandle": handle},
        "volumeSnapshotRef": {"name": name, "namespace": namespace},
    }
    kind = "VolumeSnapshotContent"
    return {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.mark.rig
def test_what_an_abandoned_restore_left_is_removed_and_data_in_doubt_is_not(files: App) -> None:
    files.write_file("good")
    point = files.point()
    with pytest.raises(Killed):
        files.restore_with(dying_after(files.house(), 5), point)
    operation = files.house().engine.journal.list(files.spec.target)[0]
    files.cluster.wait("staged", lambda: len(claims(files)) == 2)
    assert kinds(files) == []
    files.house().engine.abandon(operation.id, "the test says so", "tester")

    assert ("leftover", True) in kinds(files)
    remove_orphans(files)

    assert claims(files) == ["files"]
    assert ("leftover", True) not in kinds(files)
    assert files.read_file() == "good"


def claims(app: App) -> list[str]:
    return sorted(item["metadata"]["name"] for item in app.cluster.get("pvc", "-n", app.namespace)["items"])


@pytest.mark.rig
def test_points_of_a_namespace_that_is_gone_are_freed_with_their_storage(
    cluster: Cluster, make_namespace: Callable[[], str]
) -> None:
    app = App.deployed(cluster, make_namespace(), make_namespace(), only="files")
    old, kept = app.point(), app.point()
    handles = {name: handle_of(app, name) for name in (old, kept)}
    cluster.kubectl("delete", "namespace", app.namespace, "--wait=true", "--timeout=120s")
    assert kinds(app) == [], "their statements know them: they can be restored elsewhere"

    prune(app.house(), app.spec, {old: "old"})

    assert handles[old] not in stored(app)
    assert handles[kept] in stored(app)
    assert row_of(app, kept).state == "available"
    prune(app.house(), app.spec, {kept: "the test is over"})


# -- the playbook ------------------------------------------------------------------------------------------------


@pytest.mark.rig
def test_the_playbook_does_all_of_it_with_the_shipped_rights_and_says_what(
    files: App, user: Callable[..., Any], audit: AuditLog, tmp_path: Path
) -> None:
    first, second = files.point(), files.point()
    kept = files.volume_of("files")
    restored = files.restore(second)
    due_now(files, kept)
    with pytest.raises(Killed):
        prune(dying_after(files.house(), 4), files.spec, {first: "old"})
    name = "knowngood-maintenance-play"
    granted = rbac.manifests("maintenance", app_namespace=files.namespace, state_namespace=files.state, user=name)
    kubeconfig = user(name=name, manifests=granted).kubeconfig
    given = {
        "knowngood_apps": [files.entry],
        "knowngood_state_namespace": files.state,
        "knowngood_retention": {"keep_last": 1},
        "knowngood_not_older_than": "1s",
    }

    shown = maintain(kubeconfig, tmp_path, given, "--check")
    assert audit.writes(name) == []
    done = maintain(kubeconfig, tmp_path, {**given, "knowngood_approval": "standing"})

    target = f"{files.namespace}/shop"
    assert "go on with prune-shop-" in shown
    assert f"expire {kept}" in shown
    assert "nothing was captured, given up or freed" in shown
    assert f"{target}: gave up {first}" in done
    assert f"{target}: freed the kept volume {kept}" in done
    captured = [point.id for point in files.house().store.points(files.spec.target) if not point.pruned]
    assert f"{target}: captured {captured[-1]}" in done
    assert captured[0] == second, "a restore of it can still be undone as far as the journal knows"
    assert restored["operation"] in str(observed(files)[second])
    assert "nothing was left behind" in done
    assert pv(files, kept) is None
    assert [request for request in audit.requests(name) if request.code == 403] == []


def observed(app: App) -> Any:
    return observe(app.house(), app.spec, app.house().store.points(app.spec.target)).in_use


def maintain(kubeconfig: Path, work: Path, given: dict[str, Any], *arguments: str) -> str:
    """What ``ansible-playbook knowngood.kube.maintenance`` prints to a user."""
    variables = work / "vars.json"
    variables.write_text(json.dumps({**given, "ansible_python_interpreter": sys.executable}))
    program = [sys.executable, "-m", "ansible", "playbook", "knowngood.kube.maintenance", "-i", "localhost,"]
    settings = {
        "K8S_AUTH_KUBECONFIG": str(kubeconfig),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ac"),
        "ANSIBLE_NOCOLOR": "true",
    }
    done = subprocess.run(
        [*program, "-e", f"@{variables}", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
