# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The code behind the steps of a quarantine.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.clock import Clock
from .._core.errors import Conflict
from .._core.operation import Action, AskedOfJournal, Context, NothingToUndo
from .._core.plan import Json, Step
from .._core.progress import Reporter
from .amend import Ref, amend, read, read_or_none
from .client import Cluster
from .deletes import delete_as_read
from .paths import default_paths
from .pods import pods_of
from .probe import clear_probes, probe_pod
from .quarantine import AFTER, BEFORE, holds_for, judge, policy_manifest
from .quarantine_holds import NETWORK_POLICY, SCALE_DOWN, Hold, hold_patch, holds, leave_patch, no_longer_wanted
from .reach import OPEN, try_paths
from .scale import start, stop
from .stopping import is_stopped


@dataclass(frozen=True, slots=True)
class Probe(AskedOfJournal):
    """``quarantine.probe``: tries each path from a pod of our own; its result is the evidence.

    Params: namespace, image, pull_secrets, paths (empty: found when it runs, or those that the probe before found),
    workloads, timeout_s a connection, settle_s, expect (``closed`` or ``open``). Its undo leaves no pod of our own.
    """

    cluster: Cluster
    clock: Clock
    reporter: Reporter

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        paths = self._paths(step, context)
        states = self._settled(step, context, paths)
        tried = [{**path, "state": state} for path, state in zip(paths, states, strict=True)]
        for path in tried:
            self.reporter.say(f"  {path['host']}:{path['port']} ({path['via']}): {path['state']}")
        left = sum(len(pods_of(self.cluster, Ref.of(w))) for w in step.params["workloads"] if w["kind"] != "Pod")
        return {"paths": tried, "pods": left}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        clear_probes(self.cluster, [step.params["namespace"]], context.operation_id)
        return None

    def _paths(self, step: Step, context: Context) -> list[dict[str, Json]]:
        if step.params["paths"]:
            return [dict(path) for path in step.params["paths"]]
        before = context.results.get(BEFORE, {}).get("paths")
        if before is not None:
            return [{key: value for key, value in path.items() if key != "state"} for path in before]
        return self._found(step.params)

    def _found(self, params: Mapping[str, Any]) -> list[dict[str, Json]]:
        services = self.cluster.list("Service", params["namespace"])
        found = []
        for identity in params["workloads"]:
            ref = Ref.of(identity)
            obj = read(self.cluster, ref)
            pods = [obj] if ref.kind == "Pod" else pods_of(self.cluster, ref)
            found += default_paths(f"{ref.kind}/{ref.name}", template_of(obj), pods, services)
        return found

    def _settled(self, step: Step, context: Context, paths: Sequence[Mapping[str, Any]]) -> list[str]:
        """Tries until it is as expected or the time to settle is over."""
        if not paths:
            return []
        end = self.clock.monotonic() + float(step.params["settle_s"])
        places = sorted({tuple(sorted((path["from"].get("labels") or {}).items())) for path in paths})
        states: list[str] = [""] * len(paths)
        for labels in places:
            chosen = [
                n for n, p in enumerate(paths) if tuple(sorted((p["from"].get("labels") or {}).items())) == labels
            ]
            with probe_pod(
                self.cluster,
                step.params["namespace"],
                step.params["image"],
                context.operation_id,
                labels=dict(labels),
                clock=self.clock,
                pull_secrets=step.params["pull_secrets"],
                purpose=step.name.replace(" ", "-"),
            ) as place:
                while True:
                    tried = try_paths(place, [paths[n] for n in chosen], timeout_s=step.params["timeout_s"])
                    if _as_expected(tried, step.params["expect"]) or self.clock.monotonic() >= end:
                        break
                    self.clock.sleep(0.3)
            for number, state in zip(chosen, tried, strict=True):
                states[number] = state
        return states


def _as_expected(states: Sequence[str], expect: str) -> bool:
    return OPEN not in states if expect == "closed" else all(state == expect for state in states)


