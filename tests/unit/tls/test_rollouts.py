# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canary, blue and green, and the soak: from beginning to end, killed and failing anywhere, on a cluster in memory.

Every write is looked at: clients always have a server, and nothing but what was tried for it serves a certificate that
is not in the Secret. ``KNOWNGOOD_KILL_EVERY=1`` kills after (and before) every write, not only after a sample of them.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import (
    BadInput,
    Conflict,
    KnownGoodError,
    NotProven,
)
from ansible_collections.knowngood.kube.plugins.module_utils._core.plan import canonical
from ansible_collections.knowngood.kube.plugins.module_utils._core.ports import OPEN, UNDONE
from ansible_collections.knowngood.kube.plugins.module_utils._tls.clones import green_deployment, with_secret
from ansible_collections.knowngood.kube.plugins.module_utils._tls.consumers import PodSeen
from ansible_collections.knowngood.kube.plugins.module_utils._tls.plan import Canary, Target
from ansible_collections.knowngood.kube.plugins.module_utils._tls.request import request
from ansible_collections.knowngood.kube.plugins.module_utils._tls.sights import Sight, TlsPort
from ansible_collections.knowngood.kube.plugins.module_utils._tls.watching import Watch

from ..core.memory import Died
from . import pki
from .test_rotation import assert_rotated
from .world import CA, ORIGINAL, Desk, World, unmade, world

EVERY = int(os.environ.get("KNOWNGOOD_KILL_EVERY", "9"))
KINDS = ("canary", "blue_green", "soak")
Open = Callable[..., Desk]


def asked(kind: str) -> dict[str, Any]:
    if kind == "soak":
        return {"soak_s": 30.0}
    return {"rollout": kind, "canary": Canary(pods=2, watch_s=5.0)}


class Guard:
    """Looks at the cluster after every write."""

    def __init__(self, at: World) -> None:
        self.world, self.wrong, self.rolled_under = at, list[str](), list[list[str]]()
        self.restarts = at.restarts
        at.after = self.look

    def look(self) -> None:
        at = self.world
        behind = at.behind()
        if not behind:
            self.wrong.append("clients have no server")
        for name, fingerprint in at.loaded.items():
            tried = "canary" in name or "green" in name
            if not tried and at.stored == ORIGINAL.fingerprint and fingerprint != at.stored and at.fuse.left == 10**9:
                self.wrong.append(f"{name} serves what is not in the Secret")
        if at.restarts != self.restarts:
            self.restarts = at.restarts
            self.rolled_under.append(behind)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Open:
    return lambda made=None, **fields: Desk(made or world(**fields), monkeypatch)


def total_writes(kind: str) -> int:
    patch = pytest.MonkeyPatch()
    at = Desk(world(), patch)
    at.rotate(**asked(kind))
    patch.undo()
    return at.world.fuse.writes


KILLS = [
    pytest.param(kind, write, before, id=f"{kind} {'before' if before else 'after'} write {write}")
    for kind in KINDS
    for write in range(0, total_writes(kind))
    for before in (False, True)
    if (2 * write + before) % EVERY == 0
]


def assert_untouched(at: Desk, before: dict[Any, Any]) -> None:
    assert at.world.secret["data"] == before["Secret", "shop", "web-tls"]["data"]
    assert at.world.objects["Service", "shop", "web"]["spec"] == before["Service", "shop", "web"]["spec"]
    assert (unmade(at.world), at.world.copies) == ([], [])
    assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}


