# Copyright (c) 2026 the knowngood.kube authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's ports on the cluster: the journal in ConfigMaps, the lease in a Lease.

Both live in the state namespace (``knowngood`` unless told otherwise), which the user makes.

PRIVATE to this collection.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .._core.clock import Clock, SystemClock, parse_time
from .._core.errors import BadInput, Conflict, KnownGoodError, NotFound, TakenOver
from .._core.operation import Action, Engine
from .._core.plan import Plan, canonical, digest
from .._core.ports import OPEN, UNDOING, Entry, Held, Operation
from .._core.progress import Reporter
from .client import Cluster, Object
from .kinds import named

JOURNAL_LIMIT = 512 * 1024
JOURNAL_LABEL = "knowngood.io/journal"
TARGET_LABEL = "knowngood.io/target"
STATE_LABEL = "knowngood.io/state"
_AS = "$as"
"""In a journal: the parameters are those of the step named."""
_OPERATION_ID = re.compile(r"[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?")


def target_label(target: str) -> str:
    """A label value for ``namespace/name``: hashed, as it may be longer than the 63 characters a label holds."""
    return digest(target)[:20]


class ConfigMapJournal:
    """One ConfigMap an operation, at most 512 KiB; the compare-and-swap token is its resourceVersion."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        # A plan never changes, and may have many thousand rows: it is spelled out once and not with each step.
        self._spelled: tuple[Plan, str] | None = None

    def create(self, operation: Operation) -> Operation:
        try:
            return _operation(self._cluster.create(self._manifest(operation)))
        except NotFound as error:
            raise no_state_namespace(self._namespace) from error

    def save(self, operation: Operation) -> Operation:
        manifest = self._manifest(operation)
        manifest["metadata"]["resourceVersion"] = operation.version
        try:
            return _operation(self._cluster.update(manifest), operation.plan)
        except Conflict as error:
            raise TakenOver(
                f"another run has taken over operation {operation.id}",
                where=error.where,
                why="its journal was written since this run last wrote it",
                next="let that run end, then look with knowngood.kube.operation state=listed",
            ) from error

    def get(self, operation_id: str) -> Operation | None:
        if not _OPERATION_ID.fullmatch(operation_id):
            raise BadInput(f"{operation_id!r} is not an operation id")
        found = self._cluster.find("ConfigMap", f"knowngood-op-{operation_id}", self._namespace)
        return _operation(found) if found else None

    def list(self, target: str | None = None, *, unfinished: bool = False) -> list[Operation]:
        selector = JOURNAL_LABEL if target is None else f"{JOURNAL_LABEL},{TARGET_LABEL}={target_label(target)}"
        selector += f",{STATE_LABEL} in ({OPEN},{UNDOING})" if unfinished else ""
        found = [_operation(item) for item in self._cluster.list("ConfigMap", self._namespace, selector=selector)]
        return sorted(found, key=lambda op: (op.started, op.id), reverse=True)

    def remove(self, operation: Operation) -> bool:
        name = journal_name(operation)
        found = self._cluster.find("ConfigMap", name, self._namespace)
        if found is None or found["metadata"]["resourceVersion"] != operation.version:
            return False
        uid, version = found["metadata"]["uid"], operation.version
        try:
            self._cluster.delete("ConfigMap", name, self._namespace, uid=uid, resource_version=version)
        except Conflict:
            return False
        return True

    def _plan(self, plan: Plan) -> str:
        if self._spelled is None or self._spelled[0] is not plan:
            self._spelled = plan, canonical(_once(plan.to_dict()))
        return self._spelled[1]

    def _manifest(self, operation: Operation) -> Object:
        plan, log = self._plan(operation.plan), canonical(_log(operation))
        if len(plan) + len(log) > JOURNAL_LIMIT:
            raise BadInput(
                "the plan is too big for one journal",
                where=f"operation {operation.id}",
                why=f"{len(plan) + len(log)} bytes, the limit is {JOURNAL_LIMIT}",
                next="split the work over several calls",
            )
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": journal_name(operation),
                "namespace": self._namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "knowngood",
                    JOURNAL_LABEL: operation.plan.kind,
                    TARGET_LABEL: target_label(operation.plan.target),
                    STATE_LABEL: operation.state,
                },
            },
            "data": {"plan.json": plan, "log.json": log},
        }


def journal_name(operation: Operation) -> str:
    """The ConfigMap that keeps it."""
    return f"knowngood-op-{operation.id}"


def _once(plan: dict[str, Any]) -> dict[str, Any]:
    """Steps about the same thing have the same parameters, which may be long: the later ones name the first."""
    first: dict[str, str] = {}
    steps = []
    for step in plan["steps"]:
        name = first.setdefault(canonical(step["params"]), step["name"])
        steps.append(step if name == step["name"] else {**step, "params": {_AS: name}})
    return {**plan, "steps": steps}


def _each(plan: dict[str, Any]) -> dict[str, Any]:
    """The way back of :func:`_once`."""
    known = {step["name"]: step["params"] for step in plan["steps"]}
    steps = [{**step, "params": known[step["params"].get(_AS, step["name"])]} for step in plan["steps"]]
    return {**plan, "steps": steps}


def _log(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "state": operation.state,
        "started": operation.started,
        "ended": operation.ended,
        "holder": operation.holder,
        "facts": operation.facts,
        "entries": {name: entry.to_dict() for name, entry in operation.entries.items()},
    }


def _operation(configmap: Object, plan: Plan | None = None) -> Operation:
    """``plan``: the one that was written, where it is known."""
    meta, data = configmap["metadata"], configmap.get("data") or {}
    try:
        log = json.loads(data["log.json"])
        return Operation(
            id=log["id"],
            plan=plan or Plan.from_dict(_each(json.loads(data["plan.json"]))),
            state=log["state"],
            started=log["started"],
            ended=log["ended"],
            holder=log["holder"],
            entries={name: Entry.from_dict(entry) for name, entry in log["entries"].items()},
            facts=log["facts"],
            version=meta["resourceVersion"],
        )
    except (KeyError, TypeError, ValueError) as error:
        where = named("ConfigMap", meta["name"], meta["namespace"])
        raise KnownGoodError("a journal cannot be read", where=where, why=repr(error)) from error


class LeaseStore:
    """``coordination.k8s.io`` Leases with renewal in the background.

    A lease that is not renewed for ``duration_s`` is free. One that is being renewed is waited for, ``wait_s`` at most.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        clock: Clock | None = None,
        duration_s: int = 15,
        wait_s: float = 120.0,
        reporter: Reporter | None = None,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._clock = clock or SystemClock()
        self._duration = duration_s
        self._wait = wait_s
        self._reporter = reporter

    @contextmanager
    def hold(self, target: str, holder: str) -> Iterator[Held]:
        lease = self._acquire(f"knowngood-{target_label(target)}", target, holder)
        renewal = _Renewal(self._cluster, lease, self._duration, self._clock)
        renewal.start()
        try:
            yield renewal
        finally:
            renewal.release()

    def _acquire(self, name: str, target: str, holder: str) -> Object:
        deadline = self._clock.monotonic() + self._wait
        seen_version, seen_at, told = "", 0.0, False
        while True:
            found = self._cluster.find("Lease", name, self._namespace)
            if found is None:
                try:
                    return self._cluster.create(self._manifest(name, target, holder))
                except Conflict:
                    continue
                except NotFound as error:
                    raise no_state_namespace(self._namespace) from error
            spec, version = found["spec"], found["metadata"]["resourceVersion"]
            if version != seen_version:  # judged by our own clock, from the moment we see it stand still
                seen_version, seen_at = version, self._clock.monotonic()
            other = spec.get("holderIdentity") or ""
            stale = self._clock.monotonic() - seen_at > float(spec.get("leaseDurationSeconds", self._duration))
            if not other or other == holder or stale or self._long_past(spec):
                try:
                    return self._cluster.update(_renewed(found, holder, self._duration, self._clock))
                except Conflict:
                    continue
            if self._clock.monotonic() > deadline:
                raise Conflict(
                    f"{target} is being worked on",
                    where=named("Lease", name, self._namespace),
                    why=f"held by {other} since {spec.get('acquireTime')}, renewed {spec.get('renewTime')}",
                    next="wait for that run to end, then run the same task again",
                )
            if self._reporter and not told:
                self._reporter.say(f"waiting for {other} to let go of {target}")
                told = True
            self._clock.sleep(0.5)

    def _long_past(self, spec: Object) -> bool:
        """So long without renewal that no difference of clocks can explain it."""
        try:
            age = (self._clock.now() - parse_time(str(spec.get("renewTime")))).total_seconds()
        except ValueError:
            return False
        return age > 20 * self._duration

    def _manifest(self, name: str, target: str, holder: str) -> Object:
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {"app.kubernetes.io/managed-by": "knowngood", TARGET_LABEL: target_label(target)},
                "annotations": {"knowngood.io/target": target},
            },
            "spec": {},
        }
        return _renewed(lease, holder, self._duration, self._clock)


