# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files of the components, as text. Pure."""

from __future__ import annotations

import json
from pathlib import Path

from .instance import Instance

PAUSE = "rig.local/pause:1"
_UNUSED_SNAPSHOTTERS = ", ".join(
    f'"io.containerd.snapshotter.v1.{name}"' for name in ("btrfs", "zfs", "aufs", "devmapper")
)


def containerd_for_import(root: Path, scratch: Path) -> str:
    """A containerd that only takes images in."""
    return f"""version = 2
root = "{root}"
state = "{scratch}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", {_UNUSED_SNAPSHOTTERS}]
[grpc]
  address = "{scratch}/c.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{scratch}/opt"
"""


def containerd(instance: Instance) -> str:
    """``restrict_oom_score_adj``: where CAP_SYS_RESOURCE is missing every sandbox would die on lowering the score."""
    return f"""version = 2
root = "{instance.disk}/containerd"
state = "{instance.run}/ctr"
disabled_plugins = [{_UNUSED_SNAPSHOTTERS}]
[grpc]
  address = "{instance.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{instance.run}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  stream_server_address = "127.0.0.1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{instance.run}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def cni(instance: Instance) -> str:
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": instance.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": str(instance.run / "ipam"),
        },
    }
    plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
    return json.dumps({"cniVersion": "1.0.0", "name": "rig", "plugins": plugins})


def kubelet(instance: Instance) -> str:
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{instance.cgroup}",
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(instance.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "evictionHard": {
                "memory.available": "0%",
                "nodefs.available": "0%",
                "nodefs.inodesFree": "0%",
                "imagefs.available": "0%",
            },
            # Never collect images: they cannot be pulled again.
            "imageGCHighThresholdPercent": 100,
            "maxOpenFiles": 20000,
            "oomScoreAdj": 0,
            "makeIPTablesUtilChains": False,
            "maxPods": 250,
            "podLogsDir": str(instance.run / "pods-log"),
            "volumePluginDir": str(instance.run / "flex"),
            "clusterDomain": "cluster.local",
            "clusterDNS": [instance.ip],
            "syncFrequency": "10s",
            "serializeImagePulls": False,
            "configMapAndSecretChangeDetectionStrategy": "Watch",
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
            "nodeStatusUpdateFrequency": "5s",
        }
    )


def kube_proxy(instance: Instance) -> str:
    """Conntrack is left alone: its limits are read-only in a child network namespace."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clusterCIDR": instance.pods,
            "clientConnection": {"kubeconfig": str(instance.kubeconfig("kube-proxy"))},
            "hostnameOverride": instance.node,
            "oomScoreAdj": 0,
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
    )


def coredns(instance: Instance) -> str:
    return f""".:53 {{
    bind {instance.ip}
    errors
    kubernetes cluster.local {{
        kubeconfig {instance.kubeconfig()} {instance.name}
        ttl 1
    }}
}}
"""


def audit_policy() -> str:
    """Metadata of every request; of deletes also the body, where a dry run may be asked for."""
    rules = [
        {"level": "Request", "verbs": ["delete", "deletecollection"]},
        {"level": "Metadata"},
    ]
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
    return json.dumps(policy)


def write_all(instance: Instance) -> None:
    (instance.run / "cni").mkdir(parents=True, exist_ok=True)
    for name, text in {
        "cni/10.conflist": cni(instance),
        "containerd.toml": containerd(instance),
        "kubelet.yaml": kubelet(instance),
        "proxy.yaml": kube_proxy(instance),
        "Corefile": coredns(instance),
        "audit.yaml": audit_policy(),
    }.items():
        (instance.run / name).write_text(text)