class TestCanary:
    def test_pods_with_the_new_one_are_proven_under_traffic_and_gone_before_the_write(self, desk: Open) -> None:
        at = desk()
        guard, seen = Guard(at.world), list[tuple[str, list[str], dict[str, str]]]()
        look = guard.look

        def note() -> None:
            look()
            seen.append((at.world.stored, at.world.behind(), dict(at.world.loaded)))

        at.world.after = note
        found = at.rotate(**asked("canary"))
        assert_rotated(at)
        assert guard.wrong == []
        assert unmade(at.world) == []
        canaries = {name for _stored, behind, _loaded in seen for name in behind if "canary" in name}
        assert len(canaries) == 2
        for stored, behind, loaded in seen:
            if canaries & set(behind):
                assert stored == ORIGINAL.fingerprint
            assert not [n for n in canaries & set(loaded) if loaded[n] == ORIGINAL.fingerprint]
        assert {row["pod"] for row in found["trial"]} == canaries
        assert {(row["path"], row["ok"]) for row in found["trial"]} == {("port_forward", True), ("in_cluster", True)}

    def test_the_pod_is_a_clone_that_nobody_adopts(self, desk: Open) -> None:
        at = desk()
        made: list[dict[str, Any]] = []
        at.world.after = lambda: made.extend(
            copy.deepcopy(o) for (k, _n, name), o in at.world.objects.items() if k == "Pod" and "canary" in name
        )
        template = at.world.objects["Deployment", "shop", "web"]["spec"]["template"]
        template["metadata"]["labels"]["pod-template-hash"] = "77"
        found = at.rotate(**asked("canary"))
        pod = made[0]
        assert pod["metadata"]["labels"].items() >= {"app": "web", "knowngood.io/operation": found["operation"]}.items()
        assert "pod-template-hash" not in pod["metadata"]["labels"]
        assert "ownerReferences" not in pod["metadata"]
        assert not pod["metadata"]["name"].rpartition("-")[2].isdigit()
        assert pod["spec"]["volumes"][0]["secret"]["secretName"].startswith("web-tls-next-")
        assert pod["spec"]["activeDeadlineSeconds"] > 300

    def test_the_staged_secret_holds_all_that_the_pod_may_want(self, desk: Open) -> None:
        at = desk()
        data: list[dict[str, Any]] = []
        at.world.after = lambda: data.extend(
            dict(o["data"]) for (k, _n, name), o in at.world.objects.items() if k == "Secret" and "-next-" in name
        )
        at.rotate(**asked("canary"))
        assert set(data[0]) == {"tls.crt", "tls.key", "ca.crt", "extra"}

    def test_a_server_that_wants_to_be_asked_for_tls_is_asked(self, desk: Open) -> None:
        at = desk()
        template = at.world.objects["Deployment", "shop", "web"]["spec"]["template"]
        template["spec"]["containers"][0]["ports"][0]["containerPort"] = 5432
        at.world.roll()
        asked_for: list[tuple[bool, str]] = []
        looked = at.world.see

        def see(cluster: Any, namespace: str, ports: Iterable[TlsPort], **given: Any) -> tuple[Sight, ...]:
            wanted = list(ports)
            asked_for.extend(("canary" in port.pod, port.starttls) for port in wanted)
            # It speaks no HTTP, whatever the task says by default.
            return tuple(
                replace(sight, served=replace(sight.served, bytes=None, status=""))
                for sight in looked(cluster, namespace, wanted, **given)
            )

        at.patch.setattr(at.world, "see", see)
        at.rotate(**asked("canary"), **asked("soak"))
        assert set(asked_for) == {(True, "postgresql"), (False, "postgresql")}

    @pytest.mark.parametrize("policy", ["undo", "hold"])
    def test_one_that_fails_leaves_nothing_behind(self, desk: Open, policy: str) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        before = copy.deepcopy(at.world.objects)
        with pytest.raises(NotProven, match="does not serve the new certificate") as caught:
            at.rotate(on_failure=policy, **asked("canary"))
        assert unmade(at.world) == []
        assert at.world.restarts == 0
        if policy == "hold":
            at.engine().undo(at.journal.list()[0].id)
        else:
            assert not caught.value.changed
            assert "nothing was put into service" in caught.value.next
        assert_untouched(at, before)

    def test_one_that_does_not_come_up_never_gets_traffic(self, desk: Open) -> None:
        at = desk(crashes=True)
        before, behind = copy.deepcopy(at.world.objects), list[str]()
        at.world.after = lambda: behind.extend(at.world.behind())
        with pytest.raises(NotProven, match="do not come up"):
            at.rotate(**asked("canary"))
        assert not [name for name in behind if "canary" in name]
        assert_untouched(at, before)

    def test_a_restart_under_traffic_is_a_failure(self, desk: Open) -> None:
        at = desk()
        before, see = copy.deepcopy(at.world.objects), at.world.see

        def bitten(cluster: Any, namespace: str, ports: Any, **given: Any) -> Any:
            for name in [n for n in at.world.behind() if "canary" in n]:
                at.world.objects["Pod", "shop", name]["status"]["containerStatuses"][0]["restartCount"] += 1
            return see(cluster, namespace, ports, **given)

        at.world.see = bitten
        with pytest.raises(NotProven, match="did not stand as a canary.*was restarted"):
            at.rotate(**asked("canary"))
        assert_untouched(at, before)

    @pytest.mark.parametrize("what", [{"metadata": {"deletionTimestamp": "now"}}, {"status": {"phase": "Failed"}}])
    def test_a_pod_of_a_killed_run_that_ends_is_made_anew(self, desk: Open, what: dict[str, Any]) -> None:
        for write in range(total_writes("canary")):
            at = desk()
            at.world.fuse.left = write
            with pytest.raises(Died):
                at.rotate(**asked("canary"))
            if unmade(at.world):
                break
        at.world.fuse.left = 10**9
        pod = at.world.objects["Pod", "shop", unmade(at.world)[0]]
        before = pod["metadata"]["uid"]
        for part, values in what.items():
            pod[part].update(values)
        uids: list[str] = []
        at.world.after = lambda: uids.extend(
            o["metadata"]["uid"] for (_k, _n, name), o in at.world.objects.items() if name == pod["metadata"]["name"]
        )
        at.rotate(**asked("canary"))
        assert before != uids[-1]
        assert_rotated(at)
        assert unmade(at.world) == []

    def test_workloads_opt_out(self, desk: Open) -> None:
        told = "there is no workload to try"
        with pytest.raises(BadInput, match=told):
            desk().rotate(rollout="canary", canary=Canary(leave_out=("Deployment/web",)))
        at = desk()
        at.world.objects["Deployment", "shop", "web"]["metadata"]["annotations"] = {"knowngood.io/canary": "false"}
        with pytest.raises(BadInput, match=told):
            at.rotate(rollout="canary")