def _renewed(lease: Object, holder: str, duration_s: int, clock: Clock) -> Object:
    now, had = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ"), lease["spec"]
    since = (had.get("acquireTime") if had.get("holderIdentity") == holder else "") or now
    spec = {"holderIdentity": holder, "leaseDurationSeconds": duration_s, "renewTime": now, "acquireTime": since}
    return {**lease, "spec": spec}


class _Renewal:
    """Keeps a lease fresh from a thread of its own, and tells when it was lost."""

    def __init__(self, cluster: Cluster, lease: Object, duration_s: int, clock: Clock) -> None:
        self._cluster, self._lease, self._duration, self._clock = cluster, lease, duration_s, clock
        self._holder: str = lease["spec"]["holderIdentity"]
        self._stop = threading.Event()
        self._lost = ""
        self._thread = threading.Thread(target=self._loop, daemon=True, name="knowngood-lease")

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        if self._lost:
            raise Conflict(
                "the lease was lost",
                where=named("Lease", self._lease["metadata"]["name"], self._lease["metadata"]["namespace"]),
                why=self._lost,
                next="let whoever works on it end, then run the same task again",
            )

    def release(self) -> None:
        self._stop.set()
        self._thread.join(self._duration)
        if self._lost:
            return
        try:
            self._write(lambda lease: {**lease, "spec": {**lease["spec"], "holderIdentity": ""}})
        except KnownGoodError:
            return  # it runs out by itself

    def _loop(self) -> None:
        while not self._stop.wait(self._duration / 3):
            try:
                self._write(lambda lease: _renewed(lease, self._holder, self._duration, self._clock))
            except (Conflict, NotFound) as error:
                self._lost = error.why or str(error)
                return
            except KnownGoodError:
                continue  # unreachable for a moment: try again, it may run out

    def _write(self, change: Callable[[Object], Object]) -> None:
        """Writes the lease; where the answer to the write before was lost, on the version which that one made."""
        try:
            self._lease = self._cluster.update(change(self._lease))
        except Conflict:
            self._lease = self._cluster.update(change(self._still_ours()))

    def _still_ours(self) -> Object:
        meta = self._lease["metadata"]
        found = self._cluster.get("Lease", meta["name"], meta["namespace"])
        other = found["spec"].get("holderIdentity") or "nobody"
        if other != self._holder:
            raise Conflict("the lease was taken", why=f"held by {other}, renewed {found['spec'].get('renewTime')}")
        return found


def no_state_namespace(namespace: str) -> NotFound:
    return NotFound(
        f"the state namespace {namespace!r} does not exist",
        why="journals, leases and the ledger are kept there",
        next=f"kubectl create namespace {namespace}, or set state_namespace",
    )


def new_holder() -> str:
    """Who holds a lease: host, process and a random part, so that a process id used twice is not the same holder."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"


def engine(
    cluster: Cluster,
    state_namespace: str,
    actions: Mapping[str, Action],
    *,
    reporter: Reporter,
    stopping: Any,
    clock: Clock | None = None,
) -> Engine:
    """The engine on this cluster."""
    ticking = clock or SystemClock()
    return Engine(
        journal=ConfigMapJournal(cluster, state_namespace),
        leases=LeaseStore(cluster, state_namespace, clock=ticking, reporter=reporter),
        clock=ticking,
        reporter=reporter,
        actions=actions,
        holder=new_holder(),
        stopping=stopping,
    )
