# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions are loaded when they are asked for, and what was asked for first stays what it was."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._volumes.on_demand import OnDemand


def packages(loaded: list[str]) -> OnDemand:
    def package(name: str, *actions: str) -> Any:
        def load() -> dict[str, Any]:
            loaded.append(name)
            return {action: cast(Any, f"{name}: {action}") for action in actions}

        return load

    return OnDemand(package("often", "a", "b"), package("seldom", "c"), package("never", "d"))


def test_a_package_is_loaded_once_and_only_when_it_is_needed() -> None:
    loaded: list[str] = []
    found = packages(loaded)
    assert loaded == []
    assert (found["a"], found.get("b")) == ("often: a", "often: b")
    assert loaded == ["often"]
    assert "c" in found
    assert found["c"] == "seldom: c"
    assert loaded == ["often", "seldom"]


def test_what_no_package_has_is_missing_after_all_were_asked() -> None:
    loaded: list[str] = []
    found = packages(loaded)
    assert "x" not in found
    assert found.get("x") is None
    with pytest.raises(KeyError, match="x"):
        found["x"]
    assert loaded == ["often", "seldom", "never"]


def test_it_counts_and_names_all_and_one_that_was_put_in_stays() -> None:
    found = packages([])
    found["d"] = cast(Any, "mine")
    assert sorted(found) == ["a", "b", "c", "d"]
    assert (len(found), found["d"]) == (4, "mine")
