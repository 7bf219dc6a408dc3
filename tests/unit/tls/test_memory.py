# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache of the inventory: what it holds, what is read in spite of it, and when it is not believed."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import sha256
from ansible_collections.knowngood.kube.plugins.module_utils._tls.inventory import SECRETS, Question, answer

from . import pki
from .stock import Stock, codes, opaque, store

CA = pki.ca("mesh-ca")
MANY = 12


def leaf(name: str, **more: Any) -> dict[str, Any]:
    pair = pki.leaf(CA, (f"DNS:{name}",), **more)
    obj = pki.secret(name, pair.pem, pki.key_pem(pair.key), namespace="shop", more={"ca.crt": CA.pem})
    obj["metadata"].update(uid=f"u-{name}", resourceVersion="1")
    return obj


def touched(obj: dict[str, Any]) -> dict[str, Any]:
    """Another certificate in the same Secret, which so has another version."""
    version = str(int(obj["metadata"]["resourceVersion"]) + 1)
    other = leaf(obj["metadata"]["name"])
    return {**other, "metadata": {**obj["metadata"], "resourceVersion": version}}


class Home:
    """A user's own directory, a cluster, and what was warned of."""

    def __init__(self, folder: Path, stock: Stock) -> None:
        self.folder, self.stock = folder / "cache", stock
        self.warned: list[str] = []

    @property
    def file(self) -> Path:
        return self.folder / f"certificates-{self.stock.identity}.json"

    def ask(self, now: dt.datetime = pki.NOW, **asked: Any) -> dict[str, Any]:
        self.stock.asked.clear()
        self.warned.clear()
        cluster: Any = self.stock
        wanted = Question(**{"include": (SECRETS, "bundles"), "cache": str(self.folder), **asked})
        return answer(cluster, wanted, now, self.warned.append)

    def secrets_read(self) -> list[str]:
        return [word for word in self.stock.asked if word in ("Secret", "metadata")]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path, Stock(*(leaf(f"web-{number}") for number in range(MANY))))


class TestReading:
    def test_a_second_run_lists_metadata_alone_and_says_the_same(self, home: Home) -> None:
        first, second = home.ask(), home.ask()
        assert home.secrets_read() == ["metadata"]
        assert (first["cache"]["state"], first["cache"]["read"]) == ("new", MANY)
        assert (second["cache"]["state"], second["cache"]["reused"], second["cache"]["read"]) == ("used", MANY, 0)
        assert {**first, "cache": 0} == {**second, "cache": 0}

    def test_without_it_nothing_is_kept(self, home: Home) -> None:
        assert "cache" not in home.ask(cache="")
        assert not home.folder.exists()

    def test_what_changed_is_read_and_nothing_else(self, home: Home) -> None:
        home.ask()
        home.stock.objects[3] = touched(home.stock.objects[3])
        again = home.ask()
        assert home.secrets_read() == ["metadata", "Secret"]
        assert (again["cache"]["reused"], again["cache"]["read"]) == (MANY - 1, 1)
        assert {**again, "cache": 0} == {**home.ask(cache=""), "cache": 0}

    def test_much_that_changed_is_listed_at_once(self, home: Home) -> None:
        home.ask()
        home.stock.objects = [touched(obj) for obj in home.stock.objects]
        again = home.ask()
        assert (home.secrets_read(), again["cache"]["read"]) == (["metadata", "Secret"], MANY)
        assert {**again, "cache": 0} == {**home.ask(cache=""), "cache": 0}

    def test_what_is_gone_is_forgotten(self, home: Home) -> None:
        home.ask()
        del home.stock.objects[0]
        assert len(home.ask()["identities"]) == MANY - 1
        assert "u-web-0" not in home.file.read_text()

    def test_a_look_at_one_namespace_forgets_nothing_of_the_others(self, home: Home) -> None:
        home.stock.objects.append({**leaf("other"), "metadata": {**leaf("other")["metadata"], "namespace": "far"}})
        home.ask()
        home.ask(namespaces=("shop",))
        assert home.ask()["cache"]["read"] == 0

    def test_a_look_by_label_forgets_nothing(self, home: Home) -> None:
        home.ask()
        home.ask(selector="app=none")
        home.ask(selector="app=none", namespaces=("shop",))
        assert home.ask()["cache"]["read"] == 0

    def test_a_secret_made_anew_under_the_same_name_and_version_is_read(self, home: Home) -> None:
        home.ask()
        anew = leaf("web-0")
        anew["metadata"]["uid"] = "another"
        home.stock.objects[0] = anew
        assert home.ask()["cache"]["read"] == 1

    def test_check_mode_writes_nothing(self, home: Home) -> None:
        home.ask(dry=True)
        assert not home.file.exists()

    def test_time_goes_on_in_what_is_remembered(self, home: Home) -> None:
        home.ask()
        later = home.ask(pki.NOW + dt.timedelta(days=5000))
        assert later["cache"]["read"] == 0
        assert all("expired" in codes(row) and row["days_left"] < 0 for row in later["identities"])