class TestBlueGreen:
    def test_the_first_one_is_renewed_while_the_second_one_serves(self, desk: Open) -> None:
        at = desk()
        guard = Guard(at.world)
        found = at.rotate(**asked("blue_green"))
        assert_rotated(at)
        assert guard.wrong == []
        (under,) = guard.rolled_under
        assert len(under) == 2
        assert all("green" in name for name in under)
        assert unmade(at.world) == []
        assert at.world.objects["Service", "shop", "web"]["spec"]["selector"] == {"app": "web"}
        assert {row["ok"] for row in found["trial"]} == {True}
        assert [row["name"].split()[0] for row in found["plan"]][3:6] == ["green", "switch", "commit"]

    def test_a_deployment_that_ends_all_pods_first_is_no_interruption(self, desk: Open) -> None:
        at = desk()
        at.world.objects["Deployment", "shop", "web"]["spec"]["strategy"] = {"type": "Recreate"}
        with pytest.raises(BadInput, match="would interrupt"):
            at.rotate(**asked("canary"))
        at.rotate(**asked("blue_green"))
        assert_rotated(at)

    def test_a_second_one_that_fails_never_gets_traffic(self, desk: Open) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        before, behind = copy.deepcopy(at.world.objects), list[str]()
        at.world.after = lambda: behind.extend(at.world.behind())
        with pytest.raises(NotProven) as caught:
            at.rotate(**asked("blue_green"))
        assert not caught.value.changed
        assert not [name for name in behind if "green" in name]
        assert_untouched(at, before)

    @pytest.mark.parametrize("policy", ["undo", "hold"])
    def test_a_switch_that_is_not_seen_from_inside_is_taken_back_at_once(self, desk: Open, policy: str) -> None:
        at = desk()
        before = copy.deepcopy(at.world.objects)
        guard = Guard(at.world)
        look = guard.look

        def cut() -> None:
            look()
            at.world.unreachable = (
                "knowngood.io/trial" in at.world.objects["Service", "shop", "web"]["spec"]["selector"]
            )

        at.world.after = cut
        with pytest.raises(NotProven, match="Service web does not serve the new certificate"):
            at.rotate(on_failure=policy, **asked("blue_green"))
        assert at.world.objects["Service", "shop", "web"]["spec"] == before["Service", "shop", "web"]["spec"]
        assert not [name for name in at.world.behind() if "green" in name]
        if policy == "hold":
            at.engine().undo(at.journal.list()[0].id)
        assert guard.wrong == []
        assert_untouched(at, before)

    def test_a_first_one_that_fails_with_it_is_brought_back_before_clients_are(self, desk: Open) -> None:
        at = desk()
        before = copy.deepcopy(at.world.objects)
        guard = Guard(at.world)
        look = guard.look

        def ill() -> None:
            look()
            at.world.crashes = at.world.stored != ORIGINAL.fingerprint

        at.world.after = ill
        with pytest.raises(KnownGoodError) as caught:
            at.rotate(**asked("blue_green"))
        assert caught.value.details["undone"] is True
        assert [all("green" in name for name in under) for under in guard.rolled_under] == [True, True]
        assert guard.wrong == []
        assert_untouched(at, before)

    def test_a_selector_that_somebody_else_changed_is_left_alone(self, desk: Open) -> None:
        at = desk()
        at.world.fuse.left = 14
        with pytest.raises(Died):
            at.rotate(**asked("blue_green"))
        at.world.fuse.left = 10**9
        service = at.world.objects["Service", "shop", "web"]
        service["spec"]["selector"] = {"app": "web", "tier": "new"}
        for key, pod in at.world.objects.items():
            if key[0] == "Pod":
                pod["metadata"]["labels"]["tier"] = "new"
        with pytest.raises(Conflict, match="somebody else changed the Service's selector"):
            at.rotate(**asked("blue_green"))
        assert at.world.objects["Service", "shop", "web"]["spec"]["selector"] == {"app": "web", "tier": "new"}
        at.engine().undo(at.journal.list()[0].id)
        assert (unmade(at.world), at.world.copies) == ([], [])


