# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Source files of a checkout: what a report names is opened below the root, or not at all."""

from __future__ import annotations

import os
import socket

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._sast import checkout as subject
from ansible_collections.knowngood.kube.plugins.module_utils._sast.checkout import Checkout, SourceLines, line_hashes
from ansible_collections.knowngood.kube.plugins.module_utils._sast.linehash import hash_lines
from ansible_collections.knowngood.kube.plugins.module_utils._sast.tally import Tally


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "deep" / "a.py").write_bytes(b"one\r\ntwo\rthree\x0b\nfour \xff")
    (folder / "b.py").write_bytes(b"b\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return folder


@pytest.fixture
def checkout(root):
    with Checkout(root) as opened:
        yield opened


def refusal(checkout, path):
    with pytest.raises(BadInput) as caught:
        checkout.lines(path)
    assert caught.value.what == "a source file is not opened"
    assert caught.value.next
    return caught.value.why


def test_a_file_is_read_by_its_path(checkout):
    assert checkout.lines("src/deep/a.py") == ["one", "two", "three\x0b", "four \ufffd"]
    assert checkout.lines("./src//deep/./a.py") == checkout.lines("src/deep/a.py")
    with checkout.open("b.py") as file:
        assert file.read() == b"b\n"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "it is empty"),
        ("b.py\0.png", "it holds a NUL character"),
        ("/etc/passwd", "it is absolute"),
        ("..", "it climbs out of a directory"),
        ("../outside/secret", "it climbs out of a directory"),
        ("src/../b.py", "it climbs out of a directory"),
        ("src/deep/../../../outside/secret", "it climbs out of a directory"),
        (".", "it names a directory"),
        ("b.py/", "it names a directory"),
        ("src", "it is not a regular file"),
        (".git/config", "it belongs to git, not to the source"),
        ("src/.GIT/config", "it belongs to git, not to the source"),
        ("b.py/c", "a part of it is a link or a file, not a directory"),
        ("none.py", "No such file or directory"),
        ("none/none.py", "No such file or directory"),
        ("\ud800", "it holds characters that no file name has"),
        ("x" * 300, "File name too long"),
        ("x/" * 300 + "y", "it has more than 256 parts"),
        ("C:\\windows\\system.ini", "No such file or directory"),
        ("file:///etc/passwd", "No such file or directory"),
    ],
)
def test_paths_that_name_no_file_of_the_checkout_are_refused(checkout, path, why):
    assert refusal(checkout, path) == why


def test_no_link_is_followed_wherever_it_stands_and_wherever_it_leads(root, checkout):
    (root / "file").symlink_to(root.parent / "outside" / "secret")
    (root / "folder").symlink_to(root.parent / "outside")
    (root / "home").symlink_to(root / "src")
    (root / "circle").symlink_to("circle")
    (root / "src" / "up").symlink_to("../..")
    assert refusal(checkout, "file") == "it is a link"
    assert refusal(checkout, "circle") == "it is a link"
    link_on_the_way = {"a link is on the way", "a part of it is a link or a file, not a directory"}
    for path in ("folder/secret", "home/deep/a.py", "src/up/outside/secret", "circle/a"):
        assert refusal(checkout, path) in link_on_the_way


def test_what_would_wait_or_act_when_opened_is_refused(root, checkout, monkeypatch):
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert {refusal(checkout, name) for name in ("pipe", "socket")} == {"it is not a regular file"}
    with Checkout("/dev") as devices:
        assert refusal(devices, "null") == "it is not a regular file"


def test_a_file_that_becomes_something_else_before_it_is_opened_is_refused(root, checkout, monkeypatch):
    os.mkfifo(root / "pipe")
    real, looked = os.stat, []

    def first_a_file(name, **how):
        looked.append(name)
        return real(root / "b.py")

    monkeypatch.setattr(subject.os, "stat", first_a_file)
    assert refusal(checkout, "pipe") == "it is not a regular file"
    (root / "link").symlink_to(root.parent / "outside" / "secret")
    assert refusal(checkout, "link") == "a link is on the way"
    assert looked == [b"pipe", b"link"]


def test_large_files_are_refused_also_when_they_grow_while_they_are_read(root):
    (root / "large").write_bytes(b"x" * 11)
    with Checkout(root, max_bytes=10) as small:
        assert refusal(small, "large") == "it is larger than 10 bytes"
        blocks = small.blocks("b.py")
        assert next(blocks) == b"b\n"
        with open(root / "b.py", "ab") as file:
            file.write(b"y" * 20)
        with pytest.raises(BadInput, match="is not opened") as caught:
            list(blocks)
    assert caught.value.why == "it is larger than 10 bytes"


def test_a_file_that_fails_while_it_is_read_is_one_clear_error(checkout, monkeypatch):
    class Broken:
        def __enter__(self):
            return self

        def __exit__(self, *_details):
            return None

        def read(self, _size):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(checkout, "open", lambda _path: Broken())
    assert refusal(checkout, "b.py") == "Input/output error"


def test_refusals_leave_no_file_open(root, checkout):
    (root / "folder").symlink_to("src")
    os.mkfifo(root / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for path in ("none", "src/none", "src/deep/none", "folder/deep/a.py", "pipe", "src/deep/a.py"):
        try:
            checkout.lines(path)
        except BadInput:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["none", "b.py", "a\0b"])
def test_a_root_that_is_no_directory_is_refused(root, name):
    with pytest.raises(BadInput, match="checkout cannot be read"):
        Checkout(root / name)


def test_the_root_may_be_a_link_and_the_checkout_closed_twice(root):
    (root.parent / "link").symlink_to(root)
    checkout = Checkout(root.parent / "link")
    assert checkout.lines("b.py") == ["b", ""]
    checkout.close()
    checkout.close()


def test_hashes_of_lines_are_those_of_the_file(checkout):
    whole = hash_lines([b"one\ntwo\nthree\x0b\nfour \xff"])
    assert line_hashes(checkout, "src/deep/a.py", [1, 4, 9]) == {1: whole.get(1), 4: whole.get(4)}


def test_a_file_that_cannot_be_read_gives_no_hashes_and_is_counted_once(checkout):
    tally = Tally()
    source = SourceLines(checkout, tally)
    assert [source.hash("../x\u202e", line) for line in (1, 2)] == [None, None]
    assert line_hashes(checkout, "none", [1], tally=tally) == {}
    (warning,) = tally.warnings
    assert (warning["code"], warning["count"]) == ("source_not_read", 2)
    assert warning["first"] == "../x\\u202e: it climbs out of a directory"


def test_each_file_is_hashed_once_until_too_much_is_remembered(checkout, monkeypatch):
    opened = []
    real = checkout.blocks
    monkeypatch.setattr(checkout, "blocks", lambda path: opened.append(path) or real(path))
    source = SourceLines(checkout, Tally())
    for path in ("b.py", "src/deep/a.py", "b.py"):
        source.hash(path, 1)
    assert opened == ["b.py", "src/deep/a.py"]
    monkeypatch.setattr(subject, "_REMEMBERED_LINES", 30)
    for path in ("b.py", "src/deep/a.py", "b.py"):
        source.hash(path, 1)
    assert opened == ["b.py", "src/deep/a.py", "src/deep/a.py", "b.py"]
