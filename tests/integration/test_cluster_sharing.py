# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two clusters on one storage: a snapshot of the first is imported in the second."""

from __future__ import annotations

import pytest

from tests.cluster import lifecycle
from tests.cluster.errors import ClusterError
from tests.cluster.handle import Cluster
from tests.cluster.instance import DRIVERS
from tests.cluster.objects import claim, pod, snapshot

pytestmark = pytest.mark.rig

SNAPSHOTS = "snapshot.storage.k8s.io"


@pytest.mark.parametrize("storage_class", ["local", "local-ext4"])
def test_a_snapshot_handle_is_good_in_the_other_cluster(
    cluster: Cluster, second_cluster: Cluster, namespace: str, there: str, storage_class: str
) -> None:
    image = cluster.image()
    cluster.apply(claim("data", storage_class), pod("writer", image, "sleep 1000", ("data",)), namespace=namespace)
    cluster.wait_ready(namespace, "pod/writer")
    cluster.exec(namespace, "writer", "sh", "-c", "echo precious > /data/f; sync /data/f")
    cluster.apply(snapshot("cut", "data", "local"), namespace=namespace)
    bound = cluster.wait_snapshot(namespace, "cut")["status"]["boundVolumeSnapshotContentName"]
    handle = cluster.get("volumesnapshotcontent", bound)["status"]["snapshotHandle"]

    content = {
        "apiVersion": f"{SNAPSHOTS}/v1",
        "kind": "VolumeSnapshotContent",
        "metadata": {"name": there},
        "spec": {
            "driver": DRIVERS["local"],
            "deletionPolicy": "Retain",
            "source": {"snapshotHandle": handle},
            "sourceVolumeMode": "Filesystem",
            "volumeSnapshotRef": {"name": "imported", "namespace": there},
        },
    }
    imported = {
        "apiVersion": f"{SNAPSHOTS}/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": "imported", "namespace": there},
        "spec": {"source": {"volumeSnapshotContentName": there}},
    }
    second_cluster.apply(content)
    second_cluster.apply(imported, namespace=there)
    second_cluster.wait_snapshot(there, "imported")
    source = {"apiGroup": SNAPSHOTS, "kind": "VolumeSnapshot", "name": "imported"}
    second_cluster.apply(
        claim("back", storage_class, source), pod("reader", image, "sleep 1000", ("back",)), namespace=there
    )
    second_cluster.wait_ready(there, "pod/reader")
    assert second_cluster.exec(there, "reader", "cat", "/back/f") == "precious\n"
    second_cluster.exec(there, "reader", "sh", "-c", "echo other > /back/f")
    assert cluster.exec(namespace, "writer", "cat", "/data/f") == "precious\n"


def test_storage_in_use_by_another_cluster_is_not_stopped(cluster: Cluster, second_cluster: Cluster) -> None:
    assert second_cluster.own.number in lifecycle.users_of(cluster.own)
    with pytest.raises(ClusterError, match=rf"instance {second_cluster.own.number} uses the storage"):
        lifecycle.down(cluster.own)
    assert lifecycle.healthy(cluster.own) is not None
