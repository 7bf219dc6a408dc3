# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Freezing reconcilers and putting them back: steps and the code behind them.

A step before the stop freezes, a step after the start puts back; undone, each does what the other one does. So an undo
of a finished operation freezes first, too.

PRIVATE to this collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.application import Application, Workload
from .._core.clock import Clock
from .._core.errors import Conflict, KnownGoodError, NotFound, NotProven, TimedOut
from .._core.expressions import Expression
from .._core.operation import Action, Context, LooksAgain, NothingToUndo
from .._core.plan import Json, Step
from .._core.ports import ALREADY
from .._core.progress import Reporter
from .amend import Ref, amend, read, read_or_none
from .client import Cluster, Object
from .fighters import fought
from .holding import Change, changed_since, freeze_patch, frozen_by, is_frozen, thaw_patch
from .kinds import named
from .pods import alive
from .reconcilers import Found, Reconciler, chosen, params_of
from .stopping import STOPPABLE, is_stopped
from .templates import claims_in

SETTLE_S = 3
"""How long workloads are watched that somebody keeps who could not be frozen."""
READY_TIMEOUT_S = 300
_LOOK_S = 0.5


# -- steps: pure -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Brackets:
    """The steps around a stop and a start, in four places of the plan.

    ``before`` the first workload is stopped, ``stops`` with the stops and ``starts`` with the starts (foreign kinds,
    which their own controller stops), and ``after`` everything was started and verified. ``paused`` are the workloads
    that need no other stop and start.
    """

    before: tuple[Step, ...] = ()
    stops: tuple[Step, ...] = ()
    starts: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    paused: tuple[str, ...] = ()

    @property
    def frozen(self) -> frozenset[str]:
        """The workloads that somebody would start again who is frozen."""
        return frozenset(ref for step in (*self.before, *self.stops) for ref in step.params["of"])


def brackets(found: Found, app: Application, stopped: Sequence[Workload], *, ready_timeout_s: int) -> Brackets:
    """The steps for what has to do with these workloads."""
    all_of_them = chosen(found, stopped)
    plain = [_pair(one) for one in all_of_them if not one.stands_for]
    standing = [_standing(one, app, ready_timeout_s) for one in all_of_them if one.stands_for]
    return Brackets(
        before=tuple(freeze for freeze, thaw in plain),
        stops=tuple(freeze for freeze, thaw in standing),
        starts=tuple(thaw for freeze, thaw in reversed(standing)),
        after=tuple(thaw for freeze, thaw in reversed(plain)),
        paused=tuple(one.stands_for for one in all_of_them if one.stands_for),
    )


def _pair(one: Reconciler, more: Mapping[str, Json] | None = None) -> tuple[Step, Step]:
    freeze, thaw = f"freeze {one.title}", f"put back {one.title}"
    if one.claims_only:
        freeze, thaw = f"retain the claims of {one.title}", f"put back the claim policy of {one.title}"
    elif one.by_recipe:
        freeze, thaw = f"pause {one.title}", f"resume {one.title}"
    params = {**params_of(one), **(more or {})}
    actions = ("workloads.pause", "workloads.resume") if one.stands_for else ("workloads.freeze", "workloads.thaw")
    return (
        Step(freeze, actions[0], (one.title,), {**params, "partner": thaw}, until=thaw),
        Step(thaw, actions[1], (one.title,), {**params, "partner": freeze}),
    )


def _standing(one: Reconciler, app: Application, ready_timeout_s: int) -> tuple[Step, Step]:
    """With what its pods mount: that is how they are known, whoever stands between them and their owner."""
    workload = app.workload(one.stands_for)
    pods = len(app.pods_of(one.stands_for)) if one.changes else 0
    claims = sorted({mount.claim for mount in workload.mounts})
    more = {"pods": pods, "claims": claims, "app_namespace": workload.namespace, "ready_timeout_s": ready_timeout_s}
    return _pair(one, more)


def rest_step(
    app: Application, stopped: Sequence[Workload], claims: Sequence[str], held: Brackets, *, until: str
) -> Step:
    """The gate between stop and swap: all of it stands still, and nobody mounts the claims.

    It watches for a while where somebody is known to keep a workload and is not among what was frozen.
    """
    watched = [w for w in stopped if _keeper(w) and w.ref not in held.frozen]
    params: dict[str, Json] = {
        "namespace": app.spec.namespace,
        "workloads": [_named(workload) for workload in stopped if workload.kind in STOPPABLE],
        "claims": sorted(claims),
        "settle_s": SETTLE_S if watched else 0,
    }
    touches = tuple(named(w.kind, w.name, w.namespace) for w in stopped)
    return Step("see that all of it stands still", "workloads.see_stopped", touches, params, until)


def _named(workload: Workload) -> dict[str, Json]:
    return {
        "kind": workload.kind,
        "name": workload.name,
        "namespace": workload.namespace,
        "uid": workload.uid,
        "keeper": _keeper(workload),
    }