class TestContent:
    def test_it_holds_no_key_and_nobody_else_can_read_it(self, home: Home) -> None:
        home.stock.objects.append(opaque("own", {"some": pki.key_pem(CA.key), "password": b"hunter-2-hunter"}))
        home.ask()
        text = home.file.read_text()
        for obj in home.stock.objects:
            for name, value in obj["data"].items():
                if name not in ("tls.crt", "ca.crt"):
                    assert value not in text
                    assert base64.b64decode(value).decode() not in text
        assert "PRIVATE KEY" not in text
        assert (home.file.stat().st_mode & 0o777, home.folder.stat().st_mode & 0o777) == (0o600, 0o700)

    def test_what_a_passphrase_opens_is_read_each_time(self, home: Home) -> None:
        pair = pki.leaf(CA, ("DNS:kafka",))
        home.stock.objects.append(opaque("kafka", {"store.p12": store(pair, password=b"opens-it")}))
        assert "store_locked" in {code for row in home.ask()["identities"] for code in codes(row)}
        opened = home.ask(passphrases=("opens-it",))
        assert opened["cache"]["read"] == 1
        assert not {code for row in opened["identities"] for code in codes(row)}


def _flip(home: Home) -> None:
    content = home.file.read_bytes()
    home.file.write_bytes(content.replace(b"DNS:web-1", b"DNS:web-2", 1))


def _forge(change: Callable[[dict[str, Any]], None]) -> Callable[[Home], None]:
    """Changes the facts and states the digest that then fits."""

    def forge(home: Home) -> None:
        first, body = home.file.read_text().split("\n", 1)
        data = json.loads(body)
        change(data)
        written = json.dumps(data)
        home.file.write_text(json.dumps({**json.loads(first), "digest": sha256(written.encode())}) + "\n" + written)

    return forge


def _swap_certificates(data: dict[str, Any]) -> None:
    one, other, *_more = data["certificates"]
    data["certificates"][one] = data["certificates"][other]


def _drop_certificates(data: dict[str, Any]) -> None:
    data["certificates"].clear()


def _short_row(data: dict[str, Any]) -> None:
    next(iter(data["secrets"].values()))[1].pop()


def _open_to_others(home: Home) -> None:
    home.file.chmod(0o644)


def _cut(home: Home) -> None:
    home.file.write_bytes(home.file.read_bytes()[:-100])


def _other_cluster(home: Home) -> None:
    before = home.file
    home.stock.identity = "cluster-2"
    before.rename(home.file)


def _link(home: Home) -> None:
    home.file.rename(home.folder / "elsewhere")
    home.file.symlink_to(home.folder / "elsewhere")


def _other_format(home: Home) -> None:
    first, body = home.file.read_text().split("\n", 1)
    home.file.write_text(json.dumps({**json.loads(first), "format": "0/1.0"}) + "\n" + body)


