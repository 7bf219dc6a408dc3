# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster reads about its host: control groups, packages, processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import cgroups, packages
from tests.cluster.errors import ClusterError, MissingPackages
from tests.cluster.namespaces import Process

HYBRID = """\
25 30 0:22 / /sys/fs/cgroup ro,nosuid shared:1 - tmpfs tmpfs ro,mode=755
26 25 0:23 / /sys/fs/cgroup/unified rw shared:2 - cgroup2 cgroup2 rw,nsdelegate
27 25 0:24 / /sys/fs/cgroup/memory rw shared:3 - cgroup cgroup rw,memory
28 30 0:24 /box /somewhere/memory rw shared:3 - cgroup cgroup rw,memory
29 25 0:25 / /sys/fs/cgroup/cpuset rw shared:4 - cgroup cgroup rw,cpuset
31 30 0:25 / /second/mount rw shared:4 - cgroup cgroup rw,cpuset
"""
UNIFIED = "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_each_hierarchy_counts_once_and_at_its_root() -> None:
    assert cgroups.hierarchies(HYBRID) == [
        (Path("/sys/fs/cgroup/unified"), True),
        (Path("/sys/fs/cgroup/memory"), False),
        (Path("/sys/fs/cgroup/cpuset"), False),
    ]
    assert cgroups.hierarchies(UNIFIED) == [(Path("/sys/fs/cgroup"), True)]
    assert cgroups.hierarchies("") == []


def test_the_mirror_is_the_archive_not_the_security_one() -> None:
    deb822 = "Types: deb\nURIs: http://security.test/debian-security\n\nTypes: deb\nURIs: http://a.test/debian\n"
    one_line = "# deb http://old.test/debian x main\ndeb [signed-by=/k.gpg] http://b.test/debian bookworm main\n"
    assert packages.debian_mirror(deb822) == "http://a.test/debian"
    assert packages.debian_mirror(one_line) == "http://b.test/debian"
    assert packages.debian_mirror("") == ""


def test_the_mirror_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWNGOOD_DEBIAN_MIRROR", "http://c.test/debian")
    assert packages.mirror() == "http://c.test/debian"


def test_a_user_who_is_not_root_is_told_the_exact_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda: ["btrfs-progs", "runc"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MissingPackages) as caught:
        packages.ensure()
    exact = "apt-get update && apt-get install -y -qq --no-install-recommends btrfs-progs runc"
    assert str(caught.value).endswith(exact)


def test_packages_are_looked_for_by_their_commands(tmp_path: Path) -> None:
    assert packages.present(sys.executable)
    assert not packages.present(str(tmp_path / "missing"))
    assert not packages.present("no-such-command-anywhere")


def test_a_process_is_its_number_and_its_start() -> None:
    own = Process.of(os.getpid())
    assert own is not None
    assert own.alive()
    assert not Process(own.pid, own.started + 1).alive()
    with subprocess.Popen(["true"]) as child:
        # Ended but not waited for: a zombie.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert Process.of(child.pid) is None


def test_errors_have_exit_codes_of_their_own() -> None:
    codes = [kind.exit_code for kind in ClusterError.__subclasses__()]
    assert len(codes) == len(set(codes))
    assert not {0, 1, 2} & set(codes)
