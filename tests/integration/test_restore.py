# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restore on the real cluster: rows come back exactly, undo brings back exactly what was there, kills do no harm."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster import rbac
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import PRUNED
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.prune import prune
from tests.cluster.audit import AuditLog
from tests.cluster.faults import Fault, Faults
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim
from tests.integration.volumes_app import KILL_EVERY, App, Killed, dying_after

COUNT = {
    "name": "orders",
    "kind": "sql",
    "workload": "StatefulSet/db",
    "host": "/tmp",
    "query": "SELECT count(*) FROM orders",
    "timeout_s": 30,
}


def expecting(count: int, **more: object) -> list[dict[str, object]]:
    return [{**COUNT, "expect": {"stdout_equals": str(count)}, **more}]


def pods_of(app: App) -> dict[str, str]:
    return {p["metadata"]["name"]: p["metadata"]["uid"] for p in app.cluster.get("pods", "-n", app.namespace)["items"]}


def claims_of(app: App) -> list[str]:
    return sorted(c["metadata"]["name"] for c in app.cluster.get("pvc", "-n", app.namespace)["items"])


def volumes_of(app: App) -> list[dict[str, Any]]:
    """The volumes made for claims of the namespace."""
    items = app.cluster.get("pv")["items"]
    return [v for v in items if (v["spec"].get("claimRef") or {}).get("namespace") == app.namespace]


def changed_after_a_point(app: App) -> str:
    app.write_file("good")
    point = app.point()
    app.write_file("bad")
    return point


def saying(text: str, **more: object) -> list[dict[str, object]]:
    command = ["cat", "/files/note"]
    probe = {"name": "note", "workload": "Deployment/files", "command": command, "timeout_s": 5}
    return [{**probe, "expect": {"stdout_equals": text}, **more}]


