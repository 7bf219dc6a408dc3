# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a restore goes besides in place, how many claims at once, what it proves, and what it refuses; on the real
cluster.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Conflict, NotProven, TimedOut
from ansible_collections.knowngood.kube.plugins.module_utils._core.statements import CAPTURED, LedgerBroken
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.content_manifest import ManifestWish
from tests.cluster.audit import AuditLog
from tests.cluster.faults import Fault, Faults
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim
from tests.integration.volumes_app import App

HYDRATION_S = 8.0
MANY = 10


def captured(app: App, text: str = "good") -> str:
    app.write_file(text)
    point = app.point()
    app.write_file("bad")
    return point


def claims_of(app: App, namespace: str = "") -> dict[str, dict[str, Any]]:
    items = app.cluster.get("pvc", "-n", namespace or app.namespace)["items"]
    return {item["metadata"]["name"]: item for item in items}


def read_in(app: App, namespace: str, claim: str) -> str:
    """The note on a claim, read by a pod made for it."""
    container = {
        "name": "look",
        "image": app.cluster.image("work"),
        "command": ["sleep", "infinity"],
        "volumeMounts": [{"name": "data", "mountPath": "/files"}],
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    spec = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 0}
    app.cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "look"}, "spec": spec}, namespace=namespace
    )
    app.cluster.wait_ready(namespace, "pod/look")
    return app.cluster.exec(namespace, "look", "cat", "/files/note").strip()


def quota(hard: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}}


def refused(app: App, audit: AuditLog, point: str, kind: type[Exception] = BadInput, **wish: Any) -> str:
    """The error as a person reads it; nothing was written for it."""
    audit.mark()
    with pytest.raises(kind) as caught:
        app.restore(point, **wish)
    assert audit.writes(app.user.name) == []
    return str(caught.value)


def test_a_namespace_gets_the_data_without_what_ties_it_to_others(
    files: App, make_namespace: Callable[[], str]
) -> None:
    labels = {"tier": "web", "argocd.argoproj.io/instance": "shop"}
    for key, value in labels.items():
        files.cluster.kubectl("label", "pvc", "files", "-n", files.namespace, f"{key}={value}")
    point, other = captured(files), make_namespace()

    done = files.restore(point, target="namespace", namespace=other)

    (made,) = claims_of(files, other).values()
    assert made["metadata"]["name"] == "files", "names are kept"
    assert made["metadata"]["labels"].get("tier") == "web"
    assert "argocd.argoproj.io/instance" not in made["metadata"]["labels"]
    assert read_in(files, other, "files") == "good"
    assert files.read_file() == "bad"
    assert done["volumes"][0]["to"] == made["spec"]["volumeName"]
    left = files.cluster.get("volumesnapshots", "-n", other)["items"]
    assert left == [], "what was imported goes again"
    stated = [s.body for s in files.house().store.read(files.spec.target) if s.kind == "restored"]
    assert stated[-1]["namespace"] == other
    assert not files.restore(point, target="namespace", namespace=other)["changed"]
    files.cluster.kubectl("delete", "pod", "look", "-n", other, "--now")
    files.undo(done["operation"])
    assert claims_of(files, other) == {}


def test_another_class_of_the_same_driver_is_taken_and_one_of_another_driver_is_not(
    watched: App, audit: AuditLog
) -> None:
    point = captured(watched)

    text = refused(watched, audit, point, storage_class="other")
    watched.restore(point, storage_classes={"local": "local-wait"})

    assert "off-cluster copy" in text
    assert claims_of(watched)["files"]["spec"]["storageClassName"] == "local-wait"
    assert watched.read_file() == "good"


def saying(text: str, **more: object) -> list[dict[str, object]]:
    command = ["cat", "/files/note"]
    probe = {"name": "note", "workload": "Deployment/files", "command": command, "timeout_s": 5}
    return [{**probe, "expect": {"stdout_equals": text}, **more}]


def test_where_there_is_too_little_room_nothing_is_begun(watched: App, audit: AuditLog) -> None:
    point, cluster = captured(watched), watched.cluster
    small = f"small-{watched.namespace}"
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": small},
        "provisioner": cluster.get("storageclass", "local")["provisioner"],
    }
    capacity = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIStorageCapacity",
        "metadata": {"name": "small", "namespace": watched.namespace},
        "storageClassName": small,
        "capacity": "1Mi",
    }
    cluster.apply(storage_class, capacity)
    try:
        in_storage = refused(watched, audit, point, storage_class=small)
    finally:
        cluster.kubectl("delete", "storageclass", small)
    cluster.apply(quota({"persistentvolumeclaims": "1"}), namespace=watched.namespace)
    cluster.wait("quota", lambda: cluster.get("resourcequota", "small", "-n", watched.namespace).get("status"))
    for_one = refused(watched, audit, point)
    cluster.apply(quota({"persistentvolumeclaims": "2"}), namespace=watched.namespace)
    cluster.wait(
        "quota",
        lambda: (
            cluster.get("resourcequota", "small", "-n", watched.namespace)["status"]["hard"]
            == {"persistentvolumeclaims": "2"}
        ),
    )
    with_copies = refused(watched, audit, point, verify=saying("good"))

    assert "StorageClass small-" in in_storage
    assert "1048576 are left" in in_storage
    assert "exceeded quota" in for_one
    assert "persistentvolumeclaims: 2 more is needed, 1 is left of 2" in with_copies
    assert watched.restore(point)["changed"], "without the copies there is room"


