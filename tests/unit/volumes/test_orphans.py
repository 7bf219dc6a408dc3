# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who needs a recovery point, what was left behind, and which kept volumes are due."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.knowngood.kube.plugins.module_utils._ansible.frame import Frame
from ansible_collections.knowngood.kube.plugins.module_utils._ansible.giving_up import absent
from ansible_collections.knowngood.kube.plugins.module_utils._core.application import ApplicationSpec
from ansible_collections.knowngood.kube.plugins.module_utils._core.operation import Context
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import Plan, Step
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import (
    ABANDONED,
    FINISHED,
    OPEN,
    UNDONE,
    Entry,
    Operation,
)
from ansible_collections.knowngood.kube.plugins.module_utils._volumes import expire, orphan_search, prune
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.house import House
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.orphan_steps import RemoveOrphan
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.orphans import Found, Orphan, orphans
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.usage import Seen, handle_of, usage
from tests.unit.core.memory import FakeClock
from tests.unit.volumes.world import DRIVER, captured, points

SPEC = ApplicationSpec("shop", "shop")
NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
RESTORE = "restore-shop-0123456789"


def operation(
    state: str, *, kind: str = "restore", name: str = "", target: str = "shop/shop", **facts: Any
) -> Operation:
    steps = (Step("stage", "volumes.stage", ("PersistentVolume pv-a",), {"claims": [{"point": "p1"}]}),)
    return Operation(name or f"{kind}-shop-0123456789", Plan(kind, target, "p1", steps), state, facts=facts)


def content(name: str, handle: str, op: str = "", namespace: str = "shop", policy: str = "Retain") -> dict[str, Any]:
    labels = {"knowngood.io/operation": op} if op else {}
    ref = {"name": f"vs-{name}", "namespace": namespace, "uid": f"uid-vs-{name}"}
    return {
        "kind": "VolumeSnapshotContent",
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels},
        "spec": {"driver": DRIVER, "source": {}, "deletionPolicy": policy, "volumeSnapshotRef": ref},
        "status": {"snapshotHandle": handle} if handle else {},
    }


def claim(name: str, phase: str = "Bound", snapshot: str = "", **labels: str) -> dict[str, Any]:
    source = {"kind": "VolumeSnapshot", "name": snapshot} if snapshot else None
    marks = {f"knowngood.io/{key}": value for key, value in labels.items()}
    marks |= {"app.kubernetes.io/managed-by": "knowngood"} if labels else {}
    meta = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": marks}
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": meta,
        "spec": {"dataSourceRef": source},
        "status": {"phase": phase},
    }


# -- who needs a point -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (operation(OPEN), f"{RESTORE} is unfinished"),
        (operation(OPEN, target="other/shop"), f"{RESTORE} is unfinished"),
        (operation(FINISHED, undo_until="2026-11-23T00:00:00Z"), f"{RESTORE} can be undone until 2026-11-23T00:00:00Z"),
        (operation(FINISHED, undo_until="2026-11-22T00:00:00Z"), ""),
        (operation(UNDONE, undo_until="2026-11-23T00:00:00Z"), ""),
        (operation(OPEN, kind="prune"), ""),
    ],
)
def test_a_point_is_in_use_by_operations(given: Operation, why: str) -> None:
    there = points(("p1", captured(["a"])), ("p2", captured(["b"])))
    seen = Seen([content("snapcontent-a", "snap-a"), content("snapcontent-b", "snap-b")], [], [given])

    found = usage(seen, "shop", there, NOW)

    assert found.in_use == ({"p1": (why,)} if why else {})
    assert found.lost == frozenset()


