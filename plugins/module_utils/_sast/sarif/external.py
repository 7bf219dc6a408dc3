# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a run stands outside of it: elsewhere in the same file, or in another file (SARIF 2.1.0, 3.14.2, 3.15, 4.3).

Parts of the same file are merged into the run that names them. Other files are left alone, so that the run counts as
partly read, unless the caller gives a way to open those that lie in the report's own directory. Nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ..._core.errors import BadInput
from ..shape import as_dict, as_list, as_str
from ..tally import Tally
from ..text import visible
from .run import RawRun

REFERENCES = "externalPropertyFileReferences"
# Runs that wait for parts further down hold their rules in memory.
_MOST_WAITING = 16
_MOST_PARTS = 1000
_MOST_FILES = 100


@dataclass(slots=True)
class Part:
    """An externalProperties object; its lists are those of a run."""

    content: RawRun
    guid: str = ""
    run_guid: str = ""
    merged: bool = False


class Parts:
    """Hands each run on, in order, when everything that belongs to it was read, the last one at the document's end.

    ``open_file`` gives the part in a file named by its URI, or raises BadInput; None when no file may be opened.
    """

    def __init__(
        self, each_run: Callable[[RawRun], None], open_file: Callable[[str], Part] | None, tally: Tally
    ) -> None:
        self._each_run = each_run
        self._open_file = open_file
        self._tally = tally
        self._parts: list[Part] = []
        self._waiting: list[RawRun] = []
        self._last: RawRun | None = None
        self._files = 0

    @property
    def full(self) -> bool:
        return len(self._parts) >= _MOST_PARTS

    @property
    def left_over(self) -> int:
        """Parts that no run asked for."""
        return sum(not part.merged for part in self._parts)

    def add(self, part: Part) -> None:
        self._parts.append(part)

    def run(self, run: RawRun) -> None:
        """A run as it stands. One that names parts waits for the rest of the document, and so do those after it."""
        self._complete_last()
        if not self._waiting and (self._parts or not _asks(run)):
            self._last = run
            return
        run.rows.park()
        self._waiting.append(run)
        if len(self._waiting) > _MOST_WAITING:
            self.finish()

    def finish(self) -> None:
        """No further part will come: complete what waits."""
        self._complete_last()
        waiting, self._waiting = self._waiting, []
        for position, run in enumerate(waiting):
            try:
                self._complete(run)
            except BaseException:
                self._waiting = waiting[position + 1 :]
                raise

    def close(self) -> None:
        for run in (*self._waiting, *([self._last] if self._last else []), *(part.content for part in self._parts)):
            run.rows.close()

    def _complete_last(self) -> None:
        last, self._last = self._last, None
        if last is not None:
            self._complete(last)

    def _complete(self, run: RawRun) -> None:
        try:
            merged = [part.guid for part in self._parts if not part.merged and _belongs(part, run)]
            for part in self._parts:
                if not part.merged and _belongs(part, run):
                    self._merge(run, part)
            _forget(run, lambda reference: bool(reference.get("guid")) and reference.get("guid") in merged)
            if self._open_file is not None and run.values.get(REFERENCES):
                _forget(run, lambda reference: self._opened(run, reference))
            self._each_run(run)
        finally:
            run.rows.close()

    def _opened(self, run: RawRun, reference: dict[str, Any]) -> bool:
        """Whether the file that a reference names could be merged."""
        uri = as_str(as_dict(reference.get("location")).get("uri"))
        if uri is None or self._open_file is None:
            return False
        self._files += 1
        shown = visible(uri)[:200]
        if self._files > _MOST_FILES:
            self._tally.warn("external_file_refused", "a part in another file was not read", f"{shown}: too many files")
            return False
        try:
            part = self._open_file(unquote(uri))
        except BadInput as error:
            first = f"{shown}: {error.why or error.what}"
            self._tally.warn("external_file_refused", "a part in another file was not read", first)
            return False
        try:
            if reference.get("guid") and part.guid and part.guid != reference.get("guid"):
                text = "a part in another file has not the guid that the run names and was not used"
                self._tally.warn("external_file_mismatch", text, shown)
                return False
            self._merge(run, part)
            self._tally.warn("external_file_read", "a part of the report was read from another file", shown)
        finally:
            part.content.rows.close()
        return True

    def _merge(self, run: RawRun, part: Part) -> None:
        """Lists are appended, in the order of the parts; what the run says itself about its tool goes before."""
        part.merged, content = True, part.content
        run.artifacts += content.artifacts
        run.invocations += content.invocations
        run.taxonomies += content.taxonomies
        run.symbols += content.symbols
        if content.results == "list":
            run.results = "list"
            for row in content.rows:
                run.rows.put([as_dict(row)])
            run.seen += content.seen
            run.dropped += content.dropped
        if content.tool.get("driver"):
            own = {key: value for key, value in as_dict(run.tool.get("driver")).items() if value}
            run.tool["driver"] = {**content.tool["driver"], **own}
        if content.tool.get("extensions"):
            run.tool["extensions"] = [*as_list(run.tool.get("extensions")), *content.tool["extensions"]]
        self._tally.warn("external_part_merged", "a run's part that stands outside of it was merged into it")


def _asks(run: RawRun) -> bool:
    return bool(run.values.get(REFERENCES)) or (run.results != "list" and bool(_guid_of(run)))


def _guid_of(run: RawRun) -> str:
    return as_str(as_dict(run.values.get("automationDetails")).get("guid")) or ""


def _belongs(part: Part, run: RawRun) -> bool:
    """Whether the run names the part, or the part the run, by guid."""
    if part.run_guid and part.run_guid == _guid_of(run):
        return True
    return bool(part.guid) and any(reference.get("guid") == part.guid for reference in _references(run))


def _references(run: RawRun) -> Iterator[dict[str, Any]]:
    for value in as_dict(run.values.get(REFERENCES)).values():
        yield from map(as_dict, value if isinstance(value, list) else [value])


def _forget(run: RawRun, satisfied: Callable[[dict[str, Any]], bool]) -> None:
    """Take out of the run's references those that are satisfied now."""
    left = {}
    for name, value in as_dict(run.values.get(REFERENCES)).items():
        kept = [entry for entry in (value if isinstance(value, list) else [value]) if not satisfied(as_dict(entry))]
        if kept:
            left[name] = kept
    run.values[REFERENCES] = left
