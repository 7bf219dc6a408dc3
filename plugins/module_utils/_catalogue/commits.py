# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commit graph as a value: who descends from whom. Never dates.

PRIVATE to this collection.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_SHORTENED = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class CommitGraph:
    """``parents`` maps each commit to its parents, children before parents (newest first).

    ``shallow`` says that history was cut off: commits without parents may have some.
    """

    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shallow: bool = False
    _ancestors: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    _children: dict[str, list[str]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def joined(cls, graphs: Iterable[CommitGraph]) -> CommitGraph:
        """Several repositories as one graph: commit ids do not collide."""
        parents: dict[str, tuple[str, ...]] = {}
        shallow = False
        for graph in graphs:
            parents.update(graph.parents)
            shallow = shallow or graph.shallow
        return cls(parents, shallow)

    def __contains__(self, commit: object) -> bool:
        return commit in self.parents

    def resolve(self, text: str | None) -> str | None:
        """The commit of this id, or of this beginning of one (seven digits or more) where only one has it."""
        if not text:
            return None
        if text in self.parents:
            return text
        short = text.lower()
        if not _SHORTENED.fullmatch(short):
            return None
        found = [commit for commit in self.parents if commit.startswith(short)]
        return found[0] if len(found) == 1 else None

    def ancestors(self, commit: str) -> frozenset[str]:
        """The commit and everything before it; only itself where it is not in the graph."""
        known = self._ancestors.get(commit)
        if known is not None:
            return known
        seen, left = {commit}, [commit]
        while left:
            for parent in self.parents.get(left.pop(), ()):
                if parent not in seen:
                    seen.add(parent)
                    left.append(parent)
        self._ancestors[commit] = frozenset(seen)
        return self._ancestors[commit]

    def is_ancestor(self, old: str, new: str) -> bool:
        """Is ``old`` the same commit as ``new``, or before it?"""
        return old in self.ancestors(new)

    def first_parents(self, commit: str) -> Iterator[str]:
        """The main line before the commit, nearest first, without itself."""
        seen = {commit}
        line = self.parents.get(commit, ())
        while line and line[0] not in seen:
            yield line[0]
            seen.add(line[0])
            line = self.parents.get(line[0], ())

    def first_children(self, commit: str) -> list[str]:
        """The commits whose first parent this is."""
        if not self._children:
            for child, parents in self.parents.items():
                if parents:
                    self._children.setdefault(parents[0], []).append(child)
        return self._children.get(commit, [])

    def between(self, one: str, other: str, among: Container[str] | None = None) -> tuple[str, ...]:
        """Commits strictly between two, on any way from the older to the newer; none where neither is before the other.

        Newest first. ``among`` narrows down which commits are asked for.
        """
        if self.is_ancestor(one, other):
            old, new = one, other
        elif self.is_ancestor(other, one):
            old, new = other, one
        else:
            return ()
        way = self.ancestors(new) - self.ancestors(old)
        wanted = (c for c in self.parents if c in way and c != new and (among is None or c in among))
        return tuple(c for c in wanted if self.is_ancestor(old, c))

    def newest(self, commits: Iterable[str]) -> list[str]:
        """Those of the commits that none of the others descends from, in the order of the graph."""
        wanted = [c for c in self.parents if c in set(commits)]
        return [c for c in wanted if not any(o != c and self.is_ancestor(c, o) for o in wanted)]
