# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reports inside of zip archives: each is a report of its own, and what an archive claims is not believed."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import warnings
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast import archive
from ansible_collections.knowngood.kube.plugins.module_utils._sast.options import ReadOptions
from ansible_collections.knowngood.kube.plugins.module_utils._sast.read import read_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.report import sast_report
from ansible_collections.knowngood.kube.plugins.module_utils._sast.select import select

from .conftest import result, run_of, sarif

GOOD = json.dumps(sarif(run_of(result())))
BANDIT = json.dumps({"errors": [], "generated_at": "2026-03-01T12:00:00Z", "metrics": {}, "results": []})
DEFAULTS = ReadOptions()


def packed(*entries, method=zipfile.ZIP_DEFLATED):
    """A zip archive of (name or ZipInfo, content) pairs."""
    memory = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(memory, "w", method) as made:
        warnings.simplefilter("ignore")
        for name, content in entries:
            made.writestr(name, content)
    return memory.getvalue()


def names(selection):
    return [str(file).rpartition("/")[2] for file in selection.files]


@pytest.fixture
def zipped(put):
    def write(*entries, name="reports.zip", **more):
        return put(packed(*entries, **more), name)

    return write


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("chunk", [1, 100, 128 * 1024])
def test_a_member_is_a_report_of_its_own(zipped, method, chunk):
    path = zipped(("a/first.sarif", GOOD), ("second.json", BANDIT), method=method)
    options = ReadOptions(chunk=chunk)
    scans = []
    for file in select([path], options).files:
        with read_report(file, options=options) as outcome:
            scans.append(outcome.scan)
    assert [scan.file for scan in scans] == [f"{path}!a/first.sarif", f"{path}!second.json"]
    assert [scan.format for scan in scans] == ["sarif", "bandit"]
    assert scans[0].sha256 == hashlib.sha256(GOOD.encode()).hexdigest(), "of what was unpacked"
    assert scans[0].bytes == len(GOOD)


def test_the_door_reads_them_all(zipped):
    path = zipped(("one.sarif", GOOD), ("two.sarif", GOOD), ("readme.txt", "hello"))
    told = sast_report({"path": [path]})
    assert [scan["file"] for scan in told["scans"]] == [f"{path}!one.sarif", f"{path}!two.sarif"]
    assert len(told["findings"]) == 2
    assert told["ignored"] == {"count": 1, "files": [f"{path}!readme.txt"]}


def test_the_store_never_replaces_the_archive(zipped):
    path = zipped(("one.sarif", GOOD))
    with pytest.raises(BadInput, match="dest is one of the reports"):
        sast_report({"path": [path], "dest": path})


def test_in_a_directory_archives_are_expanded_by_content(put, tmp_path):
    put(packed(("in.sarif", GOOD)), "d/b.zip")
    put("no archive", "d/c.zip")
    put(packed(("notes.json", "{}")), "d/e.zip")
    put(GOOD, "d/a.sarif")
    selection = select([str(tmp_path / "d")], DEFAULTS)
    assert names(selection) == ["a.sarif", "b.zip!in.sarif"]
    assert sorted(file.rpartition("/")[2] for file in selection.ignored) == ["c.zip", "e.zip!notes.json"]


def test_a_directory_with_nothing_but_empty_archives_holds_no_reports(put, tmp_path):
    put(packed(("notes.json", "{}")), "d/e.zip")
    with pytest.raises(BadInput, match="no reports in the archives"):
        select([str(tmp_path / "d")], DEFAULTS)


def test_named_twice_it_is_read_once(zipped):
    path = zipped(("one.sarif", GOOD))
    assert len(select([path, path.replace(".zip", ".z?p")], DEFAULTS).files) == 1


@pytest.mark.parametrize("entries", [(), [("notes.txt", "x")], [("notes.json", "{}")]])
def test_an_archive_without_reports_that_is_named_is_an_error(zipped, entries):
    with pytest.raises(BadInput, match="no reports in the archive"):
        select([zipped(*entries)], DEFAULTS)


def test_names_are_labels_and_shown_safely(zipped):
    path = zipped(("../../etc/a\x1b[31m.sarif", GOOD), ("C:\\x.sarif", GOOD), ("/abs.sarif", GOOD))
    seen = [scan["file"].removeprefix(path) for scan in sast_report({"path": [path]})["scans"]]
    assert seen == ["!../../etc/a\\u001b[31m.sarif", "!C:\\x.sarif", "!/abs.sarif"]


def test_links_in_it_are_not_followed(zipped):
    link = zipfile.ZipInfo("link.sarif")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    selection = select([zipped((link, "/etc/passwd"), ("real.sarif", GOOD))], DEFAULTS)
    assert names(selection) == ["reports.zip!real.sarif"]
    assert selection.ignored[0].endswith("!link.sarif")