def test_rows_come_back_and_undo_brings_the_tampered_ones_back(app: App) -> None:
    app.add(1, 1000, "good")
    app.write_file("good")
    good = app.rows()
    point = app.point()
    app.sql("UPDATE orders SET item = 'stolen' WHERE id % 7 = 0")
    app.add(2000, 50, "forged")
    app.write_file("bad")
    tampered = app.rows()
    volumes = {claim: app.volume_of(claim) for claim in ("data-db-0", "files")}

    done = app.restore(point, verify=expecting(1000))

    assert app.rows() == good
    assert app.read_file() == "good"
    assert done["changed"]
    assert done["verified"]
    assert {row["claim"]: row["from"] for row in done["volumes"]} == volumes
    assert [(row["probe"], row["on"], row["state"]) for row in done["verification"]] == [
        ("orders", "staged", "passed"),
        ("orders", "live", "passed"),
    ]
    assert 0 < done["downtime_s"] < 60
    kept = app.cluster.get("pv", volumes["data-db-0"])
    assert kept["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert kept["metadata"]["labels"]["knowngood.io/kept"] == "true"
    assert kept["metadata"]["annotations"]["knowngood.io/claim"] == f"{app.namespace}/data-db-0"
    assert claims_of(app) == ["data-db-0", "files"], "nothing is left of the staging"

    app.undo(done["operation"])

    assert app.rows() == tampered
    assert app.read_file() == "bad"
    assert {claim: app.volume_of(claim) for claim in volumes} == volumes
    assert app.cluster.get("pv", volumes["files"])["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
    restored = app.cluster.get("pv", done["volumes"][0]["to"])
    assert restored["spec"]["persistentVolumeReclaimPolicy"] == "Retain", "an undo loses nothing either"
    assert restored["metadata"]["labels"]["knowngood.io/kept"] == "true"


def test_the_plan_of_check_mode_is_the_plan_that_runs_and_writes_nothing(watched: App, audit: AuditLog) -> None:
    point = changed_after_a_point(watched)
    audit.mark()

    shown = watched.restore(point, check=True, verify=saying("good"))

    assert audit.writes(watched.user.name) == []
    assert shown["changed"]
    done = watched.restore(point, verify=saying("good"))
    assert shown["plan_hash"] == done["plan_hash"]
    assert "a new volume" in shown["diff"]["after"]
    assert watched.read_file() == "good"


def test_asked_again_it_changes_nothing(watched: App, audit: AuditLog) -> None:
    point = changed_after_a_point(watched)
    watched.restore(point, incident="INC-1")
    watched.write_file("newer")
    audit.mark()

    same = watched.restore(point)
    incident = watched.restore(point, incident="INC-1")

    assert (same["changed"], incident["changed"]) == (False, False)
    assert audit.writes(watched.user.name) == []
    assert incident["volumes"][0]["to"] == watched.volume_of("files")
    assert watched.restore(point, incident="INC-2")["changed"], "another incident is another restore"
    assert watched.read_file() == "good"


def test_a_probe_that_fails_on_the_staged_data_costs_no_downtime(files: App) -> None:
    point = changed_after_a_point(files)
    pods = pods_of(files)

    with pytest.raises(NotProven, match="note failed on the staged data") as caught:
        files.restore(point, verify=saying("other"))

    assert caught.value.details["undone"]
    assert pods_of(files) == pods
    assert claims_of(files) == ["files"]
    assert files.read_file() == "bad"
    assert files.restore(point, verify=saying("good"))["verified"], "the failed one does not stand in the way"


def test_a_probe_that_fails_on_the_live_data_puts_everything_back(files: App) -> None:
    point = changed_after_a_point(files)
    before = files.volume_of("files")

    with pytest.raises(NotProven, match="note failed on the live data.*everything was put back"):
        files.restore(point, verify=saying("other", on="live"))

    assert files.volume_of("files") == before
    assert files.read_file() == "bad"
    kinds = [(s.kind, s.body.get("undone")) for s in files.house().store.read(files.spec.target)]
    assert kinds == [("captured", None)], "what never was is not stated"


def test_with_hold_it_stands_there_and_can_be_undone(files: App) -> None:
    point = changed_after_a_point(files)

    with pytest.raises(NotProven, match="state=undone") as caught:
        files.restore(point, verify=saying("other", on="live"), on_failure="hold")

    assert files.read_file() == "good"
    with pytest.raises(Conflict, match="unfinished"):
        files.capture()
    files.undo(str(caught.value.details["operation"]))
    assert files.read_file() == "bad"


def test_two_restores_are_undone_newest_first_and_no_volume_of_ours_is_ever_deleted_with_its_claim(files: App) -> None:
    files.write_file("first")
    first = files.point()
    files.write_file("second")
    second = files.point()
    files.write_file("third")
    one = files.restore(first, verify=saying("first"))["operation"]
    files.write_file("written since")
    two = files.restore(second, verify=saying("second"))["operation"]

    files.undo(two)
    assert files.read_file() == "written since"
    assert {v["spec"]["persistentVolumeReclaimPolicy"] for v in volumes_of(files) if v["spec"].get("claimRef")} == {
        "Retain"
    }
    files.undo(one)
    assert files.read_file() == "third"


def test_what_was_written_after_a_restore_is_kept_and_named_by_its_undo(files: App) -> None:
    """Late writes are on the restored volume: it leaves the claim and stays, and a claim of its own shows them."""
    point = changed_after_a_point(files)
    before = files.volume_of("files")
    done = files.restore(point)
    (row,) = done["volumes"]
    files.write_file("late")

    undone = files.run_module("operation", id=done["operation"], state="undone")

    assert files.read_file() == "bad"
    assert files.volume_of("files") == before
    (kept,) = undone["operations"][0]["kept_volumes"]
    assert (kept["claim"], kept["volume"]) == ("files", row["to"])
    left = files.cluster.get("pv", row["to"])
    assert left["status"]["phase"] == "Released"
    assert left["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    assert left["metadata"]["labels"]["knowngood.io/kept"] == "true"
    assert left["metadata"]["annotations"]["knowngood.io/keep-until"] == kept["kept_until"]
    assert text_on(files, row["to"]) == "late"


def text_on(app: App, volume: str) -> str:
    """What a kept volume holds, looked at as docs/restore.md says: by a claim of its own, in a pod of its own."""
    free = '{"spec": {"claimRef": null}}'
    app.cluster.kubectl("patch", "pv", volume, "--type=merge", "-p", free)
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "local",
        "volumeName": volume,
    }
    container = {
        "name": "look",
        "image": app.cluster.image("work"),
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    }
    pod = {
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "look"}}],
    }
    app.cluster.apply(
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "look"}, "spec": spec},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"}, "spec": pod},
        namespace=app.namespace,
    )
    app.cluster.wait_ready(app.namespace, "pod/look")
    return app.cluster.exec(app.namespace, "look", "cat", "/data/note").strip()


