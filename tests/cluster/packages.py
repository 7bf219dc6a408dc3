# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian packages the cluster runs on: looked for by their commands, installed when we may."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .errors import ClusterError, MissingPackages
from .progress import working

# Package -> a command or a file that shows it is there (other distributions may provide it under another name).
PACKAGES: dict[str, str] = {
    "btrfs-progs": "mkfs.btrfs",
    "catatonit": "catatonit",
    "conntrack": "conntrack",
    "containerd": "containerd",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
    "e2fsprogs": "mkfs.ext4",
    "iproute2": "ip",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "mount": "losetup",
    "nftables": "nft",
    "runc": "runc",
    "util-linux": "unshare",
}
_SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def present(witness: str) -> bool:
    return Path(witness).exists() if witness.startswith("/") else shutil.which(witness, path=_SEARCH) is not None


def missing() -> list[str]:
    return [package for package, witness in PACKAGES.items() if not present(witness)]


def command(packages: list[str]) -> list[str]:
    return ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]


def ensure() -> None:
    """Install what is missing when root on Debian; else say the exact command."""
    lacking = missing()
    if not lacking:
        return
    exact = "apt-get update && " + " ".join(command(lacking))
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise MissingPackages(f"Debian packages are missing; install them as root with: {exact}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with working("install " + " ".join(lacking)):
        if not list(Path("/var/lib/apt/lists").glob("*_Packages*")):
            subprocess.run(["apt-get", "update", "-qq"], env=environment, stdout=subprocess.DEVNULL, check=False)
        done = subprocess.run(command(lacking), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingPackages(f"{exact}\nfailed: {done.stderr.strip()[-2000:]}")


def debian_mirror(sources: str) -> str:
    """The first Debian archive in the text of a deb822 or one-line source list, "" where there is none.

    mmdebstrap must be given the mirror by name: other source lists of a machine may not be reachable.
    """
    for line in sources.splitlines():
        words = line.split()
        if not words or words[0] not in ("URIs:", "deb"):
            continue
        for word in words[1:]:
            if "://" in word and "security" not in word:
                return word
    return ""


def mirror() -> str:
    """``KNOWNGOOD_DEBIAN_MIRROR``, or the mirror this machine installs from."""
    chosen = os.environ.get("KNOWNGOOD_DEBIAN_MIRROR")
    if chosen:
        return chosen
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.is_file():
            found = debian_mirror(path.read_text())
            if found:
                return found
    raise ClusterError("no Debian mirror in /etc/apt; name one with KNOWNGOOD_DEBIAN_MIRROR")