@pytest.mark.parametrize("name", ["inner.zip", "project.FPR", "report.sarif.gz", "report.json.gz"])
def test_an_archive_in_an_archive_is_refused_not_overlooked(zipped, name):
    with pytest.raises(BadInput, match="archive inside of an archive"):
        select([zipped(("good.sarif", GOOD), (name, packed(("x.sarif", GOOD))))], DEFAULTS)


def test_two_members_of_one_name_are_ambiguous(zipped):
    with pytest.raises(BadInput, match=r"ambiguous.*one name"):
        select([zipped(("a.sarif", GOOD), ("a.sarif", "{}"))], DEFAULTS)


def test_too_many_members(zipped):
    path = zipped(*((f"{number}.txt", "") for number in range(6)), ("a.sarif", GOOD))
    with pytest.raises(BadInput, match="7 members, 6 are allowed"):
        select([path], ReadOptions(max_members=6))
    assert len(select([path], ReadOptions(max_members=7)).files) == 1


def test_the_sum_of_the_members_is_capped(zipped):
    path = zipped(("a.sarif", GOOD), ("b.sarif", GOOD), ("video.bin", b"0" * 100_000))
    with pytest.raises(BadInput, match="archive is too large"):
        select([path], ReadOptions(max_bytes=2 * len(GOOD) - 1))
    assert len(select([path], ReadOptions(max_bytes=2 * len(GOOD))).files) == 2, "what is not read counts for nothing"


def test_a_bomb_is_refused_before_it_is_unpacked(zipped):
    path = zipped(("a.sarif", GOOD), ("b.json", b" " * 20_000_000))
    with pytest.raises(BadInput, match="decompression bomb"):
        select([path], DEFAULTS)


def test_a_bomb_among_honest_members_is_refused_when_it_unfolds(zipped):
    """Padding makes the ratio of the whole archive harmless."""
    path = zipped(("a.sarif", GOOD + " " * 3_000_000), (zipfile.ZipInfo("pad.bin"), bytes(200_000)))
    options = ReadOptions(ratio_from=1_000_000, max_ratio=100)
    (member,) = select([path], options).files
    with pytest.raises(BadInput, match="decompression bomb"):
        read_report(member, options=options)


@pytest.mark.parametrize(
    ("offset", "value", "what"),
    [
        (8, 0x1, "encrypted"),
        (10, 12, "compression method 12"),
        (16, 0xDEADBEEF, "checksum"),
        (24, 3, "more than the 3 bytes"),
        (24, len(GOOD) + 1, "size or its checksum"),
        (20, 10, "end too early"),
        (42, 7, "not where|another name or place"),
        (42, 2**31, "not where|damaged"),
    ],
    ids=["encrypted", "method", "crc", "smaller", "larger", "packed", "offset", "beyond"],
)
def test_what_the_directory_of_an_archive_claims_must_be_true(put, offset, value, what):
    content = bytearray(packed(("a.sarif", GOOD)))
    at = content.rindex(b"PK\x01\x02") + offset
    form = "<H" if offset < 16 else "<L"
    content[at : at + struct.calcsize(form)] = struct.pack(form, value)
    with pytest.raises(BadInput, match=what):
        sast_report({"path": [put(bytes(content), "x.zip")]})


def test_a_member_under_two_names_is_refused(put):
    """Programs differ in which of the two names they believe."""
    content = packed(("a.sarif", GOOD))
    with pytest.raises(BadInput, match="another name or place"):
        sast_report({"path": [put(content.replace(b"a.sarif", b"b.sarif", 1), "x.zip")]})


def test_a_directory_of_an_archive_is_never_read_whole_beyond_the_cap(put):
    path = put(packed(*((f"{'n' * 60_000}{number}", "") for number in range(80))), "x.zip")
    with pytest.raises(BadInput, match="its directory takes more than"):
        select([path], DEFAULTS)


def test_a_zip_that_is_read_directly_is_an_error(zipped):
    with pytest.raises(BadInput, match="zip archive of several files"):
        read_report(zipped(("a.sarif", GOOD)))


def test_what_is_no_file_is_no_archive(tmp_path):
    assert not archive.is_archive(str(tmp_path))
    assert not archive.is_archive(str(tmp_path / "none"))
    assert not archive.is_archive("a\0b")


@settings(max_examples=150)
@given(at=st.integers(0, 400), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_anywhere_it_is_read_right_or_refused(tmp_path_factory, at, byte, cut):
    content = bytearray(packed(("a.sarif", GOOD), ("b.json", BANDIT)))
    at %= len(content)
    if cut:
        del content[at:]
    else:
        content[at] = byte
    path = tmp_path_factory.mktemp("damaged") / "x.zip"
    path.write_bytes(bytes(content))
    try:
        told = sast_report({"path": [str(path)]})
    except BadInput:
        return
    assert {scan["sha256"] for scan in told["scans"]} <= {
        hashlib.sha256(text.encode()).hexdigest() for text in (GOOD, BANDIT)
    }