class TestSoak:
    def test_it_is_watched_for_as_long_as_that_and_said(self, desk: Open) -> None:
        at = desk()
        (row,) = at.rotate(soak_s=30.0)["soak"]
        assert row["target"] == "shop/web-tls"
        assert row["watched_s"] >= 30.0
        assert row["looks"] > 3
        assert row["failed"] == 0
        assert_rotated(at)

    def trouble(self, at: Desk, do: Callable[[dict[str, Any]], None]) -> Callable[..., Any]:
        """From its second look on something happens to a pod."""
        see, looks = at.world.see, [0]

        def seen(cluster: Any, namespace: str, ports: Any, **given: Any) -> Any:
            operations = at.journal.list()
            if operations and operations[0].entry("soak shop/web-tls").state == "started" and at.world.restarts == 1:
                looks[0] += 1
                if looks[0] > 1:
                    do(at.world.objects["Pod", "shop", "web-1-0"])
            return see(cluster, namespace, ports, **given)

        return seen

    @staticmethod
    def restarted(pod: dict[str, Any]) -> None:
        pod["status"]["containerStatuses"][0]["restartCount"] += 1

    @staticmethod
    def unready(pod: dict[str, Any]) -> None:
        pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]

    @pytest.mark.parametrize(("what", "told"), [("restarted", "was restarted"), ("unready", "is not ready any more")])
    def test_trouble_brings_the_old_one_back(self, desk: Open, what: str, told: str) -> None:
        at = desk()
        at.world.see = self.trouble(at, getattr(self, what))
        with pytest.raises(NotProven, match=f"did not stand the soak.*{told}") as caught:
            at.rotate(soak_s=60.0)
        assert caught.value.details["undone"] is True
        assert at.world.stored == ORIGINAL.fingerprint
        assert set(at.world.loaded.values()) == {ORIGINAL.fingerprint}
        assert at.world.copies == []

    def test_or_holds_and_soaks_anew(self, desk: Open) -> None:
        at = desk()
        see = at.world.see
        at.world.see = self.trouble(at, self.restarted)
        with pytest.raises(NotProven, match="did not stand the soak"):
            at.rotate(soak_s=60.0, on_failure="hold")
        assert at.world.stored != ORIGINAL.fingerprint
        at.world.see = see
        assert at.rotate(soak_s=60.0)["soak"][0]["watched_s"] >= 60.0
        assert_rotated(at)

    def test_a_short_silence_is_no_trouble(self, desk: Open) -> None:
        at = desk()
        pods: list[dict[str, Any]] = []

        def blink(pod: dict[str, Any]) -> None:
            pods.append(pod)
            if len(pods) == 1:
                self.unready(pod)
            else:
                at.world._judge(pod)

        def unready(pod: dict[str, Any]) -> None:
            pod["status"]["conditions"] = [
                c | {"status": "False"} if c["type"] == "Ready" else c for c in conditions(pod)
            ]

        def conditions(pod: dict[str, Any]) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = pod["status"]["conditions"]
            return found

        self.unready = unready
        at.world.see = self.trouble(at, blink)
        at.rotate(soak_s=30.0)
        assert_rotated(at)

    def test_a_foreign_certificate_is_held_and_never_overwritten(self, desk: Open) -> None:
        at = desk()
        theirs = pki.leaf(CA)
        data = pki.secret("web-tls", theirs.pem, pki.key_pem(theirs.key))["data"]
        at.world.see = self.trouble(at, lambda pod: at.world.secret["data"].update(data))
        with pytest.raises(Conflict, match="somebody else changed the certificate"):
            at.rotate(soak_s=60.0)
        assert at.world.stored == theirs.fingerprint


