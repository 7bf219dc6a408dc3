# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is built from which lock. Pure apart from reading the lock files.

A *set* is one Go module under ``go/`` with its go.mod and go.sum. Sets are apart because their graphs do not agree
(cert-manager and the CSI sidecars would raise the API server's dependencies, Velero pins another Kubernetes).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .errors import ClusterError

FLAGS = ("-trimpath", "-buildvcs=false", "-tags", "selinux,notest")
ENVIRONMENT = {"CGO_ENABLED": "0"}
GO_MINIMUM = (1, 26)
_KUBERNETES = "k8s.io/kubernetes"
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Binary:
    """One program: the set that locks it, its main package, and where its version is stamped.

    ``stamp`` is ``variable=module``: the linker writes the locked version of the module into the variable.
    """

    name: str
    lock: str
    package: str
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """Files shipped inside a locked module, resource definitions above all: ``globs`` under ``folder``."""

    name: str
    lock: str
    module: str
    folder: str
    globs: tuple[str, ...] = ("*.yaml",)


_SNAPSHOTTER = "github.com/kubernetes-csi/external-snapshotter/v8"
_VERSITY = "github.com/versity/versitygw"
_VELERO = "github.com/vmware-tanzu/velero"
_PROVISIONER = "github.com/kubernetes-csi/external-provisioner/v6"

BINARIES: dict[str, Binary] = {
    b.name: b
    for b in (
        *(
            Binary(name, "k8s", f"{_KUBERNETES}/cmd/{name}")
            for name in (
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
                "kubectl",
                "kubelet",
                "kube-proxy",
            )
        ),
        Binary("etcd", "k8s", "go.etcd.io/etcd/server/v3"),
        Binary("csi-local", "csi", "./driver"),
        Binary("snapshot-controller", "csi", f"{_SNAPSHOTTER}/cmd/snapshot-controller", f"main.version={_SNAPSHOTTER}"),
        Binary("csi-snapshotter", "csi", f"{_SNAPSHOTTER}/cmd/csi-snapshotter", f"main.version={_SNAPSHOTTER}"),
        Binary("csi-provisioner", "csi", f"{_PROVISIONER}/cmd/csi-provisioner", f"main.version={_PROVISIONER}"),
        Binary("csi-sanity", "csi", "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"),
        Binary(
            "coredns",
            "dns",
            "github.com/coredns/coredns",
            "github.com/coredns/coredns/coremain.GitCommit=github.com/coredns/coredns",
        ),
        Binary("certmanager", "certmanager", "."),
        Binary("tlsload", "load", "."),
        Binary("versitygw", "s3", f"{_VERSITY}/cmd/versitygw", f"main.Version={_VERSITY}"),
        Binary("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok/pkg/consts.Version=sigs.k8s.io/kwok"),
        Binary(
            "velero",
            "velero",
            f"{_VELERO}/cmd/velero",
            f"{_VELERO}/pkg/buildinfo.Version={_VELERO}",
        ),
        Binary("velero-plugin-for-aws", "velero", f"{_VELERO}-plugin-for-aws/velero-plugin-for-aws"),
    )
}

FILES: dict[str, Files] = {
    f.name: f
    for f in (
        Files(
            "snapshot-crds",
            "csi",
            "github.com/kubernetes-csi/external-snapshotter/client/v8",
            "config/crd",
            ("*snapshot*.yaml",),
        ),
        Files("certmanager-crds", "certmanager", "github.com/cert-manager/cert-manager", "deploy/crds"),
        Files("gateway-crds", "gateway", "sigs.k8s.io/gateway-api", "config/crd/standard", ("*_[!v]*.yaml",)),
        Files("velero-crds", "velero", _VELERO, "config/crd", ("v*/bases/*.yaml",)),
        Files(
            "kwok-stages",
            "kwok",
            "sigs.k8s.io/kwok",
            "kustomize/stage",
            ("node/fast/node-*.yaml", "node/heartbeat-with-lease/node-*.yaml", "pod/fast/pod-*.yaml"),
        ),
    )
}

CORE = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "kube-proxy",
    "csi-local",
    "snapshot-controller",
    "csi-snapshotter",
    "csi-provisioner",
    "coredns",
    "snapshot-crds",
)
EXTRAS: dict[str, tuple[str, ...]] = {
    "certmanager": ("certmanager", "certmanager-crds"),
    "gateway": ("gateway-crds",),
    "s3": ("versitygw",),
    "velero": ("versitygw", "velero", "velero-plugin-for-aws", "velero-crds"),
    "kwok": ("kwok", "kwok-stages"),
    "sanity": ("csi-sanity",),
    "load": ("tlsload",),
}


def assets_of(extras: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names of what a cluster with ``extras`` needs, core first, each once."""
    wanted = list(CORE)
    for extra in extras:
        if extra not in EXTRAS:
            raise ClusterError(f"--with knows {', '.join(EXTRAS)}; not {extra!r}")
        wanted += [name for name in EXTRAS[extra] if name not in wanted]
    return tuple(wanted)


def locked_version(go_mod: str, module: str) -> str:
    """Version of ``module`` that the text of a go.mod requires (``v1.36.3``)."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", go_mod, re.MULTILINE)
    if not found:
        raise ClusterError(f"the lock does not require {module}")
    return found[1]


def linker_flags(binary: Binary, go_mod: str) -> str:
    """The ``-ldflags`` value: stripped, and stamped with the locked version.

    Kubernetes components answer ``/version`` from what is stamped; unstamped they report a placeholder that is not
    a version, which breaks every client that compares versions.
    """
    if binary.lock == "k8s":
        version = locked_version(go_mod, _KUBERNETES)
        major, minor = version.lstrip("v").split(".")[:2]
        facts = (
            ("gitVersion", version),
            ("gitMajor", major),
            ("gitMinor", minor),
            ("gitTreeState", "clean"),
            ("gitCommit", "0" * 40),
            ("buildDate", "2026-01-01T00:00:00Z"),
        )
        return "-s -w " + " ".join(f"-X {package}.{key}={value}" for package in _STAMPED for key, value in facts)
    if not binary.stamp:
        return "-s -w"
    variable, module = binary.stamp.split("=")
    return f"-s -w -X {variable}={locked_version(go_mod, module)}"


def lock_hash(lock: str, folder: Path = paths.GO) -> str:
    """Twelve hex digits over everything that decides what a set builds, the Go version aside."""
    digest = hashlib.sha256(repr((FLAGS, sorted(ENVIRONMENT.items()))).encode())
    sums = [path for path in [folder / lock / "go.sum"] if path.exists()]  # none where nothing is required
    sources = [folder / lock / "go.mod", *sums, *sorted((folder / lock).rglob("*.go"))]
    for path in sources:
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    items: list[Binary | Files] = [*BINARIES.values(), *FILES.values()]
    digest.update("".join(repr(item) for item in items if item.lock == lock).encode())
    return digest.hexdigest()[:12]


def parse_go_version(text: str) -> tuple[int, int]:
    """``go1.26.8`` -> (1, 26); (0, 0) where it is no release."""
    found = re.match(r"go(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2])) if found else (0, 0)
