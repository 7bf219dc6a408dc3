# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is built, from which lock, stamped with what."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cluster import paths
from tests.cluster.errors import ClusterError
from tests.cluster.locks import (
    BINARIES,
    CORE,
    EXTRAS,
    FILES,
    assets_of,
    linker_flags,
    lock_hash,
    locked_version,
    parse_go_version,
)

GO_MOD = """module m

go 1.26.0

require k8s.io/single v0.1.0

require (
\tk8s.io/kubernetes v1.36.3
\tk8s.io/kubernetes-csi v9.9.9 // indirect
)
"""


def test_the_locked_version_is_read_from_both_forms_of_require() -> None:
    assert locked_version(GO_MOD, "k8s.io/kubernetes") == "v1.36.3"
    assert locked_version(GO_MOD, "k8s.io/single") == "v0.1.0"
    with pytest.raises(ClusterError, match=r"does not require k8s\.io/kube$"):
        locked_version(GO_MOD, "k8s.io/kube")


def test_kubernetes_is_stamped_with_the_locked_version() -> None:
    flags = linker_flags(BINARIES["kubelet"], GO_MOD)
    assert flags.startswith("-s -w ")
    assert "-X k8s.io/component-base/version.gitVersion=v1.36.3" in flags
    assert "-X k8s.io/client-go/pkg/version.gitMinor=36" in flags


def test_every_lock_holds_what_is_built_from_it() -> None:
    for binary in BINARIES.values():
        assert linker_flags(binary, (paths.GO / binary.lock / "go.mod").read_text()).startswith("-s -w")
    for files in FILES.values():
        assert locked_version((paths.GO / files.lock / "go.mod").read_text(), files.module)


def test_core_comes_first_and_extras_once() -> None:
    names = assets_of(("s3", "velero"))
    assert names[: len(CORE)] == CORE
    assert names.count("versitygw") == 1
    assert {*CORE, *(name for extra in EXTRAS.values() for name in extra)} == {*BINARIES, *FILES}


def test_an_unknown_extra_is_refused_by_name() -> None:
    with pytest.raises(ClusterError, match="not 'velcro'"):
        assets_of(("velcro",))


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    shutil.copytree(paths.GO / "csi", tmp_path / "csi")
    return tmp_path


def test_the_hash_of_a_lock_follows_its_content_not_its_place(sources: Path) -> None:
    assert lock_hash("csi", sources) == lock_hash("csi")


@pytest.mark.parametrize("changed", ["go.mod", "go.sum", "driver/main.go"])
def test_the_hash_of_a_lock_changes_with_each_source(sources: Path, changed: str) -> None:
    with (sources / "csi" / changed).open("a") as file:
        file.write("\n")
    assert lock_hash("csi", sources) != lock_hash("csi")


@pytest.mark.parametrize(
    ("text", "version"),
    [("go1.26.8\n", (1, 26)), ("go1.27rc1", (1, 27)), ("devel go1.28", (0, 0)), ("", (0, 0))],
)
def test_go_versions_are_compared_as_numbers(text: str, version: tuple[int, int]) -> None:
    assert parse_go_version(text) == version