def _keeper(workload: Workload) -> str:
    """Who might start it again, as far as it says. Helm acts when it is called; an HPA leaves what is at zero alone."""
    if workload.managed_by and not workload.managed_by.startswith("Helm release"):
        return workload.managed_by
    return "" if workload.scaled_by.startswith("HorizontalPodAutoscaler/") else workload.scaled_by


# -- actions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """What freezing and putting back have in common. Params: as :func:`params_of`, and ``partner``."""

    cluster: Cluster
    clock: Clock

    def _changes(self, step: Step) -> tuple[Change, ...]:
        return tuple(Change.of(item) for item in step.params["changes"])

    def _object(self, step: Step) -> Object | None:
        return read_or_none(self.cluster, Ref.of(step.params))

    def _frozen(self, step: Step, context: Context) -> bool:
        obj = self._object(step)
        by = frozen_by(obj) if obj else ""
        return obj is not None and is_frozen(obj, self._changes(step)) and by in ("", context.operation_id)

    def _freeze(self, step: Step, context: Context) -> dict[str, Json]:
        """Raises Conflict where another operation holds it, NotProven where another object has taken its place."""
        ref, changes = Ref.of(step.params), self._changes(step)
        try:
            after = amend(self.cluster, ref, lambda obj: freeze_patch(obj, changes, context.operation_id))
        except NotFound:
            return {"gone": True}
        except Conflict as error:
            if self._replaced(ref):
                raise _another(ref) from error
            raise
        if not is_frozen(after, changes):
            raise NotProven(f"{ref.where} does not stay frozen", why="the server or a webhook changed the values")
        self._wait(step, ref)
        return {"frozen": [".".join(change.path) for change in changes]}

    def _replaced(self, ref: Ref) -> bool:
        there = self.cluster.find(ref.api, ref.name, ref.namespace)
        return there is not None and there["metadata"]["uid"] != ref.uid

    def _wait(self, step: Step, ref: Ref) -> None:
        if not step.params["wait_for"]:
            return
        wanted = Expression.of(step.params["wait_for"], "wait_for of a pause recipe", "pause")
        deadline = self.clock.monotonic() + step.params["timeout_s"]
        while not wanted.holds(read(self.cluster, ref)):
            if self.clock.monotonic() >= deadline:
                raise TimedOut(
                    f"timed out waiting for {ref.where} to be paused",
                    why=f"after {step.params['timeout_s']} s this is not true of it: {wanted.text}",
                    next="look whether its controller runs, and correct wait_for",
                )
            self.clock.sleep(_LOOK_S)

    def _thaw(self, step: Step, context: Context, *, sure: bool) -> dict[str, Json]:
        """What is gone needs nothing any more; what somebody wrote since is theirs."""
        ref, changes = Ref.of(step.params), self._changes(step)
        obj = self._object(step)
        if obj is None:
            return {"gone": True}
        theirs = changed_since(obj, changes, context.operation_id)
        amend(self.cluster, ref, lambda found: thaw_patch(found, changes, context.operation_id, sure=sure))
        return {"put_back": True, **({"changed_by_others": theirs} if theirs else {})}


@dataclass(frozen=True, slots=True)
class Freeze(Hold):
    """``workloads.freeze``: replaces the values; undone, puts them back."""

    def done(self, step: Step, context: Context) -> bool:
        return self._frozen(step, context)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        return self._freeze(step, context)

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        # Once it was put back, only the note on the object says that it is ours again.
        return self._thaw(step, context, sure=step.params["partner"] not in context.results)


@dataclass(frozen=True, slots=True)
class Thaw(Hold):
    """``workloads.thaw``: puts the values back; undone, freezes again."""

    def done(self, step: Step, context: Context) -> bool:
        obj = self._object(step)
        ours = obj is not None and frozen_by(obj) == context.operation_id
        # What this operation did not freeze it does not freeze in an undo either; what it put back is not judged again.
        return not ours and (step.name in context.results or not _froze(step, context))

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        return self._thaw(step, context, sure=_froze(step, context))

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        return self._freeze(step, context)


def _froze(step: Step, context: Context) -> bool:
    """Does the journal say that this operation froze it?"""
    result = context.results.get(step.params["partner"])
    return result is not None and ALREADY not in result


@dataclass(frozen=True, slots=True)
class Pause(Hold):
    """``workloads.pause``: freezes, and waits until the controller has taken away all pods that mount the claims.

    More params: ``app_namespace``, ``claims``, ``pods`` (how many there were), ``ready_timeout_s``.
    """

    def done(self, step: Step, context: Context) -> bool:
        return self._frozen(step, context) and not _mounting(self.cluster, step.params)

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        frozen = self._freeze(step, context)
        _wait_gone(self.cluster, step, self.clock)
        return frozen

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        thawed = self._thaw(step, context, sure=step.params["partner"] not in context.results)
        # It may not have been ready before either: an undo brings back what was, it does not judge it.
        return {**thawed, "ready": _ready_in_time(self.cluster, step, self.clock)}


