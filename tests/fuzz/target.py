# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold of every input, whatever its bytes: a right answer or one clean error, soon, and nothing else."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._core.findings import Finding, Scan
from ansible_collections.knowngood.kube.plugins.module_utils._sast.formats import known
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.text import visible

CORPUS = Path(__file__).resolve().parents[1] / "corpus" / "sast"
LONGEST_S = 20.0
"""A few kB, on a machine that does other things as well."""
# Sizes at which pieces end in other places, so that every border falls into every structure some time.
_WINDOWS = (200, 5_000, 4 << 20)
_CHUNKS = (7, 300, 128 << 10)
_FORBIDDEN = ("socket.", "subprocess.", "os.system", "os.exec", "os.remove", "os.rename", "os.mkdir", "os.symlink")


class Watch:
    """What a reader does besides reading: opened files, the network, other programs. Set up once a process."""

    def __init__(self) -> None:
        self.watching = False
        self.seen: list[str] = []
        self._allowed: tuple[str, ...] = ()
        sys.addaudithook(self._hook)

    def allow(self, *places: str) -> None:
        """Files below these places may be opened, and those of Python itself."""
        self._allowed = (*places, sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[2]), "/proc/self")

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching:
            return
        if event.startswith(_FORBIDDEN):
            self.seen.append(f"{event} {arguments!r}")
        elif event == "open" and isinstance(arguments[0], (str, bytes)):
            path = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode(errors="replace")
            if path not in self._allowed and not path.startswith(tuple(f"{place}/" for place in self._allowed)):
                self.seen.append(f"opened {path!r}")


class Target:
    """Reads bytes as a report, in a folder of its own. Raises AssertionError for anything that must not be."""

    def __init__(self, watch: Watch) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kg-fuzz-")
        self._path = Path(self._folder.name) / "report"
        self._watch = watch
        watch.allow(self._folder.name, tempfile.gettempdir())
        self.read = 0
        self.refused = 0

    def close(self) -> None:
        self._folder.cleanup()

    def check(self, content: bytes) -> None:
        """One input, with sizes and options that it chooses itself: the same input is always read the same way."""
        self._path.write_bytes(content)
        number = zlib.crc32(content)
        options = ReadOptions(
            format=("auto", "auto", "auto", known.NAMES[number // 7 % len(known.NAMES)])[number % 4],
            window=_WINDOWS[number % 3],
            chunk=_CHUNKS[number // 3 % 3],
            spool_bytes=(100, 1 << 20)[number // 9 % 2],
            totals_only=number % 5 == 0,
            max_bytes=1 << 24,
            suppressions=("strict", "lenient")[number // 5 % 2],
        )
        begun = time.monotonic()
        self._watch.watching = True
        try:
            with read_report(self._path, options=options) as outcome:
                lines, scan = list(outcome.lines()), outcome.scan
        except BadInput as error:
            self.refused += 1
            _sound_error(str(error))
        else:
            self.read += 1
            _sound(lines, scan, totals_only=options.totals_only)
        finally:
            self._watch.watching = False
        took = time.monotonic() - begun
        assert took < LONGEST_S, f"{len(content)} bytes took {took:.1f} s"
        assert not self._watch.seen, self._watch.seen


def seeds() -> list[bytes]:
    """All reports of the corpus, smallest first."""
    found = [
        path.read_bytes()
        for path in CORPUS.glob("*/**/*")
        if path.is_file() and not path.name.endswith(".expect.yml") and path.stat().st_size < 200_000
    ]
    return sorted(found, key=lambda content: (len(content), content))


def _sound_error(text: str) -> None:
    assert visible(text) == text, ascii(text)
    assert "\t" not in text, ascii(text)
    assert len(text) < 20_000


def _sound(lines: Sequence[bytes], scan: Scan, *, totals_only: bool) -> None:
    totals = scan.totals
    assert totals.results == totals.findings + totals.passed + totals.merged + totals.dropped, totals
    assert totals.findings == totals.live + totals.suppressed + totals.absent, totals
    assert sum(totals.by_severity.values()) == totals.live, totals
    assert min(totals.to_dict()[name] for name in ("results", "passed", "merged", "dropped")) >= 0, totals
    assert scan.status != "ok" or not totals.dropped, "a scan of which something was dropped is not ok"
    json.dumps(scan.to_dict(), allow_nan=False).encode("ascii")
    if totals_only:
        return
    records = [json.loads(line.decode("ascii")) for line in lines]
    assert len(records) == totals.findings
    assert len({record["id"] for record in records}) == len(records), "two findings have one id"
    for record in records:
        assert Finding.from_dict(record).to_dict() == record
        _printable(record)


def _printable(value: Any) -> None:
    """No text steers a terminal or hides something."""
    if isinstance(value, str):
        plain = value.replace("\n", "").replace("\t", "")
        assert not any(0xD800 <= ord(char) <= 0xDFFF or ord(char) < 32 or char in "\x7f\u202e\u200b" for char in plain)
    elif isinstance(value, dict):
        for key, entry in value.items():
            _printable(key)
            _printable(entry)
    elif isinstance(value, list):
        for entry in value:
            _printable(entry)
