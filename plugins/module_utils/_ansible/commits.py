# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commit graph of an application's sources, read with the git command line on the controller.

PRIVATE to this collection.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from .._catalogue.commits import CommitGraph
from .._catalogue.images import Source
from .._core.errors import BadInput, TimedOut
from .._core.redact import redact_text
from .programs import Run

TIMEOUT_S = 60.0
_KEYS = ("path", "digests", "workloads")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
# What would make git look elsewhere than at the path that was given.
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


def read_sources(declared: Iterable[Mapping[str, Any]], run: Run) -> tuple[tuple[Source, ...], CommitGraph]:
    """The sources of an application (``path``, ``digests``: digest -> commit, ``workloads``) and their joined graph.

    Raises BadInput for a wrong shape, a path that is no git repository, and a commit that it does not have.
    """
    sources, graphs = [], []
    for number, entry in enumerate(declared):
        source = _source(entry, f"app.sources[{number}]")
        graph = read_graph(source.name, run)
        sources.append(source.resolved(graph))
        graphs.append(graph)
    return tuple(sources), CommitGraph.joined(graphs)


def _source(entry: Mapping[str, Any], where: str) -> Source:
    unknown = sorted(set(entry) - set(_KEYS))
    if unknown:
        raise BadInput(f"{where} has keys that nothing reads", why=", ".join(unknown))
    path, digests = entry.get("path"), entry.get("digests") or {}
    if not isinstance(path, str) or not path:
        raise BadInput(f"{where}.path is missing", next="give the path of a git checkout on the controller")
    if not isinstance(digests, Mapping):
        raise BadInput(f"{where}.digests is not a dictionary of image digest to commit", why=f"got {digests!r}")
    for digest, commit in digests.items():
        if not _DIGEST.fullmatch(str(digest)):
            raise BadInput(f"{where}.digests: {digest!r} is no image digest", next="sha256: and 64 hex digits")
        if not _COMMIT.fullmatch(str(commit)):
            why = "a name or a tag may move; a commit does not"
            raise BadInput(f"{where}.digests: {commit!r} is no commit id", why=why, next="give the 40 hex digits")
    workloads = tuple(str(ref) for ref in entry.get("workloads") or ())
    return Source(os.path.expanduser(path), {str(d): str(c) for d, c in digests.items()}, workloads)


def read_graph(path: str, run: Run) -> CommitGraph:
    """All commits of a repository's branches, tags and HEAD. Raises BadInput, TimedOut."""
    if not os.path.isdir(path):
        raise BadInput("the source is not there", where=path, next="clone it on the controller, or correct app.sources")
    listing = _git(run, path, "rev-list", "--parents", "--topo-order", "--all", "HEAD")
    parents: dict[str, tuple[str, ...]] = {}
    for line in listing.splitlines():
        commit, *before = line.split()
        parents[commit] = tuple(before)
    shallow = _git(run, path, "rev-parse", "--is-shallow-repository").strip() == "true"
    return CommitGraph(parents, shallow)


def _git(run: Run, path: str, *arguments: str) -> str:
    # The checkout may belong to another user than the one who runs the play; only history is read from it, so that
    # nothing in it (hooks, fsmonitor, replacement objects) can steer what is done.
    if shutil.which("git") is None:
        raise BadInput("the program git is missing", why="sources are read with it", next="install git")
    unset = [word for name in _ELSEWHERE for word in ("-u", name)]
    command = ["env", *unset, "git", "-c", f"safe.directory={os.path.realpath(path)}", "-c", "core.fsmonitor=false"]
    command += ["--no-replace-objects", "-C", path, *arguments]
    environment = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        status, out, err = run(command, environment, TIMEOUT_S)
    except TimeoutError as error:
        raise TimedOut("git did not answer", where=path, why=f"after {TIMEOUT_S:g} s") from error
    if status != 0:
        why = redact_text(" ".join(err.split())[:300])
        raise BadInput("the source cannot be read by git", where=path, why=why, next=f"try: git -C {path} log")
    return out
