# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Content manifests arrive whole or not at all, pages are asked for as written, room is counted before it is used."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import ExecResult
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, Denied, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import content_manifest, probes
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.content_manifest import Summary, fetch, summarize
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.manifest_steps import known
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_plan import plan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_room import CAPACITY, QUOTA, check_room
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_wish import RestoreWish

from .world import application, point, seen, workload

POINT = "shop-20261121-100000-abcd"
PAGE = {"name": "page", "kind": "http", "workload": "Deployment/web", "port": 8080}


def here(folder: Path) -> Callable[[list[str]], ExecResult]:
    """The pod's commands on this machine, with ``folder`` for the pod's own."""

    def run(command: list[str]) -> ExecResult:
        words = [word.replace("/kg", str(folder)) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return ExecResult(done.returncode, done.stdout, done.stderr)

    return run


class TestManifest:
    def test_has_a_line_for_every_path_and_says_what_it_left_out(self, tmp_path: Path) -> None:
        volume, notes, target = tmp_path / "volume", tmp_path / "notes", tmp_path / "out" / "m"
        notes.mkdir()
        (volume / "a b").mkdir(parents=True)
        (volume / "a b" / "one").write_text("1\n")
        (volume / "back\\slash").write_text("x")
        (volume / "of two\nlines").write_text("y")
        (volume / "link").symlink_to("a b/one")

        summary = summarize(here(notes), str(volume), block=False)
        fetch(here(notes), summary, str(target))

        lines = target.read_text().splitlines()
        assert [line.split(" ", 6)[6] for line in lines] == [".", "./a b", "./a b/one", "./back\\slash", "./link"]
        assert lines[2].split(" ")[:2] == ["f", hashlib.sha256(b"1\n").hexdigest()]
        assert (summary.files, summary.bytes, summary.skipped) == (2, 3, 1)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == summary.sha256
        assert target.stat().st_mode & 0o777 == 0o600

    def test_is_the_same_for_the_same_and_another_for_another(self, tmp_path: Path) -> None:
        (tmp_path / "notes").mkdir()
        volume = tmp_path / "volume"
        volume.mkdir()
        (volume / "f").write_text("1")
        one, again = (summarize(here(tmp_path / "notes"), str(volume), block=False) for number in range(2))
        os.chmod(volume / "f", 0o640)

        other = summarize(here(tmp_path / "notes"), str(volume), block=False)

        assert one == again
        assert one.sha256 != other.sha256

    def test_of_a_device_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "device").write_bytes(b"0" * 4096)

        summary = summarize(here(tmp_path), str(tmp_path / "device"), block=True)

        assert (summary.entries, summary.bytes) == (1, 4096)

    @pytest.mark.parametrize(
        ("answer", "why"),
        [(ExecResult(127, "", "find: not found"), "a tool is missing"), (ExecResult(1, "", "secret"), "exit code 1")],
    )
    def test_of_what_cannot_be_read_is_none(self, answer: ExecResult, why: str) -> None:
        with pytest.raises(NotProven, match=why) as caught:
            summarize(lambda command: answer, "/volume", block=False)

        assert "secret" not in str(caught.value)

    @given(st.binary(max_size=60), st.integers(1, 20))
    def test_arrives_piece_by_piece(self, tmp_path_factory: pytest.TempPathFactory, data: bytes, size: int) -> None:
        target = tmp_path_factory.mktemp("m") / "manifest"
        pieces = [data[start : start + size] for start in range(0, len(data), size)]

        def run(command: list[str]) -> ExecResult:
            number = int(command[2].split("skip=")[1].split()[0])
            piece = pieces[number] if number < len(pieces) else b""
            return ExecResult(0, base64.encodebytes(piece).decode(), "")

        fetch(run, Summary(hashlib.sha256(data).hexdigest(), 0, 0, 0, 0), str(target))

        assert target.read_bytes() == data

    def test_that_arrives_otherwise_than_it_left_is_not_kept(self, tmp_path: Path) -> None:
        answers = iter([ExecResult(0, base64.b64encode(b"half").decode(), ""), ExecResult(0, "", "")])

        with pytest.raises(NotProven, match="did not arrive whole"):
            fetch(lambda command: next(answers), Summary("0" * 64, 1, 1, 1, 0), str(tmp_path / "m"))

        assert list(tmp_path.iterdir()) == []

    def test_of_an_earlier_restore_is_known(self) -> None:
        assert known(point(["data"])) == {}

    def test_is_made_before_anything_is_stopped(self) -> None:
        world = seen(application([workload("StatefulSet/db", ["data-db-0"])]))
        wanted = RestoreWish(POINT, manifest=content_manifest.ManifestWish())

        steps = [step.name for step in plan(world, point(["data-db-0"]), wanted).plan.steps]

        assert steps[:3] == ["stage data-db-0", "manifest", "retain volumes"]


