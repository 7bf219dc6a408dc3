# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is held is let go: in which order, on which ways out, and what counts as held."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.knowngood.kube.plugins.module_utils._cluster.streams import PodSession
from ansible_collections.knowngood.kube.plugins.module_utils._core.clock import SystemClock
from ansible_collections.knowngood.kube.plugins.module_utils._core.errors import BadInput, NotProven
from ansible_collections.knowngood.kube.plugins.module_utils._core.progress import SilentReporter
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hook_holds import Hold, SessionHold
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hook_places import Place
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hook_runs import HookRunner, groups
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.hooks import Hook, Hooks
from ansible_collections.knowngood.kube.plugins.module_utils._volumes.tools import Tools
from tests.unit.volumes.world import application, volume, workload

REFS = ("StatefulSet/a", "StatefulSet/b", "StatefulSet/c")
VOLUMES = [volume(f"data-{ref[-1]}", [ref]) for ref in REFS[:2]] + [volume("data-c", [REFS[2], "Job/other"])]
POD_SPEC = {"containers": [{"name": "main"}], "volumes": []}


@dataclass
class Pods:
    """Stands for the cluster: only its pods are asked for."""

    items: list[dict[str, Any]] = field(default_factory=list)

    def list(self, kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        assert (kind, namespace) == ("Pod", "shop")
        return self.items


def pod_object(name: str, uid: str = "1", claim: str = "") -> dict[str, Any]:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    spec = {**POD_SPEC, "volumes": volumes}
    return {"metadata": {"name": name, "uid": uid}, "spec": spec, "status": {"phase": "Running"}}


class Scripted(Hold):
    """Writes down what it is asked to do, and goes wrong where it was told to."""

    def __init__(
        self, hook: Hook, place: Place, log: list[str], wrong: Sequence[str], wait: Callable[[], None]
    ) -> None:
        super().__init__(hook, place, mark="m", role="replica" if place.pod.startswith("b") else "primary")
        self._log, self._wrong, self._wait = log, wrong, wait

    def _note(self, what: str) -> str:
        self._log.append(f"{what} {self.pod}")
        return f"{what} went wrong" if f"{what} {self.pod}" in self._wrong else ""

    def arm(self, budget_s: float) -> None:
        if self._note("arm"):
            raise BadInput(f"{self.pod} is refused")

    def _freeze(self, timeout_s: float) -> tuple[int | None, str]:
        self._wait()
        return 0, self._note("freeze")

    def _lost(self) -> str:
        return "it was lost" if f"lose {self.pod}" in self._wrong else ""

    def _thaw(self) -> tuple[int | None, str]:
        return 0, self._note("thaw")

    def _drop(self) -> None:
        """It has nothing to end."""


class Runner(HookRunner):
    """The runner with scripted holds in place of those that need a cluster."""

    def __init__(
        self, hooks: Hooks, wrong: Sequence[str] = (), wait: Callable[[], None] = lambda: None, **more: Any
    ) -> None:
        app = application([workload(ref, [f"data-{ref[-1]}"]) for ref in REFS], volumes=VOLUMES)
        self.pods = Pods([pod_object(pod.name, pod.uid) for pod in app.pods])
        cluster: Any = self.pods
        tools = Tools(cluster, "state", SystemClock(), SilentReporter())
        super().__init__(tools, app, hooks, **more)
        self.log: list[str] = []
        self.wrong, self.wait = wrong, wait

    def _made(self, hook: Hook, place: Place) -> Hold:
        return Scripted(hook, place, self.log, self.wrong, self.wait)

    def _place(self, hook: Hook, pod: Any) -> Place:
        return Place(self.tools, "shop", pod.name, "main", POD_SPEC)


def hooks(on_error: str = "fail", **more: Any) -> Hooks:
    pre = [{"name": ref[-1], "workload": ref, "profile": "redis", "on_error": on_error} for ref in REFS]
    return Hooks.from_dict({"pre": pre, **more})


def through(runner: HookRunner) -> None:
    try:
        runner.before()
        for claims in runner.phases(["data-a", "data-b", "data-c"]):
            runner.cut(claims)
    finally:
        runner.after()


def test_everything_is_armed_before_anything_is_frozen_and_thawed_last_first() -> None:
    runner = Runner(hooks())
    through(runner)
    assert sorted(runner.log[:3]) == ["arm a-0", "arm b-0", "arm c-0"]
    assert runner.log[3:] == ["freeze a-0", "freeze b-0", "freeze c-0", "thaw c-0", "thaw b-0", "thaw a-0"]
    assert runner.held_pods() == {"a-0", "b-0", "c-0"}
    assert runner.failures() == []


@pytest.mark.parametrize("atomic", [False, True])
def test_what_must_not_be_ahead_of_others_is_cut_before_them(atomic: bool) -> None:
    """A standby of PostgreSQL, of which nothing is held."""

    class Standby(Runner):
        def _made(self, hook: Hook, place: Place) -> Hold:
            if place.pod == "b-0":
                self._first.add("data-b")
            return super()._made(hook, place)

    runner = Standby(hooks(), atomic=atomic)
    runner.before()
    waves = runner.phases(["data-a", "data-b", "data-c"])
    runner.after()

    assert waves == ([["data-a", "data-b", "data-c"]] if atomic else [["data-b"], ["data-a", "data-c"]])


def test_a_freeze_that_fails_is_thawed_too_and_what_was_not_frozen_is_not() -> None:
    runner = Runner(hooks(), ["freeze b-0"])
    with pytest.raises(NotProven, match="the hook b failed, nothing was captured.*freeze went wrong"):
        through(runner)
    assert runner.log[3:] == ["freeze a-0", "freeze b-0", "thaw b-0", "thaw a-0"]


def test_a_refusal_freezes_nothing() -> None:
    runner = Runner(hooks(), ["arm c-0"])
    with pytest.raises(BadInput, match="c-0 is refused"):
        through(runner)
    assert not any("freeze" in line for line in runner.log)


def test_going_on_after_an_error_holds_the_others_and_says_so() -> None:
    runner = Runner(hooks("continue"), ["arm c-0", "freeze a-0", "lose b-0"])
    through(runner)
    assert runner.held_pods() == set()
    told = "; ".join(runner.failures())
    assert all(words in told for words in ("c-0 is refused", "freeze went wrong", "it was lost"))


def test_an_interruption_in_the_middle_lets_go() -> None:
    runner = Runner(hooks())

    def interrupted() -> None:
        raise KeyboardInterrupt

    runner.cut = lambda claims: interrupted()
    with pytest.raises(KeyboardInterrupt):
        through(runner)
    assert runner.log[-3:] == ["thaw c-0", "thaw b-0", "thaw a-0"]


def test_a_thaw_that_fails_keeps_no_other_one_frozen() -> None:
    runner = Runner(hooks(), ["thaw c-0"])
    through(runner)
    assert runner.log[-3:] == ["thaw c-0", "thaw b-0", "thaw a-0"]
    assert runner.held_pods() == {"a-0", "b-0"}


def test_when_the_budget_is_over_it_is_let_go_while_the_wave_goes_on() -> None:
    runner = Runner(hooks(budget_s=0.2))
    gone, end = threading.Event(), time.monotonic() + 20
    try:
        runner.before()
        while not gone.wait(0.02) and time.monotonic() < end:
            if "thaw a-0" in runner.log:
                gone.set()
        assert gone.is_set(), "the wave has not ended, and it is thawed"
    finally:
        runner.after()
    assert runner.log.count("thaw a-0") == 1
    assert runner.held_pods() == set()
    assert "the budget of 0.2 s was exceeded" in "; ".join(runner.failures())


def test_what_freezes_after_the_budget_is_over_is_thawed_again_and_the_rest_not_frozen() -> None:
    slow = threading.Event()
    runner = Runner(hooks(budget_s=0.1), wait=lambda: bool(slow.wait(0.4)) or None)
    through(runner)
    assert "freeze c-0" not in runner.log
    assert runner.log[-1] == "thaw a-0"
    assert runner.held_pods() == set()


def test_a_freeze_that_outlasts_its_thaw_is_thawed_again_at_once_and_never_counts_as_held() -> None:
    runner: Runner

    def outlasts_the_budget() -> None:
        end = time.monotonic() + 20
        while "thaw a-0" not in runner.log and time.monotonic() < end:
            time.sleep(0.01)

    runner = Runner(hooks(budget_s=0.1), wait=outlasts_the_budget)
    runner.before()
    (hold,) = runner._holds["a"]
    assert [line for line in runner.log if "a-0" in line] == ["arm a-0", "thaw a-0", "freeze a-0", "thaw a-0"]
    assert hold.state == "thawed", "before the cut, and not when the wave is over"
    runner.after()
    assert runner.log.count("thaw a-0") == 2
    assert runner.held_pods() == set()


def test_a_session_that_the_budget_finds_freezing_lets_go_when_it_is_there() -> None:
    class Busy(Scripted):
        @property
        def busy(self) -> bool:
            return self.state == "freezing"

    place = Place(Runner(hooks()).tools, "shop", "a-0", "main", POD_SPEC)
    log: list[str] = []
    hold: Hold

    def the_budget_is_over() -> None:
        hold.expired = True
        assert hold.thaw_early() is None, "its stream is in use"

    hold = Busy(Hook("h"), place, log, [], the_budget_is_over)
    hold.freeze(1)
    assert (log, hold.state) == (["freeze a-0", "thaw a-0"], "thawed")


def test_what_was_let_go_before_it_froze_is_not_frozen() -> None:
    place = Place(Runner(hooks()).tools, "shop", "a-0", "main", POD_SPEC)
    log: list[str] = []
    hold = Scripted(Hook("h"), place, log, [], lambda: None)
    assert hold.thaw_early() is not None
    run = hold.freeze(1)
    assert (log, hold.state, run.problem) == (["thaw a-0"], "thawed", "it was let go before it froze")


def test_the_budget_is_never_more_than_the_cut_may_take() -> None:
    assert Runner(hooks(budget_s=90), cap_s=60).budget_s == 60
    assert Runner(hooks(budget_s=5), cap_s=60).budget_s == 5
    assert Runner(hooks(), cap_s=60).budget_s == 60


def test_a_pod_that_came_meanwhile_is_told_and_one_that_was_there_is_not() -> None:
    runner = Runner(hooks())
    runner.before()
    runner.pods.items = [
        pod_object("a-0", "uid-a-0", "data-a"),
        pod_object("b-0", "2", "data-b"),
        pod_object("new", claim="x"),
    ]
    runner.after()
    assert runner.evidence().appeared == {"data-b": ["b-0"], "x": ["new"]}


def test_a_pod_that_came_between_the_resolution_and_the_first_look_was_not_held_either() -> None:
    runner = Runner(hooks())
    done = pod_object("done", claim="data-b")
    done["status"]["phase"] = "Succeeded"
    runner.pods.items = [
        pod_object("a-0", "uid-a-0", "data-a"),
        pod_object("a-1", claim="data-a"),
        pod_object("b-0", "made-anew", "data-b"),
        done,
        pod_object("other", claim="data-c"),
    ]
    through(runner)
    assert runner.evidence().appeared == {"data-a": ["a-1"], "data-b": ["b-0"]}, "of data-c the other one is known"


def test_replicas_come_before_the_others_and_named_pods_before_all() -> None:
    nobody: Any = None
    tools = Tools(nobody, "", SystemClock(), SilentReporter())

    def hold(pod: str, role: str) -> Hold:
        made = Scripted(Hook("h"), Place(tools, "shop", pod, "main", POD_SPEC), [], (), lambda: None)
        made.role = role
        return made

    found = [hold("p", "primary"), hold("r1", "replica"), hold("r2", "replica"), hold("x", "")]
    assert [[h.pod for h in group] for group in groups(Hook("h"), found)] == [["r1", "r2"], ["p", "x"]]
    named = Hook("h", order=("p", "r2"))
    assert [[h.pod for h in group] for group in groups(named, found)] == [["p"], ["r2"], ["r1"], ["x"]]


@settings(max_examples=60)
@given(st.sets(st.sampled_from([f"{what} {pod}-0" for what in ("arm", "freeze", "lose", "thaw") for pod in "abc"])))
def test_whatever_goes_wrong_what_was_frozen_is_thawed_and_only_the_whole_counts(wrong: set[str]) -> None:
    runner = Runner(hooks("continue"), sorted(wrong))
    through(runner)
    frozen = {line.partition(" ")[2] for line in runner.log if line.startswith("freeze")}
    thawed = [line.partition(" ")[2] for line in runner.log if line.startswith("thaw")]
    assert sorted(thawed) == sorted(frozen)
    assert runner.held_pods() == {pod for pod in ("a-0", "b-0", "c-0") if not any(pod in line for line in wrong)}


class Session:
    """Stands for the stream of a session that ends with ``rc`` after it has printed ``text``."""

    def __init__(self, rc: int, text: str) -> None:
        self.rc, self.text = rc, text

    def send(self, text: str) -> None:
        assert text == "open"

    def expect(self, token: str, timeout_s: float) -> str:
        return token

    def end(self, timeout_s: float, text: str = "") -> int:
        assert text == "close"
        return self.rc

    def said(self, token: str) -> bool:
        return token in self.text


@pytest.mark.parametrize(
    ("rc", "printed", "problem"),
    [
        (0, "PROOF", ""),
        (0, "lost", "its session was not the one any more that had frozen"),
        (1, "PROOF", "its session ended with exit code 1, so nobody knows until when it held"),
        (124, "PROOF", "its session was ended, as its time was over"),
    ],
)
def test_a_session_counts_when_it_shows_at_its_end_that_it_had_held(rc: int, printed: str, problem: str) -> None:
    stream: Any = Session(rc, printed)

    class Started(SessionHold):
        def _open(self) -> PodSession:
            found: PodSession = stream
            return found

    place = Place(Runner(hooks()).tools, "shop", "a-0", "main", POD_SPEC)
    hold = Started(Hook("h"), place, ["x"], ready="R", release="close", mark="m", opening="open", proof="PROOF")
    hold.freeze(1)
    assert hold.thaw().problem == hold.problem == problem


def annotated(command: str, path: str) -> dict[str, Any]:
    found = pod_object("a-0", claim="data-a")
    found["spec"]["containers"] = [{"name": "main", "volumeMounts": [{"name": "v", "mountPath": "/data"}]}]
    found["metadata"]["annotations"] = {
        "pre.hook.backup.velero.io/command": f'["{command}", "--freeze", "{path}"]',
        "post.hook.backup.velero.io/command": f'["{command}", "--unfreeze", "{path}"]',
    }
    return found


@pytest.mark.parametrize(
    ("command", "path", "claim", "counts"),
    [("fsfreeze", "/data", "data-a", True), ("fsfreeze", "/other", "", False), ("lock", "/data", "data-a", False)],
)
def test_a_freeze_by_an_annotation_holds_its_claim_and_not_the_pod(
    command: str, path: str, claim: str, counts: bool
) -> None:
    runner = Runner(Hooks.from_dict({"velero_hooks": True}))
    runner.pods.items = [annotated(command, path)]
    runner._look()
    (hook,) = runner.hooks.pre
    spec = runner.pods.items[0]["spec"]
    hold = HookRunner._made(runner, hook, Place(runner.tools, "shop", "a-0", "main", spec))
    assert hold is not None
    assert (hold.claims, hold.hook.counts) == ((claim,) if claim else (), counts)


def test_an_annotation_that_cannot_be_read_stops_a_capture_and_not_what_lets_go() -> None:
    runner = Runner(Hooks.from_dict({"velero_hooks": True}))
    runner.pods.items = [annotated("fsfreeze", "/data")]
    runner.pods.items[0]["metadata"]["annotations"]["pre.hook.backup.velero.io/command"] = "[oops"
    runner.let_go()
    with pytest.raises(BadInput, match="is not a list in JSON"):
        runner.before()


def test_where_nobody_sees_who_came_meanwhile_nothing_counts() -> None:
    runner = Runner(hooks())
    runner.before()

    def gone(kind: str, namespace: str, selector: str = "") -> list[dict[str, Any]]:
        raise NotProven("the server is gone")

    runner.pods.list = gone
    runner.after()
    assert runner.held_pods() == set()
    assert "nobody saw whether pods came meanwhile" in "; ".join(runner.failures())
