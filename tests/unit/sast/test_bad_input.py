# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every bad file is one clear error; nothing crashes, hangs or grows."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
import zlib

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report

from .conftest import result, run_of, sarif

GOOD = json.dumps(sarif(run_of(result(message={"text": "gut \u00fc \u4e2d"}))), ensure_ascii=False)


@pytest.mark.parametrize(
    "content",
    [
        GOOD.encode(),
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.encode("utf-16"),
        GOOD.encode("utf-16-be"),
        GOOD.encode("utf-32"),
        gzip.compress(GOOD.encode()),
        gzip.compress(GOOD[:50].encode()) + gzip.compress(GOOD[50:].encode()) + b"\0" * 20,
        gzip.compress(GOOD.encode("utf-16")),
    ],
    ids=["utf-8", "bom", "utf-16", "utf-16-be", "utf-32", "gzip", "gzip-members", "gzip-utf-16"],
)
@pytest.mark.parametrize("chunk", [1, 13, 4096])
def test_encodings_and_compression_are_found_by_content(read, content, chunk):
    assert read(content, chunk=chunk).one.message == "gut \u00fc \u4e2d"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"  \n ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<?xml version='1.0'?><x/>", "no report of a format"),
        (b"hello", "no report of a format"),
        (b"\x89PNG\r\n\x1a\n", "no report of a format"),
        (b"PK\x03\x04....", "zip"),
        (GOOD[:-3].encode(), "cut off"),
        (GOOD[:60].encode(), "cut off"),
        (GOOD.encode("utf-16")[:-1], "cut off"),
        (gzip.compress(GOOD.encode())[:-12], "cut off"),
        (gzip.compress(GOOD.encode()) + b"junk", "damaged gzip"),
        (gzip.compress(GOOD.encode())[:2] + b"\xff" * 30, "damaged gzip"),
        (gzip.compress(gzip.compress(GOOD.encode())), "no report of a format"),
        (GOOD.encode() + b"{}", "after the end"),
        (GOOD.encode() + b"\x00", "after the end"),
        (b"[]", "no report of a format"),
        (b"3", "no report of a format"),
        (b'"text"', "no report of a format"),
        (b"{}", "no report of a format"),
        (b'{"version": "2.1.0"}', "no report of a format"),
        (b'{"runs": []}', "JSON but not SARIF"),
        (b'{"version": "2.1.0", "runs": {}}', "no report of a format"),
        (b'{"version": "2.1.0", "runs": [1]}', "JSON but not SARIF"),
        (b'{"version": "2.1.0", "runs": [{"results": {}}]}', "JSON but not SARIF"),
        (b'{"version": "1.0.0", "runs": []}', "version"),
        (b'{"version": "2.0.0", "runs": []}', "version"),
        (b'{"version": "2.2", "runs": []}', "version"),
        (b'{"version": "2.10", "runs": []}', "version"),
        (b'{"runs": [], "version": 2.1}', "version"),
        (b"[" * 100_000, "too deeply"),
        (b'{"a":' * 100_000, "too deeply"),
        (b'{"version":"2.1.0","runs":[{"results":[{"message":' + b"[" * 100_000, "too deeply"),
        (b'{"version": "2.1.0", "runs": [{"x": NaN}]}', "not JSON"),
        (b'{"version": "2.1.0", "runs": [{"results": [{"rank": 1e400}]}]}', "not JSON"),
        (b'{"version": "2.1.0", "runs": [{"x": ' + b"7" * 4301 + b"}]}", "not JSON"),
        (b'{"version": "2.1.0", "runs": [], "runs": []}', "ambiguous"),
        (b'{"version": "2.1.0", "runs": [{"results": [], "results": []}]}', "ambiguous"),
    ],
)
def test_a_bad_file_is_one_clear_error(read, content, what):
    with pytest.raises(BadInput, match=what) as caught:
        read(content)
    assert "report.sarif" in caught.value.where
    assert caught.value.changed is False


def test_what_is_not_there_or_no_file(tmp_path):
    with pytest.raises(BadInput, match="no such report"):
        read_report(tmp_path / "none.sarif")
    with pytest.raises(BadInput, match="no such report"):
        read_report(__file__ + "/below")
    with pytest.raises(BadInput, match="not a regular file"):
        read_report(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="not a regular file"):
        read_report(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(BadInput, match="cannot be read"):
        read_report(tmp_path / "loop")


def test_an_unknown_format_is_refused(put):
    with pytest.raises(BadInput, match="no reader"):
        read_report(put(GOOD), options=ReadOptions(format="lint"))


def test_a_version_may_come_last_and_may_be_left_to_the_schema(read):
    assert read('{"runs": [], "version": "2.1.0"}').scan.format_version == "2.1.0"
    found = read('{"$schema": "https://example.com/sarif-2.1.0.json", "runs": [], "version": null}')
    assert found.warnings["version_missing"] == 1


def test_a_file_name_that_steers_terminals_is_shown(put):
    with pytest.raises(BadInput) as caught:
        read_report(put(b"", "a\x1b[31m.sarif"))
    assert "\x1b" not in str(caught.value)


def test_a_bomb_is_stopped_early(read):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 1_000_000) for megabyte in range(60)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match="bomb"):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_too_large_is_stopped(read):
    with pytest.raises(BadInput, match="too large"):
        read(gzip.compress(GOOD.encode() + b" " * 5000), max_bytes=4000)
    with pytest.raises(BadInput, match="too large"):
        read(GOOD.encode() + b" " * 5000, max_bytes=4000)


def test_good_compression_is_no_bomb(read):
    assert read(gzip.compress(GOOD.encode() + b" " * 3_000_000)).scan.totals.live == 1


def test_a_result_longer_than_the_window_keeps_what_matters(read):
    flows = [{"threadFlows": [{"locations": [{"location": {"message": {"text": f"step {n}"}}} for n in range(3000)]}]}]
    big = result(codeFlows=flows, level="error", locations=[{"physicalLocation": {"artifactLocation": {"uri": "a"}}}])
    found = read(sarif(run_of(big, result())), window=2000, chunk=512)
    assert [(finding.native, finding.path) for finding in found.findings] == [("error", "a"), ("warning", "")]
    assert found.scan.totals.results == 2


def test_memory_does_not_grow_with_the_file(put):
    row = json.dumps(result(message={"text": "m" * 500}, codeFlows=[{"x": "y" * 2000}]))
    head, tail = '{"version":"2.1.0","runs":[{"results":[', '],"tool":{"driver":{"name":"T"}}}]}'

    def peak(count):
        path = put(head + ",".join([row] * count) + tail)
        tracemalloc.start()
        try:
            with read_report(path, options=ReadOptions(spool_bytes=200_000, chunk=16_384)) as outcome:
                assert outcome.scan.totals.live == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(2000) < peak(400) + 600_000


def test_the_hash_is_of_the_file_as_stored(read):
    import hashlib

    content = gzip.compress(GOOD.encode())
    found = read(content)
    assert (found.scan.sha256, found.scan.bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_what_a_file_looks_like_is_told_in_one_line(read):
    with pytest.raises(BadInput) as caught:
        read('a\tb,"c\x1b[31m",d\n1,2,3\n')
    assert "the columns a\\u0009b, c\\u001b[31m, d" in caught.value.why