@dataclass(frozen=True, slots=True)
class Resume(Hold, LooksAgain):
    """``workloads.resume``: puts the values back, and waits for as many ready pods as there were."""

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        thawed = self._thaw(step, context, sure=_froze(step, context))
        _wait_ready(self.cluster, step, self.clock)
        return thawed

    def undo(self, step: Step, context: Context) -> dict[str, Json] | None:
        frozen = self._freeze(step, context)
        _wait_gone(self.cluster, step, self.clock)
        return frozen


def _another(ref: Ref) -> NotProven:
    return NotProven(
        f"{ref.where} is not the one that was planned for",
        why="it was deleted and made anew in between",
        next="run the same task again",
    )


# -- pods of foreign kinds ---------------------------------------------------------------------------------------


def _mounting(cluster: Cluster, params: Mapping[str, Any]) -> list[Object]:
    """The pods that may still hold one of the claims."""
    claims = set(params["claims"])
    pods = (pod for pod in cluster.list("Pod", params.get("app_namespace") or params["namespace"]) if alive(pod))
    return [pod for pod in pods if claims & set(claims_in(pod["spec"], pod["metadata"]["name"]).values())]


def _wait_gone(cluster: Cluster, step: Step, clock: Clock) -> None:
    deadline = clock.monotonic() + step.params["timeout_s"]
    while True:
        left = _mounting(cluster, step.params)
        if not left:
            return
        if clock.monotonic() >= deadline:
            raise TimedOut(
                f"timed out waiting for the pods of {step.touches[0]} to end",
                why=f"after {step.params['timeout_s']} s there are: {_names(left)}",
                next="look whether the pause recipe makes its controller take them away",
            )
        clock.sleep(_LOOK_S)


def _wait_ready(cluster: Cluster, step: Step, clock: Clock) -> None:
    wanted, timeout = step.params["pods"], step.params["ready_timeout_s"]
    deadline = clock.monotonic() + timeout
    while True:
        ready = [pod for pod in _mounting(cluster, step.params) if _is_ready(pod)]
        if len(ready) >= wanted:
            return
        if clock.monotonic() >= deadline:
            why = f"after {timeout} s {len(ready)} of {wanted} pods are ready"
            raise TimedOut(f"timed out waiting for the pods of {step.touches[0]} to be ready", why=why)
        clock.sleep(_LOOK_S)


def _ready_in_time(cluster: Cluster, step: Step, clock: Clock) -> bool:
    try:
        _wait_ready(cluster, step, clock)
    except KnownGoodError:
        return False
    return True


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _names(pods: Iterable[Object]) -> str:
    return ", ".join(sorted(pod["metadata"]["name"] for pod in pods))


# -- the gate ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeeStopped(LooksAgain, NothingToUndo):
    """``workloads.see_stopped``: params namespace, workloads (kind, name, namespace, uid, keeper), claims, settle_s."""

    cluster: Cluster
    clock: Clock

    def apply(self, step: Step, context: Context) -> dict[str, Json]:
        """Raises NotProven naming who started what again, or which pods hold the claims."""
        del context
        self._look(step.params)
        if step.params["settle_s"]:
            self.clock.sleep(step.params["settle_s"])
            self._look(step.params)
        return {}

    def _look(self, params: Mapping[str, Any]) -> None:
        for item in params["workloads"]:
            obj = read(self.cluster, Ref.of(item))
            if not is_stopped(obj):
                raise fought(obj, item["keeper"])
        pods = _mounting(self.cluster, params)
        if pods:
            raise NotProven(
                "somebody starts pods on the claims that are to be exchanged",
                where=f"namespace {params['namespace']}",
                why=f"they are held by: {_owners(pods)}",
                next="stop who makes them, then run the same task again",
            )


def _owners(pods: Iterable[Object]) -> str:
    told = []
    for pod in pods:
        meta = pod["metadata"]
        owners = [f"{owner['kind']}/{owner['name']}" for owner in meta.get("ownerReferences") or []]
        makers = [str(entry.get("manager", "?")) for entry in meta.get("managedFields") or []]
        told.append(f"{meta['name']} (of {', '.join(owners or makers[:1]) or 'nobody known'})")
    return ", ".join(sorted(told))


def actions(cluster: Cluster, *, state_namespace: str, clock: Clock, reporter: Reporter) -> dict[str, Action]:
    """``workloads.freeze``, ``.thaw``, ``.pause``, ``.resume``, ``.see_stopped``."""
    del state_namespace, reporter
    return {
        "workloads.freeze": Freeze(cluster, clock),
        "workloads.thaw": Thaw(cluster, clock),
        "workloads.pause": Pause(cluster, clock),
        "workloads.resume": Resume(cluster, clock),
        "workloads.see_stopped": SeeStopped(cluster, clock),
    }
