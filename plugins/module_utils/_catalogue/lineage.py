# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who wrote which volume, up to each cut: the history of a volume's content, not of its name.

What an image wrote stays in the volume after the image is gone, so writers only ever add up. A restore gives a volume
the history of the point it came from. A volume whose storage was exchanged without a statement of ours has a gap.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._core.plan import Json
from .._core.statements import CAPTURED, RESTORED, Statement
from .images import bare_digest

SEEN, PRESUMED = "seen", "presumed"
Images = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True, slots=True)
class Writing:
    """An image that may write a volume from some time on.

    ``since`` is the point before the one where it was first seen (empty: it was there at the volume's first point), so
    it began at some time between the two; ``seen_at`` is the point where it was first seen. ``certainty``: ``seen``,
    or ``presumed`` for what ran before a restore that does not say which images went on after it.
    """

    workload: str
    container: str
    image: str
    digest: str
    since: str
    seen_at: str
    certainty: str = SEEN


@dataclass(frozen=True, slots=True)
class Change:
    """One image took another's place in a container between two points."""

    workload: str
    container: str
    old: str
    new: str
    before: str
    at: str


@dataclass(frozen=True, slots=True)
class History:
    """All that may have written a volume up to one cut.

    ``first`` is the first point that knows the volume: what wrote before it was not seen. ``gaps`` are sentences about
    times or writers nobody knows of. ``restored_from`` is the point that the content goes back to, or empty.
    """

    first: str
    writings: tuple[Writing, ...]
    changes: tuple[Change, ...] = ()
    gaps: tuple[str, ...] = ()
    restored_from: str = ""


@dataclass(slots=True)
class _Line:
    """The history of one volume's content while the ledger is read."""

    first: str
    handle: str = ""
    writings: dict[tuple[str, str, str], Writing] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    gaps: dict[str, None] = field(default_factory=dict)
    running: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    last: str = ""
    restored_from: str = ""

    def cut(self) -> History:
        return History(
            self.first, tuple(self.writings.values()), tuple(self.changes), tuple(self.gaps), self.restored_from
        )

    def write(
        self, workload: str, containers: Mapping[str, Mapping[str, str]], point: str, certainty: str = SEEN
    ) -> None:
        for container, entry in sorted(containers.items()):
            digest, image = digest_of(entry), str(entry.get("image") or "")
            key = (workload, container, digest)
            if key not in self.writings or self.writings[key].certainty == PRESUMED:
                self.writings[key] = Writing(workload, container, image, digest, self.last, point, certainty)
            before = self.running.get((workload, container))
            if before is not None and before[0] != digest:
                self.changes.append(Change(workload, container, before[0], digest, self.last, point))
            self.running[(workload, container)] = (digest, image)

    def knows(self, workload: str) -> bool:
        return any(name == workload for name, _container, _digest in self.writings)


class _Reader:
    """Walks a ledger in its order."""

    def __init__(self, narrower: Mapping[str, Sequence[str]]) -> None:
        self._narrower = narrower
        self._lines: dict[str, _Line] = {}
        self._by_handle: dict[str, _Line] = {}
        self.cuts: dict[tuple[str, str], History] = {}
        self._writers_of: dict[str, list[str]] = {}

    def take(self, statement: Statement) -> None:
        if statement.kind == CAPTURED:
            self._captured(statement.point, statement.body)
        elif statement.kind == RESTORED:
            self._restored(statement.point, statement.body)

    def _captured(self, point: str, body: Mapping[str, Json]) -> None:
        images: Images = body.get("images") or {}
        for volume in body.get("volumes") or ():
            claim = str(volume["claim"])
            line = self._line(claim, str(volume.get("volume_handle") or volume.get("volume") or ""), point)
            self._writers_of[claim] = self._writers(claim, body, images)
            for workload in self._writers_of[claim]:
                if images.get(workload):
                    line.write(workload, images[workload], point)
                elif not line.knows(workload):
                    line.gaps.setdefault(f"{workload} may write {claim}, and no point has seen it running")
            line.last = point
            self.cuts[(point, claim)] = line.cut()

    def _writers(self, claim: str, body: Mapping[str, Json], images: Images) -> list[str]:
        declared = self._narrower.get(claim)
        if declared is not None:
            return sorted(declared)
        recorded = (body.get("writers") or {}).get(claim)
        return sorted(images if recorded is None else recorded)

    def _line(self, claim: str, handle: str, point: str) -> _Line:
        """The history that the storage behind a claim carries on."""
        line = self._lines.get(claim)
        known = self._by_handle.get(handle) if handle else None
        if known is not None:
            line = known
        elif line is None:
            line = _Line(first=point)
        elif line.handle and handle and line.handle != handle:
            line = self._exchanged(line, claim, point)
        if handle:
            line.handle = handle
            self._by_handle[handle] = line
        self._lines[claim] = line
        return line

    @staticmethod
    def _exchanged(line: _Line, claim: str, point: str) -> _Line:
        """Other storage stands behind the claim and the ledger does not say why: it may be a copy, or anything."""
        fresh = _Line(line.first, "", dict(line.writings), list(line.changes), dict(line.gaps), last=line.last)
        fresh.running = dict(line.running)
        fresh.gaps.setdefault(f"the storage of {claim} was exchanged before {point}, and no statement says by what")
        return fresh

    def _restored(self, point: str, body: Mapping[str, Json]) -> None:
        """``volumes`` name the ``claim`` of the point and, where it was restored beside it, the new claim ``as``.

        That a restore was undone needs no reading: the old storage is known by its handle when it is captured again.
        """
        if body.get("undone"):
            return
        going_on: Images | None = body.get("images")
        for volume in body.get("volumes") or ():
            source = str(volume["claim"])
            claim = str(volume.get("as") or source)
            before, origin = self._lines.get(claim), self.cuts.get((point, source))
            line = _Line(first=origin.first if origin else point, last=point, restored_from=point)
            if origin is None:
                line.gaps.setdefault(f"{claim} was restored from {point}, of which the ledger knows no {source}")
            else:
                line.writings = {(w.workload, w.container, w.digest): w for w in origin.writings}
                line.changes, line.gaps = list(origin.changes), dict.fromkeys(origin.gaps)
            if going_on is None and before is not None:
                for (workload, container), (digest, image) in sorted(before.running.items()):
                    line.write(workload, {container: {"digest": digest, "image": image}}, point, PRESUMED)
            writers = self._writers_of.get(claim)
            for workload, containers in sorted((going_on or {}).items()):
                if writers is None or workload in writers:
                    line.write(workload, containers, point)
            self._lines[claim] = line


def digest_of(entry: Mapping[str, str]) -> str:
    """The digest of a container's image; empty where neither the pod nor the reference tells it."""
    image = str(entry.get("image") or "")
    return bare_digest(str(entry.get("digest") or (image if "@" in image else "")))


def lineage(
    statements: Iterable[Statement], narrower: Mapping[str, Sequence[str]] | None = None
) -> dict[tuple[str, str], History]:
    """The history of each volume at each point: ``{(point, claim): history}``.

    Every workload whose images a point holds wrote all of its volumes, unless the point recorded writers, or
    ``narrower`` (``{claim: ["Kind/name", ...]}``: what the application declares now) says otherwise.
    """
    reader = _Reader(narrower or {})
    for statement in statements:
        reader.take(statement)
    return reader.cuts
