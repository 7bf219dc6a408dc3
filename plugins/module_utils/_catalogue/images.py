# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which commit an image was built from, and how sure that is.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import BadInput
from .._core.statements import RecoveryPoint
from . import values
from .commits import CommitGraph

SOURCE, EXTERNAL, UNMAPPED = "source", "external", "unknown"
_DECLARED = "E"  # an operator's map of digests to commits; see the grades in the docs


@dataclass(frozen=True, slots=True)
class Source:
    """One repository: ``digests`` maps image digests to its commits; ``workloads`` (``Kind/name``) narrows down which
    workloads its images are for, empty for those seen running them.
    """

    name: str
    digests: Mapping[str, str]
    workloads: tuple[str, ...] = ()

    def resolved(self, graph: CommitGraph) -> Source:
        """With bare digests and whole commit ids. Raises BadInput for a commit that the graph does not have."""
        digests = {}
        for digest, commit in self.digests.items():
            known = graph.resolve(commit)
            if known is None:
                raise BadInput(
                    f"commit {commit} of image {shown(digest)} is not in the repository",
                    where=self.name,
                    why="no branch or tag there leads to it, or its short form fits several commits",
                    next="git fetch the branch that has it, or correct app.sources[].digests",
                )
            digests[bare_digest(digest)] = known
        return Source(self.name, digests, self.workloads)


@dataclass(frozen=True, slots=True)
class External:
    """An image that no scan covers: by digest or by repository. ``assume``: ``ok`` or ``unknown``."""

    assume: str
    digests: frozenset[str] = frozenset()
    repository: str = ""


@dataclass(frozen=True, slots=True)
class ImageFact:
    """What is known of one image. ``role``: ``source`` (``commit`` and ``grade`` say from where), ``external``
    (``assume`` says what is taken for granted) or ``unknown``; ``reason`` says why.
    """

    role: str
    reason: str
    commit: str = ""
    grade: str = "U"
    assume: str = ""


@dataclass(frozen=True, slots=True)
class ImageMap:
    """Declared sources and external images, with what the ledger recorded."""

    sources: tuple[Source, ...] = ()
    external: tuple[External, ...] = ()
    recorded: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def fact(self, digest: str, image: str) -> ImageFact:
        """What is known of the image with this digest (empty: unknown) that was started as ``image``."""
        commits = self._commits(digest)
        if len(commits) > 1:
            names = ", ".join(sorted(commit[:12] for commit in commits))
            return ImageFact(UNMAPPED, f"the sources disagree about {shown(digest)}: {names}")
        if commits:
            return ImageFact(SOURCE, f"declared by sources[].digests (grade {_DECLARED})", commits.pop(), _DECLARED)
        for rule in self.external:
            if digest in rule.digests or (rule.repository and rule.repository == repository(image)):
                return ImageFact(EXTERNAL, f"external image, assumed {rule.assume}", assume=rule.assume)
        if not digest:
            return ImageFact(UNMAPPED, f"it is not known which digest {image or 'the image'} had")
        return ImageFact(UNMAPPED, f"no source says from which commit {shown(digest)} ({image}) was built")

    def _commits(self, digest: str) -> set[str]:
        if not digest:
            return set()
        return {s.digests[digest] for s in self.sources if digest in s.digests} | self.recorded.get(digest, frozenset())

    def source_of(self, digest: str) -> Source | None:
        """The declared source that names this digest."""
        return next((source for source in self.sources if digest in source.digests), None)


def image_map(
    sources: Sequence[Source],
    external: Iterable[Mapping[str, Any]],
    points: Iterable[RecoveryPoint],
    graph: CommitGraph,
) -> ImageMap:
    """Joins what is declared now with what was recorded at the cuts; a commit recorded for a digest stays known.

    Raises BadInput for a declared commit that its repository does not have, and for external images of no known shape.
    """
    recorded: dict[str, set[str]] = {}
    for point in points:
        for digest, commit in point.commits.items():
            known = graph.resolve(commit)
            if known:
                recorded.setdefault(bare_digest(digest), set()).add(known)
    return ImageMap(
        tuple(source.resolved(graph) for source in sources),
        tuple(_external(entry, f"app.external_images[{number}]") for number, entry in enumerate(external)),
        {digest: frozenset(commits) for digest, commits in recorded.items()},
    )


def _external(entry: Mapping[str, Any], where: str) -> External:
    values.only(entry, ("digest", "digests", "repository", "assume"), where)
    digests = [*values.texts(entry.get("digests"), f"{where}.digests"), str(entry.get("digest") or "")]
    named = str(entry.get("repository") or "")
    found = frozenset(bare_digest(digest) for digest in digests if digest)
    if not found and not named:
        raise BadInput(f"{where} names no digest and no repository")
    assume = values.choice(entry.get("assume", "unknown"), ("ok", "unknown"), f"{where}.assume")
    return External(assume, found, repository(named) if named else "")


def bare_digest(text: str) -> str:
    """``sha256:...`` of a digest, an image reference with one, or a runtime's image id."""
    return text.rpartition("@")[2]


def repository(image: str) -> str:
    """The repository of an image reference, with the registry and library that Docker's short names leave out.

    Empty for a bare digest.
    """
    name = untagged(image)
    first, slash, rest = name.partition("/")
    if not slash:
        return f"docker.io/library/{name}" if name else ""
    if "." not in first and ":" not in first and first != "localhost":
        return f"docker.io/{name}"
    if first in ("docker.io", "index.docker.io") and "/" not in rest:
        return f"docker.io/library/{rest}"
    return f"docker.io/{rest}" if first == "index.docker.io" else name


def untagged(image: str) -> str:
    """An image reference without tag and digest; empty for a bare digest."""
    if image.startswith("sha256:"):
        return ""
    head, slash, last = image.removeprefix("docker-pullable://").partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def shown(digest: str) -> str:
    """A digest as reasons show it."""
    return bare_digest(digest)[:19]
