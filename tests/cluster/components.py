# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of every component. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from .instance import DRIVERS, Instance

_FAST = ("--kube-api-qps=100", "--kube-api-burst=200")
_GROUPS = "--feature-gates=CSIVolumeGroupSnapshot=true"
_HPA_TO_ZERO = "--feature-gates=HPAScaleToZero=true"
"""Not for the scaling itself: an autoscaler that may scale to zero also scales up from there."""
S3_PORT = 7070
S3_KEY, S3_SECRET = "knowngood", "knowngood-secret"


@dataclass(frozen=True, slots=True)
class Component:
    """One process: its name, its arguments (the first is a program of the instance's ``bin`` or of PATH)."""

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


def _program(instance: Instance, name: str) -> str:
    return str(instance.bin / name)


def containerd(instance: Instance) -> Component:
    return Component("containerd", ("containerd", "--config", f"{instance.run}/containerd.toml", "--log-level", "warn"))


def etcd(instance: Instance) -> Component:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return Component(
        "etcd",
        (
            _program(instance, "etcd"),
            "--name=rig",
            f"--data-dir={instance.disk}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=rig={peer}",
            "--unsafe-no-fsync",
            "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ),
    )


def apiserver(instance: Instance) -> Component:
    pki = instance.pki
    return Component(
        "kube-apiserver",
        (
            _program(instance, "kube-apiserver"),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--bind-address={instance.ip}",
            "--secure-port=6443",
            f"--advertise-address={instance.ip}",
            f"--service-cluster-ip-range={instance.services}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt",
            f"--tls-private-key-file={pki}/apiserver.key",
            f"--service-account-key-file={pki}/sa.pub",
            f"--service-account-signing-key-file={pki}/sa.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
            f"--proxy-client-key-file={pki}/front-proxy-client.key",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={instance.run}/audit.yaml",
            f"--audit-log-path={instance.audit_log}",
            "--audit-log-maxsize=4096",  # MiB; who counts what was asked since a mark needs it in one file
            "--profiling=false",
            _HPA_TO_ZERO,
        ),
    )


def controller_manager(instance: Instance) -> Component:
    config, pki = instance.kubeconfig("kube-controller-manager"), instance.pki
    return Component(
        "kube-controller-manager",
        (
            _program(instance, "kube-controller-manager"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            "--use-service-account-credentials",
            f"--root-ca-file={pki}/ca.crt",
            f"--service-account-private-key-file={pki}/sa.key",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--cluster-signing-duration=1h",
            f"--service-cluster-ip-range={instance.services}",
            "--bind-address=127.0.0.1",
            "--controllers=*",
            "--horizontal-pod-autoscaler-sync-period=2s",
            _HPA_TO_ZERO,
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ),
    )


def scheduler(instance: Instance) -> Component:
    config = instance.kubeconfig("kube-scheduler")
    return Component(
        "kube-scheduler",
        (
            _program(instance, "kube-scheduler"),
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
        ),
    )


def kubelet(instance: Instance) -> Component:
    return Component(
        "kubelet",
        (
            _program(instance, "kubelet"),
            f"--config={instance.run}/kubelet.yaml",
            f"--kubeconfig={instance.kubeconfig('node')}",
            f"--root-dir={instance.run}/kl",
            f"--cert-dir={instance.run}/kl/pki",
            f"--hostname-override={instance.node}",
            f"--node-ip={instance.ip}",
        ),
    )


def kube_proxy(instance: Instance) -> Component:
    return Component("kube-proxy", (_program(instance, "kube-proxy"), f"--config={instance.run}/proxy.yaml"))


def coredns(instance: Instance) -> Component:
    return Component("coredns", (_program(instance, "coredns"), "-conf", f"{instance.run}/Corefile"))


def csi_driver(instance: Instance, driver: str) -> Component:
    return Component(
        f"csi-{driver}",
        (
            _program(instance, "csi-local"),
            f"--driver-name={DRIVERS[driver]}",
            f"--endpoint={instance.csi_socket(driver)}",
            f"--state-dir={instance.volumes}/{driver}",
            f"--faults={instance.faults(driver)}",
            f"--mounts={instance.run}/disks-{driver}",
            f"--node-id={instance.node}",
            f"--plugins-registry={instance.run}/kl/plugins_registry",
        ),
    )


def csi_sidecars(instance: Instance, driver: str) -> tuple[Component, ...]:
    common = (
        f"--kubeconfig={instance.kubeconfig()}",
        f"--csi-address={instance.csi_socket(driver)}",
        "--extra-create-metadata",
        "--timeout=60s",
        *_FAST,
    )
    return (
        Component(f"csi-snapshotter-{driver}", (_program(instance, "csi-snapshotter"), *common, _GROUPS)),
        Component(
            f"csi-provisioner-{driver}",
            (_program(instance, "csi-provisioner"), *common, "--default-fstype=ext4", "--worker-threads=10"),
        ),
    )


def snapshot_controller(instance: Instance) -> Component:
    program = _program(instance, "snapshot-controller")
    return Component("snapshot-controller", (program, f"--kubeconfig={instance.kubeconfig()}", *_FAST, _GROUPS))


def certmanager(instance: Instance) -> Component:
    return Component("certmanager", (_program(instance, "certmanager"), f"--kubeconfig={instance.kubeconfig()}"))


def kwok(instance: Instance) -> Component:
    return Component(
        "kwok",
        (
            _program(instance, "kwok"),
            f"--kubeconfig={instance.kubeconfig()}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--node-lease-duration-seconds=40",
            f"--config={instance.run}/kwok.yaml",
            f"--cidr={instance.fake_pods}",
        ),
    )


def s3(instance: Instance) -> Component:
    """An S3 server on the node's address, plain HTTP, one account; buckets are folders."""
    return Component(
        "versitygw",
        (
            _program(instance, "versitygw"),
            f"--port={instance.ip}:{S3_PORT}",
            "--iam-dir",
            f"{instance.disk}/s3/iam",
            "posix",
            "--versioning-dir",
            f"{instance.disk}/s3/versions",
            f"{instance.disk}/s3/data",
        ),
        {"ROOT_ACCESS_KEY": S3_KEY, "ROOT_SECRET_KEY": S3_SECRET},
    )


def velero(instance: Instance) -> Component:
    return Component(
        "velero",
        (
            _program(instance, "velero"),
            f"--kubeconfig={instance.kubeconfig()}",
            "--namespace=velero",
            "server",
            f"--plugin-dir={instance.run}/velero/plugins",
            "--features=EnableCSI",
        ),
        {
            # Its plugins are processes of their own and see no option of the server.
            "KUBECONFIG": str(instance.kubeconfig()),
            "AWS_SHARED_CREDENTIALS_FILE": f"{instance.run}/velero/credentials",
            "VELERO_NAMESPACE": "velero",
            "VELERO_SCRATCH_DIR": f"{instance.disk}/velero",
        },
    )
