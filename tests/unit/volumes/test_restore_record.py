# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger says that a restore was undone when it was, and not before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.client import Cluster
from ansible_collections.knowngood.kube.plugins.module_utils._cluster.ledger import LedgerStore
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context, Engine
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Json, Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.restore_record import RecordRestore
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from tests.unit.catalogue.fakes import FakeCluster, StoppedClock
from tests.unit.core.memory import House

from .world import TARGET

RECORD = {
    "target": TARGET,
    "point": "shop-1",
    "incident": "INC-1",
    "into": "in_place",
    "namespace": "shop",
    "cluster": "",
    "stage": "stage data",
    "swap": "swap data",
    "manifest": "",
    "images": {},
}
PLAN = Plan(
    "restore", TARGET, "shop-1", (Step("swap data", "swap"), Step("record", "record", (f"ledger {TARGET}",), RECORD))
)


class Moves:
    """A swap whose way back may be barred."""

    barred = False

    def done(self, step: Step, context: Context) -> bool:
        return False

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        return {"volumes": {"data": {"from": "pv-old", "to": "pv-new"}}}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        if self.barred:
            raise Conflict("the claim is in use")
        return {"back_to": {"data": "pv-old"}}


class Restored:
    """A restore that was recorded."""

    def __init__(self) -> None:
        cluster = cast(Cluster, FakeCluster())
        tools = Tools(cluster, "knowngood", StoppedClock(), SilentReporter())
        self.moves, self.ledger = Moves(), LedgerStore(cluster, "knowngood")
        known = {"swap": self.moves, "record": RecordRestore(tools)}
        self.engine: Engine = replace(House().engine(), actions=known)
        self.id = self.engine.run(PLAN).operation_id

    @property
    def told(self) -> list[Any]:
        return [statement.body for statement in self.ledger.read(TARGET)]


def test_an_undo_that_fails_is_not_stated() -> None:
    restored = Restored()
    restored.moves.barred = True
    with pytest.raises(Conflict, match="in use"):
        restored.engine.undo(restored.id)
    assert [body.get("undone") for body in restored.told] == [None]


def test_one_that_ended_is_stated_with_the_way_that_the_volumes_went() -> None:
    restored = Restored()
    restored.engine.undo(restored.id)
    done, undone = restored.told
    assert done["volumes"] == [{"claim": "data", "from": "pv-old", "to": "pv-new"}]
    assert (undone["undone"], undone["operation"]) == (True, restored.id)
    assert undone["volumes"] == [{"claim": "data", "from": "pv-new", "to": "pv-old"}]
