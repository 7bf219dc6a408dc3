# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What process 1 of the cluster's namespaces does: prepare them, bring the components up in order, then supervise.

Started by :mod:`.namespaces` as ``python -m tests.cluster.node NUMBER STORAGE EXTRA...``; STORAGE is the number of the
instance whose volumes are used, mostly its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from . import components, crds, extras, loops, manifests
from .api import Api
from .errors import ClusterError
from .instance import DRIVERS, Instance
from .processes import Supervisor

# The kubelet writes these for the whole machine; plain files over them catch the writes.
_CAUGHT = (
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# Folders with fixed paths that components write into: the host's stay untouched.
_PRIVATE = ("/run/netns", "/run/containerd", "/var/lib/cni", "/var/log")
_POOL_BYTES = 32 << 30


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def prepare_mounts(instance: Instance) -> None:
    # Container and CSI mounts must propagate to each other; / of a new namespace is private.
    _run("mount", "--make-rshared", "/")
    for folder in _PRIVATE:
        Path(folder).mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "knowngood", folder)
    caught = instance.run / "sys"
    caught.mkdir(exist_ok=True)
    for name in _CAUGHT:
        path = Path("/proc/sys") / name
        if path.exists():
            copy = caught / name.replace("/", "_")
            copy.write_text(path.read_text())
            _run("mount", "--bind", copy, path)


def prepare_pool(instance: Instance, storage: Instance | None) -> None:
    """One Btrfs pool in a sparse file for all drivers; the loop device goes with the last mount.

    ``storage`` names another instance whose pool is used instead: the same file system, mounted here too.
    """
    if storage:
        device = loops.of_file(storage.disk / "volumes.img")
        if not device:
            raise ClusterError(f"instance {storage.number} has no storage to share")
        instance.volumes.mkdir(exist_ok=True)
        _run("mount", device[0], instance.volumes)
        return
    image = instance.disk / "volumes.img"
    with image.open("wb") as file:
        file.truncate(_POOL_BYTES)
    _run("mkfs.btrfs", "-q", image)
    instance.volumes.mkdir(exist_ok=True)
    _run("mount", "-o", "loop", image, instance.volumes)
    for driver in DRIVERS:
        (instance.volumes / driver).mkdir()


def prepare_network(instance: Instance, supervisor: Supervisor) -> None:
    # /sys still shows the host's links: ask ip.
    def arrived() -> bool:
        return subprocess.run(["ip", "link", "show", "eth0"], capture_output=True, check=False).returncode == 0

    supervisor.wait("network link", arrived, 20)
    _run("hostname", instance.node)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "addr", "add", f"{instance.ip}/30", "dev", "eth0")
    _run("ip", "link", "set", "eth0", "up")
    _run("ip", "route", "add", "default", "via", instance.host_ip)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    # Replies between pods of one bridge must pass the rules that translated the address of a Service.
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "-q", "br_netfilter"], capture_output=True, check=False)
    bridged = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if bridged.exists():
        bridged.write_text("1")


def bring_up(instance: Instance, wanted: tuple[str, ...], storage: Instance | None, supervisor: Supervisor) -> None:
    prepare_mounts(instance)
    prepare_network(instance, supervisor)
    supervisor.start(components.etcd(instance))
    supervisor.start(components.apiserver(instance))
    prepare_pool(instance, storage)
    (instance.run / "kl/plugins_registry").mkdir(parents=True, exist_ok=True)
    supervisor.start(components.containerd(instance))
    for driver in DRIVERS:
        supervisor.start(components.csi_driver(instance, driver))
    supervisor.wait("containerd", instance.containerd_socket.exists)
    api = Api(instance)
    supervisor.wait("API server ready", api.is_ready, 90)
    for component in (
        components.controller_manager(instance),
        components.scheduler(instance),
        components.kubelet(instance),
        components.kube_proxy(instance),
        components.coredns(instance),
    ):
        supervisor.start(component)
    for manifest in manifests.core():
        api.apply(manifest)
    crds.apply(api, instance.bin / "snapshot-crds")
    supervisor.start(components.snapshot_controller(instance))
    for driver in DRIVERS:
        for component in components.csi_sidecars(instance, driver):
            supervisor.start(component)
    for manifest in manifests.snapshot_classes():
        api.apply(manifest)
    supervisor.say("definitions and classes")
    supervisor.wait("node ready", lambda: _node_ready(api, instance), 90)
    supervisor.wait("CSI drivers registered", lambda: _drivers_registered(api, instance))
    supervisor.wait("default service account", lambda: _service_account(api))
    for name in wanted:
        extras.set_up(instance, name, api)
        for component in extras.components_of(instance, name):
            supervisor.start(component)
        supervisor.say(name)


def _node_ready(api: Api, instance: Instance) -> bool:
    node = api.get(f"/api/v1/nodes/{instance.node}")
    conditions = node["status"].get("conditions", []) if node else []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _drivers_registered(api: Api, instance: Instance) -> bool:
    node = api.get(f"/apis/storage.k8s.io/v1/csinodes/{instance.node}")
    names = {one["name"] for one in node["spec"].get("drivers") or []} if node else set()
    return names >= set(DRIVERS.values())


def _service_account(api: Api) -> bool:
    """Pods are refused in a namespace whose service account is not there yet."""
    return api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None


def main(arguments: list[str]) -> None:
    instance, storage = (Instance(int(number)) for number in arguments[:2])
    supervisor = Supervisor(instance.log)
    try:
        bring_up(instance, tuple(arguments[2:]), None if storage == instance else storage, supervisor)
    except (ClusterError, OSError) as problem:
        supervisor.say(f"failed: {problem}")
        sys.exit(1)
    instance.ready.touch()
    supervisor.serve(instance.control_socket)


if __name__ == "__main__":
    main(sys.argv[1:])
