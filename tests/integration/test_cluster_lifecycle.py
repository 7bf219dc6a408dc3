# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters come and go without a trace, side by side, and after any death."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import cgroups, lifecycle, loops, namespaces, paths
from tests.cluster.__main__ import main
from tests.cluster.errors import NotUp
from tests.cluster.handle import Cluster
from tests.cluster.instance import Instance
from tests.cluster.objects import claim, pod

pytestmark = pytest.mark.rig

WARM_LIMIT_S = 10


def traces(instance: Instance) -> list[str]:
    """What of this instance is on the host: processes, mounts, loop devices, links, routes, groups, folders."""
    found = [f"process {pid}" for pid in cgroups.pids(instance.cgroup)]
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and f"{instance.run}/".encode() in (entry / "cmdline").read_bytes():
                found.append(f"process {entry.name}")
    found += [loop.path for loop in loops.of_node(instance.node, loops.attached())]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [line for line in mounts if f"{instance.run}/" in line or f"{instance.disk}/" in line]
    for command in (["losetup", "-a"], ["ip", "-o", "link"], ["ip", "route", "show", "table", "all"]):
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        marks = (f"{instance.disk}/", f" {instance.link}@", f"dev {instance.link} ")
        found += [line for line in lines if any(mark in line + " " for mark in marks)]
    found += [str(folder) for folder in cgroups.folders(instance.cgroup) if folder.exists()]
    return found + [str(folder) for folder in (instance.run, instance.disk) if folder.exists()]


@pytest.fixture
def spare() -> Iterator[Instance]:
    """An instance apart from the session's, down before and after."""
    instance = Instance(14)
    lifecycle.down(instance)
    yield instance
    lifecycle.down(instance)


def test_up_and_down_twice_each(spare: Instance) -> None:
    lifecycle.build()
    begin = time.monotonic()
    lifecycle.up(spare)
    first = time.monotonic() - begin
    state = lifecycle.state_of(spare)
    lifecycle.up(spare)
    assert lifecycle.state_of(spare) == state, "the second up must keep the running cluster"
    assert traces(spare), "the search for traces must see a running cluster"
    lifecycle.down(spare)
    assert traces(spare) == []
    lifecycle.down(spare)
    assert traces(spare) == []
    with pytest.raises(NotUp):
        lifecycle.state_of(spare)
    # Measured on two cores; a busy machine is no reason to fail, so only the order of magnitude is judged.
    assert first < 9 * WARM_LIMIT_S


def test_two_clusters_stand_side_by_side(cluster: Cluster, spare: Instance) -> None:
    lifecycle.up(spare)
    other = Cluster(spare.kubeconfig(), spare)
    assert other.get("nodes")["items"][0]["metadata"]["name"] == spare.node
    assert cluster.get("nodes")["items"][0]["metadata"]["name"] == cluster.own.node
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": other.image(), "command": ["sleep", "1000"]}]},
    }
    other.apply(pod, namespace="default")
    other.wait_ready("default", "pod/p")
    assert other.get("pod", "p", "-n", "default")["status"]["podIP"].startswith("10.244.14.")
    lifecycle.down(spare)
    assert traces(spare) == []
    assert cluster.get("nodes")["items"][0]["metadata"]["name"] == cluster.own.node


@pytest.mark.parametrize("victim", ["unshare", "process 1", "containerd", "kube-apiserver", "etcd", "kubelet", "up"])
def test_nothing_is_left_whoever_was_killed(spare: Instance, victim: str) -> None:
    if victim == "up":
        _kill_up_midway(spare)
    else:
        lifecycle.up(spare)
        state = lifecycle.state_of(spare)
        if victim in ("unshare", "process 1"):
            os.kill((state.outer if victim == "unshare" else state.init).pid, signal.SIGKILL)
        else:
            Cluster(spare.kubeconfig(), spare).signal(victim, signal.SIGKILL)
        time.sleep(0.3)
        assert lifecycle.healthy(spare) is None
    lifecycle.down(spare)
    assert traces(spare) == []


def test_disks_in_use_frozen_ones_too_are_let_go(spare: Instance) -> None:
    lifecycle.up(spare)
    held = Cluster(spare.kubeconfig(), spare)
    raw = claim("raw", "local-ext4")
    raw["spec"]["volumeMode"] = "Block"
    both = pod("both", held.image(), "sleep 1000", ("folder",))
    container = both["spec"]["containers"][0]
    container["volumeDevices"] = [{"name": "raw", "devicePath": "/dev/raw"}]
    container["securityContext"] = {"privileged": True}
    both["spec"]["volumes"].append({"name": "raw", "persistentVolumeClaim": {"claimName": "raw"}})
    held.apply(claim("folder", "local-ext4"), raw, both, namespace="default")
    held.wait_ready("default", "pod/both")
    # A writer that waits for a frozen disk cannot even be killed.
    stuck = "fsfreeze --freeze /folder; (echo x > /folder/x) >/dev/null 2>&1 & sleep 0.5"
    held.exec("default", "both", "sh", "-c", stuck)
    assert len(loops.of_node(spare.node, loops.attached())) >= 2
    lifecycle.down(spare)
    assert traces(spare) == []


def _kill_up_midway(instance: Instance) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "up"],
        cwd=paths.ROOT,
        env={**os.environ, "KNOWNGOOD_INSTANCE": str(instance.number)},
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not instance.containerd_socket.exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert traces(instance)


def test_up_starts_again_what_ended_and_keeps_the_data(spare: Instance) -> None:
    lifecycle.up(spare)
    held = Cluster(spare.kubeconfig(), spare)
    held.kubectl("create", "configmap", "precious")
    for victim in ("etcd", "kube-apiserver", "csi-provisioner-local"):
        held.signal(victim, signal.SIGKILL)
    lifecycle.up(spare)
    assert held.get("configmap", "precious")["metadata"]["name"] == "precious"
    assert set(held.components().values()) == {None}


def test_a_lost_state_file_hides_nothing_from_down(spare: Instance) -> None:
    lifecycle.up(spare)
    spare.state.unlink()
    lifecycle.down(spare)
    assert traces(spare) == []


def test_down_ends_no_process_that_took_over_a_number(spare: Instance) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        reused = namespaces.Process(stranger.pid, started=1)
        assert not reused.alive()
        namespaces.destroy(spare, reused)
        assert stranger.poll() is None
        stranger.kill()


def test_the_command_line_says_what_it_does(
    cluster: Cluster, spare: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    number = str(cluster.own.number)
    assert main(["status", "--instance", number]) == 0
    assert "kube-apiserver" in capsys.readouterr().out
    assert main(["env", "--instance", number]) == 0
    exported = capsys.readouterr().out
    for name in ("KUBECONFIG", "KNOWNGOOD_AUDIT_LOG", "KNOWNGOOD_IMAGE_WORK", "PATH"):
        assert f"export {name}=" in exported
    assert main(["env", "--instance", str(spare.number)]) == NotUp.exit_code
    assert "is not up" in capsys.readouterr().err