def test_what_stands_in_the_way_is_named_and_left_alone(
    watched: App, audit: AuditLog, make_namespace: Callable[[], str]
) -> None:
    point, other = captured(watched), make_namespace()
    taken = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "files"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    watched.cluster.apply(taken, namespace=other)
    before = claims_of(watched, other)["files"]["metadata"]["uid"]

    exists = refused(watched, audit, point, target="namespace", namespace=other)
    nowhere = refused(watched, audit, point, target="namespace", namespace="does-not-exist")
    stranger = refused(watched, audit, "warehouse-20260101-000000-abcd")
    with pytest.raises(NotProven) as held:
        watched.restore(point, verify=saying("other", on="live"), on_failure="hold")
    in_the_way = refused(watched, audit, point, Conflict, incident="INC-9")

    assert "claims of these names exist: files" in exists
    assert claims_of(watched, other)["files"]["metadata"]["uid"] == before
    assert "kubectl create namespace does-not-exist" in nowhere
    assert "of another application than shop" in stranger
    operation = str(held.value.details["operation"])
    for part in (operation, "verify live", "started 20", "state=resumed or state=undone"):
        assert part in in_the_way
    watched.undo(operation)
    assert watched.read_file() == "bad"


def test_a_statement_that_was_changed_is_not_believed(watched: App, audit: AuditLog) -> None:
    point, cluster = captured(watched), watched.cluster
    (item,) = cluster.get("configmaps", "-n", watched.state, "-l", "knowngood.io/ledger")["items"]
    (key,) = item["data"]
    handle = json.loads(item["data"][key])["body"]["volumes"][0]["snapshot_handle"]
    item["data"][key] = item["data"][key].replace(handle, "another")
    item["metadata"] = {k: item["metadata"][k] for k in ("name", "namespace", "labels")}
    cluster.kubectl("delete", "configmap", item["metadata"]["name"], "-n", watched.state)
    cluster.apply(item)

    text = refused(watched, audit, point, LedgerBroken)

    assert "ledger" in text
    assert "hash" in text


def test_a_snapshot_that_somebody_put_in_the_place_of_another_is_not_taken(files: App) -> None:
    """Same name, bound and ready, of another moment: what is restored is what the statement names."""
    first, second = captured(files, "good"), captured(files, "worse")
    volumes = {point.id: point.volumes[0] for point in files.house().store.points(files.spec.target)}
    name = volumes[first]["snapshot"]
    files.cluster.kubectl("delete", "volumesnapshot", name, "-n", files.namespace)
    forged = f"forged-{files.namespace}"
    content: dict[str, Any] = files.cluster.get("volumesnapshotcontent", volumes[second]["content"])
    content["metadata"] = {"name": forged}
    content.pop("status")
    content["spec"]["source"] = {"snapshotHandle": volumes[second]["snapshot_handle"]}
    content["spec"]["volumeSnapshotRef"] = {"name": name, "namespace": files.namespace}
    snapshot = {
        "apiVersion": content["apiVersion"],
        "kind": "VolumeSnapshot",
        "metadata": {"name": name},
        "spec": {"source": {"volumeSnapshotContentName": forged}},
    }
    files.cluster.apply(content)
    files.cluster.apply(snapshot, namespace=files.namespace)

    def ready() -> bool:
        found = files.cluster.get("volumesnapshot", name, "-n", files.namespace)
        return bool((found.get("status") or {}).get("readyToUse"))

    files.cluster.wait("it looks as good as the other", ready)
    files.restore(first)

    assert files.read_file() == "good"
    files.cluster.kubectl("delete", "volumesnapshotcontent", forged, "--wait=false")


