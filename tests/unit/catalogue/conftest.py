# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A repository that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from .programs import git


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """one - two - merge, with a side branch from one."""
    path = tmp_path_factory.mktemp("repository")
    git(path, "init", "-q", "-b", "main")
    ids = {}
    for name in ("one", "two"):
        git(path, "commit", "-q", "--allow-empty", "-m", name)
        ids[name] = git(path, "rev-parse", "HEAD")
    git(path, "checkout", "-q", "-b", "side", ids["one"])
    git(path, "commit", "-q", "--allow-empty", "-m", "side")
    ids["side"] = git(path, "rev-parse", "HEAD")
    git(path, "checkout", "-q", "main")
    git(path, "merge", "-q", "--no-ff", "-m", "merge", "side")
    ids["merge"] = git(path, "rev-parse", "HEAD")
    return path, ids
