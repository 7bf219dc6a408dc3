# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a capture, taken up again: what was recorded is never discarded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import NotFound, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import capture_steps
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.capture_steps import RetainContents, Wave
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from tests.unit.core.memory import FakeClock
from tests.unit.volumes.world import application

CUTS = {name: {"content": f"c-{name}", "content_uid": f"uid-{name}"} for name in "ab"}
RESULTS = {"snapshot": {"point": "p1", "cuts": CUTS}}
WAVE = Step(
    "snapshot",
    "volumes.wave",
    (),
    {
        "spec": {"namespace": "shop", "name": "shop"},
        "hooks": Hooks().to_dict(),
        "volumes": [],
        "cut_timeout_s": 1,
        "ready_timeout_s": 1,
    },
)
RETAIN = Step("retain", "volumes.retain_contents", (), {"target": "shop/shop"})


class Cluster:
    """Has these contents; a read of anything else says that it is not there."""

    def __init__(self, *contents: str) -> None:
        self.there = contents

    def find(self, kind: Any, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        if name not in self.there:
            return None
        return {"metadata": {"name": name, "uid": name.replace("c-", "uid-")}, "spec": {"deletionPolicy": "Retain"}}

    def list(self, kind: Any, *more: Any, **most: Any) -> list[dict[str, Any]]:
        return []

    def call(self, *given: Any, **more: Any) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": "1"}}

    def patch(self, kind: Any, name: str, *more: Any, **most: Any) -> dict[str, Any]:
        found = self.find(kind, name)
        if found is None:
            raise NotFound(f"no {name}")
        return found


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    def tell(value: bool) -> None:
        monkeypatch.setattr(capture_steps, "recorded", lambda tools, target, operation_id: value)

    return tell


def tools(*contents: str) -> Tools:
    return Tools(cast(Any, Cluster(*contents)), "knowngood", FakeClock(), SilentReporter())


def test_a_wave_of_a_recorded_point_is_done_whatever_became_of_its_snapshots(told: Callable[[bool], None]) -> None:
    told(True)
    context = Context("capture-shop-1", RESULTS)
    assert Wave(tools("c-a")).done(WAVE, context)
    assert Wave(tools("c-a")).apply(WAVE, context) == RESULTS["snapshot"]
    told(False)
    assert not Wave(tools("c-a")).done(WAVE, context)


def test_a_recorded_point_that_has_lost_a_snapshot_is_kept_as_far_as_it_is_there(told: Callable[[bool], None]) -> None:
    told(True)
    context = Context("capture-shop-1", RESULTS)
    assert RetainContents(tools("c-a")).apply(RETAIN, context) == {"retained": ["c-a"], "missing": ["c-b"]}
    told(False)
    with pytest.raises(NotProven, match="gone before it could be kept"):
        RetainContents(tools("c-a")).apply(RETAIN, context)


def test_only_a_wave_that_was_begun_before_lets_go_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Runner:
        def __init__(self, *given: Any) -> None:
            self.hooks = Hooks()

        def let_go(self) -> None:
            done.append("let go")

        def before(self) -> None:
            done.append("before")
            raise NotProven("far enough")

        def after(self) -> None:
            done.append("after")

    monkeypatch.setattr(capture_steps, "HookRunner", Runner)
    monkeypatch.setattr(capture_steps, "resolve", lambda cluster, spec: application([]))
    for again, expected in ((False, ["before", "after"]), (True, ["let go", "before", "after"])):
        done.clear()
        with pytest.raises(NotProven, match="far enough"):
            Wave(tools()).apply(WAVE, Context("capture-shop-1", {}, again=again))
        assert done == expected
