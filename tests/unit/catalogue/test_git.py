# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._ansible import commits
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.commits import read_graph, read_sources
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, TimedOut

from .programs import git, run

DIGEST = "sha256:" + "a" * 64


def test_the_graph_has_every_commit_with_its_parents_in_order(repository):
    path, ids = repository
    graph = read_graph(str(path), run)
    assert graph.parents[ids["merge"]] == (ids["two"], ids["side"])
    assert next(iter(graph.parents)) == ids["merge"]
    assert graph.parents[ids["one"]] == ()
    assert not graph.shallow


def test_a_checkout_of_somebody_else_is_read(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    path, ids = repository
    assert ids["one"] in read_graph(str(path), run)


def test_what_git_is_told_by_the_environment_does_not_lead_elsewhere(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    path, ids = repository
    assert ids["one"] in read_graph(str(path), run)


def test_a_shallow_clone_says_so(repository, tmp_path):
    path, ids = repository
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{path}", "clone")
    graph = read_graph(str(tmp_path / "clone"), run)
    assert graph.shallow
    assert ids["one"] not in graph


def test_short_commits_are_resolved_and_a_missing_one_is_named(repository):
    path, ids = repository
    (source,), graph = read_sources([{"path": str(path), "digests": {DIGEST: ids["two"][:10]}}], run)
    assert source.digests == {DIGEST: ids["two"]}
    assert ids["two"] in graph
    with pytest.raises(BadInput, match=r"commit 1234567 .* is not in the repository"):
        read_sources([{"path": str(path), "digests": {DIGEST: "1234567"}}], run)


def test_a_path_that_is_missing_or_no_repository_is_named(tmp_path):
    with pytest.raises(BadInput, match="the source is not there"):
        read_graph(str(tmp_path / "none"), run)
    with pytest.raises(BadInput, match="cannot be read by git"):
        read_graph(str(tmp_path), run)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "path is missing"),
        ({"path": "/x", "branch": "main"}, "keys that nothing reads: branch"),
        ({"path": "/x", "digests": ["a"]}, "not a dictionary"),
        ({"path": "/x", "digests": {"latest": "1234567"}}, "no image digest"),
        ({"path": "/x", "digests": {DIGEST: "main"}}, "no commit id"),
    ],
)
def test_a_source_of_the_wrong_shape_is_one_clear_error(entry, message):
    with pytest.raises(BadInput, match=message):
        read_sources([entry], run)


def test_a_git_that_hangs_or_is_missing_is_said(repository, tmp_path, monkeypatch):
    path, ids = repository
    monkeypatch.setattr(commits, "TIMEOUT_S", 0.2)
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(TimedOut, match="git did not answer"):
        read_graph(str(path), run)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BadInput, match="git is missing"):
        read_graph(str(path), run)
