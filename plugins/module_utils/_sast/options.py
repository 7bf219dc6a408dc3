# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The knobs of the reader, with defaults that suit reports from an untrusted pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .._core.findings import Finding
from .policy import Policy

if TYPE_CHECKING:
    from .waivers import Ground

MEBIBYTE = 1024 * 1024


class Judge(Protocol):
    """Waivers or VEX statements."""

    def judge(self, finding: Finding, commit: str | None = None, digests: Sequence[str] = ()) -> Ground | None:
        """Why a live finding is to be hidden, or None."""


class LineHashes(Protocol):
    """A checkout of the source that was scanned."""

    def hash(self, path: str, line: int | None) -> str | None:
        """The hash of a line, None where it cannot be had."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a report.

    ``format``: auto or one of ``formats.known.NAMES``. ``totals_only``: no findings are kept, only counted; texts,
    places and identities are not looked at, and no policy is asked. ``commit``: auto (from the report) or a commit id
    that the report must not contradict.
    ``digests``: image digest -> commit, or one digest for everything. ``suppressions``: strict (every one must be
    accepted) or lenient (one accepted is enough). ``note_severity``: what level ``note`` means, low or info.
    ``source_root``: a path or URI prefix of the scanning machine that stands for the repository root. ``uri_bases``:
    uriBaseId -> path relative to the root ("" is the root), in place of what the report says. ``judges``: asked in
    order whether they hide a live finding. ``source``: gives the line hashes that the report lacks.
    ``external_files``: whether parts of a SARIF report that it keeps in other files of its own directory are read.

    Caps, in bytes, entries or characters: ``max_bytes`` of unpacked file, ``max_ratio`` of decompression once
    ``ratio_from`` bytes have come out, ``max_results`` of one file, ``max_locations`` of one finding, ``max_text`` of
    one message. ``window`` is the largest JSON value that is decoded in one piece; bigger ones are walked and pruned.
    ``max_members``: of one archive. ``chunk`` bytes are read at a time; a spool may hold ``spool_bytes`` in memory
    before it becomes a temporary file.
    """

    format: str = "auto"
    totals_only: bool = False
    commit: str = "auto"
    digests: Mapping[str, str] | str | None = None
    suppressions: str = "strict"
    note_severity: str = "low"
    policy: Policy = field(default_factory=Policy)
    source_root: str = ""
    uri_bases: Mapping[str, str] = field(default_factory=dict)
    judges: tuple[Judge, ...] = ()
    source: LineHashes | None = None
    external_files: bool = False
    max_bytes: int = 4096 * MEBIBYTE
    max_ratio: int = 200
    ratio_from: int = 10 * MEBIBYTE
    max_results: int = 1_000_000
    max_locations: int = 100
    max_members: int = 10_000
    max_text: int = 4096
    window: int = 4 * MEBIBYTE
    chunk: int = 128 * 1024
    spool_bytes: int = 16 * MEBIBYTE