def template_of(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template of a workload; a pod is its own."""
    if obj["kind"] == "Pod":
        return dict(obj)
    spec = obj["spec"]["jobTemplate"]["spec"] if obj["kind"] == "CronJob" else obj["spec"]
    return dict(spec.get("template") or {})


@dataclass(frozen=True, slots=True)
class ByPolicy:
    """``quarantine.network_policy``: marks the workload and denies its pods all traffic."""

    cluster: Cluster

    def done(self, step: Step, context: Context) -> bool:
        obj = read_or_none(self.cluster, Ref.of(step.params))
        if obj is None or not _held(obj, step, context):
            return False
        return self.cluster.find("NetworkPolicy", step.params["policy"], step.params["namespace"]) is not None

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        _hold(self.cluster, step, context)
        put_policy(self.cluster, step.params, context.operation_id)
        return {"policy": step.params["policy"]}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return {"taken_off": leave(self.cluster, step.params, {NETWORK_POLICY}, _of(context))}


@dataclass(frozen=True, slots=True)
class ByScale:
    """``quarantine.scale_down``: marks the workload and stops it until no pod is left."""

    cluster: Cluster
    clock: Clock

    def done(self, step: Step, context: Context) -> bool:
        ref = Ref.of(step.params)
        obj = read_or_none(self.cluster, ref)
        if obj is None or not _held(obj, step, context):
            return False
        return is_stopped(obj) and not pods_of(self.cluster, ref)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        # Marked first: should the run die in between, the replicas to go back to are not lost.
        _hold(self.cluster, step, context)
        ref, timeout, settle = Ref.of(step.params), step.params["timeout_s"], step.params["settle_s"]
        by = context.operation_id
        return stop(self.cluster, ref, by, timeout_s=timeout, settle_s=settle, clock=self.clock)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        def start_again() -> None:
            ref, resting = Ref.of(step.params), step.params["resting_replicas"]
            start(self.cluster, ref, resting, release=True, ready_timeout_s=0, clock=self.clock)

        return {"taken_off": leave(self.cluster, step.params, {SCALE_DOWN}, _of(context), start_again)}


@dataclass(frozen=True, slots=True)
class KeepWhatHolds(AskedOfJournal, NothingToUndo):
    """``quarantine.verdict``: a policy that was shown not to hold protects nobody and is taken away again."""

    cluster: Cluster

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        verdict = judge(NETWORK_POLICY, context.results.get(BEFORE, {}), context.results.get(AFTER, {}))
        removed = False
        if verdict.shown_open and not step.params["keep"]:
            for params in step.params["policies"]:
                removed |= NETWORK_POLICY in leave(self.cluster, params, {NETWORK_POLICY}, _of(context))
        return {"enforced": verdict.enforced, "why": verdict.why, "removed": removed}


@dataclass(frozen=True, slots=True)
class Release(AskedOfJournal):
    """``quarantine.release``: some holders let go; what the others do not stand for is taken off.

    With the last holder that is policy and marks, and the workload goes back to its resting replicas.
    """

    cluster: Cluster
    clock: Clock

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        del context
        params = step.params
        ref, wanted, result = Ref.of(params), params["replicas"], {"started_ms": 0}

        def start_again() -> None:
            waits = params["timeout_s"] if wanted != 0 else 0
            result.update(start(self.cluster, ref, wanted, release=True, ready_timeout_s=waits, clock=self.clock))

        read(self.cluster, ref)
        going = {row["operation"] for row in params["leaving"]}
        methods = {NETWORK_POLICY, SCALE_DOWN}
        off = leave(self.cluster, params, methods, lambda hold: hold.operation in going, start_again)
        return {**result, "replicas": wanted, "taken_off": off}

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        params = step.params
        ref = Ref.of(params)
        back = [Hold(**row) for row in params["leaving"]]
        for hold in back:
            _add(self.cluster, ref, hold, params["replicas"])
        held_by = back[0].operation if back else context.operation_id
        if params["policy"]:
            put_policy(self.cluster, params, held_by)
        if params["was_stopped"]:
            return stop(self.cluster, ref, held_by, timeout_s=params["timeout_s"], clock=self.clock)
        return {}


def put_policy(cluster: Cluster, params: Mapping[str, Any], operation_id: str) -> None:
    """Our policy on the workload; one that is there already is made to select the same pods."""
    manifest = policy_manifest(params, operation_id)
    try:
        cluster.create(manifest)
    except Conflict:
        there = cluster.get("NetworkPolicy", params["policy"], params["namespace"])
        if there["spec"].get("podSelector") != manifest["spec"]["podSelector"]:
            cluster.update({**there, "spec": manifest["spec"]})


def drop_policy(cluster: Cluster, params: Mapping[str, Any]) -> None:
    if not params["policy"]:
        return
    there = cluster.find("NetworkPolicy", params["policy"], params["namespace"])
    if there is not None:
        delete_as_read(cluster, "NetworkPolicy", there)


def leave(
    cluster: Cluster,
    params: Mapping[str, Any],
    methods: Iterable[str],
    leaving: Callable[[Hold], bool],
    start_again: Callable[[], None] = lambda: None,
) -> list[str]:
    """Holders let go of a workload: of these methods those are taken off that nobody who stays stands for.

    Returns them. A workload that is gone has nothing to put back. The marks go last: a run that died before finds them,
    and with them what to go back to.
    """
    ref = Ref.of(params)
    obj = read_or_none(cluster, ref)
    off = no_longer_wanted(methods, [hold for hold in holds(obj) if not leaving(hold)] if obj else ())
    if NETWORK_POLICY in off:
        drop_policy(cluster, params)
    if obj is not None:
        if SCALE_DOWN in off and ref.kind != "Pod":
            start_again()
        amend(cluster, ref, lambda found: leave_patch(found, leaving))
    return sorted(off)


def _of(context: Context) -> Callable[[Hold], bool]:
    return lambda hold: hold.operation == context.operation_id


def _held(obj: Mapping[str, Any], step: Step, context: Context) -> bool:
    """By this operation, or by an earlier one for the same incident and by the same method?"""
    found = holds(obj)
    return any(map(_of(context), found)) or holds_for(found, step.params["incident"], step.params["method"])


def _hold(cluster: Cluster, step: Step, context: Context) -> None:
    params = step.params
    hold = Hold(context.operation_id, params["incident"], params["method"])
    _add(cluster, Ref.of(params), hold, params["resting_replicas"])


def _add(cluster: Cluster, ref: Ref, hold: Hold, resting: int | None) -> None:
    amend(cluster, ref, lambda obj: hold_patch(obj, hold, resting))


def actions(cluster: Cluster, *, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """``quarantine.probe``, ``.network_policy``, ``.scale_down``, ``.verdict`` and ``.release``."""
    del state_namespace
    return {
        "quarantine.probe": Probe(cluster, clock, reporter),
        "quarantine.network_policy": ByPolicy(cluster),
        "quarantine.scale_down": ByScale(cluster, clock),
        "quarantine.verdict": KeepWhatHolds(cluster),
        "quarantine.release": Release(cluster, clock),
    }