def test_images_change_together_with_the_data(files: App) -> None:
    point = changed_after_a_point(files)
    image = files.cluster.image("work")
    other = "rig.local/work:1" if "@" in image else image

    done = files.restore(point, images={"Deployment/files": other}, verify=saying("good"))

    spec = files.cluster.get("deployment", "files", "-n", files.namespace)["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == other
    files.undo(done["operation"])
    spec = files.cluster.get("deployment", "files", "-n", files.namespace)["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == image


def test_the_snapshot_is_imported_where_its_objects_are_gone(files: App) -> None:
    point = changed_after_a_point(files)
    files.cluster.kubectl("delete", "volumesnapshot", "--all", "-n", files.namespace)
    contents = files.cluster.get("volumesnapshotcontents")["items"]
    mine = [c["metadata"]["name"] for c in contents if c["spec"]["volumeSnapshotRef"]["namespace"] == files.namespace]
    files.cluster.kubectl("delete", "volumesnapshotcontent", *mine)

    files.restore(point, verify=saying("good"))

    assert files.read_file() == "good"
    assert files.cluster.get("volumesnapshots", "-n", files.namespace)["items"] == [], "the import is removed again"
    files.write_file("bad again")
    assert files.restore(point, incident="INC-1")["changed"], "the physical snapshot is still there"
    assert files.read_file() == "good"


def test_beside_the_old_claim(files: App) -> None:
    point = changed_after_a_point(files)
    pods = pods_of(files)

    done = files.restore(point, target="claim", names={"files": "to-look-at"}, verify=saying("good", on="staged"))

    assert done["verified"]
    assert done["downtime_s"] is None
    assert claims_of(files) == ["files", "to-look-at"]
    assert pods_of(files) == pods
    assert not files.restore(point, target="claim", names={"files": "to-look-at"})["changed"]
    files.cluster.apply(claim("taken", "local"), namespace=files.namespace)
    with pytest.raises(BadInput, match="exist: taken"):
        files.restore(point, target="claim", names={"files": "taken"})
    files.undo(done["operation"])
    assert claims_of(files) == ["files", "taken"]
    left = files.cluster.get("pv", done["volumes"][0]["to"])
    assert left["spec"]["persistentVolumeReclaimPolicy"] == "Retain", "somebody may have written to it"
    assert left["metadata"]["labels"]["knowngood.io/kept"] == "true"


def test_volumes_that_wait_for_a_pod(cluster: Cluster, make_namespace: Callable[[], str]) -> None:
    app = App.deployed(cluster, make_namespace(), make_namespace(), "local-wait", only="files")
    point = changed_after_a_point(app)

    app.restore(point, verify=saying("good"))

    assert app.read_file() == "good"
    assert list(pods_of(app)) == [name for name in pods_of(app) if name.startswith("files-")]


def test_what_a_quarantine_holds_at_zero_stays_there(files: App) -> None:
    point = changed_after_a_point(files)
    marks = ("knowngood.io/quarantine=quarantine-x", "knowngood.io/resting-replicas=1")
    files.cluster.kubectl("annotate", "deployment", "files", "-n", files.namespace, *marks)
    files.cluster.kubectl("scale", "deployment", "files", "-n", files.namespace, "--replicas=0")
    files.cluster.wait("no pods", lambda: not pods_of(files))

    done = files.restore(point, verify=saying("good"))

    assert [row["state"] for row in done["verification"]] == ["passed", "skipped"]
    assert not done["verified"]
    assert done["downtime_s"] is None
    assert files.cluster.get("deployment", "files", "-n", files.namespace)["spec"]["replicas"] == 0
    files.cluster.kubectl("scale", "deployment", "files", "-n", files.namespace, "--replicas=1")
    files.cluster.wait_ready(files.namespace, "deployment/files")
    assert files.read_file() == "good"


def test_points_that_cannot_be_restored_are_refused_and_nothing_is_changed(watched: App, audit: AuditLog) -> None:
    point = changed_after_a_point(watched)
    audit.mark()
    with pytest.raises(BadInput, match=f"no recovery point shop-1.*{point}"):
        watched.restore("shop-1")
    with pytest.raises(BadInput, match="does not hold other"):
        watched.restore(point, claims=("other",))
    assert audit.writes(watched.user.name) == []
    watched.house().store.append(watched.spec.target, PRUNED, point, {"reason": "old"}, key="pruned")
    with pytest.raises(BadInput, match="was given up"):
        watched.restore(point)


@pytest.mark.rig
def test_a_volume_that_is_never_made_leaves_nothing_behind(files: App, faults: Faults) -> None:
    point = changed_after_a_point(files)
    faults.set(CreateVolume=Fault(code="RESOURCE_EXHAUSTED", message="no room"))

    with pytest.raises(Exception, match="no room") as caught:
        files.restore(point, stage_timeout_s=5)

    assert caught.value.details["undone"]
    assert claims_of(files) == ["files"]
    assert files.read_file() == "bad"


def test_who_starts_the_application_in_the_middle_is_named(files: App) -> None:
    """A fighter brings pods back while the claim is about to be swapped."""
    point = changed_after_a_point(files)
    real = files.house()
    swap = real.engine.actions["volumes.swap"]

    class Fought:
        """The swap, right after somebody scaled the workload up again."""

        def done(self, step: Any, context: Any) -> bool:
            return bool(swap.done(step, context))

        def apply(self, step: Any, context: Any) -> Any:
            files.cluster.kubectl("scale", "deployment", "files", "-n", files.namespace, "--replicas=1")
            files.cluster.wait_ready(files.namespace, "deployment/files")
            return swap.apply(step, context)

        def undo(self, step: Any, context: Any) -> Any:
            return swap.undo(step, context)

    real.engine.actions["volumes.swap"] = Fought()
    with pytest.raises(Conflict, match="in use: mounted by: files-") as caught:
        files.restore_with(real, point)

    assert files.read_file() == "bad"
    files.undo(str(caught.value.details["operation"]))
    assert files.read_file() == "bad"
    assert claims_of(files) == ["files"]
    files.cluster.wait(
        "what was staged and never swapped in to be given up",
        lambda: [v["status"]["phase"] for v in volumes_of(files)] == ["Bound"],
    )


@pytest.mark.rig
def test_killed_in_the_middle_of_the_swap_the_same_task_finishes(app: App) -> None:
    app.workloads, app.claims = ("StatefulSet/db",), ("data-db-0",)
    app.add(1, 500, "good")
    good = app.rows()
    point = app.point()
    app.add(1000, 10, "forged")
    tampered = app.rows()
    # A finalizer of our own holds the old claim: the swap stands in the middle for as long as we like.
    held = '{"metadata": {"finalizers": ["knowngood.test/hold", "kubernetes.io/pvc-protection"]}}'
    app.cluster.kubectl("patch", "pvc", "data-db-0", "-n", app.namespace, "--type=merge", "-p", held)
    running = app.module("restore", recovery_point=point)
    log = app.wait_step("restore", "swap data-db-0", limit_s=240)
    app.cluster.wait(
        "the delete",
        lambda: app.cluster.get("pvc", "data-db-0", "-n", app.namespace)["metadata"].get("deletionTimestamp"),
    )
    os.kill(int(log["holder"].split("/")[1]), signal.SIGKILL)
    running.communicate(timeout=60)
    app.cluster.kubectl(
        "patch", "pvc", "data-db-0", "-n", app.namespace, "--type=merge", "-p", '{"metadata": {"finalizers": null}}'
    )

    done = app.run_module("restore", recovery_point=point)

    assert done.get("changed"), done
    assert done["operation"] == log["id"]
    assert app.rows() == good
    assert not app.run_module("restore", recovery_point=point)["changed"]
    app.undo(done["operation"])
    assert app.rows() == tampered


@pytest.mark.parametrize(("back", "first"), [(False, 1), (True, 2)], ids=["forwards", "backwards"])
def test_killed_after_any_write_it_goes_on_or_back(files: App, back: bool, first: int) -> None:
    """One restore after the other, each killed a few writes later than the one before, until one is not killed."""
    files.write_file("good")
    point = files.point()
    number, killed = first - KILL_EVERY, True
    while killed:
        number += KILL_EVERY
        files.write_file("bad")
        killed = False
        try:
            files.restore_with(dying_after(files.house(), number), point, incident=f"INC-{number}")
        except Killed:
            killed = True
        retained = [v for v in volumes_of(files) if v["spec"]["persistentVolumeReclaimPolicy"] == "Retain"]
        live = [v for v in volumes_of(files) if v["status"]["phase"] == "Bound"]
        assert retained or live, "the data from before is always somewhere"
        operation = files.house().engine.journal.list(files.spec.target)[0]
        if back and killed and operation.plan.kind == "restore" and operation.unfinished:
            files.undo(operation.id)
            assert files.read_file() == "bad", f"killed after write {number}"
        else:
            files.restore(point, incident=f"INC-{number}")
            assert files.read_file() == "good", f"killed after write {number}"
        assert claims_of(files) == ["files"]
    assert number > 20, "so many writes a restore has"


def test_an_undo_that_is_killed_goes_on(files: App) -> None:
    files.write_file("good")
    point = files.point()
    number, killed = 1 - KILL_EVERY, True
    while killed:
        number += KILL_EVERY
        files.write_file("bad")
        done = files.restore(point, incident=f"INC-{number}")
        killed = False
        try:
            dying_after(files.house(), number).engine.undo(done["operation"])
        except Killed:
            killed = True
            files.undo(done["operation"])
        assert files.read_file() == "bad", f"killed after write {number}"
        assert claims_of(files) == ["files"]
    assert number > 8, "so many writes an undo has"


def test_the_shipped_roles_are_enough(files: App, user: Callable[..., Any], audit: AuditLog) -> None:
    """Capture, restore with an import, undo and giving up, as a user who may do what the roles say and no more."""
    name = "knowngood-volumes-test"
    granted = rbac.manifests("restore", app_namespace=files.namespace, state_namespace=files.state, user=name)
    files.kubeconfig = user(name=name, manifests=granted).kubeconfig
    point = changed_after_a_point(files)
    files.cluster.kubectl("delete", "volumesnapshot", "--all", "-n", files.namespace)

    done = files.restore(point, verify=saying("good"))
    files.undo(done["operation"])
    with pytest.raises(NotProven):
        files.restore(point, verify=saying("other"))
    prune(files.house(), files.spec, {point: "old"})

    assert files.read_file() == "bad"
    refused = [request for request in audit.requests(name) if request.code == 403]
    assert refused == []
