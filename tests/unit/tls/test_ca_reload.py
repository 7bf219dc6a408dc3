# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that are told to load their files through a CA's rotation, and what PostgreSQL's answers mean."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import ExecResult
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._tls import reload
from ansible_collections.knowngood.kube.plugins.module_utils._tls.certificates import read_chain
from ansible_collections.knowngood.kube.plugins.module_utils._tls.mutual import judged

from .ca_world import CaDesk, CaWorld, ca_world

TOLD = ({"workload": "Deployment/web", "signal": "HUP"},)


@dataclass
class ReloadWorld(CaWorld):
    """Processes that load trust and leaf when they get a signal."""

    deaf: bool = False
    signals: list[tuple[str, str]] = field(default_factory=list)

    def run_in_pod(self, cluster: Any, namespace: str, pod: str, argv: list[str], **more: Any) -> ExecResult:
        if argv == ["cat", "/t/tls.crt"]:
            return ExecResult(0, base64.b64decode(self.secret["data"]["tls.crt"]).decode(), "")
        if argv[0] != "sh":
            return super().run_in_pod(cluster, namespace, pod, argv, **more)
        self.signals.append((pod, argv[2]))
        if self.deaf:
            return ExecResult(1, "", "no such process")
        self.trusting[pod], self.loaded[pod] = self.files[pod], self.stored
        self.look_for_cut_off()
        return ExecResult(0, "", "")


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> CaDesk:
    plain = ca_world()
    made = ReloadWorld(**{one.name: getattr(plain, one.name) for one in fields(plain)})
    monkeypatch.setattr(reload, "run_in_pod", made.run_in_pod)
    return CaDesk(made, monkeypatch)


def test_it_is_told_and_never_restarted(at: CaDesk) -> None:
    pods = sorted(at.world.loaded)
    found = at.rotate(reloads=TOLD)
    assert found["phase"] == "DONE"
    assert found["restarted"] == ["shop/Deployment/client"]
    assert sorted(at.world.loaded) == pods
    assert set(at.world.trusting.values()) == {at.world.trust}
    assert len(read_chain(at.world.trust.encode()).certificates) == 1
    assert at.world.broken == []
    assert isinstance(at.world, ReloadWorld)
    assert {said for _pod, said in at.world.signals} == {"kill -s HUP 1"}


def test_that_it_has_loaded_it_is_shown_by_who_it_lets_in(at: CaDesk) -> None:
    found = at.rotate(reloads=TOLD)
    rows = [row for row in found["evidence"] if row["how"] == "reload"]
    assert [(row["phase"], row["subject"], row["ok"]) for row in rows] == [
        ("TRUST_PROVEN", "shop/Deployment/web", True),
        ("OLD_DISTRUSTED", "shop/Deployment/web", None),
    ]
    assert not [text for text in found["unproven"] if "it was told" in text]  # the negative test has shown the rest


def test_where_nobody_asks_it_nothing_is_claimed(at: CaDesk) -> None:
    unproven = at.rotate(reloads=TOLD, mutual=())["unproven"]
    assert len([text for text in unproven if "it was told" in text]) == 2


def test_one_that_cannot_be_told_stops_it_before_anything_is_signed(at: CaDesk) -> None:
    assert isinstance(at.world, ReloadWorld)
    at.world.deaf = True
    with pytest.raises(NotProven, match="could not be told"):
        at.rotate(reloads=TOLD)
    at.world.deaf = False
    assert at.rotate(reloads=TOLD)["phase"] == "DONE"
    assert at.world.broken == []


def test_who_uses_nothing_of_it_cannot_be_named(at: CaDesk) -> None:
    with pytest.raises(BadInput, match="reloads names who uses no trust store and no leaf: shop/Deployment/gone"):
        at.rotate(reloads=({"workload": "Deployment/gone", "signal": "HUP"},))
    assert at.world.fuse.writes == 0


@pytest.mark.parametrize(
    ("status", "count", "accepted"),
    [
        ("PostgreSQL R 0", 9, True),
        ("PostgreSQL R 10", 20, True),
        ("PostgreSQL E 3D000", 90, True),
        ("PostgreSQL E 28000", 90, False),
        ("PostgreSQL E 57P03", 90, None),
        ("", 0, False),
    ],
)
def test_answers_of_postgresql(status: str, count: int, accepted: bool | None) -> None:
    seen = {"connected": True, "trusted": True, "status": status, "bytes": count, "why": ""}
    assert judged([seen, seen]).accepted is accepted