class TestBelief:
    @pytest.mark.parametrize(
        "harm",
        [
            _flip,
            _cut,
            _open_to_others,
            _other_cluster,
            _other_format,
            _link,
            _forge(_swap_certificates),
            _forge(_drop_certificates),
            _forge(_short_row),
            lambda home: home.file.write_bytes(b""),
            lambda home: home.file.write_bytes(b"[]\n[]"),
            lambda home: home.file.write_bytes(os.urandom(4096)),
        ],
    )
    def test_a_file_that_is_not_as_it_was_written_is_said_and_made_anew(
        self, home: Home, harm: Callable[[Home], None]
    ) -> None:
        plain = home.ask(cache="")
        home.ask()
        harm(home)
        after = home.ask()
        assert (after["cache"]["state"], after["cache"]["read"], after["cache"]["reused"]) == ("rebuilt", MANY, 0)
        assert after["cache"]["why"]
        assert [text for text in home.warned if "not believed" in text]
        assert {**after, "cache": 0} == {**plain, "cache": 0}
        assert home.ask()["cache"]["state"] == "used"
        assert not home.warned

    def test_a_directory_that_others_can_use_is_refused_before_anything_is_read(self, home: Home) -> None:
        home.folder.mkdir(mode=0o755)
        with pytest.raises(BadInput, match="not private"):
            home.ask()
        assert not home.stock.asked

    def test_a_directory_that_is_a_link_is_refused(self, home: Home, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(mode=0o700)
        home.folder.symlink_to(tmp_path / "real")
        with pytest.raises(BadInput, match="not a directory"):
            home.ask()

    def test_that_it_cannot_be_written_is_told_with_the_answer(self, home: Home, monkeypatch: Any) -> None:
        def full(*_given: Any) -> None:
            raise OSError(28, "No space left on device")

        from ansible_collections.knowngood.kube.plugins.module_utils._tls import memory

        monkeypatch.setattr(memory, "replace", full)
        found = home.ask()
        assert (found["cache"]["state"], found["cache"]["why"]) == ("unwritten", "No space left on device")
        assert len(found["identities"]) == MANY


class TestRows:
    def test_every_row_goes_into_the_file_and_those_with_findings_come_back(self, home: Home, tmp_path: Path) -> None:
        weak = leaf("old", begin=pki.NOW - 90 * pki.DAY, end=pki.NOW - pki.DAY)
        home.stock.objects.append(weak)
        dest = tmp_path / "rows.ndjson"
        every = home.ask()
        found = home.ask(dest=str(dest), shown="findings")
        rows = [json.loads(line) for line in dest.read_text().splitlines()]
        assert [row for row in rows if row.pop("part") == "identities"] == every["identities"]
        assert [row["secret"] for row in found["identities"]] == ["old"]
        assert found["totals"] == every["totals"]
        assert (found["totals"]["identities"], found["totals"]["findings"]["error"]) == (MANY + 1, 1)
        assert (found["dest"]["rows"], found["dest"]["changed"], found["changed"]) == (len(rows), True, True)
        assert dest.stat().st_mode & 0o777 == 0o600
        assert home.ask(dest=str(dest))["changed"] is False

    def test_check_mode_says_that_it_would_change(self, home: Home, tmp_path: Path) -> None:
        dest = tmp_path / "rows.ndjson"
        assert home.ask(dest=str(dest), dry=True)["dest"]["changed"] is True
        assert not dest.exists()

    def test_none_are_returned_where_none_are_wanted(self, home: Home) -> None:
        found = home.ask(shown="none")
        assert (found["identities"], found["bundles"]) == ([], [])
        assert found["totals"]["identities"] == MANY

    def test_a_file_in_no_directory_is_refused_before_anything_is_read(self, home: Home, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="does not exist"):
            home.ask(dest=str(tmp_path / "none" / "rows"))
        assert not home.stock.asked