def test_a_point_is_in_use_by_claims_that_wait_and_by_contents_of_others() -> None:
    there = points(("p1", captured(["a"])), ("p2", captured(["b"])), ("p3", captured(["c"])))
    contents = [content("snapcontent-a", "snap-a"), content("snapcontent-b", "snap-b"), content("theirs", "snap-b")]
    contents.append(content("import", "snap-a", RESTORE))
    claims = [claim("x", "Pending", "vs-import"), claim("y", "Bound", "a-abc")]

    found = usage(Seen(contents, claims, []), "shop", there, NOW)

    assert found.in_use == {
        "p1": ("PersistentVolumeClaim shop/x is being made from it",),
        "p2": ("VolumeSnapshotContent theirs of somebody else has the same snapshot",),
    }
    assert found.lost == {"p3"}


# -- what was left behind ----------------------------------------------------------------------------------------


def found(**more: Any) -> Found:
    there = points(("p1", captured(["a"])), ("p2", captured(["b"])), pruned=["p2"])
    live = frozenset(handle_of(volume) for point in there for volume in point.volumes if not point.pruned)
    nothing: dict[str, Any] = {"snapshots": [], "claims": [], "pods": [], "volumes": [], "operations": [], "live": live}
    return Found(**{"contents": [content("snapcontent-a", "snap-a", "capture-shop-1111111111")], **nothing, **more})


def left(**more: Any) -> list[Orphan]:
    there = points(("p1", captured(["a"])), ("p2", captured(["b"])), pruned=["p2"])
    return list(orphans(SPEC, there, found(**more)))


def test_what_has_its_statement_is_no_orphan() -> None:
    assert left() == []


def test_a_point_without_content_is_told_and_not_removed() -> None:
    (row,) = left(contents=[])
    assert (row.kind, row.point, row.step) == ("content_gone", "p1", None)
    assert "target=claim" in row.row()["next"]


def test_the_data_of_a_point_that_was_given_up_is_freed_by_the_step_of_pruning() -> None:
    contents = [
        content("snapcontent-a", "snap-a", "capture-shop-1"),
        content("snapcontent-b", "snap-b", "capture-shop-2"),
    ]
    (row,) = left(contents=contents)
    assert (row.kind, row.point, row.frees) == ("pruned_not_freed", "p2", True)
    assert row.step is not None
    assert (row.step.action, row.step.name) == ("volumes.free", "free p2")
    # Another application's ledger still needs it: it is none of ours to free.
    other = frozenset({(DRIVER, "snap-a"), (DRIVER, "snap-b")})
    assert left(contents=contents, live=other) == []


@pytest.mark.parametrize(
    ("op", "known", "namespace", "expected"),
    [
        ("capture-shop-2222222222", [], "shop", True),
        ("capture-shop-2222222222", [], "elsewhere", False),
        ("capture-shop-too-2222222222", [], "shop", False),
        ("", [], "shop", False),
        ("capture-x-1", [operation(FINISHED, kind="capture", name="capture-x-1")], "elsewhere", True),
        ("capture-x-1", [operation(OPEN, kind="capture", name="capture-x-1")], "shop", False),
        ("capture-shop-1", [operation(UNDONE, name="capture-shop-1", target="shop/other")], "shop", False),
    ],
)
def test_a_snapshot_without_a_statement_is_ours_when_its_operation_is(
    op: str, known: list[Operation], namespace: str, expected: bool
) -> None:
    own = content("snapcontent-a", "snap-a", "capture-shop-1111111111")
    rows = left(contents=[own, content("stray", "snap-x", op, namespace)], operations=known)
    assert [row.kind for row in rows] == (["snapshot_without_statement"] if expected else [])
    assert all(row.frees and row.step for row in rows)


def marked(item: dict[str, Any], point: str = "shop-20261121-100000-abcd") -> dict[str, Any]:
    item["metadata"]["labels"]["knowngood.io/recovery-point"] = point
    return item


def imported(item: dict[str, Any]) -> dict[str, Any]:
    """As a restore makes it, which brings back a point whose ledger may be that of another cluster."""
    item["spec"]["source"] = {"snapshotHandle": item["status"]["snapshotHandle"]}
    return item


