# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading one report: ``read_report(path, options=...)`` gives the scan record and its findings.

The file is read once, in pieces; memory stays bounded by the window and the spools of the options however long the file
is. Which format it has is seen from its first part.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.errors import BadInput
from .._core.findings import Finding, Scan
from .archive import Member
from .collector import collector_paused
from .formats.form import SARIF, Form
from .look import CSV, HEAD, XML, Look, look
from .options import ReadOptions
from .record import Record
from .sarif.read import SarifReader
from .source import Source
from .spool import Lines, tail_of
from .tally import Tally
from .text import Cleaner, one_line
from .window import Window

if TYPE_CHECKING:
    from .recorder import Recorder


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A scan record and its findings, in the report's order. Close it (or use ``with``) to free a temporary file."""

    scan: Scan
    _lines: Lines
    _tail: bytes

    def __enter__(self) -> ReadResult:
        return self

    def __exit__(self, *_details: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()

    @property
    def count(self) -> int:
        """How many findings were kept."""
        return self._lines.count

    def findings(self) -> Iterator[Finding]:
        """The findings; may be called again."""
        for record in self.records():
            yield Finding.from_dict(record)

    def records(self) -> Iterator[dict[str, Any]]:
        """The findings as dictionaries, as ``Finding.to_dict`` gives them."""
        for line in self.lines():
            yield json.loads(line)

    def lines(self) -> Iterator[bytes]:
        """The findings as lines of the store, without line ends."""
        for block in self.blocks():
            yield from block.split(b"\n")[:-1]

    def blocks(self) -> Iterator[bytes]:
        """The same with their line ends, several lines at once."""
        return self._lines.blocks(self._tail)


def read_report(path: str | os.PathLike[str] | Member, *, options: ReadOptions | None = None) -> ReadResult:
    """Read the report at ``path``, or the member of an archive as ``select`` gives it.

    A member is a report of its own: ``Scan.file`` is ``archive!member``, ``sha256`` and ``bytes`` are those of its
    unpacked bytes.

    Raises BadInput, once and clearly, for a file that is missing, unreadable, empty, cut off, of no format or of
    several, nested too deeply, larger than the caps, or made for another commit than the options say. A report of a
    scan that failed is no bad input: its scan record says so.
    """
    options = options or ReadOptions()
    lines = Lines(options.spool_bytes)
    try:
        with collector_paused():
            return _read(path if isinstance(path, Member) else os.fspath(path), options, lines)
    except RecursionError:
        lines.close()
        raise BadInput("the report is nested too deeply", where=one_line(str(path))) from None
    except BaseException:
        lines.close()
        raise


def form_of(path: str | Member, options: ReadOptions) -> Form | None:
    """The format that a file begins like; None for no report. Raises BadInput only for what several formats claim."""
    try:
        source = Source(path, options)
        seen, _blocks = _first_look(source)
    except BadInput:
        return None
    return _recognised(seen, source.name) if not seen.problem else None


def _read(path: str | Member, options: ReadOptions, lines: Lines) -> ReadResult:
    tally = Tally()
    cleaner = Cleaner(tally, options.max_text)
    record = Record(cleaner.label(str(path), 4096), options, tally, cleaner)
    source = Source(path, options)
    seen, blocks = _first_look(source)
    form = _chosen(options.format, seen, source.name)
    if form is SARIF:
        window = Window(source.text(blocks), name=record.name, tally=tally, limit=options.window)
        scan = SarifReader(record, lines).read(window, source)
        return ReadResult(scan, lines, _tail(scan))
    from .recorder import Recorder

    recorder = Recorder(record, lines, beside=source.beside)
    try:
        _read_form(form, source, blocks, recorder)
        scan = recorder.scan(source, form=form.name)
    finally:
        recorder.close()
    return ReadResult(scan, lines, _tail(scan, commit=True))


# Most reports are SARIF, and nobody else's begin like it: the other formats are loaded for the others only.


def _recognised(seen: Look, name: str) -> Form | None:
    if SARIF.recognise(seen):
        return SARIF
    from .formats import known

    return known.recognised(seen, name)


def _chosen(wanted: str, seen: Look, name: str) -> Form:
    if wanted in ("auto", SARIF.name) and SARIF.recognise(seen):
        return SARIF
    from .formats import known

    return known.chosen(wanted, seen, name)


def _first_look(source: Source) -> tuple[Look, Iterator[bytes]]:
    """What the file begins with, and all of its blocks."""
    blocks = source.blocks()
    first, size = [], 0
    for block in blocks:
        first.append(block)
        size += len(block)
        if size >= HEAD:
            break
    complete = size < HEAD
    seen = look(b"".join(first), source.text(iter(first), ends=complete), complete=complete, name=source.name)
    return seen, itertools.chain(first, blocks)


def _read_form(form: Form, source: Source, blocks: Iterator[bytes], recorder: Recorder) -> None:
    options, name = recorder.options, recorder.name
    if form.container == XML:
        from .markup import Markup

        hollow = form.counted if options.totals_only else ()
        markup = Markup(
            blocks,
            wanted=[element for element in form.elements if element not in hollow],
            opened=form.around,
            hollow=hollow,
            name=name,
            tally=recorder.tally,
            limit=options.window,
        )
        form.read(markup, recorder)
    elif form.container == CSV:
        from .columns import Columns

        form.read(Columns(source.text(blocks), name=name, tally=recorder.tally, limit=options.window), recorder)
    else:
        window = Window(source.text(blocks), name=name, tally=recorder.tally, limit=options.window)
        form.read(window, recorder)
        window.finish()


def _tail(scan: Scan, *, commit: bool = False) -> bytes:
    """What ends each line of the store."""
    more = f',"commit":{json.dumps(scan.commit)}' if commit else ""
    return f"{more}{tail_of(scan.sha256)}".encode("ascii")
