# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What capturing costs at the least: all snapshots created at once, one watch until the last is ready."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch

_GROUP, _VERSION = "snapshot.storage.k8s.io", "v1"
_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Floor:
    """Seconds since the first create: until the last create was answered, the last cut, the last snapshot ready."""

    created_s: float
    cut_s: float
    ready_s: float


def _api(kubeconfig: Path) -> client.CustomObjectsApi:
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.connection_pool_maxsize = _WORKERS
    return client.CustomObjectsApi(client.ApiClient(settings))


def capture(
    kubeconfig: Path, namespace: str, claims: Sequence[str], snapshot_class: str, *, cuts: bool = False
) -> Floor:
    """Snapshots of all claims. ``cuts`` watches their contents too, for the moment of the last cut (0 without)."""
    api, mark = _api(kubeconfig), secrets.token_hex(3)
    names = {f"{one}-{mark}" for one in claims}
    version: Any = api.list_namespaced_custom_object(_GROUP, _VERSION, namespace, "volumesnapshots", limit=1)
    contents: Any = (
        api.list_cluster_custom_object(_GROUP, _VERSION, "volumesnapshotcontents", limit=1) if cuts else None
    )
    ends = {"ready": 0.0, "cut": 0.0}

    def body(one: str) -> dict[str, Any]:
        return {
            "apiVersion": f"{_GROUP}/{_VERSION}",
            "kind": "VolumeSnapshot",
            "metadata": {"name": f"{one}-{mark}"},
            "spec": {"volumeSnapshotClassName": snapshot_class, "source": {"persistentVolumeClaimName": one}},
        }

    def create(one: str) -> None:
        api.create_namespaced_custom_object(_GROUP, _VERSION, namespace, "volumesnapshots", body(one))

    def ready() -> None:
        ends["ready"] = _until_all(
            names,
            lambda one: one["metadata"]["name"] if one.get("status", {}).get("readyToUse") else "",
            _api(kubeconfig).list_namespaced_custom_object,
            (_GROUP, _VERSION, namespace, "volumesnapshots"),
            version["metadata"]["resourceVersion"],
        )

    def cut() -> None:
        ends["cut"] = _until_all(
            names,
            lambda one: one["spec"]["volumeSnapshotRef"]["name"] if one.get("status", {}).get("snapshotHandle") else "",
            _api(kubeconfig).list_cluster_custom_object,
            (_GROUP, _VERSION, "volumesnapshotcontents"),
            contents["metadata"]["resourceVersion"] if contents else "",
        )

    watchers = [threading.Thread(target=one, daemon=True) for one in ([ready, cut] if cuts else [ready])]
    begin = time.monotonic()
    for one in watchers:
        one.start()
    with ThreadPoolExecutor(_WORKERS) as pool:
        list(pool.map(create, claims))
    created = time.monotonic()
    for one in watchers:
        one.join(900)
    if not ends["ready"] or (cuts and not ends["cut"]):
        raise RuntimeError(f"{len(claims)} snapshots were not ready within 900 s")
    return Floor(created - begin, max(0.0, ends["cut"] - begin), ends["ready"] - begin)


def _until_all(
    wanted: set[str],
    done: Callable[[Mapping[str, Any]], str],
    listed: Callable[..., Any],
    arguments: tuple[str, ...],
    version: str,
) -> float:
    """When the last of ``wanted`` was seen done; 0 where the watch ended first."""
    left = set(wanted)
    for event in watch.Watch().stream(listed, *arguments, resource_version=version, timeout_seconds=900):
        left.discard(done(event["object"]))
        if not left:
            return time.monotonic()
    return 0