CAPTURE = "capture-shop-2222222222"


@pytest.mark.parametrize(
    ("given", "known", "freed"),
    [
        (marked(content("stray", "snap-x", CAPTURE)), [], False),
        (marked(content("stray", "snap-x", CAPTURE)), [operation(FINISHED, kind="capture", name=CAPTURE)], False),
        (marked(content("stray", "snap-x", CAPTURE)), [operation(ABANDONED, kind="capture", name=CAPTURE)], True),
        (
            marked(content("stray", "snap-x", CAPTURE)),
            [operation(UNDONE, kind="capture", name=CAPTURE).with_entry("record", Entry("done"))],
            False,
        ),
        (content("stray", "snap-x", CAPTURE), [], True),
        (imported(content("stray", "snap-x", RESTORE)), [], False),
        (imported(content("stray", "snap-x", RESTORE)), [operation(FINISHED)], False),
        (imported(content("stray", "snap-x", RESTORE, policy="Delete")), [operation(UNDONE)], False),
        (imported(content("a-free-0123456789", "snap-x", RESTORE)), [], False),
        (imported(content("a-free-0123456789", "snap-x", RESTORE, policy="Delete")), [], True),
    ],
)
def test_a_snapshot_that_another_ledger_may_need_is_told_and_not_freed(
    given: dict[str, Any], known: list[Operation], freed: bool
) -> None:
    own = content("snapcontent-a", "snap-a", "capture-shop-1111111111")
    (row,) = left(contents=[own, given], operations=known)
    assert (row.kind, row.frees, row.step is not None) == ("snapshot_without_statement", freed, freed)


def test_nothing_is_freed_where_the_ledger_and_the_journal_are_those_of_another_state_namespace() -> None:
    there = [marked(content(f"snapcontent-{name}", f"snap-{name}", CAPTURE)) for name in "ab"]
    rows = orphans(SPEC, (), found(contents=there, live=frozenset()))
    assert [(row.frees, row.step, row.point) for row in rows] == [(False, None, "shop-20261121-100000-abcd")] * 2


def test_the_snapshot_of_a_pair_that_is_not_bound_yet_is_no_capture_s() -> None:
    meta = {"name": "a-kg-1", "namespace": "shop", "uid": "u", "labels": {"knowngood.io/operation": RESTORE}}
    pair = {"kind": "VolumeSnapshot", "metadata": meta, "spec": {"source": {"volumeSnapshotContentName": "a-kg-1"}}}
    (row,) = left(snapshots=[pair])
    assert (row.frees, row.step) == (False, None)


