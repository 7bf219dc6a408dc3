# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver's second backend: disks in files. Each is a file system or a raw device of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster import loops
from tests.cluster.errors import ClusterError
from tests.cluster.handle import Cluster
from tests.cluster.objects import claim, pod, snapshot

pytestmark = pytest.mark.rig

GROUP_API = "groupsnapshot.storage.k8s.io/v1"


def from_snapshot(name: str) -> dict[str, str]:
    return {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name}


def from_claim(name: str) -> dict[str, str]:
    return {"kind": "PersistentVolumeClaim", "name": name}


def disk(name: str, source: dict[str, str] | None = None, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A claim of a raw device."""
    one = claim(name, "local-ext4", source)
    one["spec"]["volumeMode"] = "Block"
    one["metadata"]["labels"] = labels or {}
    return one


def disk_pod(name: str, image: str, command: str, claims: tuple[str, ...]) -> dict[str, Any]:
    """A pod with each claim as the device ``/dev/<claim>``."""
    one = pod(name, image, command)
    one["spec"]["containers"][0]["volumeDevices"] = [{"name": c, "devicePath": f"/dev/{c}"} for c in claims]
    one["spec"]["volumes"] = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]
    return one


def volume_of(cluster: Cluster, namespace: str, name: str) -> str:
    """The driver's name of a claim's volume."""
    volume = cluster.get("pvc", name, "-n", namespace)["spec"]["volumeName"]
    handle: str = cluster.get("pv", volume)["spec"]["csi"]["volumeHandle"]
    return handle


def devices(cluster: Cluster, handle: str) -> list[str]:
    return [loop.path for loop in loops.attached() if loop.name == f"{cluster.own.node} {handle}"]


def test_a_snapshot_of_a_disk_in_use_holds_what_was_synced_before_it(cluster: Cluster, namespace: str) -> None:
    image = cluster.image()
    cluster.apply(claim("data", "local-ext4-wait"), pod("writer", image, "sleep 1000", ("data",)), namespace=namespace)
    cluster.wait_ready(namespace, "pod/writer")
    assert "ext4" in cluster.exec(namespace, "writer", "stat", "-f", "-c", "%T", "/data").replace("ext2/ext3", "ext4")
    cluster.exec(namespace, "writer", "sh", "-c", "echo before > /data/f; sync /data/f")
    cluster.apply(snapshot("cut", "data", "local"), namespace=namespace)
    cluster.wait_snapshot(namespace, "cut")
    cluster.exec(namespace, "writer", "sh", "-c", "echo after > /data/f; sync /data/f")
    grown = claim("back", "local-ext4", from_snapshot("cut"))
    grown["spec"]["resources"]["requests"]["storage"] = "2Gi"
    cluster.apply(
        grown,
        claim("copy", "local-ext4", from_claim("data")),
        pod("reader", image, "sleep 1000", ("back", "copy")),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/reader")
    assert cluster.exec(namespace, "reader", "cat", "/back/f", "/copy/f") == "before\nafter\n"
    assert cluster.exec(namespace, "writer", "cat", "/data/f") == "after\n"
    size = int(cluster.exec(namespace, "reader", "df", "--output=size", "-B1", "/back").split()[-1])
    assert size > 1.8 * (1 << 30)


def test_a_disk_is_let_go_with_its_last_pod(cluster: Cluster, namespace: str) -> None:
    image = cluster.image()
    cluster.apply(
        claim("data", "local-ext4"),
        disk("raw"),
        pod("first", image, "sleep 1000", ("data",)),
        pod("second", image, "sleep 1000", ("data",)),
        disk_pod("third", image, "sleep 1000", ("raw",)),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/first", "pod/second", "pod/third")
    folder, raw = volume_of(cluster, namespace, "data"), volume_of(cluster, namespace, "raw")
    assert len(devices(cluster, folder)) == 1
    assert len(devices(cluster, raw)) == 1
    cluster.kubectl("delete", "pod", "first", "third", "-n", namespace, "--timeout=60s")
    cluster.exec(namespace, "second", "touch", "/data/still")
    cluster.wait("the raw device is free", lambda: not devices(cluster, raw), 30)
    assert len(devices(cluster, folder)) == 1
    cluster.kubectl("delete", "pod", "second", "-n", namespace, "--timeout=60s")
    cluster.wait("the disk is free", lambda: not devices(cluster, folder), 30)


def test_a_raw_device_is_cut_restored_and_cloned(cluster: Cluster, namespace: str) -> None:
    image = cluster.image()
    cluster.apply(disk("raw"), disk_pod("writer", image, "sleep 1000", ("raw",)), namespace=namespace)
    cluster.wait_ready(namespace, "pod/writer")
    write = "printf %s | dd of=/dev/raw bs=512 seek=8 conv=notrunc,fsync status=none"
    cluster.exec(namespace, "writer", "sh", "-c", write % "before")
    cluster.apply(snapshot("cut", "raw", "local"), namespace=namespace)
    cluster.wait_snapshot(namespace, "cut")
    content = cluster.get("volumesnapshot", "cut", "-n", namespace)["status"]["boundVolumeSnapshotContentName"]
    assert cluster.get("volumesnapshotcontent", content)["spec"]["sourceVolumeMode"] == "Block"
    cluster.exec(namespace, "writer", "sh", "-c", write % "after!")
    cluster.apply(
        disk("back", from_snapshot("cut")),
        disk("copy", from_claim("raw")),
        disk_pod("reader", image, "sleep 1000", ("back", "copy")),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/reader")
    read = "dd if=/dev/%s bs=512 skip=8 count=1 status=none | head -c 6"
    assert cluster.exec(namespace, "reader", "sh", "-c", read % "back") == "before"
    assert cluster.exec(namespace, "reader", "sh", "-c", read % "copy") == "after!"
    assert cluster.exec(namespace, "reader", "blockdev", "--getsize64", "/dev/back") == f"{1 << 30}\n"


def test_freezing_one_disk_stops_nobody_else(cluster: Cluster, namespace: str) -> None:
    """The same freeze of a Btrfs subvolume would stop the whole pool, and the snapshot with it."""
    image = cluster.image()
    one = pod("one", image, "sleep 1000", ("frozen",))
    one["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    cluster.apply(
        claim("frozen", "local-ext4"),
        claim("free", "local-ext4"),
        claim("pool", "local"),
        one,
        pod("two", image, "sleep 1000", ("free", "pool")),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/one", "pod/two")
    cluster.exec(namespace, "one", "sh", "-c", "echo before > /frozen/f; fsfreeze --freeze /frozen")
    try:
        late = "(echo late > /frozen/late) >/dev/null 2>&1 & sleep 1; kill -0 $! && echo waits"
        stuck = cluster.exec(namespace, "one", "sh", "-c", late, check=False)
        assert "waits" in stuck
        cluster.exec(namespace, "two", "sh", "-c", "echo x > /free/f; sync /free/f; echo x > /pool/f; sync /pool/f")
        cluster.apply(snapshot("cut", "frozen", "local"), namespace=namespace)
        cluster.wait_snapshot(namespace, "cut")
    finally:
        cluster.exec(namespace, "one", "fsfreeze", "--unfreeze", "/frozen")
    cluster.wait("the late write", lambda: cluster.exec(namespace, "one", "cat", "/frozen/late") == "late\n", 20)
    cluster.apply(
        claim("back", "local-ext4", from_snapshot("cut")),
        pod("reader", image, "sleep 1000", ("back",)),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/reader")
    assert cluster.exec(namespace, "reader", "ls", "/back") == "f\n"
    assert cluster.exec(namespace, "reader", "cat", "/back/f") == "before\n"


# One number at a time, on one disk and then on the other, each write through to the disk before the next begins.
WRITER = """
import os
a, b = (os.open(p, os.O_WRONLY | os.O_DSYNC) for p in ("/dev/a", "/dev/b"))
n = 0
while True:
    n += 1
    for disk in (a, b):
        os.pwrite(disk, b"%020d" % n, 0)
"""


def group(name: str, group_class: str) -> dict[str, Any]:
    spec = {"volumeGroupSnapshotClassName": group_class, "source": {"selector": {"matchLabels": {"group": "g"}}}}
    return {"apiVersion": GROUP_API, "kind": "VolumeGroupSnapshot", "metadata": {"name": name}, "spec": spec}


def wait_group(cluster: Cluster, namespace: str, name: str) -> dict[str, str]:
    """Snapshot by claim, once the group is ready."""
    cluster.wait(
        f"group {name}",
        lambda: cluster.get("volumegroupsnapshot", name, "-n", namespace).get("status", {}).get("readyToUse"),
        60,
    )

    def of_group(item: dict[str, Any]) -> bool:
        return bool(item.get("status", {}).get("volumeGroupSnapshotName") == name)

    members = [one for one in cluster.get("volumesnapshots", "-n", namespace)["items"] if of_group(one)]
    return {one["spec"]["source"]["persistentVolumeClaimName"]: one["metadata"]["name"] for one in members}


def test_a_group_of_disks_is_one_moment_under_writes(cluster: Cluster, namespace: str) -> None:
    image = cluster.build_image("order", {"/srv/writer.py": WRITER.encode()})
    labels = {"group": "g"}
    cluster.apply(
        disk("a", labels=labels),
        disk("b", labels=labels),
        disk_pod("writer", image, "exec python3 /srv/writer.py", ("a", "b")),
        namespace=namespace,
    )
    cluster.wait_ready(namespace, "pod/writer")
    names = [f"g{number}" for number in range(4)]
    for name in names:
        cluster.apply(group(name, "local-atomic"), namespace=namespace)
    restored: list[str] = []
    for name in names:
        members = wait_group(cluster, namespace, name)
        assert sorted(members) == ["a", "b"]
        restored += [f"{claimed}-{name}" for claimed in members]
        cluster.apply(
            *(disk(f"{claimed}-{name}", from_snapshot(cut)) for claimed, cut in members.items()), namespace=namespace
        )
    cluster.apply(disk_pod("reader", image, "sleep 1000", tuple(restored)), namespace=namespace)
    cluster.wait_ready(namespace, "pod/reader")

    def number(name: str) -> int:
        return int(cluster.exec(namespace, "reader", "head", "-c", "20", f"/dev/{name}"))

    pairs = [(number(f"a-{name}"), number(f"b-{name}")) for name in names]
    assert all(a - 1 <= b <= a for a, b in pairs), pairs
    assert pairs[-1][0] > 1, "the writer wrote while the groups were cut"


def test_a_group_that_cannot_be_one_moment_is_refused_where_the_class_asks_for_it(
    cluster: Cluster, namespace: str
) -> None:
    folder, image = claim("folder", "local"), claim("image", "local-ext4")
    for one in (folder, image):
        one["metadata"]["labels"] = {"group": "g"}
    cluster.apply(folder, image, namespace=namespace)
    bound = "--for=jsonpath={.status.phase}=Bound"
    cluster.kubectl("wait", "-n", namespace, "pvc/folder", "pvc/image", bound, "--timeout=30s")
    cluster.apply(group("strict", "local-atomic"), group("loose", "local"), namespace=namespace)
    assert sorted(wait_group(cluster, namespace, "loose")) == ["folder", "image"]

    def problem() -> str:
        status = cluster.get("volumegroupsnapshot", "strict", "-n", namespace).get("status", {})
        found: str = status.get("error", {}).get("message", "")
        return found

    assert "cut at one moment" in cluster.wait("the refusal", problem, 30)


def test_a_raw_device_needs_the_backend_that_has_them(cluster: Cluster, namespace: str) -> None:
    refused = disk("raw")
    refused["spec"]["storageClassName"] = "local"
    cluster.apply(refused, namespace=namespace)

    def events() -> str:
        found = cluster.get("events", "-n", namespace, "--field-selector=reason=ProvisioningFailed")["items"]
        return " ".join(one["message"] for one in found)

    assert "has block volumes" in cluster.wait("the refusal", events, 30)
    with pytest.raises(ClusterError):
        cluster.wait("a volume", lambda: cluster.get("pvc", "raw", "-n", namespace)["spec"].get("volumeName"), 1)
