# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where programs are looked for, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import assets, builds
from tests.cluster.errors import ClusterError, NoGo


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "kube-apiserver"
    path.touch()
    return path


def test_a_named_asset_goes_before_the_folder(program: Path, tmp_path: Path) -> None:
    other = tmp_path / "own-build"
    other.touch()
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path), "TEST_ASSET_KUBE_APISERVER": str(other)}
    found = assets.given("kube-apiserver", environment)
    assert found == assets.Asset("kube-apiserver", other, "TEST_ASSET_KUBE_APISERVER")


def test_the_folder_counts_for_what_it_holds(program: Path, tmp_path: Path) -> None:
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path)}
    assert assets.given("kube-apiserver", environment) == assets.Asset("kube-apiserver", program, "KUBEBUILDER_ASSETS")
    assert assets.given("etcd", environment) is None
    assert assets.given("etcd", {}) is None


def test_a_named_asset_that_is_missing_is_an_error() -> None:
    with pytest.raises(ClusterError, match=r"TEST_ASSET_ETCD=/nowhere/etcd: no such file"):
        assets.given("etcd", {"TEST_ASSET_ETCD": "/nowhere/etcd"})


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KNOWNGOOD_CACHE", str(tmp_path / "cache"))
    for name in ("TEST_ASSET_ETCD", "KUBEBUILDER_ASSETS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def _go(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(builds, "go_version", lambda: version)


def test_the_cache_is_of_this_lock_and_this_go(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _go(monkeypatch, "go1.26.8")
    assert builds.cached("k8s", "etcd") is None
    folder = builds.folder_of("k8s")
    assert folder.parent == empty_cache / "bin"
    folder.mkdir(parents=True)
    (folder / "etcd").touch()
    assert builds.cached("k8s", "etcd") == folder / "etcd"
    _go(monkeypatch, "go1.27.0")
    assert builds.cached("k8s", "etcd") is None


def test_without_go_what_another_go_built_from_this_lock_is_taken(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _go(monkeypatch, "go1.26.8")
    folder = builds.folder_of("k8s")
    folder.mkdir(parents=True)
    (folder / "etcd").touch()
    _go(monkeypatch, "")
    assert assets.resolve(["etcd"])["etcd"].path == folder / "etcd"
    assert f"cache {folder}: etcd" in capsys.readouterr().err


def test_without_go_and_cache_one_sentence_says_what_to_do(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _go(monkeypatch, "")
    with pytest.raises(NoGo, match=r"Go 1\.26 or newer is needed .* install it from https://go\.dev/dl/"):
        assets.resolve(["etcd"])