@pytest.mark.parametrize(("kind", "write", "before"), KILLS)
class TestKilled:
    def die(self, at: Desk, kind: str, write: int, before: bool) -> Guard:
        guard = Guard(at.world)
        at.world.fuse.left, at.world.fuse.before = write, before
        with pytest.raises(Died):
            at.rotate(holder="first", **asked(kind))
        at.world.fuse.left = 10**9
        return guard

    def test_the_same_task_again_finishes(self, desk: Open, kind: str, write: int, before: bool) -> None:
        at = desk()
        guard = self.die(at, kind, write, before)
        at.rotate(holder="second", **asked(kind))
        assert_rotated(at)
        assert unmade(at.world) == []
        assert at.world.objects["Service", "shop", "web"]["spec"]["selector"] == {"app": "web"}
        assert guard.wrong == []
        assert not at.rotate(holder="third", **asked(kind))["changed"]

    def test_undo_brings_back_what_was(self, desk: Open, kind: str, write: int, before: bool) -> None:
        at = desk()
        was = copy.deepcopy(at.world.objects)
        guard = self.die(at, kind, write, before)
        known = at.journal.list()
        if known:
            at.engine("second").undo(known[0].id)
            assert at.journal.list()[0].state == UNDONE
        assert_untouched(at, was)
        assert "clients have no server" not in guard.wrong


@settings(max_examples=12)
@given(st.sampled_from(KINDS), st.lists(st.tuples(st.integers(0, 45), st.booleans()), max_size=4), st.booleans())
def test_however_often_it_is_killed_it_ends_well(kind: str, kills: list[tuple[int, bool]], back: bool) -> None:
    """Killed again while it goes on, and again; then it ends, or is undone (and killed once more while it is)."""
    patch = pytest.MonkeyPatch()
    try:
        at = Desk(world(), patch)
        was, guard = copy.deepcopy(at.world.objects), Guard(at.world)
        for number, (write, before) in enumerate(kills):
            at.world.fuse.left, at.world.fuse.before = write, before
            with contextlib.suppress(Died):
                at.rotate(holder=f"run-{number}", **asked(kind))
        at.world.fuse.left = 10**9
        known = at.journal.list()
        if back and known and known[0].state == OPEN:
            at.world.fuse.left = kills[0][0]
            with contextlib.suppress(Died):
                at.engine("undo").undo(known[0].id)
            at.world.fuse.left = 10**9
            at.engine("undo again").undo(known[0].id)
            assert_untouched(at, was)
        else:
            at.rotate(holder="last", **asked(kind))
            assert_rotated(at)
            assert unmade(at.world) == []
        assert "clients have no server" not in guard.wrong
    finally:
        patch.undo()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(["new", "old", ""])), max_size=3),
    st.lists(st.floats(0.5, 30.0), min_size=1, max_size=6),
)
def test_what_a_watch_calls_trouble(pods: list[tuple[int, bool, str]], pauses: list[float]) -> None:
    """Restarts and another certificate at once; what may pass when it has lasted; and nothing without a reason."""
    first = [PodSeen(f"p{n}", f"u{n}", "Deployment/web", True, False) for n in range(3)]
    seen = Watch({pod.uid: pod for pod in first})
    assert seen.trouble(0.0, first, []) == ""
    now_there = [replace(first[n], restarts=r, ready=ready) for n, (r, ready, _served) in enumerate(pods)]
    rows = [
        {"pod": f"p{n}", "port": 1, "fingerprint": served, "expected": "new", "ok": served == "new", "why": "reset"}
        for n, (_restarts, ready, served) in enumerate(pods)
        if ready
    ]
    at_once = any(r for r, _ready, _served in pods) or any(row["fingerprint"] == "old" for row in rows)
    passing = any(not ready for _r, ready, _served in pods) or any(not row["ok"] for row in rows)
    passing = passing or not any(ready for _r, ready, _served in pods)
    now = 0.0
    for pause in pauses:
        now += pause
        why = seen.trouble(now, now_there, rows)
        lasted = now - pauses[0] >= 10.0
        assert bool(why) == (at_once or (passing and lasted))
    if not at_once:
        assert seen.trouble(now + 1, first, []) == ""