class Cluster:
    """Holds what it was given and notes what is written."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = objects
        self.writes: list[tuple[str, str]] = []

    def find(self, kind: Any, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        there = (o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (kind, name))
        return next(there, None)

    def get(self, kind: Any, name: str, namespace: str | None = None) -> dict[str, Any]:
        there = self.find(kind, name, namespace)
        assert there is not None
        return there

    def list(self, kind: Any, namespace: str | None = None, **more: Any) -> list[dict[str, Any]]:
        return [o for o in self.objects if o["kind"] == kind]

    def patch(self, kind: str, name: str, *more: Any, **most: Any) -> Any:
        self.writes.append(("patch", name))
        return next(o for o in self.objects if o["metadata"]["name"] == name)

    def delete(self, kind: str, name: str, *more: Any, **most: Any) -> None:
        self.writes.append(("delete", name))


def removed(thing: dict[str, Any], *others: dict[str, Any], op: str) -> tuple[dict[str, Any], Cluster]:
    """What the step says that was planned to free the thing, and what it wrote."""
    cluster, meta = Cluster(thing, *others), thing["metadata"]
    params = {
        "kind": thing["kind"],
        "name": meta["name"],
        "namespace": meta.get("namespace", ""),
        "uid": meta["uid"],
        "operation": op,
        "frees": True,
        "app_namespace": "shop",
    }
    step = Step("remove it", "volumes.remove_orphan", (), params)
    tools = cast(Tools, SimpleNamespace(cluster=cluster, state_namespace="knowngood", clock=FakeClock()))
    return RemoveOrphan(tools).apply(step, Context("prune-shop-1", {})), cluster


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (marked(content("stray", "snap-x", CAPTURE)), "marked as part of"),
        (imported(content("stray", "snap-x", CAPTURE)), "it was imported"),
    ],
)
def test_the_step_asks_again_whether_another_ledger_may_need_it(thing: dict[str, Any], why: str) -> None:
    told, cluster = removed(thing, op=CAPTURE)
    assert why in told["kept"]
    assert cluster.writes == []


def test_the_step_asks_again_whether_a_claim_is_mounted() -> None:
    pod: dict[str, Any] = {"kind": "Pod", "metadata": {"name": "user", "namespace": "shop", "uid": "u"}}
    pod["spec"] = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "a-kg-1"}}]}
    told, cluster = removed(claim("a-kg-1", role="staged", operation=RESTORE), pod, op=RESTORE)
    assert told == {"kept": "it is mounted by user by now"}
    assert cluster.writes == []


def test_two_contents_of_one_snapshot_are_told_and_only_ours_is_removed_without_its_data() -> None:
    own = content("snapcontent-a", "snap-a", "capture-shop-1111111111")
    rows = left(contents=[own, content("import", "snap-a", RESTORE), content("theirs", "snap-a", policy="Delete")])
    assert [(row.kind, row.object.split()[1], row.frees, row.step is not None) for row in rows] == [
        ("duplicate_content", "import", False, True),
        ("duplicate_content", "theirs", False, False),
    ]
    assert "would delete the data of both" in rows[1].why


def test_only_what_a_step_that_ran_was_for_is_called_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unfinished pruning is gone on with as it was planned: what else was asked for waits."""
    own = content("snapcontent-a", "snap-a", "capture-shop-1111111111")
    rows = left(contents=[own, *(content(name, f"snap-{name}", CAPTURE) for name in ("x", "y", "z"))])
    monkeypatch.setattr(orphan_search, "find_orphans", lambda house, spec: tuple(rows))
    names = [row.step.name for row in rows if row.step]
    done = {"changed": True, "ran": frozenset(names[:2]), "left": {names[1]: "a statement has it"}}
    monkeypatch.setattr(prune, "prune", lambda house, spec, drop, steps: dict(done))
    given = {"app": {"namespace": "shop", "name": "shop"}, "retention": None, "orphans": "remove"}

    told = absent(cast(Frame, SimpleNamespace(params=given)), cast(House, None))

    assert [row["state"] for row in told["orphans"]] == ["removed", "found", "found"]
    assert set(told) == {"changed", "retention", "orphans"}


def test_a_member_of_a_group_is_not_removed_alone() -> None:
    own, member = content("snapcontent-a", "snap-a"), content("member", "snap-x", "capture-shop-2222222222")
    member["status"]["volumeGroupSnapshotHandle"] = "group-1"
    (row,) = left(contents=[own, member])
    assert (row.step, "VolumeGroupSnapshot" in row.next) == (None, True)


def test_claims_and_pods_of_restores_are_left_when_nobody_goes_on_and_nobody_mounts_them() -> None:
    staged = claim("a-kg-1", role="staged", operation=RESTORE)
    pod: dict[str, Any] = {"kind": "Pod", "metadata": {"name": "user", "namespace": "shop", "uid": "u"}}
    pod["spec"] = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "a-kg-1"}}]}
    assert left(claims=[staged], operations=[operation(OPEN)]) == []
    assert left(claims=[claim("result", role="restored", operation=RESTORE)]) == []
    (row,) = left(claims=[staged], operations=[operation(UNDONE)])
    assert (row.kind, row.frees, row.step is not None) == ("leftover", True, True)
    (row,) = left(claims=[staged], pods=[pod])
    assert (row.step, "mounted by user" in row.why) == (None, True)


