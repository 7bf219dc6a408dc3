# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the hooks of one capture: what was held before the cut is let go on every way out.

The counterpart is registered before the freeze is sent. Everything that holds is made ready, its dead-man in the pod
included, before the first of it freezes; it is let go last first. When the budget is over it is let go whatever the
wave is doing, and the point is no better than without.

PRIVATE to this collection.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from .._cluster.kinds import named
from .._core.application import Application, PodView
from .._core.errors import BadInput, KnownGoodError, NotProven
from .._core.plan import Json
from . import hook_profiles as profiles
from . import hook_scripts as scripts
from . import hook_velero
from .consistency import Evidence, others_on
from .hook_holds import THAWED, BackupHold, Hold
from .hook_making import HoldMaker, frozen_mounts
from .hook_places import HookRun, Place, claims_of
from .hooks import EXEC, FAIL, FSFREEZE, PROFILE, Hook, Hooks, pods_for
from .profiles.common import REPLICA
from .tools import Tools, in_parallel

_STALE_S = 20.0
_PENDING, _RUNNING = "Pending", "Running"
_ENDED = ("Succeeded", "Failed")


@dataclass(slots=True)
class HookRunner:
    """Runs the hooks of one capture and keeps what came of each.

    ``cap_s``: the longest time that the cut may take, and so the hooks hold. ``atomic``: the driver cuts all claims at
    one moment. Called in this order: ``before``, then for each of ``phases`` its cut and ``cut``, then ``after``.
    """

    tools: Tools
    app: Application
    hooks: Hooks
    cap_s: float = 60.0
    atomic: bool = False
    runs: list[HookRun] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)
    _holds: dict[str, list[Hold]] = field(default_factory=dict)
    _stack: list[list[Hold]] = field(default_factory=list)
    _pods: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _limits: dict[tuple[str, str], bool] = field(default_factory=dict)
    _appeared: dict[str, list[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _timer: threading.Timer | None = None
    _exceeded: str = ""
    _unread: BadInput | None = None
    _spoiled: set[str] = field(default_factory=set)
    _first: set[str] = field(default_factory=set)

    # -- the way through ----------------------------------------------------------------------------------------

    def before(self) -> None:
        """The pre hooks in order. Raises at the first that fails and must not: BadInput, or NotProven."""
        self._look()
        if self._unread is not None:
            raise self._unread
        ready = False
        for hook in self.hooks.pre:
            if not hook.holding:
                self._plain(hook, "pre")
                continue
            if not ready:
                self._get_ready()
                ready = True
            self._hold(hook)

    def phases(self, claims: Sequence[str]) -> list[list[str]]:
        """Which claims are cut together, in this order: all at once, but standbys of PostgreSQL before, and the WAL of
        base backups after the others. What one driver cuts at one moment needs no order.
        """
        last = {backup.backup.wal_claim for backup in self._backups() if not backup.problem}
        first = set() if self.atomic else self._first - last
        sets: list[list[str]] = [[], [], []]
        for claim in claims:
            sets[0 if claim in first else 2 if claim in last else 1].append(claim)
        return [found for found in sets if found]

    def cut(self, claims: Collection[str]) -> None:
        """Told when these claims are cut."""
        for backup in self._backups():
            if backup.backup.wal_claim in claims:
                backup.prove()
            elif backup.backup.claims and not backup.files:
                backup.finish()

    def after(self) -> None:
        """Lets everything go, last first, then runs the other post hooks, whatever became of the others."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._let_all_go(check=True)
        self._look_again()
        thawed = {hook.name for hook in self.hooks.holding}
        for hook in self.hooks.post:
            if hook.name not in thawed:
                try:
                    self._plain(hook, "post")
                except KnownGoodError as error:
                    self._failures.append(f"hook {hook.name} (post): {error}")

    def let_go(self) -> None:
        """The counterparts of what holds, for what an earlier, killed run may have left. Not recorded."""
        self._look()
        if not self.hooks.holding:
            return
        pairs = [(hook, pod) for hook in self.hooks.holding for pod in self._pods_for(hook)]
        places = {(place.pod, place.container): place for place in (self._place(hook, pod) for hook, pod in pairs)}
        in_parallel(lambda place: place.attempt(scripts.clear(self._mark), _STALE_S), places.values())
        for hook in reversed(self.hooks.holding):
            in_parallel(partial(self._stale, hook), self._pods_for(hook))

    # -- what came of it ----------------------------------------------------------------------------------------

    def held_pods(self) -> set[str]:
        """Pods in which every hook that holds did so through all cuts."""
        holds = [hold for hold in self._all() if hold.stops_writers and not hold.claims and hold.hook.counts]
        return {hold.pod for hold in holds} - {hold.pod for hold in holds if not _good(hold)} - self._spoiled

    def evidence(self) -> Evidence:
        """What was held beside whole pods."""
        frozen = {claim for hold in self._all() if hold.hook.counts and _good(hold) for claim in hold.claims}
        spoiled = {claim for hold in self._all() if not _good(hold) for claim in hold.claims}
        backups = {claim: backup.pod for backup in self._backups() if backup.complete for claim in backup.backup.claims}
        uncovered = {
            claim for hold in self._all() if not hold.covers for claim in claims_of(hold.place.spec, hold.pod).values()
        }
        return Evidence(frozen - spoiled, backups, uncovered, self._appeared, sorted(self.notes))

    def kept(self, claim: str) -> dict[str, Json]:
        """What the statement keeps of a claim beside its snapshot: files to write at a restore, and what it fits."""
        for backup in self._backups():
            if backup.complete and claim in backup.backup.claims:
                together: dict[str, Json] = {"together": list(backup.backup.claims)}
                return {**together, "write_files": backup.rows()} if claim == backup.backup.data_claim else together
        return {}

    def freeze_ms(self, mounted: Mapping[str, Sequence[str]]) -> dict[str, int]:
        """How long the writers of each claim were held: from the freeze in the pods that mount it until its thaw."""
        found = {}
        for claim, pods in mounted.items():
            spans = [
                hold.ended - hold.began
                for hold in self._all()
                if hold.stops_writers and hold.began is not None and hold.ended is not None
                if claim in hold.claims or (not hold.claims and hold.pod in pods)
            ]
            found[claim] = round(max(spans, default=0.0) * 1000)
        return found

    def failures(self) -> list[str]:
        runs = [f"hook {run.name} ({run.side}) in {run.pod}: {run.problem}" for run in self.runs if run.problem]
        told = {(run.name, run.pod, run.problem) for run in self.runs}
        lost = [
            f"hook {hold.hook.name} in {hold.pod}: {hold.problem}"
            for hold in self._all()
            if hold.problem and (hold.hook.name, hold.pod, hold.problem) not in told
        ]
        return [*self._failures, *runs, *lost]

    # -- holding ------------------------------------------------------------------------------------------------

    @property
    def budget_s(self) -> float:
        return min(self.hooks.budget_s or self.cap_s, self.cap_s)

    @property
    def _mark(self) -> str:
        return self.app.spec.target

    def _get_ready(self) -> None:
        """Makes everything that holds ready; until this is done nothing is frozen."""
        pairs = [(hook, pod) for hook in self.hooks.holding for pod in self._pods_for(hook)]
        for hook in self.hooks.holding:
            if not any(other is hook for other, pod in pairs):
                self._failures.append(f"hook {hook.name}: none of its pods runs")
        made = in_parallel(lambda pair: self._ready(*pair), pairs)
        problems = [(hook, error) for (hook, pod), (hold, error) in zip(pairs, made, strict=True) if error is not None]
        for (hook, pod), (hold, error) in zip(pairs, made, strict=True):
            if hold is not None:
                self._holds.setdefault(hook.name, []).append(hold)
            if error is not None:
                self._spoiled.add(pod.name)
                self.runs.append(HookRun(hook.name, "pre", pod.name, hook.container, None, 0, str(error)))
        for hook, error in problems:
            if hook.on_error == FAIL:
                raise error
        self._timer = threading.Timer(self.budget_s, self._over)
        self._timer.daemon = True
        self._timer.start()

    def _ready(self, hook: Hook, pod: PodView) -> tuple[Hold | None, KnownGoodError | None]:
        hold = None
        try:
            hold = self._made(hook, self._place(hook, pod))
            if hold is not None:
                hold.arm(self.budget_s)
            return hold, None
        except KnownGoodError as error:
            if hold is not None:
                hold.problem = str(error)
            return hold, error

    def _hold(self, hook: Hook) -> None:
        """Freezes in all pods of the hook, group by group; registered to be let go before anything is sent."""
        for group in groups(hook, [hold for hold in self._holds.get(hook.name, []) if not hold.problem]):
            self._stack.append(group)
            if self._exceeded:
                for hold in group:
                    hold.problem = self._exceeded
                    hold.drop()
                continue
            runs = in_parallel(lambda hold: hold.freeze(min(hook.timeout_s, self.budget_s)), group)
            self.runs += runs
            for run in runs:
                if run.problem and hook.on_error == FAIL and not self._exceeded:
                    raise self._failed(hook, run)

    def _over(self) -> None:
        """The budget is over: lets go whatever is held, while the wave may still be at work."""
        with self._lock:
            self._exceeded = f"the budget of {self.budget_s:g} s was exceeded, so it was let go before the cut"
            for hold in self._all():
                hold.expired = hold.stops_writers
                hold.problem = hold.problem or (self._exceeded if hold.stops_writers else "")
            self._let_all_go(check=False)

    def _let_all_go(self, *, check: bool) -> None:
        stack = list(self._stack)
        if check:
            for hold in (hold for group in stack for hold in group if hold.state != THAWED):
                hold.check()
        for group in reversed(stack):
            todo = [hold for hold in group if hold.state != THAWED and (check or hold.stops_writers)]
            done = in_parallel(partial(_thawed, early=not check), todo)
            self.runs += [run for run in done if run is not None]
        if check:
            in_parallel(lambda hold: hold.drop(), [hold for hold in self._all() if hold.state != THAWED])

    # -- what a hook is in one pod ------------------------------------------------------------------------------

    def _made(self, hook: Hook, place: Place) -> Hold | None:
        told = (self.notes.append, self._first.update)
        return HoldMaker(self.hooks, self._mark, self.atomic, self.budget_s, self._place_in, *told).made(hook, place)

    def _place_in(self, hook: Hook, pod: str) -> Place:
        return self._place(hook, self._view(pod))

    def _stale(self, hook: Hook, pod: PodView) -> None:
        command: Sequence[str] = ()
        if hook.kind == EXEC:
            thaw = self.hooks.thaw_of(hook)
            if thaw is not None:
                hook, command = replace(hook, container=thaw.container), thaw.command
        elif hook.kind == FSFREEZE:
            paths = [path for path in frozen_mounts(hook, self._place(hook, pod)) if path]
            command = scripts.fsfreeze(paths, thaw=True) if paths else ()
        elif hook.kind == PROFILE:
            command = profiles.profile(hook.profile).stale(hook.options)
        if command:
            self._place(hook, pod).attempt(command, hook.timeout_s)

    # -- the pods -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """The pods as they are now, and what Velero's annotations on them say."""
        if self._pods or not (self.hooks.pre or self.hooks.post or self.hooks.velero_hooks):
            return
        self._pods = self._list()
        if self.hooks.velero_hooks:
            ours = [self._pods[pod.name] for pod in self.app.pods if pod.phase == _RUNNING and pod.name in self._pods]
            try:
                pre, post = hook_velero.annotated(ours)
            except BadInput as error:  # what was held is let go whatever the annotations say by now
                self._unread = error
                return
            self.hooks = replace(self.hooks, pre=(*self.hooks.pre, *pre), post=(*self.hooks.post, *post))

    def _look_again(self) -> None:
        """Pods that came to mount a claim since the application was resolved: nobody held them."""
        if not self._all():
            return
        try:
            now = self._list()
        except KnownGoodError as error:
            for hold in self._all():
                hold.doubt(f"nobody saw whether pods came meanwhile: {error}")
            return
        for name, pod in sorted(now.items()):
            for claim in claims_of(pod["spec"], name).values():
                if self._came(pod, claim):
                    self._appeared.setdefault(claim, []).append(name)

    def _came(self, pod: Mapping[str, Any], claim: str) -> bool:
        """Did it come too late to be held? Of a claim that others mount as well the first look has to tell."""
        before = self._pods.get(pod["metadata"]["name"])
        if _phase(pod) == _PENDING:
            return False
        if before is None or before["metadata"]["uid"] != pod["metadata"]["uid"] or _phase(before) == _PENDING:
            return True
        if _phase(before) in _ENDED:
            return False
        ours = {view.uid for view in self.app.pods if view.phase == _RUNNING}
        return pod["metadata"]["uid"] not in ours and not others_on(self.app, claim)

    def _list(self) -> dict[str, Mapping[str, Any]]:
        return {pod["metadata"]["name"]: pod for pod in self.tools.cluster.list("Pod", self.app.spec.namespace)}

    def _pods_for(self, hook: Hook) -> tuple[PodView, ...]:
        chosen: dict[str, set[str]] = {}
        if hook.selector:
            found = self.tools.cluster.list("Pod", self.app.spec.namespace, selector=hook.selector)
            chosen = {hook.selector: {pod["metadata"]["name"] for pod in found}}
        return tuple(pod for pod in pods_for(hook, self.app, chosen) if pod.name in self._pods)

    def _view(self, name: str) -> PodView:
        return next(pod for pod in self.app.pods if pod.name == name)

    def _place(self, hook: Hook, pod: PodView) -> Place:
        container = hook.container or next((c.name for c in pod.containers if not c.init), "")
        place = Place(self.tools, self.app.spec.namespace, pod.name, container, self._pods[pod.name]["spec"])
        key = (pod.name, container)
        if key not in self._limits:
            self._limits[key] = _can_limit(place)
        return replace(place, limits=self._limits[key])

    # -- commands that hold nothing -----------------------------------------------------------------------------

    def _plain(self, hook: Hook, side: str) -> None:
        def one(pod: PodView) -> HookRun:
            place, began = self._place(hook, pod), self.tools.clock.monotonic()
            rc, problem = place.attempt(hook.command, hook.timeout_s)
            ms = round((self.tools.clock.monotonic() - began) * 1000)
            return HookRun(hook.name, side, pod.name, place.container, rc, ms, problem)

        runs = in_parallel(one, self._pods_for(hook))
        self.runs += runs
        for run in runs:
            if side == "pre" and run.problem and hook.on_error == FAIL:
                raise self._failed(hook, run)

    def _failed(self, hook: Hook, run: HookRun) -> NotProven:
        return NotProven(
            f"the hook {hook.name} failed, nothing was captured",
            where=named("Pod", run.pod, self.app.spec.namespace),
            why=run.problem,
            next=f"run it with kubectl exec in the container {run.container} to see what it prints, or set "
            "on_error: continue to capture with less consistency",
        )

    def _all(self) -> list[Hold]:
        return [hold for holds in self._holds.values() for hold in holds]

    def _backups(self) -> list[BackupHold]:
        return [hold for hold in self._all() if isinstance(hold, BackupHold) and hold.began is not None]


def _good(hold: Hold) -> bool:
    return hold.state == THAWED and hold.began is not None and not hold.problem


def _thawed(hold: Hold, *, early: bool) -> HookRun | None:
    """Thaws, whatever comes of it: the others have to be let go, too."""
    try:
        return hold.thaw_early() if early else hold.thaw()
    except Exception as error:  # nothing here may keep the rest frozen
        hold.state, hold.problem = THAWED, hold.problem or f"it could not be let go: {error}"
        return HookRun(hold.hook.name, "post", hold.pod, hold.place.container, None, 0, hold.problem)


def groups(hook: Hook, holds: Sequence[Hold]) -> list[list[Hold]]:
    """Pods that ``order`` names one by one, then the replicas, then the others: each group is frozen at once."""
    places = {name: number for number, name in enumerate(hook.order)}
    last = len(places)

    def key(hold: Hold) -> int:
        return places.get(hold.pod, last if hold.role == REPLICA else last + 1)

    keys = sorted({key(hold) for hold in holds})
    return [[hold for hold in holds if key(hold) == number] for number in keys]


def _can_limit(place: Place) -> bool:
    try:
        return place.ask(scripts.CAN_LIMIT).rc == 0
    except KnownGoodError:
        return False


def _phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase") or "")