class TestWavesOfWorkloads:
    """Two Deployments with one Secret."""

    def two(self, at: Desk) -> list[str]:
        web = at.world.objects["Deployment", "shop", "web"]
        api = copy.deepcopy(web)
        api["metadata"].update(name="api", uid="a")
        api["spec"]["template"]["metadata"]["labels"] = {"app": "api"}
        at.world.objects["Deployment", "shop", "api"] = api
        at.world.roll("api")
        rolled: list[str] = []
        roll = at.world.roll
        at.world.roll = lambda name="web": (rolled.append(name), roll(name))[1]
        return rolled

    def test_one_by_one_each_proven_before_the_next(self, desk: Open) -> None:
        at = desk()
        rolled = self.two(at)
        assert at.rotate(waves=("1",))["restarted"] == ["Deployment/api", "Deployment/web"]
        assert rolled == ["api", "web"]
        assert_rotated(at)

    def test_after_one_that_does_not_serve_it_no_other_is_begun(self, desk: Open) -> None:
        at = desk(works_only=ORIGINAL.fingerprint)
        rolled = self.two(at)
        with pytest.raises(NotProven):
            at.rotate(waves=("1",), on_failure="hold")
        assert rolled == ["api"]


def test_after_a_canary_servers_may_be_told_to_reload(desk: Open) -> None:
    at = desk()
    target = Target("shop", "web-tls", reload={"signal": "HUP"})
    found = at.rotate(target, **asked("canary"))
    assert len(found["reloaded"]) == 2
    assert (found["restarted"], at.world.restarts) == ([], 0)
    assert unmade(at.world) == []


@pytest.mark.parametrize("kind", KINDS)
class TestAlways:
    def test_check_mode_shows_the_steps_that_run_and_writes_nothing(self, desk: Open, kind: str) -> None:
        at = desk()
        before = copy.deepcopy(at.world.objects)
        shown = at.rotate(check_mode=True, **asked(kind))
        assert (at.world.objects, at.world.fuse.writes) == (before, 0)
        names = [row["name"].split()[0] for row in shown["plan"]]
        wanted = {"canary": ["canary"], "blue_green": ["green", "switch", "switch_back", "remove"], "soak": ["soak"]}
        assert [name for name in names if name in wanted[kind]] == wanted[kind]
        assert at.rotate(**asked(kind))["plan_hash"] == shown["plan_hash"]

    def test_no_key_is_in_results_or_journals(self, desk: Open, kind: str) -> None:
        at = desk()
        found = at.rotate(**asked(kind))
        text = canonical(found) + "".join(
            canonical(op.plan.to_dict()) + canonical(op.results) for op in at.journal.list()
        )
        assert "PRIVATE" not in text
        for encoded in at.world.staged_keys:
            assert encoded[40:80] not in text

    def test_undone_after_the_end(self, desk: Open, kind: str) -> None:
        at = desk()
        was = copy.deepcopy(at.world.objects)
        found = at.rotate(**asked(kind))
        at.engine().undo(found["operation"])
        assert_untouched(at, was)


