# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files: the same input gives the same bytes, an earlier report is not lost, and check mode writes nothing."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._report.report import write_report

from . import story


def write(dest: Path, **more: Any) -> dict[str, Any]:
    given = {"incident": story.incident(), "app": story.app(), "steps": story.steps(), "dest": str(dest), **more}
    return write_report(**given)


def contents(dest: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in dest.iterdir()}


def key_file(path: Path, key: Any) -> str:
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(path)


class TestWriting:
    def test_the_same_input_gives_the_same_bytes_and_no_change(self, tmp_path: Path) -> None:
        first = write(tmp_path / "one")
        again = write(tmp_path / "one")
        elsewhere = write(tmp_path / "two", steps=dict(reversed(story.steps().items())))
        assert (first["changed"], again["changed"]) == (True, False)
        assert first["sha256"] == again["sha256"] == elsewhere["sha256"]
        assert contents(tmp_path / "one") == contents(tmp_path / "two")

    def test_the_files_are_those_that_were_asked_for_with_their_hashes(self, tmp_path: Path) -> None:
        result = write(tmp_path, formats=["html", "json", "md"])
        assert sorted(contents(tmp_path)) == ["report.html", "report.json", "report.md"]
        for file in result["files"]:
            assert hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]
        assert result["sha256"] in (tmp_path / "report.html").read_text()

    def test_only_the_owner_may_read_them(self, tmp_path: Path) -> None:
        write(tmp_path / "new" / "deep")
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new" / "deep").iterdir()}
        assert modes == {0o600}
        assert stat.S_IMODE((tmp_path / "new" / "deep").stat().st_mode) == 0o700

    def test_a_mode_that_somebody_opened_is_closed_again(self, tmp_path: Path) -> None:
        write(tmp_path)
        (tmp_path / "report.json").chmod(0o644)
        result = write(tmp_path)
        assert [file["changed"] for file in result["files"]] == [True, False]
        assert result["kept"] == []
        assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == 0o600

    def test_check_mode_writes_nothing_and_says_what_it_would(self, tmp_path: Path) -> None:
        result = write(tmp_path / "no", check=True)
        assert result["changed"]
        assert [file["changed"] for file in result["files"]] == [True, True]
        assert not (tmp_path / "no").exists()

    def test_an_earlier_report_that_differs_is_kept(self, tmp_path: Path) -> None:
        write(tmp_path)
        old = contents(tmp_path)
        result = write(tmp_path, steps={})
        assert len(result["kept"]) == 2
        kept = {Path(path).name.rpartition(".")[0]: Path(path).read_bytes() for path in result["kept"]}
        assert kept == old

    def test_without_backup_it_is_replaced(self, tmp_path: Path) -> None:
        write(tmp_path)
        assert write(tmp_path, steps={}, backup=False)["kept"] == []
        assert sorted(contents(tmp_path)) == ["report.html", "report.json"]

    def test_the_diff_names_the_files_by_hash(self, tmp_path: Path) -> None:
        diff = write(tmp_path)["diff"]
        assert diff["before"] == ""
        assert [line.split()[0] for line in diff["after"].splitlines()] == ["report.html", "report.json"]
        assert write(tmp_path)["diff"]["before"] == diff["after"]

    def test_something_else_in_the_way_is_refused_and_nothing_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(BadInput, match="not a directory"):
            write(tmp_path / "file")
        target = tmp_path / "elsewhere"
        target.write_text("precious")
        (tmp_path / "dest").mkdir()
        (tmp_path / "dest" / "report.json").symlink_to(target)
        with pytest.raises(BadInput, match="something else"):
            write(tmp_path / "dest")
        assert target.read_text() == "precious"

    def test_a_directory_that_cannot_be_made_is_one_clear_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(BadInput) as caught:
            write(tmp_path / "file" / "below")
        assert not caught.value.changed

    def test_no_format_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="no format"):
            write(tmp_path, formats=[])


class TestSignature:
    def test_without_a_key_unsigned_is_said(self, tmp_path: Path) -> None:
        result = write(tmp_path, formats=["html", "json", "md"])
        assert not result["signed"]
        assert json.loads((tmp_path / "report.json").read_bytes())["signature"]["state"] == "unsigned"
        assert "unsigned" in (tmp_path / "report.html").read_text()
        assert "unsigned" in (tmp_path / "report.md").read_text()

    def test_the_signature_is_over_the_bytes_of_the_document(self, tmp_path: Path) -> None:
        key = ed25519.Ed25519PrivateKey.generate()
        path = key_file(tmp_path / "key.pem", key)
        result = write(tmp_path / "dest", signing_key=path)
        key.public_key().verify(
            (tmp_path / "dest" / "report.json.sig").read_bytes(), (tmp_path / "dest" / "report.json").read_bytes()
        )
        assert result["signed"]
        assert not write(tmp_path / "dest", signing_key=path)["changed"]
        told = json.loads((tmp_path / "dest" / "report.json").read_bytes())["signature"]
        assert told["state"] == "signed"
        assert "PUBLIC KEY" in told["public_key"]
        assert not any(b"PRIVATE KEY" in content for content in contents(tmp_path / "dest").values())

    def test_a_key_that_cannot_sign_is_refused(self, tmp_path: Path) -> None:
        wrong = key_file(tmp_path / "ec.pem", ec.generate_private_key(ec.SECP256R1()))
        (tmp_path / "junk.pem").write_text("junk")
        with pytest.raises(BadInput, match="not an Ed25519 key"):
            write(tmp_path / "dest", signing_key=wrong)
        with pytest.raises(BadInput, match="not an unencrypted PEM private key"):
            write(tmp_path / "dest", signing_key=str(tmp_path / "junk.pem"))
        with pytest.raises(BadInput, match="cannot be read"):
            write(tmp_path / "dest", signing_key=str(tmp_path / "none.pem"))
        assert not (tmp_path / "dest").exists()

    def test_a_signature_needs_the_document(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="json is not among"):
            write(tmp_path, formats=["html"], signing_key="key.pem")