def test_volumes_that_may_hold_the_only_copy_are_told_and_not_removed() -> None:
    kept, bare = volume("pv-kept"), volume("pv-bare", kept=False)
    bare["metadata"]["annotations"] = {"knowngood.io/reclaim-policy": f"Delete before {RESTORE}"}
    rows = left(volumes=[kept, bare])
    assert [(row.kind, row.step) for row in rows] == [("kept_volume", None), ("volume_left", None)]
    assert [row.kind for row in left(volumes=[kept, bare], operations=[operation(FINISHED)])] == ["volume_left"]
    bare["status"]["phase"] = "Bound"
    assert left(volumes=[bare]) == []


# -- kept volumes ------------------------------------------------------------------------------------------------


def volume(
    name: str, until: str = "2026-11-22T11:00:00Z", *, kept: bool = True, phase: str = "Released", op: str = RESTORE
) -> dict[str, Any]:
    marks = {"knowngood.io/keep-until": until, "knowngood.io/claim": "shop/a", "knowngood.io/operation": op}
    return {
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"knowngood.io/kept": "true"} if kept else {},
            "annotations": marks if kept else {},
        },
        "spec": {"claimRef": {"namespace": "shop", "name": "a"}},
        "status": {"phase": phase},
    }


def judged(*volumes: Any, operations: Any = ()) -> dict[str, tuple[str, str]]:
    found = expire.judge([expire.KeptVolume.of(item) for item in volumes], operations, NOW)
    return {item.volume.name: (item.state, item.reason) for item in found}


def test_a_kept_volume_is_due_when_its_time_has_passed() -> None:
    assert judged(volume("pv-1"))["pv-1"][0] == "due"
    assert judged(volume("pv-1", "2026-11-22T12:00:01Z"))["pv-1"][0] == "kept"
    assert judged(volume("pv-1", "soon"))["pv-1"][0] == "unclear"
    assert judged(volume("pv-1", ""))["pv-1"][0] == "unclear"


def test_volumes_of_one_operation_go_together() -> None:
    found = judged(volume("pv-1"), volume("pv-2", "2026-11-22T12:00:03Z"), volume("pv-3", op="restore-shop-2"))
    assert {name: state for name, (state, reason) in found.items()} == {"pv-1": "kept", "pv-2": "kept", "pv-3": "due"}
    assert "the last of its operation" in found["pv-1"][1]


def test_a_kept_volume_that_is_needed_stays() -> None:
    assert judged(volume("pv-1", phase="Bound"))["pv-1"][0] == "busy"
    assert judged(volume("pv-1"), operations=[operation(OPEN)])["pv-1"] == ("busy", f"{RESTORE} is unfinished")
    other = operation(OPEN, name="restore-shop-later")
    assert judged(volume("pv-a"), operations=[other])["pv-a"] == ("busy", "restore-shop-later is unfinished")
    assert judged(volume("pv-1"), operations=[operation(FINISHED)])["pv-1"][0] == "due"


def test_what_an_abandoned_restore_kept_is_for_somebody_to_look_at() -> None:
    state, reason = judged(volume("pv-1"), operations=[operation(ABANDONED)])["pv-1"]
    assert (state, "delete it yourself" in reason) == ("unclear", True)


def test_only_what_is_due_is_in_the_plan() -> None:
    found = expire.judge(
        [expire.KeptVolume.of(item) for item in (volume("pv-1"), volume("pv-2", phase="Bound", op="x"))], [], NOW
    )
    made = expire.plan(SPEC, found, {RESTORE: "p1"})
    assert [(step.name, step.params["point"]) for step in made.steps] == [("expire pv-1", "p1")]
    assert expire.plan(SPEC, (), {}).empty