class TestRefused:
    def refusal(self, at: Desk, *targets: Target, **wanted: Any) -> str:
        before = copy.deepcopy(at.world.objects)
        with pytest.raises(KnownGoodError) as caught:
            at.rotate(*targets, **wanted)
        assert at.world.objects == before
        assert at.journal.list() == []
        return str(caught.value)

    @pytest.mark.parametrize("rollout", ["canary", "blue_green"])
    def test_without_a_service_or_with_claims(self, desk: Open, rollout: str) -> None:
        at = desk()
        del at.world.objects["Service", "shop", "web"]
        assert f"rollout {rollout} needs a Service" in self.refusal(at, rollout=rollout)
        at = desk()
        spec = at.world.objects["Deployment", "shop", "web"]["spec"]["template"]["spec"]
        spec["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": "data"}})
        told = self.refusal(at, rollout=rollout)
        assert "no second pod of Deployment/web can run beside its own" in told
        assert "its volumes data are claims" in told

    def rename(self, at: Desk, kind: str) -> Desk:
        deployment = at.world.objects.pop(("Deployment", "shop", "web"))
        at.world.objects[kind, "shop", "web"] = {**deployment, "kind": kind}
        for pod in [o for (k, _n, _name), o in at.world.objects.items() if k == "Pod"]:
            pod["metadata"]["ownerReferences"][0]["kind"] = kind
        return at

    def test_what_is_no_deployment(self, desk: Open) -> None:
        told = self.refusal(self.rename(desk(), "StatefulSet"), rollout="blue_green")
        assert "only a Deployment can stand there twice" in told
        told = self.refusal(self.rename(desk(), "DaemonSet"), rollout="canary")
        assert "a DaemonSet would take it for its own" in told

    def test_a_service_that_leads_elsewhere_as_well_or_has_no_address(self, desk: Open) -> None:
        at = desk()
        at.world.objects["Service", "shop", "web"]["spec"]["publishNotReadyAddresses"] = True
        assert "waits until pods are ready" in self.refusal(at, rollout="canary")
        at = desk()
        at.world._start("other-0", {"metadata": {"labels": {"app": "web"}}, "spec": SPEC}, OTHER)
        assert "one workload behind the Service" in self.refusal(at, rollout="blue_green")
        at = desk()
        at.world.objects["Service", "shop", "web"]["spec"]["clusterIP"] = "None"
        assert "a headless Service cannot be switched" in self.refusal(at, rollout="blue_green")

    def test_options(self) -> None:
        given = {
            "targets": [{"namespace": "shop", "secret": "web-tls"}],
            "issuer": {"ca_secret": "ca"},
            "reload_wait": "5s",
            "wait_timeout": 300,
            "keep_previous_for": "24h",
        }

        def told(**more: Any) -> str:
            with pytest.raises(BadInput) as caught:
                request({**given, **more})
            return str(caught.value)

        assert "no time to try" in told(rollout="canary", emergency=True, incident="INC-1")
        assert "cannot be tried before it is in the Secret" in told(rollout="blue_green", issuer={"cert_manager": True})
        assert "canary.pods" in told(rollout="canary", canary={"pods": 1000})
        assert "canary.watch is not a span of time" in told(rollout="canary", canary={"watch": "soon"})
        assert "soak is not a span of time" in told(soak="long")
        made = request({**given, "rollout": "canary", "canary": {"pods": 3, "watch": "1m"}, "soak": "10m"})
        assert (made.canary, made.soak_s) == (Canary(3, 60.0), 600.0)


SPEC = {"containers": [{"name": "c"}], "volumes": [{"name": "tls", "secret": {"secretName": "ca"}}]}
OTHER = {"metadata": {"name": "other", "uid": "o"}}


def test_the_second_deployment_is_like_the_first_but_nobody_elses() -> None:
    blue = world().objects["Deployment", "shop", "web"]
    blue["metadata"]["labels"] = {"argocd.argoproj.io/instance": "shop"}
    made = green_deployment(blue, "web-tls", "web-tls-next-1", "rotation-web-1", "abc")
    assert made["metadata"]["labels"]["knowngood.io/operation"] == "rotation-web-1"
    assert not [key for key in made["metadata"]["labels"] if "argocd" in key]
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", "knowngood.io/trial": "abc"}
    assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert made["spec"]["replicas"] == 2
    everywhere = {
        "volumes": [
            {"name": "a", "secret": {"secretName": "s"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "s"}}, {"secret": {"name": "t"}}]}},
        ],
        "containers": [
            {
                "env": [{"name": "s", "valueFrom": {"secretKeyRef": {"name": "s", "key": "tls.crt"}}}],
                "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "s"}}],
            }
        ],
    }
    text = canonical(with_secret(everywhere, "s", "next"))
    assert text.count('"next"') == 4
    assert text.count('"s"') == 2
    assert '"t"' in text