@pytest.mark.parametrize("policy", ["undo", "hold"])
def test_a_failed_gate_is_undone_or_held_also_after_images_were_changed(files: App, policy: str) -> None:
    point = captured(files)
    image = files.cluster.image("work")
    other = "rig.local/work:1" if "@" in image else image

    with pytest.raises(NotProven) as caught:
        files.restore(
            point,
            images={"Deployment/files": other},
            verify=saying("other", on="live"),
            on_failure=policy,
        )

    def state() -> tuple[str, str]:
        files.cluster.wait_ready(files.namespace, "deployment/files")
        spec = files.cluster.get("deployment", "files", "-n", files.namespace)["spec"]["template"]["spec"]
        return files.read_file(), spec["containers"][0]["image"]

    if policy == "hold":
        assert state() == ("good", other)
        files.undo(str(caught.value.details["operation"]))
    else:
        assert "everything was put back" in str(caught.value)
    assert state() == ("bad", image)


@pytest.mark.rig
def test_a_file_system_becomes_a_raw_device_only_where_an_administrator_allowed_it(
    cluster: Cluster, make_namespace: Callable[[], str]
) -> None:
    app = App.deployed(cluster, make_namespace(), make_namespace(), storage_class="local-ext4", only="files")
    point = captured(app)
    cluster.kubectl("scale", "deployment", "files", "-n", app.namespace, "--replicas=0")
    cluster.kubectl("delete", "pvc", "files", "-n", app.namespace, "--timeout=60s")
    raw = claim("files", "local-ext4")
    raw["spec"]["volumeMode"] = "Block"
    cluster.apply(raw, namespace=app.namespace)
    cluster.wait("bound", lambda: claims_of(app)["files"]["status"]["phase"] == "Bound")

    with pytest.raises(BadInput, match="allow-volume-mode-change"):
        app.restore(point)
    (content,) = [
        item["metadata"]["name"]
        for item in cluster.get("volumesnapshotcontents")["items"]
        if item["spec"]["volumeSnapshotRef"]["namespace"] == app.namespace
    ]
    allowed = "snapshot.storage.kubernetes.io/allow-volume-mode-change=true"
    cluster.kubectl("annotate", "volumesnapshotcontent", content, allowed)
    done = app.restore(point, manifest=ManifestWish(image=cluster.image("work")))

    assert claims_of(app)["files"]["spec"]["volumeMode"] == "Block"
    assert cluster.get("pv", done["volumes"][0]["to"])["spec"]["volumeMode"] == "Block"
    assert (done["manifests"]["files"]["entries"], done["manifests"]["files"]["bytes"]) == (1, 1 << 30)


def test_a_claim_that_had_no_volume_is_given_one_and_an_undo_takes_it_away(files: App) -> None:
    point = captured(files)
    files.cluster.kubectl("scale", "deployment", "files", "-n", files.namespace, "--replicas=0")
    files.cluster.kubectl("delete", "pvc", "files", "-n", files.namespace, "--timeout=60s")
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": "files", "labels": {"mine": "true"}}
    waiting = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta}
    files.cluster.apply({**waiting, "spec": {**spec, "storageClassName": "local-wait"}}, namespace=files.namespace)

    done = files.restore(point)
    restored = claims_of(files)["files"]
    files.undo(done["operation"])

    assert restored["spec"]["volumeName"] == done["volumes"][0]["to"]
    again = claims_of(files)["files"]
    assert "volumeName" not in again["spec"], "it has no volume, as before"
    assert again["metadata"]["labels"]["mine"] == "true"
    kept = files.cluster.get("pv", done["volumes"][0]["to"])
    assert kept["status"]["phase"] == "Released", "nobody else is given the restored volume"


def test_two_restores_of_a_point_hold_the_same_and_a_page_answers(files: App, tmp_path: Path) -> None:
    files.cluster.exec(
        files.namespace,
        "deploy/files",
        "sh",
        "-c",
        "cd /files && mkdir -p 'a b' && echo 1 > 'a b/one' && ln -s one 'a b/link' && chmod 600 'a b/one' && "
        "chown 1234:99 'a b/one' && : > empty && printf x > 'back\\slash'",
    )
    point = captured(files)
    page = {"name": "page", "kind": "http", "workload": "Deployment/files", "on": "staged", "port": 8080}
    serve = ["python3", "-m", "http.server", "8080", "--directory", "/files"]
    expect = {"status": 200, "stdout_equals": "good"}
    verify = [{**page, "path": "/note", "start": serve, "expect": expect, "timeout_s": 30}]

    first = files.restore(point, incident="1", manifest=ManifestWish(str(tmp_path / "1")), verify=verify)
    files.write_file("newer")
    second = files.restore(point, incident="2", manifest=ManifestWish(str(tmp_path / "2")))

    one, two = first["manifests"]["files"], second["manifests"]["files"]
    assert one["sha256"] == two["sha256"]
    lines = Path(one["path"]).read_text().splitlines()
    assert Path(one["path"]).stat().st_mode & 0o777 == 0o600
    assert (one["files"], one["entries"], one["skipped"]) == (4, len(lines), 0)
    entries = {line.split(" ", 6)[6]: line.split(" ")[:6] for line in lines}
    assert entries["./a b/one"][2:5] == ["600", "1234", "99"]
    assert entries["./a b/link"][0] == "l"
    assert "./back\\slash" in entries
    stated = [s.body for s in files.house().store.read(files.spec.target) if s.kind == "restored"]
    assert stated[0]["manifests"]["files"]["sha256"] == one["sha256"]
    assert [(row["probe"], row["path"], row["rc"]) for row in first["verification"]] == [("page", "port_forward", 200)]


