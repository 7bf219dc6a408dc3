# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims go and others are made in their place, each as soon as it can be, also after a run that died in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import Conflict, NotProven, TimedOut
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.rebind import Move, rebind_all

from .store import OPERATION, Store, claim, pod, tools, volume

AGAIN = {"access_modes": ["ReadWriteOnce"], "request": "1Gi", "mode": "Filesystem"}
NAMES = ("data", "logs")


def binds(obj: dict[str, Any]) -> None:
    """What the cluster makes of a claim that names its volume."""
    if obj["kind"] == "PersistentVolumeClaim":
        obj["status"] = {"phase": "Bound"}


class Cluster(Store):
    """Binds claims, both ways, and notes the writes."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        super().__init__(*objects, grows=binds)
        self.writes: list[str] = []

    def create(self, obj: dict[str, Any]) -> dict[str, Any]:
        self.writes.append(f"create {obj['metadata']['name']}")
        made = super().create(obj)
        bound = self.get("PersistentVolume", obj["spec"]["volumeName"])
        bound["spec"]["claimRef"]["uid"] = made["metadata"]["uid"]
        self._put(bound)
        return made

    def delete(self, kind: str, name: str, namespace: str | None, *, uid: str, **more: Any) -> None:
        self.writes.append(f"delete {name}")
        super().delete(kind, name, namespace, uid=uid, **more)


def reserved(name: str, of: str) -> dict[str, Any]:
    made = volume(name, of, "Retain")
    made["spec"]["claimRef"]["uid"] = None
    made["status"] = {"phase": "Available"}
    return made


def world(names: Sequence[str] = NAMES, policy: str = "Retain") -> list[dict[str, Any]]:
    """Claims on their old volumes, and new volumes reserved for them."""
    found = []
    for name in names:
        found += [claim(name, f"old-{name}"), volume(f"old-{name}", name, policy), reserved(f"new-{name}", name)]
    return found


def moves(names: Sequence[str] = NAMES) -> list[Move]:
    def ours(there: dict[str, Any]) -> bool:
        return bool(there["metadata"]["uid"] == f"uid-{there['metadata']['name']}")

    return [Move("shop", name, f"new-{name}", f"uid-new-{name}", AGAIN, OPERATION, ours) for name in names]


def test_each_claim_is_bound_to_its_new_volume_and_the_old_ones_stay() -> None:
    cluster = Cluster(*world())

    bound = rebind_all(tools(cluster), "shop", moves())

    assert {name: one["spec"]["volumeName"] for name, one in bound.items()} == {"data": "new-data", "logs": "new-logs"}
    assert sorted(cluster.writes) == ["create data", "create logs", "delete data", "delete logs"]
    assert {name: cluster.get("PersistentVolume", f"old-{name}")["status"]["phase"] for name in NAMES} == {
        "data": "Released",
        "logs": "Released",
    }


def test_a_volume_is_reserved_before_its_claim_is_let_go_of() -> None:
    """Made at the same moment as its volume is reserved, a claim might wait for a quarter of a minute."""
    there = world()
    for one in there[2::3]:
        one["spec"]["claimRef"]["uid"], one["status"] = "uid-of-before", {"phase": "Released"}

    class Noting(Cluster):
        def patch(self, kind: str, name: str, *args: Any, **more: Any) -> dict[str, Any]:
            self.writes.append(f"reserve {name}")
            return super().patch(kind, name, *args, **more)

    cluster = Noting(*there)
    rebind_all(tools(cluster), "shop", moves())

    assert sorted(cluster.writes[:2]) == ["reserve new-data", "reserve new-logs"]
    assert sorted(cluster.writes[2:]) == ["create data", "create logs", "delete data", "delete logs"]


def test_a_claim_that_waits_for_a_volume_goes_before_one_is_reserved_for_its_name() -> None:
    """It would be bound to that at once."""
    waits, dummy, new = world(NAMES[:1])
    del waits["spec"]["volumeName"]
    new["spec"]["claimRef"]["uid"], new["status"] = "uid-of-before", {"phase": "Released"}

    class Noting(Cluster):
        def patch(self, kind: str, name: str, *args: Any, **more: Any) -> dict[str, Any]:
            self.writes.append(f"reserve {name}")
            return super().patch(kind, name, *args, **more)

    cluster = Noting(waits, dummy, new)
    rebind_all(tools(cluster), "shop", moves(NAMES[:1]))

    assert cluster.writes == ["delete data", "reserve new-data", "create data"]


@pytest.mark.parametrize("died", ["deleted one", "made one", "made all"])
def test_gone_on_with_it_does_what_is_left(died: str) -> None:
    cluster = Cluster(*world())
    if died == "deleted one":
        cluster.delete("PersistentVolumeClaim", "data", "shop", uid="uid-data")
    else:
        rebind_all(tools(cluster), "shop", moves(NAMES[:1] if died == "made one" else NAMES))
    cluster.writes.clear()

    rebind_all(tools(cluster), "shop", moves())

    left = {
        "deleted one": ["create data", "create logs", "delete logs"],
        "made one": ["create logs", "delete logs"],
        "made all": [],
    }
    assert sorted(cluster.writes) == left[died]


@pytest.mark.parametrize(
    ("there", "error", "match"),
    [
        (world(NAMES[:1]) + world(NAMES[1:], policy="Delete"), NotProven, "would be deleted with its claim"),
        ([*world(), pod("web-0", "logs")], Conflict, "mounted by: web-0"),
        ([*world(NAMES[:1]), claim("logs", "theirs", uid="uid-x"), reserved("new-logs", "logs")], Conflict, "another"),
    ],
    ids=["not retained", "mounted", "somebody else's"],
)
def test_what_stands_in_the_way_is_found_before_anything_is_deleted(
    there: list[dict[str, Any]], error: type[Exception], match: str
) -> None:
    cluster = Cluster(*there)

    with pytest.raises(error, match=match):
        rebind_all(tools(cluster), "shop", moves())

    assert cluster.writes == []


def test_a_claim_that_somebody_makes_in_between_is_named() -> None:
    class Raced(Cluster):
        def create(self, obj: dict[str, Any]) -> dict[str, Any]:
            theirs = claim("data", "", uid="uid-theirs")
            theirs["metadata"].update(creationTimestamp="2026-11-22T10:00:00Z", managedFields=[{"manager": "argocd"}])
            self._tell("ADDED", self._put(theirs))
            raise Conflict("it exists already")

    with pytest.raises(Conflict, match=r"somebody made .*data in the meantime.*by argocd"):
        rebind_all(tools(Raced(*world(NAMES[:1]))), "shop", moves(NAMES[:1]))


def test_who_holds_a_claim_is_named() -> None:
    class Held(Cluster):
        def delete(self, kind: str, name: str, namespace: str | None, *, uid: str, **more: Any) -> None:
            del kind, name, namespace, uid, more

        def watch(self, *args: Any, **more: Any) -> Any:
            del args, more
            return iter(())

    there = world(NAMES[:1])
    there[0]["metadata"]["finalizers"] = ["example.com/hold"]
    with pytest.raises(TimedOut, match=r"data is held by: example.com/hold"):
        rebind_all(tools(Held(*there)), "shop", moves(NAMES[:1]))
