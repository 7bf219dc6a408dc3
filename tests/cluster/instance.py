# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One cluster of possibly several on this machine: every name, address and path carries its number."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .errors import ClusterError

NUMBERS = range(1, 16)
DRIVERS = {"local": "local.csi.knowngood.test", "other": "other.csi.knowngood.test"}


@dataclass(frozen=True, slots=True)
class Instance:
    """Names and addresses of cluster ``number`` (1 to 15). Computed only, never stored."""

    number: int

    def __post_init__(self) -> None:
        if self.number not in NUMBERS:
            raise ClusterError(f"an instance is numbered {NUMBERS[0]} to {NUMBERS[-1]}, not {self.number}")

    @classmethod
    def chosen(cls) -> Instance:
        """The instance of this shell: ``KNOWNGOOD_INSTANCE``, 1 where unset."""
        text = os.environ.get("KNOWNGOOD_INSTANCE") or "1"
        if not text.isdigit():
            raise ClusterError(f"KNOWNGOOD_INSTANCE={text}: not a number")
        return cls(int(text))

    # Addresses
    @property
    def host_ip(self) -> str:
        return f"10.200.{self.number}.1"

    @property
    def ip(self) -> str:
        return f"10.200.{self.number}.2"

    @property
    def pods(self) -> str:
        return f"10.244.{self.number}.0/24"

    @property
    def fake_pods(self) -> str:
        """Addresses of pods that kwok plays; nothing answers there."""
        return f"10.248.{self.number}.0/24"

    @property
    def services(self) -> str:
        return f"10.{96 + self.number}.0.0/16"

    @property
    def api_service_ip(self) -> str:
        return f"10.{96 + self.number}.0.1"

    @property
    def server(self) -> str:
        return f"https://{self.ip}:6443"

    # Names
    @property
    def name(self) -> str:
        return f"knowngood-{self.number}"

    @property
    def node(self) -> str:
        return f"rig-{self.number}"

    @property
    def link(self) -> str:
        return f"kg{self.number}"

    @property
    def cgroup(self) -> str:
        return f"knowngood-{self.number}"

    # Paths
    @property
    def run(self) -> Path:
        return paths.RUN / str(self.number)

    @property
    def disk(self) -> Path:
        """Bulky state (volumes, container layers), on disk even where /run is memory."""
        return paths.cache() / "instances" / str(self.number)

    @property
    def pki(self) -> Path:
        return self.run / "pki"

    @property
    def log(self) -> Path:
        return self.run / "log"

    @property
    def bin(self) -> Path:
        return self.run / "bin"

    @property
    def volumes(self) -> Path:
        """Mount point of the Btrfs pool, inside the cluster's mount namespace only."""
        return self.run / "vol"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "c.sock"

    @property
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def audit_log(self) -> Path:
        return self.run / "audit.log"

    @property
    def state(self) -> Path:
        return self.run / "state.json"

    @property
    def ready(self) -> Path:
        return self.run / "ready"

    def kubeconfig(self, user: str = "admin") -> Path:
        return self.run / "kubeconfig" / user

    def csi_socket(self, driver: str) -> Path:
        return self.run / f"csi-{driver}.sock"

    def faults(self, driver: str = "local") -> Path:
        """The file the CSI driver reads its faults from before each call."""
        return self.run / f"faults-{driver}.json"