@pytest.mark.rig
def test_a_slow_hydration_does_not_lengthen_the_downtime(files: App, faults: Faults) -> None:
    point = captured(files)
    quick = files.restore(point, incident="quick")
    files.write_file("bad")
    faults.set(CreateVolume=Fault(delay_s=HYDRATION_S))

    slow = files.restore(point, incident="slow")

    assert files.read_file() == "good"
    assert slow["downtime_s"] < HYDRATION_S, "with it the application would have been down for longer than that"
    print(f"downtime {quick['downtime_s']} s, with {HYDRATION_S} s of hydration {slow['downtime_s']} s")


def test_many_claims_swap_together_and_come_back_together(cluster: Cluster, make_namespace: Callable[[], str]) -> None:
    app = App.deployed(cluster, make_namespace(), make_namespace(), only="files")
    names = [f"extra-{number}" for number in range(MANY - 1)]
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "local",
    }
    extra = [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": n}, "spec": spec} for n in names
    ]
    cluster.apply(*extra, namespace=app.namespace)
    app.claims = ("files", *names)
    cluster.wait("bound", lambda: all(c["status"]["phase"] == "Bound" for c in claims_of(app).values()))
    point = captured(app)
    before = {name: app.volume_of(name) for name in app.claims}

    one = app.restore(point, claims=("files",), incident="one")
    all_ = app.restore(point, incident="all")

    times = [_swap_ms(app, done["operation"]) for done in (one, all_)]
    print(
        f"swap of 1 claim {times[0]} ms, of {MANY} claims {times[1]} ms; downtimes "
        f"{one['downtime_s']} s and {all_['downtime_s']} s"
    )
    assert app.read_file() == "good"
    assert {app.volume_of(name) for name in app.claims}.isdisjoint(before.values())
    # Not one after the other; how much faster is for the bench to say, on a machine of its own.
    assert times[1] < times[0] * MANY
    app.undo(all_["operation"])
    assert {name: app.volume_of(name) for name in names} == {name: before[name] for name in names}


def _swap_ms(app: App, operation: str) -> int:
    found = app.house().engine.journal.get(operation)
    assert found is not None
    return int(next(r["ms"] for name, r in found.results.items() if name.startswith("swap ")))


@pytest.mark.rig
def test_a_cluster_on_the_same_storage_gets_the_data_and_an_undo_takes_it_back(
    files: App, second_cluster: Cluster, there: str
) -> None:
    point = captured(files)
    access = {"target": "cluster", "target_kubeconfig": str(second_cluster.kubeconfig), "target_namespace": there}

    done = files.run_module("restore", recovery_point=point, **access)

    other = dataclasses.replace(files, cluster=second_cluster)
    assert done.get("changed"), done
    assert read_in(other, there, "files") == "good"
    assert files.read_file() == "bad"
    stated = [s.body for s in files.house().store.read(files.spec.target) if s.kind == "restored"]
    assert (stated[0]["into"], stated[0]["namespace"]) == ("cluster", there)
    assert stated[0]["cluster"] == second_cluster.get("namespace", "kube-system")["metadata"]["uid"]
    second_cluster.kubectl("delete", "pod", "look", "-n", there, "--now")
    files.undo(done["operation"])
    assert claims_of(other, there) == {}
    own = files.run_module("restore", recovery_point=point, target="cluster", target_kubeconfig=str(files.kubeconfig))
    assert "the target cluster is the application's own" in own["msg"]


@pytest.mark.rig
def test_a_handle_that_the_storage_does_not_know_names_the_copy_as_the_way(
    files: App, make_namespace: Callable[[], str]
) -> None:
    point, other = captured(files), make_namespace()
    store, target = files.house().store, files.spec.target
    body = next(dict(p.captured) for p in store.points(target) if p.id == point)
    body["volumes"] = [{**v, "snapshot_handle": f"{v['snapshot_handle']}-gone"} for v in body["volumes"]]
    store.append(target, CAPTURED, "shop-20260101-000000-abcd", body, key="made up")

    with pytest.raises((NotProven, TimedOut)) as caught:
        files.restore("shop-20260101-000000-abcd", target="namespace", namespace=other, stage_timeout_s=15)

    assert "off-cluster copy" in caught.value.next
    assert caught.value.details["undone"]
    assert claims_of(files, other) == {}