class TestPages:
    def test_are_read_as_written(self) -> None:
        (probe,) = probes.parse([{**PAGE, "path": "/health", "expect": {"status": 204}}])

        assert probe.http == {"port": 8080, "path": "/health", "scheme": "http", "host": ""}
        assert (probe.command, probe.expect.rc) == ((), 204)
        assert probes.Probe.from_dict(probe.to_dict()) == probe

    def test_are_fine_with_200_where_nothing_is_said(self) -> None:
        assert probes.parse([PAGE])[0].expect.problem(200, "") == ""

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [({"port": 0}, "not a port"), ({"path": "health"}, "begin with /"), ({"expect": {"rc": 0}}, "give status")],
    )
    def test_with_mistakes_are_refused(self, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(BadInput, match=said):
            probes.parse([{**PAGE, **wrong}])


class Told:
    """A cluster that answers what is asked about room."""

    def __init__(self, quotas: Any = (), places: Any = (), says: Exception | None = None) -> None:
        self.lists, self.says = {QUOTA: quotas, CAPACITY: places}, says

    def list(self, kind: Any, namespace: str | None = None) -> list[Any]:
        found = self.lists[kind]
        if isinstance(found, Exception):
            raise found
        return list(found)

    def create(self, obj: Any, *, dry_run: bool) -> Any:
        assert dry_run, "looking writes nothing"
        if self.says:
            raise self.says
        return obj


def room(told: Any, claims: int = 1, *, planning: bool = False) -> tuple[str, ...]:
    names = [f"data-{number}" for number in range(claims)]
    world = seen(application([workload("StatefulSet/db", names)]))
    return check_room(told, plan(world, point(names), RestoreWish(POINT)).plan, planning=planning)


def quota(hard: dict[str, str], used: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "q"}, "status": {"hard": hard, "used": used}}


class TestRoom:
    def test_is_counted_for_all_claims_together(self) -> None:
        own = "fast.storageclass.storage.k8s.io/requests.storage"
        for resource, hard, used in (("requests.storage", "4Gi", "2Gi"), (own, "2Gi", "0"), (own, "3Gi", "1Gi")):
            told = Told([quota({resource: hard}, {resource: used})])
            assert room(told, 2) == ()
            with pytest.raises(BadInput, match="too little room"):
                room(told, 3)

    def test_of_the_storage_is_that_of_the_driver(self) -> None:
        places = [{"storageClassName": "fast", "capacity": "2Gi"}, {"storageClassName": "slow", "capacity": "1"}]

        assert room(Told(places=places), 2) == ()
        with pytest.raises(BadInput, match="StorageClass fast has too little room"):
            room(Told(places=places), 3)
        with pytest.raises(BadInput, match="StorageClass fast"):
            room(Told(places=[{"storageClassName": "fast", "capacity": "9Gi", "maximumVolumeSize": "1Mi"}]))

    def test_that_may_not_be_looked_at_is_said_to_be_unknown(self) -> None:
        denied = Denied("not allowed", why="cannot list resource")

        notes = room(Told(denied, denied))

        assert len(notes) == 2

    def test_is_asked_of_the_api_server_as_well(self) -> None:
        with pytest.raises(BadInput, match="exceeded quota"):
            room(Told(says=Denied("not allowed", why="exceeded quota: q")))

    def test_a_check_run_needs_no_right_to_create(self) -> None:
        denied = Denied("not allowed", why='cannot create resource "persistentvolumeclaims"')

        assert "would be admitted is not known" in room(Told(says=denied), planning=True)[0]
        with pytest.raises(Denied):
            room(Told(says=denied))
