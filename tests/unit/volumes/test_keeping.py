# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept while a wave is made: once each, by the earliest cut, and only where nobody waits."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import keeping
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.keeping import Keeper
from tests.unit.volumes.store import Store, tools

_SECOND = 10**9


def content(name: str, second: int, *, ready: bool = True) -> dict[str, Any]:
    return {
        "kind": "VolumeSnapshotContent",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {}},
        "spec": {"deletionPolicy": "Delete"},
        "status": {"creationTime": second * _SECOND, "readyToUse": ready, "snapshotHandle": name},
    }


def keeper(store: Store, *, early: bool = True) -> Keeper:
    return Keeper(tools(store), lambda cut: {"cut": str(int(cut.timestamp()))}, early=early)


def told(store: Store) -> dict[str, tuple[str, str]]:
    found = store.list("VolumeSnapshotContent")
    return {c["metadata"]["name"]: (c["spec"]["deletionPolicy"], c["metadata"]["labels"].get("cut", "")) for c in found}


def test_each_is_kept_under_the_earliest_cut_that_was_seen() -> None:
    first, second, third = content("a", 20), content("b", 10), content("c", 30)
    store = Store(first, second, third)
    with keeper(store) as keeping_:
        for one in (first, second, third, third):
            keeping_.seen(one)
    assert told(store) == {"a": ("Retain", "20"), "b": ("Retain", "10"), "c": ("Retain", "10")}


def test_what_the_driver_is_not_done_with_is_left_until_it_is_told_of_again() -> None:
    waits, unknown = content("a", 20, ready=False), content("b", 0)
    store = Store(waits, unknown)
    with keeper(store) as keeping_:
        keeping_.seen(waits)
        keeping_.seen(unknown)
        assert told(store)["a"] == ("Delete", "")
        keeping_.keep(waits)
    assert told(store) == {"a": ("Retain", "20"), "b": ("Delete", "")}


def test_where_writers_are_held_nothing_is_kept_before_they_are_let_go() -> None:
    one = content("a", 20)
    store = Store(one)
    with keeper(store, early=False) as keeping_:
        keeping_.seen(one)
        assert told(store)["a"] == ("Delete", "")
        keeping_.keep(one)
    assert told(store)["a"] == ("Retain", "20")


def test_what_could_not_be_kept_is_no_error_here_and_anything_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    one = content("a", 20)

    def refused(*given: Any) -> None:
        raise Conflict("somebody else changed it")

    monkeypatch.setattr(keeping.content_policy, "set_policy", refused)
    with keeper(Store(one)) as keeping_:
        keeping_.keep(one)

    def broken(*given: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(keeping.content_policy, "set_policy", broken)
    with pytest.raises(ZeroDivisionError), keeper(Store(one)) as keeping_:
        keeping_.keep(one)


def test_a_wave_that_fails_is_not_kept_any_further() -> None:
    with pytest.raises(Conflict), keeper(Store()):
        raise Conflict("the wave failed")
